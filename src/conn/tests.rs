//! The life of a connection in virtual time: attempts, waits, the other server, and the session
//! that belongs to one of them.
extern crate std;

use super::{BackoffRange, Conn, DisconnectReason, Reconnect, Slot, Wake};
use crate::session::{Limits, Notify, Reaction};
use crate::wire::{AckKind, PacketId, QoS, header, kind};
use std::vec;
use std::vec::Vec;

/// In the middle: no variation.
const MIDDLE: u32 = 1 << 31;
const PRIMARY: BackoffRange = BackoffRange { min: 1000, max: 4000 };
const BACKUP: BackoffRange = BackoffRange { min: 2000, max: 8000 };

/// The clock of a world in which attempts are made; it may begin anywhere.
struct Outage {
    c: Conn<u32>,
    start: u32,
    /// Milliseconds since the start.
    now: u64,
    backup: bool,
}

impl Outage {
    fn new(start: u32, backup: bool) -> Self {
        Outage { c: Conn::default(), start, now: 0, backup }
    }

    fn clock(&self) -> u32 {
        (self.start as u64 + self.now) as u32
    }

    /// An attempt fails at once. The next is awaited, looked for every millisecond around the
    /// deadline.
    fn attempt(&mut self) -> (u64, Slot) {
        let begun = (self.now, self.c.slot());
        self.c.cancel_wait();
        self.c.connecting(30_000, 1, self.clock());
        self.c.disconnected(DisconnectReason::Peer, 0);
        self.wait();
        begun
    }

    /// Waits as long as it is asked to, to the millisecond.
    fn wait(&mut self) {
        let waits = |slot| if slot == Slot::Backup { BACKUP } else { PRIMARY };
        let slot = self.c.slot();
        let other = match slot {
            _ if !self.backup => None,
            Slot::Primary => Some(BACKUP),
            _ => Some(PRIMARY),
        };
        let now = self.clock();
        let Reconnect::After(ms) = self.c.plan_reconnect(Some(waits(slot)), other, MIDDLE, now) else { panic!("no wait") };
        assert_eq!(self.c.deadline(), Some(now.wrapping_add(ms)));
        for at in [0, ms / 2, ms - 1] {
            assert_eq!(self.c.wake(now.wrapping_add(at)), Wake::Nothing);
        }
        self.now += ms as u64;
        assert_eq!(self.c.wake(self.clock()), Wake::Connect);
    }
}

#[test]
fn without_a_backup_the_waits_grow_to_the_longest_and_stay_there_for_hours() {
    for start in [0, u32::MAX - 5000, MIDDLE - 1] {
        let mut o = Outage::new(start, false);
        let mut expected = 0;
        for n in 0..5000 {
            assert_eq!(o.attempt(), (expected, Slot::Primary));
            expected += [1000, 2000, 4000][n.min(2)];
        }
        assert!(o.now > 5 * 3_600_000);
    }
}

#[test]
fn when_the_longest_wait_is_used_up_the_other_server_is_tried_in_turn() {
    use Slot::{Backup, Primary};
    let mut o = Outage::new(u32::MAX - 10_000, true);
    let attempts: Vec<_> = (0..10).map(|_| o.attempt()).collect();
    #[rustfmt::skip]
    assert_eq!(attempts, [
        (0, Primary), (1000, Primary), (3000, Primary), (7000, Primary),
        // The longest, 4 s, was in vain: the backup, after its own shortest wait.
        (9000, Backup), (13_000, Backup), (21_000, Backup),
        // 8 s in vain: back.
        (22_000, Primary), (24_000, Primary), (28_000, Primary),
    ]);
    // A day later the same, with the same period.
    let period = (2000 + 4000 + 8000) + (1000 + 2000 + 4000);
    while o.now < 86_400_000 {
        o.attempt();
    }
    let (at, slot) = o.attempt();
    let known = [(9000, Backup), (13_000, Backup), (21_000, Backup), (22_000, Primary), (24_000, Primary), (28_000, Primary)];
    assert!(known.iter().any(|(t, s)| *s == slot && (at - t) % period == 0), "{at} {slot:?}");
}

#[test]
fn a_success_starts_over_with_the_shortest_wait_and_stays_with_its_server() {
    let mut o = Outage::new(0, true);
    while o.c.slot() == Slot::Primary {
        o.attempt();
    }
    o.c.connecting(0, 1, o.clock());
    o.c.accepted(1, 60_000, 0);
    o.now += 1_000_000;
    o.c.disconnected(DisconnectReason::Local, 0);
    let lost = o.now;
    o.wait();
    assert_eq!((o.now - lost, o.c.slot()), (2000, Slot::Backup));
}

