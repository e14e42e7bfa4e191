//! The other end: a client connected directly to the broker that publishes numbered messages for
//! the app and counts the app's messages. Its session outlives broker crashes. Independent of the
//! library under test: packet.rs encodes the few packets that it needs.

use std::collections::{HashSet, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

use super::delivery_log::{self, DeliveryLog, Direction};
use super::packet::{self, Packet};

/// Between two messages of each QoS.
const INTERVAL: Duration = Duration::from_millis(20);

/// Unacknowledged messages: fewer than the 20 that mosquitto accepts.
const AHEAD: usize = 16;

/// Limit per QoS of messages published but not yet received by the app: beyond its
/// max_inflight_messages the broker may reorder them.
const BEHIND: u32 = 32;

/// What the peer is to do, and what it has done.
#[derive(Clone, Copy, Default)]
pub struct State {
    stopped: bool,
    pub publishing: bool,
    /// The broker drops queued messages for the app when the app disconnects.
    pub forgets: bool,
    /// Connected, and subscribed if the session was new.
    pub ready: bool,
    /// Ready, and nothing is in flight in either direction.
    pub settled: bool,
    /// The next message number, by QoS.
    pub next: [u32; 3],
    /// Ping round trips to go, one after another.
    pub pings: u32,
    /// A marker to publish at QoS 1 and 2, after everything published so far.
    pub mark: Option<u32>,
    /// Sessions lost by the broker.
    pub lost: u32,
}

/// Stops on drop.
pub struct Peer(Arc<Mutex<State>>);

impl Peer {
    pub fn start(broker: SocketAddr, delivery_log: Arc<DeliveryLog>) -> Peer {
        let state = Arc::new(Mutex::default());
        let mut client = Client {
            state: Arc::clone(&state),
            delivery_log,
            out: VecDeque::new(),
            open: HashSet::new(),
            last_id: 0,
            last_published: Instant::now(),
            pinged: false,
            subscriptions: 0,
            from: [0; 3],
        };
        thread::spawn(move || client.live(broker));
        Peer(state)
    }

    pub fn state(&self) -> State {
        *self.change()
    }

    /// Access to the state, for a moment.
    pub fn change(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.change().stopped = true;
    }
}

/// A message that the broker has not acknowledged.
struct Unacknowledged {
    id: u16,
    qos: u8,
    text: Vec<u8>,
    /// PUBREC was received.
    released: bool,
}

struct Client {
    state: Arc<Mutex<State>>,
    delivery_log: Arc<DeliveryLog>,
    out: VecDeque<Unacknowledged>,
    /// QoS 2 messages received and not released.
    open: HashSet<u16>,
    last_id: u16,
    last_published: Instant,
    /// A ping awaits its response.
    pinged: bool,
    /// Number of subscriptions of the app seen last,
    subscriptions: u32,
    /// and the next numbers at that time, by QoS. Without a persistent session, earlier ones are
    /// not waited for.
    from: [u32; 3],
}

impl Client {
    fn live(&mut self, broker: SocketAddr) {
        while !self.state.lock().stopped {
            if let Ok(stream) = TcpStream::connect(broker) {
                // Reconnect, however it ended.
                let _ = self.connection(stream);
            }
            let mut state = self.state.lock();
            (state.ready, state.settled) = (false, false);
            drop(state);
            thread::sleep(Duration::from_millis(30));
        }
    }

    fn connection(&mut self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_millis(2)))?;
        stream.write_all(&packet::connect("peer"))?;
        self.pinged = false;
        let (mut received, mut buffer) = (Vec::new(), [0; 16384]);
        while !self.state.lock().stopped {
            match stream.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(n) => received.extend_from_slice(&buffer[..n]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
                Err(e) => return Err(e),
            }
            let mut answers = Vec::new();
            let mut taken = 0;
            while let Some((packet, len)) = packet::take(&received[taken..]) {
                self.receive(packet, &mut answers);
                taken += len;
            }
            received.drain(..taken);
            let ready = self.state.lock().ready;
            if ready {
                self.publish(&mut answers);
            }
            stream.write_all(&answers)?;
            self.state.lock().settled = ready && self.out.is_empty() && self.open.is_empty();
        }
        Ok(())
    }

    fn receive(&mut self, packet: Packet, answers: &mut Vec<u8>) {
        match packet {
            Packet::ConnAck { code, session_present } => {
                if code != 0 {
                    return self.delivery_log.bad(format!("the broker refused the peer: {code}"));
                }
                self.resume(session_present, answers);
            }
            Packet::SubAck => self.state.lock().ready = true,
            Packet::PingResp => {
                self.pinged = false;
                self.state.lock().pings -= 1;
            }
            Packet::Publish { qos, topic, id, text } => {
                match qos {
                    1 => answers.extend(packet::ack(packet::PUBACK, id)),
                    2 => answers.extend(packet::ack(packet::PUBREC, id)),
                    _ => {}
                }
                if qos < 2 || self.open.insert(id) {
                    self.take(qos, &topic, &text);
                }
            }
            Packet::Ack(packet::PUBREL, id) => {
                self.open.remove(&id);
                answers.extend(packet::ack(packet::PUBCOMP, id));
            }
            Packet::Ack(packet::PUBREC, id) => {
                for message in self.out.iter_mut().filter(|message| message.id == id) {
                    message.released = true;
                    message.text.clear();
                }
                answers.extend(packet::ack(packet::PUBREL, id));
            }
            Packet::Ack(_, id) => self.out.retain(|message| message.id != id),
            Packet::Other(kind) => self.delivery_log.bad(format!("the broker sent the peer a packet of type {kind}")),
        }
    }

    /// On CONNACK, resumes where the last connection ended.
    fn resume(&mut self, session_present: bool, answers: &mut Vec<u8>) {
        if session_present {
            for message in &self.out {
                if message.released {
                    answers.extend(packet::ack(packet::PUBREL, message.id));
                } else {
                    answers.extend(packet::publish(&topic(message.qos), message.qos, message.id, true, &message.text));
                }
            }
            self.state.lock().ready = true;
            return;
        }
        self.state.lock().lost += 1;
        self.open.clear();
        self.out.retain(|message| !message.released);
        for message in &self.out {
            answers.extend(packet::publish(&topic(message.qos), message.qos, message.id, false, &message.text));
        }
        answers.extend(packet::subscribe("soak/out/+"));
    }

    /// Handles a message from the app.
    fn take(&self, qos: u8, topic: &str, text: &[u8]) {
        let delivery_log = &self.delivery_log;
        let mark = std::str::from_utf8(text).ok().and_then(|text| text.strip_prefix("mark ")?.parse().ok());
        let number = delivery_log::number(text, qos);
        match (mark, number) {
            (Some(serial), _) => delivery_log.mark(Direction::Out, qos, serial),
            (None, Some(number)) if topic == format!("soak/out/{qos}") => delivery_log.arrived(Direction::Out, qos, number),
            _ => delivery_log.bad(format!("a message on {topic} at QoS {qos} was altered, {} bytes", text.len())),
        }
    }

    fn publish(&mut self, answers: &mut Vec<u8>) {
        let mut state = *self.state.lock();
        if !self.pinged && state.pings > 0 {
            self.pinged = true;
            answers.extend(packet::PINGREQ);
        }
        let mark = self.state.lock().mark.take();
        if let Some(serial) = mark {
            for qos in [1, 2] {
                self.send(qos, format!("mark {serial}").into_bytes(), answers);
            }
        }
        if !state.publishing || self.last_published.elapsed() < INTERVAL || self.out.len() >= AHEAD {
            return;
        }
        self.last_published = Instant::now();
        let subscriptions = self.delivery_log.subscriptions();
        if subscriptions != self.subscriptions && state.forgets {
            self.subscriptions = subscriptions;
            self.from = state.next;
        }
        for (qos, (next, from)) in (0..).zip(state.next.iter_mut().zip(self.from)) {
            // QoS 0 is never queued.
            if qos > 0 && self.delivery_log.missing(Direction::In, qos, from, *next) > BEHIND {
                continue;
            }
            self.send(qos, delivery_log::message(*next, qos), answers);
            *next += 1;
        }
        self.state.lock().next = state.next;
    }

    fn send(&mut self, qos: u8, text: Vec<u8>, answers: &mut Vec<u8>) {
        if qos == 0 {
            return answers.extend(packet::publish(&topic(qos), qos, 0, false, &text));
        }
        loop {
            self.last_id = self.last_id.wrapping_add(1);
            if self.last_id != 0 && self.out.iter().all(|message| message.id != self.last_id) {
                break;
            }
        }
        answers.extend(packet::publish(&topic(qos), qos, self.last_id, false, &text));
        self.out.push_back(Unacknowledged { id: self.last_id, qos, text, released: false });
    }
}

fn topic(qos: u8) -> String {
    format!("soak/in/{qos}")
}
