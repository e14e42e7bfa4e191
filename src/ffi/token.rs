//! The token that keeps references and app code apart.
//!
//! The rule of this folder is that no reference to a connection and no live Mongoose connection is
//! kept across a call that may run app code, as that code may publish, disconnect, free the
//! connection or run the event loop. The compiler holds the rule: whatever is borrowed from a
//! connection borrows the [`NoApp`] of the entry from C, and what may run app code, all of it in
//! app.rs, takes `&mut NoApp`. tests/compile_fail shows each way of breaking the rule refused.

use core::marker::PhantomData;

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
}
