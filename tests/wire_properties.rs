//! The wire layer with random input: what it must never do, and that the reference decoder
//! understands what it writes.
//!
//! Here: properties only. Explicit cases are in src/wire/tests.

mod reference;

use mgos_mqtt::wire::{
    AckKind, Connect, OutPacket, PacketId, QoS, TopicError, check_filter, check_name, connect_options, decode, header, matches, size,
};
use proptest::collection::vec;
use proptest::prelude::*;
use reference::{Parsed, parse};

/// The complete packet as sent.
fn bytes(out: &OutPacket<'_>) -> Vec<u8> {
    let remaining = out.remaining().expect("not too large");
    let mut bytes = vec![0; size(remaining)];
    let mut rest = &mut bytes[..];
    out.write(&mut rest, remaining).unwrap();
    assert!(rest.is_empty());
    bytes
}

fn any_id() -> impl Strategy<Value = PacketId> {
    (1..=u16::MAX).prop_map(|n| PacketId::new(n).unwrap())
}

fn any_qos() -> impl Strategy<Value = QoS> {
    (0..3).prop_map(QoS::clamped)
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    "\\PC{1,40}".prop_map(String::into_bytes)
}

/// Strings in which wildcards, separators and invalid characters are common.
fn topic_like() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(&b"/"[..]),
        2 => Just(&b"a"[..]),
        1 => Just(&b"b"[..]),
        2 => Just(&b"+"[..]),
        1 => Just(&b"#"[..]),
        1 => Just(&b"$"[..]),
        1 => Just("\u{20ac}".as_bytes()),
    ];
    let odd = prop_oneof![Just(&b"\0"[..]), Just(&b"\xff"[..]), Just(&b"\xe2\x82"[..])];
    vec(prop_oneof![40 => piece, 1 => odd], 0..12).prop_map(|pieces| pieces.concat())
}

