//! Copying, comparing and digesting files, as in mgos_file_utils.h.

use std::{ffi::CStr, fs, path::Path};

use libc::{c_char, c_uint};
use mbedtls_sys as mbed;

use crate::log::log;

/// # Safety
/// `name` is NULL or NUL-terminated, and outlives `'a`.
unsafe fn path<'a>(name: *const c_char) -> &'a Path {
    use std::os::unix::ffi::OsStrExt;
    // SAFETY: upheld by the caller, see `# Safety`.
    let name = if name.is_null() { c"" } else { unsafe { CStr::from_ptr(name) } };
    Path::new(std::ffi::OsStr::from_bytes(name.to_bytes()))
}

fn copy(from: &Path, to: &Path) -> bool {
    let result = fs::copy(from, to);
    if let Err(e) = &result {
        log!(Error, "cannot copy {} to {}: {e}", from.display(), to.display());
    }
    result.is_ok()
}

/// `mgos_file_copy()`
///
/// # Safety
/// Both names are NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_file_copy(from: *const c_char, to: *const c_char) -> bool {
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe { copy(path(from), path(to)) }
}

/// `mgos_file_copy_if_different()`
///
/// # Safety
/// Both names are NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_file_copy_if_different(from: *const c_char, to: *const c_char) -> bool {
    // SAFETY: upheld by the caller, see `# Safety`.
    let (from, to) = unsafe { (path(from), path(to)) };
    let same = fs::read(from).is_ok_and(|wanted| fs::read(to).is_ok_and(|present| present == wanted));
    same || copy(from, to)
}

/// `mgos_file_digest()`
///
/// # Safety
/// `name` is NULL or NUL-terminated, `digest` has room for a digest of this type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_file_digest(name: *const c_char, md_type: c_uint, digest: *mut u8) -> bool {
    // SAFETY: upheld by the caller, see `# Safety`.
    let file = unsafe { path(name) };
    let content = match fs::read(file) {
        Ok(content) => content,
        Err(e) => {
            log!(Error, "cannot read {}: {e}", file.display());
            return false;
        }
    };
    // SAFETY: a NULL type is checked; the room for the digest is upheld by the caller.
    unsafe {
        let info = mbed::md_info_from_type(md_type);
        !info.is_null() && mbed::md(info, content.as_ptr(), content.len(), digest) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CString;

    fn c(path: &Path) -> CString {
        CString::new(path.to_str().unwrap()).unwrap()
    }

    #[test]
    fn a_file_is_copied_and_only_if_it_differs() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::write(&from, "one").unwrap();
        let (c_from, c_to) = (c(&from), c(&to));
        // SAFETY: names with their NUL.
        let copied = |copy: unsafe extern "C" fn(*const c_char, *const c_char) -> bool| unsafe { copy(c_from.as_ptr(), c_to.as_ptr()) };
        assert!(copied(mgos_file_copy_if_different));
        assert_eq!(fs::read(&to).unwrap(), b"one");
        // The same contents are not written again.
        let before = fs::metadata(&to).unwrap().modified().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!(copied(mgos_file_copy_if_different));
        assert_eq!(fs::metadata(&to).unwrap().modified().unwrap(), before);
        fs::write(&from, "two").unwrap();
        assert!(copied(mgos_file_copy));
        assert_eq!(fs::read(&to).unwrap(), b"two");
        fs::remove_file(&from).unwrap();
        assert!(!copied(mgos_file_copy));
        assert!(!copied(mgos_file_copy_if_different));
        assert!(crate::testing::log_lines().contains("cannot copy"));
    }

    #[test]
    fn a_files_digest_is_that_of_its_contents() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "abc").unwrap();
        let mut digest = [0; 32];
        let name = c(&file);
        // SAFETY: a name with its NUL, and room for 32 bytes.
        unsafe {
            assert!(mgos_file_digest(name.as_ptr(), mbed::MD_SHA256 as c_uint, digest.as_mut_ptr()));
            assert_eq!(data_encoding::HEXLOWER.encode(&digest[..4]), "ba7816bf");
            assert!(!mgos_file_digest(name.as_ptr(), 999, digest.as_mut_ptr()));
            assert!(!mgos_file_digest(c"missing".as_ptr(), mbed::MD_SHA256 as c_uint, digest.as_mut_ptr()));
        }
    }
}
