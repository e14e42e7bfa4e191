//! The pump: carries out what the core wants, by calling C, and borrows the core afresh for each step.

use super::object::Held;
use super::shim::{self, Cloud, Log, Number};
use super::types::{Reason, mg_connection, mgos_mqtt_event, mgos_mqtt_event_arg};
use super::websocket;
use crate::conn::{Next, Slot, Waits, Wake};
use crate::session::{NEVER, Notice, earlier, reached};
use crate::wire::{OutPacket, PacketId, count_pubacks, kind, size};
use core::convert::Infallible;

/// What is queued goes out while fewer bytes than this wait for the link.
const ROOM: usize = 1024;

/// What is still to be sent when a connection is given up has so long, milliseconds.
const FLUSH: u32 = 5000;

/// What the app is to be told of is gathered for so long, milliseconds.
const EPISODE: u32 = 1000;

/// Uptime, milliseconds.
pub fn now() -> u32 {
    // SAFETY: reads a clock.
    unsafe { shim::mgos_mqtt_shim_now() }
}

/// True if the wall clock has been set.
pub fn time_is_set() -> bool {
    // SAFETY: reads a clock.
    unsafe { shim::mgos_mqtt_shim_time_is_set() != 0 }
}

/// What has been received on a live connection, and how long a packet may be.
pub fn received<'a>(nc: *mut mg_connection) -> (&'a [u8], usize) {
    let (mut len, mut limit) = (0, 0);
    // SAFETY: `nc` is alive. So many bytes lie there; they stay until they are consumed or the app is called, and nobody looks at them after that.
    unsafe {
        let bytes = shim::mgos_mqtt_shim_received(nc, &mut len, &mut limit);
        (if len == 0 { &[] } else { core::slice::from_raw_parts(bytes, len) }, limit)
    }
}

/// Writes into memory that has been set aside for it: for as much as is written and no more, as `OutPacket::remaining` says it beforehand. That this is
/// so, wire's tests show for all packets; where there are debug assertions it is checked.
struct Writer {
    to: *mut u8,
    #[cfg(debug_assertions)]
    left: usize,
}

impl Writer {
    /// # Safety
    /// `size` bytes are set aside at `to`, which nobody else looks at, and no more are written.
    unsafe fn new(to: *mut u8, size: usize) -> Self {
        let _ = size;
        Writer {
            to,
            #[cfg(debug_assertions)]
            left: size,
        }
    }
}

impl embedded_io::ErrorType for Writer {
    type Error = Infallible;
}

impl embedded_io::Write for Writer {
    #[inline(always)]
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        #[cfg(debug_assertions)]
        {
            self.left = self.left.checked_sub(bytes.len()).expect("a packet knows its size");
        }
        // SAFETY: by the contract of `new` there is room for them, and nothing that is written lies there.
        unsafe {
            self.to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            self.to = self.to.add(bytes.len());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }

    #[inline(always)]
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.write(bytes).map(drop)
    }
}

/// Why a packet was not written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum NotWritten {
    /// No memory.
    OutOfMemory,
    /// More than a packet can carry.
    TooLarge,
}

/// Writes a packet to `nc`: whole, or not at all. `nc` is a live connection; nothing that is called here calls the app.
fn write(nc: *mut mg_connection, out: &OutPacket<'_>) -> Result<(), NotWritten> {
    let remaining = out.remaining().ok_or(NotWritten::TooLarge)?;
    let size = size(remaining);
    let to = room(nc, size);
    if to.is_null() {
        return Err(NotWritten::OutOfMemory);
    }
    // SAFETY: there is room for `size` bytes, which is what a packet with this Remaining Length takes; `nc` is alive.
    unsafe {
        let Ok(()) = out.write(&mut Writer::new(to, size), remaining);
        shim::mgos_mqtt_shim_send(nc, size);
    }
    Ok(())
}

/// Where `size` bytes for the live connection `nc` can be written; NULL without memory.
fn room(nc: *mut mg_connection, size: usize) -> *mut u8 {
    // SAFETY: `nc` is alive. With the spare bytes there is room for the header of a WebSocket frame, too.
    unsafe { shim::mgos_mqtt_shim_room(nc, size, 14) }
}

