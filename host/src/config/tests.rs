//! Tests the loader with a table and a struct like those of an app's build. Generating them is
//! tested in host/app/src/confgen.

use std::ffi::{CStr, CString, c_char, c_int, c_uint};
use std::mem::offset_of;
use std::path::PathBuf;
use std::ptr;

use super::overlay::Overlay;
use super::table::{RawEntry, Table};

#[repr(C)]
#[derive(Debug)]
struct Config {
    id: *const c_char,
    enable: c_int,
    min: f64,
    keep_alive: c_int,
    limit: c_uint,
    gain: f32,
}

/// Like mgos_conf_set_str(), but leaks old strings.
unsafe extern "C" fn set_str(field: *mut *const c_char, text: *const c_char) {
    // SAFETY: called by the table, with a field of the struct and a string that ends in NUL.
    unsafe { field.write(if *text == 0 { ptr::null() } else { CStr::from_ptr(text).to_owned().into_raw() }) };
}

const KEYS: [(&CStr, i32, usize, Option<&CStr>); 8] = [
    (c"device", 4, 0, None),
    (c"device.id", 3, offset_of!(Config, id), Some(c"")),
    (c"mqtt", 4, offset_of!(Config, enable), None),
    (c"mqtt.enable", 1, offset_of!(Config, enable), Some(c"false")),
    (c"mqtt.min", 2, offset_of!(Config, min), Some(c"2.0")),
    (c"mqtt.keep_alive", 0, offset_of!(Config, keep_alive), Some(c"60")),
    (c"limit", 5, offset_of!(Config, limit), Some(c"0")),
    (c"gain", 6, offset_of!(Config, gain), Some(c"0.0")),
];

/// Loads files and settings over an empty configuration. Returns the configuration, or the errors.
fn load(files: &[&str], settings: &[&str]) -> Result<Config, Vec<String>> {
    let mut config = Config { id: ptr::null(), enable: 0, min: 0.0, keep_alive: 0, limit: 0, gain: 0.0 };
    let rows = KEYS.map(|(key, kind, offset, default)| RawEntry {
        key: key.as_ptr(),
        kind,
        offset: u32::try_from(offset).unwrap(),
        default: default.map_or(ptr::null(), CStr::as_ptr),
    });
    // SAFETY: the rows describe the struct, which lives to the end of this function.
    let table = unsafe { Table::new(&rows, (&raw mut config).cast(), set_str) };
    let mut overlay = Overlay::new(&table);
    let dir = std::env::temp_dir().join(format!("mgos-host-config-{}-{:?}", std::process::id(), std::thread::current().id()));
    std::fs::create_dir_all(&dir).unwrap();
    for (i, text) in files.iter().enumerate() {
        let path: PathBuf = dir.join(format!("{i}.json"));
        std::fs::write(&path, text).unwrap();
        overlay.file(&path);
    }
    settings.iter().for_each(|setting| overlay.setting(setting));
    let (values, problems) = overlay.finish();
    values.iter().for_each(|(entry, value)| table.store(entry, value));
    let prefix = format!("{}/", dir.display());
    std::fs::remove_dir_all(&dir).unwrap();
    if problems.is_empty() { Ok(config) } else { Err(problems.into_iter().map(|problem| problem.replace(&prefix, "")).collect()) }
}

fn id(config: &Config) -> Option<String> {
    // SAFETY: NULL, or allocated by set_str, which passed on the ownership.
    (!config.id.is_null()).then(|| unsafe { CString::from_raw(config.id.cast_mut()) }.into_string().unwrap())
}

#[test]
fn values_of_every_type_reach_their_fields() {
    let json = r#"{"device": {"id": "a\"é"}, "mqtt": {"enable": true, "min": 3, "keep_alive": -5},
        "limit": 4294967295, "gain": 0.5}"#;
    let config = load(&[json], &[]).unwrap();
    assert_eq!(id(&config).as_deref(), Some("a\"é"));
    assert_eq!((config.enable, config.min, config.keep_alive), (1, 3.0, -5));
    assert_eq!((config.limit, config.gain), (u32::MAX, 0.5));
}

#[test]
fn later_files_win_over_earlier_ones_and_settings_over_files() {
    let files = [r#"{"mqtt": {"keep_alive": 1, "min": 1.5}}"#, r#"{"mqtt": {"keep_alive": 2}}"#];
    let config = load(&files, &[]).unwrap();
    assert_eq!((config.keep_alive, config.min), (2, 1.5));
    let config = load(&files, &["mqtt.keep_alive=3", "mqtt.keep_alive=4"]).unwrap();
    assert_eq!(config.keep_alive, 4);
}

#[test]
fn a_setting_is_read_by_the_type_of_its_key() {
    let settings = ["device.id=a=b, c ", "mqtt.enable=true", "mqtt.min=.25", "limit=7", "gain=1e-1"];
    let config = load(&[], &settings).unwrap();
    assert_eq!(id(&config).as_deref(), Some("a=b, c "));
    assert_eq!((config.enable, config.min, config.limit, config.gain), (1, 0.25, 7, 0.1));
}

#[test]
fn an_empty_string_is_null_in_c() {
    assert_eq!(id(&load(&[r#"{"device": {"id": "x"}}"#], &["device.id="]).unwrap()), None);
}

#[test]
fn every_problem_is_reported_with_key_source_and_expected_type() {
    let json = r#"{"mqtt": {"enable": "yes", "keep_alive": 1.5, "sevrer": "b", "min": null}, "device": 3,
        "limit": -1, "wholly_unknown": {"x": 1}}"#;
    let settings = ["mqtt.enable=1", "gain", "mqtt=x", "mqtt.keep_alive=3000000000", "mqtt.keepalive=1"];
    let problems = load(&[json], &settings).unwrap_err();
    let expected = [
        "0.json: device: expected an object: it is a section, its keys can be set one by one, got a number (3)",
        "0.json: limit: expected an integer of 32 bits, not negative, got a number (-1)",
        "0.json: mqtt.enable: expected true or false, got a string (\"yes\")",
        "0.json: mqtt.keep_alive: expected an integer of 32 bits, got a number (1.5)",
        "0.json: mqtt.min: expected a number, got null (null)",
        "0.json: mqtt.sevrer: no such key in this app",
        "0.json: wholly_unknown: no such key in this app",
        "--set mqtt.enable=1: mqtt.enable: expected true or false",
        "--set gain: expected KEY=VALUE",
        "--set mqtt=x: mqtt: expected an object: it is a section, its keys can be set one by one",
        "--set mqtt.keep_alive=3000000000: mqtt.keep_alive: expected an integer of 32 bits",
        "--set mqtt.keepalive=1: mqtt.keepalive: no such key; did you mean mqtt.keep_alive?",
    ];
    assert_eq!(problems, expected);
}

#[test]
fn a_file_that_is_missing_or_not_a_json_object_is_reported_by_name() {
    assert_eq!(load(&["{\n  \"a\": }"], &[]).unwrap_err(), ["0.json: not valid JSON: expected value at line 2 column 8"]);
    assert_eq!(load(&["[]"], &[]).unwrap_err(), ["0.json: expected a JSON object, got an array"]);
    // SAFETY: no rows, so nothing is stored.
    let table = unsafe { Table::new(&[], ptr::null_mut(), set_str) };
    let mut overlay = Overlay::new(&table);
    overlay.file(&PathBuf::from("/nonexistent/a.json"));
    assert_eq!(overlay.finish().1, ["/nonexistent/a.json: cannot read: No such file or directory (os error 2)"]);
}
