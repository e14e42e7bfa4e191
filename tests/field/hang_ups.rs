//! Brokers that hang up: on a message or a subscription, on what the app sends itself, or for no
//! reason.

use crate::brokers::*;
use crate::reference::Parsed;
use crate::sim::app::{Greeting, Line};
use crate::sim::client::Config;
use crate::world::*;
use mgos_mqtt::conn::{BackoffRange, Slot};
use mgos_mqtt::wire::QoS;

const FORBIDDEN: &[u8] = b"out/forbidden";

/// Nothing was blamed: no message, no subscription.
fn assert_nobody_blamed(w: &mut World) {
    let blamed = w.device().lines(|line| matches!(line, Line::SetAside { .. } | Line::SubscriptionSetAside(_)));
    assert!(blamed.is_empty(), "{blamed:?}");
}

/// The numbers of the messages that arrived, each once, in the order of their first arrival.
fn arrivals(w: &mut World) -> Vec<u32> {
    let mut numbers = Vec::new();
    for number in &w.broker().arrived {
        if !numbers.contains(number) && *number > 0 {
            numbers.push(*number);
        }
    }
    numbers
}

/// Row 2: one message of 5,000 bytes followed by three valid ones, with a broker that hangs up
/// above 2,000.
fn good_ones_get_past_a_long_one(broker: Broker, qos: QoS) {
    let mut w = World::new(defaults(), broker);
    w.publish(b"out/large", 5000, qos);
    for _ in 0..3 {
        w.publish(b"out/a", 100, qos);
    }
    w.connect();
    let took = w.run_until(HOUR, |w| w.arrived(|_| true) == 3);
    assert!(took <= 60 * SECOND, "the good ones took {took} ms");
    w.run(5 * MINUTE - took);
    let first = w.device().attempts().len();
    assert!(first <= 10, "{first} connections in the first five minutes");
    w.run(24 * HOUR);
    let an_hour = most_an_hour(&w.device().attempts()[first..]);
    assert!(an_hour <= 10, "{an_hour} connections in an hour");
    let id = w.device().published[0].id.unwrap();
    let named = w
        .device()
        .lines(|line| matches!(line, Line::SetAside { id: i, topic, size } if *i == id && topic == b"out/large" && *size >= 5000));
    assert!(!named.is_empty(), "the log does not name it");
    let named = w.device().lines(|line| matches!(line, Line::SetAside { .. })).len();
    assert!(named <= 25, "{named} lines in 24 hours");
    assert_eq!(w.device().told(), 3);
}

#[test]
fn an_oversized_message_does_not_block_those_behind_it() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        good_ones_get_past_a_long_one(hangs_up_on_packets_over(2000), qos);
    }
}

#[test]
fn a_reset_that_loses_acknowledgements_blocks_no_more_than_a_hang_up() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        good_ones_get_past_a_long_one(resets_on_packets_over(2000), qos);
    }
}

#[test]
fn a_reset_behind_valid_messages_loses_their_acknowledgements_but_no_message() {
    let mut w = World::new(defaults(), resets_on_packets_over(2000));
    for _ in 0..3 {
        w.publish(b"out/a", 100, QoS::AtLeastOnce);
    }
    w.publish(b"out/large", 5000, QoS::AtLeastOnce);
    w.publish(b"out/a", 100, QoS::AtLeastOnce);
    w.connect();
    w.run_until(HOUR, |w| w.devices[0].told() == 4);
    assert!(w.now <= 3 * MINUTE, "the good ones took {} ms", w.now);
    let numbers: Vec<u32> = w.device().published.iter().map(|m| m.number).collect();
    assert_eq!(arrivals(&mut w), [numbers[0], numbers[1], numbers[2], numbers[4]]);
    w.run(5 * MINUTE - w.now);
    let attempts = w.device().attempts().len();
    assert!(attempts <= 10, "{attempts} connections in the first five minutes");
}

#[test]
fn a_broker_that_closes_sooner_than_it_answers_a_ping_blocks_no_more_than_another() {
    for delay in [50, 1000] {
        let mut broker = answers_late(&[12], delay);
        broker.longest_packet = 2000;
        good_ones_get_past_a_long_one(broker, QoS::AtLeastOnce);
    }
}

