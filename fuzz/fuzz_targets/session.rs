//! A whole connection with a malicious broker and an erratic app: bytes in random pieces, time,
//! calls and failing allocations. Whatever is received, what is sent must be valid: the
//! simulation's tap checks it.
#![no_main]

#[path = "../../tests/reference/mod.rs"]
mod reference;
#[path = "../../tests/sim/mod.rs"]
#[allow(dead_code, reason = "the simulation uses the rest")]
mod sim;

use libfuzzer_sys::fuzz_target;
use mgos_mqtt::conn::BackoffRange;
use mgos_mqtt::wire::QoS;
use sim::client::{Client, Config};
use sim::link::{Manner, Opening};
use sim::rng::Rng;

/// The rest of the input.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> u8 {
        let Some((&b, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        b
    }

    fn bytes(&mut self, n: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        bytes
    }
}

/// A broker's packet with some choices left to the input, so that it need not find valid packets by
/// itself.
fn packet(input: &mut Input<'_>) -> Vec<u8> {
    let (kind, id) = (input.byte(), input.byte());
    match kind % 10 {
        0 => vec![0x20, 2, id & 1, 0],
        1 => vec![0x40, 2, 0, id],
        2 => vec![0x50, 2, 0, id],
        3 => vec![0x62, 2, 0, id],
        4 => vec![0x70, 2, 0, id],
        5 => vec![0xb0, 2, 0, id],
        6 => vec![0x90, 3, 0, id, input.byte() & 0x82],
        7 => vec![0xd0, 0],
        8 => vec![0x30 | (input.byte() & 5), 7, 0, 3, b'i', b'/', b'a', 0, id],
        _ => {
            let qos = input.byte() % 3;
            let mut packet = vec![0x30 | qos << 1, 100, 0, 3, b'o', b'/', b'a', 0, id];
            packet.resize(102, 0);
            packet
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let choice = input.byte();
    let config = Config {
        clean_session: choice & 1 != 0,
        keep_alive: [0, 1, 60, 65_535][(choice >> 1 & 3) as usize],
        max_queue: [0, 1, 5, 100][(choice >> 3 & 3) as usize],
        max_bytes: [0, 0, 3, 50][(choice >> 1 & 3) as usize],
        max_qos: QoS::clamped((choice >> 5 & 1) as i32 + 1),
        receive_limit: if choice & 64 != 0 { 64 } else { 16 },
        waits: BackoffRange { min: 1000, max: 4000 },
        connect_timeout: 1000,
        clock: u32::MAX - 5000,
        others: choice & 128 != 0,
    };
    let manner = Manner { delay: 0, piece: 4096, stall_one_in: 0, stall: 0 };
    let mut client = Client::new(config, manner, Rng::new(1), false);
    client.tap.lenient = true;
    // A long input fills any queue.
    client.tap.gives_up = true;
    let mut rng = Rng::new(2);
    let (mut now, mut number) = (0u64, 0);
    while !input.0.is_empty() {
        match input.byte() % 14 {
            0 | 1 if client.link.as_ref().is_some_and(|l| l.opening == Opening::Done) => {
                let n = input.byte() as usize;
                client.arrived(input.bytes(n), now);
            }
            2..=4 if client.link.as_ref().is_some_and(|l| l.opening == Opening::Done) => {
                let packet = packet(&mut input);
                // Split in two at any position.
                let at = input.byte() as usize % (packet.len() + 1);
                client.arrived(&packet[..at], now);
                if client.link.is_some() {
                    client.arrived(&packet[at..], now);
                }
            }
            5 => {
                now += input.byte() as u64 * 300;
                client.wake(now);
                client.pump(now);
            }
            6 | 7 => {
                let b = input.byte();
                number += 1;
                client.publish(number, b"o/a", (b >> 2) as usize * 20, QoS::clamped((b & 3) as i32), now);
            }
            8 => client.subscribe(if input.byte() & 1 == 0 { b"i/+" } else { b"#" }, QoS::ExactlyOnce, now),
            9 => client.unsubscribe(if input.byte() & 1 == 0 { b"i/+" } else { b"#" }, now),
            10 if client.link.is_some() => client.closed(now),
            10 | 11 => client.connect(now),
            12 => match input.byte() % 4 {
                0 => client.disconnect(now),
                1 => client.reconfigure(now),
                2 => client.oom_one_in = 2,
                _ => client.oom_one_in = 0,
            },
            _ => {
                now += 1;
                client.poll(now);
            }
        }
        // The network responds immediately.
        if let Some(link) = &mut client.link {
            if link.opening != Opening::Done {
                link.opening = Opening::Done;
                client.connected(now);
            }
        }
        if let Some(link) = &mut client.link {
            if link.up.len() > 0 && input.0.first().is_some_and(|b| b & 1 == 0) {
                while link.up.len() > 0 {
                    link.up.take(now, &mut rng, manner);
                }
                client.pump(now);
            }
        }
        if client.link.as_ref().is_some_and(|l| l.closed_at.is_some() || l.flushing && l.up.len() == 0) {
            client.closed(now);
        }
    }
});
