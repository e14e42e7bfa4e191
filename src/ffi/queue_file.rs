//! The queue in a file, so that it survives a restart: two copies, written in turn, of which the
//! newest that is whole counts. Nothing is renamed, and a copy is complete once it is closed.
//!
//! A copy: magic, generation, number of bytes that follow, wall clock, session key, 32 bits each, in
//! little-endian order; what `Session::save` writes; a CRC-32 of all that.

use super::clock::now;
use super::connection::{Connection, ConnectionGuard, ConnectionRef, Feature, Handler, Hook, Moment, QueueFile};
use super::hooks;
use super::pump::arm;
use super::results;
use super::shim::{self, QueueLog};
use super::token::{Lent, NoApp};
use super::types::mgos_mqtt_conn;
use crate::session::{Extent, Millis, NEVER, RestoreError, reached};
use core::cell::Cell;
use core::ffi::{c_char, c_void};
use core::ptr::{NonNull, null, null_mut};

const MAGIC: u32 = u32::from_le_bytes(*b"MQQ1");

/// How long to wait after a file could not be written, milliseconds.
const RETRY: u32 = 60_000;

/// Bytes that are read or written at a time.
const CHUNK: usize = 64;

static HOOK: Hook = Hook { run, due };

/// The first bytes of a copy.
#[derive(Clone, Copy)]
struct Header {
    generation: u32,
    /// Bytes after the header and before the checksum.
    len: u32,
    /// The wall clock when it was written, seconds; 0 if it was not set.
    clock: u32,
    session_key: u32,
}

impl Header {
    fn to_bytes(self) -> [[u8; 4]; 5] {
        [MAGIC, self.generation, self.len, self.clock, self.session_key].map(u32::to_le_bytes)
    }

    fn read(from: &mut Reader) -> Option<Self> {
        let mut numbers = [[0; 4]; 5];
        if !from.fill(numbers.as_flattened_mut()) {
            return None;
        }
        let [magic, generation, len, clock, session_key] = numbers.map(u32::from_le_bytes);
        (magic == MAGIC).then_some(Header { generation, len, clock, session_key })
    }
}

/// CRC-32 (IEEE 802.3), without a table.
fn crc(mut crc: u32, bytes: &[u8]) -> u32 {
    for &byte in bytes {
        crc ^= byte as u32;
        for _ in 0..8 {
            crc = crc >> 1 ^ if crc & 1 != 0 { 0xedb8_8320 } else { 0 };
        }
    }
    crc
}

/// What is in the file cannot be read or taken now: it must stay as it is.
struct Unreadable;

impl From<RestoreError> for Unreadable {
    fn from(_: RestoreError) -> Self {
        Unreadable
    }
}

/// A copy that is open, to be read.
struct Reader {
    fd: i32,
    crc: u32,
}

impl Reader {
    /// `None` if it is not there.
    fn open(claim: NonNull<c_void>, copy: u8) -> Result<Option<Self>, Unreadable> {
        const NOT_THERE: i32 = -1;
        // SAFETY: the claim is a connection's.
        match unsafe { shim::mgos_mqtt_shim_queue_open(claim.as_ptr(), copy as u32, 0) } {
            NOT_THERE => Ok(None),
            fd if fd < 0 => Err(Unreadable),
            fd => Ok(Some(Reader { fd, crc: !0 })),
        }
    }

    fn fill(&mut self, to: &mut [u8]) -> bool {
        // SAFETY: `to` is borrowed mutably; the file is open.
        let n = unsafe { shim::mgos_mqtt_shim_queue_read(self.fd, to.as_mut_ptr(), to.len()) };
        self.crc = crc(self.crc, to);
        n == to.len()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // SAFETY: it is open, and not used again. There is nothing to be lost.
        unsafe { shim::mgos_mqtt_shim_queue_close(self.fd) };
    }
}

/// A copy that is being written.
struct Writer {
    fd: i32,
    crc: u32,
    ok: bool,
    buf: [u8; CHUNK],
    used: usize,
}

impl Writer {
    fn open(claim: NonNull<c_void>, copy: u8) -> Self {
        // SAFETY: the claim is a connection's.
        let fd = unsafe { shim::mgos_mqtt_shim_queue_open(claim.as_ptr(), copy as u32, 1) };
        Writer { fd, crc: !0, ok: fd >= 0, buf: [0; CHUNK], used: 0 }
    }

