//! The live Mongoose connection: its buffers, and what is done to it. Nothing here runs app code.

use super::config::Config;
use super::shim;
use super::token::NoApp;
use super::types::{mg_connection, mgos_mqtt_conn};
use crate::wire::{OutPacket, size};
use core::convert::Infallible;
use core::marker::PhantomData;
use core::ptr::NonNull;

/// Which Mongoose connection: an address to compare. It may be kept while app code runs, and the
/// connection may be gone afterwards; [`Nc`] is the way to a live one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NcId(NonNull<mg_connection>);

impl NcId {
    /// `None` for NULL.
    pub fn new(nc: *mut mg_connection) -> Option<Self> {
        NonNull::new(nc).map(NcId)
    }

    /// The address, to be handed to C.
    pub fn ptr(self) -> *mut mg_connection {
        self.0.as_ptr()
    }
}

/// A Mongoose connection that is alive: it is closed by flags, and freed when the event loop finds
/// them, which is app code to us.
pub struct Nc<'t> {
    id: NcId,
    token: PhantomData<&'t mut NoApp>,
}

/// Acknowledgements and pongs wait while this many bytes wait to leave.
pub const ACK_BACKLOG: usize = 8192;

/// With these spare bytes there is room in front of a packet for the header of its WebSocket frame.
const FRAME_HEADER: usize = 14;

impl<'t> Nc<'t> {
    /// # Safety
    /// It is alive for as long as no app code runs, and 't borrows the token.
    pub unsafe fn new(id: NcId) -> Self {
        Nc { id, token: PhantomData }
    }