/// Row 2: messages whose PUBREL the broker hangs up on, as it has dropped them with the connection before.
#[test]
fn a_broker_that_closes_on_a_pubrel_it_does_not_know_blocks_no_other_message() {
    let config = Config { clean_session: false, ..defaults() };
    for (dropped, behind) in [(1, 3), (10, 3), (1, 0), (2, 0)] {
        let mut w = World::new(config.clone(), drops_unreleased());
        w.connect();
        w.run(10 * SECOND);
        for _ in 0..dropped {
            w.publish(b"out/a", 20, QoS::ExactlyOnce);
        }
        // The PUBRELs are on their way.
        w.run_until(SECOND, |w| w.devices[0].client.app.wrote.iter().any(|(_, p)| matches!(p, Parsed::Ack(6, _))));
        w.cut();
        for _ in 0..behind {
            w.publish(b"out/b", 20, QoS::AtLeastOnce);
        }
        let took = w.run_until(HOUR, |w| w.arrived(|m| m.qos == QoS::AtLeastOnce) == behind && w.devices[0].client.conn.session.is_idle());
        assert!(took <= 5 * MINUTE, "{took} ms, {dropped} dropped, {behind} behind them");
        w.run(HOUR);
        assert!(w.device().client.conn.session.is_idle());
        let attempts = w.device().attempts().len();
        assert!(attempts <= 12, "{attempts} connections");
        let told: u32 =
            w.device().lines(|_| true).iter().map(|(_, line)| if let Line::GivenUp { count, .. } = line { *count as u32 } else { 0 }).sum();
        assert_eq!(told, dropped, "the app is told of each");
    }
}

/// Row 2: a message that the broker has taken before.
#[test]
fn a_message_that_the_broker_took_once_is_set_aside_if_it_closes_on_it_now() {
    let mut w = World::new(defaults(), takes_once(FORBIDDEN));
    w.connect();
    w.run(10 * SECOND);
    w.publish(FORBIDDEN, 20, QoS::ExactlyOnce);
    w.run(SECOND);
    w.cut();
    let good = w.publish(b"out/a", 20, QoS::AtLeastOnce);
    let took = w.run_until(HOUR, |w| w.brokers[0].arrived.contains(&good));
    assert!(took <= 3 * MINUTE, "{took} ms");
    w.run(HOUR);
    let attempts = w.device().attempts().len();
    assert!(attempts <= 12, "{attempts} connections");
}

/// How often the message with this number was sent.
fn writings(w: &mut World, number: u32) -> usize {
    let is = |p: &Parsed| matches!(p, Parsed::Publish { payload, .. } if *payload == number.to_be_bytes());
    w.device().client.app.wrote.iter().filter(|(_, p)| is(p)).count()
}

/// The principle behind row 2.
#[test]
fn a_message_set_aside_is_given_up_after_ten_disconnects_between_which_others_were_acknowledged() {
    let mut w = World::new(defaults(), hangs_up_on_topic(FORBIDDEN));
    let forbidden = w.publish(FORBIDDEN, 50, QoS::AtLeastOnce);
    let id = w.device().published[0].id.unwrap();
    w.connect();
    let given_up = |w: &mut World| w.device().lines(|line| matches!(line, Line::GivenUp { .. })).len();
    let mut ends = 0;
    while given_up(&mut w) == 0 && w.now < 48 * HOUR {
        w.publish(b"out/good", 50, QoS::AtLeastOnce);
        w.run(10 * MINUTE);
        ends = w.device().client.app.ends.len();
    }
    // One that narrows the window, three until it is set aside, and ten.
    assert_eq!((writings(&mut w, forbidden), ends), (14, 14));
    let lines = w.device().lines(|line| matches!(line, Line::GivenUp { .. } | Line::SetAside { .. } | Line::GivenUpAside { .. }));
    let lines: Vec<Line> = lines.iter().map(|(_, line)| line.clone()).collect();
    let (topic, size) = (FORBIDDEN.to_vec(), FORBIDDEN.len() + 50);
    let expected = [
        Line::SetAside { id, topic: topic.clone(), size },
        Line::GivenUpAside { id, topic },
        Line::GivenUp { count: 1, first: id, last: id },
    ];
    assert_eq!(lines, expected);
    // It is gone: nothing ends a connection any more, and the others have all arrived.
    w.run(24 * HOUR);
    assert_eq!(w.device().client.app.ends.len(), ends);
    let good = w.device().published.len() - 1;
    assert_eq!(w.device().told(), good);
    assert!(w.device().client.conn.session.is_idle());
}

