//! What Mongoose, the network and the timer tell us; and the way of a packet from the receive buffer to the app's handlers.

use super::lifecycle;
use super::object::{Handler, Held, Hold, look};
use super::pump::{self, NotWritten, close_after, close_now, cloud_event, log_notices, now, pump, received};
use super::shim::{self, Cloud, Log, Number};
use super::types::{Reason, mg_connection, mgos_mqtt_conn, mgos_mqtt_packet};
use super::websocket;
use crate::conn::End;
use crate::session::{Framed, Notify, Reaction, ReceiveError, Recipient};
use crate::wire::{AckKind, Header, OutPacket, PacketId, ProtocolError, QoS, decode, kind};
use core::ffi::{c_int, c_void};
use core::ptr::null_mut;

const MG_EV_POLL: c_int = 0;
const MG_EV_CONNECT: c_int = 2;
const MG_EV_RECV: c_int = 3;
const MG_EV_SEND: c_int = 4;
const MG_EV_CLOSE: c_int = 5;
const MG_EV_WEBSOCKET_HANDSHAKE_DONE: c_int = 112;
const MG_MQTT_EVENT_BASE: c_int = 200;
/// The status of a failed TLS handshake.
const MG_SSL_ERROR: c_int = -3;

/// Mongoose's handler of our connections; `user_data` is the connection object. Exported because the original's is; apps have no use for it.
///
/// # Safety
/// As Mongoose calls its handlers: `nc` is alive, `user_data` is NULL or a live connection object, `ev_data` is what belongs to `ev`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_ev(nc: *mut mg_connection, ev: c_int, ev_data: *mut c_void, user_data: *mut c_void) {
    // SAFETY: by the contract.
    let hold = unsafe { Hold::leave_quiet(user_data.cast()) };
    let c = match &hold {
        Some(c) if c.get().nc == nc => **c,
        _ => {
            // SAFETY: `nc` is alive. It belongs to nobody any more.
            unsafe { shim::mgos_mqtt_shim_close(nc, 0) };
            return;
        }
    };
    if ev == MG_EV_RECV || ev == MG_EV_SEND {
        // SAFETY: these events come with the address of an int.
        count_bytes(c, nc, ev == MG_EV_SEND, unsafe { *ev_data.cast::<c_int>() });
    }
    if ev != MG_EV_POLL {
        c.get().quiet = false;
    }
    if core::mem::replace(&mut c.get().delivering, true) {
        // A handler runs the event loop itself. What came in meanwhile waits in the buffer until that handler has returned;
        // so does the news of the connection's end, but the connection itself is gone.
        if ev == MG_EV_CLOSE {
            let object = c.get();
            object.nc = null_mut();
            object.core.closing(0, 0);
            object.closed_meanwhile = true;
        } else {
            frame_written(c, nc);
        }
        return;
    }
    if c.get().websocket.is_opening() {
        websocket::opening(c, nc, ev == MG_EV_POLL);
    }
    match ev {
        MG_EV_POLL => {
            // The handshake over WebSocket may have called the app.
            let is_ours = c.get().nc == nc;
            if is_ours && !c.get().websocket.is_opening() {
                lifecycle::note_app_connect(c, nc, 0);
            }
            if is_ours && !c.get().quiet {
                let unsent = pump::unsent(nc);
                // Whatever has to be tried again takes this back.
                let object = c.get();
                object.quiet = !object.websocket.is_used() && unsent == 0;
                object.core.session.polled(unsent, now());
                pump::wake(c);
                pump(c);
                receive(c, nc, false);
            }
            call_handlers(c, nc, ev, ev_data, None);
        }
        MG_EV_CONNECT => {
            // SAFETY: this event comes with the address of an int.
            connected(c, unsafe { *ev_data.cast::<c_int>() });
        }
        MG_EV_RECV => receive(c, nc, true),
        MG_EV_CLOSE => closed(c),
        MG_EV_WEBSOCKET_HANDSHAKE_DONE => websocket::answered(c, ev_data),
        MG_EV_SEND if c.get().core.session.may_have_more() => pump(c),
        _ => {}
    }
    while core::mem::take(&mut c.get().closed_meanwhile) {
        closed(c);
    }
    // Whatever handlers have written by themselves.
    frame_written(c, nc);
    c.get().delivering = false;
    pump::tell_news(c);
}