#[test]
fn a_configuration_set_at_run_time_has_no_backup() {
    let mut o = Outage::new(0, true);
    o.c.reconfigured(Slot::Custom, false);
    for _ in 0..20 {
        assert_eq!(o.attempt().1, Slot::Custom);
    }
}

#[test]
fn an_attempt_may_take_its_time_and_no_more() {
    for start in [0, u32::MAX - 29_999, u32::MAX] {
        let mut c = Conn::<u32>::default();
        c.connecting(30_000, 1, start);
        assert_eq!(c.wake(start.wrapping_add(29_999)), Wake::Nothing);
        // A millisecond more where the end would lie at 0, which stands for none.
        let more = (start.wrapping_add(30_000) == 0) as u32;
        assert_eq!(c.wake(start.wrapping_add(30_000 + more)), Wake::ConnectTimeout);
        c.connecting(0, 1, start);
        assert_eq!((c.wake(start.wrapping_add(1 << 30)), c.deadline()), (Wake::Nothing, None));
    }
}

#[test]
fn disconnecting_ends_the_wait_and_connecting_again_is_remembered_while_closing() {
    let mut o = Outage::new(0, false);
    o.attempt();
    o.c.stop();
    assert_eq!((o.c.wake(o.clock()), o.c.deadline(), o.c.is_wanted()), (Wake::Nothing, None, false));
    assert_eq!(o.c.plan_reconnect(Some(PRIMARY), None, MIDDLE, 0), Reconnect::No);
    o.c.start();
    o.c.connecting(0, 1, 0);
    o.c.accepted(1, 60_000, 0);
    o.c.stop();
    o.c.closing(1000, 0);
    o.c.start();
    o.c.disconnected(DisconnectReason::Local, 0);
    assert_eq!(o.c.plan_reconnect(Some(PRIMARY), None, MIDDLE, 0), Reconnect::Now);
}

#[test]
fn a_changed_configuration_connects_at_once_unless_no_connection_is_wanted() {
    let mut c = Conn::<u32>::default();
    c.connecting(0, 1, 0);
    c.accepted(1, 60_000, 0);
    c.reconfigured(Slot::Custom, true);
    c.closing(0, 0);
    c.disconnected(DisconnectReason::Local, 0);
    assert_eq!(c.plan_reconnect(Some(PRIMARY), None, MIDDLE, 0), Reconnect::Now);
    c.stop();
    c.reconfigured(Slot::Custom, true);
    c.disconnected(DisconnectReason::Local, 0);
    assert_eq!(c.plan_reconnect(Some(PRIMARY), None, MIDDLE, 0), Reconnect::No);
}

#[test]
fn mqtt_4_8_0_2_a_broker_that_does_not_answer_is_given_up() {
    let mut c = connected(Conn::default(), 1, false);
    assert_eq!(c.wake(55_000), Wake::Nothing);
    assert!(c.session.next(true, 55_000).is_some());
    c.session.sent(0, 55_000);
    // By now the connection has proved to last, in two steps.
    assert_eq!(c.wake(55_000), Wake::Nothing);
    assert_eq!(c.deadline(), Some(85_000));
    assert_eq!((c.wake(84_999), c.wake(85_000)), (Wake::Nothing, Wake::PingTimeout));
}

/// A packet with less than 128 bytes after its fixed header.
fn receive(c: &mut Conn<u32>, packet: &[u8]) -> Reaction {
    let header = header(packet).unwrap().unwrap();
    c.session.receive(header, &packet[2..], false, 0).unwrap().1
}

/// Connects with this key; `session_present` says that the broker knows a session.
fn connected(mut c: Conn<u32>, key: u32, session_present: bool) -> Conn<u32> {
    c.connecting(0, key, 0);
    c.session.connect_sent(false, 60, 0);
    let reaction = receive(&mut c, &[0x20, 2, session_present as u8, 0]);
    assert_eq!(reaction.notify, Notify::Accepted);
    c.accepted(key, 60_000, 0);
    c.session.connack_delivered();
    c
}

fn sent(c: &mut Conn<u32>) -> Vec<(u8, Option<u16>)> {
    let mut sent = vec![];
    while let Some(out) = c.session.next(true, 0) {
        assert_eq!(out.first >> 4, kind::PUBLISH);
        sent.push((out.first, out.id.map(PacketId::get)));
        c.session.sent(0, 0);
    }
    sent
}

