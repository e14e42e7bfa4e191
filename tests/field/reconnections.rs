//! Links that break, sessions that are lost or unexpectedly kept, and networks that come back.

use crate::brokers::*;
use crate::links::{Link, WIFI};
use crate::reference::Parsed;
use crate::sim::app::Line;
use crate::world::*;
use mgos_mqtt::conn::Slot;
use mgos_mqtt::wire::QoS;

/// Row 11.
#[test]
fn a_link_that_lives_for_15_seconds_is_used_most_of_the_time() {
    let mut w = World::new(defaults(), as_the_standard_says());
    w.add_backup(as_the_standard_says());
    w.connect();
    while w.now < 2 * HOUR {
        let begin = w.now;
        w.run_until(MINUTE, |w| w.devices[0].client.conn.is_online());
        assert!(w.device().client.conn.is_online(), "no connection for a minute at {begin}");
        w.every(SECOND, 15 * SECOND, |w| {
            w.publish(b"out/a", 50, QoS::AtLeastOnce);
        });
        w.cut();
    }
    let percent = w.online() * 100 / w.now;
    assert!(percent >= 75, "connected for {percent} % of the time");
    assert_eq!(w.device().attempts_of(Slot::Backup), 0);
}

/// Row 12: 400 QoS 2 messages over a link that is cut repeatedly. Returns the number of cuts.
fn over_a_link_that_is_cut(round_trip: u64, clean_session: bool, mut broker: Broker, passes_on_at_release: bool) -> u32 {
    let mut config = defaults();
    (config.clean_session, config.max_queue) = (clean_session, 400);
    broker.passes_on_at_release = passes_on_at_release;
    let mut w = World::new(config, broker);
    w.device().link = Link { round_trip, ..WIFI };
    for _ in 0..400 {
        w.publish(b"out/a", 100, QoS::ExactlyOnce);
    }
    w.connect();
    let mut cuts = 0;
    while w.device().told() < 400 && w.now < 12 * HOUR {
        w.run_until(5 * MINUTE, |w| w.devices[0].client.link.as_ref().is_some_and(|l| l.opening == crate::sim::link::Opening::Done));
        let life = w.rng.between(100, 500);
        w.run(life);
        w.cut();
        cuts += 1;
    }
    w.run(10 * MINUTE);
    assert_eq!(w.arrived(|_| true), 400, "the others were lost");
    assert_eq!(w.device().told(), 400);
    assert_eq!(w.device().client.app.acknowledged.len(), 400, "some were told twice");
    assert!(w.device().client.conn.session.is_idle());
    assert!(clean_session || w.broker().forgets_sessions || w.broker().arrived.len() == 400, "some arrived twice");
    assert!(w.device().lines(|line| matches!(line, Line::GivenUp { .. } | Line::SetAside { .. })).is_empty());
    cuts
}

/// Row 12: a message is in flight for a sixth of the time, on connections that live long enough for
/// a suspect to be sent.
#[test]
fn a_link_that_is_cut_while_messages_are_in_flight_sets_none_aside() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut w = World::new(defaults(), as_the_standard_says());
        w.device().link = Link { round_trip: 600, ..WIFI };
        w.connect();
        let mut cuts = 0;
        while w.now < 48 * HOUR {
            w.run_until(5 * MINUTE, |w| w.devices[0].client.conn.is_online());
            let end = w.now + w.rng.between(2 * SECOND, 8 * SECOND);
            while w.now < end {
                w.publish(b"out/a", 100, qos);
                let pause = w.rng.between(1, 4 * SECOND).min(end - w.now);
                w.run(pause);
            }
            w.cut();
            cuts += 1;
        }
        let published = w.device().published.len();
        w.run(10 * MINUTE);
        assert_eq!(w.arrived(|_| true), published, "the others were lost");
        assert!(w.device().lines(|line| matches!(line, Line::GivenUp { .. } | Line::SetAside { .. })).is_empty());
        assert!(cuts > 1000, "{cuts} cuts");
    }
}

/// A third to a tenth of a connection's lifetime, so that most of them carry little or nothing.
const ROUND_TRIPS: [u64; 3] = [50, 100, 150];

fn over_links_that_are_cut(clean_session: bool, broker: impl Fn() -> Broker) {
    for round_trip in ROUND_TRIPS {
        for at_release in [true, false] {
            let cuts = over_a_link_that_is_cut(round_trip, clean_session, broker(), at_release);
            let least = [1, 30, 41][(round_trip / 50 - 1) as usize];
            assert!(cuts >= least, "{cuts} cuts, round trip {round_trip} ms");
        }
    }
}

