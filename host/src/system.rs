//! The simulated device: memory, restart, delays, locks, random numbers. Functions without a
//! counterpart on a workstation do nothing.

use std::{
    process,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use libc::{c_char, c_float, c_int, c_uint, c_void, size_t};

use crate::{
    abi, clock, events,
    global::{HEAP_REPORTS, invoke},
    log::log,
    sync::SendPtr,
    timers,
};

const HEAP: usize = 64 << 20;

static LEAST_FREE: AtomicUsize = AtomicUsize::new(HEAP);

/// `mgos_get_heap_size()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_get_heap_size() -> size_t {
    HEAP
}

/// `mgos_get_free_heap_size()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_get_free_heap_size() -> size_t {
    let free = HEAP.saturating_sub(heap_in_use());
    LEAST_FREE.fetch_min(free, Relaxed);
    free
}

/// `mgos_get_min_free_heap_size()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_get_min_free_heap_size() -> size_t {
    mgos_get_free_heap_size();
    LEAST_FREE.load(Relaxed)
}

#[cfg(target_env = "gnu")]
fn heap_in_use() -> usize {
    // SAFETY: only reads the allocator's counters.
    let info = unsafe { libc::mallinfo2() };
    info.uordblks + info.hblkhd
}

/// Other C libraries do not provide this.
#[cfg(not(target_env = "gnu"))]
fn heap_in_use() -> usize {
    HEAP / 2
}

/// Logs a new minimum of the free heap, if requested.
pub(crate) fn report_low_heap() {
    if HEAP_REPORTS.load(Relaxed) {
        let before = LEAST_FREE.load(Relaxed);
        let now = mgos_get_min_free_heap_size();
        // Unlike a device's, this heap changes constantly: small steps mean nothing.
        if now + (64 << 10) < before {
            log!(Info, "New heap free LWM: {now}");
        }
    }
}

/// `mgos_system_restart()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_system_restart() -> ! {
    // SAFETY: this event carries NULL.
    unsafe { events::trigger(events::REBOOT, std::ptr::null_mut()) };
    log!(Info, "Restarting: on the host this ends the process");
    mgos_dev_system_restart()
}

/// `mgos_dev_system_restart()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_dev_system_restart() -> ! {
    // SAFETY: takes no arguments.
    unsafe { abi::mgos_debug_flush() };
    process::exit(0)
}

unsafe extern "C" fn restart_now(_: *mut c_void) {
    mgos_system_restart();
}

/// `mgos_system_restart_after()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_system_restart_after(delay_ms: c_int) {
    log!(Info, "Rebooting in {delay_ms} ms");
    // The one field of struct mgos_event_reboot_after_arg.
    let mut at = clock::uptime_micros() + i64::from(delay_ms) * 1000;
    invoke(move || {
        // SAFETY: handlers of this event expect a pointer to one int64_t.
        unsafe { events::trigger(events::REBOOT_AFTER, (&raw mut at).cast()) };
    });
    timers::mgos_set_timer(delay_ms, 0, Some(restart_now), std::ptr::null_mut());
}

/// `mgos_rand_range()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_rand_range(from: c_float, to: c_float) -> c_float {
    // Uses rand(), so that an app's srand() makes it repeatable, as on a device. SAFETY: rand() has
    // no preconditions.
    let drawn = f64::from(unsafe { libc::rand() }) / f64::from(libc::RAND_MAX);
    (f64::from(from) + (f64::from(to) - f64::from(from)) * drawn) as c_float
}

/// Seeds rand(), from MGOS_HOST_SEED for repeatable runs.
pub(crate) fn seed_random() -> Result<(), String> {
    let seed: c_uint = match std::env::var("MGOS_HOST_SEED") {
        Ok(text) => text.parse().map_err(|_| format!("MGOS_HOST_SEED must be a number from 0 to 4294967295, not {text:?}"))?,
        Err(_) => clock::wall_micros() as c_uint ^ process::id(),
    };
    // SAFETY: srand() has no preconditions.
    unsafe { libc::srand(seed) };
    Ok(())
}

/// `mgos_msleep()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_msleep(msecs: u32) {
    thread::sleep(Duration::from_millis(msecs.into()));
}

