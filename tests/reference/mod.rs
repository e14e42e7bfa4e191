//! A second, independent implementation of the standard to check the library against: slow,
//! allocating, and obviously correct.
//!
//! Parses a single packet of either side, and matches topics. Stateless.
#![allow(dead_code, missing_docs)]

use mgos_mqtt::wire::InPacket;

/// The contents of a packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Parsed {
    Connect {
        client_id: Vec<u8>,
        clean_session: bool,
        keep_alive: u16,
        will: Option<(Vec<u8>, Vec<u8>, bool)>,
        user: Option<Vec<u8>>,
        password: Option<Vec<u8>>,
    },
    ConnAck {
        session_present: bool,
        code: u8,
    },
    Publish {
        dup: bool,
        qos: u8,
        retain: bool,
        topic: Vec<u8>,
        id: Option<u16>,
        payload: Vec<u8>,
    },
    /// PUBACK 4, PUBREC 5, PUBREL 6, PUBCOMP 7, UNSUBACK 11.
    Ack(u8, u16),
    Subscribe(u16, Vec<u8>, u8),
    SubAck(u16, Vec<u8>),
    Unsubscribe(u16, Vec<u8>),
    PingReq,
    PingResp,
    Disconnect,
}

/// Converts the library's packet.
pub fn parsed(packet: &InPacket<'_>) -> Parsed {
    let (p, id) = (packet, packet.id.map(|id| id.get()));
    match (p.kind(), id) {
        (2, None) => Parsed::ConnAck { session_present: p.payload[0] == 1, code: p.payload[1] },
        (3, _) => Parsed::Publish {
            dup: p.first & 8 != 0,
            qos: p.qos() as u8,
            retain: p.first & 1 != 0,
            topic: p.topic.to_vec(),
            id,
            payload: p.payload.to_vec(),
        },
        (9, Some(id)) => Parsed::SubAck(id, p.payload.to_vec()),
        (13, None) => Parsed::PingResp,
        (kind, Some(id)) => Parsed::Ack(kind, id),
        (_, None) => panic!("{p:?} lacks its identifier"),
    }
}

/// Returns the length of the packet at the front of `bytes`; `None` if its header is incomplete or
/// the length is illegal.
pub fn packet_len(bytes: &[u8]) -> Option<usize> {
    let mut value = 0;
    for i in 0..4 {
        let b = *bytes.get(1 + i)? as usize;
        value += (b % 128) << (7 * i);
        if b < 128 {
            return Some(2 + i + value);
        }
    }
    None
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&b, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(b)
    }
    fn number(&mut self) -> Option<u16> {
        Some(self.byte()? as u16 * 256 + self.byte()? as u16)
    }
    fn id(&mut self) -> Option<u16> {
        self.number().filter(|&n| n != 0)
    }
    fn field(&mut self) -> Option<Vec<u8>> {
        let n = self.number()? as usize;
        let field = self.0.get(..n)?.to_vec();
        self.0 = &self.0[n..];
        Some(field)
    }
    fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0).to_vec()
    }
}

/// Parses `bytes`, which must be exactly one packet that violates no rule of chapters 2 and 3.
pub fn parse(bytes: &[u8]) -> Option<Parsed> {
    if packet_len(bytes)? != bytes.len() {
        return None;
    }
    let header = 1 + bytes[1..].iter().position(|b| *b < 128)? + 1;
    let (kind, flags) = (bytes[0] >> 4, bytes[0] & 15);
    let mut r = Reader(&bytes[header..]);
    if kind != 3 && flags != if [6, 8, 10].contains(&kind) { 2 } else { 0 } {
        return None;
    }
    let parsed = match kind {
        1 => connect(&mut r)?,
        2 => {
            let (flags, code) = (r.byte()?, r.byte()?);
            if flags > 1 || flags == 1 && code != 0 {
                return None;
            }
            Parsed::ConnAck { session_present: flags == 1, code }
        }
        3 => {
            let (dup, qos, retain) = (flags & 8 != 0, flags >> 1 & 3, flags & 1 != 0);
            let topic = r.field()?;
            let id = if qos > 0 { Some(r.id()?) } else { None };
            if qos == 3 || dup && qos == 0 || !name_is_right(&topic) {
                return None;
            }
            Parsed::Publish { dup, qos, retain, topic, id, payload: r.rest() }
        }
        4..=7 | 11 => Parsed::Ack(kind, r.id()?),
        8 => {
            let (id, filter, qos) = (r.id()?, r.field()?, r.byte()?);
            if !filter_is_right(&filter) || qos > 2 {
                return None;
            }
            Parsed::Subscribe(id, filter, qos)
        }
        9 => {
            let (id, codes) = (r.id()?, r.rest());
            if codes.is_empty() || codes.iter().any(|c| ![0, 1, 2, 0x80].contains(c)) {
                return None;
            }
            Parsed::SubAck(id, codes)
        }
        10 => Parsed::Unsubscribe(r.id()?, r.field().filter(|f| filter_is_right(f))?),
        12 => Parsed::PingReq,
        13 => Parsed::PingResp,
        14 => Parsed::Disconnect,
        _ => return None,
    };
    // Nothing may follow the last field.
    r.0.is_empty().then_some(parsed)
}

fn connect(r: &mut Reader<'_>) -> Option<Parsed> {
    if r.field()? != b"MQTT" || r.byte()? != 4 {
        return None;
    }
    let flags = r.byte()?;
    let keep_alive = r.number()?;
    let (has_will, has_user, has_password) = (flags & 4 != 0, flags & 0x80 != 0, flags & 0x40 != 0);
    // The library's wills have QoS 0.
    if flags & 0x19 != 0 || flags & 0x20 != 0 && !has_will || has_password && !has_user {
        return None;
    }
    let client_id = r.field()?;
    let will = if has_will { Some((r.field()?, r.field()?, flags & 0x20 != 0)) } else { None };
    let user = if has_user { Some(r.field()?) } else { None };
    let password = if has_password { Some(r.field()?) } else { None };
    Some(Parsed::Connect { client_id, clean_session: flags & 2 != 0, keep_alive, will, user, password })
}

fn string_is_right(s: &[u8]) -> bool {
    !s.is_empty() && s.len() <= 65_535 && !s.contains(&0) && std::str::from_utf8(s).is_ok()
}

pub fn name_is_right(s: &[u8]) -> bool {
    string_is_right(s) && !s.contains(&b'+') && !s.contains(&b'#')
}

pub fn filter_is_right(s: &[u8]) -> bool {
    let levels: Vec<&[u8]> = s.split(|b| *b == b'/').collect();
    string_is_right(s)
        && levels.iter().enumerate().all(|(i, level)| match *level {
            b"+" => true,
            b"#" => i + 1 == levels.len(),
            _ => !level.contains(&b'+') && !level.contains(&b'#'),
        })
}

/// 4.7.1 and 4.7.2, level by level.
pub fn filter_matches(filter: &[u8], name: &[u8]) -> bool {
    let f: Vec<&[u8]> = filter.split(|b| *b == b'/').collect();
    let n: Vec<&[u8]> = name.split(|b| *b == b'/').collect();
    if name.starts_with(b"$") && (f[0] == b"+" || f[0] == b"#") {
        return false;
    }
    let fits = |f: &[&[u8]]| f.iter().zip(&n).all(|(f, n)| *f == b"+" || f == n);
    match f.split_last() {
        Some((&b"#", parent)) => n.len() >= parent.len() && fits(parent),
        _ => n.len() == f.len() && fits(&f),
    }
}