#[test]
fn another_server_knows_nothing_of_this_session_even_if_it_has_kept_one_of_old() {
    let limits = Limits { max_qos: QoS::ExactlyOnce, max_queue: 10, max_bytes: 0, room: true };
    let incoming = &[0x3c, 5, 0, 1, b't', 0, 1];
    let mut c = connected(Conn::default(), 1, false);
    c.session.publish(b"t", b"", QoS::ExactlyOnce, false, limits, 0).unwrap();
    assert_eq!(sent(&mut c), [(0x34, Some(1))]);
    receive(&mut c, incoming);
    // Out of reach, but met again before the other was: the same session.
    c.disconnected(DisconnectReason::Local, 0);
    c.connecting(0, 2, 0);
    c.disconnected(DisconnectReason::Local, 0);
    c = connected(c, 1, true);
    assert_eq!(sent(&mut c), [(0x3c, Some(1))]);
    assert_eq!(receive(&mut c, incoming).notify, Notify::Nobody);
    // Another server: a new message to it, and what it sends is no repetition.
    c.disconnected(DisconnectReason::Local, 0);
    c = connected(c, 2, true);
    assert_eq!(sent(&mut c), [(0x34, Some(1))]);
    let reaction = receive(&mut c, incoming);
    assert_eq!((reaction.answer, reaction.notify != Notify::Nobody), (Some(AckKind::PubRec), true));
    c.disconnected(DisconnectReason::Local, 0);
    c = connected(c, 2, true);
    assert_eq!(sent(&mut c), [(0x3c, Some(1))], "from here on the session is that one's");
}

/// The waits of these tests. After four failed attempts the next one is 16 s.
const WAITS: BackoffRange = BackoffRange { min: 1000, max: 60_000 };

/// Four attempts fail, the fifth reaches the broker, which sends CONNACK at 0 and, if `responded`,
/// answers a ping. The connection lasts for `life` milliseconds. Returns the wait that follows.
fn wait_after(longest: u32, life: u32, responded: bool, reason: DisconnectReason) -> Reconnect {
    let mut c = Conn::<u32>::default();
    for _ in 0..4 {
        c.connecting(0, 1, 0);
        c.disconnected(DisconnectReason::Peer, 0);
        c.plan_reconnect(Some(WAITS), None, MIDDLE, 0);
    }
    let mut c = live(c, longest);
    if responded {
        answer_a_ping(&mut c);
    }
    while let Some(at) = c.deadline()
        && at <= life
    {
        assert_eq!(c.wake(at), Wake::Nothing);
    }
    c.disconnected(reason, life);
    c.plan_reconnect(Some(WAITS), None, MIDDLE, life)
}

/// Connects without keep-alive.
fn live(mut c: Conn<u32>, longest: u32) -> Conn<u32> {
    c.connecting(0, 1, 0);
    c.session.connect_sent(true, 0, 0);
    receive(&mut c, &[0x20, 2, 0, 0]);
    c.accepted(1, longest, 0);
    c.session.connack_delivered();
    c
}

/// The network goes down; the broker answers the ping sent for that.
fn answer_a_ping(c: &mut Conn<u32>) {
    c.network_down();
    assert_eq!(c.session.next(true, 0).map(|out| out.first), Some(kind::PINGREQ << 4));
    c.session.sent(0, 0);
    receive(c, &[0xd0, 0]);
}

#[test]
fn a_connection_that_ends_early_counts_as_refused_unless_the_broker_has_answered_something() {
    let (refused, short, settled) = (Reconnect::After(16_000), Reconnect::After(4000), Reconnect::After(1000));
    for (longest, life, responded, wait) in [
        (10_000, 4999, true, refused),
        (10_000, 5000, true, short),
        (10_000, 5000, false, refused),
        (10_000, 9999, false, refused),
        (10_000, 10_000, false, short),
        (60_000, 19_999, false, refused),
        (60_000, 20_000, false, short),
        (1000, 4999, false, refused),
        (1000, 5001, false, short),
        (10_000, 299_999, false, short),
        (10_000, 300_000, false, settled),
        (60_000, 299_999, true, short),
        (60_000, 300_000, true, settled),
    ] {
        assert_eq!(wait_after(longest, life, responded, DisconnectReason::Peer), wait, "{longest} {life} {responded}");
    }
}

