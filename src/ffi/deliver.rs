//! The way of a packet from the receive buffer to the app's handlers.

use super::app::Line;
use super::clock::now;
use super::connection::{Connection, ConnectionRef, Handler, Moment};
use super::hooks;
use super::nc::{ACK_BACKLOG, Nc, NcId};
use super::notices::log_notices;
use super::pump::{self, close_after, close_now, pump};
use super::shim::{Cloud, Log, Number};
use super::token::NoApp;
use super::types::{Reason, mgos_mqtt_packet};
use crate::LOGS;
use crate::session::{Framed, Notify, Reaction, ReceiveError, Recipient, Wants};
use crate::wire::{AckKind, Header, PacketId, QoS, kind};
use core::ffi::{c_int, c_void};

const MG_MQTT_EVENT_BASE: c_int = 200;

/// This many messages in a row that handlers have not acknowledged make a line in the log.
const UNACKED: u8 = 10;

/// A packet at the front of the receive buffer of the Mongoose connection `nc`, for as long as that
/// is the connection's: what is delivered is consumed only afterwards.
struct Delivery {
    nc: NcId,
    packet: mgos_mqtt_packet,
    /// Its last payload byte: a return code.
    code: i32,
}

impl Delivery {
    /// The event that handlers are called with.
    fn event(&self) -> c_int {
        MG_MQTT_EVENT_BASE + self.kind() as c_int
    }

    fn kind(&self) -> u8 {
        self.packet.first >> 4
    }

    /// Calls a handler with the packet. False if the connection is gone, and the packet with it.
    fn call(&self, c: ConnectionRef<'_>, t: &mut NoApp, handler: Handler, ev: c_int) -> bool {
        // SAFETY: the packet was decoded at the front of the receive buffer of `nc`, and nothing is
        // consumed while it is delivered: `delivering` keeps other events out.
        unsafe { c.call_with_packet(t, handler, self.nc, ev, &self.packet) }
    }

    /// Calls the handler of a subscription.
    fn call_subscriber(&self, c: ConnectionRef<'_>, t: &mut NoApp, to: Recipient<Handler>) {
        if to.wants == Wants::PIECES {
            if let Some(whole) = c.look(t).hooks.get().and_then(|hooks| hooks.whole) {
                whole(c, t.lend(), &self.packet, to.handler);
            }
            return;
        }
        let ev = if to.wants == Wants::MESSAGES { 0 } else { self.event() };
        self.call(c, t, to.handler, ev);
    }

    /// Calls the handlers of the connection, the newest first.
    fn call_handlers(&self, c: ConnectionRef<'_>, t: &mut NoApp) {
        each_handler(c, t, |t, handler| self.call(c, t, handler, self.event()));
    }

    /// The topic of a message, where it lies.
    fn topic<'a>(&self, nc: &'a Nc<'_>) -> &'a [u8] {
        let mgos_mqtt_packet { topic_at, topic_len, .. } = self.packet;
        nc.received().0.get(topic_at..topic_at + topic_len).unwrap_or(&[])
    }
}

/// Calls the handlers of the connection with something other than a packet, the newest first.
///
/// # Safety
/// `ev_data` is what belongs to `ev`, for as long as this runs.
pub unsafe fn call_handlers(c: ConnectionRef<'_>, t: &mut NoApp, ev: c_int, ev_data: *mut c_void) {
    each_handler(c, t, |t, handler| {
        // SAFETY: by the contract.
        unsafe { c.call_handler(t, handler, ev, ev_data) };
        true
    });
}

/// Goes through the handlers of the connection until `call` returns false. The cursor is in the
/// list, as a handler may add others, or free the connection.
fn each_handler(c: ConnectionRef<'_>, t: &mut NoApp, mut call: impl FnMut(&mut NoApp, Handler) -> bool) {
    c.get(t).handlers.rewind::<0>();
    loop {
        let handlers = &mut c.get(t).handlers;
        let Some(handler) = handlers.current::<0>().map(|item| *item.value) else { break };
        handlers.advance::<0>();
        if !call(t, handler) {
            break;
        }
    }
}

/// True if the message that handlers are being called with is a retained one.
pub fn is_retained(c: ConnectionRef<'_>, t: &mut NoApp) -> bool {
    // What is delivered is consumed only afterwards.
    let at_packet = c.live(t).filter(|(connection, _)| connection.at_packet);
    at_packet.is_some_and(|(_, nc)| nc.received().0.first().is_some_and(|&first| first & 0xf1 == kind::PUBLISH << 4 | 1))
}

