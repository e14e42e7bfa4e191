//! Helpers for this crate's tests: exclusive access to global state, and stand-ins for symbols of
//! an app's build.

use std::{
    ffi::{c_char, c_int, c_void},
    ptr,
    sync::{Mutex, MutexGuard},
};

use crate::sync::lock;

static TURN: Mutex<()> = Mutex::new(());

/// The holder has exclusive use of clock, timers, events, pins and main loop.
pub(crate) fn serial() -> MutexGuard<'static, ()> {
    lock(&TURN)
}

#[unsafe(no_mangle)]
static mgos_host_conf_entries: [u64; 4] = [0; 4];
#[unsafe(no_mangle)]
static mgos_host_conf_num_entries: u32 = 0;
#[unsafe(no_mangle)]
static mut mgos_host_conf_base: *mut c_void = ptr::null_mut();
#[unsafe(no_mangle)]
static mgos_host_libs: [usize; 2] = [0; 2];
#[unsafe(no_mangle)]
static mgos_host_num_libs: u32 = 0;
#[unsafe(no_mangle)]
static mut mgos_host_app_name: *const c_char = c"test".as_ptr();
#[unsafe(no_mangle)]
static mut mgos_host_app_dir: *const c_char = c"".as_ptr();

#[unsafe(no_mangle)]
extern "C" fn mgos_host_conf_set_defaults() {}
#[unsafe(no_mangle)]
extern "C" fn mgos_host_conf_loaded() {}
#[unsafe(no_mangle)]
extern "C" fn mgos_conf_set_str(_field: *mut *const c_char, _text: *const c_char) {}
#[unsafe(no_mangle)]
extern "C" fn mgos_app_preinit() {}
#[unsafe(no_mangle)]
extern "C" fn mgos_app_init() -> c_int {
    0
}

thread_local! {
    static LINES: std::cell::RefCell<Vec<String>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Called for each line that Rust code logs.
pub(crate) fn logged(text: std::fmt::Arguments<'_>) {
    LINES.with_borrow_mut(|lines| lines.push(text.to_string()));
}

/// Lines logged by this thread since the last call.
pub(crate) fn log_lines() -> String {
    LINES.with_borrow_mut(|lines| std::mem::take(lines).join("\n"))
}
