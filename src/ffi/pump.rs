//! The pump: what goes out, and when to look again. It carries out what the core wants and borrows
//! the core afresh for each step.

use super::clock::now;
use super::connection::{Connection, ConnectionRef};
use super::frames::Interruption;
use super::nc::{Nc, NotWritten};
use super::notices::log_notices;
use super::shim::{self, Frames, Log};
use super::token::NoApp;
use super::types::Reason;
use super::websocket;
use crate::session::{Millis, NEVER, earlier, reached};
use crate::wire::{AckKind, OutPacket, PacketId, ack_bytes, count_pubacks, kind};

/// What is queued goes out while fewer bytes than this wait for the link.
pub const SEND_LOW_WATER: usize = 1024;

/// How long the timer waits before a packet is retried that could not be written for lack of memory,
/// milliseconds.
const PAUSE: u32 = 1000;

/// How long what is still to be sent may take when a connection is given up, milliseconds.
const FLUSH: u32 = 5000;

/// Writes DISCONNECT, if there is a connection. It is not accounted for here, and so is later taken
/// for the app's, which changes nothing: no answer is awaited. False without memory, which is logged.
/// May run app code.
pub fn write_disconnect(c: ConnectionRef<'_>, t: &mut NoApp) -> bool {
    let Some((_, mut nc)) = c.live(t) else { return true };
    let written = nc.put(&[OutPacket::DISCONNECT.first, 0]);
    if !written {
        c.say(t, Log::NoMemory);
    }
    frame_app_writes(c, t);
    written
}

/// What follows bytes of ours that were put into the send buffer by other means. May run app code.
pub fn conclude_put(c: ConnectionRef<'_>, t: &mut NoApp) {
    if let Some((connection, nc)) = c.live(t) {
        connection.accounted = nc.unsent();
    }
    let framed = frames(c, t, Frames::Into);
    conclude(c, t, framed);
}

/// What follows [`Connection::write`]: a frame, over WebSocket, or a line in the log. May run app
/// code.
#[inline(always)]
pub fn conclude_write(c: ConnectionRef<'_>, t: &mut NoApp, result: Result<(), NotWritten>) {
    match result {
        Ok(()) => frame_app_writes(c, t),
        Err(NotWritten::OutOfMemory) => c.say(t, Log::NoMemory),
        Err(NotWritten::TooLarge) => c.say(t, Log::TooLarge),
    }
}

impl Connection {
    /// Writes a packet of our own making. What the app has written was noted; [`conclude_write`] is to
    /// follow.
    #[inline(always)]
    pub fn write(&mut self, nc: &mut Nc<'_>, out: &OutPacket<'_>, now: Millis) -> Result<(), NotWritten> {
        nc.write(out, &mut self.accounted)?;
        self.counters.count_sent(out.first);
        self.core.session.sent_other(out.first, out.id, now);
        Ok(())
    }

    /// Writes an acknowledgement: as [`write`](Self::write), in fewer steps. What the app has written
    /// was noted.
    pub fn write_ack(&mut self, nc: &mut Nc<'_>, ack: AckKind, id: PacketId) -> Result<(), NotWritten> {
        let bytes = ack_bytes(ack, id);
        if !nc.put(&bytes) {
            return Err(NotWritten::OutOfMemory);
        }
        if self.inside {
            self.lift(nc, bytes.len());
        } else {
            self.accounted += bytes.len();
        }
        self.core.session.sent_other(bytes[0], Some(id), now());
        Ok(())
    }

    /// Looks at what the app has written since this was last done: it may acknowledge messages by
    /// itself.
    pub fn note_app_writes(&mut self, nc: &mut Nc<'_>) {
        let unsent = nc.unsent();
        let accounted = core::mem::replace(&mut self.accounted, unsent);
        if unsent <= accounted {
            return;
        }
        if self.connect_fn.is_some() && !self.core.session.is_connect_sent() {
            // It is the app's CONNECT, which is to be read first.
            self.accounted = accounted;
            return;
        }
        let acks = count_pubacks(nc.last_unsent(unsent - accounted));
        self.core.session.app_sent(now());
        self.app_acks |= acks > 0;
        self.unacked = self.unacked.saturating_sub(acks);
        if self.inside {
            self.accounted = accounted;
            self.lift(nc, unsent - accounted);
        }
    }

