//! Beside other servers, in turn within one run, so that the machine's drift hits all of them.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::SmallRng;
use serde::Serialize;
use serde_json::Value;

use super::answer::Answer;
use super::rounds::{Measured, Rounds, figures_table, ratios_table};
use super::{Context, Live, RunError, allow_files, budgets, others, out};
use crate::ask::{Ask, Kind, Reply, Trouble};
use crate::budgets::{Point, Run};
use crate::cli::Peers;
use crate::community::{Community, Look, discover};
use crate::contenders::{Contender, axum_program};
use crate::engine::{Load, Pace, Visitor};
use crate::processes;
use crate::report::Report;
use crate::server::{Server, ServerError};

/// Settings with which next to nothing is kept: as many entries as the least that there may be.
const UNCACHED: [(&str, &str); 3] = [
    ("VERITABLE_CACHE_ENTRIES", "16"),
    ("VERITABLE_CACHE_WORKER_BYTES", "0"),
    ("VERITABLE_LOG_LEVEL", "warn"),
];
/// Posts of a thread from which a page of the API is full.
const THREAD: u64 = 50;
/// Addresses asked for where nothing is to be kept.
const ADDRESSES: usize = 500;

/// What is asked for, and of whom.
struct Case {
    what: Answer,
    /// Addresses by contender.
    of: Vec<(usize, Arc<[Arc<str>]>)>,
}

#[derive(Serialize)]
struct Data<'a> {
    connections: usize,
    cases: &'a [Measured],
}

/// Asks for any of some addresses, each as often as the others: what is kept of few of them helps little.
struct Anywhere(Arc<[Arc<str>]>);

impl Visitor for Anywhere {
    fn next(&mut self, random: &mut SmallRng) -> Ask {
        let at = random.random_range(0..self.0.len());
        Ask { plain: true, ..Ask::get(Kind::Only, self.0[at].clone()) }
    }

    fn answered(&mut self, _ask: &Ask, _result: Result<&Reply, Trouble>) {}

    fn is_midway(&self) -> bool {
        false
    }
}

/// The contenders in their order; nginx may be missing.
struct Field {
    contenders: Vec<Contender>,
    has_nginx: bool,
}

const VERITABLE: usize = 0;
const VERITABLE_UNCACHED: usize = 1;
const AXUM: usize = 2;
const AXUM_UNCACHED: usize = 3;
const NGINX: usize = 4;

/// Runs it.
///
/// # Errors
/// Nothing could be measured.
pub fn run(asked: &Peers, context: &Context) -> Result<Report, RunError> {
    let budgets = budgets(&asked.how)?;
    allow_files(asked.connections)?;
    let mut notes = Vec::new();
    others(&mut notes);
    let program = axum_program(asked.peer.as_deref())?;
    let start = |environment: &[(&str, &str)]| {
        Server::beside(asked.binary.as_deref(), &asked.data_dir, asked.workers, environment)
    };
    let ours = start(&[("VERITABLE_LOG_LEVEL", "warn")])?;
    let uncached = start(&UNCACHED)?;
    let community = discover(ours.address, &ours.host).map_err(anyhow::Error::new)?;
    // A copy, as Veritable's are: the peer finds the schema that the migrations have made.
    let forums = ours.forums_db().ok_or_else(|| ServerError::Failed("a server without a copy".into()))?;
    let axum = |name, cache| Contender::axum(name, &program, &forums, asked.workers, cache);
    let mut contenders = vec![
        Contender::veritable("veritable", ours)?,
        Contender::veritable("veritable", uncached)?,
        axum("axum, moka", true)?,
        axum("axum, rusqlite", false)?,
    ];
    let mut look = Look::at(contenders[VERITABLE].address, "localhost").map_err(anyhow::Error::new)?;
    let cached = cached(&community);
    let mut files = Vec::new();
    for (at, (_, address, _)) in cached.iter().enumerate() {
        files.push((format!("file{at}"), look.bytes(address).map_err(anyhow::Error::new)?));
    }
    let nginx = Contender::nginx(asked.workers, &files)?;
    let has_nginx = nginx.is_some();
    if !has_nginx {
        notes.push("nginx is not installed (apt install nginx-light): it does not take part.".into());
    }
    contenders.extend(nginx);
    let field = Field { contenders, has_nginx };
    let cases = cases(&field, &community, &cached)?;
    let measured = measure(asked, context, &field, &cases)?;
    if context.is_stopped() {
        notes.push("Stopped by hand: the last round is not whole.".into());
    }
    let points: Vec<Point> = measured.iter().map(Measured::point).collect();
    let report = Report {
        name: Run::Peers.name(),
        title: "Veritable beside nginx and axum".into(),
        summary: format!(
            "{} rounds of {} s each, in turn; {} connections that ask again as soon as they are answered.",
            asked.rounds, asked.seconds, asked.connections
        ),
        verdicts: budgets.judge(Run::Peers, &points, false),
        notes,
        tables: vec![ratios_table(&measured), figures_table(&measured)],
        plots: Vec::new(),
        about: context.about(vec![
            (
                "contenders",
                format!(
                    "veritable {0} workers, its defaults (uncached: a cache of 16 entries); nginx {0} processes, \
                     static files of the same bytes; axum {0} threads, moka of 10,000 entries (uncached: none), one \
                     SQLite connection a thread",
                    asked.workers
                ),
            ),
            ("community", format!("a copy of {}", asked.data_dir.display())),
        ]),
    };
    report
        .write(out(&asked.how), Data { connections: asked.connections, cases: &measured })
        .map_err(anyhow::Error::new)?;
    Ok(report)
}

