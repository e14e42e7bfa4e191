//! The device's identity: its MAC address, and the constants of mgos_ro_vars.h.

use std::{
    ffi::{CStr, CString},
    sync::Mutex,
};

use libc::c_char;
use sha2::{Digest, Sha256};

use crate::sync::lock;

/// Overrides the address.
const MAC_VARIABLE: &str = "MGOS_HOST_MAC";

/// All zeros until `init`.
static MAC: Mutex<[u8; 6]> = Mutex::new([0; 6]);

unsafe extern "C" {
    static mgos_host_app_dir: *const c_char;
}

/// What tells this app from others on this machine: its directory, or the program's path if that is
/// unknown.
fn place() -> Vec<u8> {
    // SAFETY: generated with the app: a literal.
    let dir = unsafe { CStr::from_ptr(mgos_host_app_dir) }.to_bytes();
    match dir.is_empty() {
        true => std::env::current_exe().unwrap_or_default().into_os_string().into_encoded_bytes(),
        false => dir.to_vec(),
    }
}

/// An address made from the app's place, the same at each start. It is locally administered, so that
/// it collides with no real one.
fn mac_of(place: &[u8]) -> [u8; 6] {
    let digest = Sha256::digest(place);
    [0x02, digest[0], digest[1], digest[2], digest[3], digest[4]]
}

/// Returned by mgos_sys_ro_vars_get_mac_address(), so it must stay valid.
static TEXTS: Mutex<Vec<CString>> = Mutex::new(Vec::new());

/// Parses twelve hexadecimal digits, with or without colons or hyphens between bytes.
fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let digits: String = text.chars().filter(|c| !matches!(c, ':' | '-')).collect();
    if digits.len() != 12 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut mac = [0; 6];
    for (i, byte) in mac.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(mac)
}

/// Sets the address: from the environment, else from the app's place.
pub(crate) fn init() -> Result<(), String> {
    *lock(&MAC) = match std::env::var_os(MAC_VARIABLE) {
        Some(text) => {
            text.to_str().and_then(parse_mac).ok_or(format!("{MAC_VARIABLE} must be a MAC address like 02:00:00:12:34:56, not {text:?}"))?
        }
        None => mac_of(&place()),
    };
    Ok(())
}

fn mac() -> [u8; 6] {
    *lock(&MAC)
}

fn digits() -> String {
    mac().iter().map(|b| format!("{b:02X}")).collect()
}

/// `device_get_mac_address()`
///
/// # Safety
/// `mac_out` has room for 6 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn device_get_mac_address(mac_out: *mut u8) {
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe { mac_out.cast::<[u8; 6]>().write(mac()) };
}

/// `device_set_mac_address()`
///
/// # Safety
/// `mac` points to 6 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn device_set_mac_address(mac: *const u8) {
    // SAFETY: upheld by the caller, see `# Safety`.
    let bytes = unsafe { mac.cast::<[u8; 6]>().read() };
    *lock(&MAC) = bytes;
}

/// Replaces each `?` by a digit of the address, aligned at the end, if their number is even.
fn expand(text: &mut [u8], digits: &str) {
    let marks = text.iter().filter(|c| **c == b'?').count();
    if marks % 2 == 0 {
        let places = text.iter_mut().rev().filter(|c| **c == b'?');
        places.zip(digits.bytes().rev()).for_each(|(place, digit)| *place = digit);
    }
}

/// `mgos_expand_mac_address_placeholders()`
///
/// # Safety
/// `str` is NULL or a NUL-terminated string that may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_expand_mac_address_placeholders(str: *mut c_char) {
    if !str.is_null() {
        // SAFETY: upheld by the caller; the NUL stays.
        let text = unsafe { std::slice::from_raw_parts_mut(str.cast(), libc::strlen(str)) };
        expand(text, &digits());
    }
}

/// `mgos_sys_ro_vars_get_mac_address()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_sys_ro_vars_get_mac_address() -> *const c_char {
    let text = CString::new(digits()).unwrap_or_default();
    let mut texts = lock(&TEXTS);
    let at = texts.iter().position(|t| *t == text).unwrap_or_else(|| {
        texts.push(text);
        texts.len() - 1
    });
    texts[at].as_ptr()
}

macro_rules! ro_vars {
    ($($name:ident = $value:expr;)*) => {$(
        /// A constant, see mgos_ro_vars.h.
        #[unsafe(no_mangle)]
        pub extern "C" fn $name() -> *const c_char { $value.as_ptr() }
    )*};
}

ro_vars! {
    mgos_sys_ro_vars_get_arch = c"host";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::serial;

    #[test]
    fn placeholders_take_the_last_digits() {
        let cases = [
            ("esp_??????", "esp_123456"),
            ("??-a-??", "34-a-56"),
            ("x_?", "x_?"),
            ("x_???", "x_???"),
            ("none", "none"),
            ("????????????????", "????ABCDEF123456"),
        ];
        for (before, after) in cases {
            let mut text = before.as_bytes().to_vec();
            expand(&mut text, "ABCDEF123456");
            assert_eq!(text, after.as_bytes());
        }
    }

    #[test]
    fn a_mac_address_is_read_in_its_usual_forms_only() {
        let mac = Some([0x02, 0, 0, 0x12, 0xab, 0xcd]);
        for text in ["02:00:00:12:ab:cd", "02-00-00-12-AB-CD", "02000012abcd"] {
            assert_eq!(parse_mac(text), mac, "{text}");
        }
        for text in ["", "02:00:00:12:ab", "02:00:00:12:ab:cg", "02:00:00:12:ab:cd:ef", "+2000012abcd"] {
            assert_eq!(parse_mac(text), None, "{text}");
        }
    }

    #[test]
    fn each_place_has_its_own_address_always_the_same() {
        let (one, two) = (mac_of(b"/apps/one"), mac_of(b"/apps/two"));
        assert_eq!((one[0], one), (0x02, mac_of(b"/apps/one")));
        // device.id shows the last three bytes.
        assert_ne!(one[3..], two[3..]);
        // A program that was built without cargo is told by its path.
        assert_eq!(place(), std::env::current_exe().unwrap().into_os_string().into_encoded_bytes());
    }

    #[test]
    fn the_address_shows_everywhere_once_set() {
        let _alone = serial();
        let mut before = [0; 6];
        let mut id = *b"dev_??????\0";
        // SAFETY: buffers of six bytes, a string with its NUL.
        unsafe {
            device_get_mac_address(before.as_mut_ptr());
            device_set_mac_address([2, 0, 0, 0xaa, 0xbb, 0xcc].as_ptr());
            mgos_expand_mac_address_placeholders(id.as_mut_ptr().cast());
            let text = CStr::from_ptr(mgos_sys_ro_vars_get_mac_address()).to_owned();
            device_set_mac_address(before.as_ptr());
            assert_eq!(text.as_c_str(), c"020000AABBCC");
        }
        assert_eq!(&id, b"dev_AABBCC\0");
    }
}
