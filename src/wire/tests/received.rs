//! The decoder: every packet that a server may send is taken apart, every other is refused with its
//! reason.

extern crate std;

use crate::wire::{Decoded, InPacket, PacketId, ProtocolError, QoS, decode, header, message_start};
use std::vec;
use std::vec::Vec;

/// Decodes `bytes`, which hold one whole packet.
fn whole(bytes: &[u8]) -> Decoded<InPacket<'_>> {
    let h = header(bytes)?.expect("the fixed header is whole");
    assert_eq!(h.total(), bytes.len(), "the test's own packet has the wrong length: {bytes:02x?}");
    decode(h, &bytes[h.len as usize..])
}

/// Why `bytes` are refused.
fn refused(bytes: &[u8]) -> ProtocolError {
    match header(bytes) {
        Err(wrong) => wrong,
        Ok(Some(h)) => match decode(h, &bytes[h.len as usize..]) {
            Err(wrong) => wrong,
            Ok(p) => panic!("{bytes:02x?} was taken as {p:?}"),
        },
        Ok(None) => panic!("{bytes:02x?} was taken as incomplete"),
    }
}

fn id(n: u16) -> PacketId {
    PacketId::new(n).unwrap()
}

#[test]
fn each_packet_a_server_may_send_is_taken_apart() {
    let none: (Option<PacketId>, &[u8]) = (None, b"");
    for (bytes, (packet_id, topic), payload) in [
        (&[0x20, 2, 0, 0][..], none, &[0, 0][..]),
        (&[0x20, 2, 1, 0], none, &[1, 0]),
        (&[0x20, 2, 0, 5], none, &[0, 5]),
        (&[0x20, 2, 0, 255], none, &[0, 255]),
        (&[0x30, 3, 0, 1, b'a'], (None, b"a"), b""),
        (&[0x31, 5, 0, 1, b'a', 0xff, 0], (None, b"a"), &[0xff, 0]),
        (&[0x32, 5, 0, 1, b'a', 0, 1], (Some(id(1)), b"a"), b""),
        (&[0x3d, 6, 0, 1, b'a', 0xff, 0xff, 7], (Some(id(65535)), b"a"), &[7]),
        (&[0x40, 2, 0, 1], (Some(id(1)), b""), b""),
        (&[0x50, 2, 1, 0], (Some(id(256)), b""), b""),
        (&[0x62, 2, 0, 1], (Some(id(1)), b""), b""),
        (&[0x70, 2, 0, 1], (Some(id(1)), b""), b""),
        (&[0xb0, 2, 0, 1], (Some(id(1)), b""), b""),
        (&[0x90, 6, 0, 1, 0, 1, 2, 0x80], (Some(id(1)), b""), &[0, 1, 2, 0x80]),
        (&[0xd0, 0], none, b""),
    ] {
        assert_eq!(whole(bytes), Ok(InPacket { first: bytes[0], id: packet_id, topic, payload }), "{bytes:02x?}");
    }
    let qos = |first| whole(&[first, 5, 0, 1, b'a', 0, 1]).unwrap().qos();
    assert_eq!([0x30, 0x33, 0x3c].map(qos), [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]);
}

#[test]
fn no_prefix_of_a_legal_packet_is_refused_or_taken_for_whole() {
    for bytes in [&[0x20, 2, 1, 0][..], &[0x90, 3, 0, 1, 0x80], &[0xd0, 0], &[0x34, 0x86, 0x80, 0, 0, 1, b'a', 0, 9, 1]] {
        for n in 0..bytes.len() {
            match header(&bytes[..n]) {
                Ok(None) => {}
                Ok(Some(h)) => assert!(h.total() > n),
                Err(v) => panic!("{:02x?}: {v:?}", &bytes[..n]),
            }
        }
    }
}

#[test]
fn mqtt_2_2_2_1_publish_alone_has_flags_with_a_meaning() {
    for first in 0..=255u8 {
        let (kind, flags) = (first >> 4, first & 15);
        let right = match kind {
            2 | 4 | 5 | 7 | 9 | 11 | 13 => flags == 0,
            6 => flags == 2,
            3 => ![6, 7, 14, 15, 8, 9].contains(&flags),
            _ => false,
        };
        assert_eq!(header(&[first]).is_ok(), right, "{first:02x}");
    }
}

#[test]
fn mqtt_2_2_2_2_wrong_flags_are_refused() {
    for kind in [2u8, 4, 5, 6, 7, 9, 11, 13] {
        for flags in (0..16).filter(|&f| f != if kind == 6 { 2 } else { 0 }) {
            assert_eq!(refused(&[kind << 4 | flags]), ProtocolError::Flags);
        }
    }
}

