//! Messages on their way out at QoS 1 and 2, and identifiers that await an answer without one.
//!
//! One list, in the order of publishing. A cursor runs ahead of what has been sent on this connection; what is to be sent again
//! sets it back to the front.

use super::ack_timer::AckTimer;
use super::entry::*;
use super::keep_alive::{Millis, NEVER, earlier, reached};
use super::packet_ids::ahead;
use super::types::{GivenUp, Notice};
use crate::heap::{Found, List, OutOfMemory};
use crate::wire::{AckKind, OutPacket, PacketId, QoS, kind};

/// Entries without content are kept for their identifiers only. Beyond this many, or as many as the queue may hold, the oldest is
/// forgotten, so that a broker that never acknowledges can't fill the heap.
const MAX_ID_ONLY: u16 = 64;

/// The longest queue there can be, whatever the configuration says: with as many entries without content, identifiers are left over.
const MAX_QUEUED: u16 = 30_000;

/// So many PUBRELs stay unanswered, over two connections, before the identifier is given free without PUBCOMP.
const MAX_PUBREL_TRIES: u8 = 3;

/// A message that is aside is given up after so many ends of a connection on it.
const MAX_SET_ASIDE_TRIES: u8 = 10;

/// The cursor between sent and unsent.
const NEXT: usize = 0;

/// The outgoing messages of a session.
pub struct Outbox {
    list: List<Entry>,
    counts: Counts,
    /// The bound on the entries with content.
    limit: u16,
    /// There may be something to log.
    has_notices: bool,
    /// Messages set aside in a row with no other acknowledged in between.
    set_aside_in_row: u8,
    /// A message that is not aside was acknowledged since a connection last ended on one that is.
    others_acked: bool,
    /// The broker has hung up on all that there was: none is blamed until one is acknowledged, or there are others.
    broker_at_fault: bool,
    signatures: [Signature; 3],
    /// Messages given up since the app was last told.
    given_up: GivenUp,
}

impl Outbox {
    /// Nothing to send.
    pub const NEW: Self = Outbox {
        list: List::new(),
        counts: Counts::NONE,
        limit: 0,
        has_notices: false,
        set_aside_in_row: 0,
        others_acked: false,
        broker_at_fault: false,
        signatures: [Signature::NONE; 3],
        given_up: GivenUp::NONE,
    };

    /// How far ahead of `id` the nearest identifier in use lies; not more than `most`.
    pub fn distance(&self, id: u16, most: u16) -> u16 {
        self.list.iter().fold(most, |most, e| most.min(ahead(id, e.value.id)))
    }

    /// False if there is nothing to be sent for sure.
    pub fn may_have_more(&self) -> bool {
        self.list.cursor_id::<NEXT>() != 0
    }

    #[inline(never)]
    fn find_next_where(&mut self, selector: Selector) -> bool {
        self.list.advance_to::<NEXT>(|e| selector.matches(e.value.bits))
    }

    /// Moves on to the next entry that there is something to send for; false if there is none.
    pub fn find_next(&mut self) -> bool {
        self.find_next_where(TO_SEND)
    }

    /// The same for a PUBREL, which nothing holds up.
    pub fn find_next_pubrel(&mut self) -> bool {
        self.counts.pubrels > 0 && self.find_next_where(TO_SEND_PUBREL)
    }

    /// Looks again at those that were passed over.
    pub fn rewind(&mut self) {
        self.list.rewind::<NEXT>();
    }

    /// Counts anew, after more than one entry has changed, and looks again at all.
    #[inline(never)]
    fn recount(&mut self) {
        self.counts = Counts::NONE;
        for e in self.list.iter() {
            self.counts.count(e.value.bits, 1);
        }
        self.rewind();
    }

    /// How many messages are on the way.
    pub fn in_flight(&self) -> u16 {
        self.counts.in_flight
    }

    /// How many messages are aside.
    pub fn num_set_aside(&self) -> u16 {
        self.counts.set_aside
    }

    /// True if the entry that `seek` found is a message that has to fit the window; a PUBREL is what others wait for.
    pub fn next_is_message(&self) -> bool {
        self.list.current::<NEXT>().is_some_and(|e| e.value.is(QUEUED | SENT))
    }

    /// Sum of the payloads that are kept and not aside, bytes; an empty one counts as a byte.
    pub fn payload_bytes(&self) -> usize {
        let kept = self.list.iter().filter(|e| e.value.is(WITH_CONTENT) && !e.value.is(SET_ASIDE));
        kept.map(|e| e.bytes.len().saturating_sub(e.value.topic_len as usize).max(1)).sum()
    }

