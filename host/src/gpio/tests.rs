//! Tests of pins, their handlers, buttons and blinking as an app sees them, driven by
//! mgos_host_hooks.h.

use std::{cell::RefCell, ffi::CStr, ptr};

use libc::{c_char, c_int, c_void};

use super::{handlers::*, *};
use crate::{
    clock::mgos_host_time_skip,
    global::{mongoose_poll, run_invoked},
    testing::serial,
};

thread_local! {
    static CALLS: RefCell<Vec<(c_int, usize)>> = const { RefCell::new(Vec::new()) };
}

unsafe extern "C" fn note(pin: c_int, arg: *mut c_void) {
    CALLS.with_borrow_mut(|c| c.push((pin, arg.addr())));
}

unsafe extern "C" fn note_and_clear(pin: c_int, arg: *mut c_void) {
    CALLS.with_borrow_mut(|c| c.push((pin, arg.addr())));
    mgos_gpio_clear_int(pin);
}

const NONE: [(c_int, usize); 0] = [];

fn tag(n: usize) -> *mut c_void {
    ptr::without_provenance_mut(n)
}

/// Runs the main loop after this many milliseconds; returns the calls and their arguments.
fn pass(ms: i64) -> Vec<(c_int, usize)> {
    mgos_host_time_skip(ms * 1000);
    for _ in 0..5 {
        run_invoked();
        // SAFETY: the only thread that polls, by `serial`.
        unsafe { mongoose_poll(0) };
    }
    CALLS.take()
}

#[test]
fn an_output_reads_as_written_and_toggles() {
    let _alone = serial();
    assert!(mgos_gpio_setup_output(10, true));
    assert!(mgos_gpio_read(10) && mgos_gpio_read_out(10));
    assert!(!mgos_gpio_toggle(10));
    assert!(!mgos_gpio_read(10));
    mgos_host_gpio_set(10, true);
    assert!(!mgos_gpio_read(10), "an output shows its own level");
}

#[test]
fn an_input_reads_its_pull_until_something_drives_it() {
    let _alone = serial();
    assert!(mgos_gpio_setup_input(11, PULL_UP));
    assert!(mgos_gpio_read(11));
    mgos_host_gpio_set(11, false);
    assert!(!mgos_gpio_read(11));
    mgos_gpio_write(11, true);
    assert!(!mgos_gpio_read(11), "writing does not drive an input");
    assert!(mgos_gpio_setup_input(12, PULL_DOWN));
    assert!(!mgos_gpio_read(12));
}

#[test]
fn an_open_drain_output_can_be_pulled_down_from_outside() {
    let _alone = serial();
    assert!(mgos_gpio_set_mode(13, OUTPUT_OD));
    mgos_gpio_write(13, true);
    assert!(mgos_gpio_read(13));
    mgos_host_gpio_set(13, false);
    assert!(!mgos_gpio_read(13) && mgos_gpio_read_out(13));
}

#[test]
fn pins_and_values_that_do_not_exist_are_refused() {
    let _alone = serial();
    for pin in [-1, 256] {
        assert!(!mgos_gpio_set_mode(pin, OUTPUT));
        assert!(!mgos_gpio_setup_output(pin, true));
        assert!(!mgos_gpio_enable_int(pin));
        assert!(!mgos_gpio_blink(pin, 1, 1));
        assert!(!mgos_gpio_set_int_handler(pin, EDGE_ANY, Some(note), tag(0)));
        mgos_gpio_write(pin, true);
        assert!(!mgos_gpio_read(pin));
    }
    assert!(!mgos_gpio_set_mode(1, 3) && !mgos_gpio_set_pull(1, -1));
    assert!(!mgos_gpio_set_int_handler(1, 6, Some(note), tag(0)));
    assert!(!mgos_gpio_set_button_handler(1, PULL_UP, LEVEL_HI, 50, Some(note), tag(0)));
    assert!(!mgos_gpio_blink(1, 65536, 1));
}

