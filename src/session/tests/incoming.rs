//! Messages coming in: who is told, what is answered, what is never delivered twice.

use super::*;
use crate::heap::testing::fail_after;
use crate::session::Notify;
use crate::wire::PacketId;

/// PUBLISH of nothing to `t`.
fn publish(first: u8, id: u16) -> Vec<u8> {
    let [hi, lo] = id.to_be_bytes();
    if first & 6 == 0 { vec![first, 3, 0, 1, b't'] } else { vec![first, 5, 0, 1, b't', hi, lo] }
}

fn is_told(reaction: &Reaction) -> bool {
    matches!(reaction.notify, Notify::Subscribers | Notify::Handlers)
}

#[test]
fn mqtt_3_3_4_1_each_qos_is_answered_as_it_asks() {
    for ours in [false, true] {
        let mut rig = Rig::up();
        if ours {
            rig.subscribe(b"t");
        }
        for (first, answer) in [(0x30, vec![]), (0x32, ack(0x40, 9)), (0x34, ack(0x50, 9))] {
            assert_eq!(rig.told(&publish(first, 9)), answer);
        }
    }
}

#[test]
fn mqtt_4_5_0_2_a_message_nobody_has_subscribed_to_is_answered_too() {
    let mut rig = Rig::up();
    let reaction = rig.receive(&[0x32, 5, 0, 1, b't', 0, 9], false).unwrap();
    assert!(reaction.answer.is_some() && reaction.notify == Notify::Handlers);
    // With handlers of the connection it is theirs to answer at QoS 1, as the original has it.
    let reaction = rig.receive(&[0x32, 5, 0, 1, b't', 0, 9], true).unwrap();
    assert!(reaction.answer.is_none() && reaction.notify == Notify::Handlers);
    let reaction = rig.receive(&[0x34, 5, 0, 1, b't', 0, 9], true).unwrap();
    assert!(reaction.answer.is_some());
}

#[test]
fn mqtt_4_3_2_2_at_qos_1_each_message_is_delivered_and_answered_with_puback() {
    let mut rig = Rig::up();
    for first in [0x32, 0x3a] {
        let packet = publish(first, 5);
        let reaction = rig.receive(&packet, false).unwrap();
        assert!(is_told(&reaction));
        assert_eq!(rig.told(&packet), ack(0x40, 5));
    }
}

#[test]
fn mqtt_4_3_3_2_at_qos_2_a_message_is_delivered_once_until_pubrel() {
    let mut rig = Rig::up();
    let (first, again) = (publish(0x34, 5), publish(0x3c, 5));
    assert!(is_told(&rig.receive(&first, false).unwrap()));
    for packet in [&again, &first, &again] {
        let reaction = rig.receive(packet, false).unwrap();
        assert!(!is_told(&reaction));
        assert_eq!(rig.told(packet), ack(0x50, 5));
    }
    assert!(!rig.s.is_idle());
    assert_eq!(rig.told(&ack(0x62, 5)), ack(0x70, 5));
    assert_eq!(rig.told(&ack(0x62, 5)), ack(0x70, 5), "PUBCOMP was lost: again");
    assert!(rig.s.is_idle());
    assert!(is_told(&rig.receive(&first, false).unwrap()), "the identifier is free for another message");
}

#[test]
fn mqtt_4_3_3_2_a_message_is_not_delivered_again_after_a_reconnection_with_a_kept_session() {
    let mut rig = Rig::up();
    let again = publish(0x3c, 5);
    rig.told(&publish(0x34, 5));
    rig.resume();
    assert!(!is_told(&rig.receive(&again, false).unwrap()));
    rig.s.disconnected(false, 0);
    rig.connect(false, NEW);
    assert!(is_told(&rig.receive(&again, false).unwrap()), "a new session knows nothing of it");
}

#[test]
fn mqtt_4_6_0_2_answers_are_given_packet_by_packet_and_so_in_order() {
    let mut rig = Rig::up();
    rig.subscribe(b"#");
    let answers: Vec<_> = [3, 1, 2].iter().map(|id| rig.told(&publish(0x32, *id))).collect();
    assert_eq!(answers, [ack(0x40, 3), ack(0x40, 1), ack(0x40, 2)]);
}

#[test]
fn mqtt_4_6_0_3_pubrecs_go_out_in_the_order_of_the_messages() {
    let mut rig = Rig::up();
    let answers: Vec<_> = [3, 1, 2].iter().map(|id| rig.told(&publish(0x34, *id))).collect();
    assert_eq!(answers, [ack(0x50, 3), ack(0x50, 1), ack(0x50, 2)]);
}

