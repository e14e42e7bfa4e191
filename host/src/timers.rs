//! Software timers: mgos_set_timer() and related functions. As on a device they use MG_EV_TIMER of
//! a connection without a socket, one timer per round.

use std::{ffi::c_void, ptr, sync::Mutex};

use libc::{c_int, uintptr_t};

use crate::{
    abi::*,
    alloc_faults, clock, connect,
    global::{mgos_get_mgr, mongoose_schedule_poll},
    sync::{SendPtr, lock},
};

const REPEAT: c_int = 1 << 0;
const RUN_NOW: c_int = 1 << 1;

/// `struct mgos_timer_info`
#[repr(C)]
#[derive(Debug)]
pub struct TimerInfo {
    /// Milliseconds, -1 for a timer that fires once.
    pub interval_ms: c_int,
    /// Milliseconds until it fires.
    pub msecs_left: c_int,
    /// The callback.
    pub cb: Callback,
    /// Its argument.
    pub cb_arg: *mut c_void,
}

struct Timer {
    id: usize,
    /// `None` for a timer that fires once.
    interval: Option<i64>,
    /// Uptime, microseconds.
    next: i64,
    /// The requested interval.
    interval_ms: c_int,
    cb: Callback,
    arg: SendPtr,
}

struct Timers {
    /// Newest last.
    list: Vec<Timer>,
    last_id: usize,
    /// Delivers MG_EV_TIMER; NULL before the first timer, and after the manager is freed.
    conn: *mut MgConnection,
    /// The manager is freed: no new connection.
    over: bool,
}

// SAFETY: `conn` is used only by the main loop's thread.
unsafe impl Send for Timers {}

static TIMERS: Mutex<Timers> = Mutex::new(Timers { list: Vec::new(), last_id: 0, conn: ptr::null_mut(), over: false });

impl Timers {
    /// The timer to fire next; the newest of those due at the same time.
    fn first(&self) -> Option<&Timer> {
        self.list.iter().rev().min_by_key(|t| t.next)
    }

    /// Sets the connection's timer to the first one's time.
    fn arm(&self) {
        if self.conn.is_null() {
            return;
        }
        let at = self.first().map_or(0.0, |t| {
            let wait = t.next - clock::uptime_micros();
            clock::wall() + wait as f64 / 1e6
        });
        // SAFETY: the connection lives until its MG_EV_CLOSE, which sets this to NULL.
        unsafe { (*self.conn).ev_timer_time = at };
    }

    fn at(&self, id: usize) -> Option<usize> {
        self.list.iter().position(|t| t.id == id)
    }
}

unsafe extern "C" fn on_event(_: *mut MgConnection, ev: c_int, _: *mut c_void, _: *mut c_void) {
    match ev {
        EV_CLOSE => {
            let mut timers = lock(&TIMERS);
            timers.conn = ptr::null_mut();
            timers.over = true;
        }
        EV_TIMER => fire(),
        _ => {}
    }
}

/// Calls the first timer, if it is due.
fn fire() {
    let now = clock::uptime_micros();
    let due = {
        let mut timers = lock(&TIMERS);
        let due = timers.first().filter(|t| t.next <= now).map(|t| (t.id, t.cb, t.arg));
        if let Some(at) = due.and_then(|(id, ..)| timers.at(id)) {
            let timer = &mut timers.list[at];
            match timer.interval {
                Some(interval) => {
                    timer.next += interval;
                    if timer.next < now {
                        // Late by more than an interval: missed calls are skipped.
                        timer.next = now + interval;
                    }
                }
                None => drop(timers.list.remove(at)),
            }
        }
        timers.arm();
        due
    };
    if let Some((_, Some(cb), arg)) = due {
        // SAFETY: the app registered the timer's callback to be called with this argument.
        unsafe { cb(arg.0) };
    }
}

/// Converts the timers' uptime to MG_EV_TIMER's wall-clock time.
pub(crate) fn reschedule() {
    lock(&TIMERS).arm();
}

