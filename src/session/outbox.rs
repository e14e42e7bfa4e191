//! Messages on their way out at QoS 1 and 2, and identifiers that await an answer without one.
//!
//! One list, in the order of publishing. A cursor runs ahead of what has been sent on this connection; what is to be sent again
//! sets it back to the front. The states and what an acknowledgement does to them are a table of its own, `on_ack`.

use super::ids::ahead;
use super::keep_alive::{Millis, reached};
use super::types::{GivenUp, Notice};
use crate::heap::{Found, List, OutOfMemory};
use crate::wire::{AckKind, Out, PacketId, QoS, kind};

/// Where an entry stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// A message that was never sent in the session that the broker knows.
    Fresh,
    /// A message that was sent and awaits PUBACK or PUBREC \[MQTT-4.3.2-1\], \[MQTT-4.3.3-1\].
    Sent,
    /// PUBREC came: PUBREL awaits PUBCOMP \[MQTT-4.3.3-1\]. The message is kept, as the broker may lose the session.
    Released,
    /// A message that has left a full queue, and that the app has not been told of yet.
    Dropped,
    /// A SUBSCRIBE that awaits SUBACK while its subscription is gone already.
    Subscribe,
    /// What was sent twice on this connection and answered once: the second answer is of no interest to anyone.
    Echo,
}

/// What an acknowledgement means for the entry with its identifier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The exchange is over, the identifier free.
    Done,
    /// The same, at QoS 1 though the message went out at QoS 2: so answers a broker that has QoS 1 only, RabbitMQ 3 for one.
    /// Taking it for a breach would mean connecting and sending the message without end.
    Downgraded,
    /// The message has arrived: continue with PUBREL.
    Release,
    /// The same, and PUBREL was sent before.
    ReleaseAgain,
    /// The second answer to what was sent twice.
    Echo,
    /// The broker broke the protocol: this acknowledgement belongs to another QoS.
    Wrong,
    /// Nothing changes: it belongs to something sent on an earlier connection.
    Ignore,
}

/// The table of 4.3.2 and 4.3.3, sender's side. `ack`: the packet type.
pub fn on_ack(qos: QoS, state: State, ack: u8) -> Step {
    match (state, ack) {
        (State::Sent, kind::PUBACK) if qos == QoS::ExactlyOnce => Step::Downgraded,
        (State::Sent, kind::PUBACK) => Step::Done,
        (State::Sent, kind::PUBREC) if qos == QoS::ExactlyOnce => Step::Release,
        (State::Released, kind::PUBREC) => Step::ReleaseAgain,
        (State::Released, kind::PUBCOMP) => Step::Done,
        (State::Echo, _) => Step::Echo,
        (State::Fresh | State::Dropped, _) => Step::Ignore,
        _ => Step::Wrong,
    }
}

/// On the way: written on this connection, and its answer is neither here nor overdue.
const ON_WIRE: u8 = 1;
/// The broker hangs up on it: it goes out only now and then, see [`Outbox::aside`].
const ASIDE: u8 = 2;
/// Its answer is overdue: it is to be sent again on this connection.
const OVERDUE: u8 = 4;
/// It was sent more than once on this connection.
const REPEATED: u8 = 8;
/// The app has been told that it was given up, or set aside.
const TOLD: u8 = 16;
/// A PUBREL was not answered on an earlier connection.
const CARRIED: u8 = 32;

/// One block: the entry, and behind it topic and payload. No bytes where the content was given up or there never was one.
#[derive(Clone, Copy)]
struct Entry {
    /// When it was last sent.
    sent_at: Millis,
    id: u16,
    topic_len: u16,
    /// QoS and RETAIN as in the fixed header.
    flags: u8,
    state: State,
    marks: u8,
    /// Of a message that is aside: how often a connection has ended on it. In [`State::Released`]: how many PUBRELs were not answered.
    tries: u8,
}

impl Entry {
    fn qos(&self) -> QoS {
        QoS::of_flags(self.flags)
    }

