//! Sends requests: at a constant rate whatever becomes of them (open loop), or as users who wait for one answer
//! before they ask again (closed loop). docs/decisions/0015-load.md tells why this is not a crate's.
//!
//! In the open loop a request's latency begins when it was due, not when it was sent: when the server stalls, those
//! that pile up behind the stall have waited too (coordinated omission, as wrk2 corrects it). A request takes the
//! connection that has been idle the longest; only when all are busy does it wait for one.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand_distr::{Distribution, Exp1};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};

use crate::alarm::Alarm;
use crate::ask::{Ask, Reply, Trouble};
use crate::connection::Connection;
use crate::schedule::Schedule;
use crate::tally::{End, Tally};

/// After requests were let go, at least so long passes until the next are, so that at high rates several go at once:
/// to be woken for each one takes a generator twice the processor time, which on a shared machine is the server's.
/// What this makes later is counted as latency.
const BREATH: Duration = Duration::from_micros(200);
/// How long after the end requests may be sent that were due before it; longer waits are failures.
const GRACE: Duration = Duration::from_secs(1);
/// How often whoever watches is told how it goes.
const LOOK: Duration = Duration::from_millis(100);
/// Connections opened at once: a burst of more overflows the queue of a listener (`net.core.somaxconn` may be 128).
const OPENING: usize = 64;
/// Longest a user thinks, as a multiple of the mean: nobody is to sleep through the run.
const LONGEST_THOUGHT: f64 = 5.0;

/// Somebody who asks for one thing after another.
pub trait Visitor {
    /// The next request.
    fn next(&mut self, random: &mut SmallRng) -> Ask;
    /// Told what became of it.
    fn answered(&mut self, ask: &Ask, result: Result<&Reply, Trouble>);
    /// Whether the next request belongs to the one before: a browser's or a program's, with no thought between.
    fn is_midway(&self) -> bool;
}

/// How fast is asked.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// So many requests a second, all connections together, whatever becomes of them.
    Rate(f64),
    /// Every connection is a user who thinks for so long on average (exponentially) after each answer; with zero as
    /// fast as it goes.
    Users {
        /// Mean of the time between an answer and the next question.
        think: Duration,
    },
}

/// A load to put on a server.
pub struct Load<'a> {
    /// Where it listens.
    pub address: SocketAddr,
    /// What requests call it.
    pub host: String,
    /// How fast.
    pub pace: Pace,
    /// How many connections, all threads together; at least one each.
    pub connections: usize,
    /// Threads that generate.
    pub threads: usize,
    /// How long, from the moment that all connections are open.
    pub duration: Duration,
    /// How long an answer may take, with the connection that it needs; and how long opening the first connections may,
    /// all together.
    pub timeout: Duration,
    /// Makes chance repeatable.
    pub seed: u64,
    /// Makes the visitor of a connection, by its number.
    pub visitor: &'a (dyn Fn(usize) -> Box<dyn Visitor> + Sync),
    /// Set from outside to end early.
    pub stop: &'a AtomicBool,
}

/// How far a run is.
#[derive(Debug)]
pub struct Progress<'a> {
    /// Since it began.
    pub elapsed: Duration,
    /// Everything since the last look.
    pub since: &'a Tally,
}

/// Why there is no run.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No connection could be opened at all.
    #[error("no connection to {address} can be opened")]
    Unreachable {
        /// Where.
        address: SocketAddr,
    },
    /// The system gives no threads, timers or descriptors.
    #[error("{what}: {error}")]
    System {
        /// Which.
        what: &'static str,
        /// Why.
        error: std::io::Error,
    },
}

/// What a run yields.
#[derive(Debug)]
pub struct Outcome {
    /// Everything counted.
    pub tally: Tally,
    /// How long was measured: less than asked when it was stopped.
    pub seconds: f64,
}

