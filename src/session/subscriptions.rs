//! What the app has subscribed to, and who is to be told.
//!
//! The newest stands first: that is the order in which handlers are called and filters are sent, as upstream does.

use crate::heap::{List, OutOfMemory};
use crate::wire::{Out, PacketId, QoS, matches};

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
    qos: QoS,
    state: State,
    messages_only: bool,
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
}

impl<H: Copy> Default for Subscriptions<H> {
    fn default() -> Self {
        Subscriptions { list: List::new() }
    }
}

impl<H: Copy> Subscriptions<H> {
    /// Identifiers of the SUBSCRIBEs under way.
    pub fn ids(&self) -> impl Iterator<Item = u16> + '_ {
        self.list.iter().filter(|s| s.value.state == State::Awaiting).map(|s| s.value.id)
    }

    /// Adds one. The same filter may be there already: each has its own handler.
    pub fn add(&mut self, filter: &[u8], qos: QoS, recipient: Recipient<H>) -> Result<(), OutOfMemory> {
        let Recipient { handler, messages_only } = recipient;
        let subscription = Subscription { handler, id: 0, qos, state: State::Unsent, messages_only };
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
        let s = self.list.remove(|s| s.bytes == filter)?;
        if s.state == State::Awaiting { PacketId::new(s.id) } else { None }
    }

    /// A connection is up: all are to be subscribed again.
    pub fn restart(&mut self) {
        for s in self.list.iter_mut() {
            s.value.state = State::Unsent;
        }
        self.list.rewind::<UNSENT>();
    }

    /// True if there is one to be subscribed; then `next` returns it.
    pub fn seek(&mut self) -> bool {
        while let Some(s) = self.list.current::<UNSENT>() {
            if s.value.state == State::Unsent {
                return true;
            }
            self.list.advance::<UNSENT>();
        }
        false
    }

    /// Gives the one to be subscribed an identifier.
    pub fn prepare(&mut self, id: PacketId) {
        if let Some(s) = self.list.current_value_mut::<UNSENT>() {
            s.id = id.get();
        }
    }

    /// The SUBSCRIBE to be sent.
    pub fn next(&self, max: QoS) -> Option<Out<'_>> {
        let s = self.list.current::<UNSENT>()?;
        Some(Out::Subscribe(PacketId::new(s.value.id)?, s.bytes, s.value.qos.min(max)))
    }

    /// It was sent. Its filter stays where and as it is.
    pub fn sent(&mut self) {
        if let Some(s) = self.list.current_value_mut::<UNSENT>() {
            s.state = State::Awaiting;
        }
        self.list.advance::<UNSENT>();
    }

    /// The filter that was last sent with this identifier; empty if there is none.
    pub fn filter_of(&self, id: PacketId) -> &[u8] {
        self.list.iter().find(|s| s.value.id == id.get()).map_or(&[], |s| s.bytes)
    }

    /// SUBACK with this identifier came in: whose it is; `None` if it answers none of ours.
    pub fn settle(&mut self, id: PacketId) -> Option<Recipient<H>> {
        let s = self.list.iter_mut().find(|s| s.value.state == State::Awaiting && s.value.id == id.get())?;
        s.value.state = State::Settled;
        Some(Recipient { handler: s.value.handler, messages_only: s.value.messages_only })
    }

    /// Begins the delivery of a message: true if anyone has subscribed to `topic`.
    pub fn find(&mut self, topic: &[u8]) -> bool {
        self.list.rewind::<DELIVERY>();
        self.seek_match(topic)
    }

    fn seek_match(&mut self, topic: &[u8]) -> bool {
        while let Some(s) = self.list.current::<DELIVERY>() {
            if matches(s.bytes, topic) {
                return true;
            }
            self.list.advance::<DELIVERY>();
        }
        false
    }

    /// The next handler for the message with this topic; `None` when all have had it.
    pub fn next_recipient(&mut self, topic: &[u8]) -> Option<Recipient<H>> {
        if !self.seek_match(topic) {
            return None;
        }
        let s = self.list.current::<DELIVERY>()?;
        let recipient = Recipient { handler: s.value.handler, messages_only: s.value.messages_only };
        self.list.advance::<DELIVERY>();
        Some(recipient)
    }
}
