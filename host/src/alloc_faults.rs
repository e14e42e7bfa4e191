//! Simulated allocation failures for tests: in a program built with the feature `alloc_faults` and
//! linked with `-Wl,--wrap` for malloc(), calloc(), realloc() and strdup(), allocations of C code
//! and the mqtt library fail as MGOS_HOST_ALLOC_FAULTS says.
//!
//! Counts allocations of the main task, starting with the initialisation of libraries. The host's
//! own Rust code is exempt: it stands for a system that always has memory for itself, and aborts if
//! it has none. Where a device's system would allocate, the host calls [`fails`].
//!
//! Calls by apps and the system are compiled to `mgos_host_other_malloc()` and so on, which
//! distinguishes them from those of the mqtt library.

/// N makes the Nth allocation fail; N% makes that percentage fail at random. The prefix `library:`
/// restricts counting and failing to the mqtt library's allocations.
const VARIABLE: &str = "MGOS_HOST_ALLOC_FAULTS";

/// Without the feature nothing fails; requesting it is an error.
#[cfg(not(feature = "alloc_faults"))]
mod never {
    pub(crate) const fn fails() -> bool {
        false
    }

    pub(crate) fn exempt<T>(work: impl FnOnce() -> T) -> T {
        work()
    }

    pub(crate) fn begin() -> Result<(), String> {
        match std::env::var_os(super::VARIABLE) {
            Some(_) => Err(format!("{} needs a host built with the feature alloc_faults", super::VARIABLE)),
            None => Ok(()),
        }
    }
}

#[cfg(not(feature = "alloc_faults"))]
pub(crate) use never::{begin, exempt, fails};

#[cfg(feature = "alloc_faults")]
pub(crate) use on_demand::{begin, exempt, fails};

#[cfg(feature = "alloc_faults")]
mod on_demand {
    use std::{
        alloc::{GlobalAlloc, Layout, System},
        cell::Cell,
        env, ptr,
    };

    use libc::{c_char, c_void, size_t};

    use super::VARIABLE;

    #[derive(Clone, Copy)]
    enum Plan {
        Never,
        /// The Nth, counted from 1.
        Nth(u64),
        /// A percentage, and the state of the random number generator.
        Percent(u64, u64),
    }

    thread_local! {
        // Set in the main task only.
        static PLAN: Cell<Option<Plan>> = const { Cell::new(None) };
        static MADE: Cell<u64> = const { Cell::new(0) };
        static FAILED: Cell<u64> = const { Cell::new(0) };
        // Count the library's allocations only.
        static ONLY_LIBRARY: Cell<bool> = const { Cell::new(false) };
        // What a program has asked for: this many succeed, then this many fail; and how many have.
        static AFTER: Cell<u32> = const { Cell::new(0) };
        static TO_FAIL: Cell<u32> = const { Cell::new(0) };
        static HAVE_FAILED: Cell<u32> = const { Cell::new(0) };
        // Nesting depth within the allocator of the host's Rust code.
        static OWN: Cell<u32> = const { Cell::new(0) };
    }

    /// Reads the configuration and starts counting.
    pub(crate) fn begin() -> Result<(), String> {
        let Ok(whole) = env::var(VARIABLE) else { return Ok(()) };
        let text = whole.strip_prefix("library:").unwrap_or(&whole);
        ONLY_LIBRARY.set(text.len() < whole.len());
        let plan = match text.strip_suffix('%') {
            Some(percent) => percent.parse().ok().filter(|percent| *percent <= 100).map(|percent| Plan::Percent(percent, seed())),
            None => text.parse().ok().map(|n| if n == 0 { Plan::Never } else { Plan::Nth(n) }),
        };
        let plan = plan.ok_or(format!("{VARIABLE} must be a number, or a percentage like 1%, optionally after library:, not {whole:?}"))?;
        PLAN.set(Some(plan));
        // SAFETY: `report` takes no arguments.
        unsafe { libc::atexit(report) };
        Ok(())
    }

