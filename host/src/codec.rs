//! Checksums, digests and numbers of variable length, by crates, behind the functions of
//! common/cs_crc32.h, common/cs_varint.h and mongoose/mg_http.h. Base64 and hex are C: c/cs_codec.c.

use std::{ffi::c_int, slice};

use integer_encoding::VarInt;
use libc::{c_void, size_t};
use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::Sha256;

/// # Safety
/// `data` is NULL or holds `len` bytes, and outlives `'a`.
unsafe fn bytes<'a>(data: *const u8, len: usize) -> &'a [u8] {
    // SAFETY: upheld by the caller, see `# Safety`.
    if data.is_null() { &[] } else { unsafe { slice::from_raw_parts(data, len) } }
}

/// `cs_crc32()`
///
/// # Safety
/// `data` is NULL or holds `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cs_crc32(crc: u32, data: *const c_void, len: u32) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(crc);
    // SAFETY: upheld by the caller, see `# Safety`.
    hasher.update(unsafe { bytes(data.cast(), len as usize) });
    hasher.finalize()
}

/// `cs_varint_llen()`
#[unsafe(no_mangle)]
pub extern "C" fn cs_varint_llen(num: u64) -> size_t {
    num.required_space()
}

/// `cs_varint_encode()`
///
/// # Safety
/// `buf` has room for `buf_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cs_varint_encode(num: u64, buf: *mut u8, buf_size: size_t) -> size_t {
    let encoded = num.encode_var_vec();
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe { encoded.as_ptr().copy_to(buf, encoded.len().min(buf_size)) };
    encoded.len()
}

/// The number at the start of a buffer, and its length. Reads nothing behind its last byte.
///
/// # Safety
/// `buf` holds a whole number or `size` bytes.
unsafe fn varint(buf: *const u8, size: usize) -> Option<(u64, usize)> {
    // SAFETY: upheld by the caller: all bytes before the last have their top bit set.
    unsafe {
        let last = (0..size.min(10)).find(|&at| *buf.add(at) & 0x80 == 0)?;
        u64::decode_var(slice::from_raw_parts(buf, last + 1))
    }
}

/// `cs_varint_decode()`
///
/// # Safety
/// `buf` holds a whole number or `buf_size` bytes, the others are valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cs_varint_decode(buf: *const u8, buf_size: size_t, num: *mut u64, llen: *mut size_t) -> bool {
    // SAFETY: upheld by the caller, see `# Safety`.
    let Some((decoded, len)) = (unsafe { varint(buf, buf_size) }) else { return false };
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe {
        num.write(decoded);
        llen.write(len);
    }
    true
}

/// `cs_varint_decode_unsafe()`
///
/// # Safety
/// `buf` holds a whole number, `llen` is valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cs_varint_decode_unsafe(buf: *const u8, llen: *mut c_int) -> u64 {
    // SAFETY: upheld by the caller, see `# Safety`.
    let (num, len) = unsafe { varint(buf, usize::MAX) }.unwrap_or((0, 0));
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe { llen.write(len as c_int) };
    num
}

/// # Safety
/// `msgs` and `lens` have `count` members, each message its length; `out` has room for the digest.
unsafe fn digest<D: Digest>(count: usize, msgs: *const *const u8, lens: *const size_t, out: *mut u8) {
    let mut digest = D::new();
    for i in 0..count {
        // SAFETY: upheld by the caller, see `# Safety`.
        digest.update(unsafe { bytes(*msgs.add(i), *lens.add(i)) });
    }
    let result = digest.finalize();
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe { result.as_ptr().copy_to(out, result.len()) };
}

/// `mg_hash_md5_v()`
///
/// # Safety
/// `msgs` and `lens` have `count` members, each message its length; `out` has room for 16 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_hash_md5_v(count: size_t, msgs: *const *const u8, lens: *const size_t, out: *mut u8) {
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe { digest::<Md5>(count, msgs, lens, out) }
}

/// `mg_hash_sha1_v()`
///
/// # Safety
/// As for [`mg_hash_md5_v`], with room for 20 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_hash_sha1_v(count: size_t, msgs: *const *const u8, lens: *const size_t, out: *mut u8) {
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe { digest::<Sha1>(count, msgs, lens, out) }
}

