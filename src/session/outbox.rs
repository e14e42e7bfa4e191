//! Outgoing messages at QoS 1 and 2, and packet IDs that await an answer without a message.
//!
//! One list in the order of publishing. A cursor separates what was sent on this connection from
//! what was not; retransmissions move it back to the front.

use super::ack_timer::AckTimer;
use super::entry::*;
use super::keep_alive::{Millis, NEVER, earlier, reached};
use super::outcomes::Outcomes;
use super::packet_ids::ahead;
use super::snapshot::Extent;
use super::types::{Notice, Outcome};
use crate::heap::{CursorList, Cursors, Found, Item, OutOfMemory};
use crate::wire::{AckKind, OutPacket, PacketId, QoS, kind};

/// Maximum number of entries without a message, or the maximum queue length if that is greater.
/// Beyond it the oldest is forgotten, so that a broker that never acknowledges cannot fill the
/// heap.
const MAX_ID_ONLY: u16 = 64;

/// Maximum queue length, whatever the configuration says; with as many entries without a message,
/// there are still packet IDs left.
const MAX_QUEUED: u16 = 30_000;

/// After this many unanswered PUBRELs, over two connections, the packet ID is freed without
/// PUBCOMP.
const MAX_PUBREL_TRIES: u8 = 3;

/// After this many connections ended on it, a set-aside message is given up.
const MAX_SET_ASIDE_TRIES: u8 = 10;

/// The cursor to the next entry to send.
const NEXT: usize = 0;
/// The cursor behind the entries that are saved, see [`Outbox::mark_saveable`].
const SAVEABLE: usize = 1;

/// The outgoing messages of a session. What is used most comes first; `repr(C)` keeps that order.
#[repr(C)]
pub struct Outbox<H: Copy> {
    counts: Counts,
    /// Maximum number of stored messages.
    limit: u16,
    /// There may be something to log.
    has_notices: bool,
    /// Messages set aside in a row, with no other message acknowledged in between.
    consecutive_set_aside: u8,
    /// Another message was acknowledged since a connection last ended on a set-aside one.
    others_acked: bool,
    /// The broker closed the connection on every message there was: none is suspected until one is
    /// acknowledged or another is queued.
    broker_at_fault: bool,
    /// Maximum number of messages stored at the same time, so far.
    pub(super) max_queued: u16,
    signatures: [Signature; 3],
    /// What became of messages.
    pub(super) outcomes: Outcomes<H>,
    list: CursorList<Entry>,
}

impl<H: Copy> Outbox<H> {
    /// Empty.
    pub const NEW: Self = Outbox {
        list: CursorList::new(),
        counts: Counts::NONE,
        limit: 0,
        has_notices: false,
        consecutive_set_aside: 0,
        others_acked: false,
        broker_at_fault: false,
        max_queued: 0,
        signatures: [Signature::NONE; 3],
        outcomes: Outcomes::NEW,
    };

    /// Returns how far ahead of `id` the nearest packet ID in use is, at most `most`.
    pub fn distance(&self, id: u16, most: u16) -> u16 {
        self.list.iter().fold(most, |most, e| most.min(ahead(id, e.value.id)))
    }

    /// Returns false if there is certainly nothing to send.
    pub fn may_have_more(&self) -> bool {
        self.list.cursor_id::<NEXT>() != 0
    }

    #[inline(never)]
    fn find_next_where(&mut self, any: Bits, none: Bits) -> bool {
        self.list.advance_to::<NEXT>(|e| Selector::new(any, 0, none).matches(e.value.bits))
    }

    /// Moves the cursor to the next entry with something to send; returns false if there is none.
    pub fn find_next(&mut self) -> bool {
        self.find_next_where(TO_SEND.any, TO_SEND.none)
    }

    /// Returns true if a PUBREL is to be sent.
    pub fn has_pubrel(&self) -> bool {
        self.counts.pubrels > 0
    }

    /// The same as `find_next` for a PUBREL, which never waits for the window. Messages that do are
    /// skipped: [`rewind`](Self::rewind) before the next search.
    pub fn find_next_pubrel(&mut self) -> bool {
        self.find_next_where(TO_SEND_PUBREL.any, TO_SEND_PUBREL.none)
    }

    /// Moves the cursor to the front, to look at skipped entries again.
    pub fn rewind(&mut self) {
        self.list.rewind::<NEXT>();
    }

