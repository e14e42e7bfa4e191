//! Feeds any bytes to the decoder: it must not panic, and must agree with the reference decoder.
#![no_main]

#[path = "../../tests/reference/mod.rs"]
mod reference;

use libfuzzer_sys::fuzz_target;
use mgos_mqtt::session::Session;
use mgos_mqtt::wire::{connect_options, decode, header};

fuzz_target!(|data: &[u8]| {
    let _ = connect_options(data);
    if let Ok(Some(h)) = header(data) {
        let body = &data[h.len as usize..];
        match body.get(..h.remaining as usize) {
            None => drop(decode(h, body)),
            Some(body) => {
                let ours = decode(h, body).ok().map(|packet| reference::parsed(&packet));
                // The reference decoder also accepts client packets, which the header check has
                // rejected.
                assert_eq!(ours, reference::parse(&data[..h.total()]), "{:02x?}", &data[..h.total()]);
            }
        }
    }
    // As a stream into a session with the smallest receive limit.
    let mut session = Session::<u32>::default();
    session.connect_sent(true, 60, 0);
    let mut rest = data;
    for _ in 0..data.len() + 10 {
        match session.frame(rest, 16) {
            Ok(mgos_mqtt::session::Framed::Packet(h, body)) => {
                let _ = session.receive(h, body, true, 0);
                rest = &rest[h.total()..];
            }
            Ok(mgos_mqtt::session::Framed::Discard(n)) => rest = &rest[n..],
            Ok(mgos_mqtt::session::Framed::Oversized { .. }) => {}
            Ok(mgos_mqtt::session::Framed::Answer(..)) => session.discarded_answered(),
            Ok(mgos_mqtt::session::Framed::Incomplete) | Err(_) => return,
        }
    }
    panic!("the stream is not getting shorter");
});
