//! How a frame looks.

use std::time::Duration;

use ratatui::crossterm::event::KeyCode;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph, Row, Table};
use veritable_config::Config;
use veritable_shm::SLO;

use super::frame::{Frame, ProcessRow, RouteRow, StatementRow};
use super::{GONE, INTERVALS};
use crate::cache::human_bytes;

/// Rows of routes and of statements on a page of text.
const ROUTES_SHOWN: usize = 20;
const STATEMENTS_SHOWN: usize = 8;
/// Rows of a table's title and head.
const TABLE_HEAD: u16 = 2;
/// Lines at the top.
const HEADER: u16 = 4;

/// By what routes are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Load,
    Time,
    P95,
    Errors,
}

impl Order {
    const ALL: [Order; 4] = [Order::Load, Order::Time, Order::P95, Order::Errors];

    fn name(self) -> &'static str {
        match self {
            Order::Load => "requests",
            Order::Time => "time",
            Order::P95 => "p95",
            Order::Errors => "errors",
        }
    }

    fn of(self, row: &RouteRow) -> f64 {
        match self {
            Order::Load => row.rate,
            Order::Time => row.share,
            Order::P95 => row.latency.quantile(0.95).as_secs_f64(),
            Order::Errors => row.errors,
        }
    }
}

/// What is shown, and how.
pub(super) struct View {
    place: String,
    /// Seconds between two frames.
    pub(super) interval: u8,
    pub(super) paused: bool,
    order: Order,
}

impl View {
    pub(super) fn new(config: &Config, interval: u8) -> View {
        View { place: config.data_dir.display().to_string(), interval, paused: false, order: Order::Load }
    }

    /// Does what a key says; whether to go on.
    pub(super) fn key(&mut self, key: KeyCode) -> bool {
        match key {
            KeyCode::Char('q') | KeyCode::Esc => return false,
            KeyCode::Char('p' | ' ') => self.paused = !self.paused,
            KeyCode::Char('s') => {
                let next = (self.order as usize + 1) % Order::ALL.len();
                self.order = Order::ALL[next];
            }
            KeyCode::Char('+') => self.interval = (self.interval + 1).min(*INTERVALS.end()),
            KeyCode::Char('-') => self.interval = (self.interval - 1).max(*INTERVALS.start()),
            _ => {}
        }
        true
    }

    /// Rows that a whole frame takes.
    pub(super) fn rows(&self, frame: &Frame) -> u16 {
        let rows = |count: usize| u16::try_from(count).unwrap_or(u16::MAX).max(1).saturating_add(TABLE_HEAD);
        HEADER
            + rows(frame.processes.len())
            + rows(frame.routes.len().min(ROUTES_SHOWN))
            + rows(databases(frame).len())
            + rows(frame.statements.len().min(STATEMENTS_SHOWN))
            + 1
    }

    pub(super) fn draw(&self, place: &mut ratatui::Frame<'_>, frame: &Frame) {
        let rows = |count: usize| u16::try_from(count).unwrap_or(u16::MAX).max(1).saturating_add(TABLE_HEAD);
        let areas = Layout::vertical([
            Constraint::Length(HEADER),
            Constraint::Length(rows(frame.processes.len())),
            Constraint::Fill(2),
            Constraint::Length(rows(databases(frame).len())),
            Constraint::Max(rows(frame.statements.len().min(STATEMENTS_SHOWN))),
            Constraint::Length(1),
        ]);
        let [header, processes, routes, stores, statements, keys] = areas.areas(place.area());
        place.render_widget(Paragraph::new(self.header(frame)), header);
        place.render_widget(process_table(&frame.processes), processes);
        place.render_widget(self.route_table(&frame.routes), routes);
        place.render_widget(database_table(frame), stores);
        place.render_widget(statement_table(&frame.statements, statements), statements);
        place.render_widget(
            Paragraph::new(self.keys()).style(Style::new().add_modifier(Modifier::REVERSED)),
            keys,
        );
    }

