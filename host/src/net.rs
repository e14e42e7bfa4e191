//! The network as the app sees it: a single interface that is up from the start, its addresses, and
//! the events of mgos_net.h. In an app with the library wifi it is a Wi-Fi station.

use std::{
    ffi::CStr,
    fs, mem,
    net::{Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use libc::{c_char, c_int, sockaddr_in};

use crate::{abi::MgStr, addr, events, global::invoke, log::log};

/// MGOS_EVENT_GRP_NET and its events.
const NET: c_int = (b'N' as c_int) << 24 | (b'E' as c_int) << 16 | (b'T' as c_int) << 8;
const DISCONNECTED: c_int = NET;
const CONNECTING: c_int = NET + 1;
const CONNECTED: c_int = NET + 2;
pub(crate) const IP_ACQUIRED: c_int = NET + 3;

/// MGOS_NET_IF_TYPE_*
const WIFI: c_int = 0;
const ETHERNET: c_int = 1;
const PPP: c_int = 2;

/// Whether the interface is also a Wi-Fi station, and its events are those of one.
static IS_WIFI: AtomicBool = AtomicBool::new(false);

/// Called before [`start`] for an app that has the library wifi.
pub(crate) fn use_wifi() {
    IS_WIFI.store(true, Relaxed);
}

/// `struct mgos_net_ip_info`
#[repr(C)]
#[derive(Clone, Copy)]
pub struct IpInfo {
    ip: sockaddr_in,
    netmask: sockaddr_in,
    gw: sockaddr_in,
    dns: sockaddr_in,
    ntp: sockaddr_in,
}

/// `struct mgos_net_event_data`
#[repr(C)]
#[derive(Clone, Copy)]
pub struct EventData {
    if_type: c_int,
    if_instance: c_int,
    /// Its position is that of IP_ACQUIRED.
    pub ip_info: IpInfo,
}

fn sockaddr(ip: Ipv4Addr) -> sockaddr_in {
    let sa = addr::to_c(SocketAddr::from((ip, 0)));
    // SAFETY: an IPv4 address fills this member.
    unsafe { sa.sin }
}

/// Address and mask of the first network, else of loopback.
fn own_address() -> (Ipv4Addr, Ipv4Addr) {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let v4 = |i: &if_addrs::Interface| match &i.addr {
        if_addrs::IfAddr::V4(v4) if !v4.ip.is_unspecified() => Some((v4.ip, v4.netmask)),
        _ => None,
    };
    let outside = interfaces.iter().filter(|i| !i.is_loopback()).find_map(v4);
    outside.or_else(|| interfaces.iter().find_map(v4)).unwrap_or((Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED))
}

/// The gateway of the default route, from the text of /proc/net/route.
fn default_gateway(routes: &str) -> Option<Ipv4Addr> {
    routes.lines().skip(1).find_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (to, via) = (fields.next()?, fields.next()?);
        let via = u32::from_str_radix(via, 16).ok()?;
        // The kernel prints the number in memory order.
        (to == "00000000" && via != 0).then(|| Ipv4Addr::from(via.to_ne_bytes()))
    })
}

/// The first IPv4 server in the text of /etc/resolv.conf.
fn name_server(conf: &str) -> Option<Ipv4Addr> {
    conf.lines().find_map(|line| line.trim().strip_prefix("nameserver")?.trim().parse().ok())
}

fn ip_info() -> IpInfo {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let none = Ipv4Addr::UNSPECIFIED;
    let (ip, netmask) = own_address();
    IpInfo {
        ip: sockaddr(ip),
        netmask: sockaddr(netmask),
        gw: sockaddr(default_gateway(&read("/proc/net/route")).unwrap_or(none)),
        dns: sockaddr(name_server(&read("/etc/resolv.conf")).unwrap_or(none)),
        ntp: sockaddr(none),
    }
}

/// `mgos_net_get_ip_info()`
///
/// # Safety
/// `info` is valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_net_get_ip_info(if_type: c_int, instance: c_int, info: *mut IpInfo) -> bool {
    let exists = instance == 0 && (if_type == ETHERNET || (if_type == WIFI && IS_WIFI.load(Relaxed)));
    if exists {
        // SAFETY: upheld by the caller, see `# Safety`.
        unsafe { info.write(ip_info()) };
    }
    exists
}

/// `mgos_net_dev_event_cb()`
#[unsafe(no_mangle)]
pub extern "C" fn mgos_net_dev_event_cb(if_type: c_int, if_instance: c_int, ev: c_int) {
    invoke(move || {
        // SAFETY: all zero is a valid value.
        let mut data: EventData = unsafe { mem::zeroed() };
        data.if_type = if_type;
        data.if_instance = if_instance;
        let name = match if_type {
            WIFI => "WiFi",
            ETHERNET => "ETH",
            PPP => "PPP",
            _ => "network",
        };
        match ev {
            DISCONNECTED => log!(Info, "{name}: disconnected"),
            CONNECTING => log!(Info, "{name}: connecting"),
            CONNECTED => log!(Info, "{name}: connected"),
            IP_ACQUIRED => {
                data.ip_info = ip_info();
                let text = |sa: &sockaddr_in| Ipv4Addr::from(sa.sin_addr.s_addr.to_ne_bytes());
                log!(Info, "{name}: ready, IP {}, GW {}, DNS {}", text(&data.ip_info.ip), text(&data.ip_info.gw), text(&data.ip_info.dns));
            }
            _ => {}
        }
        // SAFETY: handlers of these events expect a pointer to this structure.
        unsafe { events::trigger(ev, (&raw mut data).cast()) };
    });
}

