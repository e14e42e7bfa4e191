//! How much is allocated in this process: for tests that nothing is left over. What is to be left is theirs to say.

/// Bytes that are allocated, the library's and the test's.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn allocated() -> usize {
    #[repr(C)]
    struct MallInfo {
        fields: [usize; 10],
    }
    unsafe extern "C" {
        safe fn mallinfo2() -> MallInfo;
    }
    // What is in use, and what is mapped from the system directly.
    let info = mallinfo2();
    info.fields[7] + info.fields[4]
}

/// Elsewhere malloc has no such count.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn allocated() -> usize {
    0
}
