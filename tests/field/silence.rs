//! Brokers that withhold answers, and apps that do: what waits behind goes on, and what was not
//! answered is sent again.

use crate::brokers::*;
use crate::reference::Parsed;
use crate::sim::app::Line;
use crate::world::*;
use mgos_mqtt::wire::QoS;

/// How many packets the device has written of which `which` is true.
fn written(w: &mut World, which: impl Fn(&Parsed) -> bool) -> usize {
    w.device().client.app.wrote.iter().filter(|(_, p)| which(p)).count()
}

/// Row 1.
#[test]
fn a_broker_that_drops_what_is_beyond_its_rate_gets_everything_in_the_end() {
    let mut config = defaults();
    config.max_queue = 300;
    let mut w = World::new(config, drops_beyond(100));
    for _ in 0..300 {
        w.publish(b"out/a", 100, QoS::AtLeastOnce);
    }
    w.connect();
    w.run(5 * SECOND);
    for _ in 0..5 {
        w.publish(b"out/a", 100, QoS::AtLeastOnce);
    }
    w.run_until(HOUR, |w| w.devices[0].told() == 305);
    assert!(w.now <= 110 * SECOND, "{} were acknowledged after {} ms", w.device().told(), w.now);
    w.run(10 * MINUTE);
    assert_eq!(w.device().attempts().len(), 1);
    assert_eq!(w.arrived(|_| true), 305);
    assert_eq!(w.device().lines(|line| matches!(line, Line::Overdue(_))).len(), 1);
}

/// Row 8.
#[test]
fn a_subscription_that_is_never_answered_is_sent_twice_and_named_in_the_log() {
    let mut w = World::new(defaults(), never_answers(&[8]));
    w.subscribe(b"in/a", QoS::AtLeastOnce);
    w.connect();
    let named = |w: &mut World| w.device().lines(|line| *line == Line::SubscribeUnanswered(b"in/a".to_vec())).len();
    w.run(2 * HOUR);
    assert_eq!(written(&mut w, |p| matches!(p, Parsed::Subscribe(..))), 2);
    assert!(named(&mut w) >= 1, "the log does not name it");
    assert!(named(&mut w) <= 2, "the log says it {} times", named(&mut w));
    // What waits behind it is not held up.
    w.publish(b"out/a", 20, QoS::AtLeastOnce);
    w.run(SECOND);
    assert_eq!((w.device().told(), w.device().attempts().len()), (1, 1));
    // The next connection begins anew.
    w.cut();
    w.run(2 * HOUR);
    assert_eq!(written(&mut w, |p| matches!(p, Parsed::Subscribe(..))), 4);
    assert_eq!(w.device().attempts().len(), 2);
}

#[test]
fn an_unsubscription_that_is_never_answered_is_sent_again() {
    let mut config = defaults();
    config.clean_session = false;
    let mut w = World::new(config, never_answers(&[10]));
    w.subscribe(b"in/a", QoS::AtLeastOnce);
    w.connect();
    w.run(MINUTE);
    let now = w.now;
    w.device().client.unsubscribe(b"in/a", now);
    w.run(10 * MINUTE);
    let on_one = written(&mut w, |p| matches!(p, Parsed::Unsubscribe(..)));
    assert!(on_one >= 2, "it was sent {on_one} times");
    assert!(!w.device().client.app.log.is_empty(), "nothing is in the log");
    assert_eq!(w.device().attempts().len(), 1);
    w.cut();
    w.run(10 * MINUTE);
    let on_two = written(&mut w, |p| matches!(p, Parsed::Unsubscribe(..)));
    assert!(on_two > on_one, "it was not sent on the next connection");
    assert_eq!(w.device().attempts().len(), 2);
}

#[test]
fn an_unsubscription_made_offline_goes_out_with_the_next_connection() {
    let mut config = defaults();
    config.clean_session = false;
    let mut w = World::new(config, as_the_standard_says());
    w.subscribe(b"in/a", QoS::AtLeastOnce);
    w.subscribe(b"in/b", QoS::AtLeastOnce);
    w.connect();
    w.run(MINUTE);
    w.cut();
    let now = w.now;
    w.device().client.unsubscribe(b"in/a", now);
    w.run(MINUTE);
    assert_eq!(w.broker().filters(b"sim"), [b"in/b"]);
}

#[test]
fn a_release_that_is_never_answered_frees_its_slot_after_three_repetitions() {
    let mut config = defaults();
    config.clean_session = false;
    config.max_queue = 30;
    // More than the window holds.
    let mut w = World::new(config, never_answers(&[6]));
    for _ in 0..20 {
        w.publish(b"out/a", 20, QoS::ExactlyOnce);
    }
    w.connect();
    w.every(2 * MINUTE, HOUR, World::cut);
    assert_eq!(w.arrived(|_| true), 20);
    assert!(w.device().client.conn.session.is_settled(), "slots are still taken");
    for id in w.device().published.iter().filter_map(|m| m.id).collect::<Vec<_>>() {
        let times = written(&mut w, |p| *p == Parsed::Ack(6, id));
        assert!((4..=6).contains(&times), "PUBREL {id} was sent {times} times");
    }
    let given_up = w.device().lines(|line| matches!(line, Line::GivenUp { .. }));
    assert!(given_up.is_empty(), "the broker has them: {given_up:?}");
}

/// Row 19.
#[test]
fn messages_that_an_app_leaves_unacknowledged_do_not_make_the_device_deaf() {
    let mut config = defaults();
    config.clean_session = false;
    config.others = true;
    let mut w = World::new(config, as_the_standard_says());
    w.device().client.app.ignores_strays = true;
    // An earlier firmware has subscribed to it.
    w.broker().keep_session(b"sim", b"old/#", 1);
    for _ in 0..25 {
        w.publish_to_device(b"old/a", 20, 1);
    }
    w.subscribe(b"in/a", QoS::AtLeastOnce);
    w.connect();
    w.run(MINUTE);
    let numbers: Vec<u32> = (0..5).map(|_| w.publish_to_device(b"in/a", 20, 1)).collect();
    w.run(MINUTE);
    let ours = w.device().client.delivered.iter().filter(|d| d.topic == b"in/a").map(|d| d.number);
    assert_eq!(ours.collect::<Vec<_>>(), numbers);
    assert_eq!(w.broker().acknowledged.len(), 30);
    assert_eq!(w.device().attempts().len(), 1);
}