    /// Recounts all entries after several have changed, and moves the cursor to the front.
    #[inline(never)]
    fn recount(&mut self) {
        self.counts = Counts::NONE;
        for e in self.list.iter() {
            self.counts.count(e.value.bits, 1);
        }
        self.rewind();
    }

    /// Returns the number of messages in flight.
    pub fn in_flight(&self) -> u16 {
        self.counts.in_flight
    }

    /// Returns the number of messages set aside.
    pub fn num_set_aside(&self) -> u16 {
        self.counts.set_aside
    }

    /// Returns the packet ID of the entry found by `find_next` if a PUBREL is to be sent, which need not
    /// fit the window; `None` for a message, which must.
    pub fn next_pubrel(&self) -> Option<PacketId> {
        let e = self.list.current::<NEXT>()?.value;
        PacketId::new(e.id).filter(|_| e.is(SENDS_PUBREL))
    }

    /// Returns true if the entry found by `find_next` was sent on this connection before.
    pub fn next_is_overdue(&self) -> bool {
        self.list.current::<NEXT>().is_some_and(|e| e.value.is(OVERDUE))
    }

    /// Returns true if PUBCOMP is awaited for this packet ID.
    pub fn awaits_pubcomp(&self, id: PacketId) -> bool {
        self.list.iter().any(|e| e.value.id == id.get() && e.value.is(SENDS_PUBREL))
    }

    /// Returns the payload bytes of all stored messages that are not set aside; an empty payload
    /// counts as one byte.
    pub fn payload_bytes(&self) -> usize {
        let kept = self.list.iter().filter(|e| e.value.is(WITH_CONTENT) && !e.value.is(SET_ASIDE));
        kept.map(|e| e.bytes.len().saturating_sub(e.value.topic_len as usize).max(1)).sum()
    }

    /// Sets the maximum number of stored messages.
    pub fn set_limit(&mut self, most: u16) {
        self.limit = most.min(MAX_QUEUED);
    }

    /// Returns true if, with a message of `more` bytes, more are stored than the maximum number, or
    /// more bytes of topics and payloads than `most`, unless that is 0. `more` is 0 for no message.
    #[inline(never)]
    pub fn is_over_limit(&self, more: usize, most: usize) -> bool {
        let stored = self.list.iter().filter(|e| e.value.is(WITH_CONTENT)).map(|e| e.bytes.len());
        self.counts.queued + (more > 0) as u16 > self.limit || most > 0 && stored.fold(more, usize::saturating_add) > most
    }

    /// Returns the number of stored messages.
    pub fn queued(&self) -> u16 {
        self.counts.queued
    }

    /// Makes room for the newest message. Drops, in this order: a set-aside message; the copy of a
    /// message after PUBREC; the oldest message never sent; the content of the oldest message sent,
    /// which keeps its packet ID. If the newest one only waits for acknowledgements (`held_back`),
    /// messages in flight lose their content before unsent ones are dropped, as they are already on
    /// their way. Returns false if nothing can be dropped.
    pub fn make_room(&mut self, newest: PacketId, held_back: bool) -> bool {
        let sent_first = held_back && self.counts.in_flight > 0;
        for &state in &[SET_ASIDE, PUBREC_SEEN, QUEUED, SENT] {
            let skip = match state {
                SET_ASIDE => self.counts.set_aside == 0,
                PUBREC_SEEN => self.counts.pubrec_seen == 0,
                QUEUED => sent_first,
                _ => false,
            };
            if skip {
                continue;
            }
            let found = find_first(&mut self.list, Selector::new(state, 0, DROPPED));
            // A new message that is set aside at once is not worth dropping another for.
            let may_drop = |found: &Found<'_, Entry, Cursors>| state == SET_ASIDE || found.with(|e, _| e.id != newest.get());
            let Some(mut found) = found.filter(may_drop) else { continue };
            let e = found.value();
            self.counts.count(e.bits, -1);
            match e.bits {
                bits if bits & (QUEUED | SET_ASIDE) != 0 => {
                    e.bits = DROPPED;
                    self.outcomes.give_up(e.id);
                    self.has_notices = true;
                    return true;
                }
                bits if bits & PUBREC_SEEN != 0 => e.change(PUBREC_SEEN, PUBREC_SEEN_ID_ONLY),
                bits => {
                    e.change(SENT, SENT_ID_ONLY);
                    if bits & ON_WIRE == 0 {
                        // It is not in flight.
                        e.bits |= REPORTED;
                        self.outcomes.give_up(e.id);
                    }
                }
            }
            let bits = e.bits;
            found.drop_bytes();
            self.add_id_only(bits);
            return true;
        }
        false
    }

