//! Tells the n-th allocation from now to fail, and counts blocks, for tests: of the heap and of all
//! that stands on it. Nothing of it is in firmware.
extern crate std;
use std::cell::Cell;

std::thread_local! {
    static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
    static ONCE: Cell<bool> = const { Cell::new(false) };
    static FAILED: Cell<bool> = const { Cell::new(false) };
    static BLOCKS: Cell<isize> = const { Cell::new(0) };
}

/// The allocation after the next `n` fails, and so do all that follow; `None` ends it.
pub fn fail_after(n: Option<usize>) {
    LEFT.set(n);
    ONCE.set(false);
    FAILED.set(false);
}

/// The allocation after the next `n` fails, and no other.
pub fn fail_once(n: usize) {
    fail_after(Some(n));
    ONCE.set(true);
}

/// True if the allocation that was told to fail has been asked for.
pub fn has_failed() -> bool {
    FAILED.get()
}

/// Asked before each allocation, also by what stands for the firmware.
pub fn fails() -> bool {
    match LEFT.get() {
        None => false,
        Some(0) => {
            FAILED.set(true);
            if ONCE.get() {
                LEFT.set(None);
            }
            true
        }
        Some(n) => {
            LEFT.set(Some(n - 1));
            false
        }
    }
}

pub(super) fn count(blocks: isize) {
    BLOCKS.set(BLOCKS.get() + blocks);
}

/// How many blocks this thread has allocated and not freed.
pub fn blocks() -> isize {
    BLOCKS.get()
}
