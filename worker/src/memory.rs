//! How much memory this process has of its own. What it shares, the cache above all, does not count: a full
//! cache is no reason to replace a worker.

use std::sync::OnceLock;

use tikv_jemalloc_ctl::{epoch, stats};

/// Bytes the allocator has given out and not got back; 0 when the process runs on another allocator.
pub(crate) fn heap_bytes() -> u64 {
    // Its figures are those of the last epoch.
    let allocated = epoch::advance().and_then(|_| stats::allocated::read());
    allocated.map_or(0, |bytes| bytes as u64)
}

/// Bytes resident that are neither of a file nor shared (`RssAnon` of proc(5)): what freed memory that was
/// not returned still takes is in here as well. 0 without a procfs.
pub(crate) fn anon_bytes() -> u64 {
    // Fields of statm: size, resident, shared, in pages.
    let Ok(statm) = std::fs::read_to_string("/proc/self/statm") else { return 0 };
    let mut pages = statm.split(' ').skip(1).map(|field| field.parse::<u64>().unwrap_or(0));
    let (resident, shared) = (pages.next().unwrap_or(0), pages.next().unwrap_or(0));
    resident.saturating_sub(shared) * page_bytes()
}

fn page_bytes() -> u64 {
    static BYTES: OnceLock<u64> = OnceLock::new();
    *BYTES.get_or_init(|| {
        let asked = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE);
        asked.ok().flatten().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(4_096)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_touched_is_seen() {
        const BYTES: usize = 64 << 20;
        let before = anon_bytes();
        let touched = vec![1u8; BYTES];
        let grown = anon_bytes() - before;
        assert!(grown as usize > BYTES / 2, "{grown}");
        drop(touched);
    }
}
