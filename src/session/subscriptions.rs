//! The app's subscriptions and the delivery of messages to them.
//!
//! The newest comes first: handlers are called and SUBSCRIBEs are sent in that order, as in
//! upstream. A filter that was unsubscribed stays in the list until the broker confirms it.

use super::ack_timer::AckTimer;
use super::keep_alive::{Millis, NEVER, reached};
use super::packet_ids::ahead;
use crate::heap::{CursorList, Cursors, Found, OutOfMemory};
use crate::wire::{OutPacket, PacketId, QoS, is_wildcard, matches};

/// The state of a subscription, a set of bits.
type Flags = u16;

/// The handler receives messages only.
const MESSAGES_ONLY: Flags = 1;
/// The handler receives messages in pieces.
const PIECES: Flags = 1 << 1;
/// SUBSCRIBE or UNSUBSCRIBE is still to be sent.
const UNSENT: Flags = 1 << 2;
/// It was sent; SUBACK or UNSUBACK is awaited.
const AWAITING: Flags = 1 << 3;
/// The packet is to be, or was, sent a second time on this connection.
const RESENT: Flags = 1 << 4;
/// Being unsubscribed: no handler any more, and no messages.
const UNSUBSCRIBING: Flags = 1 << 5;
/// Set aside, as the broker closes the connection on it. Retried only now and then.
const SET_ASIDE: Flags = 1 << 6;
/// It was retried while set aside; the others are next.
const RETRIED: Flags = 1 << 7;
/// The app must be told what happened to it.
const NOTICE_DUE: Flags = 1 << 8;
/// It is awaited since before the last ping.
const BEFORE_PING: Flags = 1 << 9;

/// One subscription; its filter follows it in its block. `H` is what the layer above needs to call
/// the handler.
#[derive(Clone, Copy)]
struct Subscription<H: Copy> {
    handler: H,
    /// The packet ID of its SUBSCRIBE or UNSUBSCRIBE until that is answered, also across
    /// connections; 0 for none.
    id: u16,
    /// See [`key`].
    key: u16,
    flags: Flags,
    qos: QoS,
    part: Part,
}

impl<H: Copy> Subscription<H> {
    fn is(&self, flags: Flags) -> bool {
        self.flags & flags != 0
    }

    /// Returns true if messages with this topic are for it; `filter` is its filter.
    #[inline(always)]
    fn is_for(&self, filter: &[u8], topic: &[u8]) -> bool {
        !self.is(UNSUBSCRIBING) && if self.part == ALL { filter == topic } else { matches(filter, topic) }
    }

    fn recipient(&self) -> Recipient<H> {
        Recipient { handler: self.handler, wants: Wants((self.flags & (MESSAGES_ONLY | PIECES)) as u8) }
    }
}

/// Returns the first with all of the flags `all` and none of `none`.
#[inline(never)]
fn first<H: Copy>(list: &mut CursorList<Subscription<H>>, all: Flags, none: Flags) -> Option<Found<'_, Subscription<H>, Cursors>> {
    list.find(|s| s.value.flags & (all | none) == all)
}

/// Returns the first with this filter whose flags, masked with `of`, equal `flags`.
#[inline(never)]
fn with_filter<'a, H: Copy>(
    list: &'a mut CursorList<Subscription<H>>,
    filter: &[u8],
    of: Flags,
    flags: Flags,
) -> Option<Found<'a, Subscription<H>, Cursors>> {
    list.find(|s| s.value.flags & of == flags && s.bytes == filter)
}

/// The part of a filter or topic that its key is computed from: [`ALL`], [`END`], [`NONE`], or the
/// first two of the three bytes before this position.
pub(super) type Part = u8;

/// Everything, as a hash: for filters without wildcards.
pub(super) const ALL: Part = 0;
/// The last two bytes.
pub(super) const END: Part = 1;
/// Nothing; the key is 0.
pub(super) const NONE: Part = 2;

