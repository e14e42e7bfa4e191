//! UARTs: 0 writes to standard output, 1 to standard error; mgos_host_uart_feed() provides input.
//! mgos_uart_printf() is C: c/mgos_uart_printf.c.

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::Mutex,
};

use libc::{c_int, c_void, size_t};

use crate::{
    abi::{self, Mbuf},
    global::invoke,
    sync::{SendPtr, lock},
};

const UARTS: usize = 4;

/// `struct mgos_uart_config`
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    baud_rate: c_int,
    num_data_bits: c_int,
    parity: c_int,
    stop_bits: c_int,
    /// Received bytes, until they are read.
    pub rx_buf_size: c_int,
    rx_fc_type: c_int,
    rx_linger_micros: c_int,
    tx_buf_size: c_int,
    /// Stored, without effect.
    pub tx_fc_type: c_int,
}

const DEFAULTS: Config = Config {
    baud_rate: 115_200,
    num_data_bits: 8,
    parity: 0,
    stop_bits: 1,
    rx_buf_size: 256,
    rx_fc_type: 0,
    rx_linger_micros: 15,
    tx_buf_size: 256,
    tx_fc_type: 0,
};

/// `mgos_uart_dispatcher_t`
pub type Dispatcher = Option<unsafe extern "C" fn(c_int, *mut c_void)>;

struct Uart {
    config: Option<Config>,
    dispatcher: Dispatcher,
    arg: SendPtr,
    rx_enabled: bool,
    rx: VecDeque<u8>,
}

impl Uart {
    const NEW: Uart = Uart { config: None, dispatcher: None, arg: SendPtr(std::ptr::null_mut()), rx_enabled: false, rx: VecDeque::new() };

    fn take(&mut self, len: usize) -> Vec<u8> {
        let n = len.min(self.rx.len());
        self.rx.drain(..n).collect()
    }
}

static BANK: Mutex<[Uart; UARTS]> = Mutex::new([Uart::NEW; UARTS]);

fn with<R>(uart_no: c_int, f: impl FnOnce(&mut Uart) -> R) -> Option<R> {
    lock(&BANK).get_mut(usize::try_from(uart_no).ok()?).map(f)
}

/// `mgos_uart_config_set_defaults()`
///
/// # Safety
/// `config` is valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_uart_config_set_defaults(_uart_no: c_int, config: *mut Config) {
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe { config.write(DEFAULTS) };
}

/// `mgos_uart_configure()`
///
/// # Safety
/// `config` is valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_uart_configure(uart_no: c_int, config: *const Config) -> bool {
    // SAFETY: upheld by the caller, see `# Safety`.
    let config = unsafe { *config };
    with(uart_no, |u| u.config = Some(config)).is_some()
}

/// `mgos_uart_config_get()`
///
/// # Safety
/// `config` is valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_uart_config_get(uart_no: c_int, config: *mut Config) -> bool {
    let Some(Some(kept)) = with(uart_no, |u| u.config) else { return false };
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe { config.write(kept) };
    true
}

/// `mgos_uart_set_dispatcher()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_uart_set_dispatcher(uart_no: c_int, cb: Dispatcher, arg: *mut c_void) {
    with(uart_no, |u| (u.dispatcher, u.arg) = (cb, SendPtr(arg)));
}

/// `mgos_uart_schedule_dispatcher()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_uart_schedule_dispatcher(uart_no: c_int, _from_isr: bool) {
    invoke(move || {
        if let Some((Some(cb), arg)) = with(uart_no, |u| (u.dispatcher, u.arg)) {
            // SAFETY: the app registered the dispatcher to be called with this argument.
            unsafe { cb(uart_no, arg.0) };
        }
    });
}

/// `mgos_uart_write()`
///
/// # Safety
/// `buf` holds `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_uart_write(uart_no: c_int, buf: *const c_void, len: size_t) -> size_t {
    if len == 0 || buf.is_null() {
        return 0;
    }
    // SAFETY: upheld by the caller, see `# Safety`.
    let data = unsafe { std::slice::from_raw_parts(buf.cast::<u8>(), len) };
    // As on a wire, the sender does not notice that nobody listens.
    let _ = match uart_no {
        0 => io::stdout().write_all(data).and_then(|()| io::stdout().flush()),
        1 => io::stderr().write_all(data),
        _ => Ok(()),
    };
    len
}