/// `mgos_usleep()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_usleep(usecs: u32) {
    thread::sleep(Duration::from_micros(usecs.into()));
}

extern "C" fn nsleep100(n: u32) {
    thread::sleep(Duration::from_nanos(u64::from(n) * 100));
}

/// `mgos_nsleep100`
#[unsafe(no_mangle)]
pub static mut mgos_nsleep100: extern "C" fn(u32) = nsleep100;

/// `mgos_get_cpu_freq()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_get_cpu_freq() -> u32 {
    1_000_000_000
}

/// `mgos_rlock_create()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_rlock_create() -> *mut libc::pthread_mutex_t {
    // SAFETY: both objects are initialised before use, and the mutex does not move.
    unsafe {
        let mut attr = std::mem::zeroed();
        libc::pthread_mutexattr_init(&mut attr);
        libc::pthread_mutexattr_settype(&mut attr, libc::PTHREAD_MUTEX_RECURSIVE);
        let lock = Box::into_raw(Box::new(libc::PTHREAD_MUTEX_INITIALIZER));
        libc::pthread_mutex_init(lock, &attr);
        libc::pthread_mutexattr_destroy(&mut attr);
        lock
    }
}

/// The core's lock, created by its first use.
fn core_lock() -> *mut libc::pthread_mutex_t {
    static LOCK: OnceLock<SendPtr> = OnceLock::new();
    LOCK.get_or_init(|| SendPtr(mgos_rlock_create().cast())).0.cast()
}

/// `mgos_lock()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_lock() {
    // SAFETY: created, and never destroyed.
    unsafe { mgos_rlock(core_lock()) }
}

/// `mgos_unlock()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_unlock() {
    // SAFETY: as above; the caller holds it, as on a device.
    unsafe { mgos_runlock(core_lock()) }
}

/// `mgos_fs_init()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_fs_init() -> c_int {
    0
}

/// `mgos_rlock()`
///
/// # Safety
/// `l` is NULL or a lock that was created and not destroyed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_rlock(l: *mut libc::pthread_mutex_t) {
    if !l.is_null() {
        // SAFETY: upheld by the caller, see `# Safety`.
        unsafe { libc::pthread_mutex_lock(l) };
    }
}

/// `mgos_runlock()`
///
/// # Safety
/// As for [`mgos_rlock`], and this thread holds it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_runlock(l: *mut libc::pthread_mutex_t) {
    if !l.is_null() {
        // SAFETY: upheld by the caller, see `# Safety`.
        unsafe { libc::pthread_mutex_unlock(l) };
    }
}

/// `mgos_rlock_destroy()`
///
/// # Safety
/// As for [`mgos_rlock`], and nobody holds it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_rlock_destroy(l: *mut libc::pthread_mutex_t) {
    if !l.is_null() {
        // SAFETY: upheld by the caller, see `# Safety`.; made by `mgos_rlock_create`.
        unsafe {
            libc::pthread_mutex_destroy(l);
            drop(Box::from_raw(l));
        }
    }
}

/// `mgos_utoa()`
///
/// # Safety
/// `out` has room for the digits and a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_utoa(mut value: c_uint, out: *mut c_char, base: c_int) -> c_int {
    let base @ 2..=16 = base as c_uint else { return 0 };
    let mut digits = [0u8; 33];
    let mut at = digits.len() - 1;
    loop {
        at -= 1;
        digits[at] = b"0123456789abcdef"[(value % base) as usize];
        value /= base;
        if value == 0 {
            break;
        }
    }
    let digits = &digits[at..];
    // SAFETY: upheld by the caller, see `# Safety`.; the last byte is the NUL.
    unsafe { digits.as_ptr().copy_to(out.cast(), digits.len()) };
    digits.len() as c_int - 1
}

/// `mgos_itoa()`
///
/// # Safety
/// `out` has room for the digits, a sign and a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_itoa(value: c_int, out: *mut c_char, base: c_int) -> c_int {
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe {
        if base == 10 && value < 0 {
            *out = b'-' as c_char;
            return mgos_utoa(value.unsigned_abs(), out.add(1), base) + 1;
        }
        mgos_utoa(value as c_uint, out, base)
    }
}