/// Returns the part of a filter that all topics it matches have as well, and the key computed from
/// it. If there are wildcards it is before the first or after the last, where there is more text.
pub(super) fn key(filter: &[u8]) -> (Part, u16) {
    let (mut before, mut after) = (filter.len(), 0);
    for (i, &b) in filter.iter().enumerate() {
        after += 1;
        if is_wildcard(b) {
            (before, after) = (before.min(i), 0);
        }
    }
    if before == filter.len() {
        return (ALL, hash(filter));
    }
    let (part, at) = if after >= before.max(2) {
        (END, filter.len() - 2)
    } else if let 3..=255 = before {
        // Not the slash before the wildcard: `abc/#` also matches `abc`.
        (before as Part, before - 3)
    } else {
        (NONE, usize::MAX)
    };
    (part, pair(filter, at))
}

/// Returns the two bytes at a position as a number; 0 if there are none.
fn pair(text: &[u8], at: usize) -> u16 {
    text.get(at..at.wrapping_add(2)).and_then(<[u8]>::first_chunk).map_or(0, |&pair| u16::from_ne_bytes(pair))
}

/// Returns a hash of a text.
fn hash(text: &[u8]) -> u16 {
    let (pairs, _) = text.as_chunks();
    let last = pair(text, text.len().wrapping_sub(2)) as u32;
    // With this factor, texts that differ only in a number of three digits have different hashes.
    pairs.iter().fold(last, |hash, &pair| hash.wrapping_mul(157).wrapping_add(u16::from_ne_bytes(pair) as u32)) as u16
}

/// The handler of a subscription.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recipient<H> {
    /// The handler given when subscribing.
    pub handler: H,
    /// What the handler receives.
    pub wants: Wants,
}

/// What the handler of a subscription receives: a number, so that it is read from the flags as it
/// is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wants(u8);

impl Wants {
    /// Messages and SUBACK.
    pub const EVENTS: Wants = Wants(0);
    /// Messages only.
    pub const MESSAGES: Wants = Wants(MESSAGES_ONLY as u8);
    /// Messages in pieces, also those that exceed the receive limit.
    pub const PIECES: Wants = Wants(PIECES as u8);
}

/// Maximum number of pending UNSUBSCRIBEs; beyond it the oldest is dropped.
const MAX_UNSUBSCRIBING: u8 = 16;

/// The cursor to the next packet to send.
const NEXT: usize = 0;
/// The cursor of the message delivery.
const DELIVERY: usize = 1;

/// The result of unsubscribing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Unsubscribed {
    /// The packet ID still in use, if SUBACK is awaited.
    pub awaited: Option<PacketId>,
    /// The oldest pending UNSUBSCRIBE was dropped, as there were too many.
    pub forgotten: bool,
}

/// All subscriptions of a connection.
pub struct Subscriptions<H: Copy> {
    list: CursorList<Subscription<H>>,
    /// The block under the delivery cursor at its last match. While the cursor is still there, the
    /// subscription is the same one: removal would have moved the cursor.
    matched: usize,
    /// When the first SUBSCRIBE or UNSUBSCRIBE was sent since nothing was awaited. The others count
    /// from then, so that one that is lost does not wait for those after it.
    sent_at: Millis,
    /// Number of awaited SUBACKs and UNSUBACKs.
    awaiting: u16,
    /// Number of subscriptions being unsubscribed.
    unsubscribing: u8,
    /// Number of subscriptions set aside.
    set_aside: u8,
}

impl<H: Copy> Subscriptions<H> {
    /// Empty.
    pub const NEW: Self = Subscriptions { list: CursorList::new(), matched: 0, sent_at: 0, awaiting: 0, unsubscribing: 0, set_aside: 0 };

    /// Returns how far ahead of `id` the nearest packet ID in use is, at most `most`.
    pub fn distance(&self, id: u16, most: u16) -> u16 {
        self.list.iter().filter(|s| s.value.id != 0).fold(most, |most, s| most.min(ahead(id, s.value.id)))
    }

    /// Returns the number of awaited SUBACKs and UNSUBACKs.
    pub fn awaiting(&self) -> u16 {
        self.awaiting
    }

    /// Returns the number of subscriptions set aside.
    pub fn num_set_aside(&self) -> u8 {
        self.set_aside
    }

