//! Every worker of a server: which of them answers a connection is the kernel's choice, so that asking often proves
//! nothing.

use super::http::Connection;
use super::server::Server;
use super::wait_for;

impl Server {
    /// A new connection to each of the workers: some are opened until every worker has one that it answered on.
    pub(crate) fn connect_to_all(&self) -> Vec<Connection> {
        let mut missing = self.pids("worker");
        assert!(!missing.is_empty(), "no worker is ready");
        let (mut found, mut others) = (Vec::new(), Vec::new());
        wait_for("an answer of every worker", || {
            let mut connection = self.connect();
            assert_eq!(connection.send("GET", "/livez", &[], b"").expect("an answer").status, 200);
            match missing.iter().position(|&pid| has(pid, connection.server_socket())) {
                Some(at) => {
                    missing.swap_remove(at);
                    found.push(connection);
                }
                // Whoever holds it is not asked again so soon.
                None => others.push(connection),
            }
            missing.is_empty().then_some(())
        });
        found
    }

    /// How many of these connections each worker holds.
    pub(crate) fn shares(&self, connections: &[Connection]) -> Vec<usize> {
        let holds = |&pid: &i32| connections.iter().filter(|c| has(pid, c.server_socket())).count();
        self.pids("worker").iter().map(holds).collect()
    }
}

/// Whether a process has the socket with this inode (`proc_pid_fd(5)`).
fn has(pid: i32, inode: u64) -> bool {
    let socket = format!("socket:[{inode}]");
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("the worker's descriptors");
    // One may be closed meanwhile.
    descriptors.flatten().any(|descriptor| {
        std::fs::read_link(descriptor.path()).is_ok_and(|target| target.as_os_str() == socket.as_str())
    })
}
