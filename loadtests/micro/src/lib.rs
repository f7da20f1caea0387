//! What the benchmarks share: processes of Veritable on threads, and draws by Zipf's law.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread::JoinHandle;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand_distr::{Distribution, Zipf};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use tempfile::TempDir;
use veritable_config::Config;
use veritable_config::channel::{Channel, DRAIN};
use veritable_config::settings::Entry;
use veritable_shm::{Geometry, Owner, Scoreboard, Segment};
use veritable_worker::{Handover, Listener};
use veritable_writer::database::{self, Database};

/// The server's, with its defaults: the settings that the server's processes start with (`veritable_config::ALLOCATOR`) are
/// read from the environment, and count only where whoever runs a benchmark gives them.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The exponent that benchmarks of caches usually take.
const ZIPF: f64 = 0.99;

/// Whatever went wrong while a benchmark was set up.
pub type Failed = Box<dyn std::error::Error>;

/// Indexes of `keys` keys by Zipf's law, drawn beforehand so that drawing costs nothing while measuring. The same
/// for the same `seed`.
///
/// # Errors
/// There is no key.
pub fn draws(seed: u64, keys: usize, count: usize) -> Result<Vec<usize>, Failed> {
    let zipf = Zipf::new(keys as f64, ZIPF)?;
    let mut random = SmallRng::seed_from_u64(seed);
    Ok((0..count).map(|_| zipf.sample(&mut random) as usize - 1).collect())
}

/// A segment with one owner in it.
///
/// # Errors
/// The kernel gives no memory.
pub fn segment(geometry: &Geometry) -> Result<(Segment, Owner), Failed> {
    let (_descriptor, segment) = Segment::create(geometry)?;
    let owner = Scoreboard::of(&segment).enlist(0, 1, 0)?;
    Ok((segment, owner))
}

/// A writer or worker on a thread, with this program as its master.
#[derive(Debug)]
struct Process<E> {
    master: UnixStream,
    thread: Option<JoinHandle<Result<(), E>>>,
}

impl<E: Send + std::fmt::Debug + 'static> Process<E> {
    fn start(run: impl FnOnce(Channel) -> Result<(), E> + Send + 'static) -> Result<Process<E>, Failed> {
        let (mut master, child) = UnixStream::pair()?;
        let channel = Channel::new(child);
        let thread = std::thread::spawn(move || run(channel));
        // One byte says that it is ready; its end without one is an error.
        master.read_exact(&mut [0])?;
        Ok(Process { master, thread: Some(thread) })
    }
}

impl<E> Drop for Process<E> {
    fn drop(&mut self) {
        let _ended_already = self.master.write_all(&[DRAIN]);
        if let Some(thread) = self.thread.take() {
            let _how_is_no_matter_now = thread.join();
        }
    }
}

/// A writer with an empty database of its own.
#[derive(Debug)]
pub struct Writer {
    /// Its settings.
    pub config: Config,
    _process: Process<veritable_writer::WriterError>,
    _listener: UnixListener,
    _dir: TempDir,
}

impl Writer {
    /// Starts one.
    ///
    /// # Errors
    /// There is no place for its files.
    pub fn start() -> Result<Writer, Failed> {
        let dir = tempfile::tempdir()?;
        let config = Config {
            data_dir: dir.path().join("data"),
            runtime_dir: dir.path().to_owned(),
            ..Config::default()
        };
        let listener = UnixListener::bind(config.writer_socket())?;
        let (theirs, settings) = (listener.try_clone()?, config.clone());
        let process = Process::start(move |channel| {
            let context = veritable_writer::Context {
                config: settings,
                listener: theirs,
                segment: None,
                owner: None,
                channel,
            };
            veritable_writer::run(context)
        })?;
        Ok(Writer { config, _process: process, _listener: listener, _dir: dir })
    }
}

