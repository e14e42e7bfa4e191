//! The global event manager and its use by the main loop: poll callbacks, and calls deferred by
//! mgos_invoke_cb(). The loop itself is in app.rs.

use std::{
    cell::UnsafeCell,
    collections::VecDeque,
    mem::MaybeUninit,
    ptr,
    sync::{
        Arc, Mutex, Once, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use libc::{c_int, c_void};
use polling::Poller;

use crate::{
    abi::{Callback, MgMgr},
    mgr::{self, Mgr},
    sync::{SendPtr, lock},
    system, timers,
};

struct Global(UnsafeCell<MaybeUninit<MgMgr>>);
// SAFETY: used only by the main loop's thread; others see only its address.
unsafe impl Sync for Global {}

static MGR: Global = Global(UnsafeCell::new(MaybeUninit::zeroed()));
static INIT: Once = Once::new();
static POLLER: OnceLock<Arc<Poller>> = OnceLock::new();

/// `mgos_get_mgr()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_get_mgr() -> *mut MgMgr {
    let mgr = MGR.0.get().cast();
    INIT.call_once(|| {
        // SAFETY: `mgr` is valid, and nothing uses it before this is done.
        unsafe {
            mgr::mg_mgr_init(mgr, ptr::null_mut());
            if let Some(m) = Mgr::new(mgr) {
                let _ = POLLER.set(m.state(|s| s.poller.clone()));
            }
        }
    });
    mgr
}

/// `mongoose_schedule_poll()`
#[unsafe(no_mangle)]
pub extern "C" fn mongoose_schedule_poll(_from_isr: bool) {
    if let Some(poller) = POLLER.get() {
        // If this fails, the round ends by its time limit.
        let _ = poller.notify();
    }
}

#[derive(Clone, Copy)]
struct PollCallback {
    cb: unsafe extern "C" fn(*mut c_void),
    arg: SendPtr,
}

/// Newest last.
static POLL_CALLBACKS: Mutex<Vec<PollCallback>> = Mutex::new(Vec::new());

impl PollCallback {
    fn is(&self, cb: Callback, arg: *mut c_void) -> bool {
        cb.is_some_and(|cb| ptr::fn_addr_eq(cb, self.cb)) && self.arg.0 == arg
    }
}

/// `mgos_add_poll_cb()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_add_poll_cb(cb: Callback, cb_arg: *mut c_void) {
    if let Some(cb) = cb {
        lock(&POLL_CALLBACKS).push(PollCallback { cb, arg: SendPtr(cb_arg) });
    }
}

/// `mgos_remove_poll_cb()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_remove_poll_cb(cb: Callback, cb_arg: *mut c_void) {
    lock(&POLL_CALLBACKS).retain(|c| !c.is(cb, cb_arg));
}

/// `mongoose_poll()`
///
/// # Safety
/// Called by the main loop's thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mongoose_poll(ms: c_int) -> c_int {
    let callbacks: Vec<_> = lock(&POLL_CALLBACKS).iter().rev().copied().collect();
    for c in callbacks {
        // An earlier callback may have removed this one.
        if lock(&POLL_CALLBACKS).iter().any(|now| now.is(Some(c.cb), c.arg.0)) {
            // SAFETY: the app registered the callback to be called with this argument.
            unsafe { (c.cb)(c.arg.0) };
        }
    }
    timers::reschedule();
    // SAFETY: the global manager is initialised.
    let events = unsafe { mgr::mg_mgr_poll(mgos_get_mgr(), ms) };
    system::report_low_heap();
    events
}

/// Reporting of new minimums of the free heap.
pub(crate) static HEAP_REPORTS: AtomicBool = AtomicBool::new(false);

/// `mgos_set_enable_min_heap_free_reporting()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_set_enable_min_heap_free_reporting(enable: bool) {
    HEAP_REPORTS.store(enable, Relaxed);
}

type Job = Box<dyn FnOnce() + Send>;

/// Calls for the main loop, first in first out.
static QUEUE: Mutex<VecDeque<Job>> = Mutex::new(VecDeque::new());

/// Makes the main loop call `job` in its next round. Can be called from any thread.
pub(crate) fn invoke(job: impl FnOnce() + Send + 'static) {
    lock(&QUEUE).push_back(Box::new(job));
    mongoose_schedule_poll(false);
}

/// `mgos_invoke_cb()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_invoke_cb(cb: Callback, arg: *mut c_void, _flags: u32) -> bool {
    let Some(cb) = cb else { return false };
    let arg = SendPtr(arg);
    invoke(move || {
        let arg = arg;
        // SAFETY: the app requested this call.
        unsafe { cb(arg.0) }
    });
    true
}

/// Runs deferred calls; those that they defer in turn run in the next round.
pub(crate) fn run_invoked() {
    let jobs = std::mem::take(&mut *lock(&QUEUE));
    jobs.into_iter().for_each(|job| job());
}

