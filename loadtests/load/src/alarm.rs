//! Waiting to the microsecond: tokio's own timers round up to whole milliseconds, which would be most of a quick
//! answer's latency.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Less than this away is now: setting the alarm and being woken takes as long.
const NOW: Duration = Duration::from_micros(5);

/// A timer of the kernel's (timerfd_create(2)) on the current event loop.
#[derive(Debug)]
pub struct Alarm(AsyncFd<OwnedFd>);

impl Alarm {
    /// # Errors
    /// The kernel gives no more descriptors.
    pub fn new() -> io::Result<Alarm> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        #[expect(deprecated, reason = "unsound for types that close early; an OwnedFd does not")]
        let timer = AsyncFd::with_interest(timer, Interest::READABLE)?;
        Ok(Alarm(timer))
    }

    /// Waits until `at`; lets others run at least once.
    ///
    /// # Errors
    /// The timer cannot be set or read: a bug, or no longer a timer.
    pub async fn until(&self, at: Instant) -> io::Result<()> {
        let left = at.saturating_duration_since(Instant::now());
        if left < NOW {
            tokio::task::yield_now().await;
            return Ok(());
        }
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        let once = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        let timer = Itimerspec { it_interval: never, it_value: once };
        timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &timer)?;
        let mut ready = self.0.readable().await?;
        let mut expirations = [0; 8];
        match rustix::io::read(self.0.get_ref(), &mut expirations) {
            Ok(_) | Err(rustix::io::Errno::AGAIN) => ready.clear_ready(),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_rings_at_its_time_and_never_before() {
        let alarm = Alarm::new().unwrap();
        for micros in [0, 3, 200, 1_700] {
            let at = Instant::now() + Duration::from_micros(micros);
            alarm.until(at).await.unwrap();
            assert!(Instant::now() + NOW >= at, "{micros} us");
        }
    }
}