    /// Returns false if there is certainly nothing to log.
    pub fn has_notices(&self) -> bool {
        self.has_notices
    }

    /// Returns what to log about a message that was given up or set aside. A given-up message is
    /// forgotten afterwards.
    pub fn notice(&mut self) -> Option<Notice<'_>> {
        if !self.has_notices {
            return None;
        }
        while let Some(found) = find_first(&mut self.list, Selector::new(DROPPED, REPORTED, 0)) {
            found.remove();
        }
        let Some(mut found) = find_first(&mut self.list, Selector::new(DROPPED | SET_ASIDE, 0, REPORTED)) else {
            self.has_notices = false;
            return None;
        };
        found.value().bits |= REPORTED;
        let e = found.item();
        let (id, topic) = (PacketId::new(e.value.id)?, e.bytes.get(..e.value.topic_len as usize)?);
        Some(match e.value.bits & (DROPPED | SET_ASIDE) {
            DROPPED => Notice::Dropped { id, topic },
            SET_ASIDE => Notice::SetAside { id, topic, size: e.bytes.len() },
            _ => Notice::GivenUpAside { id, topic },
        })
    }

    fn find(list: &mut CursorList<Entry>, id: PacketId) -> Option<Found<'_, Entry, Cursors>> {
        list.find(|e| e.value.id == id.get())
    }

    /// Returns true if the message with this packet ID was not sent in the broker's current session.
    pub fn is_unsent(&self, id: u16) -> bool {
        self.list.iter().any(|e| e.value.id == id && e.value.is(QUEUED))
    }

    /// Returns true if a message with this topic was not sent and may be replaced.
    pub fn has_replaceable(&self, topic: &[u8]) -> bool {
        self.list.iter().any(|e| Self::is_replaceable(&self.outcomes, &e, topic))
    }

    fn is_replaceable(outcomes: &Outcomes<H>, e: &Item<'_, Entry>, topic: &[u8]) -> bool {
        e.value.is(QUEUED) && e.bytes.get(..e.value.topic_len as usize) == Some(topic) && outcomes.is_replaceable(e.value.id)
    }

    /// Replaces the first message that [`has_replaceable`](Self::has_replaceable) looks for, and
    /// removes the others: a lost session may leave several, and none is to go out after a newer one.
    pub fn replace(&mut self, id: PacketId, flags: u8, topic: &[u8], payload: &[u8]) -> Result<(), OutOfMemory> {
        let e = self.new_entry(id, flags, topic, payload);
        let mut is_stored = false;
        loop {
            let outcomes = &self.outcomes;
            let found = self.list.find(|old| old.value.id != e.id && Self::is_replaceable(outcomes, &old, topic));
            let Some(mut found) = found else { return Ok(()) };
            let old = *found.value();
            if is_stored {
                found.remove();
            } else {
                found.replace(e, &[topic, payload])?;
                self.counts.count(e.bits, 1);
                is_stored = true;
            }
            self.counts.count(old.bits, -1);
            self.outcomes.settle(old.id, Outcome::Replaced);
        }
    }

    /// Forgets the entry with this packet ID if it has one of these bits. Returns false if there is none.
    pub fn forget(&mut self, id: PacketId, bits: Bits) -> bool {
        let Some(mut found) = Self::find(&mut self.list, id) else { return false };
        let e = *found.value();
        if !e.is(bits) {
            return false;
        }
        found.remove();
        self.counts.count(e.bits, -1);
        true
    }

    /// A message whose packet ID was reserved as that of a [`DUPLICATE_ACK`] was sent to its end.
    pub fn complete(&mut self, id: PacketId, now: Millis) {
        let Some(mut found) = Self::find(&mut self.list, id) else {
            // There was no room for its packet ID, or the broker has acknowledged what it did not have.
            return self.outcomes.settle(id.get(), Outcome::GivenUp);
        };
        let e = found.value();
        self.counts.count(e.bits, -1);
        e.change(DUPLICATE_ACK, SENT_ID_ONLY);
        e.sent_at = now;
        self.counts.count(e.bits, 1);
    }

    /// Appends a message. It is set aside at once if it is like one that the broker closed the
    /// connection on.
    pub fn push(&mut self, id: PacketId, flags: u8, topic: &[u8], payload: &[u8]) -> Result<(), OutOfMemory> {
        let e = self.new_entry(id, flags, topic, payload);
        self.list.push_back(e, &[topic, payload])?;
        self.counts.count(e.bits, 1);
        self.broker_at_fault = false;
        Ok(())
    }

    #[inline(never)]
    fn new_entry(&mut self, id: PacketId, flags: u8, topic: &[u8], payload: &[u8]) -> Entry {
        let mut e = Entry { topic_len: topic.len() as u16, ..Self::entry(id, flags, QUEUED) };
        if self.signatures.iter().any(|known| known.hash != 0) {
            let signature = Signature { size: (topic.len() + payload.len()) as u32, ..Signature::of(&e, topic) };
            if self.signatures.iter().any(|known| known.covers(signature)) {
                e.bits |= SET_ASIDE;
                self.has_notices = true;
            }
        }
        e
    }

    fn entry(id: PacketId, flags: u8, bits: Bits) -> Entry {
        Entry { sent_at: 0, id: id.get(), topic_len: 0, bits, flags, tries: 0 }
    }

    /// Stores the packet ID of a packet that is sent now without being stored. `state` is one of
    /// [`ID_ONLY`].
    pub fn push_id_only(&mut self, id: PacketId, flags: u8, state: Bits, now: Millis) -> Result<(), OutOfMemory> {
        let e = Entry { sent_at: now, ..Self::entry(id, flags, state | ON_WIRE) };
        self.list.push_back(e, &[])?;
        self.add_id_only(e.bits);
        Ok(())
    }

    fn add_id_only(&mut self, bits: Bits) {
        self.counts.count(bits, 1);
        if self.counts.id_only > self.limit.max(MAX_ID_ONLY) {
            // Forget one that awaits PUBCOMP last: without PUBREL the broker may never deliver the
            // message.
            if !self.forget_first(ID_ONLY & !PUBREC_SEEN_ID_ONLY) {
                self.forget_first(PUBREC_SEEN_ID_ONLY);
            }
        }
    }

    /// Forgets the first entry in one of these states, all of which are in [`ID_ONLY`]. Returns
    /// false if there is none.
    #[inline(never)]
    fn forget_first(&mut self, states: Bits) -> bool {
        let Some(mut found) = find_first(&mut self.list, Selector::new(states, 0, 0)) else { return false };
        let e = *found.value();
        found.remove();
        self.counts.count(e.bits, -1);
        // Nothing will show whether it arrived.
        if e.is(SENT_ID_ONLY) && !e.is(REPORTED) {
            self.outcomes.give_up(e.id);
        } else {
            self.outcomes.settle(e.id, Outcome::GivenUp);
        }
        true
    }

    fn forget_all(&mut self, states: Bits) {
        while self.forget_first(states) {}
    }

    /// Processes an acknowledgement of packet type `ack`. Returns its effect, `Ignore` if the
    /// packet ID is unknown (the app may have used it), and whether the packet was sent more than
    /// once on this connection.
    #[inline(never)]
    pub fn acknowledge(&mut self, ack: u8, id: PacketId, now: Millis) -> (Step, bool) {
        let Some(mut found) = Self::find(&mut self.list, id) else { return (Step::Ignore, false) };
        let e = found.value();
        let before = *e;
        let step = on_ack(QoS::of_flags(e.flags), e.bits & (WITH_CONTENT | ID_ONLY | DROPPED), ack);
        let resent = e.is(RESENT);
        if matches!(step, Step::ProtocolError | Step::Ignore) {
            return (step, resent);
        }
        let signature = if e.is(SET_ASIDE) { found.with(Signature::of) } else { Signature::NONE };
        let e = found.value();
        self.counts.count(before.bits, -1);
        if matches!(step, Step::Done | Step::Downgraded) {
            self.outcomes.settle(id.get(), Outcome::Acknowledged);
        }
        match step {
            Step::Release | Step::ReleaseAgain => {
                if step == Step::Release {
                    e.tries = 0;
                }
                // PUBREL is sent as the answer.
                e.change(OVERDUE | SET_ASIDE | REPORTED | if step == Step::Release { CARRIED_OVER } else { 0 }, ON_WIRE);
                if e.is(SENT | SENT_ID_ONLY) {
                    let state = if e.is(SENT) { PUBREC_SEEN } else { PUBREC_SEEN_ID_ONLY };
                    e.change(SENT | SENT_ID_ONLY, state);
                }
                e.sent_at = now;
                self.counts.count(e.bits, 1);
            }
            Step::DuplicateAck if ack == kind::PUBREC => self.counts.count(e.bits, 1),
            Step::Done | Step::Downgraded if resent => {
                (e.bits, e.flags, e.sent_at) = (DUPLICATE_ACK | ON_WIRE, 0, now);
                found.drop_bytes();
                self.add_id_only(DUPLICATE_ACK);
            }
            _ => found.remove(),
        }
        if signature != Signature::NONE {
            // The broker accepts this message now, so it may accept similar ones.
            for known in &mut self.signatures {
                if known.hash == signature.hash {
                    *known = Signature::NONE;
                }
            }
            self.restore(signature.hash);
        } else if !matches!(step, Step::ReleaseAgain | Step::DuplicateAck) && ack != kind::UNSUBACK {
            self.others_acked = true;
            (self.consecutive_set_aside, self.broker_at_fault) = (0, false);
        }
        (step, resent)
    }

    /// Processes a SUBACK for a removed subscription, or a second one. Returns true if it was
    /// expected.
    pub fn suback(&mut self, id: PacketId) -> bool {
        self.forget(id, SUBSCRIBE | DUPLICATE_ACK)
    }

    /// The connection ended: forgets entries that only awaited an answer on it. For QoS 2 the
    /// broker still knows the packet ID. Only an end `by_peer` counts against a message that is set
    /// aside. Returns true if one was in flight.
    #[inline(never)]
    pub fn disconnected(&mut self, by_peer: bool) -> bool {
        let (counts, mut on_set_aside) = (self.others_acked && by_peer, false);
        let outcomes = &mut self.outcomes;
        outcomes.link_ended();
        self.list.for_each(|e, _| {
            if e.is(SENT_ID_ONLY) && !e.is(REPORTED) {
                outcomes.give_up(e.id);
                e.bits |= REPORTED;
            }
            if Selector::new(QUEUED | SENT, SET_ASIDE | ON_WIRE, 0).matches(e.bits) {
                on_set_aside = true;
                e.tries += counts as u8;
                if e.tries >= MAX_SET_ASIDE_TRIES {
                    outcomes.give_up(e.id);
                    e.bits = DROPPED | SET_ASIDE;
                }
            }
            if e.is(SENT_ID_ONLY) && QoS::of_flags(e.flags) < QoS::ExactlyOnce {
                e.bits = DUPLICATE_ACK;
            }
            e.bits &= !CONNECTION_MARKS;
        });
        self.has_notices |= on_set_aside;
        self.others_acked &= !on_set_aside;
        self.recount();
        self.forget_all(SUBSCRIBE | UNSUBSCRIBE | DUPLICATE_ACK);
        on_set_aside
    }

    /// The broker accepted the connection. If it has `kept` the session, a QoS 2 message no longer
    /// stored cannot be resent, so PUBREL ends the exchange; otherwise the broker would take a
    /// later message with this packet ID for a duplicate. A new session knows nothing of earlier
    /// packets \[MQTT-3.1.2-6\]; all messages are sent as new.
    pub fn accepted(&mut self, kept: bool) {
        let outcomes = &mut self.outcomes;
        self.list.for_each(|e, _| {
            if kept {
                if e.is(SENT_ID_ONLY) {
                    e.change(SENT_ID_ONLY, if QoS::of_flags(e.flags) < QoS::ExactlyOnce { DUPLICATE_ACK } else { PUBREC_SEEN_ID_ONLY });
                }
                if e.is(SENDS_PUBREL) && e.tries > 0 {
                    e.bits |= CARRIED_OVER;
                }
                return;
            }
            // The broker had it, and may have lost it with the session.
            if e.is(PUBREC_SEEN_ID_ONLY) && !e.is(REPORTED) {
                outcomes.give_up(e.id);
            }
            if e.is(PUBREC_SEEN) {
                e.tries = 0;
            }
            if e.is(SENT | PUBREC_SEEN) {
                e.change(SENT | PUBREC_SEEN | CARRIED_OVER, QUEUED);
            }
        });
        self.recount();
        self.forget_all(if kept { SUBSCRIBE | UNSUBSCRIBE | DUPLICATE_ACK } else { ID_ONLY });
    }

    /// The broker closes the connection on PUBREL: it has lost what it answered with PUBREC, of this
    /// message and of others. A PUBLISH must not follow PUBREL \[MQTT-4.3.3-1\], so they are given up.
    fn give_up_released(&mut self) {
        let outcomes = &mut self.outcomes;
        self.list.for_each(|e, _| {
            if e.is(SENDS_PUBREL) {
                if !e.is(REPORTED) {
                    outcomes.give_up(e.id);
                }
                e.bits = DROPPED | REPORTED;
            }
        });
        self.has_notices = true;
        self.recount();
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.list.clear();
        self.outcomes.settle_all(Outcome::Freed);
        self.has_notices = false;
        self.recount();
    }

    fn packet<'a>(e: &Entry, bytes: &'a [u8]) -> Option<OutPacket<'a>> {
        let Entry { flags, topic_len, id, .. } = *e;
        let id = PacketId::new(id)?;
        if e.is(SENDS_PUBREL) {
            return Some(OutPacket::ack(AckKind::PubRel, id));
        }
        let (topic, payload) = bytes.split_at_checked(topic_len as usize)?;
        // DUP tells that this session has sent the message before [MQTT-3.3.1-1].
        Some(OutPacket::publish(if e.is(SENT) { flags | 8 } else { flags }, Some(id), topic, payload))
    }

    /// Returns the packet for the entry found by `find_next`.
    pub fn next(&self) -> Option<OutPacket<'_>> {
        let e = self.list.current::<NEXT>()?;
        Self::packet(e.value, e.bytes)
    }

    /// Marks an entry as sent. Returns its packet ID.
    #[inline(never)]
    fn mark_sent(counts: &mut Counts, e: &mut Entry, now: Millis) -> Option<PacketId> {
        if e.is(OVERDUE) {
            e.bits |= RESENT;
        }
        e.change(OVERDUE, ON_WIRE);
        e.sent_at = now;
        // Until now it counted as waiting, not as in flight.
        if e.is(SENDS_PUBREL) {
            counts.pubrels -= 1;
        } else {
            e.change(QUEUED, SENT);
            counts.in_flight += !e.is(OVERDUE_TWICE) as u16;
        }
        PacketId::new(e.id)
    }

    /// The packet returned by `next` was sent. Its bytes are not touched. Returns its packet ID.
    pub fn sent(&mut self, now: Millis) -> Option<PacketId> {
        let e = self.list.current_value_mut::<NEXT>()?;
        let sent = Self::mark_sent(&mut self.counts, e, now);
        self.list.advance::<NEXT>();
        sent
    }

    // Overdue acknowledgements.

    /// Returns true if an entry awaits an answer and can be retransmitted.
    pub fn is_awaiting(&self) -> bool {
        let selector = Selector::new(AWAITING_ACK, ON_WIRE, 0);
        self.list.iter().any(|e| selector.matches(e.value.bits))
    }

    /// Marks entries for retransmission that were sent before `pinged_at`, long enough ago, and are
    /// unanswered. Returns the first packet ID among them; whether any was not retransmitted
    /// before; and when the oldest of the other unanswered entries was sent.
    pub fn mark_overdue(&mut self, pinged_at: Millis, ack_timer: &AckTimer, now: Millis) -> (Option<PacketId>, bool, Millis) {
        let (mut first, mut is_new, mut oldest) = (None, false, NEVER);
        let outcomes = &mut self.outcomes;
        self.list.for_each(|e, _| {
            if !Selector::new(AWAITING_ACK, ON_WIRE, 0).matches(e.bits) {
                return;
            }
            if !reached(pinged_at, e.sent_at) || !ack_timer.is_late(e.sent_at, now) {
                oldest = earlier(oldest, e.sent_at.max(1));
            } else {
                is_new |= !e.is(RESENT);
                e.change(ON_WIRE, if e.is(RESENT) { OVERDUE | OVERDUE_TWICE } else { OVERDUE });
                first = first.or(PacketId::new(e.id));
                if e.is(SENDS_PUBREL) {
                    e.tries = e.tries.saturating_add(1);
                    // Some brokers never answer a PUBREL whose PUBLISH they do not know.
                    if e.tries >= MAX_PUBREL_TRIES && e.is(CARRIED_OVER) {
                        e.bits = DROPPED | REPORTED;
                        outcomes.settle(e.id, Outcome::Acknowledged);
                    }
                }
            }
        });
        if first.is_some() {
            self.has_notices = true;
            self.recount();
        }
        (first, is_new, oldest)
    }

    // Messages that the broker closes the connection on.

    /// Sets the message with this packet ID aside, and those like it; if its PUBREL is the cause in a
    /// session that the broker has `kept`, gives it up. Returns false if there is no such message.
    pub fn set_aside(&mut self, id: PacketId, kept: bool) -> bool {
        let Some(mut found) = Self::find(&mut self.list, id) else { return false };
        if found.value().is(SENDS_PUBREL) {
            // In a new session the messages are sent as new.
            if kept {
                self.give_up_released();
            }
            return true;
        }
        if self.broker_at_fault {
            return true;
        }
        let signature = found.with(Signature::of);
        self.signatures.rotate_right(1);
        self.signatures[0] = signature;
        self.list.for_each(|e, bytes| {
            if e.matches_signature(signature, bytes) {
                e.bits |= SET_ASIDE;
            }
        });
        self.recount();
        self.has_notices = true;
        self.consecutive_set_aside = self.consecutive_set_aside.saturating_add(1);
        // Nothing but set-aside messages is left, and none got through: the broker itself is at
        // fault.
        if self.consecutive_set_aside > 1 && self.counts.set_aside == self.counts.queued {
            self.restore_all();
            self.broker_at_fault = true;
        }
        true
    }

    /// Restores set-aside messages with this hash to their place in the queue; all of them if it is
    /// 0.
    fn restore(&mut self, hash: u32) {
        self.list.for_each(|e, bytes| {
            if IS_SET_ASIDE.matches(e.bits) && (hash == 0 || Signature::of(e, bytes).hash == hash) {
                e.change(SET_ASIDE | REPORTED, 0);
                e.tries = 0;
            }
        });
        self.recount();
    }

    /// Restores all set-aside messages: another broker may accept them.
    pub fn restore_all(&mut self) {
        self.signatures = [Signature::NONE; 3];
        self.consecutive_set_aside = 0;
        self.restore(0);
    }

    /// Finds the set-aside message whose turn it is: one never sent, else the one sent longest ago.
    fn find_set_aside(list: &mut CursorList<Entry>) -> Option<Found<'_, Entry, Cursors>> {
        let waits = Selector::new(QUEUED | SENT, SET_ASIDE, ON_WIRE);
        let is_before = |a: &Entry, b: &Entry| !b.is(QUEUED) && (a.is(QUEUED) || !reached(a.sent_at, b.sent_at));
        let waiting = list.iter().map(|e| e.value).filter(|e| waits.matches(e.bits));
        let id = waiting.reduce(|first, e| if is_before(e, first) { e } else { first })?.id;
        list.find(|e| e.value.id == id)
    }

    /// Returns the packet for the set-aside message whose turn it is; `None` if all are in flight.
    pub fn next_set_aside(&mut self) -> Option<OutPacket<'_>> {
        let e = Self::find_set_aside(&mut self.list)?.item();
        Self::packet(e.value, e.bytes)
    }

    /// The packet returned by `next_set_aside` was sent. Returns its packet ID.
    pub fn set_aside_sent(&mut self, now: Millis) -> Option<PacketId> {
        let mut found = Self::find_set_aside(&mut self.list)?;
        Self::mark_sent(&mut self.counts, found.value(), now)
    }

    /// Returns the number of messages without these marks that are neither acknowledged nor given up.
    pub fn count_unacknowledged(&self, without: Bits) -> u16 {
        let selector = Selector::new(QUEUED | AWAITING_ACK, 0, without);
        let entries = self.list.iter().map(|e| e.value).filter(|e| selector.matches(e.bits));
        // Messages no longer stored are marked as reported when they are given up.
        entries.filter(|e| !(e.is(ID_ONLY) && e.is(REPORTED))).count() as u16
    }

    /// Marks all entries that there are now: see [`Extent::Marked`].
    pub fn mark_saveable(&mut self) {
        self.list.move_to_end::<SAVEABLE>();
    }

    /// Calls `found` with each entry and its bytes.
    pub fn each(&self, extent: Extent, found: &mut dyn FnMut(&Entry, &[u8])) {
        let entries = if extent == Extent::All { self.list.iter() } else { self.list.iter_before::<SAVEABLE>() };
        entries.for_each(|e| found(e.value, e.bytes));
    }

    /// Returns numbers that change with what is stored.
    pub fn counts(&self) -> [u16; 5] {
        let Counts { queued, id_only, in_flight, pubrec_seen, pubrels, .. } = self.counts;
        [queued, id_only, in_flight, pubrec_seen, pubrels]
    }

    /// Appends an entry from before a restart, with `len` bytes that `fill` writes.
    pub fn restore_entry<R>(&mut self, e: Entry, len: usize, fill: impl FnOnce(&mut [u8]) -> R) -> Result<R, OutOfMemory> {
        self.list.push_back_with(e, len, fill)
    }

    /// All entries from before a restart have been appended.
    pub fn restored(&mut self) {
        self.recount();
    }

    /// Returns true if nothing is stored or awaited.
    pub fn is_idle(&self) -> bool {
        !self.list.iter().any(|e| !e.value.is(DUPLICATE_ACK | DROPPED))
    }
}

