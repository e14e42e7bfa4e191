//! Checks the session against its specification in every state that can be reached within small
//! bounds, event by event.
//!
//! Twice. First by states: from each state of the specification (tests/specification) that can be
//! reached with a number of messages and subscriptions in flight, every event, and then a fixed
//! ending that exposes hidden state of the library; until there are no new states. Then by
//! sequences: all of a given length, without assuming that what the specification cannot
//! distinguish the library cannot either. In each step the packets sent, the messages delivered and
//! the end of the connection must be as specified; the simulation's tap checks as well.
//!
//! MGOS_MQTT_MODEL_LESS=1 goes less far, for a quick run. MGOS_MQTT_MODEL_MORE=1, for one more of
//! everything in flight, and MGOS_MQTT_MODEL_EVENTS=4 go further than a usual run has time for.

mod reference;
mod sim;
mod specification;

use mgos_mqtt::conn::BackoffRange;
use mgos_mqtt::wire::QoS;
use reference::{Parsed, packet_len, parse};
use sim::app::Line;
use sim::client::{Client, Config};
use sim::link::{Manner, Opening};
use sim::rng::Rng;
use sim::tap::number;
use specification::{Bounds, Event, Must, Sent, Spec};
use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A broker that hangs up because of a packet does so within ten seconds.
const TOO_LATE_FOR_BLAME: u64 = 11_000;

/// Longer than a response may take: a ping precedes it.
const KEEP_ALIVE: u16 = 300;
/// A ping is sent this many seconds before that.
const EARLY: u64 = 5;

const AT_ONCE: Manner = Manner { delay: 0, piece: 1, stall_one_in: 0, stall: 0 };

/// Library and specification side by side.
struct Pair {
    client: Client,
    spec: Spec,
    now: u64,
    incoming: u32,
}

impl Pair {
    fn new(clean_session: bool) -> Self {
        let config = Config {
            clean_session,
            keep_alive: KEEP_ALIVE,
            max_queue: 10,
            max_bytes: 0,
            max_qos: QoS::ExactlyOnce,
            receive_limit: 200,
            waits: BackoffRange { min: 1000, max: 1000 },
            connect_timeout: 30_000,
            clock: 0,
            others: false,
        };
        let mut client = Client::new(config, AT_ONCE, Rng::new(1), false);
        // Without memory a ping may be late; the specification has its own rule for pings.
        client.tap.lenient = true;
        client.app.handshake = Some(0);
        Pair { client, spec: Spec::new(clean_session), now: 0, incoming: 1000 }
    }

    /// Applies the event to both.
    fn step(&mut self, event: Event) -> Result<(), String> {
        let number = self.spec.next_number();
        let bytes = self.packet(event);
        let (delivered, told) = (self.client.delivered.len(), self.client.app.answers.len());
        let must = self.spec.happen(event);
        let begin = self.now;
        match event {
            Event::Starved(event) => {
                self.client.oom_one_in = 1;
                self.drive(*event, number, &bytes);
                self.client.oom_one_in = 0;
                if self.client.link.as_ref().is_some_and(|l| l.closed_at.is_none()) {
                    self.client.poll(self.now);
                }
            }
            event => self.drive(event, number, &bytes),
        }
        let news: Vec<u32> = self.client.delivered[delivered..].iter().map(|d| d.number).collect();
        let expected: &[u32] = if must.delivered { &[self.incoming] } else { &[] };
        if news != expected {
            return Err(format!("delivered {news:?}, not {expected:?}"));
        }
        must.freed.iter().for_each(|id| self.client.tap.gives_up_release(*id));
        // Another second, so that one ping suffices for packets sent in a row.
        if let Event::Time = event
            && let (took, wait) = ((self.now - begin) / 1000, must.after.map_or(KEEP_ALIVE as u64 - EARLY, |wait| wait + 1))
            && !must.closed
            && !must.untimed
            && took != wait
        {
            return Err(format!("the ping came after {took} s, not {wait} s"));
        }
        if let Some((_, line)) = self.client.app.log.iter().find(|(_, line)| self.is_wrong(line)) {
            return Err(format!("the log says {line:?}"));
        }
        self.compare(must, told)
    }

