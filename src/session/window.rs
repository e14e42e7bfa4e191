//! How many messages go out ahead of their acknowledgements: a window that shrinks to one when something is lost and grows again
//! with what is acknowledged, as TCP's does.
//!
//! Brokers and clouds drop what comes faster than they like without a word, and some hang up on a single message. A window of
//! one finds the rate that gets through, and leaves that message alone in flight, where it can be told from the others.

/// The widest it gets. Brokers bound what they take ahead, and some, mosquitto 2.0 with its 20 at QoS 2, acknowledge what is
/// beyond at QoS 1 and then lose it.
pub const MAX_INFLIGHT: u16 = 16;

/// The window of one connection object; it outlives a connection.
pub struct Window {
    /// How far below [`MAX_INFLIGHT`] it is.
    reduction: u8,
    /// Up to here it grows with each acknowledgement; beyond, with a whole window of them.
    threshold: u8,
    /// Acknowledgements since it last grew.
    acked: u8,
}

impl Window {
    /// The widest.
    pub const NEW: Self = Window { reduction: 0, threshold: 0, acked: 0 };

    /// How many messages may be in flight.
    pub fn size(&self) -> u16 {
        MAX_INFLIGHT - self.reduction as u16
    }

    /// True if nothing was lost lately.
    pub fn is_widest(&self) -> bool {
        self.reduction == 0
    }

    /// Something was lost.
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