    /// Adds a subscription; several may have the same filter, each with its own handler. A pending
    /// UNSUBSCRIBE of the filter is cancelled. Returns its packet ID if it was already sent.
    pub fn add(&mut self, filter: &[u8], qos: QoS, recipient: Recipient<H>) -> Result<Option<PacketId>, OutOfMemory> {
        let Recipient { handler, wants } = recipient;
        let flags = wants.0 as Flags | UNSENT;
        let (part, key) = key(filter);
        let subscription = Subscription { handler, id: 0, key, flags, qos, part };
        self.list.push_front(subscription, &[filter])?;
        self.list.rewind::<NEXT>();
        if self.unsubscribing == 0 {
            return Ok(None);
        }
        let Some(mut found) = with_filter(&mut self.list, filter, UNSUBSCRIBING, UNSUBSCRIBING) else { return Ok(None) };
        let s = found.value();
        let id = PacketId::new(s.id);
        self.awaiting -= s.is(AWAITING) as u16;
        self.set_aside -= s.is(SET_ASIDE) as u8;
        found.remove();
        self.unsubscribing -= 1;
        Ok(id)
    }

    /// Returns the number of subscriptions with exactly this filter.
    pub fn count(&self, filter: &[u8]) -> usize {
        self.list.iter().filter(|s| !s.value.is(UNSUBSCRIBING) && s.bytes == filter).count()
    }

