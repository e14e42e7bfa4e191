//! What a broker can make a session keep by sending: bounded, whatever it sends and however often. Counted by what is left over, and by malloc.
//!
//! What it can make the app's connection keep, and what gets into the log, is in c_tests/hostile.c; bytes that are no packets are the fuzz targets'.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use mgos_mqtt::session::{Session, Take, Trouble};
use mgos_mqtt::wire::{AckKind, Packet, PacketId, Publish, QoS};

const FLOOD: u32 = 200_000;

/// Bytes that are allocated in this process.
fn allocated() -> usize {
    #[repr(C)]
    struct MallInfo {
        fields: [usize; 10],
    }
    unsafe extern "C" {
        safe fn mallinfo2() -> MallInfo;
    }
    let info = mallinfo2();
    info.fields[7] + info.fields[4]
}

fn connected() -> Session<u32> {
    let mut s = Session::default();
    s.connect_sent(false, 60, 0);
    s.receive(Packet::ConnAck { code: 0, session_present: false }, false, 0).unwrap();
    s.welcomed();
    s
}

fn id(n: u32) -> PacketId {
    PacketId::new((n % 65_535) as u16 + 1).unwrap()
}

/// Floods a session; bytes that it has taken for that, at most.
fn most(mut packet: impl FnMut(u32) -> Packet<'static>) -> (usize, Result<(), String>) {
    let mut s = connected();
    let before = allocated();
    let mut most = before;
    for n in 0..FLOOD {
        if let Err(trouble) = s.receive(packet(n), false, 0) {
            let Trouble::Violation(violation) = trouble else { panic!("no memory") };
            let kept = most.max(allocated()) - before;
            return (kept, Err(format!("{:?}", violation.wrong)));
        }
        if n % 64 == 0 {
            most = most.max(allocated());
        }
    }
    assert!(s.is_settled());
    (most - before, Ok(()))
}

// One test, so that nothing else allocates meanwhile.
#[test]
fn no_flood_of_packets_makes_a_session_keep_more_than_its_bounds() {
    let message = |qos, id| Packet::Publish(Publish { dup: false, retain: false, qos, id, topic: b"t", payload: b"" });
    for (what, (kept, end)) in [
        ("PUBACK", most(|n| Packet::Ack(AckKind::PubAck, id(n)))),
        ("PUBREC", most(|n| Packet::Ack(AckKind::PubRec, id(n)))),
        ("PUBREL", most(|n| Packet::Ack(AckKind::PubRel, id(n)))),
        ("PUBCOMP", most(|n| Packet::Ack(AckKind::PubComp, id(n)))),
        ("UNSUBACK", most(|n| Packet::Ack(AckKind::UnsubAck, id(n)))),
        ("SUBACK", most(|n| Packet::SubAck(id(n), &[0; 100]))),
        ("PINGRESP", most(|_| Packet::PingResp)),
        ("QoS 0", most(|_| message(QoS::AtMostOnce, None))),
        ("QoS 1", most(|n| message(QoS::AtLeastOnce, Some(id(n))))),
    ] {
        assert_eq!((kept, end), (0, Ok(())), "{what}");
    }
    // Only what is not released has to be remembered: 255 of them.
    let (kept, end) = most(|n| message(QoS::ExactlyOnce, Some(id(n))));
    println!("255 open QoS 2 messages: {kept} bytes");
    assert_eq!(end, Err("TooMany".into()));
    assert!(kept <= 255 * 48, "{kept}");

    // A packet over the limit, of any length that can be said, costs nothing but its way through.
    let mut s = connected();
    let before = allocated();
    for header in [&[0x34, 0xff, 0xff, 0xff, 0x7f][..], &[0x90, 0xff, 0xff, 0x7f], &[0x30, 0x80, 0x80, 0x01]] {
        let mut buf = [0x41; 64];
        buf[..header.len()].copy_from_slice(header);
        buf[header.len()..header.len() + 2].copy_from_slice(&[0, 3]);
        let mut rounds = 0u64;
        loop {
            rounds += 1;
            match s.take(&buf, 64) {
                Ok(Take::Drop(n)) => {
                    assert!(n > 0 && n <= 64);
                    buf = [0x41; 64];
                }
                Ok(Take::Oversized { .. }) => {}
                Ok(Take::Answer(..)) => {
                    s.answered_dropped();
                    break;
                }
                // The rest of the last buffer: after the packet, and no packet.
                _ => break,
            }
            assert!(rounds < 268_435_455 / 32, "no end");
            if rounds > 100_000 {
                // Enough of it: the connection ends, and the next begins with nothing of this.
                s.disconnected();
                s.connect_sent(false, 60, 0);
                s.receive(Packet::ConnAck { code: 0, session_present: true }, false, 0).unwrap();
                break;
            }
        }
    }
    assert_eq!(allocated(), before);
}
