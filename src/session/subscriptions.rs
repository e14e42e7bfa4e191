//! What the app has subscribed to, and who is to be told.
//!
//! The newest stands first: that is the order in which handlers are called and filters are sent, as upstream does.

use super::ids::ahead;
use crate::heap::{List, OutOfMemory};
use crate::wire::{Out, PacketId, QoS, is_wildcard, matches};

/// How far a subscription has got on this connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Nothing is under way.
    Settled,
    /// SUBSCRIBE is still to be sent.
    Unsent,
    /// SUBSCRIBE was sent, SUBACK is awaited.
    Awaiting,
}

/// One subscription; its filter stands behind it. `H` is whatever the layer above needs to call its handler.
#[derive(Clone, Copy)]
struct Subscription<H: Copy> {
    handler: H,
    id: u16,
    /// See [`tail`].
    tail: u16,
    qos: QoS,
    state: State,
    messages_only: bool,
    /// The filter has no wildcard.
    literal: bool,
}

impl<H: Copy> Subscription<H> {
    fn recipient(&self) -> Recipient<H> {
        Recipient { handler: self.handler, messages_only: self.messages_only }
    }
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

/// The cursor of what is to be subscribed next.
const UNSENT: usize = 0;
/// The cursor of a message's delivery.
const DELIVERY: usize = 1;

/// All subscriptions of a connection.
pub struct Subscriptions<H: Copy> {
    list: List<Subscription<H>>,
    /// Where the cursor of the delivery stood when it last found a match. As long as it stands there, that is still the same subscription: were it
    /// removed, the cursor would have gone on.
    matched: usize,
}

impl<H: Copy> Subscriptions<H> {
    /// None.
    pub const NEW: Self = Subscriptions { list: List::new(), matched: 0 };

    /// How far ahead of `id` the nearest identifier of a SUBSCRIBE under way lies; not more than `most`.
    pub fn distance(&self, id: u16, most: u16) -> u16 {
        self.list.iter().filter(|s| s.value.state == State::Awaiting).fold(most, |most, s| most.min(ahead(id, s.value.id)))
    }

    /// Adds one. The same filter may be there already: each has its own handler.
    pub fn add(&mut self, filter: &[u8], qos: QoS, recipient: Recipient<H>) -> Result<(), OutOfMemory> {
        let Recipient { handler, messages_only } = recipient;
        let literal = !filter.iter().any(|&b| is_wildcard(b));
        let subscription = Subscription { handler, id: 0, tail: tail(filter), qos, state: State::Unsent, messages_only, literal };
        self.list.push_front(subscription, &[filter])?;
        self.list.rewind::<UNSENT>();
        Ok(())
    }

    /// How many have exactly this filter: none, one, or more.
    pub fn count(&self, filter: &[u8]) -> usize {
        self.list.iter().filter(|s| s.bytes == filter).count()
    }

    /// Removes the newest with exactly this filter. The identifier that it has in use, if its SUBACK is awaited.
    pub fn remove(&mut self, filter: &[u8]) -> Option<PacketId> {
        let mut found = self.list.find(|s| s.bytes == filter)?;
        let s = *found.value();
        found.remove();
        if s.state == State::Awaiting { PacketId::new(s.id) } else { None }
    }

    /// A connection is up: all are to be subscribed again.
    pub fn restart(&mut self) {
        self.list.for_each(|s, _| s.state = State::Unsent);
        self.list.rewind::<UNSENT>();
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.list.clear();
    }

    /// False if there is none to be subscribed for sure.
    pub fn may_have_more(&self) -> bool {
        self.list.place_of::<UNSENT>() != 0
    }

    /// True if there is one to be subscribed; then `next` returns it.
    pub fn seek(&mut self) -> bool {
        self.list.seek::<UNSENT>(|s| s.value.state == State::Unsent)
    }

    /// The SUBSCRIBE to be sent, with this identifier.
    pub fn next(&mut self, id: PacketId, max: QoS) -> Option<Out<'_>> {
        self.list.current_value_mut::<UNSENT>()?.id = id.get();
        let s = self.list.current::<UNSENT>()?;
        Some(Out::subscribe(id, s.bytes, s.value.qos.min(max)))
    }

    /// It was sent. Its filter stays where and as it is.
    pub fn sent(&mut self) {
        if let Some(s) = self.list.current_value_mut::<UNSENT>() {
            s.state = State::Awaiting;
        }
        self.list.advance::<UNSENT>();
    }

    /// SUBACK with this identifier came in. False if it answers none of ours; else [`settled`](Self::settled) says which.
    pub fn settle(&mut self, id: PacketId) -> bool {
        self.list.rewind::<DELIVERY>();
        self.list.seek::<DELIVERY>(|s| s.value.state == State::Awaiting && s.value.id == id.get());
        match self.list.current_value_mut::<DELIVERY>() {
            Some(s) => s.state = State::Settled,
            None => return false,
        }
        true
    }

    /// Filter and handler of the subscription that has just been settled.
    pub fn settled(&self) -> Option<(&[u8], Recipient<H>)> {
        self.list.current::<DELIVERY>().map(|s| (s.bytes, s.value.recipient()))
    }

    /// Begins the delivery of a message: true if anyone has subscribed to `topic`.
    pub fn find(&mut self, topic: &[u8]) -> bool {
        self.list.rewind::<DELIVERY>();
        self.seek_match(topic)
    }

    fn seek_match(&mut self, topic: &[u8]) -> bool {
        let last = tail(topic);
        let found = self.list.seek::<DELIVERY>(|s| {
            let Subscription { tail, literal, .. } = *s.value;
            (tail == 0 || tail == last) && if literal { s.bytes == topic } else { matches(s.bytes, topic) }
        });
        self.matched = self.list.place_of::<DELIVERY>();
        found
    }

    /// True if `next_recipient` has to look at the topic: where another subscription may match than the one that was found.
    pub fn is_undecided(&self) -> bool {
        let place = self.list.place_of::<DELIVERY>();
        place != 0 && place != self.matched
    }

    /// The next handler for the message with this topic; `None` when all have had it.
    pub fn next_recipient(&mut self, topic: &[u8]) -> Option<Recipient<H>> {
        if self.is_undecided() {
            self.seek_match(topic);
        }
        let recipient = self.list.current::<DELIVERY>()?.value.recipient();
        self.list.advance::<DELIVERY>();
        Some(recipient)
    }
}
