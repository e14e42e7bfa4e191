//! The life of a connection: made, connected, disconnected, lost, tried again, configured anew,
//! freed. What the app asks for, and what the timer or the network asks for in the same words.

use super::app::{self, raise_cloud_event};
use super::clock::{now, time_is_set};
use super::config::{Config, OwnConfig};
use super::connection::{Connection, ConnectionRef, Moment};
use super::deliver::call_handlers;
use super::handshake::no_connack;
use super::hooks;
use super::notices::log_notices;
use super::pump::{self, arm, close_now, disarm};
use super::shim::{self, Cloud, Log, Number};
use super::token::NoApp;
use super::types::{Reason, mgos_mqtt_conn};
use crate::conn::{DisconnectReason, Reconnect, Slot, Wake};
use crate::heap::{self, Lazy};
use core::ffi::c_int;
use core::ptr::null_mut;

const MG_EV_CLOSE: c_int = 5;

/// How long DISCONNECT and what was written before may take without `mqtt.connect_timeout`,
/// milliseconds.
const LAST_WORDS: u32 = 30_000;

/// Makes a connection object; NULL without memory.
pub fn create(t: &mut NoApp, id: c_int, primary: Option<Config<'_>>, backup: Option<Config<'_>>) -> *mut mgos_mqtt_conn {
    try_create(t, id, [primary, backup]).unwrap_or_else(|| {
        app::log_without_connection(t, Log::NoMemory, id);
        null_mut()
    })
}