/// Single answers that are kept: what they are, where they are, and whether the axum server has them too.
fn cached(community: &Community) -> Vec<(Answer, Arc<str>, bool)> {
    // The latest whose first page is full, as whoever opens the latest list would meet it.
    let full = community.topics.iter().find(|topic| topic.size >= THREAD);
    let topic = full.unwrap_or(&community.topics[0]);
    let mut cached = vec![
        (Answer::ListPageCached, "/latest".into(), false),
        (Answer::TopicPageCached, topic.page.clone(), false),
        (Answer::ListApiCached, "/api/forums/topics".into(), true),
        (Answer::ThreadApiCached, topic.posts.clone(), true),
    ];
    cached.extend(community.pages.first().map(|page| (Answer::WikiApiCached, page.api.clone(), true)));
    cached
}

fn cases(
    field: &Field,
    community: &Community,
    cached: &[(Answer, Arc<str>, bool)],
) -> Result<Vec<Case>, RunError> {
    let one = |address: &str| -> Arc<[Arc<str>]> { vec![Arc::from(address)].into() };
    let mut cases = Vec::new();
    for (at, (what, address, has_axum)) in cached.iter().enumerate() {
        let mut of = vec![(VERITABLE, one(address))];
        if field.has_nginx {
            of.push((NGINX, one(&format!("/file{at}"))));
        }
        if *has_axum {
            of.push((AXUM, one(address)));
        }
        cases.push(Case { what: *what, of });
    }
    if field.has_nginx {
        cases.push(Case { what: Answer::Return, of: vec![(NGINX, one("/return"))] });
    }
    let lists = |contender: usize| walk(&field.contenders[contender]);
    cases.push(Case {
        what: Answer::ListApiUncached,
        of: vec![(VERITABLE_UNCACHED, lists(VERITABLE_UNCACHED)?), (AXUM_UNCACHED, lists(AXUM_UNCACHED)?)],
    });
    let both = |addresses: Vec<Arc<str>>| {
        let addresses: Arc<[Arc<str>]> = addresses.into();
        vec![(VERITABLE_UNCACHED, addresses.clone()), (AXUM_UNCACHED, addresses)]
    };
    // The longest ones: a page of the API is full of them.
    let mut threads: Vec<_> = community.topics.iter().collect();
    threads.sort_by_key(|topic| std::cmp::Reverse(topic.size));
    let threads = threads.iter().take(ADDRESSES).map(|topic| topic.posts.clone()).collect();
    cases.push(Case { what: Answer::ThreadApiUncached, of: both(threads) });
    if !community.pages.is_empty() {
        let pages = community.pages.iter().take(ADDRESSES).map(|page| page.api.clone()).collect();
        cases.push(Case { what: Answer::WikiApiUncached, of: both(pages) });
    }
    // Pages for people, which nobody else here makes.
    let parts = community.lists.iter().filter(|list| list.starts_with("/latest")).take(ADDRESSES);
    let pages = [
        (Answer::ListPageUncached, parts.cloned().collect::<Vec<_>>()),
        (
            Answer::TopicPageUncached,
            community.topics.iter().take(ADDRESSES).map(|topic| topic.page.clone()).collect(),
        ),
        (
            Answer::WikiPageUncached,
            community.pages.iter().take(ADDRESSES).map(|page| page.page.clone()).collect(),
        ),
    ];
    let own = pages.into_iter().filter(|(_, addresses)| !addresses.is_empty());
    cases
        .extend(own.map(|(what, addresses)| Case { what, of: vec![(VERITABLE_UNCACHED, addresses.into())] }));
    Ok(cases)
}