    /// Takes `most` as the number of messages to be kept. True if that many are kept already.
    pub fn is_full(&mut self, most: u16) -> bool {
        self.limit = most.min(MAX_QUEUED);
        self.counts.queued >= self.limit
    }

    /// How many messages are kept.
    pub fn queued(&self) -> u16 {
        self.counts.queued
    }

    /// True if more messages are kept than there may be.
    pub fn is_over_limit(&self) -> bool {
        self.counts.queued > self.limit
    }

    /// Makes room for a newer message, the last. First goes what the broker hangs up on; then the copy of what it has taken over
    /// already; then the oldest that was never sent; then the content of the oldest that was, which keeps its identifier. Where
    /// the newer one only waits for the acknowledgement of others (`held_back`), these lose their content instead: they are under way.
    /// False if there is nothing that can go.
    pub fn make_room(&mut self, newest: PacketId, held_back: bool) -> bool {
        let sent_first = held_back && self.counts.in_flight > 0;
        for state in [SET_ASIDE, PUBREC_SEEN, QUEUED, SENT] {
            let is_none = match state {
                SET_ASIDE => self.counts.set_aside == 0,
                PUBREC_SEEN => self.counts.pubrec_seen == 0,
                QUEUED => sent_first,
                _ => false,
            };
            if is_none {
                continue;
            }
            let found = find_first(&mut self.list, Selector::new(state, 0, DROPPED));
            // One that the broker hangs up on is not worth another.
            let may_go = |found: &Found<'_, Entry>| state == SET_ASIDE || found.with(|e, _| e.id != newest.get());
            let Some(mut found) = found.filter(may_go) else { continue };
            let e = found.value();
            self.counts.count(e.bits, -1);
            match e.bits {
                bits if bits & (QUEUED | SET_ASIDE) != 0 => {
                    e.bits = DROPPED;
                    self.given_up.add(e.id);
                    self.has_notices = true;
                    return true;
                }
                bits if bits & PUBREC_SEEN != 0 => e.change(PUBREC_SEEN, PUBREC_SEEN_ID_ONLY),
                bits => {
                    e.change(SENT, SENT_ID_ONLY);
                    if bits & ON_WIRE == 0 {
                        // Nothing of it is under way.
                        e.bits |= REPORTED;
                        self.given_up.add(e.id);
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

    /// What has become of a message, to be logged: it was given up, and this is the last that is known of it; or it was set aside.
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

    /// How many messages were given up since the app was last told.
    pub fn given_up(&self) -> u16 {
        self.given_up.count
    }

    /// How many messages were given up since this was last pinged_at.
    pub fn take_given_up(&mut self) -> GivenUp {
        core::mem::replace(&mut self.given_up, GivenUp::NONE)
    }

    fn find(list: &mut List<Entry>, id: PacketId) -> Option<Found<'_, Entry>> {
        list.find(|e| e.value.id == id.get())
    }

    /// Forgets the entry with this identifier.
    pub fn forget(&mut self, id: PacketId) {
        if let Some(mut found) = Self::find(&mut self.list, id) {
            self.counts.count(found.value().bits, -1);
            found.remove();
        }
    }

    /// Appends a message to be sent. One of a kind that the broker hangs up on goes aside.
    pub fn push(&mut self, id: PacketId, flags: u8, topic: &[u8], payload: &[u8]) -> Result<(), OutOfMemory> {
        let mut e = Entry { topic_len: topic.len() as u16, ..Self::entry(id, flags, QUEUED) };
        if self.signatures.iter().any(|known| known.hash != 0) {
            let signature = Signature { size: (topic.len() + payload.len()) as u32, ..Signature::of(&e, topic) };
            if self.signatures.iter().any(|known| known.covers(signature)) {
                e.bits |= SET_ASIDE;
                self.has_notices = true;
            }
        }
        self.list.push_back(e, &[topic, payload])?;
        self.counts.count(e.bits, 1);
        self.broker_at_fault = false;
        Ok(())
    }

    fn entry(id: PacketId, flags: u8, bits: Bits) -> Entry {
        Entry { sent_at: 0, id: id.get(), topic_len: 0, bits, flags, tries: 0 }
    }

    /// Keeps the identifier of something that is sent now and not kept. `state`: one of those without content.
    pub fn push_id_only(&mut self, id: PacketId, flags: u8, state: Bits, now: Millis) -> Result<(), OutOfMemory> {
        let e = Entry { sent_at: now, ..Self::entry(id, flags, state | ON_WIRE) };
        self.list.push_back(e, &[])?;
        self.add_id_only(e.bits);
        Ok(())
    }

    fn add_id_only(&mut self, bits: Bits) {
        self.counts.count(bits, 1);
        if self.counts.id_only > self.limit.max(MAX_ID_ONLY) {
            // One that waits for PUBCOMP goes last: without its PUBREL the broker may never pass the message on.
            if !self.forget_first(ID_ONLY & !PUBREC_SEEN_ID_ONLY) {
                self.forget_first(PUBREC_SEEN_ID_ONLY);
            }
        }
    }

    /// Forgets the first entry in one of these states, none of which has content. False if there is none.
    #[inline(never)]
    fn forget_first(&mut self, states: Bits) -> bool {
        let Some(mut found) = find_first(&mut self.list, Selector::new(states, 0, 0)) else { return false };
        let e = *found.value();
        found.remove();
        self.counts.count(e.bits, -1);
        // Whether it arrives is not seen any more.
        if e.is(SENT_ID_ONLY) && !e.is(REPORTED) {
            self.given_up.add(e.id);
        }
        true
    }

    fn forget_all(&mut self, states: Bits) {
        while self.forget_first(states) {}
    }

    /// An acknowledgement came in, of the packet type `ack`. `Ignore` also where nothing has this identifier: it may be the app's own. The
    /// second: whether it was sent more than once on this connection.
    pub fn acknowledge(&mut self, ack: u8, id: PacketId, now: Millis) -> (Step, bool) {
        let Some(mut found) = Self::find(&mut self.list, id) else { return (Step::Ignore, false) };
        let e = found.value();
        let before = *e;
        let step = on_ack(QoS::of_flags(e.flags), e.bits & (WITH_CONTENT | ID_ONLY | DROPPED), ack);
        let repeated = e.is(RESENT);
        if matches!(step, Step::ProtocolError | Step::Ignore) {
            return (step, repeated);
        }
        let signature = if e.is(SET_ASIDE) { found.with(Signature::of) } else { Signature::NONE };
        let e = found.value();
        self.counts.count(before.bits, -1);
        match step {
            Step::Release | Step::ReleaseAgain => {
                if step == Step::Release {
                    e.tries = 0;
                }
                // PUBREL goes out as the answer to this.
                e.change(OVERDUE | SET_ASIDE | REPORTED | if step == Step::Release { CARRIED_OVER } else { 0 }, ON_WIRE);
                if e.is(SENT | SENT_ID_ONLY) {
                    let state = if e.is(SENT) { PUBREC_SEEN } else { PUBREC_SEEN_ID_ONLY };
                    e.change(SENT | SENT_ID_ONLY, state);
                }
                e.sent_at = now;
                self.counts.count(e.bits, 1);
            }
            Step::DuplicateAck if ack == kind::PUBREC => self.counts.count(e.bits, 1),
            Step::Done | Step::Downgraded if repeated => {
                (e.bits, e.flags, e.sent_at) = (DUPLICATE_ACK | ON_WIRE, 0, now);
                found.drop_bytes();
                self.add_id_only(DUPLICATE_ACK);
            }
            _ => found.remove(),
        }
        if signature != Signature::NONE {
            // So may be those like it.
            for known in &mut self.signatures {
                if known.hash == signature.hash {
                    *known = Signature::NONE;
                }
            }
            self.restore(signature.hash);
        } else if !matches!(step, Step::ReleaseAgain | Step::DuplicateAck) && ack != kind::UNSUBACK {
            self.others_acked = true;
            (self.set_aside_in_row, self.broker_at_fault) = (0, false);
        }
        (step, repeated)
    }

    /// SUBACK came in for a subscription that is gone, or a second one. True if it was expected.
    pub fn suback(&mut self, id: PacketId) -> bool {
        let mut expected = false;
        if let Some(mut found) = Self::find(&mut self.list, id)
            && found.value().is(SUBSCRIBE | DUPLICATE_ACK)
        {
            expected = true;
        }
        if expected {
            self.forget(id);
        }
        expected
    }

    /// A connection ended: nothing more is known of what was only kept for its acknowledgement on it. At QoS 2 the broker still
    /// knows the identifier. True if it ended while a message that is aside was on the way.
    pub fn disconnected(&mut self) -> bool {
        let (mut given_up, others_acked, mut on_set_aside) = (self.given_up, self.others_acked, false);
        self.list.for_each(|e, _| {
            if e.is(SENT_ID_ONLY) && !e.is(REPORTED) {
                given_up.add(e.id);
                e.bits |= REPORTED;
            }
            if Selector::new(QUEUED | SENT, SET_ASIDE | ON_WIRE, 0).matches(e.bits) {
                on_set_aside = true;
                e.tries += others_acked as u8;
                if e.tries >= MAX_SET_ASIDE_TRIES {
                    given_up.add(e.id);
                    e.bits = DROPPED | SET_ASIDE;
                }
            }
            if e.is(SENT_ID_ONLY) && QoS::of_flags(e.flags) < QoS::ExactlyOnce {
                e.bits = DUPLICATE_ACK;
            }
            e.bits &= !CONNECTION_MARKS;
        });
        self.given_up = given_up;
        self.has_notices |= on_set_aside;
        self.others_acked &= !on_set_aside;
        self.recount();
        self.forget_all(SUBSCRIBE | UNSUBSCRIBE | DUPLICATE_ACK);
        on_set_aside
    }

    /// The broker has accepted the connection. Where it has `kept` the session, a QoS 2 message whose content is gone can't be sent again;
    /// PUBREL ends the exchange, or else the broker would take a later message with this identifier for a repeated one. In a new session it
    /// knows none of what was under way \[MQTT-3.1.2-6\], which goes out anew.
    pub fn accepted(&mut self, kept: bool) {
        let mut given_up = self.given_up;
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
                given_up.add(e.id);
            }
            if e.is(SENT | PUBREC_SEEN) {
                // What it had taken over once it does not hang up on.
                let taken = if e.is(PUBREC_SEEN) { CARRIED_OVER } else { e.bits & CARRIED_OVER };
                e.tries = if e.is(PUBREC_SEEN) { 0 } else { e.tries };
                e.change(SENT | PUBREC_SEEN, QUEUED | taken);
            }
        });
        self.given_up = given_up;
        self.recount();
        self.forget_all(if kept { SUBSCRIBE | UNSUBSCRIBE | DUPLICATE_ACK } else { ID_ONLY });
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.list.clear();
        (self.given_up, self.has_notices) = (GivenUp::NONE, false);
        self.recount();
    }

    fn packet<'a>(e: &Entry, bytes: &'a [u8]) -> Option<OutPacket<'a>> {
        let Entry { flags, topic_len, id, .. } = *e;
        let id = PacketId::new(id)?;
        if e.is(SENDS_PUBREL) {
            return Some(OutPacket::ack(AckKind::PubRel, id));
        }
        let (topic, payload) = bytes.split_at_checked(topic_len as usize)?;
        // DUP says that this session has seen the message before [MQTT-3.3.1-1].
        Some(OutPacket::publish(if e.is(SENT) { flags | 8 } else { flags }, Some(id), topic, payload))
    }

    /// What to send for the entry that `seek` found.
    pub fn next(&self) -> Option<OutPacket<'_>> {
        let e = self.list.current::<NEXT>()?;
        Self::packet(e.value, e.bytes)
    }

    /// Marks it as sent. Its identifier, and whether it is a message.
    #[inline(never)]
    fn mark_sent(counts: &mut Counts, e: &mut Entry, now: Millis) -> (Option<PacketId>, bool) {
        if e.is(OVERDUE) {
            e.bits |= RESENT;
        }
        e.change(OVERDUE, ON_WIRE);
        e.sent_at = now;
        // It counted for neither of these but as one that waits.
        if e.is(SENDS_PUBREL) {
            counts.pubrels -= 1;
        } else {
            e.change(QUEUED, SENT);
            counts.in_flight += !e.is(OVERDUE_TWICE) as u16;
        }
        (PacketId::new(e.id), e.is(SENT))
    }

    /// What `next` returned was sent. Its bytes stay where and as they are. Its identifier, and whether it is a
    /// message.
    pub fn sent(&mut self, now: Millis) -> (Option<PacketId>, bool) {
        let Some(e) = self.list.current_value_mut::<NEXT>() else { return (None, false) };
        let sent = Self::mark_sent(&mut self.counts, e, now);
        self.list.advance::<NEXT>();
        if !sent.1 {
            // It may have been sought behind messages that wait.
            self.rewind();
        }
        sent
    }

    // What is overdue.

    /// True if something awaits an answer that may be pinged_at for again.
    pub fn is_awaiting(&self) -> bool {
        let selector = Selector::new(AWAITING_ACK, ON_WIRE, 0);
        self.list.iter().any(|e| selector.matches(e.value.bits))
    }

    /// What was sent before `pinged_at`, long enough ago, and awaits its answer is to be sent again. The first identifier
    /// among these; whether it is the first time for any of them; and when the oldest of the others was sent.
    pub fn mark_overdue(&mut self, pinged_at: Millis, ack_timer: &AckTimer, now: Millis) -> (Option<PacketId>, bool, Millis) {
        let (mut first, mut is_new, mut oldest) = (None, false, NEVER);
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

    // What the broker hangs up on.

    /// Sets the message with this identifier aside, and those like it. False if there is no such message.
    pub fn set_aside(&mut self, id: PacketId) -> bool {
        let Some(mut found) = Self::find(&mut self.list, id) else { return false };
        if self.broker_at_fault || found.value().is(CARRIED_OVER) {
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
        self.set_aside_in_row = self.set_aside_in_row.saturating_add(1);
        // Where nothing else is left and nothing else went through, it is the broker that is at fault.
        if self.set_aside_in_row > 1 && self.counts.set_aside == self.counts.queued {
            self.restore_all();
            self.broker_at_fault = true;
        }
        true
    }

    /// Puts back into their order those that are aside, with this hash; with 0 all.
    fn restore(&mut self, hash: u32) {
        self.list.for_each(|e, bytes| {
            if IS_SET_ASIDE.matches(e.bits) && (hash == 0 || Signature::of(e, bytes).hash == hash) {
                e.change(SET_ASIDE | REPORTED, 0);
                e.tries = 0;
            }
        });
        self.recount();
    }

    /// Another broker may take what this one does not.
    pub fn restore_all(&mut self) {
        self.signatures = [Signature::NONE; 3];
        self.set_aside_in_row = 0;
        self.restore(0);
    }

    /// What to send for the oldest message that is aside; none while it is on the way.
    pub fn next_set_aside(&mut self) -> Option<OutPacket<'_>> {
        let e = find_first(&mut self.list, IS_SET_ASIDE)?.item();
        if e.value.is(ON_WIRE) { None } else { Self::packet(e.value, e.bytes) }
    }

    /// What `next_set_aside` returned was sent. Its identifier.
    pub fn set_aside_sent(&mut self, now: Millis) -> Option<PacketId> {
        let mut found = find_first(&mut self.list, IS_SET_ASIDE)?;
        Self::mark_sent(&mut self.counts, found.value(), now).0
    }

    /// True if nothing is kept, nor awaited.
    pub fn is_idle(&self) -> bool {
        !self.list.iter().any(|e| !e.value.is(DUPLICATE_ACK | DROPPED))
    }
}

