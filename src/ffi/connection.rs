//! The connection object behind `struct mgos_mqtt_conn *`: the sans-IO core, the C pointers that go
//! with it, and the guard that keeps it alive while app code runs.

use super::config::{Config, OwnConfig};
use super::frames::{Stage, WebSocket};
use super::nc::{Nc, NcId};
use super::shim::Number;
use super::token::{Lent, NoApp};
use super::types::{Reason, mgos_config_mqtt, mgos_mqtt_conn, mgos_mqtt_connect_fn_t, mgos_mqtt_packet};
use crate::conn::{Conn, Slot};
use crate::heap::{CursorList, Lazy, List};
use crate::session::{GivenUp, Millis, NEVER};
use crate::wire::{QoS, kind};
use core::cell::Cell;
use core::ffi::{c_int, c_void};
use core::marker::PhantomData;
use core::ptr::{NonNull, null, null_mut};

/// A handler of the app's: its address, `mg_event_handler_t` or, of subscriptions that want
/// messages only, `sub_handler_t`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Handler {
    /// NULL only for a `sub_handler_t`.
    pub address: *const c_void,
    /// Handed back to it.
    pub user_data: *mut c_void,
}

/// What only this layer sees and counts. The counters wrap around.
pub struct Counters {
    /// PUBLISH packets sent, retransmissions included.
    pub sent: u32,
    /// Of these, the retransmissions.
    pub retried: u32,
    /// Messages that subscriptions or handlers were called with.
    pub received: u32,
    /// Messages that were not accepted.
    pub refused: u32,
    /// Bytes that the link has taken.
    pub bytes_sent: u32,
    /// Bytes that have come in.
    pub bytes_received: u32,
}

impl Counters {
    const NEW: Self = Counters { sent: 0, retried: 0, received: 0, refused: 0, bytes_sent: 0, bytes_received: 0 };

    /// A packet with this first byte was sent.
    #[inline(always)]
    pub fn count_sent(&mut self, first: u8) {
        if first >> 4 == kind::PUBLISH {
            self.sent = self.sent.wrapping_add(1);
            self.retried = self.retried.wrapping_add((first >> 3 & 1) as u32);
        }
    }
}

/// Has the app's callback send CONNECT, where the last argument is true, and finds out what it has
/// asked for.
pub type OwnConnect = fn(ConnectionRef<'_>, Lent<'_>, bool);