    /// The same seed as for rand(); never 0.
    fn seed() -> u64 {
        let seed = env::var("MGOS_HOST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1u64);
        (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    extern "C" fn report() {
        eprintln!("alloc faults: {} allocations, {} failed", MADE.get(), FAILED.get());
    }

    /// Whether the next allocation by the app or the system must fail.
    pub(crate) fn fails() -> bool {
        !ONLY_LIBRARY.get() && next_fails()
    }

    /// `mgos_host_fail_allocations()`
    #[unsafe(no_mangle)]
    extern "C" fn mgos_host_fail_allocations(after: u32, count: u32) -> u32 {
        AFTER.set(after);
        TO_FAIL.set(count);
        HAVE_FAILED.take()
    }

    /// Returns whether a program has asked for the next allocation to fail.
    fn is_asked_to_fail() -> bool {
        let to_fail = TO_FAIL.get();
        if to_fail == 0 {
            return false;
        }
        if let Some(after) = AFTER.get().checked_sub(1) {
            AFTER.set(after);
            return false;
        }
        TO_FAIL.set(to_fail - 1);
        HAVE_FAILED.set(HAVE_FAILED.get() + 1);
        true
    }

    /// Counts an allocation; returns whether it must fail.
    fn next_fails() -> bool {
        if OWN.get() == 0 && is_asked_to_fail() {
            return true;
        }
        let Some(plan) = PLAN.get().filter(|_| OWN.get() == 0) else { return false };
        let made = MADE.get() + 1;
        MADE.set(made);
        let fails = match plan {
            Plan::Never => false,
            Plan::Nth(n) => made == n,
            Plan::Percent(percent, mut x) => {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                PLAN.set(Some(Plan::Percent(percent, x)));
                (x >> 32) % 100 < percent
            }
        };
        FAILED.set(FAILED.get() + u64::from(fails));
        fails
    }

    unsafe extern "C" {
        fn __real_malloc(size: size_t) -> *mut c_void;
        fn __real_calloc(n: size_t, size: size_t) -> *mut c_void;
        fn __real_realloc(block: *mut c_void, size: size_t) -> *mut c_void;
        fn __real_strdup(text: *const c_char) -> *mut c_char;
    }

    /// Defines an allocation function for the library, and its variant for all other code.
    macro_rules! on_demand {
        ($real:ident, $wrap:ident, $other:ident, ($($name:ident: $type:ty),*) -> $result:ty) => {
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $wrap($($name: $type),*) -> $result {
                // SAFETY: upheld by the caller, see `# Safety`.
                if next_fails() { ptr::null_mut() } else { unsafe { $real($($name),*) } }
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn $other($($name: $type),*) -> $result {
                // SAFETY: upheld by the caller, see `# Safety`.
                if fails() { ptr::null_mut() } else { unsafe { $real($($name),*) } }
            }
        };
    }

    on_demand!(__real_malloc, __wrap_malloc, mgos_host_other_malloc, (size: size_t) -> *mut c_void);
    on_demand!(__real_calloc, __wrap_calloc, mgos_host_other_calloc, (n: size_t, size: size_t) -> *mut c_void);
    on_demand!(__real_realloc, __wrap_realloc, mgos_host_other_realloc, (block: *mut c_void, size: size_t) -> *mut c_void);
    on_demand!(__real_strdup, __wrap_strdup, mgos_host_other_strdup, (text: *const c_char) -> *mut c_char);

    /// The global allocator of Rust code, which marks its allocations as exempt.
    struct Own;

    #[global_allocator]
    static OWN_HEAP: Own = Own;

    /// Runs `work` with its allocations exempt. Called explicitly only where the standard library
    /// bypasses the global allocator, as for threads.
    pub(crate) fn exempt<T>(work: impl FnOnce() -> T) -> T {
        OWN.set(OWN.get() + 1);
        let result = work();
        OWN.set(OWN.get() - 1);
        result
    }

    // SAFETY: everything is forwarded to the system's allocator.
    unsafe impl GlobalAlloc for Own {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: upheld by the caller, see `# Safety`.
            exempt(|| unsafe { System.alloc(layout) })
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            // SAFETY: upheld by the caller, see `# Safety`.
            unsafe { System.dealloc(block, layout) };
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            // SAFETY: upheld by the caller, see `# Safety`.
            exempt(|| unsafe { System.alloc_zeroed(layout) })
        }

        unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            // SAFETY: upheld by the caller, see `# Safety`.
            exempt(|| unsafe { System.realloc(block, layout, size) })
        }
    }
}