#[test]
fn a_message_set_aside_is_kept_while_no_other_message_gets_through() {
    let mut w = World::new(defaults(), hangs_up_on_topic_until(FORBIDDEN, 48 * HOUR));
    let forbidden = w.publish(FORBIDDEN, 50, QoS::AtLeastOnce);
    w.connect();
    w.run(48 * HOUR);
    let tries = writings(&mut w, forbidden);
    assert!((14..=75 * 48).contains(&tries), "{tries} tries");
    let given_up = w.device().lines(|line| matches!(line, Line::GivenUp { .. }));
    assert!(given_up.is_empty(), "{given_up:?}");
    w.run(2 * HOUR);
    assert_eq!(w.device().told(), 1);
}

/// The principle behind row 2.
#[test]
fn a_smaller_message_to_the_topic_of_one_set_aside_is_sent_and_one_as_large_is_not() {
    let mut w = World::new(defaults(), hangs_up_on_packets_over(2000));
    let first = w.publish(b"out/a", 5000, QoS::AtLeastOnce);
    w.connect();
    w.run_until(5 * MINUTE, |w| w.devices[0].client.conn.session.num_set_aside() == 1);
    assert_eq!(w.device().client.conn.session.num_set_aside(), 1);
    // Behind it, while it waits for the next hour.
    w.run(2 * MINUTE);
    let attempts = w.device().attempts().len();
    let smaller = w.publish(b"out/a", 1000, QoS::AtLeastOnce);
    let as_large = w.publish(b"out/a", 5000, QoS::AtLeastOnce);
    let larger = w.publish(b"out/a", 6000, QoS::AtLeastOnce);
    let other_qos = w.publish(b"out/a", 1500, QoS::ExactlyOnce);
    w.run(10 * SECOND);
    assert_eq!(arrivals(&mut w), [smaller, other_qos]);
    assert_eq!([first, as_large, larger].map(|n| writings(&mut w, n)), [3, 0, 0]);
    assert_eq!(w.device().client.conn.session.num_set_aside(), 3);
    assert_eq!(w.device().attempts().len(), attempts);
    let named = w.device().lines(|line| matches!(line, Line::SetAside { .. })).len();
    assert_eq!(named, 3, "each is named once");
}

/// Row 3.
#[test]
fn a_forbidden_topic_costs_few_of_the_allowed_messages() {
    // Together, or five seconds apart.
    for apart in [0, 5 * SECOND] {
        let mut w = World::new(defaults(), hangs_up_on_topic(FORBIDDEN));
        w.connect();
        let mut at = 0;
        w.every(5 * SECOND, 2 * HOUR, |w| {
            if at % 10_000 == 0 {
                w.publish(FORBIDDEN, 50, QoS::AtLeastOnce);
            }
            if at % 10_000 == apart {
                w.publish(b"out/good", 50, QoS::AtLeastOnce);
            }
            at += 5 * SECOND;
        });
        w.run(5 * MINUTE);
        let good = w.device().published.iter().filter(|m| m.topic == b"out/good").count();
        let lost = good - w.arrived(|m| m.topic == b"out/good");
        assert_eq!(good, 720);
        assert!(lost <= 20, "{lost} good ones were lost");
        let an_hour = most_an_hour(&w.device().attempts());
        assert!(an_hour <= 60, "{an_hour} connections in an hour");
    }
}

/// Row 4: the broker hangs up on `greetings`, for two hours.
fn hung_up_on_for(greetings: Vec<Greeting>) {
    let mut w = World::new(defaults(), hangs_up_on_topic_until(FORBIDDEN, 2 * HOUR));
    w.device().client.app.greetings = greetings;
    w.subscribe(b"in/a", QoS::AtLeastOnce);
    let kept: Vec<u32> = (0..5).map(|_| w.publish(b"out/a", 100, QoS::AtLeastOnce)).collect();
    w.connect();
    w.run(2 * HOUR);
    assert!(arrivals(&mut w).is_empty(), "the broker hangs up before the queue goes out");
    let an_hour = most_an_hour(&w.device().attempts());
    assert!(an_hour <= 75, "{an_hour} attempts in an hour");
    w.run(5 * MINUTE);
    assert_nobody_blamed(&mut w);
    assert_eq!(arrivals(&mut w), kept);
    assert_eq!(w.device().told(), 5);
    assert!(w.broker().filters(b"sim").contains(&b"in/a".to_vec()));
}

#[test]
fn a_hang_up_on_a_message_at_qos_0_is_blamed_on_nothing_queued() {
    hung_up_on_for(vec![Greeting::Publish(FORBIDDEN.to_vec())]);
}

