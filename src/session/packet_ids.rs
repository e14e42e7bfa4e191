//! Packet Identifiers: one counter a session, never zero \[MQTT-2.3.1-1\], never one in use \[MQTT-2.3.1-2\].

use crate::wire::PacketId;

/// The counter. It remembers how many of the next identifiers are known to be free, so that it looks at those in use only when that
/// run ends: taking one costs the same whatever is in flight.
pub struct PacketIds {
    last: u16,
    free_run: u16,
}

/// The identifiers in a circle: how far `to` lies ahead of `from`.
pub fn ahead(from: u16, to: u16) -> u16 {
    to.wrapping_sub(from) - (to < from) as u16
}

fn successor(id: u16) -> u16 {
    if id == u16::MAX { 1 } else { id + 1 }
}

impl PacketIds {
    /// The first is 1.
    pub const NEW: Self = PacketIds { last: 0, free_run: 0 };

    /// The next identifier that is not in use. `distance` says how far ahead of the one that it is given the nearest in use lies; `u16::MAX` where there is none. Once
    /// taken the identifier is in use if the caller's next `distance` says so.
    pub fn next(&mut self, distance: impl Fn(u16) -> u16) -> PacketId {
        // There are always fewer in use than there are identifiers: each takes a block of memory.
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
