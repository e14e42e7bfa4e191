//! The file system of a device, and a power cut at any time: what was written and not closed is lost
//! as different file systems lose it.

extern crate std;

use super::super::shim::QueueLog;
use super::super::types::mgos_mqtt_conn;
use super::link::at;
use super::world::{callback, with};
use crate::heap::testing::fails;
use core::ffi::{CStr, c_char, c_void};
use core::ptr::{null_mut, without_provenance_mut};
use std::borrow::ToOwned;
use std::collections::BTreeMap;
use std::format;
use std::string::String;
use std::vec::Vec;

/// What becomes of a file that is written anew.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Manner {
    /// Empty from the beginning, then as much as was written: SPIFFS, FAT.
    #[default]
    AtOnce,
    /// As before until it is closed: littlefs.
    AtClose,
    /// Empty until it is closed.
    Empty,
}

#[derive(Default)]
pub struct Disk {
    pub files: BTreeMap<String, Vec<u8>>,
    pub manner: Manner,
    /// Operations, a byte written each one, until the power is cut; `None` for ever.
    pub left: Option<usize>,
    /// How many there have been.
    pub done: usize,
    /// Bytes that waited to leave whenever a file was complete.
    pub unsent: Vec<usize>,
    /// Opens of files to be written fail.
    pub full: bool,
    pub claims: Vec<(usize, String)>,
    pub open: BTreeMap<i32, File>,
    last: usize,
}

pub struct File {
    name: String,
    bytes: Vec<u8>,
    at: usize,
    writes: bool,
}

impl Disk {
    /// True while there is power for one more.
    fn go(&mut self) -> bool {
        if self.left == Some(0) {
            return false;
        }
        self.left = self.left.map(|left| left - 1);
        self.done += 1;
        true
    }

    /// The power has been cut.
    pub fn is_dead(&self) -> bool {
        self.left == Some(0)
    }

    fn name(&self, file: *mut c_void, ending: &str) -> String {
        let claim = self.claims.iter().find(|claim| claim.0 == file.addr()).expect("it is claimed");
        format!("{}{ending}", claim.1)
    }

    fn sync(&mut self, fd: i32) {
        let manner = self.manner;
        let file = &self.open[&fd];
        if file.writes && manner == Manner::AtOnce {
            self.files.insert(file.name.clone(), file.bytes.clone());
        }
    }
}

fn text(path: *const c_char) -> String {
    // SAFETY: NULL or a constant.
    if path.is_null() { String::new() } else { unsafe { CStr::from_ptr(path) }.to_str().unwrap().to_owned() }
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_queue_claim(path: *const c_char) -> *mut c_void {
    let path = text(path);
    if path.is_empty() || fails() {
        return null_mut();
    }
    with(|w| {
        if w.disk.claims.iter().any(|claim| claim.1 == path) {
            return null_mut();
        }
        w.disk.last += 1;
        let id = w.disk.last;
        w.disk.claims.push((id, path));
        without_provenance_mut(id)
    })
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_queue_release(file: *mut c_void) {
    with(|w| {
        assert!(w.disk.claims.iter().any(|claim| claim.0 == file.addr()));
        w.disk.claims.retain(|claim| claim.0 != file.addr());
    });
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_queue_open(file: *mut c_void, copy: u32, to_write: u32) -> i32 {
    if fails() {
        return -2;
    }
    with(|w| {
        let disk = &mut w.disk;
        let name = disk.name(file, if copy == 0 { ".a" } else { ".b" });
        let writes = to_write != 0;
        if writes && (disk.full || !disk.go()) {
            return -2;
        }
        let bytes = match disk.files.get(&name) {
            None if !writes => return -1,
            Some(bytes) if !writes => bytes.clone(),
            _ => Vec::new(),
        };
        if writes && disk.manner == Manner::Empty {
            disk.files.insert(name.clone(), Vec::new());
        }
        disk.last += 1;
        let fd = disk.last as i32;
        disk.open.insert(fd, File { name, bytes, at: 0, writes });
        disk.sync(fd);
        fd
    })
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_queue_read(fd: i32, to: *mut u8, len: usize) -> usize {
    with(|w| {
        let file = w.disk.open.get_mut(&fd).expect("it is open");
        let n = len.min(file.bytes.len() - file.at);
        // SAFETY: `len` bytes may be written to `to`.
        unsafe { to.copy_from_nonoverlapping(file.bytes[file.at..].as_ptr(), n) };
        file.at += n;
        n
    })
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_queue_write(fd: i32, from: *const u8, len: usize) -> u32 {
    // SAFETY: `len` bytes are readable at `from`.
    let bytes = unsafe { core::slice::from_raw_parts(from, len) };
    with(|w| {
        for &byte in bytes {
            if !w.disk.go() {
                return 0;
            }
            w.disk.open.get_mut(&fd).expect("it is open").bytes.push(byte);
            w.disk.sync(fd);
        }
        1
    })
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_queue_close(fd: i32) -> u32 {
    with(|w| {
        // The library must not be asked for it here, as it is at work.
        let nc = w.links.iter().rev().find(|&&nc| at(nc).owner == w.c && !w.c.is_null());
        let unsent = nc.map_or(0, |&nc| at(nc).send.len());
        let file = w.disk.open.remove(&fd).expect("it is open");
        if file.writes {
            if !w.disk.go() {
                return 0;
            }
            w.disk.files.insert(file.name, file.bytes);
            w.disk.unsent.push(unsent);
        }
        1
    })
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_queue_set_aside(file: *mut c_void, copy: u32) {
    with(|w| {
        let (from, to) = (w.disk.name(file, if copy == 0 { ".a" } else { ".b" }), w.disk.name(file, ".bad"));
        let bytes = w.disk.files.remove(&from).expect("it is there");
        w.disk.files.insert(to, bytes);
    });
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_queue_log(what: QueueLog, _conn: i32, file: *mut c_void, path: *const c_char, n: u32) {
    with(|w| {
        let path = if file.is_null() { text(path) } else { w.disk.name(file, "") };
        let what = ["restored", "incomplete", "damaged", "unreadable", "not written", "too late", "refused"][what as usize];
        w.last_line = path.clone().into();
        w.seen.push(format!("queue file {path}: {what} {n}"));
    });
    callback("log");
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_watch_reboot(c: *mut mgos_mqtt_conn, on: u32) {
    with(|w| {
        w.reboot_watchers.retain(|&watcher| watcher != c);
    });
    if on != 0 && !fails() {
        with(|w| w.reboot_watchers.push(c));
    }
}

#[unsafe(no_mangle)]
extern "C" fn mgos_mqtt_shim_wall_clock() -> u32 {
    with(|w| w.clock)
}
