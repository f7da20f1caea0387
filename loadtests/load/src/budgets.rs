//! What a run may cost at most: limits from a file, held against what was measured.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::runs::answer::Answer;
use crate::scenario::Scenario;

/// The file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budgets {
    /// Every limit.
    #[serde(default, rename = "budget")]
    pub budgets: Vec<Budget>,
}

/// One limit.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// In a line, for people.
    pub name: String,
    /// Of which kind of run.
    pub run: Run,
    /// Of which scenario only, except for `peers`; of every one if it is not said.
    pub scenario: Option<Scenario>,
    /// For `progression`: of the lowest step of at least so many requests a second; of every step that is no
    /// saturation if it is not said.
    pub at_rps: Option<f64>,
    /// For `users`: with how many.
    pub users: Option<u64>,
    /// For `soak`: of the short form (`true`) or the long one; of both if it is not said.
    pub short: Option<bool>,
    /// For `peers`: of which answer; of every one if it is not said.
    pub what: Option<Answer>,
    /// Which figure, by its name in the JSON report.
    pub figure: String,
    /// The most it may be.
    pub at_most: Option<f64>,
    /// The least it may be.
    pub at_least: Option<f64>,
    /// Whose limit it is.
    pub source: Option<String>,
}

/// Kinds of run.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Run {
    /// Rates one after another.
    Progression,
    /// Many users at once.
    Users,
    /// A long time.
    Soak,
    /// Beside other servers.
    Peers,
}

impl Run {
    /// As the command line has it.
    pub fn name(self) -> &'static str {
        match self {
            Run::Progression => "progression",
            Run::Users => "users",
            Run::Soak => "soak",
            Run::Peers => "peers",
        }
    }
}

/// Something measured, with what decides which budgets are held against it.
#[derive(Clone, Debug)]
pub struct Point {
    /// Of which run.
    pub run: Run,
    /// Of which scenario; peers have none.
    pub scenario: Option<Scenario>,
    /// Requests a second asked for.
    pub rps: Option<f64>,
    /// Concurrent users.
    pub users: Option<u64>,
    /// Whether it was a short form.
    pub short: bool,
    /// For peers: which answer.
    pub what: Option<Answer>,
    /// Why it says nothing of budgets, although it was measured: it was not whole.
    pub partial: Option<String>,
    /// Figures by name.
    pub figures: BTreeMap<&'static str, f64>,
}

/// What became of a budget.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// Which.
    pub budget: Budget,
    /// What was measured, unless nothing was.
    pub measured: Option<f64>,
    /// How it stands.
    pub standing: Standing,
    /// In a line, for people.
    pub line: String,
}

/// How a budget stands. In the order in which a report names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It was not kept.
    Broken,
    /// This run says nothing of it.
    NotMeasured,
    /// It was kept.
    Kept,
}

/// Why a file of budgets cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BudgetsError {
    /// It cannot be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// It is malformed.
    #[error("{path}: {error}")]
    Malformed {
        /// Which.
        path: String,
        /// What and where.
        error: Box<toml::de::Error>,
    },
    /// A limit that cannot be held against anything.
    #[error("{path}: budget {name:?}: {why}")]
    Senseless {
        /// Which file.
        path: String,
        /// Which budget.
        name: String,
        /// Why.
        why: String,
    },
}

impl Budgets {
    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn read(path: &Path) -> Result<Budgets, BudgetsError> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| BudgetsError::Unreadable { path: shown.clone(), error })?;
        Budgets::parse(&text, &shown)
    }

    /// Reads the text of a file that errors call `path`.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str, path: &str) -> Result<Budgets, BudgetsError> {
        let budgets: Budgets = toml::from_str(text)
            .map_err(|error| BudgetsError::Malformed { path: path.to_owned(), error: Box::new(error) })?;
        for budget in &budgets.budgets {
            let senseless = |why: &str| BudgetsError::Senseless {
                path: path.to_owned(),
                name: budget.name.clone(),
                why: why.to_owned(),
            };
            if budget.at_most.is_some() == budget.at_least.is_some() {
                return Err(senseless("exactly one of at_most and at_least is needed"));
            }
            if !crate::figures::NAMES.contains(&budget.figure.as_str()) {
                let known = crate::figures::NAMES.join(", ");
                return Err(senseless(&format!("no figure {:?}; there are {known}", budget.figure)));
            }
            if let Some(key) = budget.foreign() {
                let run = budget.run.name();
                return Err(senseless(&format!("{key} is none of the keys of a budget of {run}")));
            }
        }
        Ok(budgets)
    }

    /// Holds what was measured against every budget of this kind of run; those that were broken come first.
    /// `saturated` says that higher rates were not tried because the server had enough.
    pub fn judge(&self, run: Run, points: &[Point], saturated: bool) -> Vec<Verdict> {
        let mut verdicts: Vec<Verdict> = self
            .budgets
            .iter()
            .filter(|budget| budget.run == run)
            // An answer that could not be compared, as on a community without a wiki, is named all the same.
            .filter(|budget| budget.what.is_some() || points.iter().any(|point| budget.is_about(point)))
            .map(|budget| budget.judge(points, saturated))
            .collect();
        verdicts.sort_by_key(|verdict| verdict.standing);
        verdicts
    }
}