    fn header(&self, frame: &Frame) -> Vec<Line<'static>> {
        let latency = &frame.all.latency;
        let quantile = |share| {
            let time = latency.quantile(share);
            Span::styled(millis(time), warn(time > SLO))
        };
        let state = match frame.silence {
            silence if silence > GONE => Span::styled(
                "the server is gone; waiting for another",
                warn(true).add_modifier(Modifier::BOLD),
            ),
            _ if self.paused => Span::styled("paused", Style::new().add_modifier(Modifier::BOLD)),
            _ => Span::raw(format!("every {} s", self.interval)),
        };
        let title = format!("Veritable {} on {} · ", env!("CARGO_PKG_VERSION"), self.place);
        let hits = frame.hit_ratio.map_or_else(|| "-".into(), percent);
        vec![
            Line::from(vec![Span::styled(title, Style::new().add_modifier(Modifier::BOLD)), state]),
            Line::from(vec![
                Span::raw(format!("requests {}/s   p50 ", short(frame.all.rate))),
                quantile(0.5),
                Span::raw("  p95 "),
                quantile(0.95),
                Span::raw("  p99 "),
                quantile(0.99),
                Span::raw(" ms   over 127 ms "),
                Span::styled(latency.violations().to_string(), warn(latency.violations() > 0)),
                Span::raw("   errors "),
                Span::styled(percent(frame.all.errors), warn(frame.all.errors > 0.0)),
                Span::raw(format!("   connections {}", frame.connections)),
            ]),
            Line::from(format!(
                "cache hits {hits}   evictions {}/s   commits {}/s of {}/s commands, p99 {} ms   event loop lag p99 {} ms",
                short(frame.evictions),
                short(frame.commits),
                short(frame.commands),
                millis(frame.commit),
                millis(frame.lag),
            )),
        ]
    }

    fn route_table(&self, routes: &[RouteRow]) -> Table<'static> {
        let mut routes: Vec<&RouteRow> = routes.iter().collect();
        routes.sort_by(|a, b| {
            let by_order = self.order.of(b).partial_cmp(&self.order.of(a));
            by_order.unwrap_or(std::cmp::Ordering::Equal).then_with(|| a.name.cmp(&b.name))
        });
        let none = routes.is_empty();
        let row = |route: &RouteRow| {
            let time = |share| millis(route.latency.quantile(share));
            let slow = route.latency.violations();
            let style = warn(slow > 0 || route.errors > 0.0);
            right([
                short(route.rate),
                percent(route.share),
                time(0.5),
                time(0.95),
                time(0.99),
                slow.to_string(),
                percent(route.errors),
            ])
            .into_iter()
            .chain([Line::from(route.name.clone())])
            .collect::<Row<'static>>()
            .style(style)
        };
        let mut rows: Vec<Row<'static>> = routes.into_iter().map(row).collect();
        if none {
            rows.push(Row::new(
                right([""; 7].map(str::to_owned)).into_iter().chain([Line::from("no requests")]),
            ));
        }
        let head = ["REQ/S", "TIME", "P50 MS", "P95 MS", "P99 MS", ">127", "ERRORS"];
        let widths = [9, 7, 9, 9, 9, 6, 7].map(Constraint::Length);
        table(
            &format!("Routes by {}", self.order.name()),
            right(head.map(str::to_owned)).into_iter().chain([Line::from("ROUTE")]),
            rows,
            widths.into_iter().chain([Constraint::Fill(1)]),
        )
    }

    fn keys(&self) -> String {
        format!(
            " q quit   p {}   s order routes by {}   + - interval ({} s)",
            if self.paused { "go on" } else { "pause" },
            Order::ALL[(self.order as usize + 1) % Order::ALL.len()].name(),
            self.interval
        )
    }
}

fn process_table(processes: &[ProcessRow]) -> Table<'static> {
    let row = |row: &ProcessRow| {
        let process = &row.process;
        let bytes = |bytes: u64| if bytes == 0 { "-".into() } else { human_bytes(bytes) };
        let is_worker = process.role == "worker";
        let left = [process.role, process.state].map(|text| Line::from(text.to_owned()));
        let figures = right([
            process.slot.to_string(),
            process.pid.to_string(),
            row.cpu.map_or_else(|| "-".into(), percent),
            bytes(process.heap_bytes),
            bytes(process.resident_bytes),
            bytes(process.proportional_bytes),
            if is_worker { short(row.rate) } else { "-".into() },
            if is_worker { process.connections.to_string() } else { "-".into() },
            row.uptime.map_or_else(|| "-".into(), uptime),
        ]);
        let is_well = process.state == "ready" && process.silence < GONE;
        left.into_iter().chain(figures).collect::<Row<'static>>().style(warn(!is_well))
    };
    let head = ["SLOT", "PID", "CPU", "HEAP", "RSS", "PSS", "REQ/S", "CONN", "UP"];
    let left = ["PROCESS", "STATE"].map(|text| Line::from(text.to_owned()));
    table(
        "Processes",
        left.into_iter().chain(right(head.map(str::to_owned))),
        processes.iter().map(row),
        [8, 9, 5, 9, 8, 10, 10, 10, 9, 7, 12].map(Constraint::Length),
    )
}

