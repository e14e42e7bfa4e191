//! Records which message numbers were published and received, by direction and QoS, and what went
//! wrong. Not here: which losses a phase allows (faults.rs).

use std::collections::HashSet;
use std::fmt;

use parking_lot::Mutex;

/// From the app to the peer, or back.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    Out,
    In,
}

pub const DIRECTIONS: [Direction; 2] = [Direction::Out, Direction::In];

/// The messages of one direction and QoS.
#[derive(Default)]
struct Flow {
    /// How often each number arrived.
    arrived: Vec<u8>,
    /// First number of the current phase.
    from: u32,
    /// Highest number received.
    newest: Option<u32>,
    /// Numbers that arrived after a higher one, first arrivals only.
    reordered: u32,
    /// The first of them, and the higher number before it.
    late: Option<(u32, u32)>,
}

/// Result for one direction and QoS.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Tally {
    pub sent: u32,
    pub arrived: u32,
    pub lost: u32,
    /// Arrived more than once.
    pub duplicated: u32,
    pub reordered: u32,
    /// The first reordered number, and the higher one before it.
    pub late: Option<(u32, u32)>,
}

impl Tally {
    pub fn add(&mut self, other: Tally) {
        self.sent += other.sent;
        self.arrived += other.arrived;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>8} {:>8} {:>6} {:>6} {:>6}", self.sent, self.arrived, self.lost, self.duplicated, self.reordered)
    }
}

#[derive(Default)]
struct Inner {
    flows: [[Flow; 3]; 2],
    marks: HashSet<(Direction, u8, u32)>,
    bad: Vec<String>,
    /// Number of times that the app subscribed.
    subscribed: u32,
}

/// Shared by all publishers and receivers.
#[derive(Default)]
pub struct DeliveryLog(Mutex<Inner>);

impl DeliveryLog {
    /// Records a received message.
    pub fn arrived(&self, direction: Direction, qos: u8, number: u32) {
        let mut inner = self.0.lock();
        let flow = &mut inner.flows[direction as usize][qos as usize];
        if number < flow.from && qos != 1 {
            inner.bad.push(format!("number {number} at QoS {qos} ({direction:?}) arrived after its phase was complete"));
            return;
        }
        if flow.arrived.len() <= number as usize {
            flow.arrived.resize(number as usize + 1, 0);
        }
        let times = &mut flow.arrived[number as usize];
        *times = times.saturating_add(1);
        if *times == 1 {
            if flow.newest > Some(number) {
                flow.reordered += 1;
                flow.late = flow.late.or(flow.newest.map(|newest| (number, newest)));
            }
            flow.newest = flow.newest.max(Some(number));
        }
    }

    /// Records a received marker: it has its own topic in the same order, so everything before it
    /// has arrived.
    pub fn mark(&self, direction: Direction, qos: u8, serial: u32) {
        self.0.lock().marks.insert((direction, qos, serial));
    }

    /// Whether the markers at QoS 1 and 2 have arrived in both directions.
    pub fn marked(&self, serial: u32) -> bool {
        let inner = self.0.lock();
        DIRECTIONS.iter().all(|&direction| [1, 2].iter().all(|&qos| inner.marks.contains(&(direction, qos, serial))))
    }

    /// Records a violation.
    pub fn bad(&self, what: String) {
        let mut inner = self.0.lock();
        // More would not add information.
        if inner.bad.len() < 20 {
            inner.bad.push(what);
        }
    }

    pub fn all_bad(&self) -> Vec<String> {
        self.0.lock().bad.clone()
    }

    /// The app has subscribed: messages published for it earlier may never arrive.
    pub fn subscribed(&self) {
        self.0.lock().subscribed += 1;
    }

    pub fn subscriptions(&self) -> u32 {
        self.0.lock().subscribed
    }

    /// Numbers from `from` up to, but not including, `sent` that have not arrived in this phase.
    pub fn missing(&self, direction: Direction, qos: u8, from: u32, sent: u32) -> u32 {
        self.0.lock().flows[direction as usize][qos as usize].tally(from, sent).lost
    }

    /// Ends the phase: all numbers below `sent` have been published. The next phase starts there.
    pub fn close(&self, direction: Direction, qos: u8, sent: u32) -> Tally {
        let flow = &mut self.0.lock().flows[direction as usize][qos as usize];
        let tally = flow.tally(0, sent);
        flow.from = sent;
        flow.reordered = 0;
        flow.late = None;
        tally
    }
}

impl Flow {
    /// Only numbers of this phase that are not below `from`.
    fn tally(&self, from: u32, sent: u32) -> Tally {
        let from = self.from.max(from);
        let mut tally = Tally { sent: sent.saturating_sub(from), reordered: self.reordered, late: self.late, ..Tally::default() };
        for number in from..sent {
            match self.arrived.get(number as usize).copied().unwrap_or(0) {
                0 => tally.lost += 1,
                times => {
                    tally.arrived += 1;
                    tally.duplicated += u32::from(times > 1);
                }
            }
        }
        tally
    }
}

/// The payload of a message, as in e2e/soak/apps/app/src/main.c.
pub fn message(number: u32, qos: u8) -> Vec<u8> {
    let padding = if number % 50 == 49 { 2500 } else { number.wrapping_mul(37) % 200 };
    let letter = b'a' + ((number + u32::from(qos)) % 26) as u8;
    let mut text = format!("{number} ").into_bytes();
    text.resize(text.len() + padding as usize, letter);
    text
}

/// The number of a message, if its payload is intact.
pub fn number(text: &[u8], qos: u8) -> Option<u32> {
    let digits = text.split(|&byte| byte == b' ').next()?;
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (message(number, qos) == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_duplicates_and_reordering_are_counted() {
        let delivery_log = DeliveryLog::default();
        for number in [0, 1, 4, 3, 3, 6] {
            delivery_log.arrived(Direction::Out, 2, number);
        }
        let tally = delivery_log.close(Direction::Out, 2, 7);
        assert_eq!(tally, Tally { sent: 7, arrived: 5, lost: 2, duplicated: 1, reordered: 1, late: Some((3, 4)) });
        assert_eq!(
            delivery_log.close(Direction::Out, 2, 8),
            Tally { sent: 1, arrived: 0, lost: 1, duplicated: 0, reordered: 0, late: None }
        );
        assert!(delivery_log.all_bad().is_empty());
        delivery_log.arrived(Direction::Out, 2, 5);
        assert_eq!(delivery_log.all_bad().len(), 1);
    }

    #[test]
    fn a_corrupted_message_has_no_number() {
        let mut text = message(49, 1);
        assert_eq!(number(&text, 1), Some(49));
        assert_eq!(number(&text, 2), None);
        text[100] = b'!';
        assert_eq!(number(&text, 1), None);
        assert_eq!(number(b"", 0), None);
    }
}