#[test]
fn a_message_whose_answer_could_not_be_sent_is_delivered_when_it_is_handed_in_again() {
    let mut rig = Rig::up();
    let packet = publish(0x34, 5);
    let reaction = rig.receive(&packet, false).unwrap();
    rig.s.answer_failed(reaction, PacketId::new(5).unwrap());
    let reaction = rig.receive(&packet, false).unwrap();
    assert!(is_told(&reaction));
    // A repeated one stays known, though.
    let repeated = rig.receive(&packet, false).unwrap();
    rig.s.answer_failed(repeated, PacketId::new(5).unwrap());
    assert!(!is_told(&rig.receive(&packet, false).unwrap()));
}

#[test]
fn without_memory_a_qos_2_message_is_handed_in_again() {
    let mut rig = Rig::up();
    let packet = publish(0x34, 5);
    fail_after(Some(0));
    assert_eq!(rig.receive(&packet, false), Err(ReceiveError::OutOfMemory));
    fail_after(None);
    assert!(is_told(&rig.receive(&packet, false).unwrap()));
}

#[test]
fn more_open_qos_2_messages_than_any_broker_has_are_a_violation() {
    let mut rig = Rig::up();
    // As many as you like in a row; but runs of them are bounded.
    for id in 1..=250 {
        rig.told(&publish(0x34, id));
    }
    for run in 1..64 {
        rig.told(&publish(0x34, 1000 + 2 * run));
    }
    assert_eq!(rig.wrong(&publish(0x34, 2000)), ProtocolError::TooMany);
}

#[test]
fn a_message_over_the_limit_is_dropped_and_answered_in_every_split() {
    for (first, topic, qos) in [(0x30, 1, 0), (0x32, 1, 1), (0x34, 1, 2), (0x34, 100, 2), (0x32, 57, 1), (0x32, 58, 1), (0x30, 100, 0)] {
        let mut stream = vec![first, 0, 0, topic];
        stream.resize(4 + topic as usize, b'a');
        if qos > 0 {
            stream.extend([1, 2]);
        }
        stream.resize(120, b'p');
        stream[1] = 118;
        stream.extend([0xd0, 0]);
        let mut expected = vec!["oversized 120".into()];
        match qos {
            0 => {}
            1 => expected.push("PubAck 258".into()),
            _ => expected.push("PubRec 258".into()),
        }
        expected.push(std::string::String::from("packet 13"));
        assert_eq!(take(&mut Rig::up().s, &stream, 64).unwrap(), expected);
        // The first part may lie in the buffer already when the second comes.
        for at in 1..stream.len() {
            let mut rig = Rig::up();
            let (mut buf, mut said, mut rest) = (vec![], vec![], &stream[..]);
            for n in [at, stream.len() - at] {
                buf.extend_from_slice(&rest[..n]);
                rest = &rest[n..];
                loop {
                    match rig.s.frame(&buf, 64).unwrap() {
                        Framed::Incomplete => break,
                        Framed::Packet(h, _) => {
                            said.push(std::format!("packet {}", h.kind()));
                            buf.drain(..h.total());
                        }
                        Framed::Discard(n) => drop(buf.drain(..n)),
                        Framed::Oversized { total, .. } => said.push(std::format!("oversized {total}")),
                        Framed::Answer(ack, id) => {
                            said.push(std::format!("{ack:?} {id}"));
                            rig.s.discarded_answered();
                        }
                    }
                }
            }
            assert_eq!(said, expected, "topic {topic}, QoS {qos}, split at {at}");
        }
    }
}

/// What `frame` returns for an oversized message that begins like this: its size and topic.
fn framed(packet: &[u8], limit: usize) -> Result<Option<(usize, Vec<u8>)>, ProtocolError> {
    Ok(match Rig::up().s.frame(packet, limit)? {
        Framed::Incomplete => None,
        Framed::Oversized { total, topic } => Some((total, topic.to_vec())),
        other => panic!("{other:?}"),
    })
}

#[test]
fn a_packet_of_exactly_the_limit_is_taken_whole() {
    let mut packet = vec![0x30, 62, 0, 1, b't'];
    packet.resize(64, 0);
    assert!(matches!(Rig::up().s.frame(&packet, 64), Ok(Framed::Packet(_, _))));
    assert_eq!(framed(&packet, 63), Ok(Some((64, b"t".to_vec()))));
}

#[test]
fn a_message_over_the_limit_is_reported_once_its_topic_is_complete_or_the_buffer_full() {
    let mut packet = vec![0x30, 118, 0, 3, b'a', b'b', b'c', b'd'];
    packet.resize(120, b'p');
    for n in 0..7 {
        assert_eq!(framed(&packet[..n], 64), Ok(None), "{n}");
    }
    for n in 7..64 {
        assert_eq!(framed(&packet[..n], 64), Ok(Some((120, b"abc".to_vec()))), "{n}");
    }
    let mut packet = vec![0x30, 118, 0, 100];
    packet.resize(120, b'a');
    for n in 4..64 {
        assert_eq!(framed(&packet[..n], 64), Ok(None), "{n}");
    }
    assert_eq!(framed(&packet[..64], 64), Ok(Some((120, vec![b'a'; 60]))), "nothing more would fit");
}