/// Puts bytes as they are into the send buffer of the live connection `nc`. False without memory.
pub fn put(nc: *mut mg_connection, bytes: &[u8]) -> bool {
    let (to, size) = (room(nc, bytes.len()), bytes.len());
    if to.is_null() {
        return false;
    }
    // SAFETY: there is room for so many bytes, nobody else looks at it, and `bytes` does not lie there; `nc` is alive.
    unsafe {
        to.copy_from_nonoverlapping(bytes.as_ptr(), size);
        shim::mgos_mqtt_shim_send(nc, size);
    }
    true
}

/// Writes a packet of our own making at once, if there is a connection.
pub fn send(c: Held, out: &OutPacket<'_>) -> Result<(), NotWritten> {
    let nc = c.get().nc;
    if nc.is_null() {
        return Ok(());
    }
    watch(c, nc);
    let result = write(nc, out);
    if let Err(why) = result {
        c.say(if why == NotWritten::OutOfMemory { Log::NoMemory } else { Log::TooLarge });
    } else {
        written(c, nc);
        let session = &mut c.get().core.session;
        session.count_sent(out.first);
        session.sent_other(out.first, out.id, now());
    }
    result
}

/// Bytes that wait to leave.
pub fn unsent(nc: *mut mg_connection) -> usize {
    // SAFETY: `nc` is alive.
    unsafe { shim::mgos_mqtt_shim_unsent(nc) }
}

/// We have written something to the live connection `nc`: puts it into a frame. Returns how many bytes wait to leave.
pub fn written(c: Held, nc: *mut mg_connection) -> usize {
    let len = unsent(nc);
    c.get().seen = len;
    if !c.get().websocket.is_used() {
        return len;
    }
    websocket::frame(c, nc);
    // Without memory for the frame there was a log line, and its hook may have ended the connection.
    if c.get().nc != nc {
        return 0;
    }
    let len = unsent(nc);
    c.get().seen = len;
    len
}

/// Looks at what the app has written to the live connection `nc` since it was last looked at: it may acknowledge messages by itself.
pub fn watch(c: Held, nc: *mut mg_connection) {
    let unsent = unsent(nc);
    let object = c.get();
    let seen = core::mem::replace(&mut object.seen, unsent);
    if unsent <= seen {
        return;
    }
    // SAFETY: so many bytes lie in the send buffer, and nothing is called while they are looked at.
    let acks = unsafe {
        let len = unsent - seen;
        count_pubacks(core::slice::from_raw_parts(shim::mgos_mqtt_shim_last_sent(nc, len), len))
    };
    object.core.session.app_sent(now());
    object.app_acks |= acks > 0;
    object.unacked = object.unacked.saturating_sub(acks);
}

/// True if `size` bytes more may wait for the link. Without a connection there is none to fill.
pub fn has_room(c: Held, size: usize) -> bool {
    let nc = c.get().nc;
    if nc.is_null() {
        return true;
    }
    let unsent = unsent(nc);
    // SAFETY: asks the heap.
    unsent == 0 || c.get().core.session.has_room(unsent, size, unsafe { shim::mgos_mqtt_shim_free_heap() })
}

/// Logs what the session has to say, and notes of what the app is to be told by an event.
pub fn log_notices(c: Held) {
    while let Some(notice) = c.get().core.session.notice() {
        let no_text: &[u8] = &[];
        let object = c.get();
        // The text lies in a block of the session, which the shim copies before it makes the line.
        let (what, text, a, b) = match notice {
            Notice::Overdue(id) => (Log::Overdue, no_text, id.get() as i32, 0),
            Notice::SubscribeOverdue => (Log::SubOverdue, no_text, 0, 0),
            Notice::SubscribeUnanswered { filter } => (Log::SubUnanswered, filter, 0, 0),
            Notice::SetAside { id, topic, size } => {
                object.set_aside.add(id.get());
                (Log::SetAside, topic, id.get() as i32, size as i32)
            }
            Notice::SubscriptionSetAside { filter } => {
                object.refused = object.refused.saturating_add(1);
                (Log::SubSetAside, filter, 0, 0)
            }
            Notice::Dropped { id, topic } => {
                // Once each time that the event loop goes round; then with how many there were.
                if core::mem::replace(&mut object.overflow_logged, true) {
                    continue;
                }
                (Log::Overflow, topic, id.get() as i32, 0)
            }
            Notice::GivenUpAside { id, topic } => (Log::GivenUpAside, topic, id.get() as i32, 0),
            Notice::SessionPresent => (Log::SessionPresent, no_text, 0, 0),
        };
        let text = &raw const *text;
        c.log(what, text, a, b);
    }
}