/// Name, size, free, log, queue, writes, reads.
fn databases(frame: &Frame) -> Vec<[String; 7]> {
    let of = |(name, database): (&String, &serde_json::Value)| {
        let bytes = |key: &str| human_bytes(database[key].as_u64().unwrap_or_default());
        let text = |key: &str| database[key].as_str().unwrap_or("-").to_owned();
        [
            name.clone(),
            bytes("bytes"),
            bytes("free_bytes"),
            bytes("log_bytes"),
            database["queue"].to_string(),
            text("writes"),
            text("reads"),
        ]
    };
    frame.databases.as_object().into_iter().flatten().map(of).collect()
}

fn database_table(frame: &Frame) -> Table<'static> {
    let row = |[name, bytes, free, log, queue, writes, reads]: [String; 7]| {
        let style = warn(writes != "ok" || reads != "ok");
        let figures = right([bytes, free, log, queue]);
        let row =
            [Line::from(name)].into_iter().chain(figures).chain([Line::from(writes), Line::from(reads)]);
        row.collect::<Row<'static>>().style(style)
    };
    let figures = right(["SIZE", "FREE", "LOG", "QUEUE"].map(str::to_owned));
    let texts = ["WRITES", "READS"].map(|text| Line::from(text.to_owned()));
    table(
        "Databases",
        [Line::from("DATABASE")].into_iter().chain(figures).chain(texts),
        databases(frame).into_iter().map(row),
        [12, 10, 10, 10, 7, 30, 30].map(Constraint::Length),
    )
}

fn statement_table(statements: &[StatementRow], area: Rect) -> Table<'static> {
    let row = |row: &StatementRow| {
        let (stats, times) = (&row.stats, &row.stats.times);
        let figures = right([
            short(row.rate),
            percent(row.load),
            millis(times.time(0.5)),
            millis(times.time(0.99)),
            millis(stats.longest),
            stats.slow.to_string(),
        ]);
        figures
            .into_iter()
            .chain([Line::from(row.text.clone())])
            .collect::<Row<'static>>()
            .style(warn(stats.slow > 0))
    };
    let head = ["RUNS/S", "LOAD", "P50 MS", "P99 MS", "LONGEST", "SLOW"];
    table(
        "Statements, the busiest first (times since the start)",
        right(head.map(str::to_owned)).into_iter().chain([Line::from("STATEMENT")]),
        statements.iter().take(area.height.saturating_sub(TABLE_HEAD).into()).map(row),
        [9, 7, 9, 9, 9, 6].map(Constraint::Length).into_iter().chain([Constraint::Fill(1)]),
    )
}

fn table<'a>(
    title: &str,
    head: impl Iterator<Item = Line<'a>>,
    rows: impl IntoIterator<Item = Row<'a>>,
    widths: impl IntoIterator<Item = Constraint>,
) -> Table<'a> {
    let head = head.collect::<Row<'_>>().style(Style::new().add_modifier(Modifier::BOLD));
    let block = Block::new().borders(Borders::TOP).title(format!(" {title} "));
    Table::new(rows, widths).header(head).block(block)
}

fn right<const N: usize>(texts: [String; N]) -> [Line<'static>; N] {
    texts.map(|text| Line::from(text).alignment(Alignment::Right))
}

fn warn(is_wrong: bool) -> Style {
    if is_wrong { Style::new().fg(Color::Red) } else { Style::new() }
}

/// Milliseconds, as exact as is worth reading; `-` for none.
fn millis(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    match ms {
        0.0 => "-".into(),
        ms if ms < 1.0 => format!("{ms:.3}"),
        ms if ms < 100.0 => format!("{ms:.1}"),
        ms => format!("{ms:.0}"),
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A rate: whole where it is large.
fn short(rate: f64) -> String {
    match rate {
        0.0 => "0".into(),
        rate if rate < 10.0 => format!("{rate:.1}"),
        rate => format!("{rate:.0}"),
    }
}

fn uptime(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {:02} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes:02} min"),
        (days, hours, _) => format!("{days} d {hours:02} h"),
    }
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