/// Addresses of parts of the list of topics, by the contender's own cursors.
fn walk(contender: &Contender) -> Result<Arc<[Arc<str>]>, RunError> {
    const LIST: &str = "/api/forums/topics?limit=50";
    let mut look = Look::at(contender.address, "localhost").map_err(anyhow::Error::new)?;
    let mut addresses: Vec<Arc<str>> = vec![LIST.into()];
    while addresses.len() < ADDRESSES {
        let last = addresses[addresses.len() - 1].clone();
        let body = look.bytes(&last).map_err(anyhow::Error::new)?;
        let page: Value = serde_json::from_slice(&body).map_err(anyhow::Error::new)?;
        let Some(next) = page["next"].as_str() else { break };
        addresses.push(format!("{LIST}&before={next}").into());
    }
    Ok(addresses.into())
}

fn measure(
    asked: &Peers,
    context: &Context,
    field: &Field,
    cases: &[Case],
) -> Result<Vec<Measured>, RunError> {
    let mut measured: Vec<Measured> = cases
        .iter()
        .map(|case| Measured {
            what: case.what,
            contenders: case
                .of
                .iter()
                .map(|(at, _)| (field.contenders[*at].name, Rounds::default()))
                .collect(),
        })
        .collect();
    let one = Duration::from_secs(asked.seconds);
    let runs: usize = cases.iter().map(|case| case.of.len()).sum();
    for round in 0..asked.rounds {
        let live = Live::new(&format!("round {}", round + 1), one * u32::try_from(runs).unwrap_or(u32::MAX));
        let mut over = Duration::ZERO;
        for (case, into) in cases.iter().zip(&mut measured) {
            // Each second round the other way round: whoever comes first finds another machine than who comes last.
            let mut order: Vec<usize> = (0..case.of.len()).collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for at in order {
                let (contender, addresses) = &case.of[at];
                let contender = &field.contenders[*contender];
                live.message(&format!("{}: {}", case.what, contender.name));
                let rounds = &mut into.contenders[at].1;
                once(asked, context, contender, addresses, rounds, |elapsed| live.at(over + elapsed))?;
                over += one;
                if context.is_stopped() {
                    live.done("");
                    return Ok(measured.into_iter().filter(Measured::is_whole).collect());
                }
            }
        }
        live.done(&format!("round {} of {} is over", round + 1, asked.rounds));
    }
    Ok(measured)
}

fn once(
    asked: &Peers,
    context: &Context,
    contender: &Contender,
    addresses: &Arc<[Arc<str>]>,
    rounds: &mut Rounds,
    mut watch: impl FnMut(Duration),
) -> Result<(), RunError> {
    let visitor = |_| Box::new(Anywhere(addresses.clone())) as Box<dyn Visitor>;
    let load = Load {
        address: contender.address,
        host: contender.address.to_string(),
        pace: Pace::Users { think: Duration::ZERO },
        connections: asked.connections,
        threads: asked.how.threads,
        duration: Duration::from_secs(asked.seconds),
        timeout: Duration::from_secs(asked.how.timeout),
        seed: asked.how.seed,
        visitor: &visitor,
        stop: &context.stop,
    };
    let before = || processes::tree(contender.pid);
    let (before, outcome) =
        load.run(before, |progress| watch(progress.elapsed)).map_err(anyhow::Error::new)?;
    let cpu = processes::cpu_between(&before, &processes::tree(contender.pid));
    rounds.add(&outcome.tally, outcome.seconds, cpu);
    Ok(())
}
