//! Uptime and wall-clock time. Setting the time affects this process only, as an offset to the
//! machine's clock.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use libc::{c_char, c_double, c_int, c_void};

use crate::events;

/// Offset of the app's wall-clock time from the machine's, in microseconds.
static WALL_OFFSET: AtomicI64 = AtomicI64::new(0);
/// Time that a test has skipped on both clocks, in microseconds.
static SKIPPED: AtomicI64 = AtomicI64::new(0);

/// Microseconds since the first call of this function.
pub(crate) fn uptime_micros() -> i64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let running = START.get_or_init(Instant::now).elapsed().as_micros();
    i64::try_from(running).unwrap_or(i64::MAX) + SKIPPED.load(Relaxed)
}

/// Microseconds since 1970, by the app's clock.
pub(crate) fn wall_micros() -> i64 {
    let machine = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_micros() as i64,
        Err(before) => -(before.duration().as_micros() as i64),
    };
    machine + WALL_OFFSET.load(Relaxed) + SKIPPED.load(Relaxed)
}

/// Seconds since 1970, by the app's clock.
pub(crate) fn wall() -> f64 {
    wall_micros() as f64 / 1e6
}

/// `mg_time()`
#[unsafe(no_mangle)]
pub extern "C" fn mg_time() -> c_double {
    wall()
}

/// `mgos_uptime()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_uptime() -> c_double {
    uptime_micros() as f64 / 1e6
}

/// `mgos_uptime_micros()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_uptime_micros() -> i64 {
    uptime_micros()
}

/// `mgos_time_micros()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_time_micros() -> i64 {
    wall_micros()
}

/// `mgos_settimeofday()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_settimeofday(time: c_double, _tz: *mut c_void) -> c_int {
    // The one field of struct mgos_time_changed_arg.
    let mut delta = time - wall();
    WALL_OFFSET.fetch_add((delta * 1e6) as i64, Relaxed);
    // SAFETY: handlers of this event expect a pointer to one double.
    unsafe { events::trigger(events::TIME_CHANGED, (&raw mut delta).cast()) };
    0
}

/// `mgos_host_time_skip()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_host_time_skip(micros: i64) {
    SKIPPED.fetch_add(micros.max(0), Relaxed);
}

/// `mgos_strftime()`
///
/// # Safety
/// `s` has room for `size` bytes, `fmt` is NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_strftime(s: *mut c_char, size: c_int, fmt: *const c_char, time: c_int) -> c_int {
    let time = libc::time_t::from(time);
    // SAFETY: all zero is a valid `tm`; the rest is upheld by the caller.
    unsafe {
        let mut tm: libc::tm = std::mem::zeroed();
        if libc::localtime_r(&time, &mut tm).is_null() {
            return -1;
        }
        libc::strftime(s, usize::try_from(size).unwrap_or(0), fmt, &tm) as c_int
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::serial;
    use std::{ffi::CStr, ptr};

    unsafe extern "C" fn note_delta(_ev: c_int, data: *mut c_void, seen: *mut c_void) {
        // SAFETY: the event carries a double, and the test passed a Vec<f64>.
        unsafe { (*seen.cast::<Vec<f64>>()).push(*data.cast::<f64>()) };
    }

    #[test]
    fn setting_the_time_moves_wall_time_not_uptime_and_tells_by_how_much() {
        let _alone = serial();
        let mut seen: Vec<f64> = Vec::new();
        let arg = (&raw mut seen).cast();
        assert!(events::mgos_event_add_handler(events::TIME_CHANGED, Some(note_delta), arg));
        let (wall_before, up_before) = (mg_time(), mgos_uptime());

        assert_eq!(mgos_settimeofday(wall_before + 5000.0, ptr::null_mut()), 0);
        let (wall_after, up_after) = (mg_time(), mgos_uptime());
        assert_eq!(mgos_settimeofday(wall_after - 5000.0, ptr::null_mut()), 0);

        assert!(events::mgos_event_remove_handler(events::TIME_CHANGED, Some(note_delta), arg));
        assert!(wall_after - wall_before >= 4999.0, "{wall_before} -> {wall_after}");
        assert!(up_after >= up_before && up_after - up_before < 4999.0);
        assert_eq!(seen.len(), 2);
        assert!(seen[0] > 4990.0 && seen[0] <= 5000.0, "{seen:?}");
        assert!(seen[1] < -4990.0, "{seen:?}");
    }

    #[test]
    fn skipping_moves_both_clocks_ahead_and_never_back() {
        let _alone = serial();
        let (wall_before, up_before) = (mgos_time_micros(), mgos_uptime_micros());
        mgos_host_time_skip(3_600_000_000);
        mgos_host_time_skip(-3_600_000_000);
        assert!(mgos_uptime_micros() - up_before >= 3_600_000_000);
        assert!(mgos_time_micros() - wall_before >= 3_590_000_000);
    }

    #[test]
    fn strftime_formats_and_reports_what_does_not_fit() {
        let mut buf: [c_char; 16] = [0; 16];
        // SAFETY: the buffer has the size given.
        let year = unsafe { mgos_strftime(buf.as_mut_ptr(), 16, c"%Y".as_ptr(), 86_400 * 200) };
        assert_eq!(year, 4);
        // SAFETY: strftime has terminated the text.
        assert_eq!(unsafe { CStr::from_ptr(buf.as_ptr()) }, c"1970");
        // SAFETY: as above.
        let none = unsafe { mgos_strftime(buf.as_mut_ptr(), 4, c"%Y".as_ptr(), 0) };
        assert_eq!(none, 0);
    }
}