#[test]
fn after_a_local_disconnect_or_a_ping_timeout_the_next_wait_is_the_first() {
    assert_eq!(wait_after(60_000, 100, false, DisconnectReason::Local), Reconnect::After(1000));
    assert_eq!(wait_after(60_000, 30_000, false, DisconnectReason::PingTimeout), Reconnect::After(1000));
    // A connection that ends this early counts as refused, whatever the reason.
    assert_eq!(wait_after(60_000, 100, false, DisconnectReason::PingTimeout), Reconnect::After(16_000));
    assert_eq!(wait_after(60_000, 30_000, false, DisconnectReason::Fault), Reconnect::After(4000));
}

/// Makes `count` connections in a row, each ending after `life` milliseconds for this reason.
/// Returns which of them are reported as short-lived.
fn reported(count: usize, life: u32, reason: DisconnectReason) -> Vec<usize> {
    let mut c = Conn::<u32>::default();
    let mut reported = vec![];
    for n in 1..=count {
        c = live(c, 60_000);
        while let Some(at) = c.deadline()
            && at <= life
        {
            c.wake(at);
        }
        if c.disconnected(reason, life) {
            reported.push(n);
        }
    }
    reported
}

#[test]
fn every_third_connection_in_a_row_that_the_peer_ends_early_is_reported() {
    for life in [100, 10_000, 30_000, 299_999] {
        assert_eq!(reported(7, life, DisconnectReason::Peer), [3, 6], "{life}");
        for reason in [DisconnectReason::Local, DisconnectReason::PingTimeout, DisconnectReason::Fault] {
            assert_eq!(reported(7, life, reason), [] as [usize; 0], "{life} {reason:?}");
        }
    }
    assert_eq!(reported(7, 300_000, DisconnectReason::Peer), [] as [usize; 0], "none of these was short");
}

#[test]
fn a_long_connection_between_short_ones_resets_the_count() {
    let mut c = Conn::<u32>::default();
    for (life, many) in [(100, false), (100, false), (400_000, false), (100, false), (100, false), (100, true)] {
        c = live(c, 60_000);
        while let Some(at) = c.deadline()
            && at <= life
        {
            c.wake(at);
        }
        assert_eq!(c.disconnected(DisconnectReason::Peer, life), many);
    }
}

#[test]
fn a_connection_that_ends_while_the_network_is_down_does_not_count_against_the_broker() {
    let mut c = Conn::<u32>::default();
    for _ in 0..4 {
        c = live(c, 60_000);
        c.network_down();
        assert!(!c.disconnected(DisconnectReason::Peer, 100));
        assert_eq!(c.plan_reconnect(Some(WAITS), None, MIDDLE, 100), Reconnect::After(1000), "always the first wait");
    }
}

#[test]
fn a_configuration_changed_while_there_is_no_connection_does_not_shorten_the_wait() {
    let mut c = Conn::<u32>::default();
    c.reconfigured(Slot::Custom, false);
    assert_eq!((c.slot(), c.plan_reconnect(Some(WAITS), None, MIDDLE, 0)), (Slot::Custom, Reconnect::After(1000)));
}

#[test]
fn after_a_ping_timeout_it_reconnects_at_once_only_if_the_network_was_down() {
    for (network_was_down, wanted, next) in
        [(true, true, Reconnect::Now), (true, false, Reconnect::No), (false, true, Reconnect::After(1000)), (false, false, Reconnect::No)]
    {
        let mut c = live(Conn::default(), 60_000);
        if network_was_down {
            c.network_down();
            c.network_up(0);
        } else {
            // Here the ping is sent because an acknowledgement is overdue.
            c.session
                .publish(
                    b"t",
                    b"",
                    QoS::AtLeastOnce,
                    false,
                    Limits { max_qos: QoS::ExactlyOnce, max_queue: 1, max_bytes: 0, room: true },
                    0,
                )
                .unwrap();
            c.session.next(true, 0).unwrap();
            c.session.sent(0, 0);
        }
        let mut at = 0;
        let ended = core::iter::from_fn(|| {
            at = c.deadline()?;
            let wake = c.wake(at);
            if c.session.next(true, at).is_some() {
                c.session.sent(0, at);
            }
            Some(wake)
        });
        assert!(ended.take(20).any(|wake| wake == Wake::PingTimeout));
        if !wanted {
            c.stop();
        }
        // The result is the same until the connection is closed.
        assert_eq!(c.wake(at), Wake::PingTimeout);
        c.disconnected(DisconnectReason::PingTimeout, at);
        assert_eq!(c.plan_reconnect(Some(WAITS), None, MIDDLE, at), next, "{network_was_down} {wanted}");
    }
}

