//! What a broker can make a session store: bounded, whatever it sends and however often. Measured
//! by what is left over, and by malloc.
//!
//! c_tests/malicious_broker.c covers the whole connection and the log; the fuzz targets cover
//! malformed bytes.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

mod malloc;

use malloc::allocated;
use mgos_mqtt::session::{Framed, ReceiveError, Session};
use mgos_mqtt::wire::{InPacket, PacketId, ProtocolError};

const FLOOD: u32 = 200_000;

fn packet(first: u8, id: Option<PacketId>, payload: &'static [u8]) -> InPacket<'static> {
    InPacket { first, id, topic: b"", payload }
}

fn connected() -> Session<u32> {
    let mut s = Session::default();
    s.connect_sent(false, 60, 0);
    s.receive(packet(0x20, None, &[0, 0]), false, 0).unwrap();
    s.connack_delivered();
    s
}

fn id(n: u32) -> PacketId {
    PacketId::new((n % 65_535) as u16 + 1).unwrap()
}

/// Floods a session and returns the maximum number of bytes it stored. Allocations of the test
/// runner's other thread count as well, so this is the minimum of three floods.
fn most(mut next: impl FnMut(u32) -> InPacket<'static>) -> (usize, Result<(), String>) {
    (0..3).map(|_| flood(&mut next)).min_by_key(|(kept, _)| *kept).expect("three floods")
}

fn flood(mut next: impl FnMut(u32) -> InPacket<'static>) -> (usize, Result<(), String>) {
    let mut s = connected();
    let before = allocated();
    let mut most = before;
    for n in 0..FLOOD {
        if let Err(trouble) = s.receive(next(n), false, 0) {
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

// One test, so that nothing else allocates in the meantime.
#[test]
fn no_flood_of_packets_makes_a_session_keep_more_than_its_bounds() {
    let message = |first, id| InPacket { topic: b"t", ..packet(first, id, b"") };
    for (what, (kept, end)) in [
        ("PUBACK", most(|n| packet(0x40, Some(id(n)), b""))),
        ("PUBREC", most(|n| packet(0x50, Some(id(n)), b""))),
        ("PUBREL", most(|n| packet(0x62, Some(id(n)), b""))),
        ("PUBCOMP", most(|n| packet(0x70, Some(id(n)), b""))),
        ("UNSUBACK", most(|n| packet(0xb0, Some(id(n)), b""))),
        ("SUBACK", most(|n| packet(0x90, Some(id(n)), &[0; 100]))),
        ("PINGRESP", most(|_| packet(0xd0, None, b""))),
        ("QoS 0", most(|_| message(0x30, None))),
        ("QoS 1", most(|n| message(0x32, Some(id(n))))),
    ] {
        assert_eq!((kept, end), (0, Ok(())), "{what}");
    }
    // Unreleased packet IDs must be remembered. In sequence, as brokers number them, they take one
    // block, even if all 65,535 are open.
    let mut s = connected();
    let before = allocated();
    for n in 0..FLOOD {
        s.receive(message(0x34, Some(id(n))), false, 0).unwrap();
    }
    let kept = allocated() - before;
    assert!(kept <= 48, "{kept}");
    for n in (0..65_535).rev() {
        s.receive(packet(0x62, Some(id(n)), b""), false, 0).unwrap();
    }
    assert!(s.is_idle());
    drop(s);
    // With gaps between them, at most 64.
    let (kept, end) = most(|n| message(0x34, Some(id(2 * n))));
    println!("64 open QoS 2 messages with gaps between them: {kept} bytes");
    assert_eq!(end, Err("TooMany".into()));
    assert!(kept <= 64 * 48, "{kept}");
    // Releasing makes gaps as well.
    let mut s = connected();
    let before = allocated();
    for n in 0..1000 {
        s.receive(message(0x34, Some(id(n))), false, 0).unwrap();
    }
    let violation = (1..1000).step_by(2).find_map(|n| s.receive(packet(0x62, Some(id(n)), b""), false, 0).err());
    assert_eq!(violation, Some(ReceiveError::Violation(ProtocolError::TooMany)));
    let kept = allocated() - before;
    assert!(kept <= 64 * 48, "{kept}");
    drop(s);

    // An oversized packet of any encodable length takes no memory.
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
                // The rest of the last buffer follows the packet and is not a packet.
                _ => break,
            }
            assert!(rounds < 268_435_455 / 32, "no end");
            if rounds > 100_000 {
                // Enough: the connection ends, and the next one starts clean.
                s.disconnected(false, 0);
                s.connect_sent(false, 60, 0);
                s.receive(packet(0x20, None, &[1, 0]), false, 0).unwrap();
                break;
            }
        }
    }
    assert_eq!(allocated(), before);
}