#[cfg(test)]
mod tests {
    use crate::session::window::MAX_INFLIGHT;
    use crate::session::{Framed, Limits, Session};
    use crate::wire::{InPacket, PacketId, QoS, kind};

    fn pubrec(id: u16) -> InPacket<'static> {
        InPacket { first: kind::PUBREC << 4, id: PacketId::new(id), topic: &[], payload: &[] }
    }

    fn connected() -> Session<()> {
        let mut s = Session::default();
        s.connect_sent(true, 60, 0);
        s.receive(InPacket { first: kind::CONNACK << 4, id: None, topic: &[], payload: &[0, 0] }, false, 0).unwrap();
        s.connack_delivered();
        s
    }

    fn publish(s: &mut Session<()>, max_queue: u16) {
        let limits = Limits { max_qos: QoS::ExactlyOnce, max_queue, room: true };
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
            s.receive(pubrec(id), false, 0).unwrap();
            assert_eq!(pump(&mut s), 1);
        }
    }

    #[test]
    fn what_is_given_up_is_counted() {
        let mut s = Session::<()>::default();
        for _ in 0..7 {
            publish(&mut s, 5);
        }
        assert_eq!(s.counters.given_up, 2);
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
            for id in (1..=100).take(100 - waiting) {
                s.receive(pubrec(id), false, 0).unwrap();
                sent += pump(&mut s);
            }
            assert_eq!(sent, 100);
        }
    }
}
