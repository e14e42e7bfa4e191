//! System-wide events: mgos_event_*. The events are listed in include/mgos_event.h; this code knows
//! only the few that the host itself raises.

use std::{
    ffi::{CStr, CString},
    sync::{Arc, Mutex},
};

use libc::{c_char, c_int, c_void};

use crate::{
    alloc_faults,
    log::log,
    sync::{SendPtr, lock},
};

/// MGOS_EVENT_SYS, and those of its events that the host raises.
pub(crate) const SYS: c_int = (b'M' as c_int) << 24 | (b'O' as c_int) << 16 | (b'S' as c_int) << 8;
pub(crate) const INIT_DONE: c_int = SYS;
pub(crate) const LOG: c_int = SYS + 1;
pub(crate) const REBOOT: c_int = SYS + 2;
pub(crate) const TIME_CHANGED: c_int = SYS + 3;
pub(crate) const REBOOT_AFTER: c_int = SYS + 8;

/// `mgos_event_handler_t`
pub type EventHandler = Option<unsafe extern "C" fn(c_int, *mut c_void, *mut c_void)>;

struct Entry {
    ev: c_int,
    group: bool,
    cb: unsafe extern "C" fn(c_int, *mut c_void, *mut c_void),
    userdata: SendPtr,
}

impl Entry {
    fn matches(&self, ev: c_int) -> bool {
        self.ev == ev || (self.group && ev & !0xff == self.ev)
    }
}

/// In order of registration. An entry's Arc tells whether it is still in the list.
static HANDLERS: Mutex<Vec<Arc<Entry>>> = Mutex::new(Vec::new());
static BASES: Mutex<Vec<(c_int, CString)>> = Mutex::new(Vec::new());

/// `mgos_event_register_base()`
///
/// # Safety
/// `name` is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_event_register_base(base: c_int, name: *const c_char) -> bool {
    let name = if name.is_null() {
        CString::default()
    } else {
        // SAFETY: upheld by the caller, see `# Safety`.
        unsafe { CStr::from_ptr(name) }.to_owned()
    };
    let taken = {
        let mut bases = lock(&BASES);
        match bases.iter().find(|(b, _)| *b == base) {
            Some((_, by)) => by.clone(),
            None => {
                bases.push((base, name));
                return true;
            }
        }
    };
    log!(Error, "event base {} of {:?} is already used by {:?}", label(base), name, taken);
    false
}

/// `mgos_event_trigger()`
///
/// # Safety
/// `ev_data` is what handlers of `ev` expect.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_event_trigger(ev: c_int, ev_data: *mut c_void) -> c_int {
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe { trigger(ev, ev_data) }
}

/// Calls the handlers of `ev`, newest first.
///
/// # Safety
/// `ev_data` is what handlers of `ev` expect.
pub(crate) unsafe fn trigger(ev: c_int, ev_data: *mut c_void) -> c_int {
    let now: Vec<_> = {
        let handlers = lock(&HANDLERS);
        handlers.iter().rev().filter(|h| h.matches(ev)).cloned().collect()
    };
    let mut called = 0;
    for entry in now {
        // An earlier handler in this round may have removed this one.
        if lock(&HANDLERS).iter().any(|h| Arc::ptr_eq(h, &entry)) {
            // SAFETY: the app registered the handler to be called with this event's data and its
            // own userdata.
            unsafe { (entry.cb)(ev, ev_data, entry.userdata.0) };
            called += 1;
        }
    }
    // Logging a log event would recurse forever.
    if ev != LOG {
        log!(Debug, "ev {} triggered {} handlers", label(ev), called);
    }
    called
}

/// An event's number as apps write it, for example `MOS0`.
fn label(ev: c_int) -> String {
    let [a, b, c, n] = ev.to_be_bytes();
    format!("{}{}{}{}", a.escape_ascii(), b.escape_ascii(), c.escape_ascii(), n)
}

fn add(ev: c_int, group: bool, cb: EventHandler, userdata: *mut c_void) -> bool {
    let Some(cb) = cb else { return false };
    lock(&HANDLERS).push(Arc::new(Entry { ev, group, cb, userdata: SendPtr(userdata) }));
    true
}

fn remove(ev: c_int, group: bool, cb: EventHandler, userdata: *mut c_void) -> bool {
    let mut handlers = lock(&HANDLERS);
    let found = handlers
        .iter()
        .rposition(|h| h.ev == ev && h.group == group && cb.is_some_and(|cb| std::ptr::fn_addr_eq(cb, h.cb)) && h.userdata.0 == userdata);
    found.map(|at| handlers.remove(at)).is_some()
}

/// `mgos_event_add_handler()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_event_add_handler(ev: c_int, cb: EventHandler, userdata: *mut c_void) -> bool {
    // A device allocates a block for each handler.
    !alloc_faults::fails() && add(ev, false, cb, userdata)
}

