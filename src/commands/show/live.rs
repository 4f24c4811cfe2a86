// SPDX-License-Identifier: GPL-2.0-only
//! The live view: a table that fits the terminal and is refreshed until a key
//! or a signal ends it. The terminal is then restored.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::style::Print;
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size,
};
use crossterm::{cursor, execute, queue};
use nix::sys::signal::{Signal, raise};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::flag;

use super::super::Error;
use super::query::Look;
use super::style;
use super::watch::Watch;
use crate::output::grid::Grid;
use crate::output::table::{cut, lines_within};

/// The longest delay of a signal. Waits for terminal events are split into
/// slices of this time.
const SLICE: Duration = Duration::from_millis(100);
/// The lines around the rows: the title, the header, and the range of visible
/// rows.
const AROUND: usize = 3;

pub(super) fn run(mut watch: Watch, first: Grid) -> Result<(), Error> {
    let ended = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
        flag::register(signal, Arc::clone(&ended)).map_err(Error::Terminal)?;
    }
    let mut view = View {
        content: Ok(first),
        top: 0,
        skipped: 0,
    };
    let screen = Screen::enter().map_err(Error::Terminal)?;
    loop {
        view.draw(&mut watch).map_err(Error::Terminal)?;
        match next(&watch, &ended).map_err(Error::Terminal)? {
            Next::Look => view.content = view.looked(watch.look())?,
            Next::Scroll(scroll) => view.scroll(scroll),
            Next::Draw => {}
            Next::Stop => screen.stop().map_err(Error::Terminal)?,
            Next::End => return Ok(()),
        }
    }
}

enum Next {
    Look,
    Draw,
    Scroll(Scroll),
    /// Ctrl-Z
    Stop,
    End,
}

enum Scroll {
    Lines(isize),
    Columns(isize),
    Pages(isize),
    Home,
    End,
}

/// Waits for the next action.
fn next(watch: &Watch, ended: &AtomicBool) -> io::Result<Next> {
    loop {
        if ended.load(Ordering::Relaxed) {
            return Ok(Next::End);
        }
        let pause = watch.pause();
        if pause.is_zero() {
            return Ok(Next::Look);
        }
        if !event::poll(pause.min(SLICE))? {
            continue;
        }
        match event::read()? {
            Event::Resize(..) => return Ok(Next::Draw),
            Event::Key(key) if key.kind != KeyEventKind::Release => {
                if let Some(next) = pressed(key) {
                    return Ok(next);
                }
            }
            _ => {}
        }
    }
}

fn pressed(key: KeyEvent) -> Option<Next> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    Some(match key.code {
        KeyCode::Char('c') if control => Next::End,
        KeyCode::Char('z') if control => Next::Stop,
        KeyCode::Char('l') if control => Next::Draw,
        KeyCode::Char('q') => Next::End,
        KeyCode::Up | KeyCode::Char('k') => Next::Scroll(Scroll::Lines(-1)),
        KeyCode::Down | KeyCode::Char('j') => Next::Scroll(Scroll::Lines(1)),
        KeyCode::Left | KeyCode::Char('h') => Next::Scroll(Scroll::Columns(-1)),
        KeyCode::Right | KeyCode::Char('l') => Next::Scroll(Scroll::Columns(1)),
        KeyCode::PageUp => Next::Scroll(Scroll::Pages(-1)),
        KeyCode::PageDown | KeyCode::Char(' ') => Next::Scroll(Scroll::Pages(1)),
        KeyCode::Home => Next::Scroll(Scroll::Home),
        KeyCode::End => Next::Scroll(Scroll::End),
        _ => return None,
    })
}

struct View {
    /// The table, or the reason why there is none at the moment.
    content: Result<Grid, String>,
    /// The index of the first visible row.
    top: usize,
    /// The number of columns after the first one that are scrolled out.
    skipped: usize,
}

impl View {
    fn looked(&self, look: Result<Look, Error>) -> Result<Result<Grid, String>, Error> {
        match look {
            Ok(Look::Grid(grid)) => Ok(Ok(grid)),
            Ok(Look::Json(text)) => Ok(Err(text)),
            // The object existed before and may appear again.
            Err(Error::NotThere(message)) => Ok(Err(message)),
            Err(error) => Err(error),
        }
    }

