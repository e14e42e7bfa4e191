//! Connecting, disconnecting, changing the configuration: what the app asks for, and what a timer or the network asks for in the same
//! words.

use super::object::{Held, Hold, Object, c_str, number};
use super::pump::{self, arm, disarm, now};
use super::shim::{self, Cloud, Log, Number};
use super::types::{Reason, mg_connection, mgos_config_mqtt, mgos_mqtt_conn};
use super::websocket;
use crate::conn::Slot;
use crate::heap;
use crate::wire::{Connect, OutPacket, check_name, connect_terms};
use core::ptr::{self, NonNull};

/// Makes a connection object; NULL without memory.
pub fn create(id: i32, primary: *const mgos_config_mqtt, backup: *const mgos_config_mqtt) -> *mut mgos_mqtt_conn {
    let copy = |config: *const mgos_config_mqtt| {
        if config.is_null() {
            return Some(config);
        }
        // SAFETY: the caller's configuration is alive.
        let copy = unsafe { shim::mgos_mqtt_shim_copy_config(config) };
        if copy.is_null() { None } else { Some(copy) }
    };
    let made = (|| {
        let placed = heap::alloc(Object::NEW).ok()?;
        // SAFETY: fresh from `place`.
        let hold = unsafe { Hold::new(placed.as_ptr().cast()) }?;
        let copies = [copy(primary), copy(backup)];
        let object = hold.get();
        object.id = id as i16;
        // In the object, so that they go with it if something is lacking.
        object.configs = [copies[0].unwrap_or(ptr::null()), copies[1].unwrap_or(ptr::null()), ptr::null()];
        // SAFETY: the object lives until it is freed, which ends the watch.
        if copies.contains(&None) || unsafe { shim::mgos_mqtt_shim_watch_net(hold.ptr(), 1) } == 0 {
            free(*hold);
            return None;
        }
        Some(placed)
    })();
    if made.is_none() {
        super::object::log_line(Log::NoMemory, id, &[], 0, 0);
    }
    made.map_or(ptr::null_mut(), |placed: NonNull<Object>| placed.as_ptr().cast())
}

/// Closes and forgets everything; the object itself goes when the last hold on it ends.
pub fn free(c: Held) {
    let object = c.get();
    if core::mem::replace(&mut object.doomed, true) {
        return;
    }
    let nc = core::mem::replace(&mut object.nc, ptr::null_mut());
    // Whatever is under way further up finds nobody to call and nothing to do.
    object.handlers.clear();
    object.core.clear();
    disarm(c);
    for slot in 0..3 {
        free_config(c, slot);
    }
    // SAFETY: ends the watches that were begun; `nc` was alive until now, and no longer knows us
    // afterwards.
    unsafe {
        shim::mgos_mqtt_shim_watch_net(c.ptr(), 0);
        shim::mgos_mqtt_shim_watch_time(c.ptr(), 0);
        if !nc.is_null() {
            shim::mgos_mqtt_shim_detach(nc);
            shim::mgos_mqtt_shim_close(nc, 0);
        }
    }
}

fn free_config(c: Held, slot: usize) {
    let Some(place) = c.get().configs.get_mut(slot) else { return };
    let config = core::mem::replace(place, ptr::null());
    // SAFETY: the copy was ours, and nothing points to it any more.
    unsafe { shim::mgos_mqtt_shim_free_config(config) };
}

/// True if a configuration is there and can be connected with; complains of one that is enabled and can't.
fn usable(c: Held) -> bool {
    if c.number(Number::Enable) == 0 {
        return false;
    }
    if c.number(Number::HasServer) == 0 {
        c.say(Log::NoServer);
        return false;
    }
    true
}