/// What features that only some apps use do in the event loop. The first call that asks for one
/// allocates this; the functions stand here so that the linker leaves them out of firmware without
/// such calls.
pub struct Hooks {
    /// Runs each hook.
    pub run: Run,
    /// When to run them at the latest; `NEVER` if only other events matter.
    pub due: fn(&Connection, Millis) -> Millis,
    /// Of each [`Feature`] that was asked for.
    pub of: [Option<&'static Hook>; 5],
    /// Delivers the packet at the front of the receive buffer, which fits the receive limit, as one piece.
    pub whole: Option<fn(ConnectionRef<'_>, Lent<'_>, &mgos_mqtt_packet, Handler)>,
    /// The message that is being delivered in pieces, and its topic; at most one.
    pub incoming: List<Incoming>,
    /// The last bytes that wait to leave, this many, have come behind a message that is published in
    /// pieces: they are kept until it is complete.
    pub lift: Option<fn(&mut Connection, Nc<'_>, usize)>,
    /// The message that is being published in pieces, and its topic; at most one.
    pub upload: List<Upload>,
    /// What was written meanwhile and follows it, in order.
    pub lifted: CursorList<()>,
    /// Bytes of it.
    pub lifted_len: usize,
    /// What keeps the queue in a file.
    pub queue_file: Option<QueueFile>,
    /// During a graceful disconnect: the app may not publish.
    pub finish: Option<Finish>,
}

/// Runs hooks at a [`Moment`], with its number.
pub type Run = fn(ConnectionRef<'_>, Lent<'_>, Moment, usize) -> bool;

/// When hooks are run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The event loop goes round, or the object has been freed: to do what there is to do.
    Round,
    /// A caller or the broker is about to rely on what has changed.
    Relied,
    /// All is about to be forgotten, or the app to be told that it may restart.
    Leaving,
    /// The object is being freed; the queue is still there.
    Freeing,
    /// The app publishes. True if it may not.
    Publishing,
    /// The connection has ended.
    Ended,
    /// An oversized packet of n bytes is at the front of the receive buffer. True if it is delivered in
    /// pieces.
    Oversized,
    /// n bytes of it are at the front of the receive buffer.
    Piece,
}

/// What one of them does.
pub struct Hook {
    /// Looks at what there is to do, and does it.
    pub run: Run,
    /// When to run at the latest, or `NEVER`.
    pub due: fn(&Connection, Millis) -> Millis,
}

/// Features with a hook.
#[derive(Clone, Copy)]
pub enum Feature {
    /// The outcomes of single messages.
    Outcomes,
    /// Messages in pieces.
    Pieces,
    /// Messages published in pieces.
    Uploads,
    /// The queue in a file.
    QueueFile,
    /// The graceful disconnect.
    Finish,
}

/// A message that is being delivered in pieces.
#[derive(Clone, Copy)]
pub struct Incoming {
    pub handler: Handler,
    pub nc: NcId,
    /// The first byte of its packet.
    pub first: u8,
    /// The rest is not delivered.
    pub skips: bool,
    /// The handler is running.
    pub calling: bool,
    /// Bytes of its packet before the payload that have not been passed yet.
    pub before: usize,
    /// Bytes of its payload.
    pub total: usize,
    /// Bytes of it that have been delivered.
    pub offset: usize,
}

/// A message that is published in pieces.
#[derive(Clone, Copy)]
pub struct Upload {
    /// Called for its bytes, a `mgos_mqtt_read_fn_t`.
    pub read: *const c_void,
    /// Told what became of it, a `mgos_mqtt_result_fn_t`; its `user_data` is handed to both.
    pub callback: Handler,
    /// Requested; lowered to what is allowed when it begins.
    pub qos: QoS,
    pub retain: bool,
    /// Bytes of its payload.
    pub total: usize,
    /// Bytes of it that have been written.
    pub offset: usize,
    /// Its packet ID, once it was begun.
    pub id: u16,
    /// How often it may yet be begun.
    pub starts: u8,
    /// `read` is running.
    pub calling: bool,
    /// Nothing is done before `at`.
    pub rests: bool,
    /// When to look at it again; `NEVER` if something else must happen first.
    pub at: Millis,
    /// When it was last seen to make progress.
    pub moved_at: Millis,
}

impl Upload {
    /// One that has not begun.
    pub fn new(read: *const c_void, callback: Handler, qos: QoS, retain: bool, total: usize) -> Self {
        Upload {
            read,
            callback,
            qos,
            retain,
            total,
            offset: 0,
            id: 0,
            starts: Self::STARTS,
            calling: false,
            rests: false,
            at: NEVER,
            moved_at: 0,
        }
    }

    /// How often a message is begun at most: not again once that many connections have ended inside it.
    const STARTS: u8 = 3;
}

/// The file that keeps the queue over a restart.
pub struct QueueFile {
    /// What the shim knows it by.
    pub claim: NonNull<c_void>,
    /// Whose it is.
    pub owner: *mut mgos_mqtt_conn,
    /// Gives it up. Stored here for the linker, too.
    pub release: fn(&mut QueueFile),
    /// At most one commit in this time, milliseconds; with 0 what a caller or the broker relies on is
    /// in the file before they learn of it.
    pub delay: u32,
    /// Of the newest copy; the next is one newer.
    pub generation: u32,
    /// The copy to be written next, 0 or 1.
    pub copy: u8,
    /// The last attempt has failed, and was logged.
    pub failed: bool,
    /// When to look again at what has changed; `NEVER` if nothing has.
    pub at: Cell<Millis>,
    /// Half of the delay has passed, and what was there then is marked: only that is written, as what
    /// was published since may be acknowledged soon.
    pub is_marked: bool,
    /// Of what is in the file: see `Session::saved_version` and `saved_digest`.
    pub version: u32,
    pub digest: u32,
}

impl Drop for QueueFile {
    fn drop(&mut self) {
        (self.release)(self);
    }
}

/// The end that the app has asked for with `mgos_mqtt_conn_finish`.
#[derive(Clone, Copy)]
pub struct Finish {
    /// Called at the end with the number of messages that are left.
    pub callback: Handler,
    /// When to look again, at the latest.
    pub at: Millis,
    pub stage: FinishStage,
    /// When to stop waiting for acknowledgements.
    pub limit: Millis,
    /// How many messages are left, once the connection is being freed.
    pub left: u16,
}

/// How far it has got.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum FinishStage {
    /// What is queued goes out and is acknowledged.
    Draining,
    /// This Mongoose connection is being closed.
    Closing(Option<NcId>),
    /// The connection object is being freed.
    Freed,
}

