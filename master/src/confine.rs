//! What a child gives up before it serves: running programs, and every file that is not its business. A fault
//! in a worker is then no way to the databases or the host. Landlock (landlock(7)) decides by path, seccomp
//! (seccomp(2)) by system call; the settings can switch both off.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, NetPort, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetStatus,
};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use veritable_config::Config;
use veritable_config::settings::MailTransport;

/// What the rights are taken from: file rights up to truncation and device calls, and TCP. A kernel that knows
/// fewer enforces those it knows.
const RIGHTS: ABI = ABI::V5;

/// Calls that neither workers nor the writer have any use for, and that get an intruder further: running
/// programs, looking into other processes, changing the host.
const DENIED: &[i64] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_kill,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_mknodat,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
];

/// Who is confined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Child {
    /// May read what is in the data directory.
    Worker,
    /// May change it.
    Writer,
}

/// Confines the calling thread, and those it starts, for good.
///
/// # Errors
/// The kernel refuses; one that does not know Landlock only makes for a warning.
pub(crate) fn confine(child: Child, config: &Config) -> anyhow::Result<()> {
    landlock(child, config)
        .context("confining this process to its files (process.sandbox = \"off\" skips it)")?;
    let filter = seccomp().context("the filter of system calls")?;
    seccompiler::apply_filter(&filter).context("filtering system calls (process.sandbox = \"off\" skips it)")
}

fn landlock(child: Child, config: &Config) -> anyhow::Result<()> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let all = AccessFs::from_all(RIGHTS) & !AccessFs::Execute & !AccessFs::MakeChar & !AccessFs::MakeBlock;
    let own = PathBuf::from("/proc/self");
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(RIGHTS))?
        .handle_access(AccessNet::from_all(RIGHTS))?
        .create()?;
    rules = allow(rules, &own, read)?;
    rules = match child {
        Child::Writer => mail(allow(rules, &config.data_dir, all)?, config)?,
        Child::Worker => {
            let mut rules = allow(rules, &config.data_dir, read)?;
            for database in [config.forums_db(), config.notebooks_db()] {
                // SQLite's readers leave marks for the writer in the index of the log. The writer, which
                // starts first, has made it.
                let mut index = database.into_os_string();
                index.push("-shm");
                let index = PathBuf::from(index);
                if index.exists() {
                    rules = allow(rules, &index, AccessFs::ReadFile | AccessFs::WriteFile)?;
                }
            }
            rules
        }
    };
    if rules.restrict_self()?.ruleset == RulesetStatus::NotEnforced {
        tracing::warn!("this kernel does not know Landlock: files are not out of this process's reach");
    }
    Ok(())
}

fn allow(
    rules: RulesetCreated,
    path: &Path,
    access: landlock::BitFlags<AccessFs>,
) -> anyhow::Result<RulesetCreated> {
    let fd = PathFd::new(path).with_context(|| path.display().to_string())?;
    Ok(rules.add_rule(PathBeneath::new(fd, access))?)
}

/// What finding a mail server's address and checking its certificate reads, where it is there: getaddrinfo(3) and the
/// usual places of the system's authorities.
const FOR_MAIL: &[&str] = &[
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/run/systemd/resolve",
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/pki",
    "/etc/ca-certificates",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
];

/// Lets mail be sent by a server: connections to its port, and to nothing else.
fn mail(mut rules: RulesetCreated, config: &Config) -> anyhow::Result<RulesetCreated> {
    if config.mail.transport != MailTransport::Smtp {
        return Ok(rules);
    }
    rules = rules.add_rule(NetPort::new(config.mail.smtp_port, AccessNet::ConnectTcp))?;
    let own = Some(config.mail.smtp_ca_file.as_path()).filter(|path| !path.as_os_str().is_empty());
    for path in FOR_MAIL.iter().map(Path::new).filter(|path| path.exists()).chain(own) {
        let access =
            if path.is_dir() { AccessFs::ReadFile | AccessFs::ReadDir } else { AccessFs::ReadFile.into() };
        rules = allow(rules, path, access)?;
    }
    Ok(rules)
}

