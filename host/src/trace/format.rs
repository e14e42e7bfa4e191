//! Formats MQTT packets for the trace: all fields, on a single line whatever they contain.
//! Anomalies are found by packets.rs, except those of SUBACK, which can be seen in the packet
//! itself.

use mqtt_proto::{
    QoS, QosPid,
    v3::{Connack, Connect, Publish, Suback, SubscribeReturnCode},
};

/// Characters or bytes of a payload that are shown.
const SHOWN: usize = 40;

pub(super) fn connect(connect: &Connect) -> String {
    let mut text = format!("CONNECT {:?}, ", connect.client_id.to_string());
    text += if connect.clean_session { "clean session" } else { "persistent session" };
    text += &format!(", keep-alive {} s", connect.keep_alive);
    if let Some(user) = &connect.username {
        // The password is not printed.
        text += &format!(", user {:?}{}", user.to_string(), if connect.password.is_some() { " with a password" } else { "" });
    }
    if let Some(will) = &connect.last_will {
        let retain = if will.retain { " RETAIN" } else { "" };
        text += &format!(", will QoS {}{retain} {:?} {}", will.qos as u8, will.topic_name.to_string(), payload(&will.message));
    }
    text
}

pub(super) fn connack(connack: &Connack) -> String {
    let present = if connack.session_present { ", session present" } else { "" };
    match connack.code as u8 {
        0 => format!("CONNACK 0{present}"),
        code => format!("CONNACK {code} {:?}{present}", connack.code),
    }
}

pub(super) fn publish(publish: &Publish) -> String {
    let mut text = match publish.qos_pid {
        QosPid::Level0 => "PUBLISH QoS 0".to_owned(),
        QosPid::Level1(id) => format!("PUBLISH {} QoS 1", id.value()),
        QosPid::Level2(id) => format!("PUBLISH {} QoS 2", id.value()),
    };
    for (is_set, name) in [(publish.dup, " DUP"), (publish.retain, " RETAIN")] {
        text += if is_set { name } else { "" };
    }
    text + &format!(" {:?} {}", publish.topic_name.to_string(), payload(&publish.payload))
}

/// Length and start of a payload, safely escaped.
fn payload(payload: &[u8]) -> String {
    let begin = match std::str::from_utf8(payload) {
        Ok(text) if text.chars().count() > SHOWN => format!("{:?}...", text.chars().take(SHOWN).collect::<String>()),
        Ok(text) => format!("{text:?}"),
        Err(_) => {
            let bytes: Vec<_> = payload.iter().take(SHOWN / 2).map(|byte| format!("{byte:02x}")).collect();
            bytes.join(" ") + if payload.len() > SHOWN / 2 { " ..." } else { "" }
        }
    };
    format!("{} bytes {begin}", payload.len())
}

pub(super) fn code(code: SubscribeReturnCode) -> String {
    match code {
        SubscribeReturnCode::Failure => "0x80".to_owned(),
        SubscribeReturnCode::MaxLevel0 => "QoS 0".to_owned(),
        SubscribeReturnCode::MaxLevel1 => "QoS 1".to_owned(),
        SubscribeReturnCode::MaxLevel2 => "QoS 2".to_owned(),
    }
}

/// Anomalies in the return codes, compared with the requested QoS.
pub(super) fn suback_anomalies(suback: &Suback, requested: &[QoS]) -> Vec<String> {
    let mut anomalies = Vec::new();
    if suback.topics.len() != requested.len() && !requested.is_empty() {
        anomalies.push(format!("{} requested", requested.len()));
    }
    for (code, requested) in suback.topics.iter().zip(requested) {
        match *code {
            SubscribeReturnCode::Failure => anomalies.push("refused".to_owned()),
            given if (given as u8) < *requested as u8 => anomalies.push(format!("QoS {} requested", *requested as u8)),
            _ => {}
        }
    }
    anomalies
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_binary_payloads_are_truncated() {
        assert_eq!(payload(&[b'x'; 100]), format!("100 bytes {:?}...", "x".repeat(SHOWN)));
        assert_eq!(payload(&[0xff; 3]), "3 bytes ff ff ff");
    }
}