    /// The same, for a function that is called through a pointer: a reference would have it lie in memory,
    /// in all callers.
    pub fn lend(&mut self) -> Nc<'_> {
        Nc { id: self.id, token: PhantomData }
    }

    /// Which it is.
    pub fn id(&self) -> NcId {
        self.id
    }

    fn ptr(&self) -> *mut mg_connection {
        self.id.ptr()
    }

    /// What has been received and not consumed, and how long a packet may be.
    #[inline(always)]
    pub fn received(&self) -> (&[u8], usize) {
        let (mut len, mut limit) = (0, 0);
        // SAFETY: `nc` is alive. `len` bytes lie there, and stay until they are consumed, for which
        // `self` is borrowed mutably, or app code runs.
        unsafe {
            let bytes = shim::mgos_mqtt_shim_received(self.ptr(), &mut len, &mut limit);
            (if len == 0 { &[] } else { core::slice::from_raw_parts(bytes, len) }, limit)
        }
    }

    /// Removes `len` bytes at `at` from what has been received, if they are there. Returns how many
    /// bytes are left.
    pub fn consume(&mut self, at: usize, len: usize) -> usize {
        // SAFETY: `nc` is alive; the shim removes no more than there is.
        unsafe { shim::mgos_mqtt_shim_recv_consume(self.ptr(), at, len) }
    }

    /// Where `size` bytes can be written; NULL without memory.
    #[inline(always)]
    fn reserve(&mut self, size: usize) -> *mut u8 {
        // SAFETY: `nc` is alive.
        unsafe { shim::mgos_mqtt_shim_send_reserve(self.ptr(), size, FRAME_HEADER) }
    }

    /// Writes a packet into the send buffer, whole or not at all, and adds its size to `unsent`, which
    /// says how many bytes wait.
    pub fn write(&mut self, out: &OutPacket<'_>, unsent: &mut usize) -> Result<(), NotWritten> {
        debug_assert_eq!(*unsent, self.unsent());
        let remaining = out.remaining().ok_or(NotWritten::TooLarge)?;
        let size = size(remaining);
        let to = self.reserve(size);
        if to.is_null() {
            return Err(NotWritten::OutOfMemory);
        }
        // SAFETY: there is room for `size` bytes, which is what a packet with this Remaining Length
        // takes; `nc` is alive.
        unsafe {
            let Ok(()) = out.write(&mut Writer::new(to, size), remaining);
            shim::mgos_mqtt_shim_send(self.ptr(), size);
        }
        *unsent += size;
        Ok(())
    }

    /// Takes back the last `len` bytes that wait to leave.
    pub fn unsend(&mut self, len: usize) {
        // SAFETY: `nc` is alive.
        unsafe { shim::mgos_mqtt_shim_unsend(self.ptr(), len.min(self.unsent())) };
    }

    /// Puts bytes as they are into the send buffer. False without memory.
    pub fn put(&mut self, bytes: &[u8]) -> bool {
        // SAFETY: `bytes` is readable and, as it is borrowed, lies elsewhere.
        unsafe { self.put_raw(bytes.as_ptr(), bytes.len()) }
    }

    /// # Safety
    /// `len` bytes at `from` are readable, and not in the send buffer.
    unsafe fn put_raw(&mut self, from: *const u8, len: usize) -> bool {
        let to = self.reserve(len);
        if to.is_null() {
            return false;
        }
        // SAFETY: there is room for `len` bytes, which are readable by the contract; `nc` is alive.
        unsafe {
            to.copy_from_nonoverlapping(from, len);
            shim::mgos_mqtt_shim_send(self.ptr(), len);
        }
        true
    }

    /// Puts `len` bytes at `at` of what has been received into the send buffer. False without
    /// memory, and if they are not there.
    pub fn echo(&mut self, at: usize, len: usize) -> bool {
        let bytes = self.received().0.get(at..).and_then(|rest| rest.get(..len));
        let Some(from) = bytes.map(<[u8]>::as_ptr) else { return false };
        // SAFETY: they are in the receive buffer, which making room in the other does not touch.
        unsafe { self.put_raw(from, len) }
    }

    /// True if so much waits to leave that nothing is answered: a broker that sends and does not
    /// read must not fill the heap with answers.
    pub fn is_backlogged(&self) -> bool {
        self.unsent() >= ACK_BACKLOG
    }

    /// How many bytes wait to leave.
    pub fn unsent(&self) -> usize {
        // SAFETY: `nc` is alive.
        unsafe { shim::mgos_mqtt_shim_unsent(self.ptr()) }
    }

    /// The last `len` bytes that wait to leave, or all of them.
    pub fn last_unsent(&self, len: usize) -> &[u8] {
        let len = len.min(self.unsent());
        if len == 0 {
            return &[];
        }
        // SAFETY: `nc` is alive, and `len` bytes wait; they stay until something is written, for
        // which `self` is borrowed mutably, or app code runs.
        unsafe { core::slice::from_raw_parts(shim::mgos_mqtt_shim_last_unsent(self.ptr(), len), len) }
    }

    /// Inserts bytes at `at` into what waits to leave, and returns what follows them; `None`
    /// without memory.
    pub fn insert_unsent(&mut self, at: usize, bytes: &[u8]) -> Option<&mut [u8]> {
        let len = self.unsent().checked_sub(at)?;
        // SAFETY: `nc` is alive and `at` within what waits. `len` bytes follow what was inserted;
        // nobody else looks at them while `self` is borrowed mutably.
        unsafe {
            let (from, n) = (bytes.as_ptr(), bytes.len());
            let tail = shim::mgos_mqtt_shim_insert_unsent(self.ptr(), at, from, n);
            (!tail.is_null()).then(|| core::slice::from_raw_parts_mut(tail, len))
        }
    }

    /// Has it closed by the event loop: at once, or when all has been sent.
    pub fn close(&mut self, after_sending: bool) {
        // SAFETY: `nc` is alive; this sets a flag.
        unsafe { shim::mgos_mqtt_shim_close(self.ptr(), after_sending as u32) };
    }

    /// Has it closed at once, and know no connection object any more.
    pub fn abandon(mut self) {
        // SAFETY: `nc` is alive.
        unsafe { shim::mgos_mqtt_shim_detach(self.ptr()) };
        self.close(false);
    }

    /// The connection object that it belongs to; NULL for none.
    pub fn owner(&self) -> *mut mgos_mqtt_conn {
        // SAFETY: `nc` is alive.
        unsafe { shim::mgos_mqtt_shim_owner(self.ptr()) }
    }

    /// The keep-alive interval, seconds, if the app has sent something by itself since this was
    /// last asked.
    pub fn app_sent(&mut self) -> Option<u16> {
        // SAFETY: `nc` is alive.
        let interval = unsafe { shim::mgos_mqtt_shim_app_sent(self.ptr()) };
        (interval >= 0).then_some(interval as u16)
    }

    /// Tells Mongoose's own MQTT functions the keep-alive interval.
    pub fn set_keep_alive(&mut self, seconds: u16) {
        // SAFETY: `nc` is alive.
        unsafe { shim::mgos_mqtt_shim_set_keep_alive(self.ptr(), seconds as u32) };
    }

    /// Sends the request for WebSocket. False without memory.
    pub fn ws_upgrade(&mut self, config: Config<'_>) -> bool {
        // SAFETY: both are alive.
        unsafe { shim::mgos_mqtt_shim_ws_upgrade(self.ptr(), config.ptr()) != 0 }
    }

    /// Has Mongoose call us directly. With `all` its data of the WebSocket go too, and those that
    /// its MQTT functions work on come in their place; false without memory for them.
    pub fn ws_take_over(&mut self, all: bool) -> bool {
        // SAFETY: `nc` is alive.
        unsafe { shim::mgos_mqtt_shim_ws_take_over(self.ptr(), all as u32) != 0 }
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

/// Writes into memory that was reserved: as much as is written and no more, which is what
/// `OutPacket::remaining` has said beforehand. The tests of `wire` show that it says so for all
/// packets; with debug assertions it is checked.
struct Writer {
    to: *mut u8,
    #[cfg(debug_assertions)]
    left: usize,
}

impl Writer {
    /// # Safety
    /// `size` bytes are reserved at `to`, which nobody else looks at, and no more are written.
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
        // SAFETY: `new` was told that there is room for them, and that nobody else looks at it.
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
