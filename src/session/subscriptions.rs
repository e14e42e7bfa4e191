//! What the app has subscribed to, and who is to be told.
//!
//! The newest stands first: that is the order in which handlers are called and filters are sent, as upstream does. A filter that was
//! unsubscribed stays until the broker has confirmed it, as it is owed to the session.

use super::ack_timer::AckTimer;
use super::keep_alive::{Millis, NEVER, reached};
use super::packet_ids::ahead;
use crate::heap::{Found, List, OutOfMemory};
use crate::wire::{OutPacket, PacketId, QoS, is_wildcard, matches};

/// What is known of a subscription, a set of bits.
type Flags = u16;

/// Its handler is told of messages only.
const MESSAGES_ONLY: Flags = 1;
/// The filter has no wildcard.
const LITERAL: Flags = 1 << 1;
/// SUBSCRIBE, or UNSUBSCRIBE, is still to be sent.
const UNSENT: Flags = 1 << 2;
/// It was sent, SUBACK or UNSUBACK is awaited.
const AWAITING: Flags = 1 << 3;
/// The packet is, or was, sent a second time on this connection.
const RESENT: Flags = 1 << 4;
/// It is being unsubscribed: it has no handler any more, and gets no messages.
const UNSUBSCRIBING: Flags = 1 << 5;
/// The broker hangs up on it: it goes out only now and then.
const SET_ASIDE: Flags = 1 << 6;
/// It went out while it was aside, and others are to have their turn.
const RETRIED: Flags = 1 << 7;
/// The app is to be told what has become of it.
const NOTICE_DUE: Flags = 1 << 8;

/// One subscription; its filter stands behind it. `H` is whatever the layer above needs to call its handler.
#[derive(Clone, Copy)]
struct Subscription<H: Copy> {
    handler: H,
    /// What its packet goes out with until it is answered, also on a later connection; 0 for none.
    id: u16,
    /// See [`tail`].
    tail: u16,
    flags: Flags,
    qos: QoS,
}

impl<H: Copy> Subscription<H> {
    fn is(&self, flags: Flags) -> bool {
        self.flags & flags != 0
    }

    fn recipient(&self) -> Recipient<H> {
        Recipient { handler: self.handler, messages_only: self.is(MESSAGES_ONLY) }
    }
}

/// The first with all of the flags `all` and none of `none`.
#[inline(never)]
fn first<H: Copy>(list: &mut List<Subscription<H>>, all: Flags, none: Flags) -> Option<Found<'_, Subscription<H>>> {
    list.find(|s| s.value.flags & (all | none) == all)
}

/// The first with this filter, and with `flags` among `of`.
#[inline(never)]
fn with_filter<'a, H: Copy>(
    list: &'a mut List<Subscription<H>>,
    filter: &[u8],
    of: Flags,
    flags: Flags,
) -> Option<Found<'a, Subscription<H>>> {
    list.find(|s| s.value.flags & of == flags && s.bytes == filter)
}

/// The last two characters of a filter as a number, which those of each topic it matches must equal; 0 where any will do. With it a
/// message passes over most subscriptions that do not match at the cost of one comparison.
fn tail(filter: &[u8]) -> u16 {
    match *filter {
        [.., a, b] if !is_wildcard(a) && !is_wildcard(b) => u16::from_be_bytes([a, b]),
        _ => 0,
    }
}

/// A subscription's handler.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recipient<H> {
    /// What was given with the subscription.
    pub handler: H,
    /// It is told of messages only, not of SUBACK.
    pub messages_only: bool,
}

/// So many UNSUBSCRIBEs are owed at most; the oldest in the list is forgotten.
const MAX_UNSUBSCRIBING: u8 = 16;

/// The cursor of what is to be sent next.
const NEXT: usize = 0;
/// The cursor of a message's delivery.
const DELIVERY: usize = 1;

/// What came of unsubscribing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Unsubscribed {
    /// The identifier that is in use, if a SUBACK is still awaited.
    pub awaited: Option<PacketId>,
    /// An UNSUBSCRIBE that was owed was forgotten, as there are too many.
    pub forgotten: bool,
}