/// True if the app is to be told of something by an event.
fn has_news(c: Held) -> bool {
    let object = c.get();
    !object.doomed && (object.refused > 0 || object.set_aside.count > 0 || object.core.session.has_given_up())
}

/// The event loop goes round: tells the app what has become of messages and subscriptions, once for all that has come together.
pub fn tell_news(c: Held) {
    if !has_news(c) {
        return;
    }
    if c.get().news_at == 0 {
        // More may come with it.
        arm(c);
        return;
    }
    let object = c.get();
    if !reached(now(), object.news_at) {
        return;
    }
    object.news_at = 0;
    let given_up = object.core.session.take_given_up();
    let logged = core::mem::take(&mut object.overflow_logged);
    let set_aside = core::mem::take(&mut object.set_aside);
    let refused = core::mem::take(&mut object.refused) as u32;
    let event = |which: mgos_mqtt_event, count, first_id, last_id| {
        // A handler of the event before, or a log hook, may have freed the connection.
        if count > 0 && !c.get().doomed {
            let mut arg = mgos_mqtt_event_arg { conn: c.ptr(), count, first_id, last_id };
            // SAFETY: no reference to the object is alive.
            unsafe { shim::mgos_mqtt_shim_event(which as i32, (&raw mut arg).cast()) };
        }
    };
    if given_up.count > logged as u16 {
        let ids = (given_up.first as u32) << 16 | given_up.last as u32;
        c.log(Log::GivenUp, &[], given_up.count as i32, ids as i32);
    }
    event(mgos_mqtt_event::GivenUp, given_up.count as u32, given_up.first, given_up.last);
    event(mgos_mqtt_event::SetAside, set_aside.count as u32, set_aside.first, set_aside.last);
    event(mgos_mqtt_event::SubRefused, refused, 0, 0);
}

/// Sends whatever there is to send.
pub fn pump(c: Held) {
    loop {
        let nc = c.get().nc;
        if nc.is_null() {
            break;
        }
        watch(c, nc);
        let now = now();
        let room = c.get().seen < ROOM;
        let Some(out) = c.get().core.session.next(room, now) else { break };
        if write(nc, &out).is_err() {
            // It stays where it is, and is tried again at the next poll.
            c.get().quiet = false;
            c.say(Log::NoMemory);
            break;
        }
        let OutPacket { first, text, id, qos, .. } = out;
        let (text, id) = (&raw const *text, id.map_or(0, PacketId::get));
        let unsent = written(c, nc);
        let session = &mut c.get().core.session;
        session.count_sent(first);
        session.sent(unsent, now);
        // The text lies in a block of the session. `sent` leaves it alone, and the shim copies it before it makes the line, so that a log
        // hook may free the block.
        match first >> 4 {
            kind::PUBLISH => c.log(Log::Pub, text, id as i32, first as i32),
            kind::SUBSCRIBE => c.log(Log::Sub, text, qos as i32, 0),
            _ => {}
        }
    }
    log_notices(c);
    arm(c);
}

