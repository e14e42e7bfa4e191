//! Messages that are published in pieces, as the app reads them: they are never in memory as a whole.
//!
//! Such a message is one packet on the wire, so nothing else may be written before its last byte. The
//! pump waits, and new messages are queued or refused. What is written all the same, by the app's own
//! calls of Mongoose or to acknowledge what has come in, is lifted out and follows the last piece.

use super::app::Line;
use super::clock::now;
use super::connection::{Connection, ConnectionRef, Feature, Hook, Moment, Upload};
use super::hooks;
use super::nc::{ACK_BACKLOG, Nc};
use super::pump::{self, SEND_LOW_WATER, arm, close_now};
use super::results;
use super::shim::Log;
use super::token::{Lent, NoApp};
use super::types::{Reason, mgos_mqtt_result};
use crate::session::{Millis, NEVER, RequestError, WatchOptions, reached};
use crate::wire::{PacketId, check_name, kind, publish_head};
use core::ffi::c_int;

static HOOK: Hook = Hook { run, due };

/// Bytes that the app is asked for at once.
const PIECE: usize = 256;

/// A message that makes no progress for so long ends its connection, milliseconds.
const STALL: u32 = 30_000;

/// How long until the app is asked again for bytes that it did not have, milliseconds.
const READ_AGAIN: u32 = 100;

/// How long until what lacked memory is tried again, milliseconds.
const RETRY: u32 = 1000;

/// Has a message published in pieces. It begins in the event loop.
pub fn publish(c: ConnectionRef<'_>, t: &mut NoApp, topic: &[u8], upload: Upload) -> Result<(), RequestError> {
    let is_finishing = c.get(t).finish().is_some();
    if c.look(t).is_freed() || is_finishing {
        return Err(RequestError::Offline);
    }
    check_name(topic).map_err(RequestError::Topic)?;
    publish_head(6, topic.len() as u16, upload.total).ok_or(RequestError::TooLarge)?;
    // Memory comes first, so that the outcome can be told.
    hooks::install(c, t, Feature::Outcomes, &results::HOOK)?;
    hooks::install(c, t, Feature::Uploads, &HOOK)?;
    let Some(hooks) = c.get(t).hooks.get_mut() else { return Err(RequestError::OutOfMemory) };
    if !hooks.upload.is_empty() {
        return Err(RequestError::Congested);
    }
    hooks.lift = Some(lift);
    hooks.upload.push_front(Upload { at: now().max(1), ..upload }, &[topic])?;
    arm(c, t);
    Ok(())
}

fn due(connection: &Connection, _: Millis) -> Millis {
    let upload = connection.hooks.get().and_then(|hooks| hooks.upload.iter().next()).map(|upload| upload.value);
    upload.filter(|upload| !upload.calling).map_or(NEVER, |upload| upload.at)
}

impl Connection {
    fn upload(&mut self) -> Option<&mut Upload> {
        let hooks = self.hooks.get_mut()?;
        hooks.upload.first_value_mut()
    }

    /// Lets the message rest for this time.
    fn rest(&mut self, ms: u32) {
        if let Some(upload) = self.upload() {
            (upload.rests, upload.at) = (true, now().wrapping_add(ms).max(1));
        }
    }

    fn forget_upload(&mut self) {
        self.leave();
        if let Some(hooks) = self.hooks.get_mut() {
            hooks.upload.clear();
        }
    }

    /// The packet is complete, or lost with its connection.
    fn leave(&mut self) {
        (self.inside, self.is_full_inside) = (false, false);
        if let Some(hooks) = self.hooks.get_mut() {
            hooks.lifted.clear();
            hooks.lifted_len = 0;
        }
    }

    /// Writes all of the message but its payload. `None` without memory.
    fn begin_upload(&mut self) -> Option<()> {
        let max_qos = self.max_qos();
        let Connection { core, hooks, nc, .. } = self;
        let item = hooks.get()?.upload.iter().next()?;
        let Upload { callback: handler, qos, retain, total, .. } = *item.value;
        let qos = qos.min(max_qos);
        let flags = (qos as u8) << 1 | retain as u8;
        let (head, len) = publish_head(flags, item.bytes.len() as u16, total)?;
        // SAFETY: as in `ConnectionRef::live`: no app code runs here.
        let mut nc = unsafe { Nc::new((*nc)?) };
        let (session, now, before) = (&mut core.session, now(), nc.unsent());
        let id = session.watch(qos, WatchOptions { handler, lifetime: 0, replace: false }, now).ok()?;
        let id_bytes = id.get().to_be_bytes();
        let id_bytes = if flags & 6 != 0 { &id_bytes[..] } else { &[] };
        let written = nc.put(head.get(..len)?) && nc.put(item.bytes) && nc.put(id_bytes);
        if !written || session.upload_begins(id, flags, now).is_err() {
            nc.unsend(nc.unsent() - before);
            session.refused(id);
            return None;
        }
        self.inside = true;
        let upload = self.upload()?;
        (upload.id, upload.offset, upload.moved_at) = (id.get(), 0, now);
        upload.starts = upload.starts.saturating_sub(1);
        Some(())
    }
}