    /// Scrolls. The next drawing corrects a position that is too far.
    fn scroll(&mut self, scroll: Scroll) {
        let page = size().map_or(1, |(_, height)| usize::from(height).saturating_sub(AROUND));
        self.top = match scroll {
            Scroll::Columns(columns) => {
                self.skipped = self.skipped.saturating_add_signed(columns);
                self.top
            }
            Scroll::Lines(lines) => self.top.saturating_add_signed(lines),
            Scroll::Pages(pages) => self
                .top
                .saturating_add_signed(pages.saturating_mul(page.cast_signed())),
            Scroll::Home => 0,
            Scroll::End => usize::MAX,
        };
    }

    fn draw(&mut self, watch: &mut Watch) -> io::Result<()> {
        let (width, height) = size()?;
        let lines = self.frame(watch, width, height);
        let mut out = io::stdout().lock();
        queue!(out, BeginSynchronizedUpdate)?;
        for (row, line) in (0..height).zip(&lines) {
            // Clear first: after a line as wide as the terminal, the cursor is
            // still on its last column.
            queue!(
                out,
                cursor::MoveTo(0, row),
                Clear(ClearType::CurrentLine),
                Print(line)
            )?;
        }
        let drawn = u16::try_from(lines.len()).unwrap_or(height);
        if drawn < height {
            queue!(
                out,
                cursor::MoveTo(0, drawn),
                Clear(ClearType::FromCursorDown)
            )?;
        }
        queue!(out, EndSynchronizedUpdate)?;
        out.flush()
    }

    /// Returns the lines for a terminal of this size.
    fn frame(&mut self, watch: &mut Watch, width: u16, height: u16) -> Vec<String> {
        let interval = watch.interval.as_secs_f64();
        let title = |what: &str| {
            let text = format!("{what}, every {interval} s; q quits, arrow keys scroll");
            cut(text, width)
        };
        let grid = match &self.content {
            Ok(grid) => grid,
            Err(message) => return vec![title(message)],
        };
        let servers: usize = grid.rows.iter().map(|row| row.servers.len()).sum();
        let what = match (grid.rows.len(), servers) {
            (services, 1..) => format!("{services} services, {servers} servers"),
            (rows, 0) => format!("{rows} rows"),
        };
        let style = style(watch.query, grid, &mut watch.resolver);
        let fitted = lines_within(grid, style, width, self.skipped);
        self.skipped = fitted.skipped;
        let mut table = fitted.lines.into_iter();
        let mut lines = vec![title(&what)];
        lines.extend(table.next());
        let rows: Vec<String> = table.collect();
        let room = usize::from(height).saturating_sub(AROUND).max(1);
        self.top = self.top.min(rows.len().saturating_sub(room));
        lines.extend(rows.iter().skip(self.top).take(room).cloned());
        let mut left_out = Vec::new();
        if rows.len() > room {
            let last = (self.top + room).min(rows.len());
            left_out.push(format!(
                "lines {} to {last} of {}",
                self.top + 1,
                rows.len()
            ));
        }
        if !fitted.hidden.is_empty() {
            left_out.push(format!("not shown: {}", fitted.hidden.join(", ")));
        }
        if !left_out.is_empty() {
            lines.push(cut(left_out.join("; "), width));
        }
        lines
    }
}

/// The alternate screen in raw mode. The terminal is restored on drop.
struct Screen;

impl Screen {
    fn enter() -> io::Result<Self> {
        enable_raw_mode()?;
        let screen = Screen;
        execute!(io::stdout(), EnterAlternateScreen, cursor::Hide)?;
        Ok(screen)
    }

    /// Returns the terminal to the shell until the shell continues this
    /// process.
    fn stop(&self) -> io::Result<()> {
        leave()?;
        raise(Signal::SIGSTOP)?;
        enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen, cursor::Hide)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // If the terminal is gone, nothing needs to be restored.
        let _ = leave();
    }
}

fn leave() -> io::Result<()> {
    let shown = execute!(io::stdout(), cursor::Show, LeaveAlternateScreen);
    disable_raw_mode()?;
    shown
}