/// Frees an object that came from `heap::alloc`.
pub type Release = unsafe fn(NonNull<Connection>);

/// What `struct mgos_mqtt_conn` is in Rust. Small fields stand first, where the shortest
/// instructions reach them.
#[repr(C)]
pub struct Connection {
    /// The Mongoose connection, from the beginning of an attempt until its MG_EV_CLOSE.
    pub nc: Option<NcId>,
    /// Empty for most apps.
    pub hooks: Lazy<Hooks>,
    /// A poll has nothing to do but to call the handlers: everything else waits for another event,
    /// the timer or a call of the app, each of which clears this.
    pub poll_idle: bool,
    /// How far the connection has got, over WebSocket.
    pub stage: Stage,
    /// A packet or an event is being delivered: another must wait.
    pub delivering: bool,
    /// The packet that is being delivered is at the front of the receive buffer.
    pub at_packet: bool,
    /// The connection has ended during a delivery; the app is still to be told.
    pub close_pending: bool,
    /// Why this connection is being closed, a [`Reason`]; 0 where it is not by us.
    pub close_reason: u8,
    /// The app was told of this connection by a cloud event, and so is to be told of its end.
    pub cloud_event_sent: bool,
    /// The last packet lacks its end, which is to be written in pieces: nothing else may follow.
    pub inside: bool,
    /// So much has been written behind it that nothing more is answered.
    pub is_full_inside: bool,
    /// An attempt is about to begin.
    pub connecting: bool,
    /// Why the last connection has ended, a [`Reason`].
    pub last_reason: u8,
    /// What `set_max_qos` was given, plus 1; 0 for what the configuration says.
    pub max_qos_override: u8,
    /// It has been logged that the broker takes messages at QoS 2 at QoS 1.
    pub downgrade_logged: bool,
    /// A message that was given up has been logged since the events were last raised.
    pub overflow_logged: bool,
    /// The app has written a PUBACK: messages without a subscription are its to acknowledge.
    pub app_acks: bool,
    /// Messages that it has not acknowledged.
    pub unacked: u8,
    /// It has been logged that a topic has control characters.
    pub control_characters_logged: bool,
    /// `Number::Tls` until MG_EV_CONNECT says that TLS is up, or that something else has failed; else 0.
    pub tls: u8,
    guards: u16,
    /// Its number in the log.
    pub id: c_int,
    /// Messages set aside of which the app is to be told by an event.
    pub set_aside: GivenUp,
    /// Refused subscriptions of which it is to be told.
    pub subs_refused: u16,
    /// When the events are raised; 0 if that is not known yet.
    pub events_at: u32,
    /// Bytes at the front of the send buffer that are known to be the library's or the app's.
    pub accounted: usize,
    /// One for each [`Slot`].
    pub configs: [OwnConfig; 3],
    pub timer: usize,
    /// When the timer fires.
    pub timer_at: u32,
    /// Of the connection's events.
    pub handlers: CursorList<Handler>,
    pub core: Conn<Handler>,
    /// Allocated when the handshake is over, and kept until the connection ends.
    pub websocket: Lazy<WebSocket>,
    pub connect_fn: mgos_mqtt_connect_fn_t,
    pub connect_arg: *mut c_void,
    /// What deals with CONNECT from the app. Stored by `set_connect_fn`, so that the linker leaves it
    /// out of firmware that does not call that.
    pub own_connect: Option<OwnConnect>,
    /// What frees the object when the last [`ConnectionGuard`] ends. Stored by `conn_free`, likewise.
    pub release: Option<Release>,
    pub counters: Counters,
}

