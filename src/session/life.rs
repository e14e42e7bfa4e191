//! A session across its connections: what the beginning and the end of one mean for it.

use super::keep_alive::{KeepAlive, Millis, NEVER};
use super::send_buffer::SendBuffer;
use super::{Link, Session};

/// A connection that has lasted so long, milliseconds, shows that the link is no bad one.
const LASTING: u32 = 300_000;

/// What is aside is tried on a connection that has begun for another reason, and else so often, milliseconds: a message,
const ASIDE_MESSAGE: u32 = 3_600_000;
/// and a subscription, doubled each time up to the same.
const ASIDE_SUBSCRIPTION: u32 = 120_000;

impl<H: Copy> Session<H> {
    /// An attempt to connect begins. `elsewhere`: to another broker than the one that knows this session, or under another client identifier.
    pub fn connecting(&mut self, other_broker: bool) {
        if other_broker && !self.other_broker {
            self.blame.acquit();
            self.outbox.take_all_back();
            self.subscriptions.take_all_back();
        }
        self.other_broker = other_broker;
    }

    /// How long an answer may take, milliseconds, until it is overdue: 0 for the default, negative for as long as it likes.
    pub fn set_ack_timeout(&mut self, ms: i32) {
        self.overdue.set_timeout(ms);
    }

    /// CONNECT was sent, with these values.
    pub fn connect_sent(&mut self, clean_session: bool, keep_alive: u16, now: Millis) {
        self.framer.start();
        self.alive.start(keep_alive, now);
        self.clean = clean_session;
        self.link = Link::Asked;
    }

    /// The app has been told of CONNACK: what is queued may go out.
    pub fn connack_delivered(&mut self) {
        if self.link == Link::ConnackReceived {
            self.link = Link::Up;
        }
    }

    /// DISCONNECT was sent, or the connection is being closed: nothing goes out any more.
    pub fn closing(&mut self) {
        self.link = Link::Closing;
    }

    /// The connection is gone. `by_peer`: neither because of us nor, as far as is known, of the network.
    #[inline(never)]
    pub fn disconnected(&mut self, by_peer: bool, now: Millis) {
        let was_up = core::mem::replace(&mut self.link, Link::Down) >= Link::ConnackReceived;
        self.bypass_room = false;
        let round_trip = self.alive.round_trip();
        // A ping that is wanted belongs to the connection, as does all that is overdue.
        self.alive = KeepAlive::NEW;
        self.overdue.stop();
        self.send_buffer = SendBuffer::NEW;
        (self.overdue_news, self.overdue_told, self.subscribe_overdue) = (None, false, false);
        let waited = self.outbox.in_flight() + self.subscriptions.awaiting() > 0;
        // An end of our own says nothing of what was in flight.
        if by_peer && waited && !self.acked {
            self.window.shrink();
            self.vain_ends = self.vain_ends.saturating_add(1);
        } else if self.acked {
            self.vain_ends = 0;
        }
        let alone = self.blame.ended(by_peer && !self.cut_short, round_trip, now);
        self.cut_short = false;
        let on_subscription = self.subscriptions.disconnected();
        let before = self.outbox.given_up();
        let on_message = self.outbox.disconnected();
        self.count_given_up(before);
        self.try_aside = !on_subscription && !on_message;
        if on_subscription {
            self.aside_tries = (self.aside_tries + 1).min(5);
        }
        if was_up && now.wrapping_sub(self.counters.connected_at) >= LASTING {
            self.blame.forget_the_link();
        }
        if was_up && by_peer && self.try_aside && (self.acked || !waited) && !alone {
            self.blame.unexplained(!waited);
        }
        self.put_off_aside(now);
        (self.acked, self.proven, self.cleared_way) = (false, false, false);
        (self.subscribing_until, self.untold) = (NEVER, None);
    }

    pub(super) fn put_off_aside(&mut self, now: Millis) {
        let wait = if self.subscriptions.aside() > 0 { ASIDE_SUBSCRIPTION << self.aside_tries } else { ASIDE_MESSAGE };
        self.aside_at = now.wrapping_add(wait.min(ASIDE_MESSAGE));
    }

    /// True if the broker has acknowledged something of ours, or answered a ping, on this connection.
    pub fn is_proven(&self) -> bool {
        self.proven
    }

    /// The network has gone down; the connection may live on over another one, so it is asked for an answer.
    pub fn network_down(&mut self) {
        if self.is_up() {
            self.alive.on_network_down();
        }
    }

    /// The network has come up, or has another address: an answer shows whether the connection has lived through that.
    pub fn network_up(&mut self, now: Millis) {
        if self.is_up() {
            self.alive.on_network_up(now);
        }
    }

    /// True if the network has gone down and nothing has come in since.
    pub fn is_doubtful(&self) -> bool {
        self.alive.is_doubtful()
    }
}
