//! A link that takes little at a time, and an upload that lasts longer than the answer to a ping
//! may: the ping waits behind it. Not here: when pings are due (session/keep_alive.rs).

extern crate std;

use super::super::conn_api::*;
use super::app::{c, str};
use super::callbacks::{Kind, make};
use super::world::{heard, net_up, pass, rounds, with};

/// Whether the connection has come to an end, if only to be made again.
fn has_ended() -> bool {
    with(|w| w.seen.iter().any(|line| line == "cloud DISCONNECTED"))
}

/// A connection, and two minutes' worth of bytes on their way.
fn uploading() -> super::world::Turn {
    let turn = make(Kind::Plain);
    net_up();
    rounds(5);
    heard();
    // SAFETY: the connection is alive.
    unsafe {
        assert!(mgos_mqtt_conn_is_connected(c()) != 0);
        with(|w| w.uplink = 100);
        let text = std::ffi::CString::new("x".repeat(12_000)).unwrap();
        let message = super::super::types::mg_str { p: text.as_ptr(), len: 12_000 };
        assert_ne!(mgos_mqtt_conn_pub(c(), c"t".as_ptr(), message, 0, 0), 0);
    }
    turn
}

#[test]
fn a_ping_behind_a_long_upload_does_not_end_the_connection() {
    let turn = uploading();
    pass(115);
    assert_eq!(heard().len(), 0, "it is still under way");
    assert!(!has_ended());
    pass(10);
    let kinds: std::vec::Vec<u8> = heard().iter().map(|packet| packet[0] >> 4).collect();
    assert_eq!(kinds, [3, 12, 12], "a ping each 55 s, all of them behind the message");
    pass(200);
    assert!(!has_ended(), "the pings were answered");
    turn.end();
}

#[test]
fn a_link_that_dies_in_a_long_upload_is_noticed_in_time() {
    let turn = uploading();
    pass(70);
    with(|w| w.stuck = true);
    pass(28);
    assert!(!has_ended());
    pass(4);
    assert!(has_ended());
    assert_eq!(heard().len(), 0);
    turn.end();
}

#[test]
fn a_broker_that_takes_all_and_answers_no_ping_is_left_although_the_app_uploads_on() {
    let turn = uploading();
    with(|w| w.manner.mute = true);
    let mut seconds = 0;
    while !has_ended() {
        assert!(seconds < 300);
        // SAFETY: the connection is alive.
        unsafe { mgos_mqtt_conn_pub(c(), c"t".as_ptr(), str(c"more than leaves the device in half a second"), 0, 0) };
        pass(1);
        seconds += 1;
    }
    assert!(seconds > 125, "only when the ping has long left");
    turn.end();
}