fn try_create(t: &mut NoApp, id: c_int, configs: [Option<Config<'_>>; 2]) -> Option<*mut mgos_mqtt_conn> {
    let made = heap::alloc(Connection::NEW).ok()?;
    // SAFETY: it is fresh from `alloc`, and no app code runs here.
    let c = unsafe { ConnectionRef::kept_alive(made.as_ptr().cast()) }?;
    let connection = c.get(t);
    connection.id = id;
    let [first, second, _] = &mut connection.configs;
    let complete = first.fill(configs[0]) && second.fill(configs[1]);
    // SAFETY: the object lives until it is freed, which ends the watch.
    if complete && unsafe { shim::mgos_mqtt_shim_watch_net(c.ptr(), 1) } != 0 {
        return Some(c.ptr());
    }
    c.get(t).configs = [OwnConfig::NONE; 3];
    // SAFETY: it is fresh from `alloc`, nobody knows of it, and nothing is left in it.
    unsafe { heap::release_empty(made) };
    None
}

/// Closes and forgets everything; the object itself goes when the last guard ends.
pub fn free(c: ConnectionRef<'_>, t: &mut NoApp) {
    // What has a file stays there.
    hooks::run(c, t, Moment::Leaving, 0);
    let connection = c.get(t);
    if connection.release.replace(heap::release::<Connection>).is_some() {
        return;
    }
    // What is left is counted before it is gone, and told afterwards.
    hooks::run(c, t, Moment::Freeing, 0);
    let connection = c.get(t);
    // Whatever is under way further up finds nobody to call and nothing to do.
    connection.handlers.clear();
    connection.close_pending = false;
    connection.core.clear();
    disarm(c, t);
    c.get(t).configs = [OwnConfig::NONE; 3];
    // SAFETY: ends the watches that were begun.
    unsafe {
        shim::mgos_mqtt_shim_watch_net(c.ptr(), 0);
        shim::mgos_mqtt_shim_watch_time(c.ptr(), 0);
    }
    if let Some((connection, nc)) = c.live(t) {
        nc.abandon();
        connection.nc = None;
    }
    hooks::run(c, t, Moment::Round, 0);
}

/// True if a configuration is there and can be connected with; complains of one that is enabled and
/// can't.
fn usable(c: ConnectionRef<'_>, t: &mut NoApp) -> bool {
    let enable = c.number(t, Number::Enable);
    if enable == 1 {
        c.say(t, Log::NoServer);
    }
    enable == Config::USABLE
}

/// Connects now, if not connected already. True if an attempt was begun, or there is one, or a
/// connection.
pub fn connect(c: ConnectionRef<'_>, t: &mut NoApp) -> bool {
    if c.look(t).is_freed() || !usable(c, t) {
        return false;
    }
    let connection = c.get(t);
    connection.core.start();
    // A connection whose end the app has not been told of comes first: another may lie where it
    // lay, and be taken for it. And what an attempt tells of its beginning may have an app ask for
    // one, again and again.
    if connection.nc.is_some() || connection.close_pending || core::mem::replace(&mut connection.connecting, true) {
        return true;
    }
    let begun = begin(c, t);
    let connection = c.get(t);
    connection.connecting = false;
    if begun == Begun::Failed && !connection.is_freed() {
        reconnect(c, t);
    }
    begun == Begun::UnderWay
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Begun {
    /// An attempt is under way.
    UnderWay,
    /// It can't be begun now.
    Failed,
    /// It is not asked for any more.
    Forgone,
}

fn begin(c: ConnectionRef<'_>, t: &mut NoApp) -> Begun {
    let lacks_time = c.number(t, Number::RequireTime) != 0 && !time_is_set();
    c.get(t).core.awaiting_time = lacks_time;
    if lacks_time {
        // SAFETY: the object lives until it is freed, which ends the watch.
        unsafe { shim::mgos_mqtt_shim_watch_time(c.ptr(), 1) };
        c.say(t, Log::NoTime);
        return Begun::Failed;
    }
    c.announce_attempt(t);
    // The log and the event may have called the app, and the app may have called us.
    let connection = c.look(t);
    if connection.is_freed() || !connection.core.is_wanted() || !usable(c, t) {
        return Begun::Forgone;
    }
    let opened = c.open(t);
    let connection = c.get(t);
    connection.nc = opened;
    if connection.is_freed() {
        // A log hook has freed us meanwhile.
        if let Some((connection, nc)) = c.live(t) {
            nc.abandon();
            connection.nc = None;
        }
        return Begun::Forgone;
    }
    if opened.is_none() {
        c.cloud_event(t, Cloud::ConnectError);
        return Begun::Failed;
    }
    let limit = connection.number(Number::ConnectTimeout) as u32;
    let over_websocket = connection.number(Number::WsEnable) != 0;
    let key = connection.session_key();
    connection.start_websocket(over_websocket);
    connection.close_reason = 0;
    connection.tls = connection.number(Number::Tls) as u8;
    connection.accounted = 0;
    connection.core.connecting(limit, key, now());
    if !connection.core.is_wanted() {
        // The app has changed its mind meanwhile.
        close_now(c, t, Reason::Asked);
    }
    arm(c, t);
    Begun::UnderWay
}

/// Disconnects, or stops trying to connect.
pub fn disconnect(c: ConnectionRef<'_>, t: &mut NoApp) {
    c.get(t).core.stop();
    arm(c, t);
    let connection = c.get(t);
    let Some(nc) = connection.nc else { return };
    let ends_already = connection.core.is_closing();
    connection.ends(Reason::Asked);
    c.say(t, Log::Disconnect);
    let Some((connection, _)) = c.live_as(t, nc) else { return };
    if ends_already {
        // After what was written before, if that is so.
        return arm(c, t);
    }
    // Nothing goes before CONNECT, not even DISCONNECT; without it the end need not wait.
    // Nor does anything go inside a packet.
    let mut said = connection.core.session.may_send() && !connection.inside;
    if said {
        said = pump::write_disconnect(c, t);
        if said && c.is_on(t, nc) {
            pump::frame_close(c, t);
        }
    }
    // Without memory a log hook has run.
    let Some((connection, mut nc)) = c.live_as(t, nc) else { return };
    let limit = match connection.number(Number::ConnectTimeout) as u32 {
        0 => LAST_WORDS,
        limit => limit,
    };
    connection.core.closing(limit, now());
    nc.close(said);
    arm(c, t);
}

/// Takes another configuration. False if it can't be used; then nothing changes.
pub fn set_config(c: ConnectionRef<'_>, t: &mut NoApp, config: Option<Config<'_>>) -> bool {
    let Some(config) = config else {
        c.say(t, Log::NoConfig);
        return false;
    };
    let enable = config.number(Number::Enable);
    if enable == 1 {
        c.say(t, Log::NoServer);
        return false;
    }
    let enabled = enable != 0;
    let [primary, backup, _] = &c.look(t).configs;
    let slot = match () {
        _ if enabled && primary.is(config) => Slot::Primary,
        _ if enabled && backup.is(config) => Slot::Backup,
        _ => Slot::Custom,
    };
    let mut own = OwnConfig::NONE;
    if enabled && slot == Slot::Custom && !own.fill(Some(config)) {
        c.say(t, Log::NoMemory);
        return false;
    }
    let connection = c.get(t);
    let live = connection.nc.is_some();
    connection.core.reconfigured(slot, live && enabled);
    connection.configs[Slot::Custom as usize] = own;
    if live {
        close_now(c, t, Reason::Config);
    }
    true
}

/// An attempt has failed, or the connection is gone: what now.
pub fn reconnect(c: ConnectionRef<'_>, t: &mut NoApp) {
    let connection = c.get(t);
    let slot = connection.core.slot();
    let current = connection.config().and_then(Config::waits);
    let other = slot.other().and_then(|other| connection.config_of(other)).and_then(Config::waits);
    // SAFETY: makes a number.
    let random = unsafe { shim::mgos_mqtt_shim_random() };
    let next = connection.core.plan_reconnect(current, other, random, now());
    let now_in_use = connection.core.slot();
    match next {
        Reconnect::No => {}
        Reconnect::Now => {
            connect(c, t);
        }
        Reconnect::After(ms) => {
            if now_in_use != slot {
                c.log(t, Log::Switched, 0, now_in_use as i32);
            }
            c.log(t, Log::Wait, ms as i32, 0);
            arm(c, t);
        }
    }
}

/// Who has ended a connection, by the reason.
fn end_of(why: u8) -> DisconnectReason {
    const LOST: u8 = Reason::Lost as u8;
    const PING_TIMEOUT: u8 = Reason::PingTimeout as u8;
    const ASKED: u8 = Reason::Asked as u8;
    match why {
        LOST => DisconnectReason::Peer,
        PING_TIMEOUT => DisconnectReason::PingTimeout,
        ASKED.. => DisconnectReason::Local,
        _ => DisconnectReason::Fault,
    }
}

/// The connection is gone.
pub fn closed(c: ConnectionRef<'_>, t: &mut NoApp) {
    const LOST: u8 = Reason::Lost as u8;
    const VIOLATION: u8 = Reason::Violation as u8;
    const NO_MEMORY: u8 = Reason::NoMemory as u8;
    const UNREACHABLE: u8 = Reason::Unreachable as u8;
    const TLS: u8 = Reason::Tls as u8;
    let connection = c.get(t);
    let why = core::mem::take(&mut connection.close_reason).max(LOST);
    let tls = core::mem::take(&mut connection.tls);
    // A peer that hangs up in the TLS handshake raises no MG_EV_CONNECT on a device.
    let (reason, words) = if tls != 0 && why <= UNREACHABLE { (TLS, TLS - 1 + tls) } else { (why, why) };
    connection.last_reason = reason;
    c.log(t, Log::Disconnected, 0, words as i32);
    let connection = c.get(t);
    connection.nc = None;
    connection.websocket = Lazy::EMPTY;
    if why == Reason::Refused as u8 {
        connection.core.refused();
    }
    hooks::run(c, t, Moment::Ended, 0);
    let connection = c.get(t);
    let was_online = connection.core.is_online();
    if connection.core.disconnected(end_of(why), now()) {
        c.say(t, Log::ShortLived);
    }
    log_notices(c, t);
    if was_online {
        // Not what the configuration says now: there may be none any more.
        if core::mem::take(&mut c.get(t).cloud_event_sent) {
            raise_cloud_event(t, Cloud::Disconnected);
        }
        // SAFETY: MG_EV_CLOSE comes with nothing.
        unsafe { call_handlers(c, t, MG_EV_CLOSE, null_mut()) };
    } else if matches!(why, LOST | VIOLATION | NO_MEMORY) {
        // The app has been told of attempts that have ended otherwise, or has ended them itself.
        if why != NO_MEMORY {
            no_connack(c, t);
        }
        c.cloud_event(t, Cloud::ConnectError);
    }
    // A handler may have begun another connection already.
    let connection = c.look(t);
    if connection.nc.is_none() && !connection.is_freed() {
        reconnect(c, t);
    }
}

/// Looks at what time asks for.
pub fn wake(c: ConnectionRef<'_>, t: &mut NoApp) {
    let wake = c.get(t).core.wake(now());
    match wake {
        Wake::Nothing => {}
        Wake::Connect => {
            // The wait is over, whatever comes of it.
            c.get(t).core.cancel_wait();
            connect(c, t);
        }
        Wake::ConnectTimeout => {
            close_now(c, t, Reason::ConnectTimeout);
            let limit = c.number(t, Number::ConnectTimeout);
            c.log(t, Log::ConnectTimeout, limit, 0);
            c.cloud_event(t, Cloud::ConnectError);
        }
        Wake::CloseTimeout => {
            close_now(c, t, Reason::Lost);
            c.say(t, Log::CloseTimeout);
        }
        Wake::PingTimeout => {
            close_now(c, t, Reason::PingTimeout);
            c.say(t, Log::PingTimeout);
        }
    }
}