/// Deals with the packets that have been received, one by one, as long as each can be dealt with.
/// `fresh`: something has just come in.
pub fn receive(c: ConnectionRef<'_>, t: &mut NoApp, nc: NcId, fresh: bool) {
    if c.look(t).is_upgrading() {
        return;
    }
    loop {
        pump::unframe(c, t, false);
        // Without memory there was a log line, and its hook may have ended the connection.
        let Some((connection, live)) = c.live_as(t, nc) else { break };
        let (bytes, limit) = live.received();
        // Without bytes there may be something to do as well: the answer to a packet that was
        // dropped to its end.
        let buf = bytes.get(..connection.readable(bytes.len())).unwrap_or(&[]);
        let first = buf.first().map_or(0, |&first| first as i32);
        let session = &mut connection.core.session;
        if !session.may_send() {
            // Before CONNECT has gone out nothing may come; after DISCONNECT nothing is of
            // interest.
            let len = buf.len();
            if len > 0 {
                consume(c, t, nc, len);
            }
            break;
        }
        let done = match session.frame(buf, limit) {
            Err(error) => Err(ReceiveError::Violation(error)),
            Ok(Framed::Incomplete) => {
                if fresh && !buf.is_empty() {
                    session.bytes_received(now());
                }
                // No more can come before a close that waits.
                pump::unframe(c, t, true);
                break;
            }
            Ok(Framed::Discard(n)) => {
                session.bytes_received(now());
                hooks::run(c, t, Moment::Piece, n);
                Ok(n)
            }
            Ok(Framed::Packet(header, body)) => match connection.take_packet(nc, header, body) {
                Ok((delivery, reaction)) => {
                    connection.at_packet = true;
                    let done = deliver(c, t, &delivery, reaction);
                    c.get(t).at_packet = false;
                    done
                }
                Err(error) => {
                    if error == ReceiveError::OutOfMemory {
                        c.say(t, Log::NoMemory);
                    }
                    Err(error)
                }
            },
            Ok(Framed::Oversized { total, topic }) => {
                let topic = &raw const *topic;
                if hooks::run(c, t, Moment::Oversized, total) {
                    continue;
                }
                // SAFETY: the topic lies in the receive buffer, which nobody has touched since.
                unsafe { c.log_raw(t, Log::Oversized, topic, total as i32, limit as i32) };
                continue;
            }
            Ok(Framed::Answer(ack, id)) => {
                if answer(c, t, ack, id) {
                    c.get(t).core.session.discarded_answered();
                    continue;
                }
                Err(ReceiveError::OutOfMemory)
            }
        };
        match done {
            // With nothing left and nothing owed there is nothing more to look at.
            Ok(n) => {
                if consume(c, t, nc, n) {
                    break;
                }
            }
            // The rest waits for the next poll.
            Err(ReceiveError::OutOfMemory) => {
                c.get(t).poll_idle = false;
                break;
            }
            Err(ReceiveError::Violation(error)) => {
                // What is owed to the packets before it goes out first.
                close_after(c, t, Reason::Violation);
                c.log(t, Log::Violation, first, error as i32);
            }
        }
    }
}

/// Removes what has been dealt with from the receive buffer. True if that was all, and no answer is
/// owed.
#[inline(always)]
fn consume(c: ConnectionRef<'_>, t: &mut NoApp, nc: NcId, len: usize) -> bool {
    let Some((connection, mut live)) = c.live_as(t, nc) else { return true };
    if let Some(websocket) = connection.websocket.get_mut() {
        websocket.consumed(len);
    }
    live.consume(0, len) == 0 && !connection.core.session.is_discarding()
}

impl Connection {
    /// Decodes a packet and tells the session of it.
    fn take_packet(&mut self, nc: NcId, header: Header, body: &[u8]) -> Result<(Delivery, Reaction), ReceiveError> {
        let others = !self.handlers.is_empty();
        let (p, reaction) = self.core.session.receive(header, body, others, now())?;
        let size = header.total();
        let packet = mgos_mqtt_packet {
            first: p.first,
            id: p.id.map_or(0, PacketId::get),
            size,
            topic_len: p.topic.len(),
            payload_len: if p.topic.is_empty() { 0 } else { p.payload.len() },
            topic_at: header.len as usize + 2,
            payload_at: size - p.payload.len(),
        };
        let code = p.payload.last().map_or(0, |&code| code as i32);
        Ok((Delivery { nc, packet, code }, reaction))
    }
}

/// Sends an acknowledgement. False if there was no memory for it, or too much waits to leave.
fn answer(c: ConnectionRef<'_>, t: &mut NoApp, ack: AckKind, id: PacketId) -> bool {
    // The broker forgets what it has sent when it hears PUBREC, and its packet ID with PUBCOMP.
    if matches!(ack, AckKind::PubRec | AckKind::PubComp) {
        hooks::run(c, t, Moment::Relied, 0);
    }
    let Some((connection, mut nc)) = c.live(t) else { return true };
    if !connection.core.session.may_send() {
        return true;
    }
    connection.note_app_writes(&mut nc);
    // A broker that sends and does not read must not fill the heap with answers.
    if connection.accounted >= ACK_BACKLOG || connection.is_full_inside {
        return false;
    }
    let written = connection.write_ack(&mut nc, ack, id);
    pump::conclude_write(c, t, written);
    written.is_ok()
}