#[test]
fn messages_at_qos_2_survive_a_link_that_is_cut_with_a_new_session_each_time() {
    over_links_that_are_cut(true, as_the_standard_says);
}

#[test]
fn messages_at_qos_2_survive_a_broker_that_loses_its_sessions() {
    over_links_that_are_cut(false, forgets_sessions);
}

#[test]
fn messages_at_qos_2_arrive_exactly_once_over_a_link_that_is_cut_if_the_session_is_kept() {
    over_links_that_are_cut(false, as_the_standard_says);
}

#[test]
fn messages_at_qos_2_survive_failover_to_the_backup() {
    let mut config = defaults();
    (config.clean_session, config.max_queue) = (false, 100);
    // It delivers nothing and disappears for good.
    let mut w = World::new(config, never_answers(&[6]));
    w.broker().passes_on_at_release = true;
    w.add_backup(as_the_standard_says());
    for _ in 0..100 {
        w.publish(b"out/a", 100, QoS::ExactlyOnce);
    }
    w.connect();
    w.run(10 * SECOND);
    w.brokers[0] = refuses(3);
    w.cut();
    w.run(10 * MINUTE);
    assert_eq!(w.device().client.conn.slot(), Slot::Backup);
    assert_eq!(w.device().told(), 100);
    assert_eq!(w.arrived(|_| true), 100);
}

/// Row 13.
#[test]
fn a_dead_socket_after_a_network_outage_is_noticed_within_seconds() {
    let mut w = World::new(defaults(), as_the_standard_says());
    w.connect();
    w.run(10 * MINUTE);
    w.kill();
    w.net_lost();
    let mut kept = Vec::new();
    w.every(SECOND, 10 * SECOND, |w| {
        w.publish(b"out/0", 20, QoS::AtMostOnce);
    });
    kept.push(w.publish(b"out/1", 20, QoS::AtLeastOnce));
    kept.push(w.publish(b"out/2", 20, QoS::ExactlyOnce));
    w.net_up();
    let back = |w: &World| w.devices[0].client.app.accepted.len() == 2;
    let up_at = w.now;
    while w.now < up_at + MINUTE && !back(&w) {
        w.publish(b"out/0", 20, QoS::AtMostOnce);
        w.run_until(SECOND / 2, back);
    }
    let took = w.now - up_at;
    assert!(took <= 7 * SECOND, "back after {took} ms");
    let refused = w.device().published.iter().filter(|m| m.qos == QoS::AtMostOnce).all(|m| m.id.is_none());
    assert!(refused, "a message at QoS 0 was taken for a link that is not there");
    w.run(SECOND);
    assert_eq!(w.arrived(|m| kept.contains(&m.number)), 2);
    assert_eq!(w.device().told(), 2);
    w.publish(b"out/0", 20, QoS::AtMostOnce);
    w.run(SECOND);
    assert!(w.device().published.last().unwrap().id.is_some(), "QoS 0 is refused on a new connection");
}

/// Row 18.
#[test]
fn a_thousand_queued_messages_at_qos_2_arrive_once_over_one_connection() {
    for broker in [mosquitto_2_0(), mosquitto_without_a_limit()] {
        let mut config = defaults();
        config.clean_session = false;
        let mut w = World::new(config, broker);
        w.broker().keep_session(b"sim", b"in/#", 2);
        let numbers: Vec<u32> = (0..1000).map(|_| w.publish_to_device(b"in/a", 100, 2)).collect();
        w.subscribe(b"in/#", QoS::ExactlyOnce);
        w.connect();
        w.run(5 * MINUTE);
        let delivered: Vec<u32> = w.device().client.delivered.iter().map(|d| d.number).collect();
        assert_eq!(delivered, numbers, "{} were delivered", delivered.len());
        assert_eq!(w.broker().acknowledged.len(), 1000);
        assert_eq!(w.device().attempts().len(), 1);
    }
}

/// Row 20.
#[test]
fn an_unrequested_session_is_treated_as_new_with_one_warning() {
    let mut w = World::new(defaults(), claims_a_session());
    w.subscribe(b"in/a", QoS::AtLeastOnce);
    w.connect();
    for life in 1..=3 {
        w.run(MINUTE);
        w.publish(b"out/a", 20, QoS::ExactlyOnce);
        w.run(5 * MINUTE);
        assert_eq!(w.device().told(), life);
        assert_eq!(w.device().attempts().len(), life);
        // Subscribed anew, as in a new session.
        let subscribed = w.device().client.app.wrote.iter().filter(|(_, p)| matches!(p, Parsed::Subscribe(..))).count();
        assert_eq!(subscribed, life);
        w.cut();
    }
    assert_eq!(w.device().lines(|line| *line == Line::SessionPresent).len(), 1);
}