fn seccomp() -> anyhow::Result<BpfProgram> {
    let rules: BTreeMap<i64, Vec<_>> = DENIED.iter().map(|&call| (call, Vec::new())).collect();
    let refused = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let filter =
        SeccompFilter::new(rules, SeccompAction::Allow, refused, std::env::consts::ARCH.try_into()?)?;
    Ok(filter.try_into()?)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};
    use std::process::Command;

    use super::*;

    /// Runs `then` in a thread that was confined: Landlock and seccomp hold for the thread.
    fn confined(child: Child, then: impl FnOnce(&Config) + Send + 'static) {
        confined_with(child, |_| {}, then);
    }

    fn confined_with(
        child: Child,
        set: impl FnOnce(&mut Config),
        then: impl FnOnce(&Config) + Send + 'static,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config { data_dir: dir.path().join("data"), ..Config::default() };
        set(&mut config);
        std::fs::create_dir(&config.data_dir).unwrap();
        for name in ["forums.db", "forums.db-shm", "forums.db-wal"] {
            std::fs::write(config.data_dir.join(name), "x").unwrap();
        }
        std::fs::write(dir.path().join("secret"), "x").unwrap();
        let outcome = std::thread::spawn(move || {
            confine(child, &config).unwrap();
            then(&config);
        });
        outcome.join().unwrap();
    }

    fn kind<T>(result: std::io::Result<T>) -> Option<ErrorKind> {
        result.err().map(|error| error.kind())
    }

    #[test]
    fn a_worker_reads_the_databases_and_can_do_nothing_else() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        confined(Child::Worker, move |config| {
            let denied = Some(ErrorKind::PermissionDenied);
            File::open(config.forums_db()).unwrap();
            File::options().write(true).open(config.data_dir.join("forums.db-shm")).unwrap();
            std::fs::read("/proc/self/statm").unwrap();
            for name in ["forums.db", "forums.db-wal"] {
                assert_eq!(
                    kind(File::options().write(true).open(config.data_dir.join(name))),
                    denied,
                    "{name}"
                );
            }
            assert_eq!(kind(File::create(config.data_dir.join("new"))), denied);
            assert_eq!(kind(std::fs::remove_file(config.forums_db())), denied);
            assert_eq!(kind(File::open(config.data_dir.join("../secret"))), denied);
            assert_eq!(kind(File::open("/etc/passwd")), denied);
            assert_eq!(kind(Command::new("/bin/true").status()), denied);
            assert_eq!(kind(TcpStream::connect(address)), denied);
        });
    }

    #[test]
    fn the_writer_changes_its_directory_and_nothing_beside() {
        confined(Child::Writer, |config| {
            let denied = Some(ErrorKind::PermissionDenied);
            std::fs::write(config.forums_db(), "y").unwrap();
            std::fs::write(config.data_dir.join("new"), "y").unwrap();
            std::fs::remove_file(config.data_dir.join("new")).unwrap();
            assert_eq!(kind(std::fs::write(config.data_dir.join("../secret"), "y")), denied);
            assert_eq!(kind(Command::new("/bin/true").status()), denied);
        });
    }

    #[test]
    fn a_writer_that_sends_mail_connects_to_the_mail_servers_port_and_to_nothing_else() {
        let [mail, other] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [port, other] = [&mail, &other].map(|listener| listener.local_addr().unwrap().port());
        let set = move |config: &mut Config| {
            config.mail.transport = MailTransport::Smtp;
            config.mail.smtp_port = port;
        };
        confined_with(Child::Writer, set, move |config| {
            let denied = Some(ErrorKind::PermissionDenied);
            TcpStream::connect(("127.0.0.1", port)).unwrap();
            assert_eq!(kind(TcpStream::connect(("127.0.0.1", other))), denied);
            // Names are looked up.
            std::net::ToSocketAddrs::to_socket_addrs(&("localhost", port)).unwrap();
            assert_eq!(kind(std::fs::write(config.data_dir.join("../secret"), "y")), denied);
            assert_eq!(kind(File::open("/etc/passwd")), denied);
        });
        confined(Child::Writer, move |_| {
            let denied = Some(ErrorKind::PermissionDenied);
            assert_eq!(
                kind(TcpStream::connect(("127.0.0.1", port))),
                denied,
                "where no mail is sent by a server"
            );
        });
    }
}