/// Brings the network up in the next round of the loop.
pub(crate) fn start() {
    let if_type = if IS_WIFI.load(Relaxed) { WIFI } else { ETHERNET };
    for ev in [CONNECTING, CONNECTED, IP_ACQUIRED] {
        mgos_net_dev_event_cb(if_type, 0, ev);
    }
}

/// `mgos_net_ip_to_str()`
///
/// # Safety
/// `sin` is valid, `out` has room for 16 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_net_ip_to_str(sin: *const sockaddr_in, out: *mut c_char) -> *mut c_char {
    // SAFETY: upheld by the caller; an IPv4 address has at most 15 characters.
    unsafe {
        let ip = Ipv4Addr::from((*sin).sin_addr.s_addr.to_ne_bytes());
        addr::to_buf(&ip.to_string(), out, 16);
    }
    out
}

/// # Safety
/// `sin` is valid for writing.
unsafe fn str_to_ip(text: &[u8], sin: *mut sockaddr_in) -> bool {
    let Some(ip) = str::from_utf8(text).ok().and_then(|t| t.parse().ok()) else { return false };
    // SAFETY: upheld by the caller, see `# Safety`.
    unsafe { sin.write(sockaddr(ip)) };
    true
}

/// `mgos_net_str_to_ip()`
///
/// # Safety
/// `ips` is NULL or NUL-terminated, `sin` is valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_net_str_to_ip(ips: *const c_char, sin: *mut sockaddr_in) -> bool {
    // SAFETY: upheld by the caller, see `# Safety`.
    !ips.is_null() && unsafe { str_to_ip(CStr::from_ptr(ips).to_bytes(), sin) }
}

/// `mgos_net_str_to_ip_n()`
///
/// # Safety
/// `ips` points to its length in bytes, `sin` is valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mgos_net_str_to_ip_n(ips: MgStr, sin: *mut sockaddr_in) -> bool {
    // SAFETY: upheld by the caller, see `# Safety`.
    !ips.p.is_null() && unsafe { str_to_ip(std::slice::from_raw_parts(ips.p.cast(), ips.len), sin) }
}

/// Whether it is an address.
#[cfg(test)]
fn is_set(sa: &sockaddr_in) -> bool {
    sa.sin_addr.s_addr != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{global::run_invoked, testing::serial};
    use libc::c_void;

    #[test]
    fn addresses_are_printed_and_parsed() {
        let mut out: [c_char; 16] = [0; 16];
        let mut sin = sockaddr(Ipv4Addr::UNSPECIFIED);
        let padded = c"192.168.255.254:80".to_bytes();
        let part = MgStr { p: padded.as_ptr().cast(), len: 15 };
        // SAFETY: buffers of the required sizes, strings with a NUL or with their length.
        unsafe {
            assert!(mgos_net_str_to_ip_n(part, &mut sin));
            assert_eq!(mgos_net_ip_to_str(&sin, out.as_mut_ptr()), out.as_mut_ptr());
            assert_eq!(CStr::from_ptr(out.as_ptr()), c"192.168.255.254");
            for wrong in [c"1.2.3", c"1.2.3.256", c"", c"host", c"1.2.3.4 "] {
                assert!(!mgos_net_str_to_ip(wrong.as_ptr(), &mut sin), "{wrong:?}");
            }
            assert_eq!(sin.sin_addr.s_addr.to_ne_bytes(), [192, 168, 255, 254]);
        }
    }

    #[test]
    fn the_systems_files_are_parsed() {
        let routes = "Iface\tDestination\tGateway \tFlags\n\
                      eth0\t000011AC\t00000000\t0001\n\
                      eth0\t00000000\t010011AC\t0003\n";
        if cfg!(target_endian = "little") {
            assert_eq!(default_gateway(routes), Some(Ipv4Addr::new(172, 17, 0, 1)));
        }
        assert_eq!(default_gateway("Iface\tDestination\n"), None);
        let conf = "# comment\nsearch example\nnameserver ::1\nnameserver 10.0.0.53\n";
        assert_eq!(name_server(conf), Some(Ipv4Addr::new(10, 0, 0, 53)));
    }

    unsafe extern "C" fn note(ev: c_int, data: *mut c_void, seen: *mut c_void) {
        // SAFETY: the event carries this structure, and the test passed a Vec of this type.
        unsafe {
            let data = &*data.cast::<EventData>();
            let seen = &mut *seen.cast::<Vec<(c_int, c_int, c_int, bool)>>();
            seen.push((ev, data.if_type, data.if_instance, is_set(&data.ip_info.ip)));
        }
    }

    #[test]
    fn the_network_comes_up_in_three_steps_and_the_last_has_the_address() {
        let _alone = serial();
        let mut seen: Vec<(c_int, c_int, c_int, bool)> = Vec::new();
        let arg = (&raw mut seen).cast();
        assert!(events::mgos_event_add_group_handler(NET, Some(note), arg));
        start();
        run_invoked();
        assert!(events::mgos_event_remove_group_handler(NET, Some(note), arg));
        let addressed = own_address().0 != Ipv4Addr::UNSPECIFIED;
        assert_eq!(seen, [(CONNECTING, ETHERNET, 0, false), (CONNECTED, ETHERNET, 0, false), (IP_ACQUIRED, ETHERNET, 0, addressed)]);
    }
}
