//! `veritable top`: the running server, live. Two readings of the shared segment make a frame; nothing is asked of
//! the server but to lend it ([`Lent`]), so that watching costs it nothing.

mod frame;
mod sample;
mod view;

use std::io::{IsTerminal, stdin, stdout};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use veritable_config::Config;

use crate::cli::Top;
use crate::client::Lent;
use crate::out;
use frame::Frame;
use sample::Sample;
use view::View;

/// Why a live view cannot be: a matter of how it was asked for.
pub(crate) const NO_TERMINAL: &str = "top needs a terminal; `veritable top --once` prints one frame as text";
/// Silence of the master after which the server counts as gone: it says something every second.
const GONE: Duration = Duration::from_secs(4);
/// Columns of a frame printed as text.
const COLUMNS: u16 = 120;
/// Seconds between two frames, least and most.
pub(crate) const INTERVALS: std::ops::RangeInclusive<u8> = 1..=60;

/// Whether there is a terminal to show a live view on and to take keys from.
pub(crate) fn has_terminal() -> bool {
    stdout().is_terminal() && stdin().is_terminal()
}

/// Shows it until told to stop, or once.
///
/// # Errors
/// No server runs, it does not lend its memory, or the terminal cannot be used.
pub(crate) fn run(config: &Config, asked: &Top) -> anyhow::Result<()> {
    let lent = Lent::borrow(config, false)?;
    let before = Sample::read(&lent.segment);
    if asked.once {
        thread::sleep(Duration::from_secs(asked.interval.into()));
        let frame = Frame::between(&before, &Sample::read(&lent.segment));
        out::line(&as_text(&View::new(config, asked.interval), &frame)?);
        return Ok(());
    }
    let mut terminal = ratatui::try_init().context("taking the terminal")?;
    let shown = Live { config, view: View::new(config, asked.interval), lent, before }.show(&mut terminal);
    ratatui::try_restore().context("giving the terminal back")?;
    shown
}

/// One frame as lines, as high as it has to be.
fn as_text(view: &View, frame: &Frame) -> anyhow::Result<String> {
    let mut terminal = Terminal::new(TestBackend::new(COLUMNS, view.rows(frame)))?;
    terminal.draw(|place| view.draw(place, frame))?;
    let buffer = terminal.backend().buffer();
    let lines = buffer.content().chunks(COLUMNS.into()).map(|cells| {
        let line: String = cells.iter().map(|cell| cell.symbol()).collect();
        line.trim_end().to_owned()
    });
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// The live view.
struct Live<'a> {
    config: &'a Config,
    view: View,
    lent: Lent,
    before: Sample,
}

impl Live<'_> {
    fn show(&mut self, terminal: &mut ratatui::DefaultTerminal) -> anyhow::Result<()> {
        let mut frame = Frame::between(&self.before, &Sample::read(&self.lent.segment));
        loop {
            terminal.draw(|place| self.view.draw(place, &frame)).context("writing to the terminal")?;
            let due = Instant::now() + Duration::from_secs(self.view.interval.into());
            while let Some(left) = due.checked_duration_since(Instant::now()) {
                if !event::poll(left).context("waiting for a key")? {
                    break;
                }
                match event::read().context("reading a key")? {
                    Event::Key(key) if key.kind != KeyEventKind::Release => {
                        let ctrl_c =
                            key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c');
                        if ctrl_c || !self.view.key(key.code) {
                            return Ok(());
                        }
                    }
                    _ => {}
                }
                terminal.draw(|place| self.view.draw(place, &frame)).context("writing to the terminal")?;
            }
            if !self.view.paused {
                frame = self.next();
            }
        }
    }

    fn next(&mut self) -> Frame {
        let now = Sample::read(&self.lent.segment);
        // Another server may have come in the place of one that is gone, with memory of its own.
        if now.silence() > GONE
            && let Ok(lent) = Lent::borrow(self.config, false)
        {
            self.lent = lent;
            self.before = Sample::read(&self.lent.segment);
            return Frame::between(&self.before, &self.before);
        }
        let frame = Frame::between(&self.before, &now);
        self.before = now;
        frame
    }
}