#[test]
fn an_interrupt_handler_is_called_from_the_main_loop_once_for_each_edge_it_wants() {
    let _alone = serial();
    assert!(mgos_gpio_set_int_handler(20, EDGE_POS, Some(note), tag(1)));
    mgos_host_gpio_set(20, true);
    assert_eq!(pass(0), NONE, "not enabled yet");
    mgos_host_gpio_set(20, false);
    assert!(mgos_gpio_enable_int(20));
    for level in [true, true, false, true] {
        mgos_host_gpio_set(20, level);
    }
    assert_eq!(CALLS.take(), NONE);
    assert_eq!(pass(0), [(20, 1), (20, 1)]);
    assert!(mgos_gpio_disable_int(20));
    mgos_host_gpio_set(20, false);
    mgos_host_gpio_set(20, true);
    assert_eq!(pass(0), NONE);
}

#[test]
fn writing_an_output_fires_its_handler_and_an_isr_at_once() {
    let _alone = serial();
    assert!(mgos_gpio_setup_output(21, false));
    assert!(mgos_gpio_set_int_handler_isr(21, EDGE_ANY, Some(note), tag(2)));
    assert!(mgos_gpio_enable_int(21));
    mgos_gpio_write(21, true);
    assert_eq!(CALLS.take(), [(21, 2)]);
    let (mut cb, mut arg) = (None, ptr::null_mut());
    // SAFETY: both are valid for writing.
    unsafe { mgos_gpio_remove_int_handler(21, &mut cb, &mut arg) };
    assert!(cb.is_some() && arg == tag(2));
    mgos_gpio_write(21, false);
    assert_eq!(pass(0), NONE);
}

#[test]
fn a_handler_may_clear_what_else_is_pending() {
    let _alone = serial();
    assert!(mgos_gpio_set_int_handler(22, EDGE_ANY, Some(note_and_clear), tag(3)));
    assert!(mgos_gpio_enable_int(22));
    for level in [true, false, true, false] {
        mgos_host_gpio_set(22, level);
    }
    assert_eq!(pass(0), [(22, 3)]);
}

#[test]
fn a_button_counts_when_it_stays_pressed_and_not_when_it_bounces() {
    let _alone = serial();
    assert!(mgos_gpio_set_button_handler(30, PULL_UP, EDGE_NEG, 20_000, Some(note), tag(4)));
    for level in [false, true, false] {
        mgos_host_gpio_set(30, level);
    }
    assert_eq!(pass(0), NONE);
    assert_eq!(pass(20_000), [(30, 4)]);
    mgos_host_gpio_set(30, true);
    assert_eq!(pass(20_000), NONE, "released");
    mgos_host_gpio_set(30, false);
    assert_eq!(pass(0), NONE);
    mgos_host_gpio_set(30, true);
    assert_eq!(pass(20_000), NONE, "too short");
}

#[test]
fn a_button_for_both_edges_reports_press_and_release() {
    let _alone = serial();
    assert!(mgos_gpio_set_button_handler(31, PULL_UP, EDGE_ANY, 20_000, Some(note), tag(5)));
    mgos_host_gpio_set(31, false);
    pass(0);
    assert_eq!(pass(20_000), [(31, 5)]);
    mgos_host_gpio_set(31, true);
    pass(0);
    assert_eq!(pass(20_000), [(31, 5)]);
}

#[test]
fn blinking_goes_on_until_it_is_ended() {
    let _alone = serial();
    assert!(mgos_gpio_setup_output(40, false));
    assert!(mgos_gpio_blink(40, 10_000, 30_000));
    let mut seen = Vec::new();
    for ms in [0, 10_000, 10_000, 20_000, 10_000] {
        pass(ms);
        seen.push(mgos_gpio_read(40));
    }
    assert_eq!(seen, [true, false, false, true, false]);
    assert!(mgos_gpio_blink(40, 0, 0));
    pass(60_000);
    assert!(!mgos_gpio_read(40));
}

#[test]
fn a_pin_is_printed_as_its_number() {
    let mut buf: [c_char; 8] = [0; 8];
    // SAFETY: room for 8 bytes; the text is terminated.
    unsafe {
        let text = mgos_gpio_str(17, buf.as_mut_ptr());
        assert_eq!(CStr::from_ptr(text), c"17");
        mgos_gpio_str(-1, buf.as_mut_ptr());
    }
    assert_eq!(buf[0], b'-' as c_char);
}
