//! What of a session survives a restart: the messages that are kept, the packet IDs in use in both
//! directions, the next packet ID. Bytes in and out; files are the layer above.

use super::Session;
use super::entry::*;
use super::keep_alive::Millis;
use crate::heap::OutOfMemory;
use crate::wire::{MAX_REMAINING, PacketId, QoS};
use core::fmt;

/// Packet IDs are reserved in blocks of this size, so that it is seldom written which is next.
const ID_BLOCK: u16 = 256;

/// The first byte of a record.
const END: u8 = 0;
const MESSAGE: u8 = 1;
const RUN: u8 = 2;

/// The state of a message or packet ID in its record.
const NEVER_SENT: u8 = 0;
const WAS_SENT: u8 = 1;
const HAD_PUBREC: u8 = 2;
const HAD_PUBREC_ID_ONLY: u8 = 3;
/// The same, and the app has been told that it was given up.
const HAD_PUBREC_REPORTED: u8 = 4;

/// Bytes of a message's record before topic and payload.
const MESSAGE_HEADER: usize = 15;

/// Which messages are saved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extent {
    /// All.
    All,
    /// Those that there were at the last [`Session::mark_saveable`]. Newer ones may be acknowledged
    /// soon.
    Marked,
}

/// Why a session could not be restored; it is empty then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RestoreError {
    /// The bytes are not what `save` writes.
    Damaged,
    /// Out of memory.
    OutOfMemory,
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RestoreError::Damaged => "damaged",
            RestoreError::OutOfMemory => "out of memory",
        })
    }
}

impl core::error::Error for RestoreError {}

impl From<OutOfMemory> for RestoreError {
    fn from(_: OutOfMemory) -> Self {
        RestoreError::OutOfMemory
    }
}

/// Receives the bytes of a saved session, piece by piece.
pub type Write<'a> = dyn FnMut(&[u8]) + 'a;
/// Fills the slice with the next bytes of a saved session; false if there are not as many.
pub type Read<'a> = dyn FnMut(&mut [u8]) -> bool + 'a;

/// Returns the state that is saved of an entry; `None` for one that need not survive.
fn saved_state(e: &Entry) -> Option<u8> {
    match () {
        _ if e.is(QUEUED) => Some(NEVER_SENT),
        _ if e.is(SENT) => Some(WAS_SENT),
        _ if e.is(PUBREC_SEEN) => Some(HAD_PUBREC),
        // In a session that is kept, PUBREL ends this exchange as well.
        _ if e.is(PUBREC_SEEN_ID_ONLY) || e.is(SENT_ID_ONLY) && QoS::of_flags(e.flags) == QoS::ExactlyOnce => {
            Some(if e.is(REPORTED) { HAD_PUBREC_REPORTED } else { HAD_PUBREC_ID_ONLY })
        }
        _ => None,
    }
}

/// Returns the bits of an entry with this saved state.
fn bits_of(state: u8) -> Option<Bits> {
    Some(match state {
        NEVER_SENT => QUEUED,
        WAS_SENT => SENT,
        HAD_PUBREC => PUBREC_SEEN,
        HAD_PUBREC_ID_ONLY => PUBREC_SEEN_ID_ONLY,
        HAD_PUBREC_REPORTED => PUBREC_SEEN_ID_ONLY | REPORTED,
        _ => return None,
    })
}

impl<H: Copy> Session<H> {
    /// Returns the first packet ID that is not reserved by what is saved now.
    fn reserved_until(&self) -> u16 {
        (self.ids.last() / ID_BLOCK).wrapping_add(2).wrapping_mul(ID_BLOCK)
    }

    /// Calls `found` with each entry that is saved, its state and its bytes.
    fn each_saved(&self, extent: Extent, found: &mut dyn FnMut(&Entry, u8, &[u8])) {
        self.outbox.each(extent, &mut |e, bytes| {
            if let Some(state) = saved_state(e) {
                found(e, state, bytes);
            }
        });
    }

    /// Marks the messages that there are now: see [`Extent::Marked`].
    pub fn mark_saveable(&mut self) {
        self.outbox.mark_saveable();
    }

