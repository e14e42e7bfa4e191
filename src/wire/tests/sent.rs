//! The encoder: each packet byte for byte, and the sizes at which the Remaining Length grows.

extern crate std;

use crate::wire::{self, AckKind, MAX_REMAINING, OutPacket, PacketId, QoS, ack_bytes, connect_options, publish_head, size};
use std::vec;
use std::vec::Vec;

fn bytes(out: &OutPacket<'_>) -> Vec<u8> {
    let remaining = out.remaining().expect("not too large");
    let mut bytes = vec![0; size(remaining)];
    let mut rest = &mut bytes[..];
    out.write(&mut rest, remaining).expect("the size is known before the packet is written");
    assert!(rest.is_empty(), "the size is known before the packet is written");
    bytes
}

/// What a will says.
#[derive(Clone, Copy)]
struct Will<'a> {
    topic: &'a [u8],
    message: &'a [u8],
    retain: bool,
}

/// What a CONNECT says.
#[derive(Clone, Copy)]
struct Connect<'a> {
    client_id: &'a [u8],
    clean_session: bool,
    keep_alive: u16,
    will: Option<Will<'a>>,
    login: Option<(&'a [u8], Option<&'a [u8]>)>,
}

impl Connect<'_> {
    fn on_the_wire(&self) -> Option<Vec<u8>> {
        let (user, password) = self.login.map_or((None, None), |(user, password)| (Some(user), password));
        let fields = [Some(self.client_id), self.will.map(|w| w.topic), self.will.map(|w| w.message), user, password];
        let will_retain = self.will.is_some_and(|w| w.retain);
        let connect = wire::Connect { fields: &fields, clean_session: self.clean_session, will_retain, keep_alive: self.keep_alive };
        connect.packet(&mut [0; 10]).map(|out| bytes(&out))
    }

    fn fits(&self) -> bool {
        self.on_the_wire().is_some()
    }
}

fn id(n: u16) -> PacketId {
    PacketId::new(n).unwrap()
}

const PLAIN: Connect<'static> = Connect { client_id: b"c", clean_session: true, keep_alive: 60, will: None, login: None };
const WILL: Will<'static> = Will { topic: b"w/t", message: b"gone", retain: false };

fn connect(c: Connect<'_>) -> Vec<u8> {
    c.on_the_wire().expect("all fields fit")
}

#[test]
fn connect_is_as_the_original_sends_it() {
    let head = |len, flags| vec![0x10, len, 0, 4, b'M', b'Q', b'T', b'T', 4, flags, 0, 60, 0, 1, b'c'];
    let and = |mut v: Vec<u8>, more: &[u8]| {
        v.extend(more);
        v
    };
    assert_eq!(connect(PLAIN), head(13, 0x02));
    assert_eq!(connect(Connect { clean_session: false, ..PLAIN }), head(13, 0x00));
    assert_eq!(connect(Connect { login: Some((b"joe", None)), ..PLAIN }), and(head(18, 0x82), b"\0\x03joe"));
    assert_eq!(connect(Connect { login: Some((b"joe", Some(b"pw"))), ..PLAIN }), and(head(22, 0xc2), b"\0\x03joe\0\x02pw"));
    assert_eq!(connect(Connect { will: Some(WILL), ..PLAIN }), and(head(24, 0x06), b"\0\x03w/t\0\x04gone"));
    let all = Connect {
        clean_session: false,
        keep_alive: 300,
        will: Some(Will { retain: true, ..WILL }),
        login: Some((b"joe", Some(b"pw"))),
        ..PLAIN
    };
    let mut expected = and(head(33, 0xe4), b"\0\x03w/t\0\x04gone\0\x03joe\0\x02pw");
    expected[10..12].copy_from_slice(&[1, 44]);
    assert_eq!(connect(all), expected);
}

#[test]
fn mqtt_3_1_2_1_the_protocol_is_mqtt_level_4() {
    assert_eq!(connect(PLAIN)[2..9], [0, 4, b'M', b'Q', b'T', b'T', 4]);
}