/// Puts what the app has written to `nc`, if that is still ours, into a frame.
fn frame_written(c: Held, nc: *mut mg_connection) {
    if c.get().nc == nc && c.get().websocket.is_used() {
        pump::watch(c, nc);
        pump::written(c, nc);
    }
}

/// The timer that `mgos_mqtt_shim_timer` has set.
///
/// # Safety
/// `c` is a live connection object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_core_timer(c: *mut mgos_mqtt_conn) {
    // SAFETY: by the contract.
    let Some(c) = (unsafe { Hold::new(c) }) else { return };
    c.get().timer = 0;
    pump::wake(*c);
    pump(*c);
    pump::tell_news(*c);
}

/// The network has come up (`up` = 1) or gone down (0).
///
/// # Safety
/// `c` is a live connection object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_core_net(c: *mut mgos_mqtt_conn, up: u32) {
    // SAFETY: by the contract.
    let Some(c) = (unsafe { Hold::new(c) }) else { return };
    if up == 0 {
        c.get().core.network_down();
    } else {
        c.get().core.network_up(now());
        if c.get().core.is_wanted() && c.number(Number::Enable) != 0 {
            lifecycle::connect(*c);
        }
    }
    pump(*c);
}

/// The wall clock has been set.
///
/// # Safety
/// `c` is a live connection object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_core_time_set(c: *mut mgos_mqtt_conn) {
    // SAFETY: by the contract.
    let waits = unsafe { look(c) }.is_some_and(|object| object.needs_time);
    if waits && pump::time_is_set() {
        // SAFETY: by the contract.
        unsafe { mgos_mqtt_core_net(c, 1) };
    }
}

/// Counts what the link has taken or brought, but for the opening of a WebSocket: that Mongoose tells of some of it twice.
fn count_bytes(c: Held, nc: *mut mg_connection, sent: bool, n: c_int) {
    let object = c.get();
    if sent {
        object.websocket.sent(n as usize);
        object.seen = object.seen.saturating_sub(n as usize);
    }
    if n > 0 && !object.websocket.is_opening() {
        if sent {
            object.core.session.left(n as usize, pump::unsent(nc), now());
        }
        let counters = &mut object.core.session.counters;
        let bytes = if sent { &mut counters.bytes_sent } else { &mut counters.bytes_received };
        *bytes = bytes.wrapping_add(n as u32);
    }
}

/// Calls the handlers of the connection, the newest first; with the message in the buffer of `nc` that `packet` describes, or else with `ev_data`.
fn call_handlers(c: Held, nc: *mut mg_connection, ev: c_int, ev_data: *mut c_void, packet: Option<&mgos_mqtt_packet>) {
    c.get().handlers.rewind::<0>();
    loop {
        let object = c.get();
        let Some(handler) = object.handlers.current::<0>().map(|item| *item.value) else { break };
        object.handlers.advance::<0>();
        let now_nc = object.nc;
        match packet {
            // Without the connection there is no message to show any more.
            Some(_) if now_nc != nc => break,
            Some(packet) => call_with_message(nc, ev, packet, handler),
            // SAFETY: what was added is an `mg_event_handler_t`; no reference to the object is alive.
            None => unsafe {
                let call = core::mem::transmute::<*const c_void, unsafe extern "C" fn(*mut mg_connection, c_int, *mut c_void, *mut c_void)>(
                    handler.address,
                );
                call(now_nc, ev, ev_data, handler.user_data);
            },
        }
    }
}

/// TCP, TLS and WebSocket are up, or have failed.
fn connected(c: Held, status: c_int) {
    c.log(Log::Connected, &[], status, 0);
    if status != 0 {
        c.ends(Reason::Unreachable);
        if status == MG_SSL_ERROR {
            unanswered(c);
        }
        cloud_event(c, Cloud::ConnectError);
    } else if !c.get().nc.is_null() && c.get().core.is_opening() {
        if c.get().websocket.is_used() {
            websocket::upgrade(c);
        } else {
            lifecycle::handshake(c);
        }
    }
}