fn level() -> impl Strategy<Value = &'static str> {
    prop_oneof![3 => Just("a"), 3 => Just(""), 1 => Just("b"), 1 => Just("$"), 1 => Just("a$"), 1 => Just("\u{20ac}")]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decoding_any_bytes_never_panics_and_a_packet_read_can_be_read_again(
        first in prop_oneof![any::<u8>(), Just(0x30), Just(0x32), Just(0x35), Just(0x20), Just(0x90), Just(0x62)],
        rest in vec(prop_oneof![Just(0u8), Just(1), Just(2), any::<u8>()], 0..40),
    ) {
        let mut stream = vec![first];
        stream.extend(&rest);
        if let Ok(Some(h)) = header(&stream) {
            let body = &stream[h.len as usize..];
            if let Some(body) = body.get(..h.remaining as usize) {
                let whole = &stream[..h.total()];
                // Whatever is accepted, the reference decoder accepts as well, with the same
                // content.
                if let Ok(packet) = decode(h, body) {
                    prop_assert!(parse(whole) == Some(reference::parsed(&packet)), "{:02x?}", whole);
                } else {
                    prop_assert_eq!(parse(whole), None);
                }
            } else {
                // A truncated body must not be read beyond its end.
                let _ = decode(h, body);
            }
        }
    }

    #[test]
    fn any_two_splits_of_a_header_agree(stream in vec(any::<u8>(), 0..8)) {
        // Once a header is known or rejected, more bytes change nothing.
        let mut known = None;
        for n in 0..=stream.len() {
            let now = header(&stream[..n]);
            match known {
                None if now != Ok(None) => known = Some(now),
                None => {}
                Some(before) => prop_assert_eq!(now, before),
            }
        }
    }

    #[test]
    fn a_message_sent_is_read_as_it_was(
        topic in text(), payload in vec(any::<u8>(), 0..300), id in any_id(), qos in any_qos(), dup: bool, retain: bool,
    ) {
        prop_assume!(check_name(&topic).is_ok());
        let dup = dup && qos > QoS::AtMostOnce;
        let flags = (dup as u8) << 3 | (qos as u8) << 1 | retain as u8;
        let id = (qos > QoS::AtMostOnce).then_some(id);
        let sent = bytes(&OutPacket::publish(flags, id, &topic, &payload));
        let expected = Parsed::Publish { dup, qos: qos as u8, retain, topic: topic.clone(), id: id.map(PacketId::get), payload: payload.clone() };
        prop_assert_eq!(parse(&sent), Some(expected));
        // PUBLISH goes both ways: our own decoder reads it too.
        let h = header(&sent).unwrap().unwrap();
        let p = decode(h, &sent[h.len as usize..]).unwrap();
        prop_assert_eq!((p.first, p.qos(), p.id, p.topic, p.payload), (0x30 | flags, qos, id, &topic[..], &payload[..]));
    }

    #[test]
    fn a_connect_sent_is_read_as_it_was(
        client_id in text(), clean_session: bool, keep_alive: u16,
        will in proptest::option::of((text(), vec(any::<u8>(), 0..200), any::<bool>())),
        login in proptest::option::of((text(), proptest::option::of(vec(any::<u8>(), 0..200)))),
    ) {
        let (topic, message) = will.as_ref().map_or((None, None), |(t, m, _)| (Some(&t[..]), Some(&m[..])));
        let (user, password) = login.as_ref().map_or((None, None), |(u, p)| (Some(&u[..]), p.as_deref()));
        let will_retain = will.as_ref().is_some_and(|will| will.2);
        let fields = [Some(&client_id[..]), topic, message, user, password];
        let connect = Connect { fields: &fields, clean_session, will_retain, keep_alive };
        let sent = bytes(&connect.packet(&mut [0; 10]).unwrap());
        prop_assert_eq!(connect_options(&sent), Some((clean_session, keep_alive)));
        let (user, password) = login.map_or((None, None), |(u, p)| (Some(u), p));
        prop_assert_eq!(parse(&sent), Some(Parsed::Connect { client_id, clean_session, keep_alive, will, user, password }));
    }

    #[test]
    fn the_small_packets_are_read_as_they_were_sent(id in any_id(), filter in text(), qos in any_qos()) {
        prop_assume!(check_filter(&filter).is_ok());
        let n = id.get();
        for (kind, number) in [(AckKind::PubAck, 4), (AckKind::PubRec, 5), (AckKind::PubRel, 6), (AckKind::PubComp, 7)] {
            prop_assert_eq!(parse(&bytes(&OutPacket::ack(kind, id))), Some(Parsed::Ack(number, n)));
        }
        prop_assert_eq!(parse(&bytes(&OutPacket::subscribe(id, &filter, qos))), Some(Parsed::Subscribe(n, filter.clone(), qos as u8)));
        prop_assert_eq!(parse(&bytes(&OutPacket::unsubscribe(id, &filter))), Some(Parsed::Unsubscribe(n, filter.clone())));
        prop_assert_eq!(parse(&bytes(&OutPacket::PINGREQ)), Some(Parsed::PingReq));
        prop_assert_eq!(parse(&bytes(&OutPacket::DISCONNECT)), Some(Parsed::Disconnect));
    }

    #[test]
    fn names_and_filters_are_judged_as_the_plain_rules_say(s in topic_like()) {
        prop_assert_eq!(check_name(&s).is_ok(), reference::name_is_right(&s));
        prop_assert_eq!(check_filter(&s).is_ok(), reference::filter_is_right(&s));
        if core::str::from_utf8(&s).is_err() {
            prop_assert_eq!(check_name(&s), Err(TopicError::NotUtf8));
        }
    }

    #[test]
    fn strings_are_judged_as_core_and_the_ban_on_null_say(s in vec(prop_oneof![any::<u8>(), 0x80..=0xbfu8, 0xe0..=0xf4u8, Just(0)], 1..12)) {
        let valid = core::str::from_utf8(&s).is_ok() && !s.contains(&0);
        prop_assert_eq!(check_name(&s) != Err(TopicError::NotUtf8), valid);
    }

    #[test]
    fn filters_match_names_as_the_plain_matcher_says(
        filter in vec(prop_oneof![2 => level(), 1 => Just("+")], 1..6), deep: bool, name in vec(level(), 1..6),
    ) {
        let mut filter = filter.join("/").into_bytes();
        if deep {
            filter.extend(if filter.is_empty() { &b"#"[..] } else { b"/#" });
        }
        let name = name.join("/").into_bytes();
        prop_assume!(check_filter(&filter).is_ok() && check_name(&name).is_ok());
        prop_assert_eq!(matches(&filter, &name), reference::filter_matches(&filter, &name));
    }
}