fn set(micros: i64, interval_ms: c_int, flags: c_int, cb: Callback, arg: *mut c_void) -> usize {
    let mgr = mgos_get_mgr();
    let needs_conn = {
        let timers = lock(&TIMERS);
        timers.conn.is_null() && !timers.over
    };
    if needs_conn {
        // SAFETY: the global manager is initialised; without a socket nothing can be wrong with it.
        let conn = unsafe { connect::mg_add_sock(mgr, INVALID_SOCKET, Some(on_event), ptr::null_mut()) };
        lock(&TIMERS).conn = conn;
    }
    let id = {
        let mut timers = lock(&TIMERS);
        timers.last_id = timers.last_id.wrapping_add(1).max(1);
        let wait = if flags & RUN_NOW != 0 { 0 } else { micros.max(0) };
        let repeats = flags & REPEAT != 0;
        let timer = Timer {
            id: timers.last_id,
            interval: repeats.then_some(micros.max(0)),
            next: clock::uptime_micros() + wait,
            interval_ms: if repeats { interval_ms } else { -1 },
            cb,
            arg: SendPtr(arg),
        };
        timers.list.push(timer);
        timers.arm();
        timers.last_id
    };
    mongoose_schedule_poll(false);
    id
}

/// `mgos_set_timer()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_set_timer(msecs: c_int, flags: c_int, cb: Callback, arg: *mut c_void) -> uintptr_t {
    // A device allocates a block for each timer.
    if alloc_faults::fails() { 0 } else { set(i64::from(msecs) * 1000, msecs, flags, cb, arg) }
}

/// `mgos_set_hw_timer()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_set_hw_timer(usecs: c_int, flags: c_int, cb: Callback, arg: *mut c_void) -> uintptr_t {
    set(i64::from(usecs).max(1000), usecs / 1000, flags, cb, arg)
}

/// `mgos_clear_timer()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_clear_timer(id: uintptr_t) {
    let mut timers = lock(&TIMERS);
    if let Some(at) = timers.at(id) {
        timers.list.remove(at);
        timers.arm();
    }
}