/// Who has ended a connection, by the reason.
fn end_of(why: u8) -> End {
    const LOST: u8 = Reason::Lost as u8;
    const PING_TIMEOUT: u8 = Reason::PingTimeout as u8;
    const ASKED: u8 = Reason::Asked as u8;
    match why {
        LOST => End::Peer,
        PING_TIMEOUT => End::PingTimeout,
        ASKED.. => End::Us,
        _ => End::Fault,
    }
}

/// How many connections in a row may end before CONNACK until the log says what that usually means.
const UNANSWERED: u8 = 3;

/// The server was reached and has not answered CONNECT.
#[inline(never)]
fn unanswered(c: Held) {
    let object = c.get();
    object.unanswered = object.unanswered.saturating_add(1);
    if object.unanswered == UNANSWERED {
        c.say(Log::NoConnack);
    }
}

/// The connection is gone.
fn closed(c: Held) {
    const LOST: u8 = Reason::Lost as u8;
    const VIOLATION: u8 = Reason::Violation as u8;
    const NO_MEMORY: u8 = Reason::NoMemory as u8;
    let object = c.get();
    let why = core::mem::take(&mut object.closing).max(Reason::Lost as u8);
    object.last_reason = why;
    c.log(Log::Disconnected, &[], why as i32, 0);
    let object = c.get();
    object.nc = null_mut();
    if why == Reason::Refused as u8 {
        object.unanswered = 0;
    }
    let was_online = object.core.is_online();
    if object.core.down(end_of(why), now()) {
        c.say(Log::ShortLived);
    }
    log_notices(c);
    if was_online {
        // Not what the configuration says now: there may be none any more.
        if core::mem::take(&mut c.get().announced) {
            // SAFETY: no reference to the object is alive.
            unsafe { shim::mgos_mqtt_shim_cloud_event(Cloud::Disconnected) };
        }
        call_handlers(c, null_mut(), MG_EV_CLOSE, null_mut(), None);
    } else if matches!(why, LOST | VIOLATION | NO_MEMORY) {
        // The app has been told of attempts that have ended otherwise, or has ended them itself.
        if why != NO_MEMORY {
            unanswered(c);
        }
        cloud_event(c, Cloud::ConnectError);
    }
    // A handler may have begun another connection already.
    if c.get().nc.is_null() && !c.get().doomed {
        pump::reconnect(c);
    }
}

/// Deals with the packets that have been received, one by one, as long as each can be dealt with. `fresh`: something has just come in.
fn receive(c: Held, nc: *mut mg_connection, fresh: bool) {
    if c.get().websocket.is_opening() {
        return;
    }
    while c.get().nc == nc && !nc.is_null() {
        unframe(c, nc, false);
        // Without memory there was a log line, and its hook may have ended the connection.
        if c.get().nc != nc {
            break;
        }
        let (bytes, limit) = received(nc);
        let object = c.get();
        // Without bytes there may be something to do as well: the answer to a packet that was dropped to its end.
        let buf = bytes.get(..object.websocket.readable(bytes.len())).unwrap_or(&[]);
        let session = &mut object.core.session;
        if !session.may_send() {
            // Before CONNECT has gone out nothing may come; after DISCONNECT nothing is of interest.
            if !buf.is_empty() {
                consume(c, nc, buf.len());
            }
            break;
        }
        let step = match session.frame(buf, limit) {
            Err(wrong) => Err(wrong),
            Ok(Framed::More) => {
                if fresh && !buf.is_empty() {
                    session.progress(now());
                }
                // No more can come before a close that waits.
                unframe(c, nc, true);
                break;
            }
            Ok(Framed::Packet(header, body)) => packet(c, nc, header, body),
            Ok(Framed::Drop(n)) => {
                session.progress(now());
                Ok(Some(n))
            }
            Ok(Framed::Oversized { total, topic }) => {
                c.log(Log::Oversized, topic, total as i32, limit as i32);
                Ok(Some(0))
            }
            Ok(Framed::Answer(ack, id)) => {
                let answered = answer(c, ack, id);
                if answered {
                    c.get().core.session.answered_dropped();
                }
                Ok(answered.then_some(0))
            }
        };
        match step {
            Ok(Some(n)) => {
                // With nothing left and nothing owed there is nothing more to look at.
                if n > 0 && c.get().nc == nc && consume(c, nc, n) == 0 && !c.get().core.session.is_dropping() {
                    break;
                }
            }
            // No memory, or no room for the answer: the rest waits for the next poll.
            Ok(None) => {
                c.get().quiet = false;
                break;
            }
            Err(wrong) => {
                let first_byte = buf.first().map_or(0, |&first| first as i32);
                // What is owed to the packets before it goes out first.
                close_after(c, Reason::Violation);
                c.log(Log::Violation, &[], first_byte, wrong as i32);
            }
        }
    }
}