    fn write(&mut self, bytes: &[u8]) {
        self.crc = crc(self.crc, bytes);
        if self.used + bytes.len() > CHUNK {
            self.flush();
        }
        match self.buf.get_mut(self.used..self.used + bytes.len()) {
            Some(to) => {
                to.copy_from_slice(bytes);
                self.used += bytes.len();
            }
            None => self.ok = self.ok && self.write_now(bytes),
        }
    }

    fn flush(&mut self) {
        let used = core::mem::take(&mut self.used);
        self.ok = self.ok && self.write_now(self.buf.get(..used).unwrap_or(&[]));
    }

    /// True unless not all could be written.
    fn write_now(&self, bytes: &[u8]) -> bool {
        // SAFETY: `bytes` is readable; the file is open, as all has gone well so far.
        bytes.is_empty() || unsafe { shim::mgos_mqtt_shim_queue_write(self.fd, bytes.as_ptr(), bytes.len()) } != 0
    }

    /// True if all of it is in the file, for good.
    fn finish(mut self) -> bool {
        let crc = (!self.crc).to_le_bytes();
        self.write(&crc);
        self.flush();
        // SAFETY: it is open, and not used again.
        let closed = self.fd >= 0 && unsafe { shim::mgos_mqtt_shim_queue_close(self.fd) } != 0;
        self.ok && closed
    }
}

/// What a copy is.
enum Found {
    Missing,
    Damaged,
    Whole(Header),
}

fn look_at(claim: NonNull<c_void>, copy: u8) -> Result<Found, Unreadable> {
    let Some(mut reader) = Reader::open(claim, copy)? else { return Ok(Found::Missing) };
    let Some(header) = Header::read(&mut reader) else { return Ok(Found::Damaged) };
    let mut left = header.len as usize;
    let mut buf = [0; CHUNK];
    while left > 0 {
        let n = left.min(CHUNK);
        if !reader.fill(&mut buf[..n]) {
            return Ok(Found::Damaged);
        }
        left -= n;
    }
    let expected = !reader.crc;
    let mut checksum = [0; 4];
    let is_whole = reader.fill(&mut checksum) && u32::from_le_bytes(checksum) == expected;
    Ok(if is_whole { Found::Whole(header) } else { Found::Damaged })
}

/// Keeps the queue of a connection in a file from now on, and takes what is there. False if that
/// can't be done, with the reason in the log.
///
/// # Safety
/// `path` is NULL or ends with a NUL.
pub unsafe fn keep(c: ConnectionRef<'_>, t: &mut NoApp, path: *const c_char, delay: u32) -> bool {
    let connection = c.get(t);
    let is_new = connection.nc.is_none() && connection.core.session.is_idle() && connection.queue_file().is_none();
    if !is_new || connection.is_freed() {
        // SAFETY: by the contract.
        unsafe { c.log_queue(t, QueueLog::TooLate, null_mut(), path, 0) };
        return false;
    }
    // SAFETY: by the contract.
    let claim = NonNull::new(unsafe { shim::mgos_mqtt_shim_queue_claim(path) });
    // So that no comparison of timestamps spans more than half their range.
    let delay = delay.min(i32::MAX as u32);
    // Messages with a lifetime may be among what is restored.
    let outcomes = hooks::install(c, t, Feature::Outcomes, &results::HOOK);
    let installed = outcomes.and_then(|()| hooks::install(c, t, Feature::QueueFile, &HOOK));
    let (Some(claim), Ok(())) = (claim, installed) else {
        if let Some(claim) = claim {
            // SAFETY: the claim is ours, and not used again.
            unsafe { shim::mgos_mqtt_shim_queue_release(claim.as_ptr()) };
        }
        // SAFETY: by the contract.
        unsafe { c.log_queue(t, QueueLog::Refused, null_mut(), path, 0) };
        return false;
    };
    let connection = c.get(t);
    let owner = c.ptr();
    let mut file = QueueFile {
        claim,
        owner,
        release,
        delay,
        generation: 0,
        copy: 0,
        failed: false,
        at: Cell::new(NEVER),
        is_marked: false,
        version: 0,
        digest: 0,
    };
    let loaded = connection.load(&mut file);
    let restored = connection.core.session.queued();
    (file.version, file.digest) = (connection.core.session.saved_version(), connection.core.session.saved_digest(Extent::All));
    if let Ok(Loaded::Damaged) = loaded {
        // Whatever is there is not what is in it.
        file.digest = !file.digest;
    }
    let ok = loaded.is_ok();
    if ok && let Some(hooks) = connection.hooks.get_mut() {
        hooks.queue_file = Some(file);
        // SAFETY: the object lives until it is freed, which ends the watch.
        unsafe { shim::mgos_mqtt_shim_watch_reboot(c.ptr(), 1) };
    }
    let (first, then) = match loaded {
        Err(Unreadable) => (Some(QueueLog::Unreadable), None),
        Ok(Loaded::Nothing) => (None, None),
        Ok(Loaded::Damaged) => (Some(QueueLog::Damaged), None),
        Ok(Loaded::Whole) => (None, Some(QueueLog::Restored)),
        Ok(Loaded::OneWhole) => (Some(QueueLog::Incomplete), Some(QueueLog::Restored)),
    };
    for what in [first, then].into_iter().flatten() {
        // SAFETY: by the contract.
        unsafe { c.log_queue(t, what, null_mut(), path, restored as u32) };
    }
    if !c.look(t).is_freed() {
        arm(c, t);
    }
    ok
}

