//! Inbound QoS 2 messages that were received but not yet released; used to discard duplicates
//! \[MQTT-4.3.3-2\].
//!
//! Brokers number messages sequentially, so the packet IDs are stored as ranges: a thousand open
//! messages take one block.

use crate::heap::{List, OutOfMemory};
use crate::wire::PacketId;

/// Maximum number of ranges; bounds what a hostile broker can make us store.
const MAX_RUNS: u8 = 64;

/// The DUP flag of PUBLISH.
const DUP: u8 = 8;

/// A range of packet IDs, both ends included.
#[derive(Clone, Copy)]
struct Run {
    first: u16,
    last: u16,
}

impl Run {
    #[inline(never)]
    fn contains(&self, id: u16) -> bool {
        (self.first..=self.last).contains(&id)
    }
}

/// The set of open packet IDs.
pub struct InboundQos2 {
    runs: List<Run>,
    len: u8,
    /// Some were received before a restart. What the broker had yet to release may be out of date.
    restored: bool,
}

/// Why a packet ID could not be stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Full {
    /// The broker has too many messages open, with more gaps than any real broker leaves.
    TooMany,
    /// Out of memory.
    OutOfMemory,
}

impl From<OutOfMemory> for Full {
    fn from(_: OutOfMemory) -> Self {
        Full::OutOfMemory
    }
}

impl InboundQos2 {
    /// The empty set.
    pub const NEW: Self = InboundQos2 { runs: List::new(), len: 0, restored: false };

    /// Returns true if the message with this packet ID was received and not released.
    pub fn contains(&self, id: PacketId) -> bool {
        self.runs.iter().any(|run| run.value.contains(id.get()))
    }

    /// Returns true if a message with a packet ID that is open, and this first byte, is a
    /// retransmission. In a session that survived a restart only DUP tells, as the packet ID may be
    /// used anew.
    pub fn is_duplicate(&self, first: u8) -> bool {
        first & DUP != 0 || !self.restored
    }

    /// Calls `found` with the first and the last packet ID of each range.
    pub fn each_run(&self, found: &mut dyn FnMut(u16, u16)) {
        self.runs.iter().for_each(|run| found(run.value.first, run.value.last));
    }

    /// Adds a range of packet IDs from before a restart.
    pub fn restore_run(&mut self, first: u16, last: u16) -> Result<(), Full> {
        self.restored = true;
        self.push(first, last)
    }

    /// Returns true if no message is open.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn push(&mut self, first: u16, last: u16) -> Result<(), Full> {
        if self.len == MAX_RUNS {
            return Err(Full::TooMany);
        }
        self.runs.push_front(Run { first, last }, &[])?;
        self.len += 1;
        Ok(())
    }

    /// Adds a packet ID that is not in the set. Ranges that become adjacent are not merged: brokers
    /// number sequentially.
    pub fn insert(&mut self, id: PacketId) -> Result<(), Full> {
        let id = id.get();
        // Neither end wraps: no packet ID is 0.
        if let Some(mut found) = self.runs.find(|run| run.value.last == id - 1 || run.value.first == id.wrapping_add(1)) {
            let run = found.value();
            if run.last < id {
                run.last = id;
            } else {
                run.first = id;
            }
            return Ok(());
        }
        self.push(id, id)
    }

    /// PUBREL: releases the packet ID. An unknown one is no error: the PUBCOMP was lost.
    pub fn remove(&mut self, id: PacketId) -> Result<(), Full> {
        let id = id.get();
        let Some(mut found) = self.runs.find(|run| run.value.contains(id)) else { return Ok(()) };
        let run = found.value();
        let Run { first, last } = *run;
        if id == first && id == last {
            found.remove();
            self.len -= 1;
        } else if id == first {
            run.first += 1;
        } else {
            run.last = id - 1;
            if id < last {
                let pushed = self.push(id + 1, last);
                if pushed.is_err()
                    && let Some(mut found) = self.runs.find(|run| run.value.first == first)
                {
                    found.value().last = last;
                }
                return pushed;
            }
        }
        Ok(())
    }

    /// Starts a new session: no message is open.
    pub fn clear(&mut self) {
        self.runs.clear();
        (self.len, self.restored) = (0, false);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{Full, InboundQos2, PacketId};
    use crate::heap::testing::fail_after;
    use std::collections::BTreeSet;

    fn id(n: u16) -> PacketId {
        PacketId::new(n).unwrap()
    }

    #[test]
    fn a_thousand_open_in_a_row_are_one_run() {
        let mut r = InboundQos2::NEW;
        for n in 1..=1000 {
            r.insert(id(n)).unwrap();
        }
        assert_eq!(r.len, 1);
        assert!(r.contains(id(1)) && r.contains(id(1000)) && !r.contains(id(1001)));
    }

    #[test]
    fn the_set_is_bounded_and_frees_what_is_released() {
        let mut r = InboundQos2::NEW;
        for n in 1..=64 {
            r.insert(id(2 * n)).unwrap();
        }
        assert_eq!(r.insert(id(200)), Err(Full::TooMany));
        r.remove(id(8)).unwrap();
        r.remove(id(8)).unwrap();
        assert!(!r.contains(id(8)) && r.contains(id(128)));
        r.insert(id(200)).unwrap();
        r.clear();
        assert!(!r.contains(id(200)) && r.is_empty());
    }

    #[test]
    fn without_memory_for_a_second_run_nothing_is_released() {
        let mut r = InboundQos2::NEW;
        for n in 1..=3 {
            r.insert(id(n)).unwrap();
        }
        fail_after(Some(0));
        assert_eq!(r.remove(id(2)), Err(Full::OutOfMemory));
        fail_after(None);
        assert!((1..=3).all(|n| r.contains(id(n))));
        r.remove(id(2)).unwrap();
        assert!(r.contains(id(1)) && !r.contains(id(2)) && r.contains(id(3)));
    }

    #[test]
    fn it_holds_what_a_plain_set_holds_at_both_ends_of_the_identifiers_too() {
        let (mut r, mut plain) = (InboundQos2::NEW, BTreeSet::new());
        let mut random = 1u32;
        for _ in 0..20_000 {
            random = random.wrapping_mul(1_103_515_245).wrapping_add(12_345);
            let n = [1, 65_506][(random >> 20) as usize & 1] + (random >> 24) as u16 % 30;
            if random >> 16 & 1 == 0 {
                if plain.insert(n) {
                    r.insert(id(n)).unwrap();
                }
            } else {
                plain.remove(&n);
                r.remove(id(n)).unwrap();
            }
            assert!((1..=30).chain(65_506..=65_535).all(|n| r.contains(id(n)) == plain.contains(&n)));
        }
        for n in plain {
            r.remove(id(n)).unwrap();
        }
        assert!(r.is_empty());
    }
}