/// Takes what has come in out of its frames. Answers to control frames are ours, not the app's.
fn unframe(c: Held, nc: *mut mg_connection, to_the_end: bool) {
    if !c.get().websocket.is_used() {
        return;
    }
    pump::watch(c, nc);
    websocket::unframe(c, nc, to_the_end);
    if c.get().nc == nc {
        c.get().seen = pump::unsent(nc);
    }
}

/// Removes what has been dealt with from the receive buffer of the live connection `nc`.
/// Returns how much is left.
fn consume(c: Held, nc: *mut mg_connection, len: usize) -> usize {
    c.get().websocket.consumed(len);
    // SAFETY: `nc` is alive, and so many bytes are there.
    unsafe { shim::mgos_mqtt_shim_cut(nc, 0, len) }
}

/// Answers wait while so many bytes wait for the link: a broker that sends and does not read must not fill the heap with them.
pub(super) const UNREAD: usize = 8192;

/// Sends an acknowledgement. False if there was no memory for it, or too much is unread.
fn answer(c: Held, ack: AckKind, id: PacketId) -> bool {
    if !c.get().core.session.may_send() {
        return true;
    }
    let nc = c.get().nc;
    // SAFETY: `nc` is alive where it is not null.
    if !nc.is_null() && unsafe { shim::mgos_mqtt_shim_unsent(nc) } >= UNREAD {
        return false;
    }
    pump::send(c, &OutPacket::ack(ack, id)) != Err(NotWritten::OutOfMemory)
}