    /// No one is at fault, and nothing is given up.
    fn is_wrong(&self, line: &Line) -> bool {
        matches!(line, Line::SetAside { .. } | Line::SubscriptionSetAside(_) | Line::Dropped { .. } | Line::GivenUp { .. })
    }

    /// The bytes that the broker sends, if any.
    fn packet(&mut self, event: Event) -> Vec<u8> {
        let ack = |first: u8, id: u16| {
            let [hi, lo] = id.to_be_bytes();
            if first == 0x90 { vec![first, 3, hi, lo, 1] } else { vec![first, 2, hi, lo] }
        };
        match event {
            Event::ConnAck { session_present } => vec![0x20, 2, session_present as u8, 0],
            Event::Refused => vec![0x20, 2, 0, 3],
            Event::Ack(kind, target) => ack((kind as u8) << 4, self.spec.resolve(target)),
            Event::PubRel(id) => ack(0x62, id),
            Event::PingResp => vec![0xd0, 0],
            Event::Message(qos, id) => {
                self.incoming += 1;
                let id = id.to_be_bytes();
                let mut body = [&b"\0\x04in/a"[..], if qos > 0 { &id[..] } else { &[] }].concat();
                body.extend(self.incoming.to_be_bytes());
                [&[0x30 | qos << 1, body.len() as u8][..], &body].concat()
            }
            Event::Starved(event) => self.packet(*event),
            _ => Vec::new(),
        }
    }

    /// Makes the client do what it would do.
    fn drive(&mut self, event: Event, number: u32, bytes: &[u8]) {
        let (client, now) = (&mut self.client, self.now);
        match event {
            Event::Publish(qos) => {
                let id = client.publish(number, b"out/a", 4, QoS::clamped(qos as i32), now);
                if qos > 0 {
                    self.spec.took(number, id.expect("it is kept"));
                }
            }
            Event::Subscribe => client.subscribe(b"in/a", QoS::AtLeastOnce, now),
            Event::Unsubscribe => client.unsubscribe(b"in/a", now),
            Event::Connect => {
                client.connect(now);
                client.link.as_mut().expect("an attempt").opening = Opening::Done;
                client.connected(now);
            }
            Event::Disconnect => client.disconnect(now),
            Event::Lost => {
                self.now += TOO_LATE_FOR_BLAME;
                client.link.as_mut().expect("a link").closed_at = Some(self.now);
            }
            Event::Time => {
                // Some deadlines only need to be noticed.
                for _ in 0..10 {
                    let Some(at) = client.conn.deadline() else { break };
                    self.now += (at.wrapping_sub(client.clock(self.now)) as i32).max(0) as u64;
                    client.poll(self.now);
                    if client.link.as_ref().is_none_or(|l| l.closed_at.is_some() || l.up.len() > 0) {
                        break;
                    }
                }
            }
            _ => client.arrived(bytes, now),
        }
    }

    fn compare(&mut self, must: Must, told_before: usize) -> Result<(), String> {
        let (mut written, mut closed) = (Vec::new(), false);
        if let Some(link) = &mut self.client.link {
            written = link.up.drain();
            closed = link.closed_at.is_some() || link.flushing;
        }
        if closed {
            self.client.closed(self.now);
        }
        if closed && !must.closed && must.may_close && written.is_empty() {
            self.spec.was_closed();
            return Ok(());
        }
        let told = self.client.app.answers.len() - told_before;
        if told != must.told as usize {
            return Err(format!("{told} handlers were told of the answer, not {}", must.told as usize));
        }
        if closed != must.closed {
            return Err(format!("closed {closed}, not {}", must.closed));
        }
        let mut rest = &written[..];
        for expected in &must.sent {
            let len =
                packet_len(rest).filter(|n| *n <= rest.len()).ok_or_else(|| format!("nothing was written where {expected:?} must be"))?;
            let packet = parse(&rest[..len]).ok_or("an illegal packet")?;
            rest = &rest[len..];
            let (sent, id) = said(&packet);
            let mut expected = *expected;
            if let Sent::Message { number, qos: 1.., id, .. } = &mut expected {
                *id = self.spec.id_of(*number).expect("it is kept");
            }
            if let Sent::Subscribe { id: fresh @ None } | Sent::Unsubscribe { id: fresh @ None } = &mut expected {
                *fresh = Some(id);
                if expected == sent {
                    self.spec.bind(expected, id);
                }
            }
            if expected != sent {
                return Err(format!("{packet:?} was written where {expected:?} must be"));
            }
        }
        if rest.is_empty() { Ok(()) } else { Err(format!("{rest:02x?} was written and nobody has asked for it")) }
    }
}

