//! Decodes a connection's data: one line for each MQTT packet, with flagged anomalies. Bytes in,
//! lines out; the connection and the output are up to the caller. Uses a decoder other than the
//! library's, as that is under observation. Formatting is in format.rs.

use std::collections::BTreeSet;

use mqtt_proto::{
    QoS, total_len,
    v3::{Header, Packet},
};

use super::capture::Side;
use super::format;

/// State of a connection to which later packets are compared.
pub(super) struct PacketTrace {
    here: Side,
    /// Incomplete packets of client and server.
    waiting: [Vec<u8>; 2],
    /// That side can no longer be decoded.
    unreadable: [bool; 2],
    /// clean_session of CONNECT; `None` before it.
    clean: Option<bool>,
    accepted: bool,
    disconnect_seen: bool,
    pinged: bool,
    /// Packet IDs of incomplete exchanges, by sender.
    open: [BTreeSet<u16>; 2],
    /// Pending SUBSCRIBE and UNSUBSCRIBE, with the requested QoS.
    requested: Vec<(u16, Vec<QoS>)>,
}

impl PacketTrace {
    pub(super) fn new(here: Side) -> PacketTrace {
        PacketTrace {
            here,
            waiting: Default::default(),
            unreadable: [false; 2],
            clean: None,
            accepted: false,
            disconnect_seen: false,
            pinged: false,
            open: Default::default(),
            requested: Vec::new(),
        }
    }

