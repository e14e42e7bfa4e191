//! What goes out by itself, and when: subscriptions, the queue, pings.

use super::keep_alive::{Due, Millis, NEVER, earlier, reached};
use super::{LinkState, Pending, Session};
use crate::wire::{OutPacket, PacketId, QoS, kind};

/// While something is wrong a SUBSCRIBE goes alone, too; but not for longer than this, milliseconds, if it is not answered.
const SUBACK_WAIT: u32 = 5000;

impl<H: Copy> Session<H> {
    /// False if there is no subscription and no message to be sent for sure; a ping may be due all the same.
    pub fn may_have_more(&self) -> bool {
        self.subscriptions.may_have_more() || self.outbox.may_have_more()
    }

    /// What there is to send: subscriptions first, then the queue in its order, then a ping that is due; `None` for nothing. `room`: the link takes
    /// more; without it what is queued waits. If it could be written, `sent` is to be called.
    pub fn next(&mut self, room: bool, now: Millis) -> Option<OutPacket<'_>> {
        if !self.is_up() {
            return None;
        }
        let bypass_room = core::mem::take(&mut self.bypass_room);
        let messages = bypass_room || self.link == LinkState::Up && room;
        let window = self.window.size();
        let in_flight = self.outbox.in_flight();
        let asking = in_flight + self.subscriptions.awaiting();
        if reached(now, self.suback_deadline) {
            self.suback_deadline = NEVER;
        }
        let busy = if self.suback_deadline != NEVER { asking } else { in_flight };
        // If it goes on, what is wrong is looked for one packet at a time.
        let alone = window == 1 && self.unacked_connections > 1;
        let aside = self.is_aside_due(now);
        let mut pending = None;
        if (self.window.is_widest() || asking < window) && self.subscriptions.find_next() {
            pending = Some(Pending::Subscribe);
        } else if messages && self.outbox.find_next() {
            // Where a message has to wait for others, a PUBREL behind it does not.
            if busy < window || !self.outbox.next_is_message() || self.outbox.find_next_pubrel() {
                pending = Some(Pending::Message);
            }
        } else if messages && aside && asking == 0 && self.find_aside(now) {
            pending = Some(if self.subscriptions.find_next() { Pending::Subscribe } else { Pending::SetAside });
        }
        // The answer to a ping shows that the broker has taken what came before: whatever goes out then is alone.
        let is_alone = self.pinged_first && !self.keep_alive.is_awaiting_pong();
        let may_be_blamed = match pending {
            Some(Pending::Message) => self.outbox.next_is_message(),
            pending => pending.is_some(),
        };
        let holds = self.suspects.is_holding(now);
        let needs_ping_first = may_be_blamed && alone && !holds && !self.suspects.is_all_answered() && !is_alone;
        if needs_ping_first || may_be_blamed && holds {
            pending = None;
        }
        let asks = needs_ping_first || self.is_overdue(now);
        match pending {
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
            None => {
                self.pending = Pending::Ping;
                let due = self.keep_alive.due(now) == Due::Ping;
                if due || asks && !self.keep_alive.is_awaiting_pong() { Some(OutPacket::PINGREQ) } else { None }
            }
        }
    }

    /// True if something that is aside is to be tried.
    fn is_aside_due(&mut self, now: Millis) -> bool {
        if self.outbox.num_set_aside() == 0 && self.subscriptions.num_set_aside() == 0 {
            return false;
        }
        if reached(now, self.aside_retry_at) {
            // Should it not go out now, it is looked for again soon.
            self.aside_retry_at = now.wrapping_add(1000);
            self.retry_aside = true;
        }
        self.retry_aside
    }

    /// What is aside and is to be tried: a subscription, which the others find then, or else a message. False if it is on the way.
    fn find_aside(&mut self, now: Millis) -> bool {
        if self.subscriptions.retry_next_aside() {
            self.retry_aside = false;
            self.schedule_aside_retry(now);
            return true;
        }
        self.outbox.next_set_aside().is_some()
    }

    /// True if an answer may have taken so long that the broker is to be asked for it.
    fn is_overdue(&mut self, now: Millis) -> bool {
        if !self.ack_timer.is_due(now) {
            return false;
        }
        if !self.outbox.is_awaiting() && self.subscriptions.awaiting() == 0 {
            self.ack_timer.stop();
            self.overdue_reported = false;
            return false;
        }
        true
    }

    /// What `next` has returned was written; `unsent` bytes wait to leave now, those of it included. The bytes that it pointed to stay where
    /// and as they are.
    pub fn sent(&mut self, unsent: usize, now: Millis) {
        self.pinged_first = false;
        match self.pending {
            Pending::Subscribe => {
                if let Some(id) = self.subscriptions.sent(now) {
                    self.suspects.wrote_candidate(id, now);
                }
                if !self.window.is_widest() && self.unacked_connections < 3 {
                    self.suback_deadline = now.wrapping_add(SUBACK_WAIT).max(1);
                }
                self.ack_timer.on_sent(now);
            }
            Pending::Message => {
                match self.outbox.sent(now) {
                    (Some(id), true) => self.suspects.wrote_candidate(id, now),
                    (Some(id), false) => self.suspects.wrote_harmless(id, now),
                    _ => {}
                }
                self.ack_timer.on_sent(now);
            }
            Pending::SetAside => {
                self.retry_aside = false;
                self.schedule_aside_retry(now);
                if let Some(id) = self.outbox.set_aside_sent(now) {
                    self.suspects.wrote_harmless(id, now);
                }
                self.ack_timer.on_sent(now);
            }
            Pending::Ping => {
                self.keep_alive.on_ping(unsent, now);
                self.ack_timer.on_ping_sent();
                self.suspects.wrote_ping(now);
                // Also where its purpose is another.
                self.pinged_first = true;
            }
        }
        self.keep_alive.on_sent(now);
    }

    /// A packet with this first byte and identifier was written that did not come from `next`.
    pub fn sent_other(&mut self, first: u8, id: Option<PacketId>, now: Millis) {
        match (first >> 4, id) {
            // Nobody hangs up on an acknowledgement.
            (kind::PUBACK | kind::PUBREC | kind::PUBCOMP, _) => {}
            (kind::PUBREL, Some(id)) => self.suspects.wrote_harmless(id, now),
            _ => self.suspects.wrote_other(now),
        }
        self.keep_alive.on_sent(now);
    }

    /// The app has written something to the connection by itself.
    pub fn app_sent(&mut self, now: Millis) {
        self.suspects.wrote_other(now);
        self.keep_alive.on_sent(now);
    }

    /// So many bytes have left for the broker; `unsent` still wait.
    pub fn transmitted(&mut self, bytes: usize, unsent: usize, now: Millis) {
        self.keep_alive.on_transmitted(bytes, now);
        self.ack_timer.on_transmitted(unsent, now);
        self.send_buffer.transmitted();
        self.suspects.transmitted(now);
    }

    /// The event loop goes round while so many bytes wait to leave.
    pub fn polled(&mut self, unsent: usize, now: Millis) {
        self.send_buffer.polled(unsent, now);
    }

    /// True if a packet of `size` bytes may be written behind `unsent` others: no more waits than a third of the heap's `free` bytes, and something
    /// moves.
    pub fn has_room(&self, unsent: usize, size: usize, free: usize) -> bool {
        self.send_buffer.has_room(unsent, size, free)
    }

    /// True if the broker has not answered a ping in time.
    pub fn is_dead(&mut self, now: Millis) -> bool {
        self.link != LinkState::Down && self.keep_alive.due(now) == Due::Dead
    }

    /// When to look again for what time asks for.
    pub fn deadline(&self) -> Millis {
        if !self.is_up() {
            return NEVER;
        }
        let idle = self.outbox.in_flight() + self.subscriptions.awaiting() == 0;
        let aside = idle && (self.outbox.num_set_aside() > 0 || self.subscriptions.num_set_aside() > 0);
        let mut at = earlier(self.keep_alive.deadline(), earlier(self.suspects.held_until(), self.suback_deadline));
        // While the answer to a ping is awaited there is nothing to ask for.
        if !self.keep_alive.is_awaiting_pong() {
            at = earlier(at, self.ack_timer.deadline());
        }
        if aside { earlier(at, self.aside_retry_at.max(1)) } else { at }
    }
}
