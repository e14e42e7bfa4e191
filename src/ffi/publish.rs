//! What the app asks a connection to send: messages and subscriptions, and why one is refused.

use super::clock::now;
use super::connection::{Connection, ConnectionRef, Feature, Handler, Moment};
use super::hooks;
use super::nc::NotWritten;
use super::pump::{self, arm, pump};
use super::results;
use super::shim::{Log, Number};
use super::token::NoApp;
use super::types::{ReturnedU16, mgos_mqtt_pub_opts, mgos_mqtt_stats};
use crate::LOGS;
use crate::session::{Limits, Recipient, RequestError, WatchOptions};
use crate::wire::{OutPacket, PacketId, QoS};
use core::ffi::{c_int, c_void};
use core::ptr::null;

/// Publishes. Returns the packet ID; 0 if the message was refused, which is logged and counted.
pub fn publish(c: ConnectionRef<'_>, t: &mut NoApp, topic: &[u8], payload: &[u8], qos: c_int, retain: bool) -> ReturnedU16 {
    let published = try_publish(c, t, topic, payload, QoS::clamped(qos), retain);
    warn_of_control_characters(c, t, topic);
    hooks::run(c, t, Moment::Relied, 0);
    published.map_or_else(|error| refuse(c, t, topic, error), |id| id.get() as ReturnedU16)
}

/// The same with options.
pub fn publish_opt(c: ConnectionRef<'_>, t: &mut NoApp, topic: &[u8], payload: &[u8], opts: mgos_mqtt_pub_opts) -> ReturnedU16 {
    let published = publish_watched(c, t, topic, payload, opts);
    warn_of_control_characters(c, t, topic);
    hooks::run(c, t, Moment::Relied, 0);
    if !c.look(t).is_freed() {
        arm(c, t);
    }
    published.map_or_else(|error| refuse(c, t, topic, error), |id| id.get() as ReturnedU16)
}

fn publish_watched(
    c: ConnectionRef<'_>,
    t: &mut NoApp,
    topic: &[u8],
    payload: &[u8],
    opts: mgos_mqtt_pub_opts,
) -> Result<PacketId, RequestError> {
    let mgos_mqtt_pub_opts { qos, retain, replace, ttl_ms, cb, arg } = opts;
    let (qos, retain, replace) = (QoS::clamped(qos), retain != 0, replace != 0);
    let mut watched = None;
    if replace || ttl_ms != 0 || cb.is_some() {
        // Memory comes first, so that nothing is lost without it.
        hooks::install(c, t, Feature::Outcomes, &results::HOOK)?;
        let handler = Handler { address: cb.map_or(null(), |cb| cb as *const c_void), user_data: arg };
        let options = WatchOptions { handler, lifetime: ttl_ms, replace };
        let connection = c.get(t);
        let effective = qos.min(connection.max_qos());
        let id = connection.core.session.watch(effective, options, now())?;
        if replace
            && effective > QoS::AtMostOnce
            && connection.finish().is_none()
            && let limits = connection.limits(true)
            && let Some(replaced) = connection.core.session.replace(topic, payload, effective, retain, limits)
        {
            if replaced.is_err() {
                connection.core.session.refused(id);
            }
            pump(c, t);
            return replaced;
        }
        watched = Some(id);
    }
    let published = try_publish(c, t, topic, payload, qos, retain);
    let connection = c.get(t);
    let unsent = connection.accounted;
    match (watched, &published) {
        (Some(id), Ok(_)) => connection.core.session.written(id, unsent),
        // Before it is logged: the hook may free the connection.
        (Some(id), Err(_)) => connection.core.session.refused(id),
        _ => {}
    }
    published
}

impl Connection {
    /// The limits on messages at QoS 1 and 2.
    #[inline(always)]
    fn limits(&self, room: bool) -> Limits {
        // Where MQTT is disabled nothing is kept: it would never go out.
        let enabled = self.number(Number::Enable) != 0;
        let most = if enabled { self.number(Number::MaxQueue) } else { 0 };
        let max_queue = most.clamp(0, u16::MAX as i32) as u16;
        let max_bytes = self.number(Number::MaxQueueBytes).max(0) as u32;
        Limits { max_qos: self.max_qos(), max_queue, max_bytes, room }
    }
}

/// Counts a message that is refused, and logs why. Returns 0.
#[inline(never)]
pub fn refuse(c: ConnectionRef<'_>, t: &mut NoApp, topic: &[u8], error: RequestError) -> ReturnedU16 {
    let refused = &mut c.get(t).counters.refused;
    *refused = refused.wrapping_add(1);
    complain(c, t, topic, error);
    0
}

