//! How long to wait between attempts: the shortest wait first, doubled each time, up to the longest, each varied by a tenth so that
//! a thousand devices do not come back in the same moment.

/// The two ends, milliseconds, as the configuration has them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Waits {
    /// `reconnect_timeout_min`.
    pub min: u32,
    /// `reconnect_timeout_max`.
    pub max: u32,
}

/// The wait before last; 0 when the next is to be the first.
pub struct Backoff {
    last: u32,
}

impl Backoff {
    /// The next wait is the first.
    pub const NEW: Self = Backoff { last: 0 };

    /// Start over.
    pub fn reset(&mut self) {
        self.last = 0;
    }

    /// The next wait is half of the last, or the first.
    pub fn halve(&mut self) {
        // It is doubled before it is used.
        self.last /= 4;
    }

    /// True if the longest wait has been waited.
    pub fn exhausted(&self, waits: Waits) -> bool {
        self.last > 0 && self.last >= waits.max
    }

    /// The next wait. `random` is uniform over 32 bits.
    pub fn next(&mut self, Waits { min, max }: Waits, random: u32) -> u32 {
        // A wait of nothing would be a busy loop; one of more than twelve days could not be told from one that is over.
        let shortest = min.max(1);
        self.last = if self.last == 0 { shortest } else { self.last.saturating_mul(2).max(shortest) }.min(max.clamp(1, 1 << 30));
        let tenth = self.last / 10;
        let spread = (2 * tenth as u64 * random as u64) >> 32;
        self.last - tenth + spread as u32
    }
}

#[cfg(test)]
mod tests {
    use super::{Backoff, Waits};

    fn first(waits: Waits, random: u32) -> u32 {
        let mut backoff = Backoff::NEW;
        backoff.next(waits, random)
    }

    #[test]
    fn waits_double_from_shortest_to_longest_and_stay_there() {
        let mut b = Backoff::NEW;
        let waits = Waits { min: 2000, max: 60_000 };
        let middle = 1 << 31;
        for expected in [2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000] {
            assert!(!b.exhausted(waits) || expected == 60_000);
            assert_eq!(b.next(waits, middle), expected);
        }
        assert!(b.exhausted(waits));
        b.reset();
        assert!(!b.exhausted(waits));
        assert_eq!(b.next(waits, middle), 2000);
    }

    #[test]
    fn a_wait_that_is_halved_is_never_shorter_than_the_first() {
        let mut b = Backoff::NEW;
        let (waits, middle) = (Waits { min: 2000, max: 60_000 }, 1 << 31);
        for _ in 0..4 {
            b.next(waits, middle);
        }
        let halved: [u32; 4] = core::array::from_fn(|_| {
            b.halve();
            b.next(waits, middle)
        });
        assert_eq!(halved, [8000, 4000, 2000, 2000]);
    }

    #[test]
    fn before_the_first_wait_the_longest_has_not_been_waited_however_short_it_is() {
        let mut b = Backoff::NEW;
        let waits = Waits { min: 0, max: 0 };
        assert!(!b.exhausted(waits));
        b.next(waits, 0);
        assert!(b.exhausted(waits));
    }

    #[test]
    fn each_wait_varies_by_a_tenth() {
        let waits = Waits { min: 1000, max: 1000 };
        assert_eq!(first(waits, 0), 900);
        assert!((1099..=1100).contains(&first(waits, u32::MAX)));
    }

    #[test]
    fn odd_configurations_still_wait() {
        assert_eq!(first(Waits { min: 0, max: 0 }, 0), 1);
        assert_eq!(first(Waits { min: 5, max: 3 }, 0), 3);
        let mut b = Backoff { last: u32::MAX };
        let longest = b.next(Waits { min: u32::MAX, max: u32::MAX }, u32::MAX);
        assert!(longest < 1 << 31 && longest > 1 << 30, "{longest}");
    }
}
