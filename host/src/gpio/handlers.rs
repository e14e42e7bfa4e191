//! Reactions to level changes: interrupt handlers, debounced buttons; and blinking, which changes
//! levels. The levels themselves are in gpio.rs.

use libc::{c_int, c_void, uintptr_t};

use super::{INPUT, PULL_NONE, mgos_gpio_set_mode, mgos_gpio_set_pull, mgos_gpio_toggle, with};
use crate::{
    global::invoke,
    sync::SendPtr,
    timers::{mgos_clear_timer, mgos_set_timer},
};

/// MGOS_GPIO_INT_*
pub(crate) const INT_NONE: c_int = 0;
pub(crate) const EDGE_POS: c_int = 1;
pub(crate) const EDGE_NEG: c_int = 2;
pub(crate) const EDGE_ANY: c_int = 3;
pub(crate) const LEVEL_HI: c_int = 4;
pub(crate) const LEVEL_LO: c_int = 5;

/// MGOS_TIMER_*
const REPEAT: c_int = 1 << 0;
const RUN_NOW: c_int = 1 << 1;

/// `mgos_gpio_int_handler_f`
pub type IntHandler = Option<unsafe extern "C" fn(c_int, *mut c_void)>;

/// A pin's handlers.
#[derive(Clone, Copy)]
pub(crate) struct Handlers {
    mode: c_int,
    enabled: bool,
    /// Called immediately at the change, not from the main loop.
    isr: bool,
    cb: IntHandler,
    arg: SendPtr,
    /// Changes not reported to the handler yet.
    pending: u32,
    /// Milliseconds; 0 for a plain interrupt.
    debounce_ms: c_int,
    /// Waiting for the button to settle.
    debouncing: uintptr_t,
    /// The last level reported to a button's handler.
    reported: bool,
    blink: Option<Blink>,
}

#[derive(Clone, Copy)]
struct Blink {
    timer: uintptr_t,
    on_ms: c_int,
    off_ms: c_int,
}

impl Handlers {
    pub(crate) const NONE: Handlers = Handlers {
        mode: INT_NONE,
        enabled: false,
        isr: false,
        cb: None,
        arg: SendPtr(std::ptr::null_mut()),
        pending: 0,
        debounce_ms: 0,
        debouncing: 0,
        reported: false,
        blink: None,
    };

    fn wants(&self, level: bool) -> bool {
        self.enabled
            && match self.mode {
                EDGE_ANY => true,
                EDGE_POS | LEVEL_HI => level,
                EDGE_NEG | LEVEL_LO => !level,
                _ => false,
            }
    }
}

fn call(pin: c_int, cb: IntHandler, arg: SendPtr) {
    if let Some(cb) = cb {
        // SAFETY: the app registered the handler to be called with this argument.
        unsafe { cb(pin, arg.0) };
    }
}

fn pin_of(arg: *mut c_void) -> c_int {
    arg.addr() as c_int
}

fn as_arg(pin: c_int) -> *mut c_void {
    std::ptr::without_provenance_mut(pin as usize)
}

/// The level at `pin` has changed.
pub(crate) fn level_changed(pin: c_int, level: bool) {
    enum Then {
        Nothing,
        Call(IntHandler, SendPtr),
        Later,
    }
    let then = with(pin, |p| {
        let h = &mut p.handlers;
        if !h.wants(level) || h.cb.is_none() {
            return Then::Nothing;
        }
        if h.isr {
            return Then::Call(h.cb, h.arg);
        }
        h.pending += 1;
        if h.pending == 1 { Then::Later } else { Then::Nothing }
    });
    match then {
        Some(Then::Call(cb, arg)) => call(pin, cb, arg),
        Some(Then::Later) => invoke(move || in_main_loop(pin)),
        _ => {}
    }
}

/// Calls a handler for each pending change, or waits for a button to settle.
fn in_main_loop(pin: c_int) {
    let debounce = with(pin, |p| p.handlers.debounce_ms).unwrap_or(0);
    if debounce > 0 {
        let waits = with(pin, |p| p.handlers.debouncing != 0 || p.handlers.pending == 0);
        if waits == Some(false) {
            let timer = mgos_set_timer(debounce, 0, Some(settled), as_arg(pin));
            with(pin, |p| p.handlers.debouncing = timer);
        }
        return;
    }
    // One at a time: the handler may clear the rest or remove itself.
    while let Some(Some((cb, arg))) = with(pin, |p| {
        let h = &mut p.handlers;
        h.pending = h.pending.checked_sub(1)?;
        Some((h.cb, h.arg))
    }) {
        call(pin, cb, arg);
    }
}

/// A button has settled: report its level if it has changed.
unsafe extern "C" fn settled(arg: *mut c_void) {
    let pin = pin_of(arg);
    let counts = with(pin, |p| {
        let level = p.level();
        let h = &mut p.handlers;
        h.debouncing = 0;
        h.pending = 0;
        let counts = match h.mode {
            EDGE_ANY => level != h.reported,
            EDGE_POS => level,
            _ => !level,
        };
        if counts {
            h.reported = level;
        }
        (counts && h.enabled).then_some((h.cb, h.arg))
    });
    if let Some(Some((cb, arg))) = counts {
        call(pin, cb, arg);
    }
}

