//! Memory that runs out on demand, for tests: built with the feature `starve` and linked with `-Wl,--wrap` for malloc(), calloc(),
//! realloc() and strdup(), a program has its C code and the mqtt library fail to allocate as MGOS_HOST_STARVE says.
//!
//! Counted is what the main task asks for from the start of the libraries on. The Rust of the host is spared: it stands for a system that
//! keeps its own affairs in order, and ends the process without memory. Where a device's system would allocate, [`fails`] is asked.
//!
//! The mqtt library's own calls can be told from all others, by the apps and the system: these are compiled so that they call
//! `mgos_host_other_malloc()` and so on.

/// Set to N for the Nth allocation to fail, or to N% for so many of a hundred, at random. With `library:` before it, the mqtt library's
/// own allocations are counted alone, and alone may fail.
const VARIABLE: &str = "MGOS_HOST_STARVE";

/// Without the feature nothing fails; to ask for it is a mistake.
#[cfg(not(feature = "starve"))]
mod never {
    pub(crate) const fn fails() -> bool {
        false
    }

    pub(crate) fn spared<T>(work: impl FnOnce() -> T) -> T {
        work()
    }

    pub(crate) fn begin() -> Result<(), String> {
        match std::env::var_os(super::VARIABLE) {
            Some(_) => Err(format!("{} takes a host that is built with the feature starve", super::VARIABLE)),
            None => Ok(()),
        }
    }
}

#[cfg(not(feature = "starve"))]
pub(crate) use never::{begin, fails, spared};

#[cfg(feature = "starve")]
pub(crate) use on_demand::{begin, fails, spared};

#[cfg(feature = "starve")]
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
        /// This one, counted from 1.
        Nth(u64),
        /// So many of a hundred; and what the next random number is made from.
        Percent(u64, u64),
    }

    thread_local! {
        // Of the main task; other threads never get one.
        static PLAN: Cell<Option<Plan>> = const { Cell::new(None) };
        static MADE: Cell<u64> = const { Cell::new(0) };
        static FAILED: Cell<u64> = const { Cell::new(0) };
        // Whether only the library's own are counted.
        static ONLY_LIBRARY: Cell<bool> = const { Cell::new(false) };
        // What a program has asked for: so many succeed, then so many fail. And how many of these have.
        static AFTER: Cell<u32> = const { Cell::new(0) };
        static TO_FAIL: Cell<u32> = const { Cell::new(0) };
        static HAVE_FAILED: Cell<u32> = const { Cell::new(0) };
        // How deep we are in the allocator of the host's Rust.
        static OWN: Cell<u32> = const { Cell::new(0) };
    }

    /// Reads what is to fail, and begins to count.
    pub(crate) fn begin() -> Result<(), String> {
        let Ok(whole) = env::var(VARIABLE) else { return Ok(()) };
        let text = whole.strip_prefix("library:").unwrap_or(&whole);
        ONLY_LIBRARY.set(text.len() < whole.len());
        let plan = match text.strip_suffix('%') {
            Some(percent) => percent.parse().ok().filter(|percent| *percent <= 100).map(|percent| Plan::Percent(percent, seed())),
            None => text.parse().ok().map(|n| if n == 0 { Plan::Never } else { Plan::Nth(n) }),
        };
        let plan = plan.ok_or(format!("{VARIABLE} must be a number, or a percentage as in 1%, perhaps after library:, not {whole:?}"))?;
        PLAN.set(Some(plan));
        // SAFETY: a function without arguments.
        unsafe { libc::atexit(report) };
        Ok(())
    }

    /// The same that makes rand() repeatable; never 0.
    fn seed() -> u64 {
        let seed = env::var("MGOS_HOST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1u64);
        (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    extern "C" fn report() {
        eprintln!("starve: {} allocations, {} failed", MADE.get(), FAILED.get());
    }

    /// Whether the allocation that the app or the system is about to make is to fail.
    pub(crate) fn fails() -> bool {
        !ONLY_LIBRARY.get() && next_fails()
    }

    /// `mgos_host_starve()`
    #[unsafe(no_mangle)]
    extern "C" fn mgos_host_starve(after: u32, count: u32) -> u32 {
        AFTER.set(after);
        TO_FAIL.set(count);
        HAVE_FAILED.take()
    }

    /// Whether the next is one that a program wants to fail.
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

    /// Whether the next that is counted is to fail.
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

    /// A function that allocates, as the library calls it, and as all others do.
    macro_rules! on_demand {
        ($real:ident, $wrap:ident, $other:ident, ($($name:ident: $type:ty),*) -> $result:ty) => {
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $wrap($($name: $type),*) -> $result {
                // SAFETY: the caller's promise.
                if next_fails() { ptr::null_mut() } else { unsafe { $real($($name),*) } }
            }

            #[unsafe(no_mangle)]
            unsafe extern "C" fn $other($($name: $type),*) -> $result {
                // SAFETY: the caller's promise.
                if fails() { ptr::null_mut() } else { unsafe { $real($($name),*) } }
            }
        };
    }

    on_demand!(__real_malloc, __wrap_malloc, mgos_host_other_malloc, (size: size_t) -> *mut c_void);
    on_demand!(__real_calloc, __wrap_calloc, mgos_host_other_calloc, (n: size_t, size: size_t) -> *mut c_void);
    on_demand!(__real_realloc, __wrap_realloc, mgos_host_other_realloc, (block: *mut c_void, size: size_t) -> *mut c_void);
    on_demand!(__real_strdup, __wrap_strdup, mgos_host_other_strdup, (text: *const c_char) -> *mut c_char);

    /// The allocator of the host's Rust, which marks what it asks for as its own.
    struct Own;

    #[global_allocator]
    static OWN_HEAP: Own = Own;

    /// What the host's Rust asks for; by itself it need only say so where the standard library goes past the global allocator, as for a
    /// thread.
    pub(crate) fn spared<T>(work: impl FnOnce() -> T) -> T {
        OWN.set(OWN.get() + 1);
        let result = work();
        OWN.set(OWN.get() - 1);
        result
    }

    // SAFETY: all is passed on to the system's allocator.
    unsafe impl GlobalAlloc for Own {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: the caller's promise.
            spared(|| unsafe { System.alloc(layout) })
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            // SAFETY: the caller's promise.
            unsafe { System.dealloc(block, layout) };
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            // SAFETY: the caller's promise.
            spared(|| unsafe { System.alloc_zeroed(layout) })
        }

        unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            // SAFETY: the caller's promise.
            spared(|| unsafe { System.realloc(block, layout, size) })
        }
    }
}