/// All subscriptions of a connection.
pub struct Subscriptions<H: Copy> {
    list: List<Subscription<H>>,
    /// Where the cursor of the delivery stood when it last found a match. As long as it stands there, that is still the same subscription: were it
    /// removed, the cursor would have gone on.
    matched: usize,
    /// When a SUBSCRIBE or UNSUBSCRIBE was last sent.
    sent_at: Millis,
    /// How many answers are awaited.
    awaiting: u16,
    /// How many are being unsubscribed.
    unsubscribing: u8,
    /// How many are aside.
    set_aside: u8,
    /// One has [`NOTICE_DUE`].
    has_notices: bool,
}

impl<H: Copy> Subscriptions<H> {
    /// None.
    pub const NEW: Self =
        Subscriptions { list: List::new(), matched: 0, sent_at: 0, awaiting: 0, unsubscribing: 0, set_aside: 0, has_notices: false };

    /// How far ahead of `id` the nearest identifier under way lies; not more than `most`.
    pub fn distance(&self, id: u16, most: u16) -> u16 {
        self.list.iter().filter(|s| s.value.id != 0).fold(most, |most, s| most.min(ahead(id, s.value.id)))
    }

    /// How many answers are awaited.
    pub fn awaiting(&self) -> u16 {
        self.awaiting
    }

    /// How many are aside.
    pub fn num_set_aside(&self) -> u8 {
        self.set_aside
    }

    /// Adds one. The same filter may be there already: each has its own handler. If its UNSUBSCRIBE is unanswered, its identifier; it is not
    /// sent again.
    pub fn add(&mut self, filter: &[u8], qos: QoS, recipient: Recipient<H>) -> Result<Option<PacketId>, OutOfMemory> {
        let Recipient { handler, messages_only } = recipient;
        let literal = !filter.iter().any(|&b| is_wildcard(b));
        let flags = (messages_only as Flags * MESSAGES_ONLY) | (literal as Flags * LITERAL);
        let subscription = Subscription { handler, id: 0, tail: tail(filter), flags: flags | UNSENT, qos };
        self.list.push_front(subscription, &[filter])?;
        self.list.rewind::<NEXT>();
        if self.unsubscribing == 0 {
            return Ok(None);
        }
        let Some(mut found) = with_filter(&mut self.list, filter, UNSUBSCRIBING, UNSUBSCRIBING) else { return Ok(None) };
        let (id, awaiting) = (PacketId::new(found.value().id), found.value().is(AWAITING));
        found.remove();
        self.awaiting -= awaiting as u16;
        self.unsubscribing -= 1;
        Ok(id)
    }

    /// How many have exactly this filter: none, one, or more.
    pub fn count(&self, filter: &[u8]) -> usize {
        self.list.iter().filter(|s| !s.value.is(UNSUBSCRIBING) && s.bytes == filter).count()
    }

    /// Removes the newest with exactly this filter; with the last of them UNSUBSCRIBE is owed to the broker. `None` if there is none.
    pub fn remove(&mut self, filter: &[u8]) -> Option<Unsubscribed> {
        let last = self.count(filter) == 1;
        let mut found = with_filter(&mut self.list, filter, UNSUBSCRIBING, 0)?;
        let s = found.value();
        let mut done = Unsubscribed::default();
        if s.is(AWAITING) {
            done.awaited = PacketId::new(s.id);
            self.awaiting -= 1;
        }
        self.set_aside -= s.is(SET_ASIDE) as u8;
        if !last {
            found.remove();
            return Some(done);
        }
        (s.flags, s.id) = (UNSUBSCRIBING | UNSENT, 0);
        self.unsubscribing += 1;
        self.matched = 0;
        if self.unsubscribing > MAX_UNSUBSCRIBING {
            // The newest stand first.
            let mut n = self.unsubscribing;
            if let Some(mut oldest) = self.list.find(|s| {
                n -= s.value.is(UNSUBSCRIBING) as u8;
                n == 0
            }) {
                self.awaiting -= oldest.value().is(AWAITING) as u16;
                oldest.remove();
                self.unsubscribing -= 1;
                done.forgotten = true;
            }
        }
        self.list.rewind::<NEXT>();
        Some(done)
    }

