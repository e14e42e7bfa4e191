//! Whether the link takes more: a broker that does not read, or a dead link, must not fill the heap with what waits for it.

use super::keep_alive::Millis;

/// No byte has moved for so long while it was looked at, milliseconds: nothing more is written.
const STALL: u16 = 2000;

/// Polls come once a second at least: two that are further apart, milliseconds, say that the app was busy, not the link.
const BUSY: u32 = 1100;

/// What may wait, bytes, however small or large the heap is.
const LEAST: usize = 8 << 10;
const MOST: usize = 256 << 10;

/// The bytes that Mongoose has not given to the network yet.
pub struct SendBuffer {
    polled_at: Millis,
    /// Something waited at the last poll.
    waits: bool,
    /// For how long nothing has moved, milliseconds.
    stalled: u16,
}

impl SendBuffer {
    /// Nothing waits.
    pub const NEW: Self = SendBuffer { polled_at: 0, waits: false, stalled: 0 };

    /// Bytes have left.
    pub fn left(&mut self) {
        self.stalled = 0;
    }

    /// The event loop goes round, and so many bytes wait.
    pub fn polled(&mut self, unsent: usize, now: Millis) {
        let since = now.wrapping_sub(self.polled_at).min(BUSY) as u16;
        let waited = core::mem::replace(&mut self.waits, unsent > 0);
        self.polled_at = now;
        self.stalled = if waited && unsent > 0 { (self.stalled + since).min(STALL) } else { 0 };
    }

    /// True if a packet of `size` bytes may be written behind `unsent` others. `free`: bytes of heap that are free.
    pub fn has_room(&self, unsent: usize, size: usize, free: usize) -> bool {
        unsent == 0 || self.stalled < STALL && unsent.saturating_add(size) <= (free / 3).clamp(LEAST, MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::SendBuffer;

    #[test]
    fn what_waits_is_bounded_by_a_third_of_the_heap_but_the_first_message_always_goes() {
        let b = SendBuffer::NEW;
        assert!(b.has_room(0, 1 << 20, 0));
        assert!(b.has_room(60 << 10, 1 << 10, 200 << 10));
        assert!(!b.has_room(60 << 10, 1 << 10, 100 << 10));
        assert!(b.has_room(7 << 10, 1 << 10, 0) && !b.has_room(8 << 10, 1, 0));
        assert!(!b.has_room(256 << 10, 1, usize::MAX));
    }

    #[test]
    fn a_link_on_which_nothing_moves_for_two_seconds_takes_nothing_more() {
        let mut b = SendBuffer::NEW;
        for at in (0..2000).step_by(100) {
            b.polled(10, at);
            assert!(b.has_room(10, 1, 1 << 20));
        }
        b.polled(10, 2000);
        assert!(!b.has_room(10, 1, 1 << 20));
        b.left();
        assert!(b.has_room(9, 1, 1 << 20));
    }

    #[test]
    fn an_app_that_blocks_for_two_seconds_does_not_make_the_link_a_dead_one() {
        let mut b = SendBuffer::NEW;
        b.polled(10, 10_000);
        b.polled(10, 13_000);
        assert!(b.has_room(10, 1, 1 << 20));
    }

    #[test]
    fn a_link_is_looked_at_only_while_something_waits() {
        let mut b = SendBuffer::NEW;
        b.polled(0, 0);
        for at in [1000, 2000] {
            b.polled(10, at);
            assert!(b.has_room(10, 1, 1 << 20), "it has waited for less than two seconds");
        }
        b.polled(10, 3000);
        assert!(!b.has_room(10, 1, 1 << 20));
        let mut b = SendBuffer::NEW;
        b.polled(10, 0);
        b.polled(10, 1000);
        b.polled(0, 2000);
        assert!(b.has_room(10, 1, 1 << 20), "all has left");
    }
}