impl Budget {
    /// A key that runs of its kind know nothing of: with it, it would never be held against anything.
    fn foreign(&self) -> Option<&'static str> {
        let keys = [
            ("scenario", self.scenario.is_some(), self.run != Run::Peers),
            ("at_rps", self.at_rps.is_some(), self.run == Run::Progression),
            ("users", self.users.is_some(), self.run == Run::Users),
            ("short", self.short.is_some(), self.run == Run::Soak),
            ("what", self.what.is_some(), self.run == Run::Peers),
        ];
        keys.into_iter().find(|(_, is_said, is_known)| *is_said && !is_known).map(|(key, ..)| key)
    }

    /// Whether it speaks of runs like this one, whatever their rate.
    fn is_about(&self, point: &Point) -> bool {
        self.run == point.run
            && self.scenario.is_none_or(|scenario| Some(scenario) == point.scenario)
            && self.users.is_none_or(|users| Some(users) == point.users)
            && self.short.is_none_or(|short| short == point.short)
            && self.what.is_none_or(|what| Some(what) == point.what)
    }

    fn judge(&self, points: &[Point], saturated: bool) -> Verdict {
        let mut about: Vec<&Point> = points.iter().filter(|point| self.is_about(point)).collect();
        if let Some(at) = self.at_rps {
            let enough = about.iter().filter_map(|point| point.rps.filter(|rps| *rps >= at));
            let Some(step) = enough.min_by(f64::total_cmp) else {
                let why = format!("the server had enough before {at:.0} requests/s");
                return match saturated {
                    true => self.verdict(None, Standing::Broken, &why),
                    false => {
                        let why = format!("no step of {at:.0} requests/s");
                        self.verdict(None, Standing::NotMeasured, &why)
                    }
                };
            };
            about.retain(|point| point.rps == Some(step));
        }
        if let Some(why) = about.iter().find_map(|point| point.partial.as_ref()) {
            return self.verdict(None, Standing::NotMeasured, why);
        }
        let measured = about.iter().filter_map(|point| point.figures.get(self.figure.as_str()).copied());
        // The worst of all that it is about.
        let worst = if self.at_most.is_some() {
            measured.max_by(f64::total_cmp)
        } else {
            measured.min_by(f64::total_cmp)
        };
        match worst {
            None => self.verdict(None, Standing::NotMeasured, "this run could not measure it"),
            Some(worst) if self.at_most.is_some_and(|most| worst > most) => {
                self.verdict(Some(worst), Standing::Broken, "more than allowed")
            }
            Some(worst) if self.at_least.is_some_and(|least| worst < least) => {
                self.verdict(Some(worst), Standing::Broken, "less than wanted")
            }
            Some(worst) => self.verdict(Some(worst), Standing::Kept, ""),
        }
    }

    fn verdict(&self, measured: Option<f64>, standing: Standing, why: &str) -> Verdict {
        let limit = match (self.at_most, self.at_least) {
            (Some(most), _) => format!("at most {}", short(most)),
            (_, Some(least)) => format!("at least {}", short(least)),
            _ => String::new(),
        };
        let found = measured.map_or_else(|| why.to_owned(), |value| format!("measured {}", short(value)));
        let line = format!("{}: {found} ({limit}, {})", self.name, self.figure);
        Verdict { budget: self.clone(), measured, standing, line }
    }
}

/// A number with three significant digits, or all before the point.
pub fn short(number: f64) -> String {
    match number.abs() {
        size if size >= 100.0 || number.fract() == 0.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.1}"),
        size if size >= 1.0 => format!("{number:.2}"),
        _ => format!("{number:.3}"),
    }
}

#[cfg(test)]
#[path = "budgets_tests.rs"]
mod tests;
