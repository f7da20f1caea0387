//! The first half of a reload: the binary on disk says whether it runs and what it makes of the configuration.
//! Nothing of the running server has changed by then.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Stdio};

use command_fds::{CommandFdExt, FdMapping};
use veritable_config::Config;

use crate::binary::Binary;
use crate::boot;
use crate::spawn;
use crate::supervisor::Millis;

/// A check under way.
pub(crate) struct Check {
    process: Child,
    binary: Binary,
    deadline: Millis,
    is_late: bool,
}

impl Check {
    /// Starts `check-config` with the flags the server was started with.
    ///
    /// # Errors
    /// The binary on disk cannot be run.
    pub(crate) fn start(exe: &Path, flags: &[OsString], deadline: Millis) -> Result<Check, String> {
        let fail = |error| format!("running {}: {error}", exe.display());
        let binary = Binary::open(exe).map_err(fail)?;
        let process = spawn::command(&binary)
            .args(["check-config", "--effective"])
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(fail)?;
        Ok(Check { process, binary, deadline, is_late: false })
    }

    /// Starts a check of whether the binary on disk understands a handoff.
    ///
    /// # Errors
    /// It cannot be run.
    pub(crate) fn of_handoff(exe: &Path, record: OwnedFd, deadline: Millis) -> Result<Check, String> {
        let fail = |error: &dyn std::fmt::Display| format!("running {}: {error}", exe.display());
        let binary = Binary::open(exe).map_err(|error| fail(&error))?;
        let process = spawn::command(&binary)
            .arg("role-check-handoff")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .fd_mappings(vec![FdMapping { parent_fd: record, child_fd: boot::RECORD }])
            .map_err(|error| fail(&error))?
            .spawn()
            .map_err(|error| fail(&error))?;
        Ok(Check { process, binary, deadline, is_late: false })
    }

    /// When to look at it again, whatever happens.
    pub(crate) fn deadline(&self) -> Option<Millis> {
        (!self.is_late).then_some(self.deadline)
    }

    /// Kills it if it takes too long; its end is then noticed like any other.
    pub(crate) fn tick(&mut self, now: Millis) {
        if now >= self.deadline && !self.is_late {
            self.is_late = true;
            if let Err(error) = self.process.kill() {
                tracing::warn!(%error, "the check of the configuration cannot be killed");
            }
        }
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }

    /// The settings that are to hold, and the program that said so.
    ///
    /// # Errors
    /// What is wrong with them, as the binary on disk says it.
    pub(crate) fn finish(self) -> Result<(Config, Binary), String> {
        let (said, binary) = self.said()?;
        let config = serde_json::from_slice(&said)
            .map_err(|error| format!("the binary on disk has settings this master does not know: {error}"))?;
        Ok((config, binary))
    }

    /// What the binary on disk said, and the binary.
    ///
    /// # Errors
    /// It failed; its own words.
    pub(crate) fn said(self) -> Result<(Vec<u8>, Binary), String> {
        if self.is_late {
            return Err("the check by the binary on disk did not end in time".into());
        }
        // What it says fits into its pipes, so it has never waited for a reader.
        let output = self.process.wait_with_output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.trim().trim_start_matches("veritable: ");
            return Err(if said.is_empty() { output.status.to_string() } else { said.replace('\n', "; ") });
        }
        Ok((output.stdout, self.binary))
    }
}

/// What of the settings cannot change while the server runs.
///
/// # Errors
/// Names the first key that has changed.
pub(crate) fn compatible(old: &Config, new: &Config) -> Result<(), String> {
    let changed = [
        ("data_dir", old.data_dir != new.data_dir),
        ("runtime_dir", old.runtime_dir != new.runtime_dir),
        ("cache.bytes", old.cache.bytes != new.cache.bytes),
        ("cache.entries", old.cache.entries != new.cache.entries),
        ("cache.value_share", old.cache.value_share != new.cache.value_share),
        ("cache.huge_pages", old.cache.huge_pages != new.cache.huge_pages),
    ];
    match changed.iter().find(|(_, changed)| *changed) {
        Some((key, _)) => Err(format!("{key} has changed, which needs a restart")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_a_restart_is_named() {
        let old = Config::default();
        assert_eq!(compatible(&old, &Config { workers: 9, ..old.clone() }), Ok(()));
        assert_eq!(compatible(&old, &Config { listen: vec!["127.0.0.1:1".into()], ..old.clone() }), Ok(()));
        let moved = Config { data_dir: "/elsewhere".into(), ..old.clone() };
        assert!(compatible(&old, &moved).unwrap_err().contains("data_dir"));
        let mut larger = old.clone();
        larger.cache.bytes *= 2;
        assert!(compatible(&old, &larger).unwrap_err().contains("cache.bytes"));
    }
}
