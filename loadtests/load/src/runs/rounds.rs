//! Figures of several contenders over several rounds: medians, ranges, ratios.

use serde::Serialize;

use super::answer::Answer;
use crate::budgets::{Point, Run, short};
use crate::report::Table;
use crate::tally::Tally;

/// One contender's figures in one case: a value a round.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Rounds {
    /// Answered within the time, a second.
    pub requests_per_second: Vec<f64>,
    /// Latency: median.
    pub p50_ms: Vec<f64>,
    /// Latency: 99 of 100.
    pub p99_ms: Vec<f64>,
    /// Processor time of the server's processes for a good answer, in microseconds. What failures cost is in it.
    pub server_cpu_us: Vec<f64>,
    /// Requests without a good answer.
    pub errors: Vec<u64>,
    /// Bytes of a good answer's body.
    pub bytes_each: Vec<f64>,
    /// Answers that the server says it had kept, in percent of those that say so: near 0 where nothing is to be kept.
    /// Of no round in which none says so.
    pub kept_percent: Vec<f64>,
}

/// One case, measured.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// What was asked for.
    pub what: Answer,
    /// By name, in the order of the case.
    pub contenders: Vec<(&'static str, Rounds)>,
}

/// Median, least and most.
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
    if least.total_cmp(&most).is_eq() {
        return short(median);
    }
    format!("{} [{} - {}]", short(median), short(least), short(most))
}

impl Rounds {
    /// Adds a round: what was counted in `seconds`, and the processor seconds that the server took meanwhile.
    pub fn add(&mut self, tally: &Tally, seconds: f64, cpu: f64) {
        // Where nothing was answered well, `errors` says what these figures are worth.
        let answered = tally.answered.max(1) as f64;
        self.requests_per_second.push(tally.in_time as f64 / seconds.max(f64::EPSILON));
        self.p50_ms.push(tally.latency.millis(0.5));
        self.p99_ms.push(tally.latency.millis(0.99));
        self.server_cpu_us.push(1e6 * cpu / answered);
        self.errors.push(tally.total() - tally.answered);
        self.bytes_each.push(tally.bytes as f64 / answered);
        let said = tally.cache_hits + tally.cache_misses;
        self.kept_percent.extend((said > 0).then(|| 100.0 * tally.cache_hits as f64 / said as f64));
    }

    /// Requests without a good answer, of all rounds.
    fn failed(&self) -> u64 {
        self.errors.iter().sum()
    }
}

impl Measured {
    /// Whether every contender was measured at least once.
    pub fn is_whole(&self) -> bool {
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

    /// For budgets: medians of the ratios, and the errors of all contenders, for a comparison in which anybody fails is
    /// none.
    pub fn point(&self) -> Point {
        let cpu = |other| spread(&self.ratios(other, |rounds| &rounds.server_cpu_us)).map(|spread| spread.0);
        let rate =
            |other| spread(&self.ratios(other, |rounds| &rounds.requests_per_second)).map(|spread| spread.0);
        let errors: u64 = self.contenders.iter().map(|(_, rounds)| rounds.failed()).sum();
        let figures = [
            ("errors", Some(errors as f64)),
            ("cpu_of_nginx", cpu("nginx")),
            ("cpu_of_axum", cpu("axum")),
            ("rate_of_nginx", rate("nginx")),
            ("rate_of_axum", rate("axum")),
        ];
        Point {
            run: Run::Peers,
            scenario: None,
            rps: None,
            users: None,
            short: false,
            what: Some(self.what),
            partial: None,
            figures: figures.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
        }
    }
}

/// Veritable's part of the others' figures.
pub fn ratios_table(measured: &[Measured]) -> Table {
    let row = |case: &Measured| {
        let cell = |other, of| shown(&case.ratios(other, of));
        vec![
            case.what.to_string(),
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

/// All figures.
pub fn figures_table(measured: &[Measured]) -> Table {
    let mut rows = Vec::new();
    for case in measured {
        for (name, rounds) in &case.contenders {
            rows.push(vec![
                format!("{} - {name}", case.what),
                shown(&rounds.bytes_each),
                shown(&rounds.requests_per_second),
                shown(&rounds.p50_ms),
                shown(&rounds.p99_ms),
                shown(&rounds.server_cpu_us),
                shown(&rounds.kept_percent),
                rounds.failed().to_string(),
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
        caption: "Median of the rounds with the least and the most, where they differ; errors are those of all rounds. CPU is \
                  for a good answer."
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::Trouble;

    #[test]
    fn a_spread_is_the_median_within_its_ends() {
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[3.0]), Some((3.0, 3.0, 3.0)));
        assert_eq!(spread(&[5.0, 1.0, 2.0]), Some((2.0, 1.0, 5.0)));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]), Some((2.5, 1.0, 4.0)));
        assert_eq!([shown(&[]), shown(&[2.5, 2.5])], ["-", "2.50"]);
        assert_eq!(shown(&[1.0, 1.5]), "1.25 [1 - 1.50]");
    }

    #[test]
    fn each_round_counts_and_failures_make_no_answer_cheaper() {
        let mut rounds = Rounds::default();
        let mut tally = Tally {
            answered: 10,
            in_time: 10,
            bytes: 1_000,
            cache_hits: 1,
            cache_misses: 3,
            ..Tally::default()
        };
        rounds.add(&tally, 2.0, 0.5);
        tally.errors.insert(Trouble::Status(503), 90);
        tally.errors.insert(Trouble::Closed, 7);
        tally.conflicts = 3;
        (tally.cache_hits, tally.cache_misses) = (0, 0);
        rounds.add(&tally, 2.0, 0.5);
        assert_eq!(rounds.server_cpu_us, [50_000.0, 50_000.0]);
        assert_eq!(
            (&rounds.bytes_each[..], &rounds.requests_per_second[..]),
            (&[100.0; 2][..], &[5.0; 2][..])
        );
        assert_eq!((&rounds.errors[..], &rounds.kept_percent[..]), (&[0, 100][..], &[25.0][..]));
        let case = Measured {
            what: Answer::TopicPageCached,
            contenders: vec![("veritable", rounds.clone()), ("nginx", rounds)],
        };
        assert_eq!(case.point().figures.get("errors"), Some(&200.0));
        assert_eq!(figures_table(&[case]).rows[0].last().map(String::as_str), Some("100"));
    }

    #[test]
    fn ratios_are_taken_within_rounds_and_budgets_find_them() {
        let rounds = |rates: [f64; 2], cpu: [f64; 2]| Rounds {
            requests_per_second: rates.to_vec(),
            server_cpu_us: cpu.to_vec(),
            ..Rounds::default()
        };
        let case = Measured {
            what: Answer::TopicPageCached,
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