/// `mgos_wdt_set_feed_on_poll()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_wdt_set_feed_on_poll(_enable: bool) {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        abi::{self, Handler, MgConnection},
        testing::serial,
    };
    use std::{cell::RefCell, thread};

    thread_local! {
        static CALLS: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    }

    unsafe extern "C" fn note(arg: *mut c_void) {
        CALLS.with_borrow_mut(|c| c.push(arg.addr()));
    }

    unsafe extern "C" fn note_and_remove_1(arg: *mut c_void) {
        CALLS.with_borrow_mut(|c| c.push(arg.addr()));
        mgos_remove_poll_cb(Some(note), tag(1));
    }

    unsafe extern "C" fn note_and_invoke_again(arg: *mut c_void) {
        CALLS.with_borrow_mut(|c| c.push(arg.addr()));
        assert!(mgos_invoke_cb(Some(note), tag(7), 0));
    }

    const NONE: [usize; 0] = [];

    fn tag(n: usize) -> *mut c_void {
        ptr::without_provenance_mut(n)
    }

    #[test]
    fn poll_callbacks_run_newest_first_and_may_remove_others() {
        let _alone = serial();
        for n in 1..=2 {
            mgos_add_poll_cb(Some(note), tag(n));
        }
        mgos_add_poll_cb(Some(note_and_remove_1), tag(3));
        // SAFETY: the only thread that polls, ensured by `serial`.
        unsafe { mongoose_poll(0) };
        assert_eq!(CALLS.take(), [3, 2]);
        mgos_remove_poll_cb(Some(note), tag(2));
        mgos_remove_poll_cb(Some(note_and_remove_1), tag(3));
        // SAFETY: as above.
        unsafe { mongoose_poll(0) };
        assert_eq!(CALLS.take(), NONE);
    }

    #[test]
    fn invoked_callbacks_come_in_order_and_what_they_invoke_in_the_next_round() {
        let _alone = serial();
        assert!(mgos_invoke_cb(Some(note_and_invoke_again), tag(1), 0));
        assert!(mgos_invoke_cb(Some(note), tag(2), 0));
        assert!(!mgos_invoke_cb(None, tag(3), 0));
        run_invoked();
        assert_eq!(CALLS.take(), [1, 2]);
        run_invoked();
        assert_eq!(CALLS.take(), [7]);
    }

    #[test]
    fn invoking_from_another_thread_wakes_a_waiting_poll() {
        let _alone = serial();
        mgos_get_mgr();
        let other = thread::spawn(|| mgos_invoke_cb(Some(note), tag(5), 0));
        // Waits for a minute unless woken, which would fail the test.
        let begun = std::time::Instant::now();
        // SAFETY: the only thread that polls, ensured by `serial`.
        unsafe { mongoose_poll(60_000) };
        assert!(begun.elapsed().as_secs() < 50);
        assert!(other.join().unwrap());
        run_invoked();
        assert_eq!(CALLS.take(), [5]);
    }

    unsafe extern "C" {
        fn mgos_connect(addr: *const libc::c_char, handler: Handler, ud: *mut c_void) -> *mut MgConnection;
        fn mgos_connect_http(addr: *const libc::c_char, handler: Handler, ud: *mut c_void) -> *mut MgConnection;
        fn mgos_bind(addr: *const libc::c_char, handler: Handler, ud: *mut c_void) -> *mut MgConnection;
        fn mgos_disconnect(nc: *mut MgConnection);
        fn mgos_dlsym(handle: *mut c_void, name: *const libc::c_char) -> *mut c_void;
    }

    unsafe extern "C" fn note_event(nc: *mut MgConnection, ev: c_int, _: *mut c_void, _: *mut c_void) {
        match ev {
            abi::EV_POLL => {}
            abi::EV_CONNECT => {
                CALLS.with_borrow_mut(|c| c.push(ev as usize));
                // SAFETY: a live connection.
                unsafe { mgos_disconnect(nc) };
            }
            _ => CALLS.with_borrow_mut(|c| c.push(ev as usize)),
        }
    }

    #[test]
    fn connections_of_the_global_manager_are_opened_and_closed_by_short_calls() {
        let _alone = serial();
        CALLS.take();
        // SAFETY: the only thread that polls, addresses with their NUL, a handler that ignores its
        // user data.
        unsafe {
            let listener = mgos_bind(c"127.0.0.1:0".as_ptr(), None, ptr::null_mut());
            let at = crate::addr::from_c(&(*listener).sa).unwrap().to_string();
            let at = std::ffi::CString::new(at).unwrap();
            for is_http in [false, true] {
                let nc = match is_http {
                    true => mgos_connect_http(at.as_ptr(), Some(note_event), ptr::null_mut()),
                    false => mgos_connect(at.as_ptr(), Some(note_event), ptr::null_mut()),
                };
                assert_eq!((*nc).proto_handler.is_some(), is_http);
                for _ in 0..100 {
                    mongoose_poll(10);
                    if CALLS.with_borrow(|c| c.ends_with(&[abi::EV_CLOSE as usize])) {
                        break;
                    }
                }
                assert_eq!(CALLS.take(), [abi::EV_CONNECT, abi::EV_CLOSE].map(|ev| ev as usize));
            }
            mgos_disconnect(listener);
            mgos_disconnect(ptr::null_mut());
            mongoose_poll(0);
        }
    }

    #[test]
    fn without_a_table_no_function_has_a_name() {
        // SAFETY: a name with its NUL.
        assert!(unsafe { mgos_dlsym(ptr::null_mut(), c"malloc".as_ptr()) }.is_null());
    }
}
