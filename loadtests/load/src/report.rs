//! What a run says at its end: a page that needs nothing from elsewhere, JSON, lines on the terminal.

use std::io::Write;
use std::path::{Path, PathBuf};

use askama::Template;
use serde::Serialize;

use crate::budgets::{Standing, Verdict};
use crate::plot::{COLOURS, Plot, PlotError};

/// A report on one run, whatever it measured.
#[derive(Debug)]
pub struct Report {
    /// The name of its files.
    pub name: &'static str,
    /// Its heading.
    pub title: String,
    /// In a sentence, what was done.
    pub summary: String,
    /// What became of the budgets; those that fall short first.
    pub verdicts: Vec<Verdict>,
    /// What whoever reads the figures must know, such as that they are the generator's own.
    pub notes: Vec<String>,
    /// The figures as people read them; the first table goes to the terminal too.
    pub tables: Vec<Table>,
    /// Pictures.
    pub plots: Vec<Plot>,
    /// Where and how it was measured: names and values.
    pub about: Vec<(&'static str, String)>,
}

/// A table.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Above it.
    pub title: String,
    /// Names of the columns. All but the first hold numbers.
    pub head: Vec<&'static str>,
    /// As many cells in each as there are columns.
    pub rows: Vec<Vec<String>>,
    /// Below it.
    pub caption: String,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file cannot be written.
    #[error("{path}: {error}")]
    Unwritable {
        /// Which.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// A picture cannot be drawn.
    #[error(transparent)]
    Plot(#[from] PlotError),
    /// A bug: the page or the JSON cannot be made.
    #[error("making the report: {0}")]
    Made(String),
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    report: &'a Report,
    standing: String,
    falls_short: bool,
    verdicts: Vec<(&'static str, &'static str, &'a str, &'a str)>,
    pictures: Vec<Picture<'a>>,
}

struct Picture<'a> {
    plot: &'a Plot,
    svg: String,
    legend: Vec<(usize, &'a str)>,
}

impl Picture<'_> {
    fn of(plot: &Plot) -> Result<Picture<'_>, PlotError> {
        let legend = plot.lines.iter().enumerate().map(|(at, line)| (at % COLOURS, line.name.as_str()));
        Ok(Picture { plot, svg: plot.svg()?, legend: legend.collect() })
    }
}

#[derive(Serialize)]
struct Document<'a, D> {
    run: &'static str,
    title: &'a str,
    summary: &'a str,
    notes: &'a [String],
    about: Vec<(&'static str, &'a str)>,
    verdicts: &'a [Verdict],
    data: D,
}