/// Answers a packet and tells whom it concerns. Returns its size; out of memory, or without room
/// for the answer, it is to be handed in again later.
#[inline(always)]
fn deliver(c: ConnectionRef<'_>, t: &mut NoApp, delivery: &Delivery, reaction: Reaction) -> Result<usize, ReceiveError> {
    let Delivery { nc, ref packet, code } = *delivery;
    let Reaction { answer: ack, notify } = reaction;
    let id = PacketId::new(packet.id);
    if let (Some(ack), Some(id)) = (ack, id)
        && !answer(c, t, ack, id)
    {
        c.get(t).core.session.answer_failed(reaction, id);
        return Err(ReceiveError::OutOfMemory);
    }
    // Counted when it is certain that it is not handed in again.
    if packet.topic_len > 0 && notify != Notify::Nobody {
        let received = &mut c.get(t).counters.received;
        *received = received.wrapping_add(1);
    }
    match notify {
        Notify::Nobody => {}
        Notify::Accepted => accepted(c, t, delivery),
        Notify::Refused => {
            close_now(c, t, Reason::Refused);
            c.log(t, Log::Refused, code, code);
            c.cloud_event(t, Cloud::ConnectError);
        }
        Notify::Subscribers => {
            while let Some((connection, live)) = c.live_as(t, nc) {
                let session = &mut connection.core.session;
                let topic = if session.needs_topic() { delivery.topic(&live) } else { &[] };
                let Some(to) = session.next_recipient(topic) else { break };
                delivery.call_subscriber(c, t, to);
            }
        }
        Notify::Subscriber => settled(c, t, delivery),
        Notify::Downgraded | Notify::Handlers => {
            // Once, not for each message.
            let is_downgrade = notify == Notify::Downgraded;
            if LOGS && is_downgrade && !core::mem::replace(&mut c.get(t).downgrade_logged, true) {
                c.say(t, Log::Downgraded);
            }
            delivery.call_handlers(c, t);
            let is_theirs = notify == Notify::Handlers
                && delivery.kind() == kind::PUBLISH
                && QoS::of_flags(packet.first) == QoS::AtLeastOnce
                && ack.is_none();
            if is_theirs && let Some(id) = id {
                acknowledge_for_handlers(c, t, nc, id);
            }
        }
    }
    // Pings wait for the timer or a poll.
    if c.get(t).core.session.may_have_more() {
        pump(c, t);
    } else {
        log_notices(c, t);
    }
    Ok(packet.size)
}

/// CONNACK 0 has come.
fn accepted(c: ConnectionRef<'_>, t: &mut NoApp, delivery: &Delivery) {
    let connection = c.get(t);
    let key = connection.session_key();
    let longest = connection.number(Number::ReconnectMax) as u32;
    let timeout = connection.number(Number::AckTimeout);
    connection.core.accepted(key, longest, now());
    connection.limit_qos();
    connection.core.session.set_ack_timeout(timeout);
    let kept = c.look(t).core.session.is_kept();
    c.log(t, Log::Connack, 0, kept as i32);
    let connection = c.get(t);
    connection.cloud_event_sent = connection.number(Number::CloudEvents) != 0;
    c.cloud_event(t, Cloud::Connected);
    // All subscriptions go out before anyone is told, and what is queued goes after.
    pump(c, t);
    delivery.call_handlers(c, t);
    c.get(t).core.session.connack_delivered();
}

/// SUBACK has come for one of our subscriptions.
#[inline(never)]
fn settled(c: ConnectionRef<'_>, t: &mut NoApp, delivery: &Delivery) {
    const FAILED: i32 = 0x80;
    let connection = c.get(t);
    let Some((text, _)) = connection.core.session.settled_subscription() else { return };
    let which = text.as_ptr().addr();
    if delivery.code == FAILED {
        connection.subs_refused = connection.subs_refused.saturating_add(1);
        c.log_found(t, |connection, _| {
            let (text, _) = connection.core.session.settled_subscription()?;
            Some(Line { what: Some(Log::SubFailed), text, a: FAILED, b: 0 })
        });
    }
    // A log hook may have unsubscribed it; then it is another one or none.
    if let Some((text, recipient)) = c.get(t).core.session.settled_subscription()
        && text.as_ptr().addr() == which
        && recipient.wants == Wants::EVENTS
    {
        delivery.call(c, t, recipient.handler, delivery.event());
    }
}

/// A message at QoS 1 that nobody has subscribed to was passed to the handlers of the connection.
/// Where none of them has ever acknowledged one, none will.
fn acknowledge_for_handlers(c: ConnectionRef<'_>, t: &mut NoApp, nc: NcId, id: PacketId) {
    let Some((connection, mut nc)) = c.live_as(t, nc) else { return };
    // The handlers may just have acknowledged this one, which takes it off again.
    connection.unacked = connection.unacked.saturating_add(1);
    connection.note_app_writes(&mut nc);
    if !connection.app_acks {
        connection.unacked = 0;
        answer(c, t, AckKind::PubAck, id);
    } else if LOGS && connection.unacked == UNACKED {
        // One more, so that it is not said again.
        connection.unacked += 1;
        c.say(t, Log::Unacked);
    }
}