    /// Keeps the last `len` bytes that wait to leave until the packet before them is complete.
    #[cold]
    #[inline(never)]
    fn lift(&mut self, nc: &mut Nc<'_>, len: usize) {
        if let Some(lift) = self.hooks.get().and_then(|hooks| hooks.lift) {
            lift(self, nc.lend(), len);
        }
    }
}

/// True if `size` bytes more may wait for the link. Without a connection there is none to fill. Notes
/// what the app has written.
pub fn has_room(c: ConnectionRef<'_>, t: &mut NoApp, size: usize) -> bool {
    let Some((connection, mut nc)) = c.live(t) else { return true };
    connection.note_app_writes(&mut nc);
    let unsent = connection.accounted;
    // SAFETY: asks the heap.
    !connection.inside && (unsent == 0 || connection.core.session.has_room(unsent, size, unsafe { shim::mgos_mqtt_shim_free_heap() }))
}

/// Over WebSocket works on frames, and accounts for what then waits to leave. Runs no app code.
fn frames(c: ConnectionRef<'_>, t: &mut NoApp, what: Frames) -> Result<(), Interruption> {
    if !c.look(t).has_frames() {
        return Ok(());
    }
    let result = websocket::frames(c, t, what);
    if let Some((connection, nc)) = c.live(t) {
        connection.accounted = nc.unsent();
    }
    result
}

/// Draws the consequence where the work on frames has ended early. May run app code.
#[inline(always)]
fn conclude(c: ConnectionRef<'_>, t: &mut NoApp, result: Result<(), Interruption>) {
    if let Err(why) = result {
        interrupted(c, t, why);
    }
}

#[cold]
#[inline(never)]
fn interrupted(c: ConnectionRef<'_>, t: &mut NoApp, why: Interruption) {
    match why {
        // The server ends it: there is no reason of ours.
        Interruption::CLOSED => close_after(c, t, Reason::None),
        Interruption::OUT_OF_MEMORY => {
            close_now(c, t, Reason::NoMemory);
            c.say(t, Log::NoMemory);
        }
        why => {
            close_now(c, t, Reason::Violation);
            c.log(t, Log::BadFrame, 0, why.rule());
        }
    }
}

/// Frames what the app has written. May run app code.
pub fn frame_app_writes(c: ConnectionRef<'_>, t: &mut NoApp) {
    run_frames(c, t, Frames::Into);
}

/// Takes what has come in out of its frames. Answers to control frames are ours, not the app's. May
/// run app code.
#[inline(never)]
pub fn unframe(c: ConnectionRef<'_>, t: &mut NoApp, to_the_end: bool) {
    run_frames(c, t, if to_the_end { Frames::OutOfToTheEnd } else { Frames::OutOf });
}

/// Writes a close frame; all packets before it are in frames already. May run app code.
pub fn frame_close(c: ConnectionRef<'_>, t: &mut NoApp) {
    run_frames(c, t, Frames::Close);
}

#[inline(always)]
fn run_frames(c: ConnectionRef<'_>, t: &mut NoApp, what: Frames) {
    let connection = c.look(t);
    if connection.has_frames() || connection.inside {
        run_frames_now(c, t, what);
    }
}

#[inline(never)]
fn run_frames_now(c: ConnectionRef<'_>, t: &mut NoApp, what: Frames) {
    let Some((connection, mut nc)) = c.live(t) else { return };
    connection.note_app_writes(&mut nc);
    let result = frames(c, t, what);
    conclude(c, t, result);
}

