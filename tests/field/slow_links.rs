//! Slow links, brokers that do not read, and an app that blocks the event loop: none of these ends
//! a connection.

use crate::brokers::*;
use crate::links::*;
use crate::reference::Parsed;
use crate::sim::app::Line;
use crate::world::*;
use mgos_mqtt::wire::QoS;

/// Row 14: the connection over `link` survives the network's "up" event, with `upload` bytes in
/// flight.
fn stays(link: Link, upload: usize, lost_before: bool) {
    let mut w = World::new(defaults(), as_the_standard_says());
    w.device().link = link;
    w.device().client.app.handshake = Some(2 * link.round_trip);
    w.connect();
    // Long enough for a ping.
    w.run(3 * MINUTE);
    assert!(w.device().client.conn.is_online());
    if upload > 0 {
        w.publish(b"out/a", upload, QoS::AtLeastOnce);
        w.run(2 * SECOND);
    }
    if lost_before {
        w.net_lost();
        w.run(SECOND);
    }
    w.net_up();
    w.run(10 * MINUTE);
    assert_eq!(w.device().attempts().len(), 1, "the connection was given up");
    assert_eq!(w.device().told(), if upload > 0 { 1 } else { 0 });
}

#[test]
fn a_renewed_lease_leaves_a_connection_with_a_long_round_trip_alone() {
    stays(SIX_SECOND_ROUND_TRIP, 0, false);
}

#[test]
fn a_second_interface_leaves_a_connection_with_a_long_round_trip_alone() {
    stays(SIX_SECOND_ROUND_TRIP, 0, true);
}

#[test]
fn a_renewed_lease_leaves_a_long_upload_alone() {
    stays(FIVE_KB_A_SECOND, 60_000, false);
    stays(FIVE_KB_A_SECOND_BEHIND_A_DEEP_BUFFER, 60_000, false);
}

/// Row 15.
#[test]
fn a_broker_that_does_not_read_fills_neither_the_heap_nor_loses_anything_in_silence() {
    let mut w = World::new(defaults(), does_not_read(2 * SECOND..60 * SECOND));
    w.connect();
    w.run(SECOND);
    let mut i = 0;
    w.every(5, 25 * SECOND, |w| {
        w.publish(b"out/a", 10_000, QoS::clamped(i % 3));
        i += 1;
    });
    // A third of the free heap, and the message that exceeded it; at most five messages are queued.
    let most = w.device().most_unsent;
    assert!(most <= 100_000 / 3 + 10_100, "{most} bytes waited");
    assert!(w.device().client.conn.session.payload_bytes() <= 60_000);
    w.run(HOUR);
    let asked = w.device().published.iter().filter(|m| m.qos > QoS::AtMostOnce && m.id.is_some()).count();
    let told = w.device().told();
    let given_up: u16 =
        w.device().client.app.log.iter().map(|(_, line)| if let Line::GivenUp { count, .. } = line { *count } else { 0 }).sum();
    assert!(w.device().client.conn.session.is_idle());
    assert_eq!(asked, told + given_up as usize, "{told} acknowledged, {given_up} given up");
}

/// The device polls once a second, so the two seconds are over after three at the latest.
#[test]
fn a_link_on_which_nothing_moves_for_two_seconds_takes_no_more_messages() {
    let mut w = World::new(defaults(), as_the_standard_says());
    w.connect();
    w.run(MINUTE);
    w.kill();
    // More than the socket accepts.
    w.publish(b"out/a", 10_000, QoS::AtMostOnce);
    w.run(1900);
    let early = w.publish(b"out/a", 20, QoS::AtMostOnce);
    w.run(1100);
    w.publish(b"out/a", 20, QoS::AtMostOnce);
    let kept = [w.publish(b"out/a", 20, QoS::AtLeastOnce), w.publish(b"out/a", 20, QoS::ExactlyOnce)];
    w.run(SECOND);
    let taken: Vec<bool> = w.device().published.iter().map(|m| m.id.is_some()).collect();
    assert_eq!(taken, [true, true, false, true, true]);
    let wrote: Vec<u32> = w.device().client.app.wrote.iter().filter_map(|(_, p)| number_of(p)).collect();
    assert_eq!(wrote, [1, early], "what is kept waits");
    // The ping, and with the next connection the queue.
    w.run(5 * MINUTE);
    assert_eq!(w.arrived(|m| kept.contains(&m.number)), 2);
    assert_eq!(w.device().told(), 2);
}

fn number_of(packet: &Parsed) -> Option<u32> {
    if let Parsed::Publish { payload, .. } = packet { Some(crate::sim::tap::number(payload)) } else { None }
}

#[test]
fn a_stall_of_ten_seconds_costs_messages_at_qos_0_and_nothing_else() {
    let mut w = World::new(defaults(), does_not_read(MINUTE..70 * SECOND));
    w.connect();
    w.run(MINUTE);
    // The server's buffer holds 64 KB, the device's 5 KB, and a third of the heap is 33 KB.
    w.every(200, 1600, |w| {
        w.publish(b"out/0", 10_000, QoS::AtMostOnce);
    });
    let before = w.device().published.len();
    w.run(3 * SECOND);
    let kept = [w.publish(b"out/1", 20, QoS::AtLeastOnce), w.publish(b"out/2", 20, QoS::ExactlyOnce)];
    w.publish(b"out/0", 20, QoS::AtMostOnce);
    let taken: Vec<bool> = w.device().published[before..].iter().map(|m| m.id.is_some()).collect();
    assert_eq!(taken, [true, true, false]);
    w.run(10 * SECOND);
    assert_eq!(w.arrived(|m| kept.contains(&m.number)), 2);
    w.publish(b"out/0", 20, QoS::AtMostOnce);
    w.run(SECOND);
    // The eight before the stall and the one after.
    assert_eq!(w.arrived(|m| m.qos == QoS::AtMostOnce), 9);
    assert_eq!((w.device().told(), w.device().attempts().len()), (2, 1));
}

