//! Backpressure: a broker that does not read, or a dead link, must not fill the heap with unsent
//! data.

use super::keep_alive::Millis;

/// If no byte is transmitted for this many milliseconds of polling, the link is stalled.
const STALL: u16 = 2000;

/// Polls happen at least once a second; a longer gap, in milliseconds, means that the app was busy,
/// not that the link stalled.
const BUSY: u32 = 1100;

/// Bounds on the unsent bytes, whatever the size of the heap.
const MIN_UNSENT_LIMIT: usize = 8 << 10;
const MAX_UNSENT_LIMIT: usize = 256 << 10;

/// The state of the bytes not yet handed to the network.
pub struct SendBuffer {
    polled_at: Millis,
    /// Bytes were waiting at the last poll.
    was_waiting: bool,
    /// How long nothing has been transmitted, in milliseconds.
    stalled: u16,
    /// A message was published with nothing queued before it: it is sent even if there is no room.
    pub(super) bypass_room: bool,
}

impl SendBuffer {
    /// Nothing is waiting.
    pub const NEW: Self = SendBuffer { polled_at: 0, was_waiting: false, stalled: 0, bypass_room: false };

    /// Bytes were transmitted.
    pub fn transmitted(&mut self) {
        self.stalled = 0;
    }

    /// The event loop polls, with `unsent` bytes waiting.
    pub fn polled(&mut self, unsent: usize, now: Millis) {
        let since = now.wrapping_sub(self.polled_at).min(BUSY) as u16;
        let waited = core::mem::replace(&mut self.was_waiting, unsent > 0);
        self.polled_at = now;
        self.stalled = if waited && unsent > 0 { (self.stalled + since).min(STALL) } else { 0 };
    }

    /// Returns true if a packet of `size` bytes may be written behind `unsent` others, given `free`
    /// bytes of free heap.
    pub fn has_room(&self, unsent: usize, size: usize, free: usize) -> bool {
        unsent == 0 || self.stalled < STALL && unsent.saturating_add(size) <= (free / 3).clamp(MIN_UNSENT_LIMIT, MAX_UNSENT_LIMIT)
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
        b.transmitted();
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
    fn a_link_is_checked_only_while_bytes_are_waiting() {
        let mut b = SendBuffer::NEW;
        b.polled(0, 0);
        for at in [1000, 2000] {
            b.polled(10, at);
            assert!(b.has_room(10, 1, 1 << 20), "less than two seconds");
        }
        b.polled(10, 3000);
        assert!(!b.has_room(10, 1, 1 << 20));
        let mut b = SendBuffer::NEW;
        b.polled(10, 0);
        b.polled(10, 1000);
        b.polled(0, 2000);
        assert!(b.has_room(10, 1, 1 << 20), "everything was transmitted");
    }
}
