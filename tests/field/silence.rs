//! Brokers that withhold responses, and apps that do: other packets make progress, and unanswered
//! ones are retransmitted.

use crate::brokers::*;
use crate::reference::Parsed;
use crate::sim::app::Line;
use crate::world::*;
use mgos_mqtt::wire::QoS;

/// Number of packets sent by the device for which `which` is true.
fn written(w: &mut World, which: impl Fn(&Parsed) -> bool) -> usize {
    w.device().client.app.wrote.iter().filter(|(_, p)| which(p)).count()
}

/// Row 1.
#[test]
fn a_broker_that_drops_messages_above_its_rate_limit_gets_everything_in_the_end() {
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
    // What waits behind it is not blocked.
    w.publish(b"out/a", 20, QoS::AtLeastOnce);
    w.run(SECOND);
    assert_eq!((w.device().told(), w.device().attempts().len()), (1, 1));
    // The next connection starts over.
    w.cut();
    w.run(2 * HOUR);
    assert_eq!(written(&mut w, |p| matches!(p, Parsed::Subscribe(..))), 4);
    assert_eq!(w.device().attempts().len(), 2);
}

#[test]
fn an_unsubscribe_that_is_never_answered_is_sent_twice_on_each_connection() {
    let mut config = defaults();
    config.clean_session = false;
    let mut w = World::new(config, never_answers(&[10]));
    w.subscribe(b"in/a", QoS::AtLeastOnce);
    w.connect();
    w.run(MINUTE);
    let now = w.now;
    w.device().client.unsubscribe(b"in/a", now);
    let unsubscribed = |w: &mut World| written(w, |p| matches!(p, Parsed::Unsubscribe(..)));
    let log = |w: &mut World| w.device().client.app.log.iter().map(|(_, line)| line.clone()).collect::<Vec<_>>();
    w.run(20 * SECOND);
    assert_eq!((unsubscribed(&mut w), log(&mut w)), (1, vec![]));
    w.run(5 * SECOND);
    assert_eq!((unsubscribed(&mut w), log(&mut w)), (2, vec![Line::SubscribeOverdue]));
    w.run(2 * HOUR);
    assert_eq!((unsubscribed(&mut w), log(&mut w)), (2, vec![Line::SubscribeOverdue]));
    assert_eq!(w.device().attempts().len(), 1);
    // It is pending in the session: the next connection starts over.
    w.cut();
    w.run(2 * HOUR);
    assert_eq!((unsubscribed(&mut w), log(&mut w)), (4, vec![Line::SubscribeOverdue; 2]));
    assert_eq!(w.device().attempts().len(), 2);
    let ids: Vec<u16> =
        w.device().client.app.wrote.iter().filter_map(|(_, p)| if let Parsed::Unsubscribe(id, _) = p { Some(*id) } else { None }).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

/// The principle behind row 8: nothing that can make progress waits for what cannot.
#[test]
fn a_subscription_that_is_never_answered_blocks_no_message_on_a_link_that_lives_for_15_seconds() {
    let mut w = World::new(defaults(), never_answers(&[8]));
    w.subscribe(b"in/a", QoS::AtLeastOnce);
    w.connect();
    let mut next_cut = 15 * SECOND;
    w.every(5 * SECOND, 2 * HOUR, |w| {
        // Most connections carry no message at all.
        if w.now % MINUTE == 0 {
            w.publish(b"out/a", 20, QoS::AtLeastOnce);
        }
        if w.now >= next_cut && w.devices[0].client.conn.is_online() {
            w.cut();
            next_cut = w.now + 15 * SECOND;
        }
    });
    w.run(5 * MINUTE);
    assert_eq!(w.arrived(|_| true), 120);
    assert_eq!(w.device().told(), 120);
}

/// The principle behind row 1: a broker may never respond to one message, and the others make
/// progress.
#[test]
fn a_message_that_is_never_answered_blocks_no_message_to_another_topic() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut config = defaults();
        config.max_queue = 20;
        let mut w = World::new(config, drops_topic(b"out/forbidden"));
        w.connect();
        w.run(MINUTE);
        w.publish(b"out/forbidden", 20, qos);
        w.every(10 * SECOND, HOUR, |w| {
            w.publish(b"out/a", 20, qos);
        });
        w.run(5 * MINUTE);
        assert_eq!(w.arrived(|m| m.topic == b"out/a"), 360);
        assert_eq!((w.device().told(), w.device().attempts().len()), (360, 1));
        let repeated = written(&mut w, |p| matches!(p, Parsed::Publish { topic, .. } if topic == b"out/forbidden"));
        // After 20, 40, 80 seconds, and every 120.
        assert!((20..=40).contains(&repeated), "{repeated}");
    }
}

/// A filter that is unsubscribed and subscribed again is subscribed, whatever the broker leaves
/// unanswered.
#[test]
fn a_filter_that_is_subscribed_again_stays_subscribed_though_its_unsubscribe_is_not_answered() {
    let mut config = defaults();
    config.clean_session = false;
    let mut w = World::new(config, never_answers(&[10]));
    w.subscribe(b"in/a", QoS::AtLeastOnce);
    w.connect();
    w.run(MINUTE);
    let now = w.now;
    w.device().client.unsubscribe(b"in/a", now);
    w.run(SECOND);
    w.subscribe(b"in/a", QoS::AtLeastOnce);
    for _ in 0..2 {
        w.run(10 * MINUTE);
        assert_eq!(w.broker().filters(b"sim"), [b"in/a"]);
        assert_eq!(written(&mut w, |p| matches!(p, Parsed::Unsubscribe(..))), 1);
        w.cut();
    }
}

#[test]
fn an_offline_unsubscribe_is_sent_with_the_next_connection() {
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
fn a_pubrel_that_is_never_answered_frees_its_slot_after_three_repetitions() {
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
    assert!(w.device().client.conn.session.is_idle(), "slots are still taken");
    for id in w.device().published.iter().filter_map(|m| m.id).collect::<Vec<_>>() {
        let times = written(&mut w, |p| *p == Parsed::Ack(6, id));
        assert!((4..=6).contains(&times), "PUBREL {id} was sent {times} times");
    }
    let given_up = w.device().lines(|line| matches!(line, Line::GivenUp { .. }));
    assert!(given_up.is_empty(), "the broker has them: {given_up:?}");
}

#[test]
fn a_pubrel_that_is_never_answered_blocks_nothing_on_a_link_that_lives_for_15_seconds() {
    let mut config = defaults();
    config.clean_session = false;
    let mut w = World::new(config, never_answers(&[6]));
    w.connect();
    w.run(10 * SECOND);
    w.publish(b"out/a", 20, QoS::ExactlyOnce);
    for _ in 0..40 {
        w.run(15 * SECOND);
        w.cut();
    }
    w.publish(b"out/b", 20, QoS::AtLeastOnce);
    for _ in 0..8 {
        w.run(15 * SECOND);
        w.cut();
    }
    assert_eq!(w.arrived(|m| m.qos == QoS::AtLeastOnce), 1);
}

/// Row 19.
#[test]
fn messages_left_unacknowledged_by_the_app_do_not_block_others() {
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
