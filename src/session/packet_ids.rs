//! Packet ID allocation: one counter per session, never zero \[MQTT-2.3.1-1\], never in use
//! \[MQTT-2.3.1-2\].

use crate::wire::PacketId;

/// The packet ID counter. It caches how many of the next packet IDs are free and searches those in
/// use only when that run ends, so that allocation cost does not depend on what is in flight.
pub struct PacketIds {
    last: u16,
    free_run: u16,
}

/// Returns how far `to` is ahead of `from` in the circle of packet IDs.
pub fn ahead(from: u16, to: u16) -> u16 {
    to.wrapping_sub(from) - (to < from) as u16
}

fn successor(id: u16) -> u16 {
    if id == u16::MAX { 1 } else { id + 1 }
}

impl PacketIds {
    /// Starts at 1.
    pub const NEW: Self = PacketIds { last: 0, free_run: 0 };

    /// Returns the packet ID that `next` returned last.
    pub fn last(&self) -> u16 {
        self.last
    }

    /// Has `next` return no packet ID before this one.
    pub fn start_from(&mut self, id: u16) {
        *self = PacketIds { last: id.wrapping_sub(1), free_run: 0 };
    }

    /// Has `next` return the packet ID again that it just returned. That one more is free need not be
    /// known.
    pub fn give_back(&mut self, id: PacketId) {
        let id = id.get();
        self.last = if id == 1 { u16::MAX } else { id - 1 };
    }

    /// Returns the next free packet ID. `distance` returns how far ahead of its argument the
    /// nearest packet ID in use is, `u16::MAX` if there is none. The new packet ID counts as used
    /// once the caller's `distance` includes it.
    pub fn next(&mut self, distance: impl Fn(u16) -> u16) -> PacketId {
        // Terminates: each packet ID in use takes a block of memory, so some are always free.
        while self.free_run == 0 {
            let next = successor(self.last);
            self.free_run = distance(next);
            if self.free_run == 0 {
                self.last = next;
            }
        }
        self.free_run -= 1;
        self.last = successor(self.last);
        PacketId::new(self.last).unwrap_or(PacketId::MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::{PacketIds, ahead};

    fn take(ids: &mut PacketIds, used: impl Iterator<Item = u16> + Clone) -> u16 {
        ids.next(|next| used.clone().map(|id| ahead(next, id)).min().unwrap_or(u16::MAX)).get()
    }

    #[test]
    fn ids_start_at_one_and_skip_zero_at_the_end() {
        let mut ids = PacketIds::NEW;
        for expected in (1..=65535).chain(1..=3) {
            assert_eq!(take(&mut ids, core::iter::empty()), expected);
        }
    }

    #[test]
    fn ids_in_use_are_passed_over() {
        let mut ids = PacketIds { last: 65533, free_run: 0 };
        for expected in [65534, 2, 3, 4, 6, 7] {
            assert_eq!(take(&mut ids, [1, 5, 65535].into_iter()), expected);
        }
    }

    #[test]
    fn the_last_free_id_is_found() {
        let mut ids = PacketIds { last: 100, free_run: 0 };
        assert_eq!(take(&mut ids, (101..=300).chain(1..=98)), 301);
        let mut ids = PacketIds { last: 65435, free_run: 0 };
        assert_eq!(take(&mut ids, (65436..=65535).chain(1..=98)), 99);
    }
}