/// `mgos_get_timer_info()`
///
/// # Safety
/// `info` is valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_get_timer_info(id: uintptr_t, info: *mut TimerInfo) -> bool {
    let timers = lock(&TIMERS);
    let Some(timer) = timers.at(id).map(|at| &timers.list[at]) else { return false };
    let left = (timer.next - clock::uptime_micros()) / 1000;
    let found = TimerInfo {
        interval_ms: timer.interval_ms,
        msecs_left: left.clamp(i64::from(c_int::MIN), i64::from(c_int::MAX)) as c_int,
        cb: timer.cb,
        cb_arg: timer.arg.0,
    };
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe { info.write(found) };
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::mgos_host_time_skip, global::mongoose_poll, testing::serial};
    use std::cell::{Cell, RefCell};

    thread_local! {
        static CALLS: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
        static OWN_ID: Cell<usize> = const { Cell::new(0) };
    }

    unsafe extern "C" fn note(arg: *mut c_void) {
        CALLS.with_borrow_mut(|c| c.push(arg.addr()));
    }

    unsafe extern "C" fn note_and_clear_own(arg: *mut c_void) {
        CALLS.with_borrow_mut(|c| c.push(arg.addr()));
        mgos_clear_timer(OWN_ID.get());
    }

    unsafe extern "C" fn note_and_set_another(arg: *mut c_void) {
        CALLS.with_borrow_mut(|c| c.push(arg.addr()));
        mgos_set_timer(0, 0, Some(note), tag(99));
    }

    const NONE: [usize; 0] = [];

    fn tag(n: usize) -> *mut c_void {
        ptr::without_provenance_mut(n)
    }

    /// Lets time pass, with enough rounds for every timer that is due.
    fn pass(ms: i64) -> Vec<usize> {
        mgos_host_time_skip(ms * 1000);
        for _ in 0..20 {
            // SAFETY: the only thread that polls, ensured by `serial`.
            unsafe { mongoose_poll(0) };
        }
        CALLS.take()
    }

    #[test]
    fn a_timer_fires_once_after_its_time_and_not_before() {
        let _alone = serial();
        let id = mgos_set_timer(100_000, 0, Some(note), tag(1));
        assert_ne!(id, 0);
        assert_eq!(pass(50_000), NONE);
        assert_eq!(pass(50_000), [1]);
        assert_eq!(pass(200_000), NONE);
        let mut info = std::mem::MaybeUninit::uninit();
        // SAFETY: valid for writing.
        assert!(!unsafe { mgos_get_timer_info(id, info.as_mut_ptr()) });
    }

    #[test]
    fn a_repeating_timer_fires_again_and_does_not_make_up_for_lost_time() {
        let _alone = serial();
        let id = mgos_set_timer(10_000, REPEAT, Some(note), tag(2));
        assert_eq!(pass(10_000), [2]);
        assert_eq!(pass(10_000), [2]);
        assert_eq!(pass(95_000), [2]);
        assert_eq!(pass(10_000), [2]);
        mgos_clear_timer(id);
        assert_eq!(pass(100_000), NONE);
    }

    #[test]
    fn run_now_fires_in_the_next_round_and_then_by_its_interval() {
        let _alone = serial();
        let id = mgos_set_timer(60_000, REPEAT | RUN_NOW, Some(note), tag(3));
        assert_eq!(CALLS.take(), NONE);
        assert_eq!(pass(0), [3]);
        assert_eq!(pass(0), NONE);
        assert_eq!(pass(60_000), [3]);
        mgos_clear_timer(id);
    }

    #[test]
    fn timers_fire_in_the_order_of_their_times() {
        let _alone = serial();
        for (n, ms) in [(1, 30_000), (2, 10_000), (3, 20_000)] {
            mgos_set_timer(ms, 0, Some(note), tag(n));
        }
        assert_eq!(pass(60_000), [2, 3, 1]);
    }

    #[test]
    fn a_callback_may_clear_its_own_timer_and_set_others() {
        let _alone = serial();
        OWN_ID.set(mgos_set_timer(10_000, REPEAT, Some(note_and_clear_own), tag(4)));
        mgos_set_timer(10_000, 0, Some(note_and_set_another), tag(5));
        let mut calls = pass(10_000);
        calls.sort_unstable();
        assert_eq!(calls, [4, 5, 99]);
        assert_eq!(pass(50_000), NONE);
    }

    #[test]
    fn a_timer_tells_what_it_is() {
        let _alone = serial();
        let read = |id| {
            let mut info = std::mem::MaybeUninit::uninit();
            // SAFETY: valid for writing, and written when true is returned.
            unsafe { mgos_get_timer_info(id, info.as_mut_ptr()).then(|| info.assume_init()) }
        };
        let id = mgos_set_timer(50_000, REPEAT, Some(note), tag(6));
        let info = read(id).unwrap();
        assert_eq!((info.interval_ms, info.cb_arg), (50_000, tag(6)));
        assert!((1..=50_000).contains(&info.msecs_left), "{}", info.msecs_left);
        let once = mgos_set_timer(50_000, 0, Some(note), tag(7));
        assert_ne!(once, id);
        assert_eq!(read(once).unwrap().interval_ms, -1);
        mgos_clear_timer(id);
        mgos_clear_timer(once);
        mgos_clear_timer(once);
        mgos_clear_timer(0);
        assert!(read(id).is_none() && read(0).is_none());
    }

    #[test]
    fn setting_the_wall_time_does_not_disturb_timers() {
        let _alone = serial();
        mgos_set_timer(20_000, 0, Some(note), tag(8));
        clock::mgos_settimeofday(clock::wall() + 1e6, ptr::null_mut());
        assert_eq!(pass(0), NONE);
        clock::mgos_settimeofday(clock::wall() - 1e6, ptr::null_mut());
        assert_eq!(pass(20_000), [8]);
    }
}