#[cfg(test)]
mod tests {
    use crate::session::window::MAX_INFLIGHT;
    use crate::session::{Framed, Limits, Session};
    use crate::wire::{QoS, header, kind};

    /// A packet with two bytes after its fixed header.
    fn receive(s: &mut Session<()>, first: u8, rest: [u8; 2]) {
        s.receive(header(&[first, 2]).unwrap().unwrap(), &rest, false, 0).unwrap();
    }

    fn connected() -> Session<()> {
        let mut s = Session::default();
        s.connect_sent(true, 60, 0);
        receive(&mut s, 0x20, [0, 0]);
        s.connack_delivered();
        s
    }

    fn publish(s: &mut Session<()>, max_queue: u16) {
        let limits = Limits { max_qos: QoS::ExactlyOnce, max_queue, max_bytes: 0, room: true };
        s.publish(b"t", b"x", QoS::ExactlyOnce, false, limits, 0).unwrap();
    }

    /// Sends what there is to send; how many of it were messages.
    fn pump(s: &mut Session<()>) -> usize {
        let mut messages = 0;
        while let Some(out) = s.next(true, 0) {
            messages += usize::from(out.first >> 4 == kind::PUBLISH);
            s.sent(0, 0);
        }
        messages
    }

    #[test]
    fn a_long_queue_goes_out_no_further_ahead_of_its_acknowledgements_than_brokers_take() {
        let mut s = connected();
        let mut sent = 0;
        for _ in 0..2 * MAX_INFLIGHT {
            publish(&mut s, 100);
            sent += pump(&mut s);
        }
        assert_eq!(sent, MAX_INFLIGHT as usize);
        for id in 1..=MAX_INFLIGHT {
            receive(&mut s, 0x50, id.to_be_bytes());
            assert_eq!(pump(&mut s), 1);
        }
    }