/// `mg_hash_sha256_v()`
///
/// # Safety
/// As for [`mg_hash_md5_v`], with room for 32 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mg_hash_sha256_v(count: size_t, msgs: *const *const u8, lens: *const size_t, out: *mut u8) {
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe { digest::<Sha256>(count, msgs, lens, out) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::MgStr;
    use std::ptr;

    #[test]
    fn a_crc_of_pieces_is_that_of_the_whole() {
        let text = b"123456789";
        // SAFETY: pieces of the text, with their lengths.
        unsafe {
            assert_eq!(cs_crc32(0, text.as_ptr().cast(), 9), 0xcbf4_3926);
            let first = cs_crc32(0, text.as_ptr().cast(), 4);
            assert_eq!(cs_crc32(first, text[4..].as_ptr().cast(), 5), 0xcbf4_3926);
            assert_eq!(cs_crc32(7, ptr::null(), 0), 7);
        }
    }

    #[test]
    fn numbers_of_variable_length_survive_encoding_and_none_is_read_beyond_its_end() {
        for num in [0, 1, 0x7f, 0x80, 0x3fff, 0x4000, u64::from(u32::MAX), u64::MAX] {
            let mut buf = [0xff; 12];
            let (mut back, mut llen, mut unsafe_len) = (1, 0, 0);
            // SAFETY: buffers with their sizes.
            unsafe {
                let len = cs_varint_encode(num, buf.as_mut_ptr(), buf.len());
                assert_eq!((len, buf[len]), (cs_varint_llen(num), 0xff), "{num}");
                assert!(cs_varint_decode(buf.as_ptr(), len, &mut back, &mut llen));
                assert_eq!((back, llen), (num, len));
                assert_eq!((cs_varint_decode_unsafe(buf.as_ptr(), &mut unsafe_len), unsafe_len as usize), (num, len));
                assert!(!cs_varint_decode(buf.as_ptr(), len - 1, &mut back, &mut llen), "{num} is cut off");
                assert_eq!((back, llen), (num, len));
            }
        }
        let (endless, mut num, mut llen, mut int_len) = ([0x80_u8; 11], 5, 5, 5);
        // SAFETY: as above.
        unsafe {
            assert!(!cs_varint_decode(endless.as_ptr(), 11, &mut num, &mut llen));
            assert_eq!((num, llen), (5, 5));
            assert_eq!((cs_varint_decode_unsafe(endless.as_ptr(), &mut int_len), int_len), (0, 0));
        }
    }

    #[test]
    fn an_encoded_number_is_cut_to_the_buffer_and_its_length_is_still_told() {
        let mut buf = [0; 4];
        // SAFETY: a buffer, of which two bytes may be written.
        assert_eq!(unsafe { cs_varint_encode(0x4000, buf.as_mut_ptr(), 2) }, 3);
        assert_eq!(buf, [0x80, 0x80, 0, 0]);
    }

    #[test]
    fn digests_of_pieces_are_those_of_the_whole() {
        let pieces = [b"mess".as_ptr(), ptr::null(), b"age digest".as_ptr()];
        let lens = [4, 0, 10];
        let mut out = [0; 32];
        let mut hex = |digest: unsafe extern "C" fn(usize, *const *const u8, *const usize, *mut u8), len| {
            // SAFETY: three pieces with their lengths, and room for the longest digest.
            unsafe { digest(3, pieces.as_ptr(), lens.as_ptr(), out.as_mut_ptr()) };
            data_encoding::HEXLOWER.encode(&out[..len])
        };
        assert_eq!(hex(mg_hash_md5_v, 16), "f96b697d7cb7938d525a2f31aaf161d0");
        assert_eq!(hex(mg_hash_sha1_v, 20), "c12252ceda8be8994d5fa0290a47231c1d16aae3");
        assert_eq!(hex(mg_hash_sha256_v, 32), "f7846f55cf23e14eebeab5b4e1550cad5b509e3348fbc4efa3a1413d393cb650");
    }

    unsafe extern "C" {
        fn mg_check_digest_auth_algo(
            method: MgStr,
            uri: MgStr,
            username: MgStr,
            cnonce: MgStr,
            response: MgStr,
            qop: MgStr,
            nc: MgStr,
            nonce: MgStr,
            auth_domain: MgStr,
            algo: c_int,
            fp: *mut libc::FILE,
        ) -> c_int;
    }

    /// Whether the response is that of `user`, with a password file for user joe, password secret.
    fn authenticates(user: &str, realm: &str, response: &str, algo: c_int) -> bool {
        let file = format!("other:RPC:00\njoe:elsewhere:00\njoe:RPC:{}\r\n", hex_of(algo, "joe:RPC:secret"));
        let string = |text: &str| MgStr { p: text.as_ptr().cast(), len: text.len() };
        // SAFETY: strings with their lengths, and a stream over text that outlives it.
        unsafe {
            let fp = libc::fmemopen(file.as_ptr().cast_mut().cast(), file.len(), c"r".as_ptr());
            let [method, uri, cnonce, qop, nc, nonce] = ["dummy_method", "dummy_uri", "c0", "auth", "1", "5f"].map(string);
            let [user, response, realm] = [user, response, realm].map(string);
            let result = mg_check_digest_auth_algo(method, uri, user, cnonce, response, qop, nc, nonce, realm, algo, fp);
            libc::fclose(fp);
            result == 1
        }
    }

    fn hex_of(algo: c_int, text: &str) -> String {
        let mut out = [0; 32];
        type Hash = unsafe extern "C" fn(usize, *const *const u8, *const usize, *mut u8);
        let (digest, len): (Hash, _) = if algo == 0 { (mg_hash_md5_v, 16) } else { (mg_hash_sha256_v, 32) };
        // SAFETY: one piece with its length, and room for the longest digest.
        unsafe { digest(1, &text.as_ptr(), &text.len(), out.as_mut_ptr()) };
        data_encoding::HEXLOWER.encode(&out[..len])
    }

    #[test]
    fn a_digest_authentication_needs_user_realm_password_and_algorithm() {
        // Computed with Python's hashlib.
        let md5 = "d97b58366bbaab762cb9ea05d688d0ed";
        let sha256 = "cf2db1c20772f7e81fea17cfd99a253aeb30aa63e6f9fbac60862d712e713e05";
        assert!(authenticates("joe", "RPC", md5, 0));
        assert!(authenticates("joe", "RPC", &md5.to_uppercase(), 0));
        assert!(authenticates("joe", "RPC", sha256, 1));
        assert!(!authenticates("joe", "RPC", md5, 1));
        assert!(!authenticates("joe", "RPC", &md5[1..], 0));
        assert!(!authenticates("joe", "elsewhere", md5, 0));
        assert!(!authenticates("other", "RPC", md5, 0));
        assert!(!authenticates("nobody", "RPC", md5, 0));
        assert!(!authenticates("joe", "RPC", md5, 2), "an unknown algorithm");
    }
}
