//! A child's process, by its pid: it can be handed on to the next image of this master, which a
//! `std::process::Child` cannot. The pid stays the child's own until it is reaped here.

use std::io;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// One child that was not reaped yet.
#[derive(Debug)]
pub(crate) struct Process(Pid);

impl Process {
    /// A child of this process.
    pub(crate) fn new(pid: u32) -> Process {
        Process(Pid::from_raw(pid.cast_signed()))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.as_raw().cast_unsigned()
    }

    /// Reaps it if it has ended; how it ended, in words: `exited with code 1`, `was killed by SIGKILL`.
    pub(crate) fn try_wait(&self) -> Option<String> {
        loop {
            return match waitpid(self.0, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(_, code)) => Some(format!("exited with code {code}")),
                Ok(WaitStatus::Signaled(_, signal, _)) => Some(format!("was killed by {signal}")),
                // Stopped or continued: it lives.
                Ok(_) => None,
                Err(Errno::EINTR) => continue,
                Err(error) => Some(format!("is lost: {error}")),
            };
        }
    }

    /// Kills it.
    ///
    /// # Errors
    /// It is not a child any more.
    pub(crate) fn kill(&self) -> io::Result<()> {
        Ok(kill(self.0, Signal::SIGKILL)?)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn it_says_how_it_ended() {
        let started = |program: &str, args: &[&str]| {
            Process::new(Command::new(program).args(args).spawn().unwrap().id())
        };
        let ended = |process: &Process| loop {
            if let Some(how) = process.try_wait() {
                return how;
            }
            std::thread::yield_now();
        };
        assert_eq!(ended(&started("sh", &["-c", "exit 7"])), "exited with code 7");
        let sleeper = started("sleep", &["1000"]);
        assert_eq!(sleeper.try_wait(), None);
        sleeper.kill().unwrap();
        assert_eq!(ended(&sleeper), "was killed by SIGKILL");
        assert!(sleeper.try_wait().unwrap().starts_with("is lost"));
    }
}