#[test]
fn a_burst_from_one_handler_goes_out_whole_on_a_healthy_link() {
    let mut w = World::new(defaults(), as_the_standard_says());
    w.device().client.app.heap = 250_000;
    w.connect();
    w.run(MINUTE);
    for _ in 0..60 {
        w.publish(b"out/a", 1024, QoS::AtMostOnce);
    }
    w.run(10 * SECOND);
    assert_eq!(w.arrived(|_| true), 60);
}

/// Row 16.
#[test]
fn a_late_answer_to_a_ping_is_no_end_while_messages_come_in() {
    let mut config = defaults();
    config.keep_alive = 10;
    let mut w = World::new(config, answers_late(&[12], 6 * SECOND));
    w.subscribe(b"in/a", QoS::AtMostOnce);
    w.connect();
    w.every(SECOND / 2, 30 * MINUTE, |w| {
        w.publish_to_device(b"in/a", 50, 0);
    });
    assert!(w.device().client.tap.seen.pings > 100);
    assert_eq!(w.device().attempts().len(), 1);
}

#[test]
fn answers_that_all_take_three_seconds_are_no_end_with_a_keep_alive_of_five() {
    let mut config = defaults();
    config.keep_alive = 5;
    let mut w = World::new(config, answers_late(&[3, 6, 8, 12], 3 * SECOND));
    w.subscribe(b"in/a", QoS::AtMostOnce);
    w.connect();
    w.every(10 * SECOND, 30 * MINUTE, |w| {
        w.publish(b"out/a", 50, QoS::AtLeastOnce);
    });
    w.run(MINUTE);
    assert!(w.device().client.tap.seen.pings > 100);
    assert_eq!((w.device().told(), w.device().attempts().len()), (180, 1));
}

#[test]
fn an_app_that_blocks_after_a_ping_was_written_is_no_end() {
    let mut config = defaults();
    config.keep_alive = 5;
    let mut w = World::new(config, as_the_standard_says());
    w.device().blocks_at_pings = 3 * SECOND;
    w.connect();
    w.run(30 * MINUTE);
    assert!(w.device().client.tap.seen.pings > 100);
    assert_eq!(w.device().attempts().len(), 1);
}

/// Row 17.
#[test]
fn a_message_of_600_kb_that_takes_two_minutes_is_skipped_and_acknowledged() {
    let mut w = World::new(defaults(), as_the_standard_says());
    w.device().link = FIVE_KB_A_SECOND;
    w.subscribe(b"in/a", QoS::AtLeastOnce);
    w.connect();
    w.run(MINUTE);
    let large = w.publish_to_device(b"in/a", 600_000, 1);
    w.run(10 * MINUTE);
    assert_eq!(w.broker().acknowledged, [large]);
    assert_eq!((w.device().client.oversized, w.device().attempts().len()), (1, 1));
    let small = w.publish_to_device(b"in/a", 20, 1);
    w.run(SECOND);
    assert_eq!(w.device().client.delivered.last().map(|d| d.number), Some(small));
}

/// The rule behind row 1: what TCP still holds is not overdue.
#[test]
fn what_waits_in_the_buffer_of_the_socket_is_not_sent_again() {
    let mut config = defaults();
    config.max_queue = 100;
    let mut w = World::new(config, as_the_standard_says());
    w.device().link = FIVE_KB_A_SECOND_BEHIND_A_DEEP_BUFFER;
    w.device().client.app.heap = 1_000_000;
    w.connect();
    w.run(MINUTE);
    for _ in 0..16 {
        w.publish(b"out/a", 25_000, QoS::AtLeastOnce);
    }
    w.run(10 * MINUTE);
    assert_eq!((w.device().told(), w.device().attempts().len()), (16, 1));
    let repeated = w.device().client.app.wrote.iter().filter(|(_, p)| matches!(p, Parsed::Publish { dup: true, .. })).count();
    assert_eq!(repeated, 0);
}

/// The same with a broker that acknowledges messages a little later than it answers pings.
#[test]
fn what_has_waited_for_long_in_the_send_buffer_is_not_overdue_as_soon_as_it_has_left() {
    let mut config = defaults();
    (config.max_queue, config.keep_alive) = (100, 20);
    let mut w = World::new(config, answers_messages_late_and_pings_at_once(300));
    w.device().link = FIVE_KB_A_SECOND;
    w.device().client.app.heap = 1_000_000;
    w.connect();
    w.run(MINUTE);
    for _ in 0..10 {
        w.publish(b"out/a", 20_000, QoS::AtLeastOnce);
    }
    w.run(10 * MINUTE);
    assert_eq!((w.device().told(), w.device().attempts().len()), (10, 1));
    let repeated = w.device().client.app.wrote.iter().filter(|(_, p)| matches!(p, Parsed::Publish { dup: true, .. })).count();
    assert_eq!(repeated, 0);
    assert!(w.device().lines(|line| matches!(line, Line::Overdue(_))).is_empty());
}
