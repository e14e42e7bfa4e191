//! A stream split in many ways: the result of a session must not depend on it.
//!
//! Here: a stream of packets, most of them valid, some over the limit, and the events that a
//! session makes of it.

use super::rng::Rng;
use mgos_mqtt::session::{Framed, Recipient, Session, Wants};
use mgos_mqtt::wire::QoS;

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut n = body.len();
    while n > 127 {
        packet.push(n as u8 | 0x80);
        n >>= 7;
    }
    packet.push(n as u8);
    packet.extend(body);
    packet
}

/// What a broker sends after CONNECT, CONNACK first, and the receive limit for it.
pub fn stream(seed: u64) -> (Vec<u8>, usize) {
    let mut rng = Rng::new(seed);
    let limit = rng.pick(&[16, 40, 300]);
    let mut bytes = vec![0x20, 2, 0, 0];
    for _ in 0..rng.between(1, 30) {
        let id = (rng.between(1, 6) as u16).to_be_bytes();
        let kind = rng.below(40);
        let next = match kind {
            0..=24 => {
                let qos = rng.below(3) as u8;
                let topic = vec![b't'; rng.pick(&[1, 5, 12, 60, 400])];
                let mut body = [&(topic.len() as u16).to_be_bytes()[..], &topic].concat();
                if qos > 0 {
                    body.extend(id);
                }
                body.resize(body.len() + rng.pick(&[0, 1, 10, 100, 1000]), b'p');
                packet(0x30 | qos << 1, &body)
            }
            25..=34 => packet(rng.pick(&[0x40, 0x50, 0x62, 0x70, 0xb0]), &id),
            35 => packet(0x90, &[id[0], id[1], 1]),
            36 | 37 => packet(0xd0, &[]),
            // An invalid packet ends the stream, wherever its bytes are split.
            38 if rng.one_in(3) => packet(0x34, b"\0\x01t\0\0"),
            39 if rng.one_in(3) => rng.pick(&[&[0x36, 9][..], &[0x30, 0xff, 0xff, 0xff, 0xff], &[0x20, 2, 0, 0], &[0x40, 3]]).to_vec(),
            _ => continue,
        };
        bytes.extend(next);
    }
    (bytes, limit)
}

/// The events of a session if `bytes` arrive in pieces as `piece` says.
pub fn events(bytes: &[u8], limit: usize, mut piece: impl FnMut(usize) -> usize) -> Vec<String> {
    let mut session = Session::<u32>::default();
    session.connect_sent(true, 60, 0);
    session.subscribe(b"t", QoS::AtMostOnce, Recipient { handler: 7, wants: Wants::EVENTS }, 0).unwrap();
    let (mut events, mut buf, mut rest) = (Vec::new(), Vec::new(), bytes);
    loop {
        let step = match session.frame(&buf, limit) {
            Err(violation) => {
                events.push(format!("{violation:?}"));
                break;
            }
            Ok(Framed::Incomplete) if rest.is_empty() => break,
            Ok(Framed::Incomplete) => {
                let (next, after) = rest.split_at(piece(rest.len()));
                buf.extend_from_slice(next);
                rest = after;
                0
            }
            Ok(Framed::Packet(h, body)) => {
                match session.receive(h, body, true, 0) {
                    Ok((_, reaction)) => events.push(format!("{reaction:?}")),
                    Err(trouble) => {
                        events.push(format!("{trouble:?}"));
                        break;
                    }
                }
                session.connack_delivered();
                h.total()
            }
            Ok(Framed::Discard(n)) => n,
            Ok(Framed::Oversized { total, topic }) => {
                // A topic over the limit is reported as far as it is available.
                events.push(format!("oversized {total} {:?}", &topic[..topic.len().min(limit - 5 - 2)]));
                0
            }
            Ok(Framed::Answer(ack, id)) => {
                events.push(format!("{ack:?} {id}"));
                session.discarded_answered();
                0
            }
        };
        buf.drain(..step);
    }
    events
}
