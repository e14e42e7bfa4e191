//! Log lines from Rust code. The log itself, with its levels, is C: c/cs_dbg.c.
//!
//! A log line raises MGOS_EVENT_LOG, whose handlers may call anything: no lock may be held and no
//! reference to a connection may be alive when logging.

use std::{ffi::CString, fmt};

use crate::abi;

#[derive(Clone, Copy)]
pub(crate) enum Level {
    Error = 0,
    Warn = 1,
    Info = 2,
    Debug = 3,
}

/// Logs a line if the level is enabled. `file` ends in NUL.
pub(crate) fn line(level: Level, file: &'static str, line: u32, text: fmt::Arguments<'_>) {
    debug_assert!(file.ends_with('\0'));
    #[cfg(test)]
    crate::testing::logged(text);
    // SAFETY: `file` is a NUL-terminated string with static lifetime.
    let wanted = unsafe { abi::cs_log_print_prefix(level as i32, file.as_ptr().cast(), line as i32) };
    if wanted == 0 {
        return;
    }
    let text = CString::new(text.to_string().replace('\0', "?")).unwrap_or_default();
    // SAFETY: "%s" takes one NUL-terminated string, which outlives the call.
    unsafe { abi::cs_log_printf(c"%s".as_ptr(), text.as_ptr()) };
}

/// `log!(Info, "format", arguments)`
macro_rules! log {
    ($level:ident, $($arg:tt)+) => {
        $crate::log::line(
            $crate::log::Level::$level,
            concat!(file!(), "\0"),
            line!(),
            format_args!($($arg)+),
        )
    };
}
pub(crate) use log;