/// Connects now, if not connected already. True if an attempt was begun, or there is one, or a connection.
pub fn connect(c: Held) -> bool {
    if c.get().doomed || !usable(c) {
        return false;
    }
    c.get().core.want();
    // A connection whose end the app has not been told of comes first: another may lie where it lay, and be taken for it. What an attempt tells
    // of its beginning may have an app ask for one, again and again.
    let object = c.get();
    if !object.nc.is_null() || object.closed_meanwhile || core::mem::replace(&mut object.beginning, true) {
        return true;
    }
    let begun = begin(c);
    c.get().beginning = false;
    if begun == Begun::Failed && !c.get().doomed {
        pump::reconnect(c);
    }
    begun == Begun::Under
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Begun {
    /// An attempt is under way.
    Under,
    /// It can't be begun now.
    Failed,
    /// It is not asked for any more.
    Forgone,
}

fn begin(c: Held) -> Begun {
    let lacks_time = c.number(Number::RequireTime) != 0 && !pump::time_is_set();
    c.get().needs_time = lacks_time;
    if lacks_time {
        // SAFETY: the object lives until it is freed, which ends the watch.
        unsafe { shim::mgos_mqtt_shim_watch_time(c.ptr(), 1) };
        c.say(Log::NoTime);
        return Begun::Failed;
    }
    let id = c.get().id as i32;
    // SAFETY: the configuration is alive; no reference to the object is.
    unsafe {
        shim::mgos_mqtt_shim_log_connecting(c.config(), id);
        shim::mgos_mqtt_shim_cloud_event(Cloud::Connecting);
    }
    // The log and the event may have called the app, and the app may have called us.
    if c.get().doomed || !c.get().core.is_wanted() || !usable(c) {
        return Begun::Forgone;
    }
    // SAFETY: as above; the new connection belongs to this object.
    let nc = unsafe { shim::mgos_mqtt_shim_open(c.ptr(), c.config(), id) };
    if c.get().doomed {
        // A log hook has freed us meanwhile.
        if !nc.is_null() {
            // SAFETY: `nc` is alive, and is not to know us any more.
            unsafe {
                shim::mgos_mqtt_shim_detach(nc);
                shim::mgos_mqtt_shim_close(nc, 0);
            }
        }
        return Begun::Forgone;
    }
    c.get().nc = nc;
    if nc.is_null() {
        pump::cloud_event(c, Cloud::ConnectError);
        return Begun::Failed;
    }
    let (limit, over_websocket) = (c.number(Number::ConnectTimeout) as u32, c.number(Number::WsEnable) != 0);
    let key = c.session_key();
    let object = c.get();
    object.websocket.start(over_websocket);
    object.closing = 0;
    object.seen = 0;
    object.core.opening(limit, key, now());
    if !object.core.is_wanted() {
        // The app has changed its mind meanwhile.
        pump::close_now(c, Reason::Asked);
    }
    arm(c);
    Begun::Under
}

/// Disconnects, or stops trying to connect.
pub fn disconnect(c: Held) {
    c.get().core.stop();
    disarm(c);
    let nc = c.get().nc;
    if nc.is_null() {
        return;
    }
    c.ends(Reason::Asked);
    c.say(Log::Disconnect);
    let nc = c.get().nc;
    if nc.is_null() {
        return;
    }
    // Nothing goes before CONNECT, not even DISCONNECT; without it the end need not wait for anything.
    let mut say = c.get().core.session.may_send();
    if say {
        say = pump::send(c, &OutPacket::DISCONNECT).is_ok();
        if say && c.get().nc == nc {
            websocket::close(c, nc);
        }
        // Without memory a log hook has run.
        if c.get().nc != nc {
            return;
        }
    }
    let limit = c.number(Number::ConnectTimeout) as u32;
    c.get().core.closing(limit, now());
    // SAFETY: `nc` is alive: it was compared after the last call that may run the app.
    unsafe { shim::mgos_mqtt_shim_close(nc, say as u32) };
    arm(c);
}

/// Takes another configuration. False if it can't be used; then nothing changes.
pub fn set_config(c: Held, config: *const mgos_config_mqtt) -> bool {
    if config.is_null() {
        c.say(Log::NoConfig);
        return false;
    }
    let [primary, backup, _] = c.get().configs;
    let (slot, copy) = if number(config, Number::Enable) == 0 {
        (Slot::Custom, ptr::null())
    } else if number(config, Number::HasServer) == 0 {
        c.say(Log::NoServer);
        return false;
    } else if config == primary {
        (Slot::Primary, ptr::null())
    } else if config == backup {
        (Slot::Backup, ptr::null())
    } else {
        // SAFETY: the caller's configuration is alive.
        let copy = unsafe { shim::mgos_mqtt_shim_copy_config(config) };
        if copy.is_null() {
            c.say(Log::NoMemory);
            return false;
        }
        (Slot::Custom, copy)
    };
    let nc = c.get().nc;
    let live = !nc.is_null();
    c.get().core.reconfigured(slot, live && (slot != Slot::Custom || !copy.is_null()));
    free_config(c, Slot::Custom as usize);
    c.get().configs[Slot::Custom as usize] = copy;
    if live {
        pump::close_now(c, Reason::Config);
    }
    true
}

/// Puts the strings of the configuration that CONNECT carries where they belong; `None` for one that is empty.
fn texts(config: *const mgos_config_mqtt, fields: &mut [Option<&[u8]>; 5]) {
    let mut texts = [ptr::null(); 5];
    // SAFETY: the configuration is alive, and its strings stay until the app is called again.
    unsafe {
        shim::mgos_mqtt_shim_texts(config, texts.as_mut_ptr());
        for (field, text) in fields.iter_mut().zip(&texts) {
            *field = c_str(*text);
        }
    }
}

/// The transport is up: CONNECT, by us or by the app's callback.
pub fn handshake(c: Held) {
    let config = c.config();
    if config.is_null() {
        return pump::close_now(c, Reason::Config);
    }
    let connect_fn = c.get().connect_fn;
    if connect_fn.is_some() {
        return ask_app(c, config);
    }
    let number = |which| number(config, which);
    let mut connect = Connect {
        fields: [None; 5],
        clean_session: number(Number::CleanSession) != 0,
        will_retain: number(Number::WillRetain) != 0,
        keep_alive: keep_alive(number(Number::KeepAlive)),
    };
    texts(config, &mut connect.fields);
    let [client_id, will_topic, will_message, user, password] = &mut connect.fields;
    // Brokers close the connection over a bad one, before CONNACK.
    let bad_will = will_topic.filter(|topic| check_name(topic).is_err());
    let lacks_will = bad_will.is_some() || will_topic.is_none() || will_message.is_none();
    if lacks_will {
        (*will_topic, *will_message) = (None, None);
    }
    let password_alone = user.is_none() && password.take().is_some();
    let nameless = client_id.get_or_insert(&[]).is_empty() && !connect.clean_session;
    connect.clean_session |= nameless;
    let nc = c.get().nc;
    let mut room = [0; 10];
    let out = connect.out(&mut room);
    let fits = out.is_some();
    let sent = out.is_some_and(|out| pump::send(c, &out).is_ok());
    if sent && c.get().nc == nc {
        let now = now();
        c.get().core.session.connect_sent(connect.clean_session, connect.keep_alive, now);
        // SAFETY: `nc` is alive: sending does not call the app.
        unsafe { shim::mgos_mqtt_shim_set_keep_alive(nc, connect.keep_alive as u32) };
    }
    if let Some(topic) = bad_will
        && sent
    {
        c.log(Log::BadWill, topic, 0, 0);
    }
    // The strings are not looked at any more: the log may change the configuration.
    let complain = |is_so: bool, what| {
        if is_so {
            c.say(what);
        }
    };
    complain(connect.will_retain && lacks_will && bad_will.is_none(), Log::NoWill);
    complain(password_alone, Log::NoUser);
    complain(nameless, Log::NoClientId);
    complain(!fits, Log::TooLong);
    if !sent {
        pump::close_now(c, if fits { Reason::NoMemory } else { Reason::Config });
        if !fits {
            pump::cloud_event(c, Cloud::ConnectError);
        }
    }
}

/// The interval as CONNECT carries it. 0 stands for 60, as Mongoose has always had it; what is out of range is brought into it.
fn keep_alive(seconds: i32) -> u16 {
    match seconds {
        0 => 60,
        _ => seconds.clamp(0, u16::MAX as i32) as u16,
    }
}

/// The app's callback sends CONNECT. What it has sent tells what it asked for.
fn ask_app(c: Held, config: *const mgos_config_mqtt) {
    let object = c.get();
    let (nc, connect_fn, arg) = (object.nc, object.connect_fn, object.connect_arg);
    // SAFETY: `nc` and the configuration are alive; no reference to the object is.
    let len = unsafe { shim::mgos_mqtt_shim_call_connect_fn(nc, config, connect_fn, arg) };
    if c.get().nc == nc {
        note_app_connect(c, nc, len);
    }
}

/// Looks whether the app has sent CONNECT by itself; `len`: how many of the last bytes to be sent are its.
pub fn note_app_connect(c: Held, nc: *mut mg_connection, len: usize) {
    // SAFETY: `nc` is alive.
    let interval = unsafe { shim::mgos_mqtt_shim_app_sent(nc) };
    if interval < 0 {
        return;
    }
    c.get().quiet = false;
    if c.get().core.session.has_begun() {
        pump::watch(c, nc);
        return;
    }
    let now = now();
    let mut terms = None;
    if len > 0 {
        // SAFETY: so many bytes lie in the send buffer, and nothing is called while they are looked at.
        terms = unsafe { connect_terms(core::slice::from_raw_parts(shim::mgos_mqtt_shim_last_sent(nc, len), len)) };
    }
    let (clean_session, keep_alive) = terms.unwrap_or((c.number(Number::CleanSession) != 0, interval as u16));
    c.get().core.session.connect_sent(clean_session, keep_alive, now);
    pump::watch(c, nc);
}
