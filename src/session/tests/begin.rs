//! Beginning and ending: CONNECT, CONNACK, keep-alive, DISCONNECT.

use super::*;
use crate::conn::{Conn, Wake};
use crate::session::Notify;

#[test]
fn mqtt_3_1_0_1_nothing_goes_out_before_connect() {
    let mut rig = Rig::down();
    rig.subscribe(b"a");
    rig.publish(1, Q1);
    assert!(!rig.s.may_send());
    assert_eq!(rig.publish_to(b"t", b"", Q0, LIMITS), Err(RequestError::Offline));
    assert_eq!(rig.out(), [] as [Vec<u8>; 0]);
}

#[test]
fn nothing_but_disconnect_goes_out_between_connect_and_connack() {
    let mut rig = Rig::down();
    rig.subscribe(b"a");
    rig.publish(1, Q1);
    rig.s.connect_sent(true, 60, 0);
    rig.now = 70_000;
    assert!(rig.s.may_send());
    assert_eq!(rig.publish_to(b"t", b"", Q0, LIMITS), Err(RequestError::Offline));
    assert_eq!(rig.out(), [] as [Vec<u8>; 0]);
}

#[test]
fn mqtt_3_2_0_1_any_packet_before_connack_is_a_violation() {
    for packet in [&[0x30, 3, 0, 1, b'a'][..], &[0x40, 2, 0, 1], &[0x62, 2, 0, 1], &[0x90, 3, 0, 1, 0], &[0xd0, 0]] {
        let mut rig = Rig::down();
        rig.s.connect_sent(true, 60, 0);
        assert_eq!(rig.wrong(packet), ProtocolError::Order);
    }
}

#[test]
fn mqtt_3_2_0_1_a_message_over_the_limit_before_connack_is_a_violation() {
    let mut rig = Rig::down();
    rig.s.connect_sent(true, 60, 0);
    let mut stream = vec![0x32, 100, 0, 1, b'a', 0, 7];
    stream.resize(102, 0);
    assert_eq!(take(&mut rig.s, &stream, 64), Err(ProtocolError::Order));
    assert_eq!(take(&mut Rig::up().s, &stream, 64).unwrap(), ["oversized 102", "PubAck 7"]);
}

#[test]
fn a_second_connack_is_a_violation() {
    let mut rig = Rig::up();
    assert_eq!(rig.wrong(NEW), ProtocolError::Order);
}

#[test]
fn mqtt_3_2_2_1_session_present_after_asking_for_a_new_one_is_a_new_one_and_told_once() {
    let mut rig = Rig::down();
    for warnings in [1, 0] {
        rig.publish(1, Q2);
        rig.connect(true, KEPT);
        let notices = core::iter::from_fn(|| rig.notice().map(|n| assert_eq!(n, Notice::SessionPresent)));
        assert_eq!(notices.count(), warnings);
        rig.s.disconnected(false, 0);
    }
    // The messages of the sessions before are new to this one.
    assert_eq!(rig.connect(true, KEPT), [message(0x34, 1, 1), message(0x34, 2, 1)]);
}

#[test]
fn mqtt_3_2_2_2_session_present_is_heeded() {
    let mut rig = Rig::up();
    let id = rig.publish(1, Q1);
    assert_eq!(rig.out(), [message(0x32, id, 1)]);
    assert_eq!(rig.resume(), [message(0x3a, id, 1)]);
    rig.s.disconnected(false, 0);
    assert_eq!(rig.connect(false, NEW), [message(0x32, id, 1)]);
}

#[test]
fn mqtt_3_2_2_5_each_refusal_is_told_with_its_code() {
    for code in 1..=255 {
        let mut rig = Rig::down();
        rig.s.connect_sent(true, 60, 0);
        assert_eq!(rig.receive(&[0x20, 2, 0, code], false).unwrap().notify, Notify::Refused);
        assert!(!rig.s.is_up());
    }
}

#[test]
fn mqtt_3_1_4_5_nothing_goes_out_after_a_refusal() {
    let mut c = Conn::<u32>::default();
    c.connecting(0, 1, 0);
    c.session.connect_sent(true, 60, 0);
    c.session.publish(b"t", b"", Q1, false, LIMITS, 0).unwrap();
    let refusal = [0x20, 2, 0, 5];
    assert_eq!(c.session.receive(header(&refusal).unwrap().unwrap(), &refusal[2..], false, 0).unwrap().1.notify, Notify::Refused);
    c.closing(0, 0);
    assert!(!c.session.may_send() && c.session.next(true, 0).is_none());
}

#[test]
fn mqtt_3_14_4_2_nothing_goes_out_after_disconnect() {
    let mut rig = Rig::up();
    rig.subscribe(b"a");
    rig.publish(1, Q2);
    rig.s.closing();
    rig.now += 100_000;
    assert!(!rig.s.may_send());
    assert_eq!(rig.publish_to(b"t", b"", Q0, LIMITS), Err(RequestError::Offline));
    rig.publish(2, Q1);
    assert_eq!(rig.out(), [] as [Vec<u8>; 0]);
}