/// `mgos_event_add_group_handler()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_event_add_group_handler(group: c_int, cb: EventHandler, userdata: *mut c_void) -> bool {
    add(group & !0xff, true, cb, userdata)
}

/// `mgos_event_remove_handler()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_event_remove_handler(ev: c_int, cb: EventHandler, userdata: *mut c_void) -> bool {
    remove(ev, false, cb, userdata)
}

/// `mgos_event_remove_group_handler()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_event_remove_group_handler(group: c_int, cb: EventHandler, userdata: *mut c_void) -> bool {
    remove(group, true, cb, userdata)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::serial;
    use std::{cell::RefCell, ptr};

    const BASE: c_int = 0x41_42_43_00;

    thread_local! {
        static CALLS: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    }

    fn calls() -> Vec<usize> {
        CALLS.take()
    }

    fn tag(n: usize) -> *mut c_void {
        ptr::without_provenance_mut(n)
    }

    unsafe extern "C" fn note(_ev: c_int, _data: *mut c_void, arg: *mut c_void) {
        CALLS.with_borrow_mut(|c| c.push(arg.addr()));
    }

    unsafe extern "C" fn remove_note_1_add_note_9(_: c_int, _: *mut c_void, arg: *mut c_void) {
        CALLS.with_borrow_mut(|c| c.push(arg.addr()));
        mgos_event_remove_handler(BASE, Some(note), tag(1));
        mgos_event_add_handler(BASE, Some(note), tag(9));
    }

    fn fire(ev: c_int) -> c_int {
        // SAFETY: the handlers of this module accept any data.
        unsafe { mgos_event_trigger(ev, ptr::null_mut()) }
    }

    #[test]
    fn handlers_run_newest_first_and_are_counted() {
        let _alone = serial();
        for n in 1..=3 {
            assert!(mgos_event_add_handler(BASE, Some(note), tag(n)));
        }
        assert_eq!(fire(BASE), 3);
        assert_eq!(calls(), [3, 2, 1]);
        assert_eq!(fire(BASE + 1), 0);
        for n in 1..=3 {
            assert!(mgos_event_remove_handler(BASE, Some(note), tag(n)));
        }
        assert_eq!(fire(BASE), 0);
    }

    #[test]
    fn a_group_handler_gets_the_256_events_of_its_base_and_no_others() {
        let _alone = serial();
        assert!(mgos_event_add_group_handler(BASE + 7, Some(note), tag(5)));
        for ev in [BASE, BASE + 1, BASE + 0xff] {
            assert_eq!(fire(ev), 1, "{ev:#x}");
        }
        for ev in [BASE - 1, BASE + 0x100] {
            assert_eq!(fire(ev), 0, "{ev:#x}");
        }
        assert!(!mgos_event_remove_handler(BASE, Some(note), tag(5)));
        assert!(!mgos_event_remove_group_handler(BASE, Some(note), tag(6)));
        assert!(mgos_event_remove_group_handler(BASE, Some(note), tag(5)));
        assert_eq!(calls(), [5, 5, 5]);
    }

    #[test]
    fn a_handler_may_remove_others_and_add_some_while_it_runs() {
        let _alone = serial();
        assert!(mgos_event_add_handler(BASE, Some(note), tag(1)));
        assert!(mgos_event_add_handler(BASE, Some(remove_note_1_add_note_9), tag(2)));
        assert!(mgos_event_add_handler(BASE, Some(note), tag(3)));
        assert_eq!(fire(BASE), 2);
        assert_eq!(calls(), [3, 2]);
        assert!(mgos_event_remove_handler(BASE, Some(remove_note_1_add_note_9), tag(2)));
        assert_eq!(fire(BASE), 2);
        assert_eq!(calls(), [9, 3]);
        assert!(mgos_event_remove_handler(BASE, Some(note), tag(3)));
        assert!(mgos_event_remove_handler(BASE, Some(note), tag(9)));
    }

    #[test]
    fn the_newest_of_equal_handlers_goes_first() {
        let _alone = serial();
        assert!(mgos_event_add_handler(BASE, Some(note), tag(4)));
        assert!(mgos_event_add_handler(BASE, Some(note), tag(4)));
        assert_eq!(fire(BASE), 2);
        assert!(mgos_event_remove_handler(BASE, Some(note), tag(4)));
        assert_eq!(fire(BASE), 1);
        assert!(mgos_event_remove_handler(BASE, Some(note), tag(4)));
        assert!(!mgos_event_remove_handler(BASE, Some(note), tag(4)));
        calls();
    }

    #[test]
    fn a_base_is_claimed_once() {
        let _alone = serial();
        let base = 0x5a_5a_5a_00;
        // SAFETY: the names are NUL-terminated.
        let twice = unsafe { (mgos_event_register_base(base, c"one".as_ptr()), mgos_event_register_base(base, c"two".as_ptr())) };
        assert_eq!(twice, (true, false));
    }
}