fn try_publish(
    c: ConnectionRef<'_>,
    t: &mut NoApp,
    topic: &[u8],
    payload: &[u8],
    qos: QoS,
    retain: bool,
) -> Result<PacketId, RequestError> {
    if hooks::run(c, t, Moment::Publishing, 0) {
        return Err(RequestError::Offline);
    }
    let room = pump::has_room(c, t, topic.len() + payload.len());
    let connection = c.get(t);
    let mut limits = Limits { max_qos: QoS::AtMostOnce, max_queue: 0, max_bytes: 0, room };
    if qos > QoS::AtMostOnce {
        limits = connection.limits(room);
    }
    let (session, now) = (&mut connection.core.session, now());
    let published = session.publish(topic, payload, qos, retain, limits, now)?;
    let (id, flags) = (published.id, published.flags);
    if !published.direct && !published.next {
        pump(c, t);
        return Ok(id);
    }
    let sent_id = (flags & 6 != 0).then_some(id);
    let out = OutPacket::publish(flags, sent_id, topic, payload);
    // `has_room` has noted what the app has written.
    let sent = c.live(t).map_or(Ok(()), |(connection, mut nc)| connection.write(&mut nc, &out, now));
    pump::conclude_write(c, t, sent);
    if let Err(why) = sent {
        if published.next {
            // It stays in the queue, and is tried again at the next poll.
            return Ok(id);
        }
        c.get(t).core.session.publish_failed(id);
        return Err(match why {
            NotWritten::TooLarge => RequestError::TooLarge,
            NotWritten::OutOfMemory => RequestError::OutOfMemory,
        });
    }
    c.log_text(t, Log::Pub, topic, id.get() as i32, flags as i32);
    Ok(id)
}

/// Subscribes, and logs why where that is refused.
pub fn subscribe(c: ConnectionRef<'_>, t: &mut NoApp, topic: &[u8], qos: c_int, recipient: Recipient<Handler>) {
    let connection = c.get(t);
    let qos = QoS::clamped(qos).min(connection.max_qos());
    match connection.core.session.subscribe(topic, qos, recipient, now()) {
        Ok(()) => pump(c, t),
        Err(error) => complain(c, t, topic, error),
    }
    warn_of_control_characters(c, t, topic);
}

/// Logs why a message or a subscription is refused.
#[inline(never)]
fn complain(c: ConnectionRef<'_>, t: &mut NoApp, topic: &[u8], error: RequestError) {
    let (what, why) = match error {
        RequestError::Topic(e) => (Log::BadTopic, e as i32),
        RequestError::NullMessage => (Log::NullMessage, 0),
        RequestError::TooLarge => (Log::TooLarge, 0),
        RequestError::OverQueueBytes => (Log::OverQueueBytes, 0),
        RequestError::Offline => (Log::Dropped, 0),
        RequestError::Congested => (Log::Congested, 0),
        RequestError::OutOfMemory => (Log::NoMemory, 0),
    };
    c.log_text(t, what, topic, 0, why);
}

/// Warns where `topic`, which the session has just checked, is the first with control characters.
#[inline(always)]
fn warn_of_control_characters(c: ConnectionRef<'_>, t: &mut NoApp, topic: &[u8]) {
    let connection = c.look(t);
    if LOGS && connection.core.session.control_characters != connection.control_characters_logged {
        first_control_characters(c, t, topic);
    }
}

#[cold]
#[inline(never)]
fn first_control_characters(c: ConnectionRef<'_>, t: &mut NoApp, topic: &[u8]) {
    c.get(t).control_characters_logged = true;
    c.log_text(t, Log::ControlCharacters, topic, 0, 0);
}

impl Connection {
    /// What has happened to it so far.
    pub fn stats(&self) -> mgos_mqtt_stats {
        let (session, edge) = (&self.core.session, &self.counters);
        let (counters, up) = (session.counters(), self.core.is_online());
        mgos_mqtt_stats {
            connects: counters.connects,
            disconnects: counters.connects.wrapping_sub(up as u32),
            last_reason: self.last_reason as u32,
            sent: edge.sent,
            retried: edge.retried,
            received: edge.received,
            dropped: session.total_given_up().wrapping_add(edge.refused),
            oversized: counters.oversized,
            queued: session.queued() as u32,
            queued_max: session.max_queued() as u32,
            bytes_sent: edge.bytes_sent,
            bytes_received: edge.bytes_received,
            ping_ms: counters.ping,
            connected_ms: if up { now().wrapping_sub(counters.connected_at) } else { 0 },
            set_aside: session.num_set_aside() as u32,
        }
    }
}
