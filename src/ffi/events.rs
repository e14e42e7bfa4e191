//! What Mongoose, the network and the timer tell us; and the way of a packet from the receive buffer to the app's handlers.

use super::lifecycle;
use super::object::{GlobalHandler, Handler, Hold};
use super::pump::{self, NotWritten, close_now, cloud_event, now, pump};
use super::shim::{self, Cloud, Log, Number};
use super::types::{mg_connection, mg_event_handler_t, mgos_mqtt_conn, mgos_mqtt_delivery};
use super::websocket;
use crate::session::{Recipient, Take, Tell, Trouble};
use crate::wire::{AckKind, Header, Out, PacketId, Publish, Violation, decode};
use core::ffi::{c_int, c_void};
use core::ptr::{null, null_mut};

const MG_EV_POLL: c_int = 0;
const MG_EV_CONNECT: c_int = 2;
const MG_EV_RECV: c_int = 3;
const MG_EV_SEND: c_int = 4;
const MG_EV_CLOSE: c_int = 5;
const MG_EV_WEBSOCKET_HANDSHAKE_DONE: c_int = 112;
const MG_MQTT_EVENT_BASE: c_int = 200;

/// Mongoose's handler of our connections; `user_data` is the connection object. Exported because the original's is; apps have no use for it.
///
/// # Safety
/// As Mongoose calls its handlers: `nc` is alive, `user_data` is NULL or a live connection object, `ev_data` is what belongs to `ev`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_ev(nc: *mut mg_connection, ev: c_int, ev_data: *mut c_void, user_data: *mut c_void) {
    // SAFETY: by the contract.
    let hold = unsafe { Hold::new(user_data.cast()) };
    let c = match &hold {
        Some(c) if c.get().nc == nc => c,
        _ => {
            // SAFETY: `nc` is alive. It belongs to nobody any more.
            unsafe { shim::mgos_mqtt_shim_close(nc, 0) };
            return;
        }
    };
    if core::mem::replace(&mut c.get().delivering, true) {
        // A handler runs the event loop itself. What came in meanwhile waits in the buffer until that handler has returned;
        // so does the news of the connection's end, but the connection itself is gone.
        if ev == MG_EV_CLOSE {
            let object = c.get();
            object.nc = null_mut();
            object.core.closing(0, 0);
            object.closed_meanwhile = true;
        }
        return;
    }
    if c.get().websocket.is_opening() {
        websocket::opening(c, nc, ev == MG_EV_POLL);
    }
    match ev {
        MG_EV_POLL => {
            if !c.get().websocket.is_opening() {
                lifecycle::note_app_connect(c, nc, 0);
            }
            pump::wake(c);
            pump(c);
            receive(c, nc, false);
            call_handlers(c, ev, ev_data);
        }
        MG_EV_CONNECT => {
            // SAFETY: this event comes with the address of an int.
            connected(c, unsafe { *ev_data.cast::<c_int>() });
        }
        MG_EV_RECV => receive(c, nc, true),
        MG_EV_CLOSE => closed(c),
        MG_EV_WEBSOCKET_HANDSHAKE_DONE => websocket::answered(c, ev_data),
        MG_EV_SEND => {
            // SAFETY: this event comes with the address of an int.
            let n = unsafe { *ev_data.cast::<c_int>() };
            c.get().websocket.sent(n as usize);
            pump(c);
        }
        _ => {}
    }
    if core::mem::take(&mut c.get().closed_meanwhile) {
        closed(c);
    }
    // Whatever handlers have written by themselves.
    if c.get().nc == nc {
        websocket::frame(c, nc);
    }
    c.get().delivering = false;
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
    pump::wake(&c);
    pump(&c);
}

/// The network has come up.
///
/// # Safety
/// `c` is a live connection object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_core_net_up(c: *mut mgos_mqtt_conn) {
    // SAFETY: by the contract.
    let Some(c) = (unsafe { Hold::new(c) }) else { return };
    if c.get().core.is_wanted() && c.number(Number::Enable) != 0 {
        lifecycle::connect(&c);
    }
}

/// Calls the handlers of the connection, the newest first.
fn call_handlers(c: &Hold, ev: c_int, ev_data: *mut c_void) {
    c.get().handlers.rewind::<0>();
    loop {
        let object = c.get();
        let Some(GlobalHandler { call, user_data }) = object.handlers.current::<0>().map(|item| *item.value) else { break };
        object.handlers.advance::<0>();
        let nc = object.nc;
        // SAFETY: the app gave the handler; no reference to the object is alive.
        unsafe { shim::mgos_mqtt_shim_call(call, nc, ev, ev_data, user_data) };
    }
}

/// TCP, TLS and WebSocket are up, or have failed.
fn connected(c: &Hold, status: c_int) {
    c.log(Log::Connected, &[], status, 0);
    if status != 0 {
        cloud_event(c, Cloud::ConnectError);
    } else if !c.get().nc.is_null() && c.get().core.is_opening() {
        if c.get().websocket.is_used() {
            websocket::upgrade(c);
        } else {
            lifecycle::handshake(c);
        }
    }
}