    /// Saves the session.
    pub fn save(&self, extent: Extent, write: &mut Write<'_>) {
        write(&self.reserved_until().to_le_bytes());
        self.each_saved(extent, &mut |e, state, bytes| {
            let mut header = [0; MESSAGE_HEADER];
            let [kind, saved, flags, id0, id1, topic0, topic1, len0, len1, len2, len3, left0, left1, left2, left3] = &mut header;
            (*kind, *saved, *flags) = (MESSAGE, state, e.flags);
            [*id0, *id1] = e.id.to_le_bytes();
            // Where the message is no longer stored, there is no topic either.
            [*topic0, *topic1] = if bytes.is_empty() { [0; 2] } else { e.topic_len.to_le_bytes() };
            [*len0, *len1, *len2, *len3] = (bytes.len() as u32).to_le_bytes();
            [*left0, *left1, *left2, *left3] = self.outbox.outcomes.lifetime_left(e.id).to_le_bytes();
            write(&header);
            write(bytes);
        });
        self.inbound.each_run(&mut |first, last| {
            let ([a, b], [c, d]) = (first.to_le_bytes(), last.to_le_bytes());
            write(&[RUN, a, b, c, d]);
        });
        write(&[END]);
    }

    /// Returns a number that changes with what `save` writes, but for the ages of messages. Takes
    /// a look at each message.
    pub fn saved_digest(&self, extent: Extent) -> u32 {
        let mut hash = 0x811c_9dc5u32;
        let mut add = |n: u16| hash = (hash ^ n as u32).wrapping_mul(0x0100_0193);
        add(self.reserved_until());
        self.each_saved(extent, &mut |e, state, _| {
            add(e.id);
            add(state as u16);
        });
        self.inbound.each_run(&mut |first, last| {
            add(first);
            add(last);
        });
        hash
    }

    /// Returns a number that changes whenever [`saved_digest`](Self::saved_digest) may have
    /// changed. Cheap.
    pub fn saved_version(&self) -> u32 {
        let mut hash = self.ids.last() as u32;
        for n in self.outbox.counts() {
            hash = hash.wrapping_mul(31).wrapping_add(n as u32);
        }
        self.inbound.each_run(&mut |first, last| hash = hash.wrapping_mul(31).wrapping_add((first as u32) << 16 | last as u32));
        hash
    }

    /// Restores a session that `save` has written, into one that is empty. `age` is the number of
    /// milliseconds that passed since, as far as it is known, and `handler` is told the outcome of
    /// messages with a lifetime.
    pub fn restore(&mut self, read: &mut Read<'_>, handler: H, age: u32, now: Millis) -> Result<(), RestoreError> {
        let result = self.try_restore(read, handler, age, now);
        self.outbox.restored();
        if result.is_err() {
            self.outbox.clear();
            self.inbound.clear();
        }
        result
    }

    fn try_restore(&mut self, read: &mut Read<'_>, handler: H, age: u32, now: Millis) -> Result<(), RestoreError> {
        let mut next = [0; 2];
        let mut take = |to: &mut [u8]| if read(to) { Ok(()) } else { Err(RestoreError::Damaged) };
        take(&mut next)?;
        self.ids.start_from(u16::from_le_bytes(next));
        loop {
            let mut kind = [0];
            take(&mut kind)?;
            match kind {
                [END] => return Ok(()),
                [MESSAGE] => {
                    let mut header = [0; MESSAGE_HEADER - 1];
                    take(&mut header)?;
                    let [state, flags, id0, id1, topic0, topic1, len0, len1, len2, len3, left0, left1, left2, left3] = header;
                    let len = u32::from_le_bytes([len0, len1, len2, len3]);
                    let left = u32::from_le_bytes([left0, left1, left2, left3]);
                    let topic_len = u16::from_le_bytes([topic0, topic1]);
                    let id = PacketId::new(u16::from_le_bytes([id0, id1])).ok_or(RestoreError::Damaged)?;
                    let bits = bits_of(state).ok_or(RestoreError::Damaged)?;
                    if len > MAX_REMAINING || topic_len as u32 > len || flags & !7 != 0 || flags & 6 == 0 {
                        return Err(RestoreError::Damaged);
                    }
                    let e = Entry { sent_at: 0, id: id.get(), topic_len, bits, flags, tries: 0 };
                    self.outbox.restore_entry(e, len as usize, &mut take)??;
                    if left != 0 {
                        let lifetime = left.saturating_sub(age).max(1);
                        self.outbox.outcomes.watch(id, true, super::WatchOptions { handler, lifetime, replace: false }, now)?;
                    }
                }
                [RUN] => {
                    let mut run = [0; 4];
                    take(&mut run)?;
                    let [a, b, c, d] = run;
                    let (first, last) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
                    self.inbound.restore_run(first, last).map_err(|_| RestoreError::OutOfMemory)?;
                }
                _ => return Err(RestoreError::Damaged),
            }
        }
    }
}