    /// A connection is up: all are to be subscribed again. `kept`: the broker has kept the session, and with it what is to be unsubscribed.
    pub fn restart(&mut self, kept: bool) {
        self.awaiting = 0;
        while !kept
            && self.unsubscribing > 0
            && let Some(found) = first(&mut self.list, UNSUBSCRIBING, 0)
        {
            found.remove();
            self.unsubscribing -= 1;
        }
        self.list.for_each(|s, _| {
            s.flags = s.flags & !(RESENT | AWAITING | UNSENT) | if s.is(SET_ASIDE) { 0 } else { UNSENT };
        });
        self.list.rewind::<NEXT>();
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.list.clear();
        (self.awaiting, self.unsubscribing, self.set_aside) = (0, 0, 0);
    }

    /// False if there is none to be subscribed for sure.
    pub fn may_have_more(&self) -> bool {
        self.list.cursor_id::<NEXT>() != 0
    }

    /// True if there is one to be sent; then `next` returns it. UNSUBSCRIBE goes before SUBSCRIBE.
    pub fn find_next(&mut self) -> bool {
        if self.unsubscribing > 0 {
            self.list.rewind::<NEXT>();
            if self.find_next_where(UNSUBSCRIBING | UNSENT) {
                return true;
            }
            self.list.rewind::<NEXT>();
        }
        self.find_next_where(UNSENT)
    }

    #[inline(never)]
    fn find_next_where(&mut self, all: Flags) -> bool {
        self.list.advance_to::<NEXT>(|s| s.value.flags & all == all)
    }