/// The connection is gone.
fn closed(c: &Hold) {
    c.log(Log::Disconnected, &[], 0, 0);
    let object = c.get();
    object.nc = null_mut();
    let was_online = object.core.is_online();
    object.core.down();
    if was_online {
        // Not what the configuration says now: there may be none any more.
        if core::mem::take(&mut c.get().announced) {
            // SAFETY: no reference to the object is alive.
            unsafe { shim::mgos_mqtt_shim_cloud_event(Cloud::Disconnected) };
        }
        call_handlers(c, MG_EV_CLOSE, null_mut());
    }
    // A handler may have begun another connection already.
    if c.get().nc.is_null() && !c.get().doomed {
        pump::reconnect(c);
    }
}

/// Deals with the packets that have been received, one by one, as long as each can be dealt with. `fresh`: something has just come in.
fn receive(c: &Hold, nc: *mut mg_connection, fresh: bool) {
    if c.get().websocket.is_opening() {
        return;
    }
    while c.get().nc == nc && !nc.is_null() {
        websocket::unframe(c, nc);
        let (mut len, mut limit) = (0, 0);
        // SAFETY: `nc` is the live connection of this object.
        let bytes = unsafe { shim::mgos_mqtt_shim_received(nc, &mut len, &mut limit) };
        len = c.get().websocket.readable(len);
        if !c.get().core.session.may_send() {
            // Before CONNECT has gone out nothing may come; after DISCONNECT nothing is of interest.
            if len > 0 {
                consume(c, nc, len);
            }
            break;
        }
        // Without bytes there may be something to do as well: the answer to a packet that was dropped to its end.
        let buf: &[u8] = if len == 0 {
            &[]
        } else {
            // SAFETY: so many bytes lie there, and stay until they are consumed or the app is called.
            unsafe { core::slice::from_raw_parts(bytes, len) }
        };
        let step = match c.get().core.session.take(buf, limit) {
            Err(violation) => Err(violation),
            Ok(Take::More) => {
                if fresh && len > 0 {
                    c.get().core.session.progress(now());
                }
                break;
            }
            Ok(Take::Packet(header, body)) => packet(c, header, body).map(|dealt| dealt.then_some(header.total())),
            Ok(Take::Drop(n)) => Ok(Some(n)),
            Ok(Take::Oversized { total, topic }) => {
                c.log(Log::Oversized, topic, total as i32, limit as i32);
                Ok(Some(0))
            }
            Ok(Take::Answer(ack, id)) => Ok(answer(c, ack, id).then(|| {
                c.get().core.session.answered_dropped();
                0
            })),
        };
        match step {
            Ok(Some(n)) => {
                if n > 0 && c.get().nc == nc {
                    consume(c, nc, n);
                }
            }
            // No memory, or no room for the answer: the rest waits for the next poll.
            Ok(None) => break,
            Err(Violation { header, wrong, value }) => {
                close_now(c);
                let id = c.get().id as i32;
                // SAFETY: no string; the rule's number stands in for its length.
                unsafe { shim::mgos_mqtt_shim_log(Log::Violation, id, null(), wrong as usize, header as i32, value as i32) };
            }
        }
    }
}

/// Removes what has been dealt with from the receive buffer of the live connection `nc`.
fn consume(c: &Hold, nc: *mut mg_connection, len: usize) {
    c.get().websocket.consumed(len);
    // SAFETY: `nc` is alive, and so many bytes are there.
    unsafe { shim::mgos_mqtt_shim_cut(nc, 0, len) };
}

/// Answers wait while so many bytes wait for the link: a broker that sends and does not read must not fill the heap with them.
pub(super) const UNREAD: usize = 8192;

/// Sends an acknowledgement. False if there was no memory for it, or too much is unread.
fn answer(c: &Hold, ack: AckKind, id: PacketId) -> bool {
    if !c.get().core.session.may_send() {
        return true;
    }
    let nc = c.get().nc;
    // SAFETY: `nc` is alive where it is not null.
    if !nc.is_null() && unsafe { shim::mgos_mqtt_shim_unsent(nc) } >= UNREAD {
        return false;
    }
    pump::send(c, &Out::Ack(ack, id)) != Err(NotWritten::OutOfMemory)
}

/// Deals with one packet. False if it must be handed in again later.
fn packet(c: &Hold, header: Header, body: &[u8]) -> Result<bool, Violation> {
    let decoded = decode(header, body)?;
    let others = !c.get().handlers.is_empty();
    let reaction = match c.get().core.session.receive(decoded, others, now()) {
        Ok(reaction) => reaction,
        Err(Trouble::Violation(violation)) => return Err(violation),
        Err(Trouble::OutOfMemory) => {
            c.log(Log::NoMemory, &[], 0, 0);
            return Ok(false);
        }
    };
    if let Some((ack, id)) = reaction.answer
        && !answer(c, ack, id)
    {
        c.get().core.session.unanswered(&reaction);
        return Ok(false);
    }
    tell(c, header, reaction.tell);
    pump(c);
    Ok(true)
}