impl Connection {
    /// One without a configuration. All zeros, so that making one fills memory with them.
    pub const NEW: Self = Connection {
        core: Conn::NEW,
        handlers: CursorList::new(),
        nc: None,
        configs: [OwnConfig::NONE; 3],
        websocket: Lazy::EMPTY,
        connect_fn: None,
        connect_arg: null_mut(),
        own_connect: None,
        release: None,
        hooks: Lazy::EMPTY,
        timer: 0,
        timer_at: 0,
        counters: Counters::NEW,
        id: 0,
        max_qos_override: 0,
        delivering: false,
        at_packet: false,
        close_pending: false,
        cloud_event_sent: false,
        close_reason: Reason::None as u8,
        last_reason: Reason::None as u8,
        inside: false,
        is_full_inside: false,
        connecting: false,
        downgrade_logged: false,
        overflow_logged: false,
        app_acks: false,
        unacked: 0,
        set_aside: GivenUp { count: 0, first: 0, last: 0 },
        subs_refused: 0,
        events_at: 0,
        accounted: 0,
        control_characters_logged: false,
        tls: 0,
        poll_idle: false,
        stage: Stage::Off,
        guards: 0,
    };

    /// True if it is to be freed when the last guard ends.
    pub fn is_freed(&self) -> bool {
        self.release.is_some()
    }

    /// The end that the app has asked for.
    pub fn finish(&mut self) -> Option<&mut Finish> {
        self.hooks.get_mut().and_then(|hooks| hooks.finish.as_mut())
    }

    /// The file that keeps the queue.
    pub fn queue_file(&mut self) -> Option<&mut QueueFile> {
        self.hooks.get_mut().and_then(|hooks| hooks.queue_file.as_mut())
    }

    /// When a hook is to run at the latest.
    pub fn hooks_due(&self, now: Millis) -> Millis {
        self.hooks.get().map_or(NEVER, |hooks| (hooks.due)(self, now))
    }

    /// The configuration in a slot.
    pub fn config_of(&self, slot: Slot) -> Option<Config<'_>> {
        self.configs.get(slot as usize).and_then(OwnConfig::get)
    }

    /// The configuration in use.
    pub fn config(&self) -> Option<Config<'_>> {
        self.config_of(self.core.slot())
    }

    /// The address of the configuration in use, to be handed to C; NULL for none.
    pub fn config_ptr(&self) -> *const mgos_config_mqtt {
        self.config().map_or(null(), Config::ptr)
    }

    /// A number of the configuration in use; 0 where there is none.
    pub fn number(&self, which: Number) -> i32 {
        self.config().map_or(0, |config| config.number(which))
    }

    /// Stands for the session that the configuration in use asks for; 0 where there is none.
    pub fn session_key(&self) -> u32 {
        self.config().map_or(0, Config::session_key)
    }

    /// The highest QoS that may be used.
    pub fn max_qos(&self) -> QoS {
        let mut max = self.max_qos_override as i32 - 1;
        if max < 0 {
            max = self.number(Number::MaxQos);
        }
        // A negative one means no limit.
        if max < 0 { QoS::ExactlyOnce } else { QoS::clamped(max) }
    }

    /// Has the session keep to the highest QoS that may be used.
    pub fn limit_qos(&mut self) {
        let max = self.max_qos();
        self.core.session.limit_qos(max);
    }

    /// Notes why the connection is going to end. What was noted first holds.
    pub fn ends(&mut self, why: Reason) {
        if self.close_reason == Reason::None as u8 {
            self.close_reason = why as u8;
        }
    }
}

/// Keeps a connection object alive: app code may ask for it to be freed, which is done when the
/// outermost guard ends.
pub struct ConnectionGuard(NonNull<Connection>);

impl ConnectionGuard {
    /// `None` for NULL.
    ///
    /// # Safety
    /// `c` is NULL, or came from `mgos_mqtt_conn_create` and has not been freed. No reference to it
    /// is alive.
    pub unsafe fn new(c: *mut mgos_mqtt_conn) -> Option<Self> {
        // SAFETY: by the contract.
        let guard = unsafe { Self::keep_idle(c) }?;
        // SAFETY: by the contract.
        unsafe { (*guard.0.as_ptr()).poll_idle = false };
        Some(guard)
    }