/// Gives up the claim.
fn release(file: &mut QueueFile) {
    // SAFETY: the claim is this file's, and nobody uses it after this. Ends a watch that may have been
    // begun.
    unsafe {
        shim::mgos_mqtt_shim_watch_reboot(file.owner, 0);
        shim::mgos_mqtt_shim_queue_release(file.claim.as_ptr());
    }
}

/// What was in the file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loaded {
    /// There was none.
    Nothing,
    /// Something that was not whole.
    Damaged,
    /// A whole copy, and nothing that was not.
    Whole,
    /// A whole copy, and one that was not.
    OneWhole,
}

impl Connection {
    /// Takes what is in the file. Without memory for all of it nothing is taken.
    fn load(&mut self, file: &mut QueueFile) -> Result<Loaded, Unreadable> {
        let copies = [look_at(file.claim, 0)?, look_at(file.claim, 1)?];
        let newest = match &copies {
            [Found::Whole(a), Found::Whole(b)] => Some((a.generation.wrapping_sub(b.generation) as i32 <= 0) as u8),
            [Found::Whole(_), _] => Some(0),
            [_, Found::Whole(_)] => Some(1),
            _ => None,
        };
        let is_damaged = copies.iter().any(|copy| matches!(copy, Found::Damaged));
        let header = newest.and_then(|copy| match copies.get(copy as usize) {
            Some(Found::Whole(header)) => Some((copy, *header)),
            _ => None,
        });
        let Some((copy, header)) = header else {
            for copy in 0..2 {
                if matches!(copies.get(copy as usize), Some(Found::Damaged)) {
                    // SAFETY: the claim is this connection's.
                    unsafe { shim::mgos_mqtt_shim_queue_set_aside(file.claim.as_ptr(), copy) };
                }
            }
            return Ok(if is_damaged { Loaded::Damaged } else { Loaded::Nothing });
        };
        (file.generation, file.copy) = (header.generation, 1 - copy);
        let mut reader = Reader::open(file.claim, copy)?.ok_or(Unreadable)?;
        Header::read(&mut reader).ok_or(Unreadable)?;
        // SAFETY: asks the clock.
        let clock = unsafe { shim::mgos_mqtt_shim_wall_clock() };
        let age = if header.clock != 0 && clock > header.clock { (clock - header.clock).saturating_mul(1000) } else { 0 };
        let nobody = Handler { address: null(), user_data: null_mut() };
        self.core.session.restore(&mut |to| reader.fill(to), nobody, age, now())?;
        self.core.restore_key(header.session_key);
        Ok(if is_damaged { Loaded::OneWhole } else { Loaded::Whole })
    }

