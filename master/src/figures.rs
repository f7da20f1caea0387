//! What each process says of itself in the shared segment, for those who may not look at it from outside: the
//! sandbox keeps a worker from every process but itself. Memory and processor time once a second; what costs the
//! kernel more to say (PSS, descriptors, threads) every ten.

use std::fs;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use nix::unistd::{SysconfVar, sysconf};
use tikv_jemalloc_ctl::{epoch, stats};
use veritable_domain::time::UnixMillis;
use veritable_shm::{Gauge, Owner, Scoreboard};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// Between two looks at what costs more.
const THOROUGH: Duration = Duration::from_secs(10);

/// One process's looks at itself.
pub(crate) struct Figures {
    board: Scoreboard,
    owner: Owner,
    page_bytes: u64,
    thorough: Option<Instant>,
}

impl Figures {
    /// Of the process that has this slot.
    pub(crate) fn of(board: Scoreboard, owner: Owner) -> Figures {
        let page_bytes = sysconf(SysconfVar::PAGE_SIZE).ok().flatten().unwrap_or(4_096);
        let now = u64::try_from(UnixMillis::now().0).unwrap_or_default();
        board.set_gauge(owner, Gauge::StartedAt, now);
        Figures { board, owner, page_bytes: u64::try_from(page_bytes).unwrap_or(4_096), thorough: None }
    }

    /// Looks at itself from a thread of its own for as long as the process lives.
    pub(crate) fn start(mut self) -> std::io::Result<()> {
        std::thread::Builder::new().name("figures".into()).spawn(move || {
            loop {
                self.look();
                std::thread::sleep(EVERY);
            }
        })?;
        Ok(())
    }

    /// Looks once. What cannot be learnt (no procfs) stays 0, which stands for unknown.
    pub(crate) fn look(&mut self) {
        let show = |gauge, value| self.board.set_gauge(self.owner, gauge, value);
        if let Ok(used) = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID) {
            show(Gauge::CpuMs, u64::try_from(Duration::from(used).as_millis()).unwrap_or_default());
        }
        if let Some((resident, shared)) = resident_pages() {
            show(Gauge::ResidentBytes, resident * self.page_bytes);
            let heap = epoch::advance().and_then(|_| stats::allocated::read()).unwrap_or_default();
            self.board.set_memory(self.owner, heap as u64, resident.saturating_sub(shared) * self.page_bytes);
        }
        if self.thorough.is_none_or(|at| at.elapsed() >= THOROUGH) {
            self.thorough = Some(Instant::now());
            show(Gauge::ProportionalBytes, proportional_bytes().unwrap_or_default());
            show(Gauge::Descriptors, entries("/proc/self/fd"));
            show(Gauge::Threads, entries("/proc/self/task"));
        }
    }
}

/// Pages resident, and those of them that are shared: the second and third field of statm (proc(5)).
fn resident_pages() -> Option<(u64, u64)> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let mut pages = statm.split(' ').skip(1).map(|field| field.parse().ok());
    Some((pages.next()??, pages.next()??))
}

/// `Pss` of smaps_rollup (proc(5)), which is there since Linux 4.14.
fn proportional_bytes() -> Option<u64> {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup").ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1_024)
}

fn entries(directory: &str) -> u64 {
    fs::read_dir(directory).map_or(0, |entries| entries.count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use veritable_shm::{Geometry, Segment};

    #[test]
    fn a_process_says_how_large_it_is() {
        let (_fd, segment) = Segment::create(&Geometry::default()).unwrap();
        let board = Scoreboard::of(&segment);
        let owner = board.enlist(2, 1, 0).unwrap();
        Figures::of(board.clone(), owner).look();
        let at = |gauge| board.gauge(2, gauge);
        let of_gauges = [Gauge::ResidentBytes, Gauge::ProportionalBytes, Gauge::Descriptors, Gauge::Threads];
        for gauge in of_gauges.into_iter().chain([Gauge::StartedAt]) {
            assert!(at(gauge) > 0, "{gauge:?}");
        }
        assert!(at(Gauge::ProportionalBytes) <= at(Gauge::ResidentBytes));
        assert!(board.status(2).unwrap().anon_bytes > 0);
        assert!(board.status(2).unwrap().heap_bytes > 0, "the allocator is jemalloc");
    }
}
