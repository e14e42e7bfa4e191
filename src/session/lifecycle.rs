//! A session across its connections: what the beginning and the end of one mean for it.

use super::keep_alive::{KeepAlive, Millis, NEVER};
use super::send_buffer::SendBuffer;
use super::{LinkState, Session};

/// A connection that has lasted so long, milliseconds, shows that the link is no bad one.
const STABLE_AFTER: u32 = 300_000;

/// What is aside is tried on a connection that has begun for another reason, and else so often, milliseconds: a message,
const MESSAGE_RETRY: u32 = 3_600_000;
/// and a subscription, doubled each time up to the same.
const SUBSCRIPTION_RETRY: u32 = 120_000;

impl<H: Copy> Session<H> {
    /// An attempt to connect begins. `elsewhere`: to another broker than the one that knows this session, or under another client identifier.
    pub fn connecting(&mut self, other_broker: bool) {
        if other_broker && !self.other_broker {
            self.suspects.clear();
            self.outbox.restore_all();
            self.subscriptions.restore_all();
        }
        self.other_broker = other_broker;
    }

    /// How long an answer may take, milliseconds, until it is overdue: 0 for the default, negative for as long as it likes.
    pub fn set_ack_timeout(&mut self, ms: i32) {
        self.ack_timer.set_timeout(ms);
    }

    /// CONNECT was sent, with these values.
    pub fn connect_sent(&mut self, clean_session: bool, keep_alive: u16, now: Millis) {
        self.framer.start();
        self.keep_alive.start(keep_alive, now);
        self.clean = clean_session;
        self.link = LinkState::ConnectSent;
    }

    /// The app has been told of CONNACK: what is queued may go out.
    pub fn connack_delivered(&mut self) {
        if self.link == LinkState::ConnackReceived {
            self.link = LinkState::Up;
        }
    }

    /// DISCONNECT was sent, or the connection is being closed: nothing goes out any more.
    pub fn closing(&mut self) {
        self.link = LinkState::Closing;
    }

    /// The connection is gone. `by_peer`: neither because of us nor, as far as is known, of the network.
    #[inline(never)]
    pub fn disconnected(&mut self, by_peer: bool, now: Millis) {
        let was_up = core::mem::replace(&mut self.link, LinkState::Down) >= LinkState::ConnackReceived;
        self.bypass_room = false;
        let round_trip = self.keep_alive.round_trip();
        // A ping that is wanted belongs to the connection, as does all that is overdue.
        self.keep_alive = KeepAlive::NEW;
        self.ack_timer.stop();
        self.send_buffer = SendBuffer::NEW;
        (self.overdue_notice, self.overdue_reported, self.subscribe_overdue_notice) = (None, false, false);
        let waited = self.outbox.in_flight() + self.subscriptions.awaiting() > 0;
        // An end of our own says nothing of what was in flight.
        if by_peer && waited && !self.acked {
            self.window.shrink();
            self.unacked_connections = self.unacked_connections.saturating_add(1);
        } else if self.acked {
            self.unacked_connections = 0;
        }
        let alone = self.suspects.disconnected(by_peer && !self.mid_packet, round_trip, now);
        self.mid_packet = false;
        let on_subscription = self.subscriptions.disconnected();
        let before = self.outbox.given_up();
        let on_message = self.outbox.disconnected();
        self.count_given_up(before);
        self.retry_aside = !on_subscription && !on_message;
        if on_subscription {
            self.aside_tries = (self.aside_tries + 1).min(5);
        }
        if was_up && now.wrapping_sub(self.counters.connected_at) >= STABLE_AFTER {
            self.suspects.link_is_stable();
        }
        if was_up && by_peer && self.retry_aside && (self.acked || !waited) && !alone {
            self.suspects.link_failed(!waited);
        }
        self.schedule_aside_retry(now);
        (self.acked, self.broker_responded, self.pinged_first) = (false, false, false);
        (self.suback_deadline, self.retry_pubrec) = (NEVER, None);
    }

    pub(super) fn schedule_aside_retry(&mut self, now: Millis) {
        let wait = if self.subscriptions.num_set_aside() > 0 { SUBSCRIPTION_RETRY << self.aside_tries } else { MESSAGE_RETRY };
        self.aside_retry_at = now.wrapping_add(wait.min(MESSAGE_RETRY));
    }

    /// True if the broker has acknowledged something of ours, or answered a ping, on this connection.
    pub fn has_broker_responded(&self) -> bool {
        self.broker_responded
    }

    /// The network has gone down; the connection may live on over another one, so it is asked for an answer.
    pub fn network_down(&mut self) {
        if self.is_up() {
            self.keep_alive.on_network_down();
        }
    }

    /// The network has come up, or has another address: an answer shows whether the connection has lived through that.
    pub fn network_up(&mut self, now: Millis) {
        if self.is_up() {
            self.keep_alive.on_network_up(now);
        }
    }

    /// True if the network has gone down and nothing has come in since.
    pub fn is_unconfirmed(&self) -> bool {
        self.keep_alive.is_unconfirmed()
    }
}
