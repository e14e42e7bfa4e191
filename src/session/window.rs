//! The number of messages in flight, controlled by a window that shrinks to one on loss and grows
//! with each acknowledgement, as in TCP congestion control.
//!
//! Brokers and clouds silently drop what arrives too fast, and some close the connection on a
//! single message. A window of one finds a rate that gets through, and leaves that message alone in
//! flight, where it can be identified.

/// Maximum window. Brokers limit the messages in flight, and some, such as mosquitto 2.0 with its
/// limit of 20 at QoS 2, acknowledge further ones at QoS 1 and then lose them.
pub const MAX_INFLIGHT: u16 = 16;

/// The window of one connection object; it outlives a connection.
pub struct Window {
    /// How far it is below [`MAX_INFLIGHT`].
    reduction: u8,
    /// Below this size it grows with each acknowledgement; above, by one per full window.
    threshold: u8,
    /// Acknowledgements since it last grew.
    acked: u8,
}

impl Window {
    /// Fully open.
    pub const NEW: Self = Window { reduction: 0, threshold: 0, acked: 0 };

    /// Returns the maximum number of messages in flight.
    pub fn size(&self) -> u16 {
        MAX_INFLIGHT - self.reduction as u16
    }

    /// Returns true if the window is fully open.
    pub fn is_widest(&self) -> bool {
        self.reduction == 0
    }

    /// A message or acknowledgement was lost.
    #[inline(never)]
    pub fn shrink(&mut self) {
        self.threshold = (self.size() / 2).max(1) as u8;
        self.reduction = MAX_INFLIGHT as u8 - 1;
        self.acked = 0;
    }

    /// A message was acknowledged.
    pub fn grow(&mut self) {
        if self.reduction == 0 {
            return;
        }
        self.acked += 1;
        let size = self.size() as u8;
        if size < self.threshold || self.acked >= size {
            self.reduction -= 1;
            self.acked = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_INFLIGHT, Window};

    #[test]
    fn it_grows_quickly_to_half_of_where_it_failed_and_slowly_beyond() {
        let mut w = Window::NEW;
        assert_eq!(w.size(), MAX_INFLIGHT);
        w.shrink();
        assert_eq!(w.size(), 1);
        let sizes: [u16; 16] = core::array::from_fn(|_| {
            w.grow();
            w.size()
        });
        assert_eq!(sizes, [2, 3, 4, 5, 6, 7, 8, 8, 8, 8, 8, 8, 8, 8, 9, 9]);
        for _ in 0..100 {
            w.grow();
        }
        assert_eq!(w.size(), MAX_INFLIGHT);
    }

    #[test]
    fn shrunk_twice_it_is_still_one() {
        let mut w = Window::NEW;
        w.shrink();
        w.shrink();
        assert_eq!(w.size(), 1);
        w.grow();
        assert_eq!(w.size(), 2);
    }
}