fn run(c: ConnectionRef<'_>, mut t: Lent<'_>, moment: Moment, _: usize) -> bool {
    let t = t.get();
    match moment {
        Moment::Round => step(c, t),
        Moment::Ended => cut_off(c.get(t)),
        _ => {}
    }
    false
}

/// Brings the message forward, if anything can be done.
fn step(c: ConnectionRef<'_>, t: &mut NoApp) {
    let connection = c.get(t);
    let (is_freed, inside) = (connection.is_freed(), connection.inside);
    let Some(&mut upload) = connection.upload() else { return };
    if upload.calling || upload.rests && !is_freed && !reached(now(), upload.at) {
        return;
    }
    if let Some(upload) = connection.upload() {
        upload.rests = false;
    }
    match () {
        _ if is_freed => freed(c, t, upload),
        _ if inside => feed(c, t),
        _ if upload.offset > 0 || upload.starts == 0 => ended_inside(c, t, upload),
        _ => begin(c, t),
    }
}

/// The connection is being freed.
#[inline(never)]
fn freed(c: ConnectionRef<'_>, t: &mut NoApp, upload: Upload) {
    let connection = c.get(t);
    let inside = connection.inside;
    connection.forget_upload();
    // The outcome of one that was being written is told with those of other messages.
    if !inside {
        c.call_result(t, upload.callback, upload.id, mgos_mqtt_result::Freed as c_int);
    }
}

/// The connection has ended inside the message.
fn ended_inside(c: ConnectionRef<'_>, t: &mut NoApp, upload: Upload) {
    if let Some(upload) = c.get(t).upload() {
        // The hook of the line may run the event loop.
        (upload.offset, upload.at, upload.calling) = (0, NEVER, true);
    }
    c.log_found(t, |connection, _| {
        let text = connection.hooks.get()?.upload.iter().next()?.bytes;
        Some(Line { what: Some(Log::CutOff), text, a: upload.offset as i32, b: 0 })
    });
    let connection = c.get(t);
    if connection.is_freed() {
        return freed(c, t, upload);
    }
    if let Some(upload) = connection.upload() {
        upload.calling = false;
    }
    if upload.starts == 0 {
        connection.forget_upload();
        c.call_result(t, upload.callback, upload.id, mgos_mqtt_result::GivenUp as c_int);
    }
}

fn begin(c: ConnectionRef<'_>, t: &mut NoApp) {
    let Some((connection, mut nc)) = c.live(t) else { return wait(c, t) };
    connection.note_app_writes(&mut nc);
    if !connection.core.session.is_all_sent() || connection.accounted >= SEND_LOW_WATER {
        return wait(c, t);
    }
    if connection.begin_upload().is_none() {
        connection.rest(RETRY);
        c.say(t, Log::NoMemory);
        return arm_unless_freed(c, t);
    }
    pump::conclude_put(c, t);
    c.log_found(t, |connection, _| {
        let max_qos = connection.max_qos();
        let item = connection.hooks.get()?.upload.iter().next()?;
        let Upload { id, qos, retain, .. } = *item.value;
        let first = (qos.min(max_qos) as i32) << 1 | retain as i32;
        Some(Line { what: Some(Log::Pub), text: item.bytes, a: id as i32, b: first })
    });
    if c.look(t).inside && !c.look(t).is_freed() {
        feed(c, t);
    }
}

/// Nothing can be done before something else happens.
fn wait(c: ConnectionRef<'_>, t: &mut NoApp) {
    if let Some(upload) = c.get(t).upload() {
        upload.at = NEVER;
    }
}

fn arm_unless_freed(c: ConnectionRef<'_>, t: &mut NoApp) {
    if !c.look(t).is_freed() {
        arm(c, t);
    }
}

/// Asks the app for pieces while the link takes them.
fn feed(c: ConnectionRef<'_>, t: &mut NoApp) {
    loop {
        let Some((connection, mut nc)) = c.live(t) else { return wait(c, t) };
        connection.note_app_writes(&mut nc);
        let unsent = connection.accounted;
        let is_closing = !connection.core.session.is_up();
        let Some(upload) = connection.upload() else { return };
        if upload.offset == upload.total {
            return complete(c, t);
        }
        if is_closing {
            return wait(c, t);
        }
        if unsent >= SEND_LOW_WATER {
            return pause(c, t, unsent);
        }
        match write_piece(c, t) {
            Piece::Written => pump::conclude_put(c, t),
            Piece::NotYet => return pause(c, t, 0),
            Piece::NoMemory => {
                pause(c, t, 0);
                if c.look(t).inside {
                    c.get(t).rest(RETRY);
                }
                c.say(t, Log::NoMemory);
                return arm_unless_freed(c, t);
            }
            Piece::GivenUp => return give_up(c, t),
            Piece::Gone => return,
        }
        if c.look(t).is_freed() {
            return;
        }
    }
}

