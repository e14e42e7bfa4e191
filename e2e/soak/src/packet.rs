//! MQTT 3.1.1 packets of the peer. Deliberately independent of the library under test.

pub const PUBACK: u8 = 4;
pub const PUBREC: u8 = 5;
pub const PUBREL: u8 = 6;
pub const PUBCOMP: u8 = 7;
pub const PINGREQ: [u8; 2] = [0xc0, 0];

/// Packets from a broker.
#[derive(Debug, PartialEq, Eq)]
pub enum Packet {
    ConnAck {
        code: u8,
        session_present: bool,
    },
    Publish {
        qos: u8,
        topic: String,
        id: u16,
        text: Vec<u8>,
    },
    /// One of the types above.
    Ack(u8, u16),
    SubAck,
    PingResp,
    /// Unexpected or malformed; its type.
    Other(u8),
}

fn packet(header: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut len: usize = parts.iter().map(|part| part.len()).sum();
    let mut bytes = vec![header];
    loop {
        let more = if len > 127 { 0x80 } else { 0 };
        bytes.push((len % 128) as u8 | more);
        len /= 128;
        if len == 0 {
            break;
        }
    }
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes
}

fn text(s: &str) -> Vec<u8> {
    [&(s.len() as u16).to_be_bytes(), s.as_bytes()].concat()
}

/// With a persistent session.
pub fn connect(id: &str) -> Vec<u8> {
    packet(0x10, &[&text("MQTT"), &[4, 0, 0, 60], &text(id)])
}

/// To one filter, at QoS 2.
pub fn subscribe(filter: &str) -> Vec<u8> {
    packet(0x82, &[&[0xff, 0xff], &text(filter), &[2]])
}

pub fn publish(topic: &str, qos: u8, id: u16, again: bool, message: &[u8]) -> Vec<u8> {
    let id = id.to_be_bytes();
    let id: &[u8] = if qos > 0 { &id } else { &[] };
    packet(0x30 | qos << 1 | u8::from(again) << 3, &[&text(topic), id, message])
}

pub fn ack(kind: u8, id: u16) -> Vec<u8> {
    packet(kind << 4 | if kind == PUBREL { 2 } else { 0 }, &[&id.to_be_bytes()])
}

/// The first packet and its length; `None` if it is incomplete.
pub fn take(bytes: &[u8]) -> Option<(Packet, usize)> {
    let (&header, rest) = bytes.split_first()?;
    let (mut len, mut digits) = (0usize, 0);
    loop {
        let digit = *rest.get(digits)?;
        len |= usize::from(digit & 0x7f) << (7 * digits);
        digits += 1;
        if digit & 0x80 == 0 || digits == 4 {
            break;
        }
    }
    let body = rest.get(digits..digits + len)?;
    Some((parse(header, body).unwrap_or(Packet::Other(header >> 4)), 1 + digits + len))
}

fn parse(header: u8, body: &[u8]) -> Option<Packet> {
    let number = |at: usize| Some(u16::from_be_bytes([*body.get(at)?, *body.get(at + 1)?]));
    Some(match header >> 4 {
        2 => Packet::ConnAck { code: *body.get(1)?, session_present: body[0] & 1 != 0 },
        3 => {
            let qos = header >> 1 & 3;
            let end = 2 + usize::from(number(0)?);
            let topic = String::from_utf8(body.get(2..end)?.to_vec()).ok()?;
            let (id, at) = if qos > 0 { (number(end)?, end + 2) } else { (0, end) };
            Packet::Publish { qos, topic, id, text: body.get(at..)?.to_vec() }
        }
        kind @ PUBACK..=PUBCOMP => Packet::Ack(kind, number(0)?),
        9 => Packet::SubAck,
        13 => Packet::PingResp,
        kind => Packet::Other(kind),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_round_trip_and_are_parsed_only_when_complete() {
        let long = vec![b'x'; 300];
        let bytes = publish("a/b", 2, 7, true, &long);
        assert_eq!(bytes[..3], [0x3c, 0xb3, 0x02]);
        assert!((0..bytes.len()).all(|n| take(&bytes[..n]).is_none()));
        let (packet, len) = take(&bytes).unwrap();
        assert_eq!((packet, len), (Packet::Publish { qos: 2, topic: "a/b".into(), id: 7, text: long }, bytes.len()));
        assert_eq!(take(&ack(PUBREL, 258)).unwrap().0, Packet::Ack(PUBREL, 258));
        assert_eq!(ack(PUBREL, 258), [0x62, 2, 1, 2]);
        assert_eq!(take(&[0x20, 2, 1, 0]).unwrap().0, Packet::ConnAck { code: 0, session_present: true });
        assert_eq!(take(&[0x30, 1, 0]).unwrap().0, Packet::Other(3));
    }
}