    /// Removes the newest subscription with exactly this filter; UNSUBSCRIBE follows the last one.
    /// Returns `None` if there is none.
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
            // The newest come first.
            let mut n = self.unsubscribing;
            if let Some(mut oldest) = self.list.find(|s| {
                n -= s.value.is(UNSUBSCRIBING) as u8;
                n == 0
            }) {
                self.awaiting -= oldest.value().is(AWAITING) as u16;
                self.set_aside -= oldest.value().is(SET_ASIDE) as u8;
                oldest.remove();
                self.unsubscribing -= 1;
                done.forgotten = true;
            }
        }
        self.list.rewind::<NEXT>();
        Some(done)
    }

    /// The connection is up: marks all subscriptions to be sent again. `kept` tells that the broker
    /// kept the session, where pending UNSUBSCRIBEs are still needed.
    pub fn restart(&mut self, kept: bool) {
        self.awaiting = 0;
        while !kept
            && self.unsubscribing > 0
            && let Some(mut found) = first(&mut self.list, UNSUBSCRIBING, 0)
        {
            self.set_aside -= found.value().is(SET_ASIDE) as u8;
            found.remove();
            self.unsubscribing -= 1;
        }
        self.list.for_each(|s, _| {
            s.flags = s.flags & !(RESENT | AWAITING | UNSENT) | if s.is(SET_ASIDE) { 0 } else { UNSENT };
        });
        self.list.rewind::<NEXT>();
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        self.list.clear();
        (self.awaiting, self.unsubscribing, self.set_aside) = (0, 0, 0);
    }

    /// Returns false if there is certainly nothing to send.
    pub fn may_have_more(&self) -> bool {
        self.list.cursor_id::<NEXT>() != 0
    }

    /// Moves the cursor to the next packet to send, for `next`; returns false if there is none.
    /// UNSUBSCRIBE comes before SUBSCRIBE.
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

    /// Returns the packet found by `find_next`, with packet ID `id` unless it already has one.
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

    /// The packet was sent. The filter is not touched. Returns its packet ID.
    pub fn sent(&mut self, now: Millis) -> Option<PacketId> {
        let s = self.list.current_value_mut::<NEXT>()?;
        s.flags = s.flags & !(UNSENT | BEFORE_PING) | AWAITING;
        let id = PacketId::new(s.id);
        if self.awaiting == 0 {
            self.sent_at = now;
        }
        self.awaiting += 1;
        self.list.advance::<NEXT>();
        id
    }

    /// Processes a SUBACK. Returns `None` if it is not ours; otherwise whether the SUBSCRIBE was
    /// sent twice. [`settled`](Self::settled) then returns the subscription.
    pub fn suback(&mut self, id: PacketId) -> Option<bool> {
        self.list.rewind::<DELIVERY>();
        self.list.advance_to::<DELIVERY>(|s| s.value.id == id.get() && !s.value.is(UNSUBSCRIBING));
        let s = self.list.current_value_mut::<DELIVERY>()?;
        let twice = s.flags & (RESENT | UNSENT) == RESENT;
        self.awaiting -= s.is(AWAITING) as u16;
        self.set_aside -= s.is(SET_ASIDE) as u8;
        s.id = 0;
        s.flags &= MESSAGES_ONLY | PIECES;
        Some(twice)
    }

    /// Processes an UNSUBACK. Returns `None` if it is not ours; otherwise whether the UNSUBSCRIBE
    /// was sent twice.
    pub fn unsuback(&mut self, id: PacketId) -> Option<bool> {
        let mut found = self.list.find(|s| s.value.id == id.get() && s.value.is(UNSUBSCRIBING))?;
        let flags = found.value().flags;
        let twice = flags & (RESENT | UNSENT) == RESENT;
        found.remove();
        self.awaiting -= (flags & AWAITING != 0) as u16;
        self.set_aside -= (flags & SET_ASIDE != 0) as u8;
        self.unsubscribing -= 1;
        // The search for UNSUBSCRIBEs may have passed SUBSCRIBEs.
        self.list.rewind::<NEXT>();
        Some(twice)
    }

    /// Returns filter and handler of the subscription last acknowledged by `suback`.
    pub fn settled(&self) -> Option<(&[u8], Recipient<H>)> {
        self.list.current::<DELIVERY>().filter(|s| !s.value.is(UNSUBSCRIBING)).map(|s| (s.bytes, s.value.recipient()))
    }

    // Overdue acknowledgements.

    /// Returns since when something has been awaited; [`NEVER`] if nothing is.
    pub fn awaiting_since(&self) -> Millis {
        if self.awaiting > 0 { self.sent_at.max(1) } else { NEVER }
    }

    /// A ping was sent: what is awaited now was sent before it.
    pub fn pinged(&mut self) {
        self.list.for_each(|s, _| {
            if s.is(AWAITING) {
                s.flags |= BEFORE_PING;
            }
        });
    }

    /// Marks packets for retransmission, once per connection, that were sent before `pinged_at`,
    /// long enough ago, and are unanswered. Returns whether there were any, and whether one is
    /// retransmitted.
    pub fn mark_overdue(&mut self, pinged_at: Millis, ack_timer: &AckTimer, now: Millis) -> (bool, bool) {
        if self.awaiting == 0 || !reached(pinged_at, self.sent_at) || !ack_timer.is_late(self.sent_at, now) {
            return (false, false);
        }
        let (mut resent, mut left) = (false, 0);
        self.list.for_each(|s, _| {
            if s.flags & (AWAITING | BEFORE_PING) == AWAITING {
                left += 1;
            } else if s.is(AWAITING) {
                resent |= !s.is(RESENT);
                // After the second time it waits for the next connection.
                s.flags = s.flags & !AWAITING
                    | match s.flags & (RESENT | UNSUBSCRIBING) {
                        RESENT => NOTICE_DUE,
                        flags if flags & RESENT != 0 => 0,
                        _ => RESENT | UNSENT,
                    };
            }
        });
        (self.awaiting, self.sent_at) = (left, pinged_at);
        self.list.rewind::<NEXT>();
        (true, resent)
    }

    /// Sets the SUBSCRIBE or UNSUBSCRIBE with this packet ID aside. Returns false if it is not ours.
    pub fn set_aside(&mut self, id: PacketId) -> bool {
        let Some(mut found) = self.list.find(|s| s.value.id == id.get() && !s.value.is(SET_ASIDE)) else { return false };
        found.value().flags |= SET_ASIDE | NOTICE_DUE;
        self.set_aside += 1;
        true
    }

    /// Restores all set-aside subscriptions: another broker may accept them.
    pub fn restore_all(&mut self) {
        self.list.for_each(|s, _| s.flags &= !SET_ASIDE);
        self.set_aside = 0;
    }

    /// The connection ended: no more answers arrive. Returns true if a set-aside subscription was
    /// in flight.
    pub fn disconnected(&mut self) -> bool {
        self.awaiting = 0;
        let mut on_set_aside = false;
        self.list.for_each(|s, _| {
            on_set_aside |= s.flags & (SET_ASIDE | AWAITING) == SET_ASIDE | AWAITING;
            s.flags &= !AWAITING;
        });
        on_set_aside
    }

    /// Marks the next set-aside subscription to be sent, each in turn; `find_next` finds it.
    /// Returns false if there is none; also, if something else is set aside, when each has had its
    /// turn.
    pub fn retry_next_aside(&mut self, others: bool) -> bool {
        for _ in 0..2 {
            if let Some(mut found) = first(&mut self.list, SET_ASIDE, RETRIED) {
                found.value().flags |= RETRIED | UNSENT;
                self.list.rewind::<NEXT>();
                return true;
            }
            self.list.for_each(|s, _| s.flags &= !RETRIED);
            if others {
                break;
            }
        }
        false
    }

    /// Returns the filter of a subscription to report, and whether it is set aside (otherwise it
    /// was not answered).
    pub fn notice(&mut self) -> Option<(&[u8], bool)> {
        let mut found = first(&mut self.list, NOTICE_DUE, 0)?;
        found.value().flags &= !NOTICE_DUE;
        let s = found.item();
        Some((s.bytes, s.value.is(SET_ASIDE)))
    }

    // Delivery.

    /// Starts the delivery of a message. Returns true if there is a subscription that matches
    /// `topic`.
    #[inline(never)]
    pub fn start_delivery(&mut self, topic: &[u8]) -> bool {
        self.list.rewind::<DELIVERY>();
        self.find_match(topic)
    }

    /// Returns the handlers of the subscriptions that match `topic` and take pieces, the newest first.
    pub fn take_pieces(&self, topic: &[u8]) -> impl Iterator<Item = H> {
        self.list.iter().filter(move |s| s.value.is(PIECES) && s.value.is_for(s.bytes, topic)).map(|s| s.value.handler)
    }

    /// Returns true if there is a subscription that matches the topic of the message being
    /// delivered.
    pub fn is_delivering(&self) -> bool {
        self.matched != 0
    }

    /// Returns true if the newest subscription that matches the topic has no wildcards.
    #[inline(never)]
    pub fn matched_literally(&self) -> bool {
        self.list.current::<DELIVERY>().is_some_and(|s| s.value.part == ALL)
    }

    fn find_match(&mut self, topic: &[u8]) -> bool {
        let all = match self.list.current::<DELIVERY>() {
            // For a single one, computing the topic's key does not pay.
            Some(s) if self.list.is_last::<DELIVERY>() => s.value.key,
            _ => hash(topic),
        };
        let keys = [all, pair(topic, topic.len().wrapping_sub(2)), 0];
        // In two steps: most are skipped here without a look at their bytes.
        while self.list.advance_to::<DELIVERY>(|s| {
            let part = s.value.part as usize;
            s.value.key == if let Some(&key) = keys.get(part) { key } else { pair(topic, part - 3) }
        }) && self.list.current::<DELIVERY>().is_some_and(|s| !s.value.is_for(s.bytes, topic))
        {
            self.list.advance::<DELIVERY>();
        }
        self.matched = self.list.cursor_id::<DELIVERY>();
        self.matched != 0
    }

    /// Returns true if `next_recipient` needs the topic, as the cursor is not on a known match.
    pub fn needs_topic(&self) -> bool {
        let place = self.list.cursor_id::<DELIVERY>();
        place != 0 && place != self.matched
    }

    /// Returns the next handler for the message with this topic; `None` when there are no more.
    pub fn next_recipient(&mut self, topic: &[u8]) -> Option<Recipient<H>> {
        if self.needs_topic() {
            self.find_match(topic);
        }
        let recipient = self.list.current::<DELIVERY>()?.value.recipient();
        self.list.advance::<DELIVERY>();
        Some(recipient)
    }
}