    fn is(&self, mark: u8) -> bool {
        self.marks & mark != 0
    }

    /// A message that is on the way and counts for the window.
    fn is_in_flight(&self, bytes: &[u8]) -> bool {
        self.state == State::Sent && self.is(ON_WIRE) && !bytes.is_empty()
    }

    /// PUBREL has gone out often enough: some brokers never answer one whose PUBLISH they do not know.
    fn note_vain_release(&mut self) {
        if self.tries >= MOST_RELEASES && self.is(CARRIED) {
            self.tries = VAIN;
        }
    }

    /// There is something to be sent for it.
    fn is_waiting(&self, bytes: &[u8]) -> bool {
        !self.is(ON_WIRE | ASIDE)
            && match self.state {
                State::Fresh | State::Sent => !bytes.is_empty(),
                state => state == State::Released,
            }
    }
}

/// Entries without content are kept for their identifiers only. Beyond this many, or as many as the queue may hold, the oldest is
/// forgotten, so that a broker that never acknowledges can't fill the heap.
const MOST_BARE: u16 = 64;

/// The longest queue there can be, whatever the configuration says: with as many entries without content, identifiers are left over.
const MOST_KEPT: u16 = 30_000;

/// So many PUBRELs stay unanswered, over two connections, before the identifier is given free without PUBCOMP.
const MOST_RELEASES: u8 = 3;

/// [`Entry::tries`] of an identifier that is to be given free for that.
const VAIN: u8 = u8::MAX;

/// A message that is aside is given up after so many ends of a connection on it.
const MOST_ENDS: u8 = 10;

/// The cursor between sent and unsent.
const NEXT: usize = 0;

/// Messages like one that the broker hangs up on, and not smaller.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Kind {
    /// Of topic, QoS and RETAIN; 0 for none.
    hash: u32,
    /// Bytes of topic and payload.
    size: u32,
}

impl Kind {
    const NONE: Kind = Kind { hash: 0, size: 0 };

    fn of(flags: u8, topic: &[u8], size: usize) -> Kind {
        // FNV-1a, 32 bits.
        let mut hash = 0x811c_9dc5 ^ (flags & 7) as u32;
        for &b in topic {
            hash = (hash ^ b as u32).wrapping_mul(0x0100_0193);
        }
        Kind { hash: hash.max(1), size: size as u32 }
    }

    fn of_entry(e: &Entry, bytes: &[u8]) -> Kind {
        Kind::of(e.flags, bytes.get(..e.topic_len as usize).unwrap_or(&[]), bytes.len())
    }

    /// True if what the broker thinks of `self` holds for `other`.
    fn covers(self, other: Kind) -> bool {
        self.hash == other.hash && self.size <= other.size
    }
}

/// The outgoing messages of a session.
pub struct Outbox {
    list: List<Entry>,
    /// Entries with content: what `max_queue_length` bounds.
    kept: u16,
    /// Entries without.
    bare: u16,
    /// The bound on `kept`.
    most: u16,
    /// Messages with content that were sent on this connection and are neither acknowledged nor overdue.
    in_flight: u16,
    /// Messages that the broker has taken over, and that are kept until PUBCOMP.
    released: u16,
    /// Messages that are aside.
    aside: u16,
    /// How many kinds are known.
    kinds_known: u8,
    /// Messages set aside in a row with no other acknowledged in between.
    blamed: u8,
    /// A message that is not aside was acknowledged since a connection last ended on one that is.
    others_acked: bool,
    /// The broker has hung up on all that there was: none is blamed until one is acknowledged, or there are others.
    sick: bool,
    kinds: [Kind; 3],
    /// Messages given up since the app was last told.
    given_up: GivenUp,
    /// There may be something to log.
    news: bool,
}