/// `mgos_log()`
///
/// # Safety
/// The strings are NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_log(file: *const c_char, line: c_int, level: c_int, msg: *const c_char) {
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe {
        if abi::cs_log_print_prefix(level, file, line) != 0 {
            abi::cs_log_printf(c"%s".as_ptr(), msg);
        }
    }
}

macro_rules! no_counterpart {
    ($($name:ident($($arg:ident: $type:ty)?) $(-> $result:ty = $value:expr)?;)*) => {$(
        /// No counterpart on a workstation.
        #[unsafe(no_mangle)]
        pub extern "C" fn $name($($arg: $type)?) $(-> $result)? { $($value)? }
    )*};
}

no_counterpart! {
    mgos_get_fs_memory_usage() -> size_t = 0;
    mgos_fs_gc();
    mgos_wdt_feed();
    mgos_wdt_set_timeout(_secs: c_int);
    mgos_wdt_enable();
    mgos_wdt_disable();
    mgos_ints_disable();
    mgos_ints_enable();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    fn text(write: impl FnOnce(*mut c_char) -> c_int) -> String {
        let mut buf: [c_char; 40] = [1; 40];
        let n = write(buf.as_mut_ptr());
        // SAFETY: the functions under test end their text with a NUL.
        let text = unsafe { CStr::from_ptr(buf.as_ptr()) }.to_str().unwrap();
        assert_eq!(n as usize, text.len());
        text.to_owned()
    }

    #[test]
    fn the_cores_lock_is_recursive_and_the_file_system_ready() {
        mgos_lock();
        mgos_lock();
        // SAFETY: created by its first use.
        assert_eq!(unsafe { libc::pthread_mutex_trylock(core_lock()) }, 0, "this thread holds it");
        mgos_unlock();
        mgos_unlock();
        mgos_unlock();
        let other = std::thread::spawn(|| {
            // SAFETY: as above.
            let free = unsafe { libc::pthread_mutex_trylock(core_lock()) };
            mgos_unlock();
            free
        });
        assert_eq!((other.join().unwrap(), mgos_fs_init()), (0, 0));
    }

    #[test]
    fn numbers_are_printed_in_every_base() {
        // SAFETY: the buffer has room for 32 binary digits, a sign and a NUL.
        unsafe {
            assert_eq!(text(|b| mgos_itoa(0, b, 10)), "0");
            assert_eq!(text(|b| mgos_itoa(-1234, b, 10)), "-1234");
            assert_eq!(text(|b| mgos_itoa(c_int::MIN, b, 10)), "-2147483648");
            assert_eq!(text(|b| mgos_itoa(-1, b, 16)), "ffffffff");
            assert_eq!(text(|b| mgos_utoa(u32::MAX, b, 2)), "1".repeat(32));
            assert_eq!(mgos_utoa(1, std::ptr::null_mut(), 17), 0);
            assert_eq!(mgos_utoa(1, std::ptr::null_mut(), 1), 0);
        }
    }

    #[test]
    fn random_numbers_stay_in_their_range() {
        for _ in 0..1000 {
            let n = mgos_rand_range(0.9, 1.1);
            assert!((0.9..=1.1).contains(&n), "{n}");
        }
        assert_eq!(mgos_rand_range(5.0, 5.0), 5.0);
    }

    #[test]
    fn free_heap_is_less_than_all_and_its_low_mark_never_rises() {
        let low = mgos_get_min_free_heap_size();
        assert!(low <= mgos_get_heap_size());
        let block = vec![1u8; 8 << 20];
        let lower = mgos_get_min_free_heap_size();
        drop(block);
        assert!(lower <= low);
        assert!(mgos_get_min_free_heap_size() <= lower);
    }

    #[test]
    fn locks_may_be_taken_twice_by_one_thread() {
        let l = mgos_rlock_create();
        // SAFETY: created above, released as often as taken.
        unsafe {
            mgos_rlock(l);
            mgos_rlock(l);
            mgos_runlock(l);
            mgos_runlock(l);
            mgos_rlock_destroy(l);
        }
    }
}
