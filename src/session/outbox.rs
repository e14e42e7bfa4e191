//! Messages on their way out at QoS 1 and 2, and whatever else awaits an acknowledgement with its identifier.
//!
//! One list, in the order of publishing. A cursor parts what has been sent on this connection from what has not; a new connection
//! sets it back to the front. The states and what an acknowledgement does to them are a table of its own, `on_ack`.

use super::ids::ahead;
use crate::heap::{Found, List, OutOfMemory};
use crate::wire::{AckKind, Out, PacketId, QoS, kind};

/// Where an entry stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// A message that has never been sent.
    Fresh,
    /// A message that was sent in a session that the broker has lost: goes out as a new one, under a new identifier.
    Stale,
    /// A message that was sent and awaits PUBACK or PUBREC \[MQTT-4.3.2-1\], \[MQTT-4.3.3-1\].
    Sent,
    /// PUBREC came: PUBREL awaits PUBCOMP \[MQTT-4.3.3-1\]. The message itself is gone.
    Released,
    /// An UNSUBSCRIBE that awaits UNSUBACK.
    Unsubscribe,
    /// A SUBSCRIBE that awaits SUBACK while its subscription is gone already.
    Subscribe,
}

/// What an acknowledgement means for the entry with its identifier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The exchange is over, the identifier free.
    Done,
    /// The same, at QoS 1 though the message went out at QoS 2: so answers a broker that has QoS 1 only, RabbitMQ 3 for one. To take it for a
    /// breach would be to connect and send the message without end.
    Lowered,
    /// The message has arrived: go on to PUBREL, again if it was sent before.
    Release,
    /// The broker broke the protocol: this acknowledgement belongs to another QoS.
    Wrong,
    /// Nothing changes: it belongs to something sent on an earlier connection.
    Ignore,
}

/// The table of 4.3.2 and 4.3.3, sender's side. `ack`: the packet type.
pub fn on_ack(qos: QoS, state: State, ack: u8) -> Step {
    match (state, ack) {
        (State::Unsubscribe, kind::UNSUBACK) => Step::Done,
        (State::Sent, kind::PUBACK) if qos == QoS::ExactlyOnce => Step::Lowered,
        (State::Sent, kind::PUBACK) => Step::Done,
        (State::Sent | State::Released, kind::PUBREC) if qos == QoS::ExactlyOnce => Step::Release,
        (State::Released, kind::PUBCOMP) => Step::Done,
        (State::Fresh | State::Stale, _) => Step::Ignore,
        _ => Step::Wrong,
    }
}

/// One block: the entry, and behind it topic and payload. No bytes where the content was given up or is no longer needed.
#[derive(Clone, Copy)]
struct Entry {
    id: u16,
    topic_len: u16,
    /// QoS and RETAIN as in the fixed header.
    flags: u8,
    state: State,
}

impl Entry {
    fn qos(&self) -> QoS {
        QoS::of_flags(self.flags)
    }

    /// The message has never gone out on the session that the broker knows.
    fn unsent(&self) -> bool {
        matches!(self.state, State::Fresh | State::Stale)
    }
}

/// Entries without content are kept for their identifiers only. Beyond this many, or as many as the queue may hold, the oldest is
/// forgotten, so that a broker that never acknowledges can't fill the heap.
const MOST_BARE: u16 = 64;

/// So many messages go out ahead of their acknowledgements; the rest waits in the queue. Brokers bound what they take ahead, and some,
/// mosquitto 2.0 with its 20 at QoS 2, acknowledge what is beyond at QoS 1 and then lose it.
const WINDOW: usize = 16;

/// The longest queue there can be, whatever the configuration says: with as many entries without content, identifiers are left over.
const MOST_KEPT: u16 = 30_000;

/// The cursor between sent and unsent.
const NEXT: usize = 0;

/// The outgoing messages of a session.
pub struct Outbox {
    list: List<Entry>,
    /// Entries with content: what `max_queue_length` bounds.
    kept: u16,
    /// Entries without.
    bare: u16,
    /// The bound on `kept`.
    most: u16,
}

impl Outbox {
    /// Nothing to send.
    pub const NEW: Self = Outbox { list: List::new(), kept: 0, bare: 0, most: 0 };

    /// How far ahead of `id` the nearest identifier in use lies; not more than `most`.
    pub fn distance(&self, id: u16, most: u16) -> u16 {
        self.list.iter().fold(most, |most, e| most.min(ahead(id, e.value.id)))
    }

    /// False if all has been sent on this connection for sure.
    pub fn may_have_more(&self) -> bool {
        self.list.place_of::<NEXT>() != 0
    }

    /// Goes on to the next entry that there is something to send for; false if all has been sent on this connection.
    pub fn seek(&mut self) -> bool {
        self.list.seek::<NEXT>(|e| !e.bytes.is_empty() || e.value.state == State::Released)
    }

