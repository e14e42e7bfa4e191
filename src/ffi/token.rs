//! The token that keeps references and app code apart.
//!
//! The rule of this folder is that no reference to a connection and no live Mongoose connection is
//! kept across a call that may run app code, as that code may publish, disconnect, free the
//! connection or run the event loop. The compiler holds the rule: whatever is borrowed from a
//! connection borrows the [`NoApp`] of the entry from C, and what may run app code, all of it in
//! app.rs, takes `&mut NoApp`. tests/compile_fail shows each way of breaking the rule refused.

use core::marker::PhantomData;
use core::ptr::NonNull;

/// No app code runs while this is borrowed. Zero-sized.
///
/// There is one for each entry from C. An entry further up the stack has lent its own mutably to
/// the call that led here, so everything that was borrowed there has been given back.
pub struct NoApp(PhantomData<*mut ()>);

impl NoApp {
    /// # Safety
    /// Made in a function that C calls, before anything is borrowed there; one of before has ended.
    pub unsafe fn enter() -> Self {
        NoApp(PhantomData)
    }

    /// Lends it to a function that is called through a pointer.
    pub fn lend(&mut self) -> Lent<'_> {
        Lent(PhantomData)
    }
}

/// A [`NoApp`] that was lent to a function which is called through a pointer. A reference would be
/// passed there, in a register that all callers keep it in as well; this is nothing.
pub struct Lent<'t>(PhantomData<&'t mut NoApp>);

impl Lent<'_> {
    /// What was lent.
    pub fn get(&mut self) -> &mut NoApp {
        // SAFETY: it has no size, so that any address that is not NULL will do; the one that was lent is
        // borrowed for as long as this lives.
        unsafe { NonNull::dangling().as_mut() }
    }
}
