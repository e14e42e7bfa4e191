//! What the start and the end of a connection mean for the session.

use super::keep_alive::{KeepAlive, Millis, NEVER};
use super::send_buffer::SendBuffer;
use super::{LinkState, Origin, Session};

/// A connection that has lasted this long, in milliseconds, shows that the link is stable.
const STABLE_AFTER: u32 = 300_000;

/// How often a set-aside message is retried, in milliseconds. A connection that starts for another
/// reason retries it as well.
const MESSAGE_RETRY: u32 = 3_600_000;
/// How often a set-aside subscription is retried at first, in milliseconds; doubles up to
/// `MESSAGE_RETRY`.
const SUBSCRIPTION_RETRY: u32 = 120_000;

impl<H: Copy> Session<H> {
    /// An attempt to connect starts. `other_broker` tells that the broker or the client ID is not
    /// the one that this session belongs to.
    pub fn connecting(&mut self, other_broker: bool) {
        if other_broker && !self.other_broker {
            self.suspects.clear();
            self.outbox.restore_all();
            self.subscriptions.restore_all();
        }
        self.other_broker = other_broker;
    }

    /// Sets how long to wait for an acknowledgement, in milliseconds; 0 for the default, negative
    /// for no limit.
    pub fn set_ack_timeout(&mut self, ms: i32) {
        self.ack_timer.set_timeout(ms);
    }

    /// CONNECT was sent with these values.
    pub fn connect_sent(&mut self, clean_session: bool, keep_alive: u16, now: Millis) {
        self.framer.start();
        self.keep_alive.start(keep_alive, now);
        self.origin = if clean_session { Origin::Clean } else { Origin::New };
        self.link = LinkState::ConnectSent;
    }

    /// The app has been notified of CONNACK: the queue may be sent.
    pub fn connack_delivered(&mut self) {
        if self.link == LinkState::ConnackReceived {
            self.link = LinkState::Up;
        }
    }

    /// DISCONNECT was sent, or the connection is being closed: nothing more is sent.
    pub fn closing(&mut self) {
        self.link = LinkState::Closing;
    }

    /// The connection is gone. `by_peer` tells that neither we nor, as far as is known, the network
    /// ended it.
    #[inline(never)]
    pub fn disconnected(&mut self, by_peer: bool, now: Millis) {
        let was_up = core::mem::replace(&mut self.link, LinkState::Down) >= LinkState::ConnackReceived;
        // A requested ping and everything overdue end with the connection.
        self.keep_alive = KeepAlive::NEW;
        self.ack_timer.stop();
        self.send_buffer = SendBuffer::NEW;
        (self.overdue_notice, self.subscribe_overdue_notice) = (None, false);
        let was_awaiting = self.outbox.is_awaiting() || self.subscriptions.awaiting() > 0;
        // If we close the connection, that says nothing about the packets in flight.
        if by_peer && was_awaiting && !self.acked {
            self.window.shrink();
            self.suspects.unacked_connections = self.suspects.unacked_connections.saturating_add(1);
        } else if self.acked {
            self.suspects.unacked_connections = 0;
        }
        let has_candidate = self.suspects.disconnected(by_peer && !self.framer.mid_packet, now);
        self.framer.mid_packet = false;
        let on_subscription = self.subscriptions.disconnected();
        let on_message = self.outbox.disconnected(by_peer);
        self.retry_aside = !on_subscription && !on_message;
        if on_subscription {
            self.suspects.aside_tries = (self.suspects.aside_tries + 1).min(5);
        }
        if was_up && now.wrapping_sub(self.counters.connected_at) >= STABLE_AFTER {
            self.suspects.link_is_stable();
        }
        if was_up && by_peer && self.retry_aside && (self.acked || !was_awaiting) && !has_candidate {
            self.suspects.link_failed(!was_awaiting);
        }
        self.schedule_aside_retry(now);
        (self.acked, self.broker_responded, self.suspects.pinged_first) = (false, false, false);
        (self.suback_deadline, self.retry_pubrec, self.first_pubrel) = (NEVER, None, None);
    }

    pub(super) fn schedule_aside_retry(&mut self, now: Millis) {
        let wait = if self.subscriptions.num_set_aside() > 0 { SUBSCRIPTION_RETRY << self.suspects.aside_tries } else { MESSAGE_RETRY };
        self.aside_retry_at = now.wrapping_add(wait.min(MESSAGE_RETRY));
    }

    /// Returns true if the broker has acknowledged a packet or answered a ping on this connection.
    pub fn has_broker_responded(&self) -> bool {
        self.broker_responded
    }

    /// The network went down. The connection may survive on another one, so it is pinged.
    pub fn network_down(&mut self) {
        if self.is_up() {
            self.keep_alive.on_network_down();
        }
    }

    /// The network came up or has another address; a ping shows whether the connection has
    /// survived.
    pub fn network_up(&mut self, now: Millis) {
        if self.is_up() {
            self.keep_alive.on_network_up(now);
        }
    }

    /// Returns true if the network went down and nothing has been received since.
    pub fn is_unconfirmed(&self) -> bool {
        self.keep_alive.is_unconfirmed()
    }
}