/// The flags byte of CONNECT with each combination of fields.
fn flags() -> impl Iterator<Item = (Connect<'static>, u8)> {
    let wills = [None, Some(WILL), Some(Will { retain: true, ..WILL })];
    let logins = [None, Some((&b"u"[..], None)), Some((&b"u"[..], Some(&b"p"[..])))];
    [false, true]
        .into_iter()
        .flat_map(move |clean| wills.into_iter().flat_map(move |will| logins.into_iter().map(move |login| (clean, will, login))))
        .map(|(clean_session, will, login)| {
            let c = Connect { clean_session, will, login, ..PLAIN };
            (c, connect(c)[9])
        })
}

#[test]
fn mqtt_3_1_2_3_the_reserved_flag_is_0() {
    assert!(flags().all(|(_, f)| f & 1 == 0));
}

#[test]
fn mqtt_3_1_2_9_the_will_flag_goes_with_topic_and_message() {
    for (c, f) in flags() {
        assert_eq!(f & 4 != 0, c.will.is_some());
        let will = b"\0\x03w/t\0\x04gone";
        assert_eq!(connect(c).windows(will.len()).any(|w| w == will), c.will.is_some());
    }
}

#[test]
fn mqtt_3_1_2_11_without_a_will_its_qos_and_retain_are_0() {
    assert!(flags().all(|(c, f)| c.will.is_some() || f & 0x38 == 0));
}

#[test]
fn mqtt_3_1_2_13_the_wills_qos_is_never_3() {
    assert!(flags().all(|(_, f)| f & 0x18 == 0));
}

#[test]
fn mqtt_3_1_2_15_will_retain_is_set_with_a_will_only() {
    assert!(flags().all(|(c, f)| f & 0x20 == 0 || c.will.is_some_and(|w| w.retain)));
}

#[test]
fn mqtt_3_1_2_18_user_name_and_password_are_there_exactly_if_flagged() {
    for (c, f) in flags() {
        assert_eq!(f & 0x80 != 0, c.login.is_some());
        assert_eq!(f & 0x40 != 0, c.login.is_some_and(|(_, p)| p.is_some()));
        let tail: &[u8] = match c.login {
            None => b"",
            Some((_, None)) => b"\0\x01u",
            Some(_) => b"\0\x01u\0\x01p",
        };
        let will = if c.will.is_some() { 5 + 6 } else { 0 };
        assert_eq!(connect(c)[15 + will..], *tail);
    }
}

#[test]
fn mqtt_3_1_2_22_there_is_no_password_without_a_user_name() {
    assert!(flags().all(|(_, f)| f & 0x40 == 0 || f & 0x80 != 0));
}

#[test]
fn mqtt_3_1_3_1_the_fields_are_in_the_standards_order() {
    let c = Connect {
        client_id: b"id",
        will: Some(Will { topic: b"t", message: b"m", retain: false }),
        login: Some((b"u", Some(b"p"))),
        ..PLAIN
    };
    assert_eq!(connect(c)[12..], *b"\0\x02id\0\x01t\0\x01m\0\x01u\0\x01p");
}

#[test]
fn a_connect_with_a_field_over_65535_bytes_does_not_fit() {
    let (most, more) = (vec![b'x'; 65_535], vec![b'x'; 65_536]);
    assert!(Connect { client_id: &most, login: Some((&most, Some(&most))), ..PLAIN }.fits());
    for c in [
        Connect { client_id: &more, ..PLAIN },
        Connect { login: Some((&more, None)), ..PLAIN },
        Connect { login: Some((b"u", Some(&more))), ..PLAIN },
        Connect { will: Some(Will { topic: &more, ..WILL }), ..PLAIN },
        Connect { will: Some(Will { message: &more, ..WILL }), ..PLAIN },
    ] {
        assert!(!c.fits());
    }
}

#[test]
fn mqtt_3_1_3_4_a_connect_with_a_string_that_is_not_utf8_does_not_fit() {
    for bad in [&b"\xff"[..], b"a\0", b"\xed\xa0\x80"] {
        assert!(!Connect { client_id: bad, ..PLAIN }.fits());
        assert!(!Connect { will: Some(Will { topic: bad, ..WILL }), ..PLAIN }.fits());
        assert!(!Connect { login: Some((bad, None)), ..PLAIN }.fits());
        // These two are bytes.
        assert!(Connect { will: Some(Will { message: bad, ..WILL }), login: Some((b"u", Some(bad))), ..PLAIN }.fits());
    }
    assert!(Connect { client_id: b"", ..PLAIN }.fits());
}