impl Load<'_> {
    /// Runs to the end, telling `watch` about every tenth of a second how it goes. `opened` is called when all connections
    /// are open and nothing was asked yet; what it yields is handed back.
    ///
    /// # Errors
    /// Nothing could be sent.
    pub fn run<T>(
        &self,
        opened: impl FnOnce() -> T,
        mut watch: impl FnMut(&Progress<'_>),
    ) -> Result<(T, Outcome), EngineError> {
        let gate = Barrier::new(self.threads + 1);
        let shared: Vec<_> = (0..self.threads).map(|_| Arc::new(Mutex::new(Tally::default()))).collect();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.threads)
                .map(|thread| {
                    let (gate, tally) = (&gate, shared[thread].clone());
                    scope.spawn(move || self.thread(thread, gate, tally))
                })
                .collect();
            gate.wait();
            let opened = opened();
            gate.wait();
            let begun = Instant::now();
            let mut sum = Tally::default();
            while !threads.iter().all(std::thread::ScopedJoinHandle::is_finished) {
                std::thread::sleep(LOOK);
                let since = collect(&shared);
                watch(&Progress { elapsed: begun.elapsed(), since: &since });
                sum.add(&since);
            }
            let mut seconds = 0.0_f64;
            for thread in threads {
                // A panic there is one here.
                seconds =
                    seconds.max(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
            }
            sum.add(&collect(&shared));
            Ok((opened, Outcome { tally: sum, seconds }))
        })
    }

    /// One thread with its part of the connections. Yields for how long it measured, in seconds.
    fn thread(&self, thread: usize, gate: &Barrier, tally: Arc<Mutex<Tally>>) -> Result<f64, EngineError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let result = runtime.map_err(|error| EngineError::System { what: "an event loop", error });
        let runtime = match result {
            Ok(runtime) => runtime,
            Err(error) => {
                pass(gate);
                return Err(error);
            }
        };
        LocalSet::new().block_on(&runtime, async {
            let mine: Vec<usize> =
                (thread..self.connections.max(self.threads)).step_by(self.threads).collect();
            let opened = self.open(&mine).await;
            // Whatever came of it, the others wait here for this thread.
            pass(gate);
            let begun = Instant::now();
            let run = Rc::new(Run {
                begun,
                end: begun + self.duration,
                timeout: self.timeout,
                tally,
                due: RefCell::default(),
                free: Semaphore::new(0),
            });
            let visitors = opened?.into_iter().zip(mine).map(|(connection, number)| Client {
                connection,
                visitor: (self.visitor)(number),
                random: SmallRng::seed_from_u64(
                    self.seed ^ (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15),
                ),
                run: run.clone(),
            });
            let mut tasks = JoinSet::new();
            match self.pace {
                Pace::Rate(rate) => {
                    for client in visitors {
                        tasks.spawn_local(client.serve());
                    }
                    let schedule = Schedule::new(rate, thread, self.threads);
                    run.release(schedule, self.stop)
                        .await
                        .map_err(|error| EngineError::System { what: "a timer", error })?;
                }
                Pace::Users { think } => {
                    for client in visitors {
                        tasks.spawn_local(client.live(think));
                    }
                    while Instant::now() < run.end && !self.stop.load(Ordering::Relaxed) {
                        let look = Instant::now() + LOOK;
                        tokio::time::sleep_until(look.min(run.end).into()).await;
                    }
                    run.free.close();
                }
            }
            let measured = run.begun.elapsed().min(self.duration).as_secs_f64();
            while let Some(ended) = tasks.join_next().await {
                if let Err(error) = ended
                    && error.is_panic()
                {
                    std::panic::resume_unwind(error.into_panic());
                }
            }
            Ok(measured)
        })
    }

    /// Opens all connections; those that cannot be are opened again when they are needed, and count then.
    async fn open(&self, numbers: &[usize]) -> Result<Vec<Connection>, EngineError> {
        let host: Rc<str> = self.host.as_str().into();
        let turns = Rc::new(Semaphore::new(OPENING));
        let deadline = tokio::time::Instant::now() + self.timeout;
        let mut opening = JoinSet::new();
        for _ in numbers {
            let mut connection = Connection::new(self.address, host.clone());
            let turns = turns.clone();
            opening.spawn_local(async move {
                let turn = async {
                    let _turn = turns.acquire().await;
                    connection.open().await.is_ok()
                };
                let is_open = tokio::time::timeout_at(deadline, turn).await.unwrap_or(false);
                (connection, is_open)
            });
        }
        let opened = opening.join_all().await;
        if !opened.iter().any(|(_, is_open)| *is_open) {
            return Err(EngineError::Unreachable { address: self.address });
        }
        Ok(opened.into_iter().map(|(connection, _)| connection).collect())
    }
}

