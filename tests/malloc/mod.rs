//! Counts the bytes allocated in this process, so that tests can find leaks.

/// Returns the bytes allocated by the library and the test.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn allocated() -> usize {
    #[repr(C)]
    struct MallInfo {
        fields: [usize; 10],
    }
    unsafe extern "C" {
        safe fn mallinfo2() -> MallInfo;
    }
    // In use, plus mapped directly from the system.
    let info = mallinfo2();
    info.fields[7] + info.fields[4]
}

/// Other platforms have no such count.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn allocated() -> usize {
    0
}