/// `mgos_uart_write_avail()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_uart_write_avail(uart_no: c_int) -> size_t {
    let size = with(uart_no, |u| u.config.unwrap_or(DEFAULTS).tx_buf_size);
    usize::try_from(size.unwrap_or(0)).unwrap_or(0)
}

/// `mgos_uart_read()`
///
/// # Safety
/// `buf` has room for `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_uart_read(uart_no: c_int, buf: *mut c_void, len: size_t) -> size_t {
    let data = with(uart_no, |u| u.take(len)).unwrap_or_default();
    // SAFETY: upheld by the caller; no more than `len` bytes were taken.
    unsafe { data.as_ptr().copy_to(buf.cast(), data.len()) };
    data.len()
}

/// `mgos_uart_read_mbuf()`
///
/// # Safety
/// `mb` is valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_uart_read_mbuf(uart_no: c_int, mb: *mut Mbuf, len: size_t) -> size_t {
    let data = with(uart_no, |u| u.take(len)).unwrap_or_default();
    if data.is_empty() {
        return 0;
    }
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe { abi::mbuf_append(mb, data.as_ptr().cast(), data.len()) }
}

/// `mgos_uart_read_avail()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_uart_read_avail(uart_no: c_int) -> size_t {
    with(uart_no, |u| u.rx.len()).unwrap_or(0)
}

/// `mgos_uart_set_rx_enabled()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_uart_set_rx_enabled(uart_no: c_int, enabled: bool) {
    with(uart_no, |u| u.rx_enabled = enabled);
}

/// `mgos_uart_is_rx_enabled()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_uart_is_rx_enabled(uart_no: c_int) -> bool {
    with(uart_no, |u| u.rx_enabled).unwrap_or(false)
}

/// `mgos_uart_flush()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_uart_flush(_uart_no: c_int) {}

/// `mgos_host_uart_feed()`
///
/// # Safety
/// `data` holds `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_host_uart_feed(uart_no: c_int, data: *const c_void, len: size_t) -> size_t {
    if len == 0 || data.is_null() {
        return 0;
    }
    // SAFETY: upheld by the caller, see `# Safety`.
    let data = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), len) };
    let taken = with(uart_no, |u| {
        let size = usize::try_from(u.config.unwrap_or(DEFAULTS).rx_buf_size).unwrap_or(0);
        let room = if u.rx_enabled { size.saturating_sub(u.rx.len()) } else { 0 };
        let n = room.min(len);
        u.rx.extend(&data[..n]);
        n
    });
    let taken = taken.unwrap_or(0);
    if taken > 0 {
        mgos_uart_schedule_dispatcher(uart_no, false);
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{global::run_invoked, testing::serial};
    use std::{cell::RefCell, mem::MaybeUninit, ptr};

    thread_local! {
        static READ: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }

    unsafe extern "C" fn read_4(uart_no: c_int, _: *mut c_void) {
        let mut buf = [0u8; 4];
        // SAFETY: room for the 4 bytes asked for.
        let n = unsafe { mgos_uart_read(uart_no, buf.as_mut_ptr().cast(), 4) };
        READ.with_borrow_mut(|r| r.extend(&buf[..n]));
    }

    #[test]
    fn fed_data_reaches_the_dispatcher_up_to_the_buffer_size() {
        let _alone = serial();
        // SAFETY: buffers of the sizes given, a config that is written before it is read.
        unsafe {
            let mut config = MaybeUninit::uninit();
            assert!(!mgos_uart_config_get(2, config.as_mut_ptr()));
            mgos_uart_config_set_defaults(2, config.as_mut_ptr());
            let mut config = config.assume_init();
            config.rx_buf_size = 6;
            assert!(mgos_uart_configure(2, &config));
            mgos_uart_set_dispatcher(2, Some(read_4), ptr::null_mut());
            assert_eq!(mgos_host_uart_feed(2, c"abcdefgh".as_ptr().cast(), 8), 0);
            mgos_uart_set_rx_enabled(2, true);
            assert_eq!(mgos_host_uart_feed(2, c"abcdefgh".as_ptr().cast(), 8), 6);
            run_invoked();
            assert_eq!(READ.take(), b"abcd");
            assert_eq!(mgos_uart_read_avail(2), 2);
            assert!(!mgos_uart_configure(4, &config));
        }
    }
}