#[test]
fn it_is_connecting_from_the_attempt_until_connack_or_disconnection() {
    let mut c = Conn::<u32>::default();
    assert!(!c.is_connecting() && !c.is_online() && c.is_wanted());
    c.connecting(0, 1, 0);
    assert!(c.is_connecting() && !c.is_online());
    let mut c = live(c, 60_000);
    assert!(!c.is_connecting() && c.is_online());
    c.closing(0, 0);
    assert!(!c.is_connecting() && c.is_online(), "until it is closed");
    c.disconnected(DisconnectReason::Local, 0);
    assert!(!c.is_connecting() && !c.is_online());
    c.connecting(0, 1, 0);
    c.disconnected(DisconnectReason::Peer, 0);
    assert!(!c.is_connecting());
    c.clear();
    assert!(!c.is_wanted());
}

#[test]
fn start_shortens_the_wait_only_if_the_connection_was_being_closed_by_stop() {
    // There is no connection.
    let mut c = Conn::<u32>::default();
    c.stop();
    c.start();
    assert_eq!(c.plan_reconnect(Some(WAITS), None, MIDDLE, 0), Reconnect::After(1000));
    // It is being closed for another reason.
    let mut c = live(Conn::default(), 60_000);
    c.closing(0, 0);
    c.start();
    c.disconnected(DisconnectReason::Fault, 0);
    assert!(matches!(c.plan_reconnect(Some(WAITS), None, MIDDLE, 0), Reconnect::After(_)));
}

#[test]
fn when_the_network_comes_up_the_broker_has_five_seconds_to_answer() {
    for (up, dead_at) in [(true, 6000), (false, 30_000)] {
        let mut c = live(Conn::default(), 60_000);
        c.network_down();
        assert!(c.session.next(true, 0).is_some());
        c.session.sent(0, 0);
        if up {
            c.network_up(1000);
        }
        let ended = (1..40_000).find(|now| c.wake(*now) == Wake::PingTimeout);
        // A ping at 0, which stands for none, counts from 1 ms on.
        assert_eq!(ended, Some(dead_at + !up as u32), "{up}");
    }
}

#[test]
fn the_primary_is_next_if_the_backup_in_use_is_disabled_and_not_the_other_way_round() {
    let mut c = Conn::<u32>::default();
    assert_eq!(c.plan_reconnect(None, Some(BACKUP), MIDDLE, 0), Reconnect::No);
    assert_eq!(c.slot(), Slot::Primary);
    while c.slot() == Slot::Primary {
        c.plan_reconnect(Some(PRIMARY), Some(BACKUP), MIDDLE, 0);
    }
    assert_eq!(c.plan_reconnect(None, None, MIDDLE, 0), Reconnect::No);
    assert!(matches!(c.plan_reconnect(None, Some(PRIMARY), MIDDLE, 0), Reconnect::After(_)));
    assert_eq!(c.slot(), Slot::Primary);
}

#[test]
fn a_connection_is_closing_until_it_is_gone() {
    let mut c = connected(Conn::default(), 1, false);
    assert!(!c.is_closing());
    c.closing(1000, 0);
    assert!(c.is_closing());
    c.disconnected(DisconnectReason::Local, 0);
    assert!(!c.is_closing());
}

#[test]
fn a_restored_session_belongs_to_the_server_that_it_was_saved_with() {
    let mut c = Conn::<()>::default();
    assert_eq!(c.session_key(), 0);
    c.restore_key(7);
    assert_eq!(c.session_key(), 7);
    c.connecting(0, 8, 0);
    c.accepted(8, 60_000, 0);
    assert_eq!(c.session_key(), 8);
}

#[test]
fn the_third_end_before_connack_in_a_row_is_told_apart() {
    let ends = |c: &mut Conn<u32>, n: usize| (0..n).map(|_| c.ends_without_connack()).collect::<Vec<_>>();
    let mut c = Conn::default();
    assert_eq!(ends(&mut c, 4), [false, false, true, false], "once");
    c.refused();
    assert_eq!(ends(&mut c, 2), [false, false], "the broker has answered");
    c = connected(c, 1, false);
    assert_eq!(ends(&mut c, 300).iter().filter(|&&third| third).count(), 1, "and so has it here");
}