/// A worker that serves a small community; there is no writer beside it.
#[derive(Debug)]
pub struct Worker {
    /// Where it listens.
    pub address: SocketAddr,
    _process: Process<veritable_worker::WorkerError>,
    _dir: TempDir,
}

/// A hundred topics: their list is a page of some 18 KB.
const COMMUNITY: &str = "
    INSERT INTO users (id, name, name_key, created_at) VALUES (1, 'ann', 'ann', 1);
    INSERT INTO categories (id, name, slug, created_at) VALUES (1, 'General', 'general', 1);
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
    INSERT INTO topics (id, category_id, title, slug, author_id, created_at, last_post_at, last_author_id,
                        post_count, last_number)
    SELECT i, 1, 'A topic of the benchmark, number ' || i, 'topic', 1, i, i, 1, 1, 1 FROM n;
    INSERT INTO posts (topic_id, path, id, number, depth, author_id, category_id, created_at, html)
    SELECT id, x'01', id, 1, 0, 1, 1, id, '<p>Hello</p>' FROM topics;";

impl Worker {
    /// Starts one.
    ///
    /// # Errors
    /// There is no place for its files.
    pub fn start() -> Result<Worker, Failed> {
        let dir = tempfile::tempdir()?;
        let config = Config { data_dir: dir.path().to_owned(), ..Config::default() };
        database::open(&config, Database::Forums)?.execute_batch(COMMUNITY)?;
        let (segment, owner) = segment(&Geometry { cache_bytes: 8 << 20, ..Geometry::default() })?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let listeners = vec![Listener::new(Entry::Public, listener.into())?];
        let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        let handover = Handover::new(pair.0, pair.1);
        let process = Process::start(move |channel| {
            veritable_worker::run(veritable_worker::Context {
                config,
                listeners,
                handover,
                segment,
                owner,
                channel,
            })
        })?;
        Ok(Worker { address, _process: process, _dir: dir })
    }

    /// A connection to it.
    ///
    /// # Errors
    /// It is not there.
    pub fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// Asks `path` of the worker so many times over one connection; every answer must be a cached one.
///
/// # Errors
/// It was not, or the connection ended.
pub fn hits(stream: &mut TcpStream, path: &str, count: usize) -> Result<(), Failed> {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: bench\r\nAccept: text/html\r\nUser-Agent: bench\r\n\r\n");
    let mut buffer = vec![0; 64 << 10];
    for _ in 0..count {
        stream.write_all(request.as_bytes())?;
        let (mut filled, mut whole) = (0, None);
        while whole.is_none_or(|whole| filled < whole) {
            let read = stream.read(&mut buffer[filled..])?;
            if read == 0 {
                return Err("the connection ended".into());
            }
            filled += read;
            if whole.is_none()
                && let Some(end) = find(&buffer[..filled], b"\r\n\r\n")
            {
                let head = std::str::from_utf8(&buffer[..end])?;
                if !head.contains("x-cache: hit") {
                    return Err(format!("not out of the cache: {head}").into());
                }
                let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
                whole = Some(end + 4 + length.ok_or("no length")?.parse::<usize>()?);
            }
        }
    }
    Ok(())
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_answers_out_of_its_cache_and_a_writer_is_there() {
        let worker = Worker::start().unwrap();
        let mut stream = worker.connect().unwrap();
        assert!(hits(&mut stream, "/latest", 1).unwrap_err().to_string().contains("miss"));
        let mut stream = worker.connect().unwrap();
        hits(&mut stream, "/latest", 3).unwrap();
        let writer = Writer::start().unwrap();
        assert!(writer.config.writer_socket().exists());
    }

    #[test]
    fn draws_are_of_the_keys_there_are() {
        let drawn = draws(1, 10, 1_000).unwrap();
        assert!(drawn.iter().all(|at| *at < 10) && drawn.contains(&9) && drawn.len() == 1_000);
        assert_eq!(drawn, draws(1, 10, 1_000).unwrap());
        assert!(draws(1, 0, 1).is_err());
    }
}
