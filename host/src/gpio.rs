//! Simulated pins: mgos_gpio_*, and mgos_host_gpio_set() to drive them from outside. Interrupts,
//! debounced buttons and blinking are in gpio/handlers.rs.

pub mod handlers;
#[cfg(test)]
mod tests;

use std::sync::Mutex;

use libc::{c_char, c_int};

use crate::{addr, sync::lock};
use handlers::Handlers;

const PINS: usize = 256;

/// MGOS_GPIO_MODE_*
pub(crate) const INPUT: c_int = 0;
pub(crate) const OUTPUT: c_int = 1;
pub(crate) const OUTPUT_OD: c_int = 2;

/// MGOS_GPIO_PULL_*
pub(crate) const PULL_NONE: c_int = 0;
pub(crate) const PULL_UP: c_int = 1;
pub(crate) const PULL_DOWN: c_int = 2;

#[derive(Clone, Copy)]
pub(crate) struct Pin {
    mode: c_int,
    pull: c_int,
    out: bool,
    /// External level, if driven.
    outside: Option<bool>,
    pub(crate) handlers: Handlers,
}

impl Pin {
    const NEW: Pin = Pin { mode: INPUT, pull: PULL_NONE, out: false, outside: None, handlers: Handlers::NONE };

    /// The level at the pin.
    pub(crate) fn level(&self) -> bool {
        match self.mode {
            OUTPUT => self.out,
            // Open drain: pulling down wins.
            OUTPUT_OD => self.out && self.outside.unwrap_or(true),
            _ => self.outside.unwrap_or(self.pull == PULL_UP),
        }
    }
}

static BANK: Mutex<[Pin; PINS]> = Mutex::new([Pin::NEW; PINS]);

/// Accesses a pin; `None` if it does not exist. `f` must not call functions of this module.
pub(crate) fn with<R>(pin: c_int, f: impl FnOnce(&mut Pin) -> R) -> Option<R> {
    lock(&BANK).get_mut(usize::try_from(pin).ok()?).map(f)
}

/// Changes a pin, and notifies its interrupt handler if the level changed.
fn change(pin: c_int, f: impl FnOnce(&mut Pin)) -> bool {
    let levels = with(pin, |p| {
        let before = p.level();
        f(p);
        (before, p.level())
    });
    if let Some((before, after)) = levels
        && before != after
    {
        handlers::level_changed(pin, after);
    }
    levels.is_some()
}

/// `mgos_gpio_set_mode()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_gpio_set_mode(pin: c_int, mode: c_int) -> bool {
    (INPUT..=OUTPUT_OD).contains(&mode) && change(pin, |p| p.mode = mode)
}

/// `mgos_gpio_set_pull()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_gpio_set_pull(pin: c_int, pull: c_int) -> bool {
    (PULL_NONE..=PULL_DOWN).contains(&pull) && change(pin, |p| p.pull = pull)
}

/// `mgos_gpio_setup_input()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_gpio_setup_input(pin: c_int, pull: c_int) -> bool {
    mgos_gpio_set_mode(pin, INPUT) && mgos_gpio_set_pull(pin, pull)
}

/// `mgos_gpio_setup_output()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_gpio_setup_output(pin: c_int, level: bool) -> bool {
    change(pin, |p| {
        p.out = level;
        p.mode = OUTPUT;
    })
}

/// `mgos_gpio_read()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_gpio_read(pin: c_int) -> bool {
    with(pin, |p| p.level()).unwrap_or(false)
}

/// `mgos_gpio_read_out()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_gpio_read_out(pin: c_int) -> bool {
    with(pin, |p| p.out).unwrap_or(false)
}

/// `mgos_gpio_write()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_gpio_write(pin: c_int, level: bool) {
    change(pin, |p| p.out = level);
}

/// `mgos_gpio_toggle()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_gpio_toggle(pin: c_int) -> bool {
    let level = !mgos_gpio_read_out(pin);
    mgos_gpio_write(pin, level);
    level
}

/// `mgos_host_gpio_set()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_host_gpio_set(pin: c_int, level: bool) {
    change(pin, |p| p.outside = Some(level));
}

/// `mgos_gpio_str()`
///
/// # Safety
/// `buf` has room for 8 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_gpio_str(pin: c_int, buf: *mut c_char) -> *const c_char {
    let text = if pin < 0 { "-".to_owned() } else { pin.to_string() };
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe { addr::to_buf(&text, buf, 8) };
    buf
}