/// Sends whatever there is to send.
pub fn pump(c: ConnectionRef<'_>, t: &mut NoApp) {
    let mut pause = 0;
    while let Some((connection, mut nc)) = c.live(t) {
        connection.note_app_writes(&mut nc);
        if connection.inside {
            break;
        }
        let now = now();
        let room = connection.accounted < SEND_LOW_WATER;
        let next = connection.core.session.next(room, now);
        let Some(out) = &next else { break };
        if nc.write(out, &mut connection.accounted).is_err() {
            // It stays where it is, and is tried again at the next poll.
            connection.poll_idle = false;
            pause = PAUSE;
            c.say(t, Log::NoMemory);
            break;
        }
        let &OutPacket { first, text, id, .. } = out;
        let (text, id, qos) = (&raw const *text, id.map_or(0, PacketId::get), out.requested_qos());
        let framed = frames(c, t, Frames::Into);
        let connection = c.get(t);
        let unsent = connection.accounted;
        connection.counters.count_sent(first);
        connection.core.session.sent(unsent, now);
        let (what, a, b) = match first >> 4 {
            kind::PUBLISH => (Log::Pub, id as i32, first as i32),
            _ => (Log::Sub, qos as i32, 0),
        };
        if matches!(first >> 4, kind::PUBLISH | kind::SUBSCRIBE) {
            // SAFETY: the text lies in a block of the session, which `sent` leaves where and as it
            // is, and no app code has run since `next` lent it.
            unsafe { c.log_raw(t, what, text, a, b) };
        }
        conclude(c, t, framed);
        // A ping that is due waits for the timer or a poll.
        if !c.look(t).core.session.may_have_more() {
            break;
        }
    }
    log_notices(c, t);
    arm_after(c, t, pause);
}

/// The longest interval of the timer, milliseconds. If there is no memory for a shorter one, it fires
/// after this time at the latest.
const LONGEST_WAIT: u32 = 60_000;

impl Connection {
    /// The timer has fired, and repeats; the next deadline has it set anew.
    pub fn timer_fired(&mut self, now: Millis) {
        self.timer_at = now.wrapping_add(u32::MAX / 4);
    }
}

/// Sees to it that we are woken when the core next wants to be.
pub fn arm(c: ConnectionRef<'_>, t: &mut NoApp) {
    arm_after(c, t, 0);
}

/// The same, but not before this many milliseconds have passed.
#[inline(never)]
fn arm_after(c: ConnectionRef<'_>, t: &mut NoApp, pause: u32) {
    let connection = c.get(t);
    // Inside a packet nothing is sent that may be due.
    let waits = connection.inside && !connection.core.is_closing();
    let mut at = if waits { NEVER } else { connection.core.deadline().unwrap_or(NEVER) };
    if connection.has_events() {
        at = earlier(at, connection.events_deadline());
    }
    let now = now();
    at = earlier(at, connection.hooks_due(now));
    if at == NEVER && connection.nc.is_none() {
        return disarm(c, t);
    }
    at = earlier(at, now.wrapping_add(LONGEST_WAIT).max(1));
    let first = now.wrapping_add(pause);
    if !reached(at, first) {
        at = first;
    }
    // A timer that fires too early does no harm: it is set anew then.
    if connection.timer != 0 && reached(at, connection.timer_at) {
        return;
    }
    let old = connection.timer;
    let left = at.wrapping_sub(now);
    let ms = if left as i32 <= 0 { 0 } else { left as i32 };
    // SAFETY: sets a timer, which calls nobody now. The object lives until it is freed, which
    // clears the timer.
    let timer = unsafe { shim::mgos_mqtt_shim_timer(old, ms, c.ptr()) };
    if timer == old {
        // Without memory the old one goes on, and the next poll or call tries again.
        connection.poll_idle = false;
    } else {
        connection.timer = timer;
        connection.timer_at = at;
    }
}

/// Clears the timer.
pub fn disarm(c: ConnectionRef<'_>, t: &mut NoApp) {
    let old = core::mem::take(&mut c.get(t).timer);
    if old != 0 {
        // SAFETY: clears a timer of ours.
        unsafe { shim::mgos_mqtt_shim_timer(old, -1, c.ptr()) };
    }
}

/// Gives the connection up, without sending anything more.
pub fn close_now(c: ConnectionRef<'_>, t: &mut NoApp, why: Reason) {
    let connection = c.get(t);
    connection.ends(why);
    connection.core.closing(0, 0);
    if let Some((_, mut nc)) = c.live(t) {
        nc.close(false);
    }
}

/// Gives the connection up; what has been written before goes out first, if it does so soon.
pub fn close_after(c: ConnectionRef<'_>, t: &mut NoApp, why: Reason) {
    let connection = c.get(t);
    connection.ends(why);
    connection.core.closing(FLUSH, now());
    if let Some((_, mut nc)) = c.live(t) {
        nc.close(true);
    }
    arm(c, t);
}
