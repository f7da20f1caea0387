//! When requests are to be sent: evenly spaced, whether or not earlier ones were answered.

use std::time::Duration;

/// One thread's part of the arrivals at a constant rate. The threads take turns, so that all of them together make
/// one even stream.
#[derive(Clone, Debug)]
pub struct Schedule {
    rate: f64,
    next: u64,
    threads: u64,
}

impl Schedule {
    /// Arrivals of thread number `thread` of `threads`, which together make `rate` a second.
    ///
    /// # Panics
    /// `rate` is not above 0 or `thread` is not below `threads`: the command line lets neither through.
    pub fn new(rate: f64, thread: usize, threads: usize) -> Schedule {
        assert!(rate > 0.0 && rate.is_finite() && thread < threads, "{rate} a second, thread {thread}");
        Schedule { rate, next: thread as u64, threads: threads as u64 }
    }

    /// The next arrival, counted from the beginning.
    pub fn peek(&self) -> Duration {
        Duration::from_secs_f64(self.next as f64 / self.rate)
    }

    /// Takes the next arrival if it is due by now.
    pub fn take(&mut self, now: Duration) -> Option<Duration> {
        let at = self.peek();
        (at <= now).then(|| {
            self.next += self.threads;
            at
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(mut schedule: Schedule, end: Duration) -> Vec<Duration> {
        std::iter::from_fn(|| schedule.take(end)).collect()
    }

    #[test]
    fn threads_together_make_one_even_stream() {
        let end = Duration::from_millis(999);
        let mut all: Vec<_> =
            (0..3).flat_map(|thread| until(Schedule::new(1_000.0, thread, 3), end)).collect();
        all.sort();
        assert_eq!(all.len(), 1_000);
        for (number, at) in all.iter().enumerate() {
            assert_eq!(*at, Duration::from_millis(number as u64));
        }
    }

    #[test]
    fn whoever_comes_late_finds_all_that_is_due_with_the_times_it_was_due_at() {
        let mut schedule = Schedule::new(100.0, 0, 1);
        assert_eq!(schedule.take(Duration::ZERO), Some(Duration::ZERO));
        assert_eq!(schedule.take(Duration::from_millis(9)), None);
        let late = Duration::from_millis(35);
        let found: Vec<_> = std::iter::from_fn(|| schedule.take(late)).collect();
        assert_eq!(found, [10, 20, 30].map(Duration::from_millis));
        assert_eq!(schedule.peek(), Duration::from_millis(40));
    }

    #[test]
    fn no_error_adds_up_over_an_hour_of_a_rate_that_divides_no_second() {
        let rate = 2_340.7;
        let mut schedule = Schedule::new(rate, 0, 1);
        let end = Duration::from_secs(3_600);
        let mut count = 0_u32;
        while schedule.take(end).is_some() {
            count += 1;
        }
        assert_eq!(f64::from(count), (3_600.0 * rate).floor() + 1.0);
    }
}
