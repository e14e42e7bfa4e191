//! What the core's own tests have in place of shim/, made from the same files into a library for the
//! contract of the seam. The core is not here: contract.c, which is linked to this, plays it.

mod ffi;
mod heap;
mod rig;
