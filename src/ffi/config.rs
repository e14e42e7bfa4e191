//! A configuration, read where it lies: the firmware's, opaque to Rust.

use super::shim::{self, Number};
use super::types::mgos_config_mqtt;
use crate::conn::Waits;
use crate::wire::QoS;
use core::ffi::CStr;
use core::marker::PhantomData;
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

    /// One of its numbers.
    pub fn number(self, which: Number) -> i32 {
        // SAFETY: the configuration is alive.
        unsafe { shim::mgos_mqtt_shim_number(self.ptr(), which) }
    }

    /// Those of its strings that CONNECT carries: client ID, will topic, will message, user name
    /// and password; `None` for one that is empty.
    pub fn connect_strings(self, fields: &mut [Option<&'t [u8]>; 5]) {
        let mut strings = [null(); 5];
        // SAFETY: the configuration is alive and unchanged for 't, and its strings end with a NUL.
        unsafe {
            shim::mgos_mqtt_shim_config_strings(self.ptr(), strings.as_mut_ptr());
            for (field, string) in fields.iter_mut().zip(strings) {
                *field = if string.is_null() { None } else { Some(CStr::from_ptr(string).to_bytes()) };
            }
        }
    }

    /// The topic of the will.
    pub fn will_topic(self) -> Option<&'t [u8]> {
        let mut fields = [None; 5];
        self.connect_strings(&mut fields);
        fields[1]
    }

    /// Stands for the session that it asks for: broker and client ID. Not 0.
    pub fn session_key(self) -> u32 {
        // SAFETY: the configuration is alive.
        unsafe { shim::mgos_mqtt_shim_session_key(self.ptr()) }
    }

    /// The waits between attempts; `None` if it is not enabled or names no server.
    pub fn waits(self) -> Option<Waits> {
        let number = |which| self.number(which);
        if number(Number::Enable) == 0 || number(Number::HasServer) == 0 {
            return None;
        }
        Some(Waits { min: number(Number::ReconnectMin) as u32, max: number(Number::ReconnectMax) as u32 })
    }

    /// The highest QoS that it allows. A negative number is no limit.
    pub fn max_qos(self) -> QoS {
        let max = self.number(Number::MaxQos);
        if max < 0 { QoS::ExactlyOnce } else { QoS::clamped(max) }
    }

    /// A copy; of a system configuration itself, which is shared. `None` without memory.
    pub fn copy(self) -> Option<OwnConfig> {
        // SAFETY: the configuration is alive.
        let copy = unsafe { shim::mgos_mqtt_shim_copy_config(self.ptr()) };
        (!copy.is_null()).then_some(OwnConfig(copy))
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