    fn arrow(&self, from: Side) -> &'static str {
        if from == self.here { "->" } else { "<-" }
    }

    /// Data from one side: a line for each complete packet.
    pub(super) fn data(&mut self, from: Side, bytes: &[u8], mut line: impl FnMut(String)) {
        let side = from as usize;
        if self.unreadable[side] {
            return;
        }
        self.waiting[side].extend_from_slice(bytes);
        loop {
            let waiting = &self.waiting[side];
            let read = match Header::decode(waiting) {
                Ok(header) => match total_len(header.remaining_len as usize) {
                    Ok(total) if total > waiting.len() => return,
                    Ok(total) => match Packet::decode(&waiting[..total]) {
                        Ok(Some(packet)) => Ok((packet, total)),
                        Ok(None) => Err("fields exceed the packet".to_owned()),
                        Err(e) => Err(e.to_string()),
                    },
                    Err(e) => Err(e.to_string()),
                },
                Err(e) if e.is_eof() => return,
                Err(e) => Err(e.to_string()),
            };
            let arrow = self.arrow(from);
            match read {
                Ok((packet, total)) => {
                    self.waiting[side].drain(..total);
                    let (text, anomalies) = self.packet(from, &packet);
                    let anomalies = if anomalies.is_empty() { String::new() } else { format!("  ! {}", anomalies.join(", ")) };
                    line(format!("{arrow} {text}{anomalies}"));
                }
                Err(why) => {
                    let first = waiting.first().copied().unwrap_or_default();
                    line(format!("{arrow} 0x{first:02x}  ! not MQTT 3.1.1: {why:?}; ignoring further data from this side"));
                    self.unreadable[side] = true;
                    return;
                }
            }
        }
    }

    /// The connection closed; `from_outside`: by the other side, or as the link broke.
    pub(super) fn close(&self, from_outside: bool, mut line: impl FnMut(String)) {
        let mut anomalies = Vec::new();
        let by_client = from_outside == (self.here == Side::Server);
        if by_client && self.accepted && !self.disconnect_seen {
            anomalies.push("without DISCONNECT".to_owned());
        }
        if self.clean.is_some() && !self.accepted {
            anomalies.push("without CONNACK 0".to_owned());
        }
        for (side, whose) in [(Side::Client, "the client's"), (Side::Server, "the server's")] {
            let open = self.open[side as usize].len();
            if open > 0 {
                anomalies.push(format!("{open} of {whose} messages in flight"));
            }
        }
        let closed = if from_outside { "closed by the other side" } else { "closed" };
        line(if anomalies.is_empty() { closed.to_owned() } else { format!("{closed}  ! {}", anomalies.join(", ")) });
    }

    /// A formatted packet, and its anomalies.
    fn packet(&mut self, from: Side, packet: &Packet) -> (String, Vec<String>) {
        let mut anomalies = Vec::new();
        let mut flag = |is_so: bool, what: &str| {
            if is_so {
                anomalies.push(what.to_owned());
            }
        };
        let of_client =
            matches!(packet, Packet::Connect(_) | Packet::Subscribe(_) | Packet::Unsubscribe(_) | Packet::Pingreq | Packet::Disconnect);
        let of_server = matches!(packet, Packet::Connack(_) | Packet::Suback(_) | Packet::Unsuback(_) | Packet::Pingresp);
        flag(of_client && from == Side::Server, "only a client may send this");
        flag(of_server && from == Side::Client, "only a server may send this");
        flag(!self.accepted && !matches!(packet, Packet::Connect(_) | Packet::Connack(_)), "before CONNACK 0");
        flag(self.disconnect_seen && from == Side::Client, "after DISCONNECT");
        let (ours, theirs) = (from as usize, from.other() as usize);
        let text = match packet {
            Packet::Connect(connect) => {
                flag(self.clean.is_some(), "duplicate");
                self.clean = Some(connect.clean_session);
                format::connect(connect)
            }
            Packet::Connack(connack) => {
                flag(self.clean.is_none(), "without CONNECT");
                flag(self.accepted, "duplicate");
                flag(connack.session_present && self.clean == Some(true), "but clean_session was requested");
                flag(connack.code as u8 != 0, "refused");
                self.accepted |= connack.code as u8 == 0;
                format::connack(connack)
            }
            Packet::Publish(publish) => {
                flag(publish.dup, "retransmitted");
                if let Some(id) = publish.qos_pid.pid() {
                    let again = !self.open[ours].insert(id.value());
                    flag(again && !publish.dup, "packet ID in use");
                }
                format::publish(publish)
            }
            Packet::Puback(id) => {
                flag(!self.open[theirs].remove(&id.value()), "unknown packet ID");
                format!("PUBACK {}", id.value())
            }
            Packet::Pubrec(id) => {
                flag(!self.open[theirs].contains(&id.value()), "unknown packet ID");
                format!("PUBREC {}", id.value())
            }
            Packet::Pubrel(id) => {
                // After a reconnect this may be the first packet of the exchange.
                flag(self.open[ours].insert(id.value()), "from an earlier connection");
                format!("PUBREL {}", id.value())
            }
            Packet::Pubcomp(id) => {
                flag(!self.open[theirs].remove(&id.value()), "unknown packet ID");
                format!("PUBCOMP {}", id.value())
            }
            Packet::Subscribe(subscribe) => {
                self.requested.push((subscribe.pid.value(), subscribe.topics.iter().map(|(_, qos)| *qos).collect()));
                let topics: Vec<_> =
                    subscribe.topics.iter().map(|(filter, qos)| format!("{:?} QoS {}", filter.to_string(), *qos as u8)).collect();
                format!("SUBSCRIBE {} {}", subscribe.pid.value(), topics.join(", "))
            }
            Packet::Suback(suback) => {
                let requested = self.answered(suback.pid.value());
                flag(requested.is_none(), "unknown packet ID");
                for flag in format::suback_anomalies(suback, &requested.unwrap_or_default()) {
                    anomalies.push(flag);
                }
                let codes: Vec<_> = suback.topics.iter().map(|code| format::code(*code)).collect();
                format!("SUBACK {} {}", suback.pid.value(), codes.join(", "))
            }
            Packet::Unsubscribe(unsubscribe) => {
                self.requested.push((unsubscribe.pid.value(), Vec::new()));
                let topics: Vec<_> = unsubscribe.topics.iter().map(|filter| format!("{:?}", filter.to_string())).collect();
                format!("UNSUBSCRIBE {} {}", unsubscribe.pid.value(), topics.join(", "))
            }
            Packet::Unsuback(id) => {
                flag(self.answered(id.value()).is_none(), "unknown packet ID");
                format!("UNSUBACK {}", id.value())
            }
            Packet::Pingreq => {
                flag(std::mem::replace(&mut self.pinged, true), "previous PINGREQ unanswered");
                "PINGREQ".to_owned()
            }
            Packet::Pingresp => {
                flag(!std::mem::take(&mut self.pinged), "without PINGREQ");
                "PINGRESP".to_owned()
            }
            Packet::Disconnect => {
                self.disconnect_seen = true;
                "DISCONNECT".to_owned()
            }
        };
        (text, anomalies)
    }

    /// Removes the pending SUBSCRIBE or UNSUBSCRIBE with this packet ID and returns what it
    /// requested.
    fn answered(&mut self, id: u16) -> Option<Vec<QoS>> {
        let at = self.requested.iter().position(|(requested, _)| *requested == id)?;
        Some(self.requested.remove(at).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONNECT: &[u8] = b"\x10\x12\0\x04MQTT\x04\xc2\0\x3c\0\0\0\x01u\0\x01p";
    const CONNACK: &[u8] = b"\x20\x02\0\0";

    /// The trace of an exchange, with data from client and server in turn.
    fn traced(exchange: &[&[u8]]) -> Vec<String> {
        let mut trace = PacketTrace::new(Side::Client);
        let mut lines = Vec::new();
        for (i, said) in exchange.iter().enumerate() {
            trace.data(if i % 2 == 0 { Side::Client } else { Side::Server }, said, |line| lines.push(line));
        }
        trace.close(false, |line| lines.push(line));
        lines
    }

    #[test]
    fn each_packet_is_a_line_however_it_is_segmented() {
        let publish = b"\x33\x06\0\x01t\0\x05x";
        let exchange: Vec<&[u8]> = vec![CONNECT, CONNACK, &publish[..3], b"", &publish[3..], b"\x40\x02\0\x05", b"\xe0\0"];
        assert_eq!(
            traced(&exchange),
            [
                "-> CONNECT \"\", clean session, keep-alive 60 s, user \"u\" with a password",
                "<- CONNACK 0",
                "-> PUBLISH 5 QoS 1 RETAIN \"t\" 1 bytes \"x\"",
                "<- PUBACK 5",
                "-> DISCONNECT",
                "closed",
            ]
        );
    }

    #[test]
    fn anomalies_are_flagged() {
        let lines = traced(&[
            CONNECT,
            b"\x20\x02\x01\0",
            b"\x82\x06\0\x01\0\x01a\x02",
            b"\x90\x03\0\x01\x80\x40\x02\0\x09",
            b"\x3a\x05\0\x01t\0\x02\xc0\0\xc0\0",
            b"\x34\x05\0\x01t\0\x07\x34\x05\0\x01t\0\x07",
        ]);
        assert_eq!(
            lines[1..],
            [
                "<- CONNACK 0, session present  ! but clean_session was requested",
                "-> SUBSCRIBE 1 \"a\" QoS 2",
                "<- SUBACK 1 0x80  ! refused",
                "<- PUBACK 9  ! unknown packet ID",
                "-> PUBLISH 2 QoS 1 DUP \"t\" 0 bytes \"\"  ! retransmitted",
                "-> PINGREQ",
                "-> PINGREQ  ! previous PINGREQ unanswered",
                "<- PUBLISH 7 QoS 2 \"t\" 0 bytes \"\"",
                "<- PUBLISH 7 QoS 2 \"t\" 0 bytes \"\"  ! packet ID in use",
                "closed  ! without DISCONNECT, 1 of the client's messages in flight, 1 of the server's messages in flight",
            ]
        );
    }

    #[test]
    fn only_the_client_is_expected_to_disconnect() {
        let last = |here, from_outside| {
            let mut trace = PacketTrace::new(here);
            trace.data(Side::Client, CONNECT, drop);
            trace.data(Side::Server, CONNACK, drop);
            let mut lines = Vec::new();
            trace.close(from_outside, |line| lines.push(line));
            lines.pop().unwrap()
        };
        assert_eq!(last(Side::Client, false), "closed  ! without DISCONNECT");
        assert_eq!(last(Side::Client, true), "closed by the other side");
        assert_eq!(last(Side::Server, true), "closed by the other side  ! without DISCONNECT");
        assert_eq!(last(Side::Server, false), "closed");
    }

    #[test]
    fn non_mqtt_data_is_reported_once() {
        let lines = traced(&[CONNECT, b"\x20\x02\0\x05", b"", b"\xf0\0\xf0\0", b"", b"\x20\x02\0\0"]);
        assert_eq!(lines[1], "<- CONNACK 5 NotAuthorized  ! refused");
        assert!(lines[2].starts_with("<- 0xf0  ! not MQTT 3.1.1: "), "{lines:?}");
        assert_eq!(lines[3..], ["closed  ! without CONNACK 0"]);
    }

    #[test]
    fn text_stays_on_its_line_and_passwords_are_hidden() {
        let connect = b"\x10\x17\0\x04MQTT\x04\xc2\0\x3c\0\x01\n\0\x02u\x1b\0\x04pass";
        let publish = b"\x30\x08\0\x03a\nb\r\n\x07";
        let lines = traced(&[connect, CONNACK, publish]);
        assert!(lines.iter().all(|line| !line.chars().any(char::is_control) && !line.contains("pass\"")), "{lines:?}");
        assert_eq!(lines[2], r#"-> PUBLISH QoS 0 "a\nb" 3 bytes "\r\n\u{7}""#);
    }
}
