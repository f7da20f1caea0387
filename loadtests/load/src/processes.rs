//! What the processes of a server take, from `/proc` (proc(5)).

use procfs::process::Process;
use serde::Serialize;

/// One process at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sample {
    /// Its pid.
    pub pid: i32,
    /// `master`, `writer`, `worker 0`, or what else it calls itself.
    pub role: String,
    /// Processor time since its start, user and system, in seconds; in steps of the kernel's clock (10 ms).
    pub cpu_seconds: f64,
    /// Proportional set size in bytes, if it may be read: memory shared by n processes counts 1/n.
    pub pss_bytes: u64,
    /// Of that, shared memory: for Veritable the cache.
    pub shared_bytes: u64,
    /// Of that, memory of its own (anonymous): what a leak makes grow. The rest are files, such as the program and
    /// what was read of the databases, which the system takes back when it needs to.
    pub own_bytes: u64,
}

/// The process and everything below it, in order of role. One that ends meanwhile is left out.
pub fn tree(pid: i32) -> Vec<Sample> {
    let mut pids = vec![pid];
    let mut at = 0;
    while let Some(&pid) = pids.get(at) {
        let tasks = Process::new(pid).and_then(|process| process.tasks());
        for task in tasks.into_iter().flatten().flatten() {
            pids.extend(
                task.children().unwrap_or_default().into_iter().filter_map(|pid| i32::try_from(pid).ok()),
            );
        }
        at += 1;
    }
    let has_children = pids.len() > 1;
    let mut samples: Vec<Sample> =
        pids.iter().filter_map(|&one| sample(one, has_children && one == pid)).collect();
    samples.sort_by(|a, b| (&a.role, a.pid).cmp(&(&b.role, b.pid)));
    samples
}

fn sample(pid: i32, is_master: bool) -> Option<Sample> {
    let process = Process::new(pid).ok()?;
    let stat = process.stat().ok()?;
    let ticks = (stat.utime + stat.stime) as f64;
    let memory = |name: &str| -> u64 {
        let maps = process.smaps_rollup().map(|rollup| rollup.memory_map_rollup);
        maps.into_iter().flatten().filter_map(|map| map.extension.map.get(name).copied()).sum()
    };
    let title = process.cmdline().ok()?.into_iter().next().unwrap_or_default();
    Some(Sample {
        pid,
        role: role(&title, &stat.comm, is_master),
        cpu_seconds: ticks / procfs::ticks_per_second() as f64,
        pss_bytes: memory("Pss"),
        shared_bytes: memory("Pss_Shmem"),
        own_bytes: memory("Pss_Anon"),
    })
}

/// Servers name their processes in their titles, as `veritable: worker 0` and `nginx: worker process` do.
fn role(title: &str, command: &str, is_master: bool) -> String {
    match title.split_once(": ") {
        // What follows the role is nginx's command.
        Some((_, role)) => role.split(" process").next().unwrap_or(role).to_owned(),
        None if is_master => "master".to_owned(),
        None => command.to_owned(),
    }
}

/// Processor seconds that all processes of `after` took since `before`, together; one that came meanwhile counts from its
/// start, and one that went not at all.
pub fn cpu_between(before: &[Sample], after: &[Sample]) -> f64 {
    let of = |sample: &Sample| {
        let earlier = before.iter().find(|earlier| earlier.pid == sample.pid);
        sample.cpu_seconds - earlier.map_or(0.0, |earlier| earlier.cpu_seconds)
    };
    after.iter().map(of).sum()
}

/// Processor time of this program, in seconds.
pub fn own_cpu_seconds() -> f64 {
    use nix::sys::resource::{UsageWho, getrusage};
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    getrusage(UsageWho::RUSAGE_SELF)
        .map_or(0.0, |usage| seconds(usage.user_time()) + seconds(usage.system_time()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_found_with_its_child() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(std::process::id()).unwrap();
        let found = tree(pid);
        child.kill().unwrap();
        child.wait().unwrap();
        let me = found.iter().find(|sample| sample.pid == pid).unwrap();
        assert_eq!(me.role, "master");
        assert!(me.pss_bytes > 100_000 && me.own_bytes + me.shared_bytes <= me.pss_bytes, "{me:?}");
        let child = found.iter().find(|sample| sample.pid == child.id().cast_signed()).unwrap();
        assert_eq!(child.role, "sleep");
        assert!(tree(i32::MAX).is_empty(), "one that is not there has no figures");
    }

    #[test]
    fn roles_are_what_titles_say() {
        assert_eq!(role("veritable: worker 0", "vt-worker-0", false), "worker 0");
        assert_eq!(role("nginx: master process nginx -c x", "nginx", true), "master");
        assert_eq!(role("target/release/veritable", "veritable", true), "master");
        assert_eq!(role("peer-axum", "peer-axum", false), "peer-axum");
    }

    #[test]
    fn a_process_that_came_meanwhile_counts_from_its_start_and_one_that_went_not_at_all() {
        let sample = |pid, cpu_seconds| Sample {
            pid,
            role: "worker".into(),
            cpu_seconds,
            pss_bytes: 0,
            shared_bytes: 0,
            own_bytes: 0,
        };
        let before = [sample(1, 5.0), sample(2, 7.0)];
        let after = [sample(1, 6.5), sample(3, 0.25)];
        assert!((cpu_between(&before, &after) - 1.75).abs() < 1e-9);
    }
}