#[test]
fn a_hang_up_on_a_message_that_the_app_sends_itself_is_blamed_on_nothing_queued() {
    let mut packet = vec![0x30, 2 + FORBIDDEN.len() as u8 + 4, 0, FORBIDDEN.len() as u8];
    packet.extend(FORBIDDEN);
    packet.extend([0; 4]);
    hung_up_on_for(vec![Greeting::Packet(packet)]);
}

#[test]
fn a_hang_up_on_a_subscription_that_the_app_sends_itself_is_blamed_on_nothing_queued() {
    let mut packet = vec![0x82, 2 + 2 + FORBIDDEN.len() as u8 + 1, 0x9c, 0x40, 0, FORBIDDEN.len() as u8];
    packet.extend(FORBIDDEN);
    packet.push(1);
    hung_up_on_for(vec![Greeting::Packet(packet)]);
}

#[test]
fn a_hang_up_on_a_message_at_qos_1_that_the_app_sends_itself_is_blamed_on_nothing_queued() {
    hung_up_on_for(vec![Greeting::OwnPublish(FORBIDDEN.to_vec())]);
}

/// Row 5: five messages wait for a broker that is broken for six hours.
fn heals_with_a_queue_of(topics: [&[u8]; 5]) {
    let mut w = World::new(defaults(), sick_until(6 * HOUR));
    let kept: Vec<u32> = topics.iter().map(|topic| w.publish(topic, 100, QoS::AtLeastOnce)).collect();
    w.connect();
    w.run(6 * HOUR);
    let an_hour = most_an_hour(&w.device().attempts());
    assert!(an_hour <= 75, "{an_hour} attempts in an hour");
    // Messages that are set aside are retried once an hour.
    w.run(2 * HOUR);
    assert_eq!(arrivals(&mut w), kept);
    assert_eq!(w.device().told(), 5);
    let given_up = w.device().lines(|line| matches!(line, Line::GivenUp { .. }));
    assert!(given_up.is_empty(), "{given_up:?}");
}

#[test]
fn a_broken_broker_gets_the_queue_of_a_topic_in_order_when_it_recovers() {
    heals_with_a_queue_of([b"out/a"; 5]);
}

#[test]
fn a_broken_broker_gets_the_queue_of_several_topics_in_order_when_it_recovers() {
    heals_with_a_queue_of([b"out/a", b"out/b", b"out/c", b"out/d", b"out/e"]);
}

#[test]
fn a_broken_broker_costs_an_app_only_messages_that_exceed_the_queue() {
    let mut w = World::new(defaults(), sick_until(6 * HOUR));
    w.connect();
    let mut numbers = Vec::new();
    w.every(MINUTE, 6 * HOUR, |w| {
        // Valid QoS 0 messages all the time, and a QoS 1 message every ten minutes.
        w.publish(b"out/0", 20, QoS::AtMostOnce);
        if numbers.len() as u64 * 10 * MINUTE <= w.now {
            numbers.push(w.publish(b"out/a", 100, QoS::AtLeastOnce));
        }
    });
    let an_hour = most_an_hour(&w.device().attempts());
    assert!(an_hour <= 75, "{an_hour} attempts in an hour");
    w.run(2 * HOUR);
    let arrived: Vec<u32> = arrivals(&mut w).into_iter().filter(|n| numbers.contains(n)).collect();
    assert_eq!(arrived, numbers[numbers.len() - 5..]);
}