#[test]
fn mqtt_2_2_2_1_the_flags_sent_are_those_of_the_table() {
    assert_eq!(connect(PLAIN)[0], 0x10);
    for (out, first) in [
        (OutPacket::ack(AckKind::PubAck, id(1)), 0x40),
        (OutPacket::ack(AckKind::PubRec, id(1)), 0x50),
        (OutPacket::ack(AckKind::PubRel, id(1)), 0x62),
        (OutPacket::ack(AckKind::PubComp, id(1)), 0x70),
        (OutPacket::subscribe(id(1), b"a", QoS::AtLeastOnce), 0x82),
        (OutPacket::unsubscribe(id(1), b"a"), 0xa2),
        (OutPacket::PINGREQ, 0xc0),
        (OutPacket::DISCONNECT, 0xe0),
    ] {
        assert_eq!(bytes(&out)[0], first, "{out:?}");
    }
}

#[test]
fn mqtt_2_3_1_6_an_acknowledgement_carries_the_identifier_it_is_given() {
    for (kind, first) in [(AckKind::PubAck, 0x40), (AckKind::PubRec, 0x50), (AckKind::PubRel, 0x62), (AckKind::PubComp, 0x70)] {
        assert_eq!(bytes(&OutPacket::ack(kind, id(0x1234))), [first, 2, 0x12, 0x34]);
        assert_eq!(ack_bytes(kind, id(0x1234)), [first, 2, 0x12, 0x34]);
    }
}

#[test]
fn mqtt_3_8_1_1_subscribe_is_one_filter_and_its_qos() {
    for (qos, number) in [(QoS::AtMostOnce, 0), (QoS::AtLeastOnce, 1), (QoS::ExactlyOnce, 2)] {
        let out = OutPacket::subscribe(id(1), b"a/1", qos);
        assert_eq!(bytes(&out), [0x82, 8, 0, 1, 0, 3, b'a', b'/', b'1', number]);
        assert_eq!(out.requested_qos(), number);
    }
}

#[test]
fn mqtt_3_10_1_1_unsubscribe_is_one_filter() {
    assert_eq!(bytes(&OutPacket::unsubscribe(id(3), b"in/x")), [0xa2, 8, 0, 3, 0, 4, b'i', b'n', b'/', b'x']);
}

#[test]
fn publish_is_as_the_original_sends_it() {
    let p = |flags, n: u16, topic, payload| bytes(&OutPacket::publish(flags, PacketId::new(n), topic, payload));
    assert_eq!(p(0, 0, b"t/0", b"zero"), *b"\x30\x09\0\x03t/0zero");
    assert_eq!(p(1, 0, b"t/0", b""), *b"\x31\x05\0\x03t/0");
    assert_eq!(p(2, 3, b"t/1", b"one"), *b"\x32\x0a\0\x03t/1\0\x03one");
    assert_eq!(p(0xd, 5, b"t/2", b"two"), *b"\x3d\x0a\0\x03t/2\0\x05two");
}

#[test]
fn mqtt_2_2_3_the_length_takes_one_to_four_bytes_and_no_more() {
    for (remaining, head) in [
        (127, &[0x32, 0x7f][..]),
        (128, &[0x32, 0x80, 1]),
        (16_383, &[0x32, 0xff, 0x7f]),
        (16_384, &[0x32, 0x80, 0x80, 1]),
        (2_097_151, &[0x32, 0xff, 0xff, 0x7f]),
        (2_097_152, &[0x32, 0x80, 0x80, 0x80, 1]),
        (MAX_REMAINING as usize, &[0x32, 0xff, 0xff, 0xff, 0x7f]),
    ] {
        // Never read, so that the largest costs no more than its address space.
        let body = vec![0; remaining];
        let out = OutPacket::publish(2, None, b"", &body);
        assert_eq!((out.remaining(), size(remaining)), (Some(remaining), head.len() + remaining));
        // As much as there is room for.
        let mut start = [0; 5];
        let _ = out.write(&mut &mut start[..], remaining);
        assert_eq!(&start[..head.len()], head);
    }
    let body = vec![0; MAX_REMAINING as usize + 1];
    assert_eq!(OutPacket::publish(2, None, b"", &body).remaining(), None);
}

