//! The two things that the host's global tables need: a lock that outlives a panic
//! elsewhere, and pointers of the app that may be kept in one.

use std::sync::{Mutex, MutexGuard, PoisonError};

use libc::c_void;

/// Locks, also after a panic: the tables are consistent between any two statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A pointer that the app gave for its own callback. Never followed here.
#[derive(Clone, Copy)]
pub(crate) struct SendPtr(pub(crate) *mut c_void);

// SAFETY: only kept and handed back to the app, on the thread that runs its callbacks.
unsafe impl Send for SendPtr {}
// SAFETY: as above.
unsafe impl Sync for SendPtr {}