#[test]
fn a_message_over_the_limit_too_short_for_its_topic_or_packet_id_is_a_violation() {
    for (first, fits) in [(0x30, 26), (0x32, 24), (0x34, 24)] {
        for len in 20..60 {
            let mut packet = vec![first, 28, 0, len];
            packet.resize(16, b'a');
            let expected = if len <= fits { Ok(Some((30, vec![b'a'; 12]))) } else { Err(ProtocolError::Length) };
            assert_eq!(framed(&packet, 16), expected, "{first:x} {len}");
        }
    }
}

#[test]
fn a_packet_is_being_discarded_from_its_beginning_until_its_answer_is_sent() {
    for (first, answer) in [(0x30, false), (0x32, true), (0x34, true)] {
        let mut rig = Rig::up();
        assert!(!rig.s.is_discarding());
        let mut stream = vec![first, 28, 0, 1, b't', 0, 9];
        stream.resize(30, 0);
        assert!(matches!(rig.s.frame(&stream, 16), Ok(Framed::Oversized { .. })));
        let mut rest = &stream[..];
        while !rest.is_empty() {
            assert!(rig.s.is_discarding(), "{} bytes are left", rest.len());
            let Ok(Framed::Discard(n)) = rig.s.frame(&rest[..rest.len().min(7)], 16) else { panic!("{rest:?}") };
            rest = &rest[n..];
        }
        assert_eq!(rig.s.is_discarding(), answer);
        if answer {
            assert!(matches!(rig.s.frame(&[], 16), Ok(Framed::Answer(_, _))));
            assert!(rig.s.is_discarding());
            rig.s.discarded_answered();
        }
        assert!(!rig.s.is_discarding());
        assert_eq!(rig.s.frame(&[], 16), Ok(Framed::Incomplete));
    }
    // SUBACK, to which there is no answer.
    let mut rig = Rig::up();
    assert!(matches!(rig.s.frame(&[0x90, 28, 0, 1], 16), Ok(Framed::Oversized { total: 30, topic: b"" })));
    assert!(rig.s.is_discarding());
    assert_eq!(rig.s.frame(&[0; 30], 16), Ok(Framed::Discard(30)));
    assert!(!rig.s.is_discarding());
}

#[test]
fn the_packet_id_of_a_message_over_the_limit_is_found_after_a_longer_fixed_header_too() {
    for len in [300, 20_000] {
        let mut stream = vec![0x32];
        stream.extend(if len < 16_384 { vec![0xac, 0x02] } else { vec![0xa0, 0x9c, 0x01] });
        let head = stream.len();
        stream.extend([0, 3, b'a', b'b', b'c', 1, 2]);
        stream.resize(head + len, 9);
        let expected = [std::format!("oversized {}", stream.len()), "PubAck 258".into()];
        assert_eq!(take(&mut Rig::up().s, &stream, 64).unwrap(), expected);
    }
}

#[test]
fn a_qos_2_message_delivered_in_pieces_is_known_until_it_is_released() {
    let mut rig = Rig::up();
    rig.s.subscribe(b"big", Q2, Recipient { handler: 5, wants: Wants::PIECES }, 0).unwrap();
    let mut packet = vec![0x34, 40, 0, 3, b'b', b'i', b'g', 0, 9];
    packet.resize(42, b'x');
    for (first, known) in [(0x34, false), (0x3c, true)] {
        assert!(matches!(rig.s.frame(&packet[..16], 16), Ok(Framed::Oversized { total: 42, topic: b"big" })));
        assert_eq!(rig.s.take_pieces(b"big").collect::<Vec<_>>(), [5]);
        rig.s.pieces_started();
        let mut rest = &packet[..];
        while let Ok(Framed::Discard(n)) = rig.s.frame(&rest[..rest.len().min(16)], 16) {
            rest = &rest[n..];
        }
        assert!(rest.is_empty());
        assert_eq!(rig.s.is_known_in_pieces(first), known);
        rig.s.pieces_delivered();
        assert!(rig.s.is_known_in_pieces(0x34));
        rig.s.discarded_answered();
    }
    assert_eq!(rig.s.counters().oversized, 0, "what is delivered was not skipped");
    assert_eq!(rig.told(&ack(0x62, 9)), ack(0x70, 9));
    assert_eq!(rig.s.take_pieces(b"other").next(), None);
}
