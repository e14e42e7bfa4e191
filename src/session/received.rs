//! QoS 2 messages that have been taken but not yet released: what keeps a repeated one from being delivered twice \[MQTT-4.3.3-2\].

use crate::heap::{List, OutOfMemory};
use crate::wire::PacketId;

/// How many may be open at once. Brokers keep 10 to 100 in flight; the limit bounds what a hostile one can make us keep.
const MOST: u8 = 255;

/// The set of their identifiers.
pub struct Received {
    ids: List<PacketId>,
    len: u8,
}

/// Why there is no room for another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Full {
    /// The broker has more open than any real one does.
    TooMany,
    /// No memory.
    OutOfMemory,
}

impl From<OutOfMemory> for Full {
    fn from(_: OutOfMemory) -> Self {
        Full::OutOfMemory
    }
}

impl Received {
    /// None is open.
    pub const NEW: Self = Received { ids: List::new(), len: 0 };

    /// True if the message with this identifier has been taken and not released.
    pub fn contains(&self, id: PacketId) -> bool {
        self.ids.iter().any(|i| *i.value == id)
    }

    /// True if none is open.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Remembers one that is not in the set.
    pub fn insert(&mut self, id: PacketId) -> Result<(), Full> {
        if self.len == MOST {
            return Err(Full::TooMany);
        }
        self.ids.push_front(id, &[])?;
        self.len += 1;
        Ok(())
    }

    /// PUBREL: the identifier is free again. One that is not in the set is no error: the PUBCOMP was lost.
    pub fn remove(&mut self, id: PacketId) {
        if let Some(found) = self.ids.find(|i| *i.value == id) {
            found.remove();
            self.len -= 1;
        }
    }

    /// A new session: nothing is open.
    pub fn clear(&mut self) {
        self.ids.clear();
        self.len = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::{Full, PacketId, Received};

    #[test]
    fn the_set_is_bounded_and_frees_what_is_released() {
        let id = |n| PacketId::new(n).unwrap();
        let mut r = Received::NEW;
        for n in 1..=255 {
            r.insert(id(n)).unwrap();
        }
        assert_eq!(r.insert(id(256)), Err(Full::TooMany));
        r.remove(id(7));
        r.remove(id(7));
        assert!(!r.contains(id(7)) && r.contains(id(255)));
        r.insert(id(256)).unwrap();
        r.clear();
        assert!(!r.contains(id(256)));
    }
}