/// Row 7.
#[test]
fn one_forbidden_subscription_does_not_block_the_others() {
    // The forbidden one is sent first, second and last.
    for place in 0..3 {
        let mut w = World::new(defaults(), hangs_up_on_topic(b"in/forbidden"));
        let mut filters = vec![b"in/a".to_vec(), b"in/b".to_vec()];
        filters.insert(place, b"in/forbidden".to_vec());
        for filter in &filters {
            w.subscribe(filter, QoS::AtLeastOnce);
        }
        w.connect();
        let both = |w: &World| {
            let filters = w.brokers[0].filters(b"sim");
            w.devices[0].client.conn.is_online() && filters.contains(&b"in/a".to_vec()) && filters.contains(&b"in/b".to_vec())
        };
        w.run_until(60 * SECOND, both);
        w.run(60 * SECOND - w.now);
        assert!(both(&w), "the others are not subscribed after a minute");
        let numbers = [w.publish_to_device(b"in/a", 20, 1), w.publish_to_device(b"in/b", 20, 1)];
        w.run(SECOND);
        let delivered: Vec<u32> = w.device().client.delivered.iter().map(|d| d.number).collect();
        assert_eq!(delivered, numbers);

        w.run(24 * HOUR);
        let named = w.device().lines(|line| *line == Line::SubscriptionSetAside(b"in/forbidden".to_vec())).len();
        assert!((1..=25).contains(&named), "named in {named} lines");
        let forbidden = |p: &Parsed| matches!(p, Parsed::Subscribe(_, filter, _) if filter == b"in/forbidden");
        let tries: Vec<u64> = w.device().client.app.wrote.iter().filter(|(_, p)| forbidden(p)).map(|(at, _)| *at).collect();
        let aside_at = w.device().lines(|line| matches!(line, Line::SubscriptionSetAside(_)))[0].0;
        let later: Vec<u64> = tries.iter().copied().filter(|at| *at > aside_at).collect();
        assert!(later.len() >= 2, "tried again {} times in 24 hours", later.len());
        let gaps: Vec<u64> = later.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.windows(2).all(|pair| pair[1] * 10 >= pair[0] * 9), "the gaps do not grow: {gaps:?}");
        assert!(most_an_hour(&later) <= 10, "{later:?}");
        // Nothing else ends a connection.
        assert!(w.device().client.app.ends.len() <= tries.len(), "{} ends, {} tries", w.device().client.app.ends.len(), tries.len());
        assert!(w.online() >= w.now * 99 / 100, "online for {} of {} s", w.online() / 1000, w.now / 1000);
    }
}

/// The first gaps between attempts are the back-off's, each with a tenth of jitter.
fn assert_waits_grow(w: &mut World) {
    let attempts = w.device().attempts();
    let gaps = attempts.windows(2).map(|pair| pair[1] - pair[0]);
    for (gap, expected) in gaps.zip([2, 4, 8, 16, 32, 60, 60, 60]) {
        // An attempt itself takes a moment.
        assert!((expected * 900..=expected * 1100 + 1500).contains(&gap), "{gap} ms in place of {expected} s");
    }
    let an_hour = most_an_hour(&attempts);
    assert!(an_hour <= 75, "{an_hour} attempts in an hour");
}

/// Row 9.
#[test]
fn a_broker_that_accepts_and_hangs_up_is_tried_as_rarely_as_one_that_refuses() {
    for broker in [accepts_and_hangs_up(), refuses(3)] {
        let mut w = World::new(defaults(), broker);
        w.connect();
        w.run(6 * HOUR);
        assert_waits_grow(&mut w);
    }
}

#[test]
fn a_broker_that_accepts_and_hangs_up_gives_the_backup_its_turn() {
    let mut config = defaults();
    config.waits = BackoffRange { min: 500, max: 8000 };
    let mut w = World::new(config, accepts_and_hangs_up());
    w.add_backup(as_the_standard_says());
    w.connect();
    w.run(9 * SECOND);
    let first = w.device().attempts().len();
    assert!(first <= 6, "{first} attempts in 9 s");
    // 0.5, 1, 2, 4 and 8 seconds, and the backup's first wait.
    w.run(20 * SECOND);
    assert!(w.device().client.conn.is_online() && w.device().client.conn.slot() == Slot::Backup);
    let tries = w.device().attempts().len();
    w.run(HOUR);
    assert_eq!(w.device().attempts().len(), tries, "the backup is not kept");
    assert!(w.device().attempts_of(Slot::Primary) <= 6);
}

/// Row 10: two devices with one client identifier. The larger number of attempts in an hour.
fn rivals(publishing: bool) -> usize {
    let mut w = World::new(defaults(), as_the_standard_says());
    w.add_device(defaults());
    w.connect();
    w.every(SECOND, 4 * HOUR, |w| {
        for device in 0..2 {
            if publishing {
                w.publish_from(device, b"out/a", 50, QoS::AtLeastOnce);
            }
        }
    });
    for d in &w.devices {
        assert!(!d.lines(|line| *line == Line::EndedEarlyAgain).is_empty(), "the log does not say what it may mean");
    }
    w.devices.iter().map(|d| most_an_hour(&d.attempts())).max().unwrap()
}

#[test]
fn two_devices_with_one_client_id_disconnect_each_other_ever_more_rarely() {
    let an_hour = rivals(false);
    assert!(an_hour <= 150, "{an_hour} connections in an hour");
}

#[test]
fn two_publishing_devices_with_one_client_id_disconnect_each_other_ever_more_rarely() {
    let an_hour = rivals(true);
    assert!(an_hour <= 500, "{an_hour} connections in an hour");
}