    /// The packet to be sent, with this identifier unless it has one already.
    pub fn next(&mut self, id: PacketId, max: QoS) -> Option<OutPacket<'_>> {
        let s = self.list.current_value_mut::<NEXT>()?;
        let id = PacketId::new(s.id).unwrap_or(id);
        s.id = id.get();
        let s = self.list.current::<NEXT>()?;
        Some(if s.value.is(UNSUBSCRIBING) {
            OutPacket::unsubscribe(id, s.bytes)
        } else {
            OutPacket::subscribe(id, s.bytes, s.value.qos.min(max))
        })
    }

    /// It was sent. Its filter stays where and as it is. Its identifier.
    pub fn sent(&mut self, now: Millis) -> Option<PacketId> {
        let s = self.list.current_value_mut::<NEXT>()?;
        s.flags = s.flags & !UNSENT | AWAITING;
        let id = PacketId::new(s.id);
        self.awaiting += 1;
        self.sent_at = now;
        self.list.advance::<NEXT>();
        id
    }

    /// SUBACK with this identifier came in. `None` if it answers none of ours; else [`settled`](Self::settled) says which, and it is true if
    /// the SUBSCRIBE was sent twice.
    pub fn suback(&mut self, id: PacketId) -> Option<bool> {
        self.list.rewind::<DELIVERY>();
        self.list.advance_to::<DELIVERY>(|s| s.value.id == id.get() && !s.value.is(UNSUBSCRIBING));
        let s = self.list.current_value_mut::<DELIVERY>()?;
        let twice = s.flags & (RESENT | UNSENT) == RESENT;
        self.awaiting -= s.is(AWAITING) as u16;
        self.set_aside -= s.is(SET_ASIDE) as u8;
        s.id = 0;
        s.flags &= MESSAGES_ONLY | LITERAL;
        Some(twice)
    }

    /// UNSUBACK with this identifier came in. `None` if it answers none of ours; else whether the UNSUBSCRIBE was sent twice.
    pub fn unsuback(&mut self, id: PacketId) -> Option<bool> {
        let mut found = self.list.find(|s| s.value.id == id.get() && s.value.is(UNSUBSCRIBING))?;
        let flags = found.value().flags;
        let twice = flags & (RESENT | UNSENT) == RESENT;
        found.remove();
        self.awaiting -= (flags & AWAITING != 0) as u16;
        self.unsubscribing -= 1;
        Some(twice)
    }

    /// Filter and handler of the subscription that has just been settled.
    pub fn settled(&self) -> Option<(&[u8], Recipient<H>)> {
        self.list.current::<DELIVERY>().filter(|s| !s.value.is(UNSUBSCRIBING)).map(|s| (s.bytes, s.value.recipient()))
    }

    // What is not answered.

    /// When the last that awaits its answer was sent.
    pub fn awaiting_since(&self) -> Millis {
        if self.awaiting > 0 { self.sent_at.max(1) } else { NEVER }
    }

    /// What was sent before `asked`, long enough ago, and awaits its answer is sent again, once on a connection. Whether
    /// there was any, and whether one is sent again.
    pub fn mark_overdue(&mut self, pinged_at: Millis, ack_timer: &AckTimer, now: Millis) -> (bool, bool) {
        if self.awaiting == 0 || !reached(pinged_at, self.sent_at) || !ack_timer.is_late(self.sent_at, now) {
            return (false, false);
        }
        self.awaiting = 0;
        let mut again = false;
        self.list.for_each(|s, _| {
            if s.is(AWAITING) {
                again |= !s.is(RESENT);
                // The second time it waits for the next connection.
                s.flags = s.flags & !AWAITING
                    | match s.flags & (RESENT | UNSUBSCRIBING) {
                        RESENT => NOTICE_DUE,
                        flags if flags & RESENT != 0 => 0,
                        _ => RESENT | UNSENT,
                    };
            }
        });
        self.has_notices = true;
        self.list.rewind::<NEXT>();
        (true, again)
    }

    /// The broker hangs up on the SUBSCRIBE with this identifier. False if it is not one of ours.
    pub fn set_aside(&mut self, id: PacketId) -> bool {
        let Some(mut found) = self.list.find(|s| s.value.id == id.get() && !s.value.is(UNSUBSCRIBING | SET_ASIDE)) else { return false };
        found.value().flags |= SET_ASIDE | NOTICE_DUE;
        self.set_aside += 1;
        self.has_notices = true;
        true
    }

    /// Another broker may take what this one does not.
    pub fn restore_all(&mut self) {
        self.list.for_each(|s, _| s.flags &= !SET_ASIDE);
        self.set_aside = 0;
    }

    /// A connection ended: no answer comes any more. True if that of one that is aside was awaited.
    pub fn disconnected(&mut self) -> bool {
        self.awaiting = 0;
        let mut on_set_aside = false;
        self.list.for_each(|s, _| {
            on_set_aside |= s.flags & (SET_ASIDE | AWAITING) == SET_ASIDE | AWAITING;
            s.flags &= !AWAITING;
        });
        on_set_aside
    }

    /// One that is aside is to be sent, each in its turn; `seek` finds it. False if there is none.
    pub fn retry_next_aside(&mut self) -> bool {
        for _ in 0..2 {
            if let Some(mut found) = first(&mut self.list, SET_ASIDE, RETRIED) {
                found.value().flags |= RETRIED | UNSENT;
                self.list.rewind::<NEXT>();
                return true;
            }
            self.list.for_each(|s, _| s.flags &= !RETRIED);
        }
        false
    }

    /// One of which the app is to be told: its filter, and whether it is aside; else it was not answered.
    pub fn notice(&mut self) -> Option<(&[u8], bool)> {
        if !self.has_notices {
            return None;
        }
        let Some(mut found) = first(&mut self.list, NOTICE_DUE, 0) else {
            self.has_notices = false;
            return None;
        };
        found.value().flags &= !NOTICE_DUE;
        let s = found.item();
        Some((s.bytes, s.value.is(SET_ASIDE)))
    }

    // Delivery.

    /// Begins the delivery of a message: true if anyone has subscribed to `topic`.
    pub fn start_delivery(&mut self, topic: &[u8]) -> bool {
        self.list.rewind::<DELIVERY>();
        self.find_match(topic)
    }

    fn find_match(&mut self, topic: &[u8]) -> bool {
        let last = tail(topic);
        let found = self.list.advance_to::<DELIVERY>(|s| {
            let Subscription { tail, flags, .. } = *s.value;
            (tail == 0 || tail == last)
                && if flags & LITERAL != 0 { s.bytes == topic } else { flags & UNSUBSCRIBING == 0 && matches(s.bytes, topic) }
        });
        self.matched = self.list.cursor_id::<DELIVERY>();
        found
    }

    /// True if `next_recipient` has to look at the topic: where another subscription may match than the one that was found.
    pub fn needs_topic(&self) -> bool {
        let place = self.list.cursor_id::<DELIVERY>();
        place != 0 && place != self.matched
    }

    /// The next handler for the message with this topic; `None` when all have had it.
    pub fn next_recipient(&mut self, topic: &[u8]) -> Option<Recipient<H>> {
        if self.needs_topic() {
            self.find_match(topic);
        }
        let recipient = self.list.current::<DELIVERY>()?.value.recipient();
        self.list.advance::<DELIVERY>();
        Some(recipient)
    }
}