    /// The same for an event that may leave polls idle.
    ///
    /// # Safety
    /// As for `new`.
    pub unsafe fn keep_idle(c: *mut mgos_mqtt_conn) -> Option<Self> {
        let connection = NonNull::new(c.cast::<Connection>())?;
        // SAFETY: by the contract.
        unsafe { (*connection.as_ptr()).guards += 1 };
        Some(ConnectionGuard(connection))
    }

    /// The way to what it keeps alive.
    pub fn get(&self) -> ConnectionRef<'_> {
        ConnectionRef(self.0, PhantomData)
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        let connection = self.0.as_ptr();
        // SAFETY: the object is alive, as this guard was. Nothing is borrowed from it: what was
        // borrowed through this guard has ended with it, and app code is not running.
        unsafe {
            (*connection).guards -= 1;
            if (*connection).guards == 0
                && let Some(release) = (*connection).release
            {
                // Whoever asked for it gave up the pointer.
                release(self.0);
            }
        }
    }
}

/// A connection object that a guard keeps alive. It gives access only against the token.
#[derive(Clone, Copy)]
pub struct ConnectionRef<'g>(NonNull<Connection>, PhantomData<&'g ConnectionGuard>);

impl<'g> ConnectionRef<'g> {
    /// The way to an object whose address has been through C; `None` for NULL.
    ///
    /// # Safety
    /// `c` is NULL, or a guard further up keeps it alive for 'g.
    pub unsafe fn kept_alive(c: *mut mgos_mqtt_conn) -> Option<Self> {
        NonNull::new(c.cast()).map(|connection| ConnectionRef(connection, PhantomData))
    }

    /// The connection, until app code may run.
    pub fn get<'t>(self, _: &'t mut NoApp) -> &'t mut Connection
    where
        'g: 't,
    {
        // SAFETY: a guard keeps it alive. The token is borrowed for as long as the reference lives,
        // so that neither another borrow nor app code comes in between.
        unsafe { &mut *self.0.as_ptr() }
    }

    /// The connection, to be looked at until app code may run.
    pub fn look<'t>(self, _: &'t NoApp) -> &'t Connection
    where
        'g: 't,
    {
        // SAFETY: as for `get`; nobody has a mutable reference, as the token is borrowed here too.
        unsafe { &*self.0.as_ptr() }
    }

    /// The connection and its Mongoose connection, if it has one, until app code may run.
    pub fn live<'t>(self, t: &'t mut NoApp) -> Option<(&'t mut Connection, Nc<'t>)>
    where
        'g: 't,
    {
        let connection = self.get(t);
        // SAFETY: `nc` is alive from the beginning of an attempt until MG_EV_CLOSE, which the event
        // loop raises, app code to us; both are borrowed from the token.
        connection.nc.map(|nc| (connection, unsafe { Nc::new(nc) }))
    }

    /// The same, if the Mongoose connection is still this one.
    pub fn live_as<'t>(self, t: &'t mut NoApp, nc: NcId) -> Option<(&'t mut Connection, Nc<'t>)>
    where
        'g: 't,
    {
        self.live(t).filter(|live| live.1.id() == nc)
    }

    /// True if the Mongoose connection is still this one.
    pub fn is_on(self, t: &NoApp, nc: NcId) -> bool {
        self.look(t).nc == Some(nc)
    }

    /// A number of the configuration in use; 0 where there is none.
    pub fn number(self, t: &NoApp, which: Number) -> i32 {
        self.look(t).number(which)
    }

    /// The object's address, to be handed to C.
    pub fn ptr(self) -> *mut mgos_mqtt_conn {
        self.0.as_ptr().cast()
    }
}

#[cfg(test)]
mod tests {
    use crate::ffi::connection::Counters;

    #[test]
    fn publish_packets_and_those_with_dup_are_counted() {
        let mut counters = Counters::NEW;
        for first in [0x30, 0x31, 0x32, 0x34, 0x35, 0x3a, 0x3d, 0x10, 0x40, 0x62, 0x82, 0xc0, 0xe8] {
            counters.count_sent(first);
        }
        assert_eq!((counters.sent, counters.retried), (7, 2));
    }
}