/// A packet as specified, and its packet ID.
fn said(packet: &Parsed) -> (Sent, u16) {
    match *packet {
        Parsed::Connect { .. } => (Sent::Connect, 0),
        Parsed::Disconnect => (Sent::Disconnect, 0),
        Parsed::PingReq => (Sent::PingReq, 0),
        Parsed::Publish { dup, qos, id, ref payload, .. } => (Sent::Message { number: number(payload), qos, dup, id: id.unwrap_or(0) }, 0),
        Parsed::Subscribe(id, ..) => (Sent::Subscribe { id: Some(id) }, id),
        Parsed::Unsubscribe(id, ..) => (Sent::Unsubscribe { id: Some(id) }, id),
        Parsed::Ack(kind, id) => (Sent::Answer(kind, id), id),
        _ => panic!("a client sends no {packet:?}"),
    }
}

/// Plays a sequence of events from the start.
fn play(clean: bool, events: &[Event]) -> Spec {
    let mut pair = Pair::new(clean);
    for (n, event) in events.iter().enumerate() {
        if let Err(what) = pair.step(*event) {
            panic!("clean session {clean}, {:?}: {what}", &events[..=n]);
        }
    }
    pair.spec
}

/// Appended to a sequence, to expose state of the library that the specification does not have.
const END: [Event; 9] = [
    Event::Message(2, 1),
    Event::Message(2, 2),
    Event::Publish(1),
    Event::Lost,
    Event::Connect,
    Event::ConnAck { session_present: false },
    Event::Message(2, 1),
    Event::Time,
    Event::PubRel(1),
];

/// Plays a sequence of events and its ending, to the last acknowledgement: then nothing may be
/// left. Returns the state after the sequence.
fn play_to_the_end(clean: bool, events: &[Event]) -> Vec<u8> {
    let mut pair = Pair::new(clean);
    let mut played = Vec::new();
    let mut rest = events.iter().copied();
    let go_on =
        |pair: &mut Pair| if pair.spec.is_down() { Event::Connect } else { Event::ConnAck { session_present: !pair.spec.is_clean() } };
    let mut end = END.into_iter();
    let mut key = None;
    loop {
        let next = rest.next();
        if next.is_none() && key.is_none() {
            key = Some(pair.spec.key());
        }
        let event = match next {
            Some(event) => event,
            None if pair.spec.is_asking() => Event::PingResp,
            None if end.len() == END.len() && !pair.spec.is_up() => go_on(&mut pair),
            None => match end.next().or_else(|| pair.spec.awaited()) {
                Some(event) => event,
                None => break,
            },
        };
        played.push(event);
        if let Err(what) = pair.step(event) {
            panic!("clean session {clean}, {played:?}: {what}");
        }
    }
    assert!(pair.client.conn.session.is_idle(), "clean session {clean}, {played:?}: something is left over");
    pair.client.tap.check_end();
    key.expect("the sequence has an end")
}

/// Calls `work` with each of `0..n`, in as many threads as there are processors.
fn share(n: usize, work: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|threads| {
        for _ in 0..std::thread::available_parallelism().map_or(1, |n| n.get()) {
            threads.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    if i >= n {
                        break;
                    }
                    work(i);
                }
            });
        }
    });
}

fn variable(name: &str, usual: usize) -> usize {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")))
}