    fn find(&mut self, id: PacketId) -> Option<Found<'_, Entry>> {
        self.list.find(|e| e.value.id == id.get())
    }

    /// An entry was removed, of which `had_content` says whether it had content.
    fn removed(&mut self, had_content: bool) {
        if had_content {
            self.kept -= 1;
        } else {
            self.bare -= 1;
        }
    }

    /// True if the entry that `seek` found has to wait for the acknowledgement of earlier ones.
    pub fn must_wait(&self) -> bool {
        let Some(next) = self.list.current::<NEXT>() else { return false };
        let sent = self.list.iter().take_while(|e| e.value.id != next.value.id);
        // PUBREL is what they wait for; and what has lost its content is not to hold up the rest.
        next.value.state != State::Released && sent.filter(|e| !e.bytes.is_empty()).nth(WINDOW - 1).is_some()
    }

    /// Sum of the payloads that are kept, bytes.
    pub fn payload_bytes(&self) -> usize {
        self.list.iter().map(|e| e.bytes.len().saturating_sub(e.value.topic_len as usize)).sum()
    }

    /// Takes `most` as the number of messages to be kept. True if that many are kept already.
    pub fn is_full(&mut self, most: u16) -> bool {
        self.most = most.min(MOST_KEPT);
        self.kept >= self.most
    }

    /// How many messages are kept.
    pub fn kept(&self) -> u16 {
        self.kept
    }

    /// True if more messages are kept than there may be.
    pub fn is_over(&self) -> bool {
        self.kept > self.most
    }

    /// Gives up the oldest message that was never sent; where there is none, the oldest in flight loses its content, so that it
    /// can't be sent again, but keeps its identifier until it is acknowledged. Never the one just added, `newest`. `held_back`: those that
    /// were never sent only wait for the acknowledgement of others, so it is one of these that is given up.
    pub fn give_up_one(&mut self, newest: PacketId, held_back: bool) {
        self.kept -= 1;
        if !held_back && let Some(unsent) = self.list.find(|e| e.value.unsent() && e.value.id != newest.get()) {
            unsent.remove();
        } else if let Some(sent) = self.list.find(|e| !e.bytes.is_empty()) {
            sent.strip();
            self.add_bare();
        }
    }

    /// Forgets the entry with this identifier.
    pub fn forget(&mut self, id: PacketId) {
        if let Some(entry) = self.find(id) {
            let had_content = entry.has_bytes();
            entry.remove();
            self.removed(had_content);
        }
    }

    /// Appends a message to be sent.
    pub fn push(&mut self, id: PacketId, flags: u8, topic: &[u8], payload: &[u8]) -> Result<(), OutOfMemory> {
        let entry = Entry { id: id.get(), topic_len: topic.len() as u16, flags, state: State::Fresh };
        self.list.push_back(entry, &[topic, payload])?;
        self.kept += 1;
        Ok(())
    }

    /// Keeps the identifier of something that is sent now and not kept.
    pub fn push_bare(&mut self, id: PacketId, flags: u8, state: State) -> Result<(), OutOfMemory> {
        self.list.push_back(Entry { id: id.get(), topic_len: 0, flags, state }, &[])?;
        self.add_bare();
        Ok(())
    }

    fn add_bare(&mut self) {
        self.bare += 1;
        if self.bare > self.most.max(MOST_BARE) {
            // One that waits for PUBCOMP goes last: without its PUBREL the broker may never pass the message on.
            if !self.forget_bare_one(|e| e.state != State::Released) {
                self.forget_bare_one(|_| true);
            }
        }
    }

    /// An acknowledgement came in, of the packet type `ack`. `Ignore` also where nothing has this identifier: it may be the app's own.
    pub fn acknowledge(&mut self, ack: u8, id: PacketId) -> Step {
        let Some(mut entry) = self.find(id) else { return Step::Ignore };
        let had_content = entry.has_bytes();
        let e = entry.value();
        let step = on_ack(e.qos(), e.state, ack);
        match step {
            Step::Done | Step::Lowered => {
                entry.remove();
                self.removed(had_content);
            }
            Step::Release => {
                e.state = State::Released;
                if had_content {
                    entry.strip();
                    self.kept -= 1;
                    self.add_bare();
                }
            }
            Step::Wrong | Step::Ignore => {}
        }
        step
    }

    /// SUBACK came in for a subscription that is gone.
    pub fn subscribed(&mut self, id: PacketId) {
        self.forget_bare_one(|e| e.id == id.get() && e.state == State::Subscribe);
    }

    /// A connection ended: nothing more is known of what was only kept for its acknowledgement on it. At QoS 2 the broker still
    /// knows the identifier.
    pub fn disconnected(&mut self) {
        self.forget_bare(|e| e.qos() < QoS::ExactlyOnce);
        self.list.rewind::<NEXT>();
    }

    /// The broker has kept the session. A QoS 2 message that was given up in flight can't be sent again; PUBREL ends the exchange, or
    /// else the broker would take a later message with this identifier for a repeated one.
    pub fn resumed(&mut self) {
        self.forget_bare(|e| e.qos() < QoS::ExactlyOnce);
        self.list.for_each(|e, bytes| {
            if bytes.is_empty() {
                e.state = State::Released;
            }
        });
        self.list.rewind::<NEXT>();
    }

    /// Forgets the first entry without content that `which` picks. False if there is none.
    fn forget_bare_one(&mut self, which: impl Fn(&Entry) -> bool) -> bool {
        let Some(found) = self.list.find(|e| e.bytes.is_empty() && which(e.value)) else { return false };
        found.remove();
        self.bare -= 1;
        true
    }

    fn forget_bare(&mut self, which: impl Fn(&Entry) -> bool) {
        while self.forget_bare_one(&which) {}
    }

    /// The broker has begun a new session: what it took over is its own, the rest goes out anew \[MQTT-3.1.2-6\].
    pub fn new_session(&mut self) {
        self.forget_bare(|_| true);
        self.list.for_each(|e, _| {
            if e.state == State::Sent {
                e.state = State::Stale;
            }
        });
        self.list.rewind::<NEXT>();
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.list.clear();
        (self.kept, self.bare) = (0, 0);
    }

    /// True if the next entry needs a new identifier before it can go out.
    pub fn next_needs_id(&self) -> bool {
        self.list.current::<NEXT>().is_some_and(|e| e.value.state == State::Stale)
    }

    /// Gives the next entry a new identifier.
    pub fn renumber_next(&mut self, id: PacketId) {
        if let Some(e) = self.list.current_value_mut::<NEXT>() {
            e.id = id.get();
            e.state = State::Fresh;
        }
    }

    /// What to send for the entry that `seek` found.
    pub fn next(&self) -> Option<Out<'_>> {
        let e = self.list.current::<NEXT>()?;
        let Entry { flags, state, topic_len, .. } = *e.value;
        let id = PacketId::new(e.value.id)?;
        if state == State::Released {
            return Some(Out::ack(AckKind::PubRel, id));
        }
        let (topic, payload) = e.bytes.split_at_checked(topic_len as usize)?;
        // DUP says that this session has seen the message before [MQTT-3.3.1-1].
        Some(Out::publish(if state == State::Sent { flags | 8 } else { flags }, Some(id), topic, payload))
    }

    /// What `next` returned was sent. Its bytes stay where and as they are.
    pub fn sent(&mut self) {
        if let Some(e) = self.list.current_value_mut::<NEXT>()
            && e.state == State::Fresh
        {
            e.state = State::Sent;
        }
        self.list.advance::<NEXT>();
    }

    /// True if nothing is kept, nor awaited.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty() && self.kept == 0 && self.bare == 0
    }
}