#[test]
fn the_terms_of_a_connect_are_read_back() {
    let (client_id, message) = (vec![b'c'; 60_000], vec![0; 65_535]);
    for c in [
        PLAIN,
        Connect { clean_session: false, keep_alive: 65_535, ..PLAIN },
        Connect { client_id: &client_id[..200], keep_alive: 0, ..PLAIN },
        Connect { client_id: &client_id, will: Some(Will { message: &message, ..WILL }), clean_session: false, ..PLAIN },
    ] {
        let bytes = connect(c);
        assert_eq!(connect_options(&bytes), Some((c.clean_session, c.keep_alive)));
        assert_eq!(connect_options(&bytes[..8]), None);
    }
    for other in [&b""[..], &[0x10], &[0x30, 3, 0, 1, b'a'], &[0x10, 0xff, 0xff, 0xff, 0xff, 1]] {
        assert_eq!(connect_options(other), None);
    }
}

#[test]
fn pubacks_among_other_packets_are_counted() {
    let long = |first: u8, len: usize| {
        let mut packet = vec![first];
        let mut n = len;
        while n > 0x7f {
            packet.push(n as u8 | 0x80);
            n >>= 7;
        }
        packet.push(n as u8);
        packet.resize(packet.len() + len, 0x40);
        packet
    };
    let puback = [0x40, 2, 0, 9];
    assert_eq!(wire::count_pubacks(b""), 0);
    assert_eq!(wire::count_pubacks(&puback), 1);
    assert_eq!(wire::count_pubacks(&[0x40, 2, 0, 0x40, 0x40, 2, 0x40, 0x40]), 2, "packet IDs are not PUBACKs");
    for first in [0x30, 0x41, 0x50, 0x62, 0x70, 0x82, 0xc0, 0xe0] {
        assert_eq!(wire::count_pubacks(&[&[first, 2, 0, 9][..], &puback].concat()), 1, "{first:x}");
    }
    // After packets with one to four length bytes whose payload looks like PUBACKs.
    for len in [0, 1, 127, 128, 300, 16_383, 16_384, 2_097_151, 2_097_152] {
        let packets = [&long(0x30, len)[..], &puback, &puback].concat();
        assert_eq!(wire::count_pubacks(&packets), 2, "{len}");
    }
    assert_eq!(wire::count_pubacks(&[0x40, 2]), 1, "a truncated one");
    assert_eq!(wire::count_pubacks(&puback.repeat(255)), 255);
    assert_eq!(wire::count_pubacks(&puback.repeat(300)), 255, "at most");
    // A length with more than four bytes ends after the fourth.
    assert_eq!(wire::count_pubacks(&[0x30, 0x80, 0x80, 0x80, 0x80, 0x40, 0]), 1);
}

#[test]
fn the_head_of_a_publish_in_pieces_is_that_of_the_whole_packet() {
    for flags in [0, 1, 2, 5] {
        for (topic_len, payload_len) in [(1, 0), (1, 122), (1, 123), (1, 124), (1, 125), (300, 16_384), (2, 2_097_152), (65_535, 10)] {
            let (topic, payload) = (vec![b't'; topic_len], vec![b'p'; payload_len]);
            let sent_id = (flags & 6 != 0).then_some(id(7));
            let whole = bytes(&OutPacket::publish(flags, sent_id, &topic, &payload));
            let (head, len) = publish_head(flags, topic_len as u16, payload_len).unwrap();
            assert_eq!(head[..len], whole[..len], "{flags} {topic_len} {payload_len}");
            assert_eq!(whole[len..len + topic_len], topic);
        }
    }
    let most = MAX_REMAINING as usize;
    assert!(publish_head(0, 1, most - 3).is_some() && publish_head(0, 1, most - 2).is_none());
    assert!(publish_head(2, 1, most - 5).is_some() && publish_head(2, 1, most - 4).is_none());
    assert!(publish_head(0, 1, usize::MAX).is_none());
}