/// Whom a message or an acknowledgement is for.
#[derive(Clone, Copy)]
enum Whom {
    /// All whose filters match this topic.
    Subscribers(*const u8, usize),
    /// One subscription's handler.
    Subscriber(Handler),
    /// The handlers of the connection.
    Handlers,
}

/// A delivery under way: what the shim hands back to us together with the message it has made.
struct Delivery<'a> {
    c: &'a Hold,
    ev: c_int,
    whom: Whom,
}

fn tell(c: &Hold, header: Header, tell: Tell<'_, Handler>) {
    match tell {
        Tell::Nobody => {}
        Tell::Accepted => {
            c.get().core.accepted();
            c.log(Log::Connack, &[], 0, 0);
            c.get().announced = c.number(Number::CloudEvents) != 0;
            cloud_event(c, Cloud::Connected);
            // All subscriptions go out before anyone is told, and what is queued goes after.
            pump(c);
            deliver(c, header, None, None, Whom::Handlers);
            c.get().core.session.welcomed();
        }
        Tell::Refused(code) => {
            close_now(c);
            c.log(Log::Refused, &[], code as i32, 0);
            cloud_event(c, Cloud::ConnectError);
        }
        Tell::Subscribers(publish) => {
            let whom = Whom::Subscribers(publish.topic.as_ptr(), publish.topic.len());
            deliver(c, header, publish.id, Some(publish), whom);
        }
        Tell::Others(publish) => deliver(c, header, publish.id, Some(publish), Whom::Handlers),
        Tell::Subscribed { recipient, id, code } => {
            if code > 2 {
                c.log(Log::SubFailed, c.get().core.session.filter_of(id), code as i32, 0);
            }
            if !recipient.messages_only {
                deliver(c, header, Some(id), None, Whom::Subscriber(recipient.handler));
            }
        }
        Tell::SubAck(id) | Tell::Ack(_, id) => deliver(c, header, Some(id), None, Whom::Handlers),
    }
}

/// Has the shim make the message and hand it to `mgos_mqtt_core_deliver`.
fn deliver(c: &Hold, header: Header, id: Option<PacketId>, publish: Option<Publish<'_>>, whom: Whom) {
    let ev = MG_MQTT_EVENT_BASE + header.kind() as c_int;
    let delivery = Delivery { c, ev, whom };
    let delivery = (&raw const delivery).cast::<mgos_mqtt_delivery>();
    let id = id.map_or(0, PacketId::get) as u32;
    let (topic, payload) = publish.map_or((null(), null()), |p| (p.topic.as_ptr(), p.payload.as_ptr()));
    let (topic_len, payload_len) = publish.map_or((0, 0), |p| (p.topic.len(), p.payload.len()));
    let head = header.first as u32 | id << 16;
    // SAFETY: topic and payload lie in the receive buffer, which stays as it is until the packet is consumed.
    unsafe { shim::mgos_mqtt_shim_deliver(delivery, head, header.total(), topic, topic_len, payload, payload_len) };
}

/// Hands a message to the handlers it is for. `message`: the `struct mg_mqtt_message` that the shim has made.
///
/// # Safety
/// To be called by `mgos_mqtt_shim_deliver` only, with the delivery that it was given.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_core_deliver(delivery: *const mgos_mqtt_delivery, message: *mut c_void) {
    // SAFETY: by the contract it is the one on the stack of `deliver`.
    let &Delivery { c, ev, whom } = unsafe { &*delivery.cast::<Delivery<'_>>() };
    match whom {
        Whom::Handlers => call_handlers(c, ev, message),
        Whom::Subscriber(handler) => call_subscriber(c, ev, message, handler),
        Whom::Subscribers(topic, len) => loop {
            // SAFETY: the topic lies in the receive buffer, which stays until the packet is consumed. It is not looked at
            // while a handler runs.
            let topic = unsafe { core::slice::from_raw_parts(topic, len) };
            let Some(Recipient { handler, messages_only }) = c.get().core.session.next_recipient(topic) else { break };
            if messages_only {
                // SAFETY: what was stored with this subscription is a `sub_handler_t`; message is the shim's own.
                unsafe { shim::mgos_mqtt_shim_call_plain(handler.address, c.get().nc, message, handler.user_data) };
            } else {
                call_subscriber(c, ev, message, handler);
            }
        },
    }
}

fn call_subscriber(c: &Hold, ev: c_int, message: *mut c_void, handler: Handler) {
    let nc = c.get().nc;
    // SAFETY: what was stored with this subscription is an `mg_event_handler_t`; no reference to the object is alive.
    unsafe {
        let call = core::mem::transmute::<*const c_void, mg_event_handler_t>(handler.address);
        shim::mgos_mqtt_shim_call(call, nc, ev, message, handler.user_data);
    }
}