/// From the start until there are no new states.
fn explore(bounds: Bounds) {
    for clean in [false, true] {
        let mut seen = HashSet::from([Spec::new(clean).key()]);
        let mut frontier = vec![Vec::new()];
        let (mut states, mut depth) = (1, 0);
        let steps = AtomicUsize::new(0);
        while !frontier.is_empty() {
            let found = Mutex::new(Vec::new());
            let seen_so_far = &seen;
            share(frontier.len(), |i| {
                let path: &Vec<Event> = &frontier[i];
                for event in play(clean, path).events(bounds) {
                    let longer = [&path[..], &[event]].concat();
                    let key = play_to_the_end(clean, &longer);
                    steps.fetch_add(1, Ordering::Relaxed);
                    if !seen_so_far.contains(&key) {
                        found.lock().unwrap().push((key, longer));
                    }
                }
            });
            let mut found = found.into_inner().unwrap();
            found.retain(|(key, _)| seen.insert(key.clone()));
            frontier = found.into_iter().map(|(_, path)| path).collect();
            states += frontier.len();
            depth += !frontier.is_empty() as usize;
        }
        let steps = steps.into_inner();
        println!("{bounds:?}, clean session {clean}: {states} states, {steps} steps from them, the farthest state {depth} events away");
        assert!(states > 1000, "{states}");
    }
}

/// How many more in flight than usual.
fn more() -> usize {
    variable("MGOS_MQTT_MODEL_MORE", 0)
}

/// Whether to leave out the larger bounds.
fn less() -> bool {
    variable("MGOS_MQTT_MODEL_LESS", 0) != 0
}

#[test]
fn in_every_state_every_event_does_what_the_specification_says() {
    let more = more();
    let all = 1 + more;
    explore(Bounds { messages: all, subscriptions: all, unsubscribing: 1, all, incoming: 2, silence: false, starved: true });
    if less() {
        return;
    }
    let all = 2 + more;
    explore(Bounds { messages: all, subscriptions: 1, unsubscribing: 1, all, incoming: 0, silence: false, starved: false });
}

/// The same with a broker that leaves any packet unanswered.
#[test]
fn in_every_state_silence_does_what_the_specification_says() {
    let all = 1 + more();
    explore(Bounds { messages: all, subscriptions: all, unsubscribing: 1, all, incoming: 0, silence: true, starved: false });
    if less() {
        return;
    }
    let all = 2 + more();
    explore(Bounds { messages: all, subscriptions: 0, unsubscribing: 0, all, incoming: 0, silence: true, starved: false });
}

#[test]
fn every_sequence_of_events_does_what_the_specification_says() {
    let depth = variable("MGOS_MQTT_MODEL_EVENTS", 3);
    let bounds = Bounds {
        messages: usize::MAX,
        subscriptions: usize::MAX,
        unsubscribing: usize::MAX,
        all: usize::MAX,
        incoming: 2,
        silence: true,
        starved: true,
    };
    let sequences = AtomicUsize::new(0);
    // From the start little can happen; with the connection up and something in flight, everything
    // can.
    let up = [Event::Connect, Event::ConnAck { session_present: false }];
    let beginnings = [
        vec![],
        up.to_vec(),
        [&up[..], &[Event::Publish(2), Event::Publish(1)]].concat(),
        [&up[..], &[Event::Message(2, 1), Event::Subscribe]].concat(),
    ];
    for clean in [false, true] {
        for beginning in &beginnings {
            let first: Vec<Vec<Event>> = extended(clean, beginning, bounds).iter().flat_map(|path| extended(clean, path, bounds)).collect();
            share(first.len(), |i| {
                let n = go_through(clean, &first[i], depth - 2, bounds);
                sequences.fetch_add(n, Ordering::Relaxed);
            });
        }
    }
    println!("{} sequences of {depth} events each, from {} beginnings", sequences.into_inner(), 2 * beginnings.len());
}

/// The sequence with each event that can follow it.
fn extended(clean: bool, path: &[Event], bounds: Bounds) -> Vec<Vec<Event>> {
    play(clean, path).events(bounds).into_iter().map(|event| [path, &[event]].concat()).collect()
}

/// All sequences that extend this one by `left` events; returns their number.
fn go_through(clean: bool, path: &[Event], left: usize, bounds: Bounds) -> usize {
    if left == 0 {
        play(clean, path);
        return 1;
    }
    extended(clean, path, bounds).iter().map(|longer| go_through(clean, longer, left - 1, bounds)).sum()
}