#[cfg(test)]
mod tests {
    use super::WINDOW;
    use crate::session::{Limits, Session, Take};
    use crate::wire::{Packet, PacketId, QoS, kind};

    fn pubrec(id: u16) -> Packet<'static> {
        Packet { first: kind::PUBREC << 4, id: PacketId::new(id), topic: &[], payload: &[] }
    }

    fn connected() -> Session<()> {
        let mut s = Session::default();
        s.connect_sent(true, 60, 0);
        s.receive(Packet { first: kind::CONNACK << 4, id: None, topic: &[], payload: &[0, 0] }, false, 0).unwrap();
        s.welcomed();
        s
    }

    fn publish(s: &mut Session<()>, max_queue: u16) {
        s.publish(b"t", b"x", QoS::ExactlyOnce, false, Limits { max_qos: QoS::ExactlyOnce, max_queue }).unwrap();
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
        for _ in 0..2 * WINDOW {
            publish(&mut s, 100);
            sent += pump(&mut s);
        }
        assert_eq!(sent, WINDOW);
        for id in 1..=WINDOW as u16 {
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
        assert_eq!(s.counters.dropped, 2);
        let mut s = connected();
        let mut packet = [0; 40];
        packet[..5].copy_from_slice(&[0x30, 38, 0, 1, b't']);
        while let Ok(take) = s.take(&packet, 16) {
            if let Take::Drop(_) = take {
                break;
            }
        }
        assert_eq!(s.counters.oversized, 1);
    }

    #[test]
    fn a_burst_beyond_queue_and_window_still_goes_out_whole() {
        for max_queue in [5, WINDOW as u16, 20] {
            let mut s = connected();
            let mut sent = 0;
            for _ in 0..100 {
                publish(&mut s, max_queue);
                sent += pump(&mut s);
            }
            // The last of them wait, with room in the queue, for those before.
            let waiting = (max_queue as usize).saturating_sub(WINDOW);
            assert_eq!(sent, 100 - waiting, "{max_queue}");
            for id in (1..=100).take(100 - waiting) {
                s.receive(pubrec(id), false, 0).unwrap();
                sent += pump(&mut s);
            }
            assert_eq!(sent, 100);
        }
    }
}