/// What has become of a piece.
enum Piece {
    Written,
    /// The app has none yet.
    NotYet,
    NoMemory,
    /// The app gives the message up.
    GivenUp,
    /// The app has ended the connection.
    Gone,
}

/// Asks the app for a piece, and writes it. Not part of `feed`, so that the piece is on the stack only
/// here.
#[inline(never)]
fn write_piece(c: ConnectionRef<'_>, t: &mut NoApp) -> Piece {
    let connection = c.get(t);
    let nc = connection.nc;
    let Some(upload) = connection.upload() else { return Piece::Gone };
    upload.calling = true;
    let Upload { read, callback, total, offset, .. } = *upload;
    let mut piece = [0; PIECE];
    let size = PIECE.min(total - offset);
    let got = c.call_read(t, read, callback.user_data, offset, piece.get_mut(..size).unwrap_or(&mut []));
    let connection = c.get(t);
    let Some(upload) = connection.upload() else { return Piece::Gone };
    upload.calling = false;
    let upload = *upload;
    if connection.is_freed() {
        freed(c, t, upload);
        return Piece::Gone;
    }
    if !connection.inside || connection.nc != nc {
        arm(c, t);
        return Piece::Gone;
    }
    let got = match usize::try_from(got) {
        Ok(0) => return Piece::NotYet,
        Ok(got) if got <= size => got,
        _ => return Piece::GivenUp,
    };
    let Some((connection, mut nc)) = c.live(t) else { return Piece::Gone };
    connection.note_app_writes(&mut nc);
    if !connection.core.session.is_up() {
        // It is being closed, and what is complete by now goes out first.
        wait(c, t);
        return Piece::Gone;
    }
    if !nc.put(piece.get(..got).unwrap_or(&[])) {
        return Piece::NoMemory;
    }
    let now = now();
    connection.core.session.app_sent(now);
    if let Some(upload) = connection.upload() {
        (upload.offset, upload.moved_at) = (offset + got, now);
    }
    Piece::Written
}

/// The link takes no more (`unsent` bytes wait), or the app has nothing yet.
fn pause(c: ConnectionRef<'_>, t: &mut NoApp, unsent: usize) {
    let now = now();
    let connection = c.get(t);
    let Some(upload) = connection.upload() else { return };
    let limit = upload.moved_at.wrapping_add(STALL);
    if reached(now, limit) {
        upload.at = NEVER;
        close_now(c, t, Reason::Lost);
        return c.say(t, Log::CloseTimeout);
    }
    if unsent > 0 {
        upload.at = limit.max(1);
    } else {
        connection.rest(READ_AGAIN);
    }
    arm(c, t);
}

/// The app gives the message up. A part of it is with the broker, so the connection has to end.
fn give_up(c: ConnectionRef<'_>, t: &mut NoApp) {
    if let Some(upload) = c.get(t).upload() {
        (upload.starts, upload.at) = (0, NEVER);
    }
    close_now(c, t, Reason::Asked);
}

/// All of the message was written: what was lifted out follows.
#[inline(never)]
fn complete(c: ConnectionRef<'_>, t: &mut NoApp) {
    let Some((connection, mut nc)) = c.live(t) else { return };
    let unsent = connection.accounted;
    let Some(&mut Upload { id, .. }) = connection.upload() else { return };
    connection.counters.count_sent(kind::PUBLISH << 4);
    if let Some(id) = PacketId::new(id) {
        connection.core.session.last_piece_sent(id, now());
        connection.core.session.written(id, unsent);
    }
    let lifted = connection.hooks.get_mut();
    let all_put = lifted.is_none_or(|hooks| hooks.lifted.iter().all(|item| nc.put(item.bytes)));
    connection.forget_upload();
    if !all_put {
        close_now(c, t, Reason::NoMemory);
        return c.say(t, Log::NoMemory);
    }
    pump::conclude_put(c, t);
    if !c.look(t).is_freed() {
        pump::pump(c, t);
    }
}

/// The last bytes that wait to leave have come behind the message.
fn lift(connection: &mut Connection, mut nc: Nc<'_>, len: usize) {
    let Some(hooks) = connection.hooks.get_mut() else { return };
    if hooks.lifted.push_back((), &[nc.last_unsent(len)]).is_ok() {
        hooks.lifted_len += len;
        connection.is_full_inside = hooks.lifted_len >= ACK_BACKLOG;
    } else {
        // They would be lost, and the app thinks that they were sent.
        connection.ends(Reason::NoMemory);
        connection.core.closing(0, 0);
        nc.close(false);
    }
    nc.unsend(len);
}

/// The connection has ended. If that was inside the message, the broker has dropped its part.
fn cut_off(connection: &mut Connection) {
    if !connection.inside {
        return;
    }
    connection.leave();
    let Some(upload) = connection.upload() else { return };
    upload.rests = false;
    if let Some(id) = PacketId::new(upload.id) {
        connection.core.session.publish_failed(id);
        connection.core.session.refused(id);
    }
}
