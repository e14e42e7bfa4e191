//! MQTT packets in words, for the lines of a trace: each shows what it consists of, and nothing that could break out of the line. What is unusual about a
//! packet is told by the connection that it is part of (packets.rs), but for SUBACK, which has it in itself.

use mqtt_proto::{
    QoS, QosPid,
    v3::{Connack, Connect, Publish, Suback, SubscribeReturnCode},
};

/// So many characters or bytes of a payload are shown.
const SHOWN: usize = 40;

pub(super) fn connect(connect: &Connect) -> String {
    let mut text = format!("CONNECT {:?}, ", connect.client_id.to_string());
    text += if connect.clean_session { "new session" } else { "kept session" };
    text += &format!(", keep-alive {} s", connect.keep_alive);
    if let Some(user) = &connect.username {
        // What the password is, nobody is to read over a shoulder.
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

/// How long a payload is, and how it begins. Nothing of it can break out of the line.
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

/// What is unusual about the answers to these options.
pub(super) fn suback_anomalies(suback: &Suback, requested: &[QoS]) -> Vec<String> {
    let mut anomalies = Vec::new();
    if suback.topics.len() != requested.len() && !requested.is_empty() {
        anomalies.push(format!("{} were requested for", requested.len()));
    }
    for (code, requested) in suback.topics.iter().zip(requested) {
        match *code {
            SubscribeReturnCode::Failure => anomalies.push("refused".to_owned()),
            given if (given as u8) < *requested as u8 => anomalies.push(format!("QoS {} was requested for", *requested as u8)),
            _ => {}
        }
    }
    anomalies
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_payloads_and_those_that_are_no_text_are_cut() {
        assert_eq!(payload(&[b'x'; 100]), format!("100 bytes {:?}...", "x".repeat(SHOWN)));
        assert_eq!(payload(&[0xff; 3]), "3 bytes ff ff ff");
    }
}