    #[test]
    fn what_is_given_up_is_counted() {
        let mut s = Session::<()>::default();
        for _ in 0..7 {
            publish(&mut s, 5);
        }
        assert_eq!(s.total_given_up(), 2);
        assert_eq!((s.take_given_up().count, s.total_given_up()), (2, 2));
        let mut s = connected();
        let mut packet = [0; 40];
        packet[..5].copy_from_slice(&[0x30, 38, 0, 1, b't']);
        while let Ok(take) = s.frame(&packet, 16) {
            if let Framed::Discard(_) = take {
                break;
            }
        }
        assert_eq!(s.counters.oversized, 1);
    }

    #[test]
    fn a_burst_beyond_queue_and_window_still_goes_out_whole() {
        for max_queue in [5, MAX_INFLIGHT, 20] {
            let mut s = connected();
            let mut sent = 0;
            for _ in 0..100 {
                publish(&mut s, max_queue);
                sent += pump(&mut s);
            }
            // The last of them wait, with room in the queue, for those before.
            let waiting = (max_queue as usize).saturating_sub(MAX_INFLIGHT as usize);
            assert_eq!(sent, 100 - waiting, "{max_queue}");
            for id in (1..=100u16).take(100 - waiting) {
                receive(&mut s, 0x50, id.to_be_bytes());
                sent += pump(&mut s);
            }
            assert_eq!(sent, 100);
        }
    }
}
