//! Helpers for the host's global tables: a lock that ignores poisoning, and app pointers that may
//! be stored in one.

use std::sync::{Mutex, MutexGuard, PoisonError};

use libc::c_void;

/// Locks even after a panic: the tables are consistent between any two statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An app's pointer for its own callback. Never dereferenced here.
#[derive(Clone, Copy)]
pub(crate) struct SendPtr(pub(crate) *mut c_void);

// SAFETY: only stored and handed back to the app, on the thread that runs its callbacks.
unsafe impl Send for SendPtr {}
// SAFETY: as above.
unsafe impl Sync for SendPtr {}
