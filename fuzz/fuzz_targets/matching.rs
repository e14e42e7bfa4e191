//! A filter and a name, split at the first line feed: validity and matching compared with the
//! reference implementation.
#![no_main]

#[path = "../../tests/reference/mod.rs"]
mod reference;

use libfuzzer_sys::fuzz_target;
use mgos_mqtt::wire::{check_filter, check_name, matches};

fuzz_target!(|data: &[u8]| {
    let at = data.iter().position(|b| *b == b'\n').unwrap_or(data.len());
    let (filter, name) = (&data[..at], data.get(at + 1..).unwrap_or(&[]));
    for s in [filter, name] {
        assert_eq!(check_filter(s).is_ok(), reference::filter_is_right(s));
        assert_eq!(check_name(s).is_ok(), reference::name_is_right(s));
    }
    if check_filter(filter).is_ok() && check_name(name).is_ok() {
        assert_eq!(matches(filter, name), reference::filter_matches(filter, name));
    }
});