/// Deals with one packet: `Some` with its size, or `None` if it must be handed in again later. `body` lies in the receive buffer; no reference, as
/// that would say that it stays as it is until this returns.
fn packet(c: Held, nc: *mut mg_connection, header: Header, body: *const [u8]) -> Result<Option<usize>, ProtocolError> {
    // SAFETY: it is there until C is called, and not looked at after that.
    let p = decode(header, unsafe { &*body })?;
    let others = !c.get().handlers.is_empty();
    let reaction = match c.get().core.session.receive(p, others, now()) {
        Ok(reaction) => reaction,
        Err(ReceiveError::Violation(wrong)) => return Err(wrong),
        Err(ReceiveError::OutOfMemory) => {
            c.say(Log::NoMemory);
            return Ok(None);
        }
    };
    let Reaction { answer: ack, notify } = reaction;
    // From here on C is called, and the buffer is looked at through `message` only, which holds no pointers into it.
    let end = header.total();
    let message = mgos_mqtt_packet {
        first: p.first,
        id: p.id.map_or(0, PacketId::get),
        size: end,
        topic_len: p.topic.len(),
        payload_len: if p.topic.is_empty() { 0 } else { p.payload.len() },
        topic_at: header.len as usize + 2,
        payload_at: end - p.payload.len(),
    };
    let code = p.payload.last().map_or(0, |&code| code as i32);
    if let (Some(ack), Some(id)) = (ack, p.id)
        && !answer(c, ack, id)
    {
        c.get().core.session.unanswered(reaction, id);
        return Ok(None);
    }
    let ev = MG_MQTT_EVENT_BASE + header.kind() as c_int;
    let theirs =
        notify == Notify::Handlers && header.kind() == kind::PUBLISH && QoS::of_flags(message.first) == QoS::AtLeastOnce && ack.is_none();
    // Counted when it is certain that it is not handed in again.
    if message.topic_len > 0 && notify != Notify::Nobody {
        let counters = &mut c.get().core.session.counters;
        counters.received = counters.received.wrapping_add(1);
    }
    match notify {
        Notify::Nobody => {}
        Notify::Accepted => {
            let key = c.session_key();
            let longest = c.number(Number::ReconnectMax) as u32;
            c.get().core.accepted(key, longest, now());
            c.get().unanswered = 0;
            c.limit_qos();
            let timeout = c.number(Number::AckTimeout);
            c.get().core.session.set_ack_timeout(timeout);
            c.say(Log::Connack);
            c.get().announced = c.number(Number::CloudEvents) != 0;
            cloud_event(c, Cloud::Connected);
            // All subscriptions go out before anyone is told, and what is queued goes after.
            pump(c);
            call_handlers(c, nc, ev, null_mut(), Some(&message));
            c.get().core.session.connack_delivered();
        }
        Notify::Refused => {
            close_now(c, Reason::Refused);
            c.log(Log::Refused, &[], code, 0);
            cloud_event(c, Cloud::ConnectError);
        }
        Notify::Subscribers => {
            while c.get().nc == nc {
                let mut topic: &[u8] = &[];
                if c.get().core.session.is_undecided() {
                    topic = received(nc).0.get(message.topic_at..message.topic_at + message.topic_len).unwrap_or(&[]);
                }
                let Some(recipient) = c.get().core.session.next_recipient(topic) else { break };
                call_subscriber(nc, ev, &message, recipient);
            }
        }
        Notify::Subscriber => {
            if let Some((filter, recipient)) = c.get().core.session.settled() {
                if code > 2 {
                    let refused = &mut c.get().refused;
                    *refused = refused.saturating_add(1);
                    c.log(Log::SubFailed, filter, code, 0);
                }
                // A log hook may have unsubscribed it.
                let is_there = c.get().core.session.settled().is_some_and(|(_, still)| still == recipient);
                if is_there && !recipient.messages_only && c.get().nc == nc {
                    call_subscriber(nc, ev, &message, recipient);
                }
            }
        }
        Notify::Downgraded | Notify::Handlers => {
            // Once, not for each message.
            if notify == Notify::Downgraded && !core::mem::replace(&mut c.get().downgraded, true) {
                c.say(Log::Downgraded);
            }
            call_handlers(c, nc, ev, null_mut(), Some(&message));
            if theirs {
                acknowledge_for_handlers(c, nc, &message);
            }
        }
    }
    // Pings wait for the timer or a poll.
    if c.get().core.session.may_have_more() {
        pump(c);
    } else {
        log_notices(c);
    }
    Ok(Some(end))
}

/// So many messages in a row that handlers have not acknowledged make a line in the log.
pub(super) const UNACKED: u8 = 10;

/// A message at QoS 1 that nobody has subscribed to was passed to the handlers of the connection. Where none of them has ever acknowledged one, none will.
fn acknowledge_for_handlers(c: Held, nc: *mut mg_connection, message: &mgos_mqtt_packet) {
    if c.get().nc != nc {
        return;
    }
    // The handlers may just have acknowledged this one, which takes it off again.
    c.get().unacked = c.get().unacked.saturating_add(1);
    pump::watch(c, nc);
    let object = c.get();
    if !object.app_acks {
        object.unacked = 0;
        if let Some(id) = PacketId::new(message.id) {
            answer(c, AckKind::PubAck, id);
        }
    } else if object.unacked == UNACKED {
        // One more, so that it is not said again.
        object.unacked += 1;
        c.say(Log::Unacked);
    }
}

/// Calls the handler of a subscription with the message that `packet` describes.
fn call_subscriber(nc: *mut mg_connection, ev: c_int, packet: &mgos_mqtt_packet, recipient: Recipient<Handler>) {
    let Recipient { handler, messages_only } = recipient;
    call_with_message(nc, if messages_only { 0 } else { ev }, packet, handler);
}

fn call_with_message(nc: *mut mg_connection, ev: c_int, packet: &mgos_mqtt_packet, handler: Handler) {
    // SAFETY: `nc` is alive with the packet at the beginning of its receive buffer. The handler is a `sub_handler_t` where `ev` is 0, else an
    // `mg_event_handler_t`. No reference to the object is alive.
    unsafe { shim::mgos_mqtt_shim_call(handler.address, nc, ev, packet, handler.user_data) };
}
