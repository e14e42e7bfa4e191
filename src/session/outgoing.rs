//! What goes out by itself, and when: subscriptions, the queue, pings.

use super::keep_alive::{Due, Millis, NEVER, earlier, reached};
use super::{Link, Pending, Session};
use crate::wire::{OutPacket, PacketId, QoS, kind};

/// While something is wrong a SUBSCRIBE goes alone, too; but not for longer than this, milliseconds, if it is not answered.
const SUBSCRIBING: u32 = 5000;

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
        let messages = bypass_room || self.link == Link::Up && room;
        let window = self.window.size();
        let in_flight = self.outbox.in_flight();
        let asking = in_flight + self.subscriptions.awaiting();
        if reached(now, self.subscribing_until) {
            self.subscribing_until = NEVER;
        }
        let busy = if self.subscribing_until != NEVER { asking } else { in_flight };
        // If it goes on, what is wrong is looked for one packet at a time.
        let alone = window == 1 && self.vain_ends > 1;
        let aside = self.is_aside_due(now);
        let mut pending = None;
        if (self.window.is_widest() || asking < window) && self.subscriptions.seek() {
            pending = Some(Pending::Subscribe);
        } else if messages && self.outbox.seek() {
            // Where a message has to wait for others, a PUBREL behind it does not.
            if busy < window || !self.outbox.next_is_message() || self.outbox.seek_release() {
                pending = Some(Pending::Message);
            }
        } else if messages && aside && asking == 0 && self.seek_aside(now) {
            pending = Some(if self.subscriptions.seek() { Pending::Subscribe } else { Pending::Aside });
        }
        // The answer to a ping shows that the broker has taken what came before: whatever goes out then is alone.
        let is_cleared = self.cleared_way && !self.alive.is_asking();
        let may_be_blamed = match pending {
            Some(Pending::Message) => self.outbox.next_is_message(),
            pending => pending.is_some(),
        };
        let holds = self.blame.is_holding(now);
        let clears_way = may_be_blamed && alone && !holds && !self.blame.is_clean() && !is_cleared;
        if clears_way || may_be_blamed && holds {
            pending = None;
        }
        let asks = clears_way || self.is_overdue(now);
        match pending {
            Some(Pending::Subscribe) => {
                self.pending = Pending::Subscribe;
                let id = self.packet_id();
                self.subscriptions.next(id, QoS::clamped(2 - self.below as i32))
            }
            Some(Pending::Aside) => {
                self.pending = Pending::Aside;
                self.outbox.next_aside()
            }
            Some(_) => {
                self.pending = Pending::Message;
                self.outbox.next()
            }
            None => {
                self.pending = Pending::Ping;
                let due = self.alive.due(now) == Due::Ping;
                if due || asks && !self.alive.is_asking() { Some(OutPacket::PINGREQ) } else { None }
            }
        }
    }

    /// True if something that is aside is to be tried.
    fn is_aside_due(&mut self, now: Millis) -> bool {
        if self.outbox.aside() == 0 && self.subscriptions.aside() == 0 {
            return false;
        }
        if reached(now, self.aside_at) {
            // Should it not go out now, it is looked for again soon.
            self.aside_at = now.wrapping_add(1000);
            self.try_aside = true;
        }
        self.try_aside
    }

    /// What is aside and is to be tried: a subscription, which the others find then, or else a message. False if it is on the way.
    fn seek_aside(&mut self, now: Millis) -> bool {
        if self.subscriptions.try_aside() {
            self.try_aside = false;
            self.put_off_aside(now);
            return true;
        }
        self.outbox.next_aside().is_some()
    }

    /// True if an answer may have taken so long that the broker is to be asked for it.
    fn is_overdue(&mut self, now: Millis) -> bool {
        if !self.overdue.is_due(now) {
            return false;
        }
        if !self.outbox.is_awaiting() && self.subscriptions.awaiting() == 0 {
            self.overdue.stop();
            self.overdue_told = false;
            return false;
        }
        true
    }

    /// What `next` has returned was written; `unsent` bytes wait to leave now, those of it included. The bytes that it pointed to stay where
    /// and as they are.
    pub fn sent(&mut self, unsent: usize, now: Millis) {
        self.cleared_way = false;
        match self.pending {
            Pending::Subscribe => {
                if let Some(id) = self.subscriptions.sent(now) {
                    self.blame.wrote_suspect(id, now);
                }
                if !self.window.is_widest() && self.vain_ends < 3 {
                    self.subscribing_until = now.wrapping_add(SUBSCRIBING).max(1);
                }
                self.overdue.on_sent(now);
            }
            Pending::Message => {
                match self.outbox.sent(now) {
                    (Some(id), true) => self.blame.wrote_suspect(id, now),
                    (Some(id), false) => self.blame.wrote_harmless(id, now),
                    _ => {}
                }
                self.overdue.on_sent(now);
            }
            Pending::Aside => {
                self.try_aside = false;
                self.put_off_aside(now);
                if let Some(id) = self.outbox.aside_sent(now) {
                    self.blame.wrote_harmless(id, now);
                }
                self.overdue.on_sent(now);
            }
            Pending::Ping => {
                self.alive.on_ping(unsent, now);
                self.overdue.on_asked();
                self.blame.wrote_ping(now);
                // Also where its purpose is another.
                self.cleared_way = true;
            }
        }
        self.alive.on_sent(now);
    }

    /// A packet with this first byte and identifier was written that did not come from `next`.
    pub fn sent_other(&mut self, first: u8, id: Option<PacketId>, now: Millis) {
        match (first >> 4, id) {
            // Nobody hangs up on an acknowledgement.
            (kind::PUBACK | kind::PUBREC | kind::PUBCOMP, _) => {}
            (kind::PUBREL, Some(id)) => self.blame.wrote_harmless(id, now),
            _ => self.blame.wrote_other(now),
        }
        self.alive.on_sent(now);
    }

    /// The app has written something to the connection by itself.
    pub fn app_sent(&mut self, now: Millis) {
        self.blame.wrote_other(now);
        self.alive.on_sent(now);
    }

    /// So many bytes have left for the broker; `unsent` still wait.
    pub fn left(&mut self, bytes: usize, unsent: usize, now: Millis) {
        self.alive.on_left(bytes, now);
        self.overdue.on_left(unsent, now);
        self.send_buffer.left();
        self.blame.left(now);
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
        self.link != Link::Down && self.alive.due(now) == Due::Dead
    }

    /// When to look again for what time asks for.
    pub fn deadline(&self) -> Millis {
        if !self.is_up() {
            return NEVER;
        }
        let idle = self.outbox.in_flight() + self.subscriptions.awaiting() == 0;
        let aside = idle && (self.outbox.aside() > 0 || self.subscriptions.aside() > 0);
        let mut at = earlier(self.alive.deadline(), earlier(self.blame.held_until(), self.subscribing_until));
        // While the answer to a ping is awaited there is nothing to ask for.
        if !self.alive.is_asking() {
            at = earlier(at, self.overdue.deadline());
        }
        if aside { earlier(at, self.aside_at.max(1)) } else { at }
    }
}