/// Sees to it that we are woken when the core next wants to be.
pub fn arm(c: Held) {
    let mut at = c.get().core.deadline().unwrap_or(NEVER);
    if has_news(c) {
        let object = c.get();
        if object.news_at == 0 {
            object.news_at = now().wrapping_add(EPISODE).max(1);
        }
        at = earlier(at, object.news_at);
    }
    let object = c.get();
    if at == NEVER {
        return;
    }
    // A timer that fires too early does no harm: it is set anew then.
    if object.timer != 0 && reached(at, object.timer_at) {
        return;
    }
    let old = object.timer;
    let left = at.wrapping_sub(now());
    let ms = if left as i32 <= 0 { 0 } else { left as i32 };
    // SAFETY: the object lives until it is freed, which clears the timer.
    let timer = unsafe { shim::mgos_mqtt_shim_timer(old, ms, c.ptr()) };
    let object = c.get();
    if timer == old {
        // Without memory the old one goes on, and the next poll or call tries again.
        object.quiet = false;
    } else {
        object.timer = timer;
        object.timer_at = at;
    }
}

/// Clears the timer, unless the app is to be told of something.
pub fn disarm(c: Held) {
    if has_news(c) {
        return;
    }
    let old = core::mem::take(&mut c.get().timer);
    if old != 0 {
        // SAFETY: clears a timer of ours.
        unsafe { shim::mgos_mqtt_shim_timer(old, -1, c.ptr()) };
    }
}

/// Raises a cloud event, if the configuration asks for them.
pub fn cloud_event(c: Held, which: Cloud) {
    if c.number(Number::CloudEvents) != 0 {
        // SAFETY: no reference to the object is alive.
        unsafe { shim::mgos_mqtt_shim_cloud_event(which) };
    }
}

/// Gives the connection up, without sending anything more.
pub fn close_now(c: Held, why: Reason) {
    c.ends(why);
    c.get().core.closing(0, 0);
    let nc = c.get().nc;
    if !nc.is_null() {
        // SAFETY: `nc` is alive.
        unsafe { shim::mgos_mqtt_shim_close(nc, 0) };
    }
}

/// Gives the connection up; what has been written before goes out first, if it does so soon.
pub fn close_after(c: Held, why: Reason) {
    c.ends(why);
    c.get().core.closing(FLUSH, now());
    let nc = c.get().nc;
    if !nc.is_null() {
        // SAFETY: `nc` is alive.
        unsafe { shim::mgos_mqtt_shim_close(nc, 1) };
    }
    arm(c);
}

/// Looks at what time asks for.
pub fn wake(c: Held) {
    let wake = c.get().core.wake(now());
    match wake {
        Wake::Nothing => {}
        Wake::Connect => {
            // The wait is over, whatever comes of it.
            c.get().core.cancel_wait();
            super::lifecycle::connect(c);
        }
        Wake::ConnectTimeout => {
            c.log(Log::ConnectTimeout, &[], c.number(Number::ConnectTimeout), 0);
            close_now(c, Reason::ConnectTimeout);
            cloud_event(c, Cloud::ConnectError);
        }
        Wake::CloseTimeout => {
            c.say(Log::CloseTimeout);
            close_now(c, Reason::Lost);
        }
        Wake::PingTimeout => {
            c.say(Log::PingTimeout);
            close_now(c, Reason::PingTimeout);
        }
    }
}

fn waits(c: Held, slot: Slot) -> Option<Waits> {
    let config = c.config_of(slot);
    let number = |which| super::object::number(config, which);
    if number(Number::Enable) == 0 || number(Number::HasServer) == 0 {
        return None;
    }
    Some(Waits { min: number(Number::ReconnectMin) as u32, max: number(Number::ReconnectMax) as u32 })
}

/// An attempt has failed, or the connection is gone: what now.
pub fn reconnect(c: Held) {
    let slot = c.get().core.slot();
    let current = waits(c, slot);
    let other = slot.other().and_then(|other| waits(c, other));
    // SAFETY: makes a number.
    let random = unsafe { shim::mgos_mqtt_shim_random() };
    let now = now();
    match c.get().core.next(current, other, random, now) {
        Next::Stay => {}
        Next::Connect => {
            super::lifecycle::connect(c);
        }
        Next::Wait(ms) => {
            let now_in_use = c.get().core.slot();
            if now_in_use != slot {
                c.log(Log::Switched, &[], now_in_use as i32, 0);
            }
            c.log(Log::Wait, &[], ms as i32, 0);
            arm(c);
        }
    }
}
