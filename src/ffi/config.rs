//! A configuration, read where it lies: the firmware's, opaque to Rust.

use super::shim::{self, Number};
use super::types::mgos_config_mqtt;
use crate::conn::BackoffRange;
use core::ffi::{CStr, c_char};
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::{NonNull, null};

/// A configuration that is alive. App code may change it, so that it is borrowed like all else.
#[derive(Clone, Copy)]
pub struct Config<'t>(NonNull<mgos_config_mqtt>, PhantomData<&'t mgos_config_mqtt>);

impl<'t> Config<'t> {
    /// `None` for NULL.
    ///
    /// # Safety
    /// It is NULL, or alive and unchanged for 't.
    pub unsafe fn new(config: *const mgos_config_mqtt) -> Option<Self> {
        NonNull::new(config.cast_mut()).map(|config| Config(config, PhantomData))
    }

    /// The address, to be handed to C.
    pub fn ptr(self) -> *const mgos_config_mqtt {
        self.0.as_ptr()
    }

    /// What `Number::Enable` is for one that can be connected with.
    pub const USABLE: i32 = 2;

    /// One of its numbers.
    pub fn number(self, which: Number) -> i32 {
        // SAFETY: the configuration is alive.
        unsafe { shim::mgos_mqtt_shim_number(self.ptr(), which) }
    }

    /// Those of its strings that CONNECT carries: client ID, will topic, will message, user name
    /// and password; `None` for one that is NULL.
    pub fn connect_strings(self) -> [Option<&'t [u8]>; 5] {
        let mut addresses = MaybeUninit::<[*const c_char; 5]>::uninit();
        // SAFETY: the configuration is alive; the shim writes all five.
        let addresses = unsafe {
            shim::mgos_mqtt_shim_config_strings(self.ptr(), addresses.as_mut_ptr().cast());
            addresses.assume_init()
        };
        // SAFETY: NULL, or a string with a NUL, alive and unchanged for 't.
        addresses.map(|string| unsafe { c_str(string) })
    }

    /// Stands for the session that it asks for: broker and client ID. Not 0.
    pub fn session_key(self) -> u32 {
        // SAFETY: the configuration is alive.
        unsafe { shim::mgos_mqtt_shim_session_key(self.ptr()) }
    }

    /// The waits between attempts; `None` if it is not enabled or names no server.
    pub fn waits(self) -> Option<BackoffRange> {
        let number = |which| self.number(which);
        if number(Number::Enable) != Config::USABLE {
            return None;
        }
        Some(BackoffRange { min: number(Number::ReconnectMin) as u32, max: number(Number::ReconnectMax) as u32 })
    }
}

/// A configuration that a connection holds: a copy of its own, or a system configuration, which
/// lives as long as the firmware; or none.
pub struct OwnConfig(*const mgos_config_mqtt);

impl OwnConfig {
    /// No configuration.
    pub const NONE: Self = OwnConfig(null());

    /// # Safety
    /// It is NULL, or a system configuration.
    pub unsafe fn system(config: *const mgos_config_mqtt) -> Self {
        OwnConfig(config)
    }

    /// Makes it, which is none yet, a copy of `config`, if there is one. False without memory.
    pub fn fill(&mut self, config: Option<Config<'_>>) -> bool {
        let Some(config) = config else { return true };
        // SAFETY: the configuration is alive.
        self.0 = unsafe { shim::mgos_mqtt_shim_copy_config(config.ptr()) };
        !self.0.is_null()
    }

    /// True if it is this very configuration.
    pub fn is(&self, config: Config<'_>) -> bool {
        self.0 == config.ptr()
    }

    /// The configuration, as long as this is not replaced.
    pub fn get(&self) -> Option<Config<'_>> {
        // SAFETY: it is alive while it is held, and while this is borrowed no app code changes it.
        unsafe { Config::new(self.0) }
    }
}

impl Drop for OwnConfig {
    fn drop(&mut self) {
        // SAFETY: what `copy` has made is ours, and nothing points to it any more; the shim leaves
        // NULL and system configurations alone.
        unsafe { shim::mgos_mqtt_shim_free_config(self.0) };
    }
}

/// The bytes of a C string; `None` for NULL.
///
/// # Safety
/// `s` is NULL or ends with a NUL, and does not change while the slice is in use.
pub unsafe fn c_str<'a>(s: *const c_char) -> Option<&'a [u8]> {
    // SAFETY: by the contract.
    if s.is_null() { None } else { Some(unsafe { CStr::from_ptr(s) }.to_bytes()) }
}