    /// Writes the next copy, if it differs from the last.
    /// True if it is in the file, for good.
    fn store(&mut self, extent: Extent) -> bool {
        let session_key = self.core.session_key();
        let session = &mut self.core.session;
        session.sweep(now());
        let (version, digest) = (session.saved_version(), session.saved_digest(extent));
        let is_all = digest == session.saved_digest(Extent::All);
        let Some(file) = self.hooks.get_mut().and_then(|hooks| hooks.queue_file.as_mut()) else { return true };
        // What was left out begins to wait now.
        file.at.set(if is_all { NEVER } else { after(file.delay / 2, now()) });
        file.is_marked = false;
        if digest != file.digest {
            // SAFETY: asks the clock.
            let clock = unsafe { shim::mgos_mqtt_shim_wall_clock() };
            let mut header = Header { generation: file.generation.wrapping_add(1), len: 0, clock, session_key };
            session.save(extent, &mut |piece| header.len += piece.len() as u32);
            let mut writer = Writer::open(file.claim, file.copy);
            writer.write(header.to_bytes().as_flattened());
            session.save(extent, &mut |piece| writer.write(piece));
            if !writer.finish() {
                return false;
            }
            (file.generation, file.copy) = (header.generation, 1 - file.copy);
        }
        (file.version, file.digest) = (version, digest);
        true
    }
}

/// A time that far ahead.
fn after(ms: u32, now: Millis) -> Millis {
    now.wrapping_add(ms).max(1)
}

/// Writes what has changed, if anything has.
fn commit(c: ConnectionRef<'_>, t: &mut NoApp) {
    commit_extent(c, t, Extent::All);
}

fn commit_extent(c: ConnectionRef<'_>, t: &mut NoApp, extent: Extent) {
    let connection = c.get(t);
    if connection.is_freed() {
        return;
    }
    let stored = connection.store(extent);
    let Some(file) = connection.queue_file() else { return };
    let had_failed = core::mem::replace(&mut file.failed, !stored);
    if !stored {
        file.at.set(after(RETRY, now()));
        let claim = file.claim.as_ptr();
        if !had_failed {
            // SAFETY: the claim is this connection's, and no path is given.
            unsafe { c.log_queue(t, QueueLog::NotWritten, claim, null(), 0) };
        }
    }
}

fn run(c: ConnectionRef<'_>, mut t: Lent<'_>, moment: Moment, _: usize) -> bool {
    let t = t.get();
    match moment {
        Moment::Round => commit_waiting(c, t),
        Moment::Relied if c.get(t).queue_file().is_some_and(|file| file.delay == 0) => commit(c, t),
        Moment::Leaving => commit(c, t),
        _ => {}
    }
    false
}

/// Commits what has waited for long enough: `delay` after the first change, without what was
/// published in the second half of that time.
fn commit_waiting(c: ConnectionRef<'_>, t: &mut NoApp) {
    let now = now();
    let at = due(c.look(t), now);
    if at == NEVER || !reached(now, at) {
        return;
    }
    let connection = c.get(t);
    let Some(file) = connection.queue_file() else { return };
    if file.delay == 0 || file.failed {
        return commit(c, t);
    }
    if file.is_marked {
        commit_extent(c, t, Extent::Marked);
    } else {
        file.is_marked = true;
        file.at.set(after(file.delay / 2, now));
        connection.core.session.mark_saveable();
    }
    if !c.look(t).is_freed() {
        arm(c, t);
    }
}

/// When to look at what has changed.
fn due(connection: &Connection, now: Millis) -> Millis {
    let hooks = connection.hooks.get().filter(|_| !connection.is_freed());
    let Some(file) = hooks.and_then(|hooks| hooks.queue_file.as_ref()) else { return NEVER };
    if file.at.get() == NEVER && connection.core.session.saved_version() != file.version {
        file.at.set(after(file.delay / 2, now));
    }
    file.at.get()
}

/// The device is about to restart.
///
/// # Safety
/// `c` is a live connection object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_mqtt_core_reboot(c: *mut mgos_mqtt_conn) {
    // SAFETY: the first thing here, once.
    let t = &mut unsafe { NoApp::enter() };
    // SAFETY: by the contract; nothing is borrowed yet.
    if let Some(guard) = unsafe { ConnectionGuard::new(c) } {
        commit(guard.get(), t);
    }
}
