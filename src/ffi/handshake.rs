//! From the transport to CONNECT: TCP and TLS are up, WebSocket perhaps follows, and CONNECT goes
//! out, by us or by the app's callback.

use super::clock::now;
use super::connection::ConnectionRef;
use super::nc::NotWritten;
use super::pump::close_now;
use super::shim::{Cloud, Log, Number};
use super::token::{Lent, NoApp};
use super::types::Reason;
use super::websocket::{self, Opening};
use crate::LOGS;
use crate::wire::{Connect, check_name, connect_options};
use core::ffi::c_int;

/// The status of a failed TLS handshake.
const MG_SSL_ERROR: c_int = -3;

/// TCP and TLS are up, or have failed.
pub fn connected(c: ConnectionRef<'_>, t: &mut NoApp, status: c_int) {
    c.log(t, Log::Connected, status, (status != 0) as i32);
    let connection = c.get(t);
    if status != MG_SSL_ERROR {
        connection.tls = 0;
    }
    if status != 0 {
        connection.ends(Reason::Unreachable);
        if status == MG_SSL_ERROR {
            no_connack(c, t);
        }
        c.cloud_event(t, Cloud::ConnectError);
        return;
    }
    if connection.nc.is_none() || !connection.core.is_connecting() {
        return;
    }
    if !connection.is_websocket() {
        connect(c, t);
    } else if connection.config().is_none() {
        close_now(c, t, Reason::Config);
    } else if !websocket::upgrade(c, t) {
        opened(c, t, Opening::OutOfMemory);
    }
}

/// The WebSocket handshake has come this far.
pub fn opened(c: ConnectionRef<'_>, t: &mut NoApp, opening: Opening) {
    match opening {
        Opening::Pending => {}
        Opening::Open => connect(c, t),
        Opening::Refused => {
            close_now(c, t, Reason::Refused);
            c.cloud_event(t, Cloud::ConnectError);
        }
        Opening::OutOfMemory => {
            close_now(c, t, Reason::NoMemory);
            c.say(t, Log::NoMemory);
        }
    }
}

/// The server was reached and has not answered CONNECT.
#[inline(never)]
pub fn no_connack(c: ConnectionRef<'_>, t: &mut NoApp) {
    let is_third = c.get(t).core.ends_without_connack();
    if LOGS && is_third {
        // What that usually means.
        c.say(t, Log::NoConnack);
    }
}

/// The transport is up: CONNECT, by us or by the app's callback.
fn connect(c: ConnectionRef<'_>, t: &mut NoApp) {
    let Some((connection, mut nc)) = c.live(t) else { return };
    if connection.connect_fn.is_some()
        && let Some(own_connect) = connection.own_connect
    {
        return own_connect(c, t.lend(), true);
    }
    connection.note_app_writes(&mut nc);
    let Some(config) = connection.config() else { return close_now(c, t, Reason::Config) };
    let number = |which| config.number(which);
    let mut fields = config.connect_strings();
    let [client_id, will_topic, will_message, user, password] = &mut fields;
    // Brokers close the connection over a bad one, before CONNACK.
    let bad_will = will_topic.filter(|topic| check_name(topic).is_err());
    let lacks_will = bad_will.is_some() || will_topic.is_none() || will_message.is_none();
    if lacks_will {
        (*will_topic, *will_message) = (None, None);
    }
    let no_user = user.is_none() && password.take().is_some();
    let mut clean_session = number(Number::CleanSession) != 0;
    let no_client_id = client_id.get_or_insert(&[]).is_empty() && !clean_session;
    clean_session |= no_client_id;
    let will_retain = number(Number::WillRetain) != 0;
    let keep_alive = keep_alive(number(Number::KeepAlive));
    let no_will = will_retain && lacks_will && bad_will.is_none();
    let connect = Connect { fields: &fields, clean_session, will_retain, keep_alive };
    let mut room = [0; 10];
    let mut unsent = connection.accounted;
    let written = match connect.packet(&mut room) {
        Some(out) => nc.write(&out, &mut unsent),
        None => Err(NotWritten::TooLarge),
    };
    let bad_will = bad_will.map(|topic| &raw const *topic);
    if written.is_ok() {
        // Over WebSocket it is put into a frame when this event has been dealt with.
        connection.accounted = unsent;
        connection.core.session.connect_sent(clean_session, keep_alive, now());
        nc.set_keep_alive(keep_alive);
    }
    if let Some(topic) = bad_will {
        // SAFETY: it lies in the configuration, and no app code has run since it was read.
        unsafe { c.log_raw(t, Log::BadWill, topic, 0, 0) };
    }
    let mut remark = |applies, what| {
        if applies {
            c.say(t, what);
        }
    };
    remark(no_will, Log::NoWill);
    remark(no_user, Log::NoUser);
    remark(no_client_id, Log::NoClientId);
    match written {
        Ok(()) => {}
        Err(NotWritten::OutOfMemory) => opened(c, t, Opening::OutOfMemory),
        Err(NotWritten::TooLarge) => {
            close_now(c, t, Reason::Config);
            c.say(t, Log::TooLong);
            c.cloud_event(t, Cloud::ConnectError);
        }
    }
}

/// The interval as CONNECT carries it. 0 stands for 60, as Mongoose has always had it; what is out
/// of range is brought into it.
fn keep_alive(seconds: i32) -> u16 {
    match seconds {
        0 => 60,
        _ => seconds.clamp(0, u16::MAX as i32) as u16,
    }
}

/// See [`OwnConnect`](super::connection::OwnConnect). Reached only through the pointer that
/// `set_connect_fn` stores.
pub fn own_connect(c: ConnectionRef<'_>, mut t: Lent<'_>, calls: bool) {
    let t = t.get();
    let Some(nc) = c.look(t).nc else { return };
    let written = calls.then(|| c.call_connect_fn(t));
    let Some((connection, mut nc)) = c.live_as(t, nc) else { return };
    // It may also be sent later than in the callback.
    let len = written.unwrap_or_else(|| nc.unsent().saturating_sub(connection.accounted));
    let Some(interval) = nc.app_sent() else { return };
    connection.poll_idle = false;
    if !connection.core.session.is_connect_sent() {
        let terms = connect_options(nc.last_unsent(len));
        let (clean_session, keep_alive) = terms.unwrap_or_else(|| (connection.number(Number::CleanSession) != 0, interval));
        connection.core.session.connect_sent(clean_session, keep_alive, now());
    }
    connection.note_app_writes(&mut nc);
}

/// Looks whether the app has sent something by itself.
pub fn note_app(c: ConnectionRef<'_>, t: &mut NoApp) {
    let Some((connection, mut nc)) = c.live(t) else { return };
    if let Some(own_connect) = connection.own_connect {
        own_connect(c, t.lend(), false);
    } else if nc.app_sent().is_some() {
        connection.poll_idle = false;
        connection.note_app_writes(&mut nc);
    }
}