#[test]
fn mqtt_3_14_4_1_a_connection_that_does_not_end_after_disconnect_is_closed() {
    let mut c = Conn::<u32>::default();
    c.connecting(0, 1, 0);
    c.session.connect_sent(true, 60, 0);
    c.stop();
    c.closing(5000, 100);
    assert_eq!((c.wake(5099), c.wake(5100)), (Wake::Nothing, Wake::CloseTimeout));
}

#[test]
fn mqtt_3_1_2_23_a_ping_goes_out_before_the_interval_has_passed() {
    let mut rig = Rig::up();
    rig.now += 54_999;
    assert_eq!(rig.out(), [] as [Vec<u8>; 0]);
    rig.now += 1;
    assert_eq!(rig.out(), [vec![0xc0, 0]]);
}

#[test]
fn mqtt_3_1_2_23_pings_go_out_in_time_across_the_wrap_of_the_clock() {
    for before in [1, 30_000, 54_999, 55_000, 55_001] {
        let mut rig = Rig { s: Session::default(), now: 0u32.wrapping_sub(before) };
        rig.connect(true, NEW);
        for _ in 0..3 {
            rig.now = rig.now.wrapping_add(54_999);
            assert_eq!(rig.out(), [] as [Vec<u8>; 0]);
            rig.now = rig.now.wrapping_add(1);
            assert_eq!(rig.s.deadline(), rig.now.max(1));
            assert_eq!(rig.out(), [vec![0xc0, 0]]);
            rig.told(&[0xd0, 0]);
        }
    }
}

#[test]
fn mqtt_3_12_4_1_a_ping_without_its_answer_is_the_end_once_nothing_else_comes_in() {
    let mut rig = Rig::up();
    rig.now += 55_000;
    assert_eq!(rig.out(), [vec![0xc0, 0]]);
    rig.now += 29_999;
    rig.publish(1, Q1);
    rig.out();
    rig.told(&[0x30, 3, 0, 1, b'a']);
    assert!(!rig.s.is_dead(rig.now));
    // Whatever comes in shows that the broker is alive, and its answer may be behind that.
    rig.now += 29_999;
    assert!(!rig.s.is_dead(rig.now));
    rig.now += 1;
    assert!(rig.s.is_dead(rig.now));
    rig.told(&[0xd0, 0]);
    assert!(!rig.s.is_dead(rig.now));
}

#[test]
fn connect_counts_as_sent_until_disconnection() {
    let mut rig = Rig::down();
    assert!(!rig.s.is_connect_sent());
    rig.s.connect_sent(true, 60, 0);
    assert!(rig.s.is_connect_sent() && !rig.s.is_up());
    rig.told(NEW);
    assert!(rig.s.is_connect_sent() && rig.s.is_up());
    rig.s.closing();
    assert!(rig.s.is_connect_sent() && !rig.s.is_up());
    rig.s.disconnected(false, 0);
    assert!(!rig.s.is_connect_sent());
}

#[test]
fn clear_forgets_both_directions() {
    let mut rig = Rig::up();
    rig.publish(1, Q1);
    rig.told(&[0x34, 5, 0, 1, b't', 0, 9]);
    rig.subscribe(b"a");
    assert_eq!((rig.s.queued(), rig.s.is_idle(), rig.s.subscription_count(b"a")), (1, false, 1));
    rig.s.clear();
    assert_eq!((rig.s.queued(), rig.s.is_idle(), rig.s.subscription_count(b"a")), (0, true, 0));
    assert!(!rig.s.is_up() && !rig.s.is_connect_sent());
    assert_eq!(rig.connect(false, KEPT), [] as [Vec<u8>; 0]);
    assert_eq!(rig.receive(&[0x3c, 5, 0, 1, b't', 0, 9], false).unwrap().notify, Notify::Handlers);
}

#[test]
fn part_of_a_packet_shows_that_the_broker_is_alive() {
    for received in [false, true] {
        let mut rig = Rig::up();
        rig.now += 55_000;
        assert_eq!(rig.out(), [[0xc0, 0]]);
        rig.now += 29_000;
        if received {
            rig.s.bytes_received(rig.now);
        }
        rig.now += 1000;
        assert_eq!(rig.s.is_dead(rig.now), !received);
    }
}

#[test]
fn the_session_is_present_where_the_broker_has_kept_it_and_it_is_the_one_asked_for() {
    let mut rig = Rig::down();
    assert!(!rig.s.is_kept());
    rig.connect(false, NEW);
    assert!(!rig.s.is_kept());
    rig.resume();
    assert!(rig.s.is_kept());
    rig.s.disconnected(false, 0);
    assert!(rig.s.is_kept(), "until the next CONNACK");
    rig.connect(true, KEPT);
    assert!(!rig.s.is_kept(), "a new one was asked for");
    rig.resume();
    rig.s.disconnected(false, 0);
    rig.s.connecting(true);
    rig.connect(false, KEPT);
    assert!(!rig.s.is_kept(), "another broker's is not this one's");
}