impl Outbox {
    /// Nothing to send.
    pub const NEW: Self = Outbox {
        list: List::new(),
        kept: 0,
        bare: 0,
        most: 0,
        in_flight: 0,
        released: 0,
        aside: 0,
        kinds_known: 0,
        blamed: 0,
        others_acked: false,
        sick: false,
        kinds: [Kind::NONE; 3],
        given_up: GivenUp::NONE,
        news: false,
    };

    /// How far ahead of `id` the nearest identifier in use lies; not more than `most`.
    pub fn distance(&self, id: u16, most: u16) -> u16 {
        self.list.iter().fold(most, |most, e| most.min(ahead(id, e.value.id)))
    }

    /// False if there is nothing to be sent for sure.
    pub fn may_have_more(&self) -> bool {
        self.list.place_of::<NEXT>() != 0
    }

    /// Moves on to the next entry that there is something to send for; false if there is none.
    pub fn seek(&mut self) -> bool {
        self.list.seek::<NEXT>(|e| e.value.is_waiting(e.bytes))
    }

    /// The same for a PUBREL, which nothing holds up.
    pub fn seek_release(&mut self) -> bool {
        self.list.seek::<NEXT>(|e| e.value.state == State::Released && e.value.is_waiting(e.bytes))
    }

    /// Looks again at those that were passed over.
    pub fn rewind(&mut self) {
        self.list.rewind::<NEXT>();
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

    /// Counts anew, after more than one entry has changed.
    fn recount(&mut self) {
        (self.in_flight, self.aside, self.released) = (0, 0, 0);
        for e in self.list.iter() {
            self.released += (e.value.state == State::Released && !e.bytes.is_empty()) as u16;
            self.in_flight += e.value.is_in_flight(e.bytes) as u16;
            self.aside += e.value.is(ASIDE) as u16;
        }
    }

    /// How many messages are on the way.
    pub fn in_flight(&self) -> u16 {
        self.in_flight
    }

    /// How many messages are aside.
    pub fn aside(&self) -> u16 {
        self.aside
    }

    /// True if the entry that `seek` found is a message, which has to fit the window; a PUBREL is what others wait for.
    pub fn next_is_message(&self) -> bool {
        self.list.current::<NEXT>().is_some_and(|e| e.value.state != State::Released)
    }

    /// Sum of the payloads that are kept and not aside, bytes; an empty one counts as a byte.
    pub fn payload_bytes(&self) -> usize {
        let counts = |e: &Entry| !e.is(ASIDE) && e.state != State::Dropped;
        let kept = self.list.iter().filter(|e| !e.bytes.is_empty() && counts(e.value));
        kept.map(|e| e.bytes.len().saturating_sub(e.value.topic_len as usize).max(1)).sum()
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

    /// Makes room for a newer message, `newest`. First goes what the broker hangs up on; then the copy of what it has taken over
    /// already; then the oldest that was never sent; then the content of the oldest that was, which keeps its identifier. Where
    /// the newer one only waits for the acknowledgement of others (`held_back`), these lose their content instead: they are under way.
    /// False if there is nothing that can go.
    pub fn make_room(&mut self, newest: PacketId, held_back: bool) -> bool {
        let other = |e: &Entry| e.id != newest.get();
        let has = |e: &Entry, bytes: &[u8]| !bytes.is_empty() && e.state != State::Dropped;
        if self.aside > 0
            && let Some(mut found) = self.list.find(|e| e.value.is(ASIDE) && other(e.value) && has(e.value, e.bytes))
        {
            let e = found.value();
            self.in_flight -= e.is(ON_WIRE) as u16;
            self.aside -= 1;
            (e.state, e.marks) = (State::Dropped, 0);
            self.given_up.add(e.id);
            self.news = true;
        } else if self.released > 0
            && let Some(found) = self.list.find(|e| e.value.state == State::Released && has(e.value, e.bytes))
        {
            self.released -= 1;
            found.strip();
            self.add_bare();
        } else if !(held_back && self.in_flight > 0)
            && let Some(mut found) = self.list.find(|e| e.value.state == State::Fresh && other(e.value))
        {
            let e = found.value();
            e.state = State::Dropped;
            self.given_up.add(e.id);
            self.news = true;
        } else if let Some(mut found) = self.list.find(|e| e.value.state == State::Sent && has(e.value, e.bytes)) {
            let e = found.value();
            if e.is(ON_WIRE) {
                self.in_flight -= 1;
            } else {
                // Nothing of it is under way.
                e.marks |= TOLD;
                self.given_up.add(e.id);
            }
            found.strip();
            self.add_bare();
        } else {
            return false;
        }
        self.kept -= 1;
        true
    }

    /// What has become of a message, to be logged: it was given up, and this is the last that is known of it; or it was set aside.
    pub fn notice(&mut self) -> Option<Notice<'_>> {
        if !self.news {
            return None;
        }
        while let Some(found) = self.list.find(|e| e.value.state == State::Dropped && e.value.is(TOLD)) {
            found.remove();
        }
        let is_news = |e: &Entry| (e.state == State::Dropped || e.is(ASIDE)) && !e.is(TOLD);
        let Some(mut found) = self.list.find(|e| is_news(e.value)) else {
            self.news = false;
            return None;
        };
        let e = found.value();
        e.marks |= TOLD;
        let dropped = e.state == State::Dropped;
        let e = found.item();
        let (id, topic) = (PacketId::new(e.value.id)?, e.bytes.get(..e.value.topic_len as usize)?);
        Some(if dropped { Notice::Dropped { id, topic } } else { Notice::SetAside { id, topic, size: e.bytes.len() } })
    }

    /// How many messages were given up since the app was last told.
    pub fn given_up(&self) -> u16 {
        self.given_up.count
    }

    /// How many messages were given up since this was last asked.
    pub fn take_given_up(&mut self) -> GivenUp {
        core::mem::replace(&mut self.given_up, GivenUp::NONE)
    }

    /// Forgets the entry with this identifier.
    pub fn forget(&mut self, id: PacketId) {
        if let Some(entry) = self.find(id) {
            let had_content = entry.has_bytes();
            entry.remove();
            self.removed(had_content);
        }
    }

    /// Appends a message to be sent. One of a kind that the broker hangs up on goes aside.
    pub fn push(&mut self, id: PacketId, flags: u8, topic: &[u8], payload: &[u8]) -> Result<(), OutOfMemory> {
        let aside = self.kinds_known > 0 && self.knows(Kind::of(flags, topic, topic.len() + payload.len()));
        let entry = Entry { topic_len: topic.len() as u16, marks: if aside { ASIDE } else { 0 }, ..Self::entry(id, flags) };
        self.list.push_back(entry, &[topic, payload])?;
        self.kept += 1;
        self.aside += aside as u16;
        self.news |= aside;
        self.sick = false;
        Ok(())
    }

    fn entry(id: PacketId, flags: u8) -> Entry {
        Entry { sent_at: 0, id: id.get(), topic_len: 0, flags, state: State::Fresh, marks: 0, tries: 0 }
    }

    /// Keeps the identifier of something that is sent now and not kept.
    pub fn push_bare(&mut self, id: PacketId, flags: u8, state: State, now: Millis) -> Result<(), OutOfMemory> {
        self.list.push_back(Entry { state, marks: ON_WIRE, sent_at: now, ..Self::entry(id, flags) }, &[])?;
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
    pub fn acknowledge(&mut self, ack: u8, id: PacketId, now: Millis) -> Step {
        let kind = self.kind_of_aside(id);
        let Some(mut entry) = self.find(id) else { return Step::Ignore };
        let had_content = entry.has_bytes();
        let e = entry.value();
        let step = on_ack(e.qos(), e.state, ack);
        let before = *e;
        match step {
            Step::Done | Step::Downgraded if e.is(REPEATED) => {
                (e.state, e.marks, e.flags, e.sent_at) = (State::Echo, ON_WIRE, 0, now);
                if had_content {
                    entry.strip();
                    self.kept -= 1;
                    self.add_bare();
                }
            }
            Step::Done | Step::Downgraded => {
                entry.remove();
                self.removed(had_content);
            }
            Step::Release | Step::ReleaseAgain => {
                e.state = State::Released;
                // PUBREL goes out as the answer to this.
                e.marks = e.marks & !(OVERDUE | ASIDE | TOLD) | ON_WIRE;
                if step == Step::Release {
                    e.tries = 0;
                }
                e.sent_at = now;
            }
            Step::Echo => {
                if ack != kind::PUBREC {
                    self.forget(id);
                }
            }
            Step::Wrong | Step::Ignore => return step,
        }
        if before.state == State::Sent && before.is(ON_WIRE) && had_content {
            self.in_flight -= 1;
        }
        if had_content {
            match step {
                Step::Release => self.released += 1,
                Step::Done if before.state == State::Released => self.released -= 1,
                _ => {}
            }
        }
        if let Some(kind) = kind {
            // So may be those like it.
            for known in &mut self.kinds {
                if known.hash == kind.hash {
                    *known = Kind::NONE;
                }
            }
            self.take_back(|other| other.hash == kind.hash);
        } else if matches!(step, Step::Done | Step::Downgraded | Step::Release) {
            self.others_acked = true;
            (self.blamed, self.sick) = (0, false);
        }
        step
    }

    /// True if the message with this identifier was sent more than once on this connection.
    pub fn was_repeated(&mut self, id: PacketId) -> bool {
        self.find(id).is_some_and(|mut e| e.value().is(REPEATED))
    }

    /// SUBACK came in for a subscription that is gone, or a second one. True if it was expected.
    pub fn subscribed(&mut self, id: PacketId) -> bool {
        self.forget_bare_one(|e| e.id == id.get() && matches!(e.state, State::Subscribe | State::Echo))
    }

    /// A connection ended: nothing more is known of what was only kept for its acknowledgement on it. At QoS 2 the broker still
    /// knows the identifier. True if it ended while a message that is aside was on the way.
    pub fn disconnected(&mut self) -> bool {
        let (mut given_up, others_acked, mut on_aside) = (self.given_up, self.others_acked, false);
        self.list.for_each(|e, bytes| {
            if e.state == State::Sent && bytes.is_empty() && !e.is(TOLD) {
                given_up.add(e.id);
                e.marks |= TOLD;
            }
            if e.is(ASIDE) && e.is(ON_WIRE) {
                on_aside = true;
                e.tries += others_acked as u8;
                if e.tries >= MOST_ENDS {
                    given_up.add(e.id);
                    (e.state, e.marks) = (State::Dropped, 0);
                }
            }
            e.marks &= !(ON_WIRE | OVERDUE | REPEATED);
        });
        self.given_up = given_up;
        self.news |= on_aside;
        self.others_acked &= !on_aside;
        self.forget_bare(|e| e.qos() < QoS::ExactlyOnce);
        self.kept = self.list.iter().filter(|e| !e.bytes.is_empty() && e.value.state != State::Dropped).count() as u16;
        self.recount();
        self.rewind();
        on_aside
    }

    /// The broker has kept the session. A QoS 2 message whose content is gone can't be sent again; PUBREL ends the exchange, or
    /// else the broker would take a later message with this identifier for a repeated one.
    pub fn resumed(&mut self) {
        self.forget_bare(|e| e.qos() < QoS::ExactlyOnce);
        self.list.for_each(|e, bytes| {
            if bytes.is_empty() {
                e.state = State::Released;
            }
            if e.state == State::Released && e.tries > 0 {
                e.marks |= CARRIED;
            }
        });
        self.rewind();
    }

    /// Forgets the first entry without content that `which` picks. False if there is none.
    fn forget_bare_one(&mut self, which: impl Fn(&Entry) -> bool) -> bool {
        let Some(mut found) = self.list.find(|e| e.bytes.is_empty() && which(e.value)) else { return false };
        let e = found.value();
        // Whether it arrives is not seen any more.
        if e.state == State::Sent && !e.is(TOLD) {
            self.given_up.add(e.id);
        }
        found.remove();
        self.bare -= 1;
        true
    }

    fn forget_vain_releases(&mut self) {
        while let Some(found) = self.list.find(|e| e.value.state == State::Released && e.value.tries == VAIN) {
            let had_content = found.has_bytes();
            found.remove();
            self.removed(had_content);
        }
        self.recount();
    }

    fn forget_bare(&mut self, which: impl Fn(&Entry) -> bool) {
        while self.forget_bare_one(&which) {}
    }

    /// The broker has begun a new session: it knows none of what was under way \[MQTT-3.1.2-6\], which goes out anew.
    pub fn new_session(&mut self) {
        let mut given_up = self.given_up;
        self.list.for_each(|e, bytes| {
            if bytes.is_empty() {
                // The broker had it, and may have lost it with the session.
                if e.state == State::Released && !e.is(TOLD) {
                    given_up.add(e.id);
                }
            } else if matches!(e.state, State::Sent | State::Released) {
                (e.state, e.tries) = (State::Fresh, if e.is(ASIDE) { e.tries } else { 0 });
                e.marks &= !CARRIED;
            }
        });
        self.given_up = given_up;
        self.forget_bare(|_| true);
        self.recount();
        self.rewind();
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.list.clear();
        (self.kept, self.bare) = (0, 0);
        self.recount();
        (self.given_up, self.news) = (GivenUp::NONE, false);
    }

    fn out<'a>(e: &Entry, bytes: &'a [u8]) -> Option<Out<'a>> {
        let Entry { flags, state, topic_len, id, .. } = *e;
        let id = PacketId::new(id)?;
        if state == State::Released {
            return Some(Out::ack(AckKind::PubRel, id));
        }
        let (topic, payload) = bytes.split_at_checked(topic_len as usize)?;
        // DUP says that this session has seen the message before [MQTT-3.3.1-1].
        Some(Out::publish(if state == State::Sent { flags | 8 } else { flags }, Some(id), topic, payload))
    }