/// Installs a handler, keeping the enabled state of an earlier one.
fn install(pin: c_int, mode: c_int, cb: IntHandler, arg: *mut c_void, isr: bool) -> bool {
    if !(INT_NONE..=LEVEL_LO).contains(&mode) {
        return false;
    }
    let old_timer = with(pin, |p| {
        let h = &mut p.handlers;
        h.mode = mode;
        if mode == INT_NONE {
            return 0;
        }
        (h.cb, h.arg, h.isr) = (cb, SendPtr(arg), isr);
        (h.pending, h.debounce_ms) = (0, 0);
        std::mem::take(&mut h.debouncing)
    });
    mgos_clear_timer(old_timer.unwrap_or(0));
    old_timer.is_some()
}

/// `mgos_gpio_set_int_handler()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_gpio_set_int_handler(pin: c_int, mode: c_int, cb: IntHandler, arg: *mut c_void) -> bool {
    install(pin, mode, cb, arg, false)
}

/// `mgos_gpio_set_int_handler_isr()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_gpio_set_int_handler_isr(pin: c_int, mode: c_int, cb: IntHandler, arg: *mut c_void) -> bool {
    install(pin, mode, cb, arg, true)
}

/// `mgos_gpio_enable_int()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_gpio_enable_int(pin: c_int) -> bool {
    with(pin, |p| p.handlers.enabled = true).is_some()
}

/// `mgos_gpio_disable_int()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_gpio_disable_int(pin: c_int) -> bool {
    with(pin, |p| p.handlers.enabled = false).is_some()
}

/// `mgos_gpio_clear_int()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_gpio_clear_int(pin: c_int) {
    with(pin, |p| p.handlers.pending = 0);
}

/// `mgos_gpio_remove_int_handler()`
///
/// # Safety
/// `old_cb` and `old_arg` are NULL or valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_gpio_remove_int_handler(pin: c_int, old_cb: *mut IntHandler, old_arg: *mut *mut c_void) {
    let old = with(pin, |p| {
        let blink = p.handlers.blink;
        let old = std::mem::replace(&mut p.handlers, Handlers { blink, ..Handlers::NONE });
        (old.cb, old.arg.0, old.debouncing)
    });
    let (cb, arg, timer) = old.unwrap_or((None, std::ptr::null_mut(), 0));
    mgos_clear_timer(timer);
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe {
        if !old_cb.is_null() {
            old_cb.write(cb);
        }
        if !old_arg.is_null() {
            old_arg.write(arg);
        }
    }
}

/// `mgos_gpio_set_button_handler()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_gpio_set_button_handler(
    pin: c_int,
    pull: c_int,
    mode: c_int,
    debounce_ms: c_int,
    cb: IntHandler,
    arg: *mut c_void,
) -> bool {
    let set_up = (EDGE_POS..=EDGE_ANY).contains(&mode)
        && pull >= PULL_NONE
        && mgos_gpio_set_mode(pin, INPUT)
        && mgos_gpio_set_pull(pin, pull)
        && mgos_gpio_set_int_handler(pin, mode, cb, arg);
    if set_up {
        with(pin, |p| {
            p.handlers.reported = p.level();
            p.handlers.debounce_ms = debounce_ms.max(0);
        });
    }
    set_up && mgos_gpio_enable_int(pin)
}

unsafe extern "C" fn blink(arg: *mut c_void) {
    let pin = pin_of(arg);
    let on = mgos_gpio_toggle(pin);
    // With equal times a repeating timer suffices.
    if let Some(Some(b)) = with(pin, |p| p.handlers.blink)
        && b.on_ms != b.off_ms
    {
        let ms = if on { b.on_ms } else { b.off_ms };
        let timer = mgos_set_timer(ms, 0, Some(blink), arg);
        with(pin, |p| p.handlers.blink = Some(Blink { timer, ..b }));
    }
}

/// `mgos_gpio_blink()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_gpio_blink(pin: c_int, on_ms: c_int, off_ms: c_int) -> bool {
    let times = 0..65536;
    if !times.contains(&on_ms) || !times.contains(&off_ms) {
        return false;
    }
    let Some(old) = with(pin, |p| p.handlers.blink.take()) else { return false };
    mgos_clear_timer(old.map_or(0, |b| b.timer));
    if on_ms != 0 && off_ms != 0 {
        let repeat = if on_ms == off_ms { REPEAT } else { 0 };
        let timer = mgos_set_timer(on_ms, repeat | RUN_NOW, Some(blink), as_arg(pin));
        with(pin, |p| p.handlers.blink = Some(Blink { timer, on_ms, off_ms }));
    }
    true
}