#[test]
fn mqtt_3_6_1_1_pubrel_with_other_flags_than_2_is_refused() {
    assert!(whole(&[0x62, 2, 0, 1]).is_ok());
    for flags in (0..16).filter(|f| *f != 2) {
        assert_eq!(refused(&[0x60 | flags, 2, 0, 1]), ProtocolError::Flags);
    }
}

#[test]
fn mqtt_4_8_0_1_types_that_are_reserved_or_a_clients_are_refused() {
    for kind in [0u8, 1, 8, 10, 12, 14, 15] {
        for flags in 0..16 {
            assert_eq!(refused(&[kind << 4 | flags]), ProtocolError::Type);
        }
    }
}

#[test]
fn mqtt_2_2_3_a_remaining_length_has_one_to_four_bytes() {
    for (bytes, len, remaining) in [
        (&[0x30, 0x7f][..], 2, 127),
        (&[0x30, 0x80, 0x01], 3, 128),
        (&[0x30, 0xff, 0x7f], 3, 16_383),
        (&[0x30, 0x80, 0x80, 0x01], 4, 16_384),
        (&[0x30, 0xff, 0xff, 0x7f], 4, 2_097_151),
        (&[0x30, 0x80, 0x80, 0x80, 0x01], 5, 2_097_152),
        (&[0x30, 0xff, 0xff, 0xff, 0x7f], 5, 268_435_455),
        (&[0xd0, 0x80, 0x80, 0x80, 0x00], 5, 0),
    ] {
        let h = header(bytes).unwrap().unwrap();
        assert_eq!((h.len, h.remaining), (len, remaining));
        assert_eq!(h.total(), len as usize + remaining as usize);
    }
    assert_eq!(refused(&[0x30, 0x80, 0x80, 0x80, 0x80]), ProtocolError::LengthBytes);
    assert_eq!(refused(&[0xd0, 0xfa, 0xff, 0xff, 0xff, 0x0f]), ProtocolError::LengthBytes);
}

#[test]
fn a_length_that_the_type_can_not_have_is_refused_before_the_body_comes() {
    for kind in [0x20, 0x40, 0x50, 0x62, 0x70, 0xb0] {
        for len in [0, 1, 3, 4, 127] {
            assert_eq!(refused(&[kind, len]), ProtocolError::Length);
        }
        assert_eq!(refused(&[kind, 0x82, 0x01]), ProtocolError::Length);
    }
    for len in [0, 1, 2] {
        assert_eq!(refused(&[0x90, len]), ProtocolError::Length);
        assert_eq!(refused(&[0x30, len]), ProtocolError::Length);
    }
    assert_eq!(refused(&[0xd0, 1]), ProtocolError::Length);
}

#[test]
fn a_topic_or_identifier_beyond_the_end_of_the_packet_is_refused() {
    assert_eq!(refused(&[0x30, 3, 0, 2, b'a']), ProtocolError::Length);
    assert_eq!(refused(&[0x30, 4, 0xff, 0xff, b'a', b'b']), ProtocolError::Length);
    assert_eq!(refused(&[0x32, 3, 0, 1, b'a']), ProtocolError::Length);
    assert_eq!(refused(&[0x34, 4, 0, 1, b'a', 0]), ProtocolError::Length);
}

#[test]
fn mqtt_2_3_1_1_an_identifier_of_zero_is_refused() {
    for bytes in [
        &[0x32, 5, 0, 1, b'a', 0, 0][..],
        &[0x34, 5, 0, 1, b'a', 0, 0],
        &[0x40, 2, 0, 0],
        &[0x50, 2, 0, 0],
        &[0x62, 2, 0, 0],
        &[0x70, 2, 0, 0],
        &[0xb0, 2, 0, 0],
        &[0x90, 3, 0, 0, 1],
    ] {
        assert_eq!(refused(bytes), ProtocolError::ZeroId, "{bytes:02x?}");
    }
}

#[test]
fn mqtt_2_3_1_5_a_message_at_qos_0_has_no_identifier() {
    let p = whole(&[0x30, 5, 0, 1, b'a', 0, 9]).unwrap();
    assert_eq!((p.id, p.payload), (None, &[0, 9][..]));
}

#[test]
fn mqtt_3_3_1_4_qos_3_is_refused() {
    for first in [0x36, 0x37, 0x3e, 0x3f] {
        assert_eq!(refused(&[first]), ProtocolError::QoS);
    }
}

#[test]
fn mqtt_3_3_1_2_dup_at_qos_0_is_refused() {
    for first in [0x38, 0x39] {
        assert_eq!(refused(&[first]), ProtocolError::Dup);
    }
}

