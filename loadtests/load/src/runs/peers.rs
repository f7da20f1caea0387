//! Beside other servers, in turn within one run, so that the machine's drift hits all of them.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::SmallRng;
use serde::Serialize;
use serde_json::Value;

use super::{Context, Live, RunError, allow_files, budgets, others, out};
use crate::ask::{Ask, Kind, Reply, Trouble};
use crate::budgets::{Point, Run, short};
use crate::cli::Peers;
use crate::community::{Community, Look, discover};
use crate::contenders::{Contender, axum_program};
use crate::engine::{Load, Pace, Visitor};
use crate::processes;
use crate::report::{Report, Table};
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
    what: &'static str,
    /// Addresses by contender.
    of: Vec<(usize, Arc<[Arc<str>]>)>,
}

/// One contender's figures in one case: a value a round.
#[derive(Clone, Debug, Default, Serialize)]
struct Rounds {
    requests_per_second: Vec<f64>,
    p50_ms: Vec<f64>,
    p99_ms: Vec<f64>,
    server_cpu_us: Vec<f64>,
    errors: u64,
    bytes_each: f64,
    /// Answers that the server says it had kept, in percent of those that say so: near 0 where nothing is to be kept.
    kept_percent: Option<f64>,
}

/// One case, measured.
#[derive(Clone, Debug, Serialize)]
struct Measured {
    what: &'static str,
    contenders: Vec<(&'static str, Rounds)>,
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
fn cached(community: &Community) -> Vec<(&'static str, Arc<str>, bool)> {
    // The latest whose first page is full, as whoever opens the latest list would meet it.
    let full = community.topics.iter().find(|topic| topic.size >= THREAD);
    let topic = full.unwrap_or(&community.topics[0]);
    let mut cached = vec![
        ("topic list, page, cached", "/latest".into(), false),
        ("topic, page, cached", topic.page.clone(), false),
        ("topic list, API, cached", "/api/forums/topics".into(), true),
        ("thread, API, cached", topic.posts.clone(), true),
    ];
    cached.extend(community.pages.first().map(|page| ("wiki page, API, cached", page.api.clone(), true)));
    cached
}

fn cases(
    field: &Field,
    community: &Community,
    cached: &[(&'static str, Arc<str>, bool)],
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
        cases.push(Case { what, of });
    }
    if field.has_nginx {
        cases.push(Case { what: "19 bytes, nginx return", of: vec![(NGINX, one("/return"))] });
    }
    let lists = |contender: usize| walk(&field.contenders[contender]);
    cases.push(Case {
        what: "topic list, API, uncached",
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
    cases.push(Case { what: "thread, API, uncached", of: both(threads) });
    if !community.pages.is_empty() {
        let pages = community.pages.iter().take(ADDRESSES).map(|page| page.api.clone()).collect();
        cases.push(Case { what: "wiki page, API, uncached", of: both(pages) });
    }
    // Pages for people, which nobody else here makes.
    let parts = community.lists.iter().filter(|list| list.starts_with("/latest")).take(ADDRESSES);
    let pages = [
        ("topic list, page, uncached", parts.cloned().collect::<Vec<_>>()),
        (
            "topic, page, uncached",
            community.topics.iter().take(ADDRESSES).map(|topic| topic.page.clone()).collect(),
        ),
        (
            "wiki page, page, uncached",
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
    let before = processes::tree(contender.pid);
    let outcome = load.run(|progress| watch(progress.elapsed)).map_err(anyhow::Error::new)?;
    let cpu = processes::cpu_between(&before, &processes::tree(contender.pid));
    let tally = &outcome.tally;
    let count = tally.total().max(1) as f64;
    rounds.requests_per_second.push(tally.in_time as f64 / outcome.seconds.max(f64::EPSILON));
    rounds.p50_ms.push(tally.latency.millis(0.5));
    rounds.p99_ms.push(tally.latency.millis(0.99));
    rounds.server_cpu_us.push(1e6 * cpu / count);
    rounds.errors += tally.failed();
    rounds.bytes_each = tally.bytes as f64 / count;
    let said = tally.cache_hits + tally.cache_misses;
    rounds.kept_percent = (said > 0).then(|| 100.0 * tally.cache_hits as f64 / said as f64);
    Ok(())
}

/// The median with the least and the most: by the middle of what was measured.
fn spread(values: &[f64]) -> Option<(f64, f64, f64)> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let median = match sorted.len() {
        0 => return None,
        length if length % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    };
    Some((median, sorted[0], sorted[sorted.len() - 1]))
}

fn shown(values: &[f64]) -> String {
    let Some((median, least, most)) = spread(values) else { return "-".into() };
    format!("{} [{} - {}]", short(median), short(least), short(most))
}

impl Measured {
    fn is_whole(&self) -> bool {
        self.contenders.iter().all(|(_, rounds)| !rounds.requests_per_second.is_empty())
    }

    fn of(&self, name: &str) -> Option<&Rounds> {
        self.contenders.iter().find(|(contender, _)| contender.starts_with(name)).map(|(_, rounds)| rounds)
    }

    /// Veritable's figures as parts of another's, a value a round.
    fn ratios(&self, other: &str, of: fn(&Rounds) -> &Vec<f64>) -> Vec<f64> {
        let pair = self.of("veritable").zip(self.of(other));
        pair.into_iter()
            .flat_map(|(ours, theirs)| of(ours).iter().zip(of(theirs)).map(|(a, b)| a / b))
            .collect()
    }

    fn point(&self) -> Point {
        let cpu = |other| spread(&self.ratios(other, |rounds| &rounds.server_cpu_us)).map(|spread| spread.0);
        let rate =
            |other| spread(&self.ratios(other, |rounds| &rounds.requests_per_second)).map(|spread| spread.0);
        let figures = [
            ("cpu_of_nginx", cpu("nginx")),
            ("cpu_of_axum", cpu("axum")),
            ("rate_of_nginx", rate("nginx")),
            ("rate_of_axum", rate("axum")),
        ];
        Point {
            run: Run::Peers,
            scenario: String::new(),
            rps: None,
            users: None,
            short: false,
            what: Some(self.what.to_owned()),
            figures: figures.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
        }
    }
}

fn ratios_table(measured: &[Measured]) -> Table {
    let row = |case: &Measured| {
        let cell = |other, of| shown(&case.ratios(other, of));
        vec![
            case.what.to_owned(),
            cell("nginx", |rounds| &rounds.requests_per_second),
            cell("nginx", |rounds| &rounds.server_cpu_us),
            cell("axum", |rounds| &rounds.requests_per_second),
            cell("axum", |rounds| &rounds.server_cpu_us),
        ]
    };
    let compared = measured.iter().filter(|case| case.contenders.len() > 1);
    Table {
        title: "Veritable's part of the others' figures".into(),
        head: vec!["what", "requests/s of nginx", "CPU of nginx", "requests/s of axum", "CPU of axum"],
        rows: compared.map(row).collect(),
        caption: "Median of the rounds with the least and the most; 1 is the same, and less CPU is better. The \
                  generator and the server share the machine, so that requests/s come closer to each other than the \
                  servers are: CPU tells more."
            .into(),
    }
}

fn figures_table(measured: &[Measured]) -> Table {
    let mut rows = Vec::new();
    for case in measured {
        for (name, rounds) in &case.contenders {
            rows.push(vec![
                format!("{} - {name}", case.what),
                format!("{:.0}", rounds.bytes_each),
                shown(&rounds.requests_per_second),
                shown(&rounds.p50_ms),
                shown(&rounds.p99_ms),
                shown(&rounds.server_cpu_us),
                super::optional(rounds.kept_percent),
                rounds.errors.to_string(),
            ]);
        }
    }
    Table {
        title: "Figures".into(),
        head: vec![
            "what",
            "bytes",
            "requests/s",
            "p50 ms",
            "p99 ms",
            "server CPU us each",
            "hits %",
            "errors",
        ],
        rows,
        caption: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_the_median_within_its_ends() {
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[3.0]), Some((3.0, 3.0, 3.0)));
        assert_eq!(spread(&[5.0, 1.0, 2.0]), Some((2.0, 1.0, 5.0)));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]), Some((2.5, 1.0, 4.0)));
        assert_eq!(shown(&[1.0, 1.5]), "1.25 [1 - 1.50]");
    }

    #[test]
    fn ratios_are_taken_within_rounds_and_budgets_find_them() {
        let rounds = |rates: [f64; 2], cpu: [f64; 2]| Rounds {
            requests_per_second: rates.to_vec(),
            server_cpu_us: cpu.to_vec(),
            ..Rounds::default()
        };
        let case = Measured {
            what: "topic, page, cached",
            contenders: vec![
                ("veritable", rounds([50.0, 200.0], [10.0, 30.0])),
                ("nginx", rounds([100.0, 200.0], [10.0, 20.0])),
            ],
        };
        assert_eq!(case.ratios("nginx", |rounds| &rounds.requests_per_second), [0.5, 1.0]);
        assert!(case.ratios("axum", |rounds| &rounds.requests_per_second).is_empty());
        let point = case.point();
        assert_eq!(point.figures.get("cpu_of_nginx"), Some(&1.25));
        assert!(!point.figures.contains_key("cpu_of_axum"));
        assert!(point.figures.keys().all(|name| crate::figures::NAMES.contains(name)));
        assert_eq!(ratios_table(&[case]).rows[0][1], "0.750 [0.500 - 1]");
    }
}
