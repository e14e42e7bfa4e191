//! What a broker can make a session keep by sending: bounded, whatever it sends and however often.
//! Measured by what remains, and by malloc.
//!
//! What it can make the app's connection keep, and what gets into the log, is tested in
//! c_tests/malicious_broker.c; invalid bytes are up to the fuzz targets.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

mod malloc;

use malloc::allocated;
use mgos_mqtt::session::{Framed, ReceiveError, Session};
use mgos_mqtt::wire::{ProtocolError, header};

const FLOOD: u32 = 200_000;

/// A packet's bytes, and how many they are. Not in a block of their own, as blocks are counted.
type Packet = ([u8; 128], usize);

/// A packet with less than 128 bytes after its fixed header.
fn packet(first: u8, parts: &[&[u8]]) -> Packet {
    let (mut bytes, mut len) = ([first; 128], 2);
    for part in parts {
        bytes[len..len + part.len()].copy_from_slice(part);
        len += part.len();
    }
    bytes[1] = (len - 2) as u8;
    (bytes, len)
}

fn receive(s: &mut Session<u32>, (bytes, len): Packet) -> Result<(), ReceiveError> {
    let header = header(&bytes[..len])?.expect("a whole packet");
    s.receive(header, &bytes[2..len], false, 0).map(drop)
}

fn connected() -> Session<u32> {
    let mut s = Session::default();
    s.connect_sent(false, 60, 0);
    receive(&mut s, packet(0x20, &[&[0, 0]])).unwrap();
    s.connack_delivered();
    s
}

/// The bytes of a packet ID.
fn id(n: u32) -> [u8; 2] {
    ((n % 65_535) as u16 + 1).to_be_bytes()
}

/// Floods a session; returns the maximum of bytes that it allocated. Allocations of the test
/// runner's other thread are counted as well, so it takes the least of three floods: what a session
/// keeps, it keeps each time.
fn most(mut next: impl FnMut(u32) -> Packet) -> (usize, Result<(), String>) {
    (0..3).map(|_| flood(&mut next)).min_by_key(|(kept, _)| *kept).expect("three floods")
}

fn flood(mut next: impl FnMut(u32) -> Packet) -> (usize, Result<(), String>) {
    let mut s = connected();
    let before = allocated();
    let mut most = before;
    for n in 0..FLOOD {
        if let Err(trouble) = receive(&mut s, next(n)) {
            let ReceiveError::Violation(wrong) = trouble else { panic!("no memory") };
            let kept = most.max(allocated()) - before;
            return (kept, Err(format!("{wrong:?}")));
        }
        if n % 64 == 0 {
            most = most.max(allocated());
        }
    }
    assert!(s.is_idle());
    (most - before, Ok(()))
}

// A single test, so that nothing else allocates meanwhile.
#[test]
fn no_flood_of_packets_exceeds_the_bounds_of_a_session() {
    let message = |first, n| packet(first, &[b"\0\x01t", &id(n)]);
    for (what, (kept, end)) in [
        ("PUBACK", most(|n| packet(0x40, &[&id(n)]))),
        ("PUBREC", most(|n| packet(0x50, &[&id(n)]))),
        ("PUBREL", most(|n| packet(0x62, &[&id(n)]))),
        ("PUBCOMP", most(|n| packet(0x70, &[&id(n)]))),
        ("UNSUBACK", most(|n| packet(0xb0, &[&id(n)]))),
        ("SUBACK", most(|n| packet(0x90, &[&id(n), &[0; 100]]))),
        ("PINGRESP", most(|_| packet(0xd0, &[]))),
        ("QoS 0", most(|_| packet(0x30, &[b"\0\x01t"]))),
        ("QoS 1", most(|n| message(0x32, n))),
    ] {
        assert_eq!((kept, end), (0, Ok(())), "{what}");
    }
    // What is not released has to be remembered. Consecutive IDs, as brokers use them, are one
    // block, up to all that exist.
    let mut s = connected();
    let before = allocated();
    for n in 0..FLOOD {
        receive(&mut s, message(0x34, n)).unwrap();
    }
    let kept = allocated() - before;
    assert!(kept <= 48, "{kept}");
    for n in (0..65_535).rev() {
        receive(&mut s, packet(0x62, &[&id(n)])).unwrap();
    }
    assert!(s.is_idle());
    drop(s);
    // With gaps between them, 64.
    let (kept, end) = most(|n| message(0x34, 2 * n));
    println!("64 open QoS 2 messages with gaps between them: {kept} bytes");
    assert_eq!(end, Err("TooMany".into()));
    assert!(kept <= 64 * 48, "{kept}");
    // Releasing makes gaps as well.
    let mut s = connected();
    let before = allocated();
    for n in 0..1000 {
        receive(&mut s, message(0x34, n)).unwrap();
    }
    let violation = (1..1000).step_by(2).find_map(|n| receive(&mut s, packet(0x62, &[&id(n)])).err());
    assert_eq!(violation, Some(ReceiveError::Violation(ProtocolError::TooMany)));
    let kept = allocated() - before;
    assert!(kept <= 64 * 48, "{kept}");
    drop(s);

    // A packet over the limit, of any valid length, costs nothing but its transfer.
    let mut s = connected();
    let before = allocated();
    for header in [&[0x34, 0xff, 0xff, 0xff, 0x7f][..], &[0x90, 0xff, 0xff, 0x7f], &[0x30, 0x80, 0x80, 0x01]] {
        let mut buf = [0x41; 64];
        buf[..header.len()].copy_from_slice(header);
        buf[header.len()..header.len() + 2].copy_from_slice(&[0, 3]);
        let mut rounds = 0u64;
        loop {
            rounds += 1;
            match s.frame(&buf, 64) {
                Ok(Framed::Discard(n)) => {
                    assert!(n > 0 && n <= 64);
                    buf = [0x41; 64];
                }
                Ok(Framed::Oversized { .. }) => {}
                Ok(Framed::Answer(..)) => {
                    s.discarded_answered();
                    break;
                }
                // The rest of the last buffer: after the packet, and no packet.
                _ => break,
            }
            assert!(rounds < 268_435_455 / 32, "no end");
            if rounds > 100_000 {
                // Enough: the connection ends, and the next starts with nothing of this.
                s.disconnected(false, 0);
                s.connect_sent(false, 60, 0);
                receive(&mut s, packet(0x20, &[&[1, 0]])).unwrap();
                break;
            }
        }
    }
    assert_eq!(allocated(), before);
}