impl Report {
    /// Writes both files into `folder` and says where they are.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn write(&self, folder: &Path, data: impl Serialize) -> Result<[PathBuf; 2], ReportError> {
        let put = |ending: &str, text: &str| {
            let path = folder.join(format!("{}.{ending}", self.name));
            std::fs::create_dir_all(folder)
                .and_then(|()| std::fs::write(&path, text))
                .map_err(|error| ReportError::Unwritable { path: path.display().to_string(), error })?;
            Ok::<_, ReportError>(path)
        };
        let document = Document {
            run: self.name,
            title: &self.title,
            summary: &self.summary,
            notes: &self.notes,
            about: self.about.iter().map(|(name, value)| (*name, value.as_str())).collect(),
            verdicts: &self.verdicts,
            data,
        };
        let json =
            serde_json::to_string_pretty(&document).map_err(|error| ReportError::Made(error.to_string()))?;
        Ok([put("html", &self.page()?)?, put("json", &json)?])
    }

    /// The page.
    ///
    /// # Errors
    /// A bug.
    pub fn page(&self) -> Result<String, ReportError> {
        let page = Page {
            report: self,
            standing: self.standing(),
            falls_short: self.verdicts.iter().any(|verdict| verdict.standing == Standing::Broken),
            verdicts: self
                .verdicts
                .iter()
                .map(|verdict| {
                    let (class, word) = match verdict.standing {
                        Standing::Broken => ("short", "Falls short"),
                        Standing::NotMeasured => ("open", "Not measured"),
                        Standing::Kept => ("kept", "Kept"),
                    };
                    (class, word, verdict.line.as_str(), verdict.budget.source.as_deref().unwrap_or_default())
                })
                .collect(),
            pictures: self.plots.iter().map(Picture::of).collect::<Result<_, PlotError>>()?,
        };
        page.render().map_err(|error| ReportError::Made(error.to_string()))
    }

    /// How the budgets stand, in a sentence.
    pub fn standing(&self) -> String {
        let count = |standing| self.verdicts.iter().filter(|verdict| verdict.standing == standing).count();
        let (broken, kept) = (count(Standing::Broken), count(Standing::Kept));
        let open = count(Standing::NotMeasured);
        let open = if open > 0 { format!(", {open} not measured") } else { String::new() };
        match (broken, kept) {
            (0, 0) => format!("No budget applies to this run{open}"),
            (0, _) => format!("Kept: {kept} of {kept} budgets{open}"),
            _ => format!("Falling short: {broken} of {} budgets{open}", broken + kept),
        }
    }

    /// The lines for the terminal: what falls short first, then the figures.
    ///
    /// # Errors
    /// Nobody reads them any more.
    pub fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        for verdict in &self.verdicts {
            let word = match verdict.standing {
                Standing::Broken => "FALLS SHORT ",
                Standing::NotMeasured => "not measured",
                Standing::Kept => "kept        ",
            };
            writeln!(out, "{word} {}", verdict.line)?;
        }
        for note in &self.notes {
            writeln!(out, "note: {note}")?;
        }
        if let Some(table) = self.tables.first() {
            writeln!(out, "\n{table}")?;
        }
        writeln!(out, "{}", self.standing())
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let head: Vec<String> = self.head.iter().map(|name| (*name).to_owned()).collect();
        let all: Vec<&Vec<String>> = std::iter::once(&head).chain(&self.rows).collect();
        for row in &all {
            for (at, cell) in row.iter().enumerate() {
                let width = all.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
                let width = width.unwrap_or_default();
                // The first names something, the rest are numbers.
                if at == 0 { write!(f, "{cell:<width$}")? } else { write!(f, "  {cell:>width$}")? }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budgets::{Budgets, Point, Run};
    use crate::plot::Line;

    fn report() -> Report {
        let budgets = "[[budget]]\nname = '<b>quick & \"good\"</b>'\nrun = 'users'\nfigure = 'p95_ms'\nat_most = 5\n\
                       [[budget]]\nname = 'fine'\nrun = 'users'\nfigure = 'p50_ms'\nat_most = 50\n";
        let point = Point {
            run: Run::Users,
            scenario: Some(crate::scenario::Scenario::Mixed),
            rps: None,
            users: Some(5),
            short: false,
            what: None,
            partial: None,
            figures: [("p95_ms", 9.0), ("p50_ms", 9.0)].into(),
        };
        Report {
            name: "users",
            title: "Users <script>alert(1)</script>".into(),
            summary: "Five users".into(),
            verdicts: Budgets::parse(budgets, "x").unwrap().judge(Run::Users, &[point], false),
            notes: vec!["the generator <was> busy".into()],
            tables: vec![Table {
                title: "Figures".into(),
                head: vec!["what", "ms"],
                rows: vec![vec!["a & b".into(), "1.0".into()], vec!["c".into(), "100.0".into()]],
                caption: String::new(),
            }],
            plots: vec![Plot {
                title: "Latency",
                x: "s",
                y: "ms",
                logarithmic: false,
                lines: vec![Line { name: "worker <0>".into(), points: vec![(1.0, 2.0), (2.0, 3.0)] }],
                limits: Vec::new(),
            }],
            about: vec![("command", "veritable-load --out '<x>'".into())],
        }
    }

    #[test]
    fn the_page_escapes_everything_and_needs_nothing_from_elsewhere() {
        let page = report().page().unwrap();
        for raw in ["<script>", "<b>quick", "<was>", "worker <0>", "'<x>'", "a & b"] {
            assert!(!page.contains(raw), "{raw}");
        }
        for escaped in ["&#60;script&#62;", "&#60;was&#62;", "worker &#60;0&#62;"] {
            assert!(page.contains(escaped), "{escaped}");
        }
        for elsewhere in ["src=", "href=", "@import", "url("] {
            assert!(!page.contains(elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn what_falls_short_is_said_first() {
        let report = report();
        let page = report.page().unwrap();
        let (short, kept) = (page.find("Falls short").unwrap(), page.find(">Kept").unwrap());
        assert!(short < kept && short < page.find("Figures").unwrap());
        let mut lines = Vec::new();
        report.print(&mut lines).unwrap();
        let lines = String::from_utf8(lines).unwrap();
        assert!(lines.starts_with("FALLS SHORT  <b>quick"), "{lines}");
        assert!(lines.ends_with("Falling short: 1 of 2 budgets\n"), "{lines}");
        assert!(lines.contains("what      ms\na & b    1.0\nc      100.0\n"), "{lines}");
    }

    #[test]
    fn files_are_written_where_they_were_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let [page, json] =
            report().write(&folder.path().join("new"), serde_json::json!({"steps": []})).unwrap();
        assert!(std::fs::read_to_string(page).unwrap().starts_with("<!DOCTYPE html>"));
        let json: serde_json::Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
        assert_eq!(json["verdicts"][0]["standing"], "broken");
        let error = report().write(Path::new("/proc/none"), ()).unwrap_err().to_string();
        assert!(error.starts_with("/proc/none/users.html"), "{error}");
    }
}
