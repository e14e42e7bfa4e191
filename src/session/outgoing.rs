//! What the session sends of its own accord, and when: subscriptions, the queue, pings.

use super::keep_alive::{Due, Millis, NEVER, earlier, reached};
use super::{LinkState, Pending, Session};
use crate::wire::{OutPacket, PacketId, QoS, kind};

/// While connections keep failing, other packets wait for SUBACK as well, but not longer than this
/// many milliseconds.
const SUBACK_WAIT: u32 = 5000;

/// From the third such connection on they wait until the SUBSCRIBE, alone in flight, is out of
/// suspicion, or has ended the connection.
const SUSPECT_WAIT: u32 = super::suspects::MAX_CLOSE_DELAY + 1000;

impl<H: Copy> Session<H> {
    /// Returns false if there is certainly no subscription and no message to send; a ping may still
    /// be due.
    pub fn may_have_more(&self) -> bool {
        self.subscriptions.may_have_more() || self.skipped || self.outbox.may_have_more()
    }

    /// Returns the next packet to send: subscriptions first, then the queue in order, then a ping
    /// that is due; `None` if there is nothing. `room` tells that the link accepts more; without it
    /// the queue waits. Call `sent` after writing the packet.
    pub fn next(&mut self, room: bool, now: Millis) -> Option<OutPacket<'_>> {
        if !self.is_up() {
            return None;
        }
        // The packet returned last could not be written: a ping must not wait for it.
        let unwritten = core::mem::replace(&mut self.pending, Pending::Ping) != Pending::Ping;
        let bypass_room = core::mem::take(&mut self.send_buffer.bypass_room);
        let messages = bypass_room || self.link == LinkState::Up && room;
        let window = self.window.size();
        let in_flight = self.outbox.in_flight();
        let unanswered = in_flight + self.subscriptions.awaiting();
        if reached(now, self.suback_deadline) {
            self.suback_deadline = NEVER;
        }
        let window_used = if self.suback_deadline != NEVER { unanswered } else { in_flight };
        // After repeated failures, send one packet at a time to find the cause.
        let one_at_a_time = window == 1 && self.suspects.unacked_connections > 1;
        let retry_aside = self.is_aside_due(now);
        let mut pending = None;
        let is_behind_pubrel = one_at_a_time && self.suspects.has_closed_promptly() && self.ack_timer.is_limited();
        if is_behind_pubrel && self.first_pubrel.is_some_and(|id| self.outbox.awaits_pubcomp(id)) {
            // PUBREL fits every window, but may be the cause. A ping follows it in time.
        } else if (self.window.is_widest() || unanswered < window) && self.subscriptions.find_next() {
            pending = Some(Pending::Subscribe);
        } else if messages && self.find_next_queued() {
            // While messages wait for the window, a PUBREL behind them does not.
            // Nor does one for SUBACK, unless the SUBSCRIBE is suspected.
            let alone = one_at_a_time && self.suback_deadline != NEVER;
            let mut found = window_used < window || !alone && self.outbox.next_pubrel().is_some();
            if !found && !alone && self.outbox.has_pubrel() {
                self.skipped = true;
                found = self.outbox.find_next_pubrel();
            }
            if found {
                pending = Some(Pending::Message);
            }
        } else if messages && retry_aside && unanswered == 0 && self.find_aside(now) {
            pending = Some(if self.subscriptions.find_next() { Pending::Subscribe } else { Pending::SetAside });
        }
        // PINGRESP shows that the broker accepted everything before, so the next packet is alone in
        // flight.
        let is_alone = self.suspects.pinged_first && !self.keep_alive.is_awaiting_pong();
        let is_candidate = match pending {
            // A PUBREL does not wait for a message in front of it.
            Some(Pending::Message) => in_flight == 0 || self.outbox.next_pubrel().is_none(),
            pending => pending.is_some(),
        };
        let is_held = self.suspects.is_holding(now);
        let needs_ping_first = is_candidate && one_at_a_time && !is_held && !self.suspects.is_all_answered() && !is_alone;
        if needs_ping_first || is_candidate && is_held {
            pending = None;
        }
        let needs_ping = (needs_ping_first || self.is_overdue(now)) && !self.keep_alive.is_awaiting_pong();
        let ping = needs_ping || self.keep_alive.due(now) == Due::Ping;
        match pending {
            Some(_) if ping && unwritten => Some(OutPacket::PINGREQ),
            Some(Pending::Subscribe) => {
                self.pending = Pending::Subscribe;
                let id = self.packet_id();
                self.subscriptions.next(id, QoS::clamped(2 - self.qos_reduction as i32))
            }
            Some(Pending::SetAside) => {
                self.pending = Pending::SetAside;
                self.outbox.next_set_aside()
            }
            Some(_) => {
                self.pending = Pending::Message;
                self.outbox.next()
            }
            None => ping.then_some(OutPacket::PINGREQ),
        }
    }

    /// Returns true if everything may be sent, and all that could be was. A packet that takes long is to
    /// be written only then.
    pub fn is_all_sent(&self) -> bool {
        self.link == LinkState::Up && !self.is_unconfirmed() && !self.may_have_more()
    }

    /// The last byte of a message with this packet ID, which was written in pieces, was written.
    pub fn last_piece_sent(&mut self, id: PacketId, now: Millis) {
        self.outbox.complete(id, now);
        self.app_sent(now);
    }

    /// Moves to the next in the queue that is to be sent; returns false if there is nothing.
    pub(super) fn find_next_queued(&mut self) -> bool {
        if core::mem::take(&mut self.skipped) {
            self.outbox.rewind();
        }
        self.outbox.find_next()
    }

    /// Returns true if something set aside is to be retried.
    fn is_aside_due(&mut self, now: Millis) -> bool {
        if self.outbox.num_set_aside() == 0 && self.subscriptions.num_set_aside() == 0 {
            return false;
        }
        if reached(now, self.aside_retry_at) {
            // If it cannot be sent now, check again soon.
            self.aside_retry_at = now.wrapping_add(1000);
            self.retry_aside = true;
        }
        self.retry_aside
    }

    /// Finds what to retry: a set-aside subscription, which `find_next` then returns, or a message.
    /// Returns false if it is in flight already.
    fn find_aside(&mut self, now: Millis) -> bool {
        if self.subscriptions.retry_next_aside(self.outbox.num_set_aside() > 0) {
            self.retry_aside = false;
            self.schedule_aside_retry(now);
            return true;
        }
        self.outbox.next_set_aside().is_some()
    }

    /// Returns true if answers may be overdue, so that a PINGREQ must be sent.
    fn is_overdue(&mut self, now: Millis) -> bool {
        if !self.ack_timer.is_due(now) {
            return false;
        }
        if !self.outbox.is_awaiting() && self.subscriptions.awaiting() == 0 {
            self.ack_timer.stop();
            return false;
        }
        true
    }

    /// The packet returned by `next` was written; `unsent` bytes, including it, are waiting to be
    /// transmitted. The bytes that the packet borrowed are not touched.
    #[inline(never)]
    pub fn sent(&mut self, unsent: usize, now: Millis) {
        self.suspects.pinged_first = false;
        match core::mem::replace(&mut self.pending, Pending::Ping) {
            Pending::Subscribe => {
                if let Some(id) = self.subscriptions.sent(now) {
                    self.suspects.wrote_candidate(id, now);
                }
                if !self.window.is_widest() {
                    let wait = if self.suspects.unacked_connections < 3 { SUBACK_WAIT } else { SUSPECT_WAIT };
                    self.suback_deadline = now.wrapping_add(wait).max(1);
                }
                self.ack_timer.on_sent(now);
            }
            Pending::Message => self.message_sent(now),
            Pending::SetAside => {
                self.retry_aside = false;
                self.schedule_aside_retry(now);
                if let Some(id) = self.outbox.set_aside_sent(now) {
                    self.suspects.wrote_harmless(id, now);
                }
                self.ack_timer.on_sent(now);
            }
            Pending::Ping => {
                self.first_pubrel = None;
                self.keep_alive.on_ping(unsent, now);
                self.ack_timer.on_ping_sent();
                self.subscriptions.pinged();
                self.suspects.wrote_ping(now);
                // Whatever the reason for the ping.
                self.suspects.pinged_first = true;
            }
        }
        self.keep_alive.on_sent(now);
    }

    fn message_sent(&mut self, now: Millis) {
        let pubrel = self.outbox.next_pubrel().filter(|_| !self.outbox.next_is_overdue());
        if let Some(id) = self.outbox.sent(now) {
            self.suspects.wrote_candidate(id, now);
        }
        if pubrel.is_some() {
            self.first_pubrel = pubrel;
        }
        self.ack_timer.on_sent(now);
    }

    /// A packet that `next` did not return was written, with this first byte and packet ID.
    #[inline(always)]
    pub fn sent_other(&mut self, first: u8, id: Option<PacketId>, now: Millis) {
        match (first >> 4, id) {
            // No broker closes the connection on an acknowledgement.
            (kind::PUBACK | kind::PUBREC | kind::PUBCOMP, _) => {}
            (kind::PUBREL, Some(id)) => self.suspects.wrote_harmless(id, now),
            // The message that `publish` said is next.
            (kind::PUBLISH, _) if self.pending == Pending::Message => {
                (self.suspects.pinged_first, self.send_buffer.bypass_room, self.pending) = (false, false, Pending::Ping);
                self.message_sent(now);
            }
            _ => self.suspects.wrote_other(now),
        }
        self.keep_alive.on_sent(now);
    }

    /// The app wrote something to the connection directly.
    pub fn app_sent(&mut self, now: Millis) {
        self.suspects.wrote_other(now);
        self.keep_alive.on_sent(now);
    }

    /// `bytes` bytes were transmitted; `unsent` bytes are still waiting.
    pub fn transmitted(&mut self, bytes: usize, unsent: usize, now: Millis) {
        self.keep_alive.on_transmitted(bytes, now);
        self.outbox.outcomes.transmitted(bytes);
        self.ack_timer.on_transmitted(unsent, now);
        self.send_buffer.transmitted();
        self.suspects.transmitted(now);
    }

    /// The event loop polls while `unsent` bytes are waiting.
    pub fn polled(&mut self, unsent: usize, now: Millis) {
        self.send_buffer.polled(unsent, now);
    }

    /// Returns true if a packet of `size` bytes may be written behind `unsent` waiting bytes: they
    /// must not exceed a third of the `free` heap bytes, and the link must not be stalled.
    pub fn has_room(&self, unsent: usize, size: usize, free: usize) -> bool {
        self.send_buffer.has_room(unsent, size, free)
    }

    /// Returns true if the broker has not answered a ping in time.
    pub fn is_dead(&mut self, now: Millis) -> bool {
        self.link != LinkState::Down && self.keep_alive.due(now) == Due::Dead
    }

    /// Returns when to call `next` and `is_dead` again; [`NEVER`] if nothing is pending.
    pub fn deadline(&self) -> Millis {
        if !self.is_up() {
            return NEVER;
        }
        let idle = self.outbox.in_flight() + self.subscriptions.awaiting() == 0;
        let aside = idle && (self.outbox.num_set_aside() > 0 || self.subscriptions.num_set_aside() > 0);
        let mut at = earlier(self.keep_alive.deadline(), earlier(self.suspects.held_until(), self.suback_deadline));
        // While PINGRESP is awaited, nothing else is asked for.
        if !self.keep_alive.is_awaiting_pong() {
            at = earlier(at, self.ack_timer.deadline());
        }
        if aside { earlier(at, self.aside_retry_at.max(1)) } else { at }
    }
}