    /// What to send for the entry that `seek` found.
    pub fn next(&self) -> Option<Out<'_>> {
        let e = self.list.current::<NEXT>()?;
        Self::out(e.value, e.bytes)
    }

    fn mark_sent(e: &mut Entry, now: Millis) -> bool {
        if e.is(OVERDUE) {
            e.marks |= REPEATED;
        }
        e.marks = e.marks & !OVERDUE | ON_WIRE;
        e.sent_at = now;
        if e.state == State::Released {
            return false;
        }
        e.state = State::Sent;
        true
    }

    /// What `next` returned was sent. Its bytes stay where and as they are. Its identifier, and whether it is a
    /// message.
    pub fn sent(&mut self, now: Millis) -> Option<(PacketId, bool)> {
        let e = self.list.current_value_mut::<NEXT>()?;
        let (id, is_message) = (PacketId::new(e.id)?, Self::mark_sent(e, now));
        self.in_flight += is_message as u16;
        self.list.advance::<NEXT>();
        if !is_message {
            // It may have been sought behind messages that wait.
            self.rewind();
        }
        Some((id, is_message))
    }

    // What is overdue.

    /// When the oldest that awaits an answer was sent.
    pub fn oldest_on_wire(&self) -> Option<Millis> {
        let waits = |e: &Entry| e.is(ON_WIRE) && matches!(e.state, State::Sent | State::Released);
        self.list.iter().find(|e| waits(e.value)).map(|e| e.value.sent_at)
    }

    /// What was sent before `asked`, at least `wait` milliseconds ago, and awaits its answer is to be sent again. The first identifier
    /// among these.
    pub fn overdue(&mut self, asked: Millis, wait: u32, now: Millis) -> Option<PacketId> {
        let mut first = None;
        self.list.for_each(|e, _| {
            if e.is(ON_WIRE) && reached(asked, e.sent_at) && now.wrapping_sub(e.sent_at) >= wait {
                if matches!(e.state, State::Sent | State::Released) {
                    e.marks = e.marks & !ON_WIRE | OVERDUE;
                    first = first.or(PacketId::new(e.id));
                }
                if e.state == State::Released {
                    e.tries = (e.tries + 1).min(VAIN - 1);
                    e.note_vain_release();
                }
            }
        });
        if first.is_some() {
            self.forget_vain_releases();
            self.rewind();
        }
        first
    }

    // What the broker hangs up on.

    fn knows(&self, kind: Kind) -> bool {
        self.kinds.iter().any(|known| known.covers(kind))
    }

    /// Sets the message with this identifier aside, and those like it. False if there is no such message.
    pub fn set_aside(&mut self, id: PacketId) -> bool {
        let Some(e) = self.list.iter().find(|e| e.value.id == id.get() && !e.bytes.is_empty()) else { return false };
        if self.sick {
            return true;
        }
        let kind = Kind::of_entry(e.value, e.bytes);
        self.kinds.rotate_right(1);
        self.kinds[0] = kind;
        self.kinds_known = (self.kinds_known + 1).min(self.kinds.len() as u8);
        self.list.for_each(|e, bytes| {
            if matches!(e.state, State::Fresh | State::Sent) && !e.is(ASIDE) && kind.covers(Kind::of_entry(e, bytes)) {
                e.marks |= ASIDE;
            }
        });
        self.recount();
        self.news = true;
        self.blamed = self.blamed.saturating_add(1);
        // Where nothing else is left and nothing else went through, it is the broker that is at fault.
        let left = self.list.iter().any(|e| !e.bytes.is_empty() && !e.value.is(ASIDE) && e.value.state != State::Dropped);
        if !left && self.blamed > 1 {
            self.take_all_back();
            self.sick = true;
        }
        true
    }

    /// Puts back into their order those that are aside and that `which` picks.
    fn take_back(&mut self, which: impl Fn(Kind) -> bool) {
        self.list.for_each(|e, bytes| {
            if e.is(ASIDE) && which(Kind::of_entry(e, bytes)) {
                e.marks &= !(ASIDE | TOLD);
                e.tries = 0;
            }
        });
        self.recount();
        self.rewind();
    }

    /// Another broker may take what this one does not.
    pub fn take_all_back(&mut self) {
        self.kinds = [Kind::NONE; 3];
        (self.kinds_known, self.blamed) = (0, 0);
        self.take_back(|_| true);
    }

    /// The kind of the message with this identifier, if it is aside.
    fn kind_of_aside(&self, id: PacketId) -> Option<Kind> {
        if self.aside == 0 {
            return None;
        }
        let e = self.list.iter().find(|e| e.value.id == id.get() && e.value.is(ASIDE))?;
        Some(Kind::of_entry(e.value, e.bytes))
    }

    /// What to send for the oldest message that is aside.
    pub fn next_aside(&self) -> Option<Out<'_>> {
        let e = self.list.iter().find(|e| e.value.is(ASIDE) && e.value.state != State::Dropped)?;
        if e.value.is(ON_WIRE) { None } else { Self::out(e.value, e.bytes) }
    }

    /// What `next_aside` returned was sent. Its identifier.
    pub fn aside_sent(&mut self, now: Millis) -> Option<PacketId> {
        let mut found = self.list.find(|e| e.value.is(ASIDE) && e.value.state != State::Dropped)?;
        Self::mark_sent(found.value(), now);
        self.in_flight += 1;
        PacketId::new(found.value().id)
    }

    /// True if nothing is kept, nor awaited.
    pub fn is_settled(&self) -> bool {
        self.list.iter().all(|e| matches!(e.value.state, State::Echo | State::Dropped))
    }
}

#[cfg(test)]
mod tests {
    use crate::session::window::MAX_INFLIGHT;
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
