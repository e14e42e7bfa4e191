//! Memory allocated by this process: for tests that nothing is left over. What may be left is up to
//! the test.

/// Bytes allocated, by the library and the test.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn allocated() -> usize {
    #[repr(C)]
    struct MallInfo {
        fields: [usize; 10],
    }
    unsafe extern "C" {
        safe fn mallinfo2() -> MallInfo;
    }
    // Bytes in use, plus bytes mapped directly from the system.
    let info = mallinfo2();
    info.fields[7] + info.fields[4]
}

/// Other platforms' malloc has no such count.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn allocated() -> usize {
    0
}
