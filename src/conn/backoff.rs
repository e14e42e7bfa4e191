//! Exponential backoff between connection attempts: starts at the minimum, doubles up to the
//! maximum, and varies each delay by 10 % so that a thousand devices do not reconnect at the same
//! moment.

/// The configured range of delays, in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BackoffRange {
    /// `reconnect_timeout_min`.
    pub min: u32,
    /// `reconnect_timeout_max`.
    pub max: u32,
}

/// The last delay in milliseconds, without its random part; 0 before the first.
pub struct Backoff {
    last: u32,
}

impl Backoff {
    /// The next delay is the minimum.
    pub const NEW: Self = Backoff { last: 0 };

    /// Starts over from the minimum.
    pub fn reset(&mut self) {
        self.last = 0;
    }

    /// Makes the next delay half of the last one, but not less than the minimum.
    pub fn halve(&mut self) {
        // `next` doubles it.
        self.last /= 4;
    }

    /// Returns true if the last delay was the maximum.
    pub fn exhausted(&self, range: BackoffRange) -> bool {
        self.last > 0 && self.last >= range.max
    }

    /// Returns the next delay in milliseconds. `random` is uniform over 32 bits.
    pub fn next(&mut self, BackoffRange { min, max }: BackoffRange, random: u32) -> u32 {
        // 0 would be a busy loop; much more than 2^30 ms (12 days) would look like a past deadline.
        let min = min.max(1);
        self.last = if self.last == 0 { min } else { self.last.saturating_mul(2).max(min) }.min(max.clamp(1, 1 << 30));
        let tenth = self.last / 10;
        let spread = (2 * tenth as u64 * random as u64) >> 32;
        self.last - tenth + spread as u32
    }
}

#[cfg(test)]
mod tests {
    use super::{Backoff, BackoffRange};

    fn first(waits: BackoffRange, random: u32) -> u32 {
        let mut backoff = Backoff::NEW;
        backoff.next(waits, random)
    }

    #[test]
    fn waits_double_from_shortest_to_longest_and_stay_there() {
        let mut b = Backoff::NEW;
        let waits = BackoffRange { min: 2000, max: 60_000 };
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
        let (waits, middle) = (BackoffRange { min: 2000, max: 60_000 }, 1 << 31);
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
    fn before_the_first_wait_it_is_not_exhausted_even_if_all_waits_are_0() {
        let mut b = Backoff::NEW;
        let waits = BackoffRange { min: 0, max: 0 };
        assert!(!b.exhausted(waits));
        b.next(waits, 0);
        assert!(b.exhausted(waits));
    }

    #[test]
    fn each_wait_varies_by_a_tenth() {
        let waits = BackoffRange { min: 1000, max: 1000 };
        assert_eq!(first(waits, 0), 900);
        assert!((1099..=1100).contains(&first(waits, u32::MAX)));
    }

    #[test]
    fn odd_configurations_still_wait() {
        assert_eq!(first(BackoffRange { min: 0, max: 0 }, 0), 1);
        assert_eq!(first(BackoffRange { min: 5, max: 3 }, 0), 3);
        let mut b = Backoff { last: u32::MAX };
        let longest = b.next(BackoffRange { min: u32::MAX, max: u32::MAX }, u32::MAX);
        assert!(longest < 1 << 31 && longest > 1 << 30, "{longest}");
    }
}