/// A PUBLISH at QoS 0 with this topic.
fn publish(topic: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x30];
    let remaining = topic.len() + 2;
    bytes.extend([remaining as u8 & 0x7f | 0x80, (remaining >> 7) as u8 & 0x7f | 0x80, (remaining >> 14) as u8]);
    bytes.extend((topic.len() as u16).to_be_bytes());
    bytes.extend(topic);
    bytes
}

#[test]
fn mqtt_3_3_2_1_a_topic_that_is_empty_or_not_utf8_is_refused() {
    // Empty needs a payload, as a PUBLISH of two bytes is refused for its length.
    assert_eq!(refused(&[0x30, 3, 0, 0, b'x']), ProtocolError::Topic);
    for topic in [&b"\xff"[..], b"a\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"a\xe2\x82", b"a\0b"] {
        assert_eq!(refused(&publish(topic)), ProtocolError::Topic);
    }
    for topic in [&b"a"[..], b"/", "\u{feff}\u{20ac}/\u{10ffff}".as_bytes(), &[b'x'; 65_535]] {
        assert!(whole(&publish(topic)).is_ok_and(|p| p.topic == topic));
    }
}

#[test]
fn mqtt_3_3_2_2_a_topic_with_a_wildcard_is_refused() {
    for topic in [&b"#"[..], b"+", b"a/#", b"a/+/b", b"a+", b"#a"] {
        assert_eq!(refused(&publish(topic)), ProtocolError::Topic);
    }
}

#[test]
fn mqtt_3_2_2_1_connack_flags_other_than_session_present_are_refused() {
    for flags in 2..=255 {
        assert_eq!(refused(&[0x20, 2, flags, 0]), ProtocolError::ConnackFlags);
    }
}

#[test]
fn mqtt_3_2_2_4_session_present_beside_a_refusal_is_refused() {
    for code in 1..=255 {
        assert_eq!(refused(&[0x20, 2, 1, code]), ProtocolError::ConnackFlags);
        assert!(whole(&[0x20, 2, 0, code]).is_ok());
    }
}

#[test]
fn mqtt_3_9_3_2_suback_codes_other_than_0_1_2_and_0x80_are_refused() {
    for code in 0..=255 {
        let bytes = [0x90, 4, 0, 1, 0, code];
        if [0, 1, 2, 0x80].contains(&code) {
            assert!(whole(&bytes).is_ok());
        } else {
            assert_eq!(refused(&bytes), ProtocolError::SubackCode);
        }
    }
}

#[test]
fn three_bytes_and_any_body_never_panic_and_never_reach_past_the_end() {
    // All first bytes and short lengths, bodies of one repeated byte: what is returned borrows from
    // the body only.
    for first in 0..=255u8 {
        for len in 0..=9u8 {
            for fill in [0, 1, 2, b'+', b'a', 0x80, 0xff] {
                let mut bytes = vec![fill; len as usize + 2];
                bytes[..2].copy_from_slice(&[first, len]);
                if let Ok(Some(h)) = header(&bytes) {
                    assert_eq!(h.total(), bytes.len());
                    for n in 2..=bytes.len() {
                        let _ = decode(h, &bytes[2..n]);
                    }
                }
            }
        }
    }
}

#[test]
fn each_protocol_error_has_a_message_of_its_own() {
    use crate::wire::ProtocolError::*;
    let all = [Type, Flags, LengthBytes, Length, ZeroId, QoS, Dup, Topic, ConnackFlags, SubackCode, SubackCount, Order, Ack, TooMany];
    let messages: std::collections::BTreeSet<_> = all.iter().map(|wrong| std::format!("{wrong}")).collect();
    assert_eq!(messages.len(), all.len());
    assert!(messages.iter().all(|message| message.len() > 3));
}

#[test]
fn the_beginning_of_a_message_tells_where_its_payload_begins() {
    let start = |bytes| message_start(bytes).map(|m| (m.first, m.topic, m.payload_at, m.payload_len));
    assert_eq!(start(b"\x30\x7f\0\x03a/bX"), Some((0x30, &b"a/b"[..], 7, 122)));
    assert_eq!(start(b"\x3d\xff\x01\0\x03a/b"), Some((0x3d, &b"a/b"[..], 10, 248)), "behind the packet ID, which need not be there");
    assert_eq!(start(b"\x30\x05\0\x03a/b"), Some((0x30, &b"a/b"[..], 7, 0)));
    assert_eq!(start(b"\x30\x7f\0\x03a/"), None, "more of the topic is to come");
    assert_eq!(start(b"\x30\xff"), None);
    assert_eq!(start(b"\x32\x05\0\x03a/b"), None, "no packet ID fits");
    assert_eq!(start(b"\x30\x7f\0\x03a/+"), None, "a wildcard");
    assert_eq!(start(b"\x90\x7f\0\x03a/b"), None, "SUBACK");
}