/// Waits until all threads have opened their connections, and again until whoever runs them has looked at the server.
fn pass(gate: &Barrier) {
    gate.wait();
    gate.wait();
}

fn collect(shared: &[Arc<Mutex<Tally>>]) -> Tally {
    let mut sum = Tally::default();
    for tally in shared {
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        sum.add(&std::mem::take(&mut tally));
    }
    sum
}

/// What the connections of one thread share.
struct Run {
    begun: Instant,
    end: Instant,
    timeout: Duration,
    tally: Arc<Mutex<Tally>>,
    /// When those requests were due that no connection has taken yet.
    due: RefCell<VecDeque<Instant>>,
    /// As many permits as there are due; whoever waits longest gets the next.
    free: Semaphore,
}

impl Run {
    /// Lets requests go when they are due, until the end.
    async fn release(&self, mut schedule: Schedule, stop: &AtomicBool) -> std::io::Result<()> {
        let alarm = Alarm::new()?;
        // What is due at the end or later is nobody's; what was due before it counts, however late this thread is.
        let last_due = self.end - Duration::from_nanos(1);
        loop {
            let now = Instant::now();
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let mut count = 0;
            while let Some(at) = schedule.take(now.min(last_due) - self.begun) {
                self.due.borrow_mut().push_back(self.begun + at);
                count += 1;
            }
            self.free.add_permits(count);
            if now >= self.end {
                break;
            }
            let next = (self.begun + schedule.peek()).max(now + BREATH);
            alarm.until(next.min(self.end)).await?;
        }
        // What was due at the end still goes out, if a connection comes free soon.
        let last = self.end + GRACE;
        while !self.due.borrow().is_empty() && Instant::now() < last && !stop.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // Nobody takes another one now.
        self.free.close();
        let now = Instant::now();
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        for due in self.due.borrow_mut().drain(..) {
            tally.unsent(now - due);
        }
        Ok(())
    }
}

/// A connection with whoever sits at it.
struct Client {
    connection: Connection,
    visitor: Box<dyn Visitor>,
    random: SmallRng,
    run: Rc<Run>,
}

impl Client {
    /// Open loop: takes what is due.
    async fn serve(mut self) {
        let run = self.run.clone();
        while let Ok(permit) = run.free.acquire().await {
            permit.forget();
            let due = run.due.borrow_mut().pop_front();
            if let Some(due) = due {
                self.ask(due).await;
            }
        }
    }

    /// Closed loop: asks, waits, thinks.
    async fn live(mut self, think: Duration) {
        let end = self.run.end;
        let mut thought = think.mul_f64(rand::RngExt::random::<f64>(&mut self.random));
        loop {
            if !thought.is_zero() {
                let until = (Instant::now() + thought).min(end);
                tokio::time::sleep_until(until.into()).await;
            }
            if Instant::now() >= end || self.run.free.is_closed() {
                return;
            }
            self.ask(Instant::now()).await;
            let draw: f64 = Exp1.sample(&mut self.random);
            thought = if self.visitor.is_midway() {
                Duration::ZERO
            } else {
                think.mul_f64(draw.min(LONGEST_THOUGHT))
            };
        }
    }

    async fn ask(&mut self, due: Instant) {
        let ask = self.visitor.next(&mut self.random);
        let sent = Instant::now();
        let mut reopened = false;
        let asking = async {
            reopened = self.connection.open().await?;
            self.connection.ask(&ask).await
        };
        let result = tokio::time::timeout(self.run.timeout, asking).await.unwrap_or(Err(Trouble::Timeout));
        let done = Instant::now();
        let result = result.as_ref().map_err(|trouble| *trouble);
        self.visitor.answered(&ask, result);
        let mut tally = self.run.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.reconnects += u64::from(reopened);
        tally.record(&End {
            kind: ask.kind,
            latency: done - due,
            late: sent.saturating_duration_since(due),
            in_time: done <= self.run.end,
            result,
        });
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
