//! Versions of app and host, as variables and as functions of mgos_ro_vars.h.

use std::ffi::c_char;

/// A `const char *` of C.
#[repr(transparent)]
pub struct Text(*const c_char);
// SAFETY: points to constants.
unsafe impl Sync for Text {}

macro_rules! texts {
    ($($variable:ident, $function:ident = $value:expr;)*) => {$(
        /// A constant, declared by the libraries that use it.
        #[unsafe(no_mangle)]
        pub static $variable: Text = Text($value.as_ptr().cast());

        /// The same, see mgos_ro_vars.h.
        #[unsafe(no_mangle)]
        pub extern "C" fn $function() -> *const c_char {
            $variable.0
        }
    )*};
}

texts! {
    build_version, mgos_sys_ro_vars_get_fw_version = c"";
    build_id, mgos_sys_ro_vars_get_fw_id = c"";
    build_timestamp, mgos_sys_ro_vars_get_fw_timestamp = c"";
    mg_build_version, mgos_sys_ro_vars_get_mg_version = concat!(env!("CARGO_PKG_VERSION"), "\0");
    mg_build_id, mgos_sys_ro_vars_get_mg_id = c"host";
}

/// The host's build is not stamped.
#[unsafe(no_mangle)]
pub static mg_build_timestamp: Text = Text(c"".as_ptr());

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    #[test]
    fn the_build_is_not_stamped_and_the_hosts_version_is_known() {
        // SAFETY: constants that end in NUL.
        let text = |p| unsafe { CStr::from_ptr(p) }.to_str().unwrap();
        assert_eq!(text(mgos_sys_ro_vars_get_mg_version()), env!("CARGO_PKG_VERSION"));
        assert_eq!((text(mg_build_version.0), text(mg_build_id.0)), (env!("CARGO_PKG_VERSION"), "host"));
        assert_eq!((text(build_version.0), text(build_id.0), text(build_timestamp.0)), ("", "", ""));
        assert_eq!(text(mg_build_timestamp.0), "");
    }
}
