//! The app's flat configuration table, and writing values into the C struct that it describes. The
//! only unsafe part of the loader.

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::fmt;
use std::slice;

/// A row in C: struct mgos_host_conf_entry.
#[repr(C)]
pub(super) struct RawEntry {
    pub key: *const c_char,
    pub kind: i32,
    pub offset: u32,
    pub default: *const c_char,
}

/// The type of a key, numbered as in enum mgos_conf_type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    Bool,
    Double,
    Str,
    Section,
    Unsigned,
    Float,
}

impl Kind {
    fn from_number(number: i32) -> Option<Kind> {
        use Kind::{Bool, Double, Float, Int, Section, Str, Unsigned};
        [Int, Bool, Double, Str, Section, Unsigned, Float].get(usize::try_from(number).ok()?).copied()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Int => "integer",
            Kind::Bool => "boolean",
            Kind::Double | Kind::Float => "number",
            Kind::Str => "string",
            Kind::Section => "section",
            Kind::Unsigned => "unsigned",
        })
    }
}

/// A value of the key's type.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Int(c_int),
    Unsigned(c_uint),
    Bool(bool),
    Double(f64),
    Float(f32),
    Str(CString),
}

/// A key or section.
#[derive(Debug)]
pub(super) struct Entry {
    pub key: String,
    pub kind: Kind,
    offset: usize,
    /// As text; `None` for a section.
    pub default: Option<String>,
}

/// All keys of an app, and the struct that has their values.
pub(super) struct Table {
    entries: Vec<Entry>,
    base: *mut c_void,
    set_str: SetStr,
}

/// mgos_conf_set_str(): only it knows which strings must be freed.
pub(super) type SetStr = unsafe extern "C" fn(*mut *const c_char, *const c_char);

unsafe extern "C" {
    static mgos_host_conf_entries: RawEntry;
    static mgos_host_conf_num_entries: u32;
    static mgos_host_conf_base: *mut c_void;
    fn mgos_conf_set_str(vp: *mut *const c_char, v: *const c_char);
}

impl Table {
    /// The table that this program was linked with.
    pub(super) fn of_app() -> Table {
        // SAFETY: generated with the app: an array of this many rows, whose strings are literals,
        // and the struct that they describe.
        unsafe {
            let rows = slice::from_raw_parts(&raw const mgos_host_conf_entries, mgos_host_conf_num_entries as usize);
            Table::new(rows, mgos_host_conf_base, mgos_conf_set_str)
        }
    }

    /// # Safety
    /// The rows' strings are NUL-terminated, their offsets are those of fields of their
    /// type in the struct at `base`, which outlives the table.
    pub(super) unsafe fn new(rows: &[RawEntry], base: *mut c_void, set_str: SetStr) -> Table {
        let entries = rows.iter().filter_map(|row| {
            // SAFETY: the caller of `new` guarantees an array of rows with NUL-terminated strings.
            let text = |s: *const c_char| unsafe { CStr::from_ptr(s) }.to_string_lossy().into_owned();
            Some(Entry {
                key: text(row.key),
                kind: Kind::from_number(row.kind)?,
                offset: row.offset as usize,
                default: (!row.default.is_null()).then(|| text(row.default)),
            })
        });
        Table { entries: entries.collect(), base, set_str }
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn find(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Writes a value into the struct. A value of the wrong type is ignored; `Entry::read*` makes
    /// none.
    pub(super) fn store(&self, entry: &Entry, value: &Value) {
        // SAFETY: `new` requires that the field at this offset has the type of the entry's kind.
        unsafe {
            let field = self.base.cast::<u8>().add(entry.offset);
            match (entry.kind, value) {
                (Kind::Int, Value::Int(v)) => field.cast::<c_int>().write(*v),
                (Kind::Unsigned, Value::Unsigned(v)) => field.cast::<c_uint>().write(*v),
                (Kind::Bool, Value::Bool(v)) => field.cast::<c_int>().write(c_int::from(*v)),
                (Kind::Double, Value::Double(v)) => field.cast::<f64>().write(*v),
                (Kind::Float, Value::Float(v)) => field.cast::<f32>().write(*v),
                (Kind::Str, Value::Str(v)) => (self.set_str)(field.cast(), v.as_ptr()),
                _ => debug_assert!(false, "{} is not a {}", entry.key, entry.kind),
            }
        }
    }
}
