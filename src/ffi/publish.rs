//! What the app asks a connection to send: messages and subscriptions, and why one is refused.

use super::clock::now;
use super::connection::{Connection, ConnectionRef, Handler};
use super::nc::NotWritten;
use super::pump::{self, arm, pump};
use super::results;
use super::shim::{Log, Number};
use super::token::NoApp;
use super::types::{ReturnedU16, mgos_mqtt_pub_opts, mgos_mqtt_stats};
use crate::LOGS;
use crate::session::{Limits, Millis, Published, Recipient, RequestError, Session, WatchOptions};
use crate::wire::{OutPacket, PacketId, QoS};
use core::ffi::{c_int, c_void};
use core::ptr::null;

/// Publishes. Returns the packet ID; 0 if the message was refused, which is logged and counted.
pub fn publish(c: ConnectionRef<'_>, t: &mut NoApp, topic: &[u8], payload: &[u8], qos: c_int, retain: bool) -> ReturnedU16 {
    let qos = QoS::clamped(qos);
    let published =
        try_publish(c, t, topic, payload, qos, |session, limits, now| session.publish(topic, payload, qos, retain, limits, now));
    warn_of_control_characters(c, t, topic);
    published.unwrap_or_else(|error| refuse(c, t, topic, error))
}

/// The same with options.
pub fn publish_opt(c: ConnectionRef<'_>, t: &mut NoApp, topic: &[u8], payload: &[u8], opts: mgos_mqtt_pub_opts) -> ReturnedU16 {
    let mgos_mqtt_pub_opts { qos, retain, replace, ttl_ms, cb, arg } = opts;
    if replace == 0 && ttl_ms == 0 && cb.is_none() {
        return publish(c, t, topic, payload, qos, retain != 0);
    }
    c.get(t).report = Some(results::report);
    let qos = QoS::clamped(qos);
    let handler = Handler { address: cb.map_or(null(), |cb| cb as *const c_void), user_data: arg };
    let options = WatchOptions { handler, lifetime: ttl_ms, replace: replace != 0 };
    let published = try_publish(c, t, topic, payload, qos, |session, limits, now| {
        session.publish_watched(topic, payload, qos, retain != 0, limits, options, now)
    });
    warn_of_control_characters(c, t, topic);
    let id = published.unwrap_or_else(|error| refuse(c, t, topic, error));
    if let Some(id) = PacketId::new(id as u16) {
        let connection = c.get(t);
        let unsent = connection.accounted;
        connection.core.session.written(id, unsent);
    }
    if !c.look(t).is_freed() {
        arm(c, t);
    }
    id
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
    accept: impl FnOnce(&mut Session<Handler>, Limits, Millis) -> Result<Published, RequestError>,
) -> Result<ReturnedU16, RequestError> {
    let room = pump::has_room(c, t, topic.len() + payload.len());
    let connection = c.get(t);
    if connection.finish.get().is_some() {
        return Err(RequestError::Offline);
    }
    let mut limits = Limits { max_qos: QoS::AtMostOnce, max_queue: 0, max_bytes: 0, room };
    if qos > QoS::AtMostOnce {
        // Where MQTT is disabled nothing is kept: it would never go out.
        let enabled = connection.number(Number::Enable) != 0;
        let most = if enabled { connection.number(Number::MaxQueue) } else { 0 };
        let max_queue = most.clamp(0, u16::MAX as i32) as u16;
        let max_bytes = connection.number(Number::MaxQueueBytes).max(0) as u32;
        limits = Limits { max_qos: connection.max_qos(), max_queue, max_bytes, room };
    }
    let (session, now) = (&mut connection.core.session, now());
    let published = accept(session, limits, now)?;
    let (id, flags) = (published.id, published.flags);
    if !published.direct && !published.next {
        pump(c, t);
        return Ok(id.get() as ReturnedU16);
    }
    let sent_id = (flags & 6 != 0).then_some(id);
    let sent = pump::send(c, t, &OutPacket::publish(flags, sent_id, topic, payload), now);
    if let Err(why) = sent {
        if published.next {
            // It stays in the queue, and is tried again at the next poll.
            return Ok(id.get() as ReturnedU16);
        }
        c.get(t).core.session.publish_failed(id);
        return Err(match why {
            NotWritten::TooLarge => RequestError::TooLarge,
            NotWritten::OutOfMemory => RequestError::OutOfMemory,
        });
    }
    c.log_text(t, Log::Pub, topic, id.get() as i32, flags as i32);
    Ok(id.get() as ReturnedU16)
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
            queued_max: counters.max_queued as u32,
            bytes_sent: edge.bytes_sent,
            bytes_received: edge.bytes_received,
            ping_ms: counters.ping,
            connected_ms: if up { now().wrapping_sub(counters.connected_at) } else { 0 },
            set_aside: session.num_set_aside() as u32,
        }
    }
}
