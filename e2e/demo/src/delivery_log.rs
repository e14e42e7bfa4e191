//! Records what was published, and how often it arrived from which broker.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::broker::Role;

/// Published and received readings, by sequence number.
#[derive(Debug, Default)]
pub struct DeliveryLog {
    published: BTreeMap<u32, Published>,
    /// How often each was received from the primary and from the backup.
    arrived: BTreeMap<u32, [u32; 2]>,
}

#[derive(Clone, Copy, Debug)]
struct Published {
    qos: usize,
    dropped: bool,
}

/// One line of the summary.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub published: usize,
    /// Distinct readings.
    pub arrived: usize,
    /// Published, never received.
    pub lost: usize,
    /// Received more than once from the same broker.
    pub duplicated: usize,
    /// Received from both brokers.
    pub both: usize,
}

impl DeliveryLog {
    pub fn publish(&mut self, seq: u32, qos: usize, dropped: bool) {
        self.published.insert(seq, Published { qos, dropped });
    }

    pub fn arrive(&mut self, from: Role, seq: u32) {
        self.arrived.entry(seq).or_default()[from as usize] += 1;
    }

    pub fn published(&self) -> usize {
        self.published.len()
    }

    pub fn arrived(&self) -> usize {
        self.arrived.len()
    }

    pub fn arrived_from(&self, from: Role) -> usize {
        self.arrived.values().filter(|times| times[from as usize] > 0).count()
    }

    /// Readings that the app dropped itself.
    pub fn dropped(&self, qos: usize) -> usize {
        self.published.values().filter(|p| p.qos == qos && p.dropped).count()
    }

    /// Published at this QoS or higher, and not received.
    pub fn outstanding(&self, least_qos: usize) -> Vec<u32> {
        let missing = |seq: &u32| !self.arrived.contains_key(seq);
        self.published.iter().filter(|(seq, p)| p.qos >= least_qos && missing(seq)).map(|(seq, _)| *seq).collect()
    }

    /// Received without a matching log line: the log is incomplete.
    pub fn unexplained(&self) -> Vec<u32> {
        self.arrived.keys().filter(|seq| !self.published.contains_key(seq)).copied().collect()
    }

    pub fn count(&self, qos: usize) -> Count {
        let mut count = Count::default();
        for (seq, _) in self.published.iter().filter(|(_, p)| p.qos == qos) {
            let [primary, backup] = self.arrived.get(seq).copied().unwrap_or_default();
            count.published += 1;
            count.arrived += usize::from(primary + backup > 0);
            count.lost += usize::from(primary + backup == 0);
            count.duplicated += usize::from(primary > 1 || backup > 1);
            count.both += usize::from(primary > 0 && backup > 0);
        }
        count
    }

    /// Violations of the demo's guarantees; empty if there are none.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for qos in [1, 2] {
            let count = self.count(qos);
            if count.lost > 0 {
                faults.push(format!("{} lost at QoS {qos}", count.lost));
            }
            if qos == 2 && count.duplicated > 0 {
                faults.push(format!("{} duplicated at QoS 2", count.duplicated));
            }
        }
        let unexplained = self.unexplained();
        if !unexplained.is_empty() {
            faults.push(format!("readings {unexplained:?} arrived but are not in the app's log"));
        }
        faults
    }

    pub fn table(&self) -> String {
        let mut out = String::from("           published   arrived      lost      dup   on both\n");
        for qos in 0..3 {
            let c = self.count(qos);
            let _ = writeln!(out, "  QoS {qos}   {:9} {:9} {:9} {:9} {:9}", c.published, c.arrived, c.lost, c.duplicated, c.both);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use Role::{Backup, Primary};

    use super::*;

    fn delivery_log() -> DeliveryLog {
        let mut delivery_log = DeliveryLog::default();
        for seq in 0..9 {
            delivery_log.publish(seq, seq as usize % 3, seq == 6);
        }
        delivery_log
    }

    #[test]
    fn a_reading_from_each_broker_is_not_a_duplicate() {
        let mut delivery_log = delivery_log();
        for seq in [1, 2, 4, 5, 7, 8] {
            delivery_log.arrive(Primary, seq);
        }
        delivery_log.arrive(Backup, 8);
        assert_eq!(delivery_log.count(2), Count { published: 3, arrived: 3, lost: 0, duplicated: 0, both: 1 });
        assert_eq!(delivery_log.faults(), [""; 0]);
    }

    #[test]
    fn losses_and_duplicates_are_faults_where_the_qos_forbids_them() {
        let mut delivery_log = delivery_log();
        for (from, seq) in [(Primary, 1), (Primary, 1), (Primary, 2), (Backup, 4), (Backup, 5), (Backup, 5)] {
            delivery_log.arrive(from, seq);
        }
        assert_eq!(delivery_log.count(0), Count { published: 3, lost: 3, ..Count::default() });
        assert_eq!(delivery_log.count(1), Count { published: 3, arrived: 2, lost: 1, duplicated: 1, both: 0 });
        assert_eq!(delivery_log.outstanding(1), [7, 8]);
        assert_eq!(delivery_log.dropped(0), 1);
        assert_eq!(delivery_log.faults(), ["1 lost at QoS 1", "1 lost at QoS 2", "1 duplicated at QoS 2"]);
    }

    #[test]
    fn a_reading_that_was_never_published_is_a_fault() {
        let mut delivery_log = DeliveryLog::default();
        delivery_log.arrive(Primary, 3);
        assert_eq!(delivery_log.faults(), ["readings [3] arrived but are not in the app's log"]);
    }
}
