//! The observer: an independent MQTT client on each broker, subscribed to all the app's topics at
//! QoS 2. It also sends the commands.

use std::net::SocketAddr;
use std::sync::mpsc::Sender;
use std::time::Duration;

use anyhow::{Context, Result};
use rumqttc::{Client, Event as MqttEvent, Incoming, MqttOptions, QoS};
use serde_json::Value;

use crate::broker::Role;
use crate::state::Event;

/// Connects to a broker and subscribes; the subscription and all received messages are reported as
/// events.
pub fn start(role: Role, address: SocketAddr, device: &str, events: Sender<Event>) -> Result<Client> {
    let mut options = MqttOptions::new(format!("observer-{}", role.name()), address.ip().to_string(), address.port());
    options.set_keep_alive(Duration::from_secs(30));
    let (client, mut connection) = Client::new(options, 100);
    client.subscribe(format!("{device}/#"), QoS::ExactlyOnce).context("cannot subscribe")?;
    std::thread::spawn(move || {
        for event in connection.iter() {
            let event = match event {
                Ok(MqttEvent::Incoming(Incoming::SubAck(_))) => Event::Subscribed,
                Ok(MqttEvent::Incoming(Incoming::Publish(message))) => {
                    let Ok(json) = serde_json::from_slice(&message.payload) else { continue };
                    let topic = message.topic.rsplit('/').next().unwrap_or_default();
                    match understand(role, topic, json) {
                        Some(event) => event,
                        None => continue,
                    }
                }
                Ok(_) => continue,
                // No reconnect: a killed broker stays down, and a second session would distort
                // the counts.
                Err(_) => {
                    let _ = events.send(Event::ObserverLost(role));
                    return;
                }
            };
            if events.send(event).is_err() {
                return;
            }
        }
    });
    Ok(client)
}

fn understand(role: Role, topic: &str, json: Value) -> Option<Event> {
    match topic {
        "reading" => Some(Event::Reading(role, u32::try_from(json.get("seq")?.as_u64()?).ok()?)),
        "answer" => Some(Event::Answer(role, json)),
        _ => None,
    }
}
