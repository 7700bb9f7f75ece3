//! The live view: one calm screen that is drawn again a few times a second.

use std::io::{self, Write as _};
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::{cursor, execute, queue, terminal};
use verisim_core::Timestamp;

use super::model::{CaptureRow, Model};
use crate::config::units::show_size;
use crate::output::{Tone, paint};
use crate::render::progress::bar;
use crate::render::table::{counted, fit, fit_end};
use crate::render::time;

/// The alternate screen, in raw mode, for as long as the value lives.
pub(super) struct Screen {
    unicode: bool,
    color: bool,
}

/// The terminal as it was before is given back also when something goes wrong in between.
impl Drop for Screen {
    fn drop(&mut self) {
        let _ = execute!(io::stdout(), terminal::LeaveAlternateScreen, cursor::Show);
        let _ = terminal::disable_raw_mode();
    }
}

/// What is shown beside the model.
pub(super) struct Frame<'a> {
    pub(super) model: &'a Model,
    pub(super) dir: &'a str,
    pub(super) phase: &'a str,
    pub(super) elapsed: Duration,
    pub(super) now: Timestamp,
}

impl Screen {
    pub(super) fn open(unicode: bool, color: bool) -> io::Result<Self> {
        terminal::enable_raw_mode()?;
        // From here on, dropping gives the terminal back.
        let screen = Self { unicode, color };
        execute!(io::stdout(), terminal::EnterAlternateScreen, cursor::Hide)?;
        Ok(screen)
    }

    /// Whether somebody asked for the end: q, Escape or Ctrl-C. Waits for a key for so long at the most; blocks.
    pub(super) fn wants_end(wait: Duration) -> io::Result<bool> {
        let mut wait = wait;
        while crossterm::event::poll(wait)? {
            wait = Duration::ZERO;
            if let Event::Key(key) = crossterm::event::read()?
                && key.kind == KeyEventKind::Press
            {
                let interrupt =
                    key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
                if interrupt || matches!(key.code, KeyCode::Char('q' | 'Q') | KeyCode::Esc) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Draws a frame. Every line is written whole and cut to the width; nothing flickers, because nothing is cleared first.
    pub(super) fn draw(&self, frame: &Frame<'_>) -> io::Result<()> {
        let (width, height) = terminal::size()?;
        let (width, height) = (usize::from(width), usize::from(height));
        let mut lines = self.lines(frame, width, height);
        lines.truncate(height);
        let mut out = io::BufWriter::new(io::stdout().lock());
        queue!(out, terminal::BeginSynchronizedUpdate, cursor::MoveTo(0, 0))?;
        for (row, line) in (0_u16..).zip(&lines) {
            queue!(out, cursor::MoveTo(0, row))?;
            write!(out, "{line}")?;
            queue!(out, terminal::Clear(terminal::ClearType::UntilNewLine))?;
        }
        queue!(out, terminal::Clear(terminal::ClearType::FromCursorDown), terminal::EndSynchronizedUpdate)?;
        out.flush()
    }

    fn lines(&self, frame: &Frame<'_>, width: usize, height: usize) -> Vec<String> {
        let model = frame.model;
        let mut lines = vec![self.title(frame, width), String::new(), self.heading("decoys")];
        for host in &model.hosts {
            let since = host.last.map_or_else(|| "quiet".to_owned(), |at| time::distance(at, frame.now));
            let tone =
                if host.last.is_some_and(|at| is_fresh(at, frame.now)) { Tone::Good } else { Tone::Plain };
            lines.push(self.row(
                width,
                &[
                    (tone, 12, host.name),
                    (Tone::Faint, 14, host.role),
                    (Tone::Plain, 12, &format!("{} files", host.files)),
                    (Tone::Faint, 14, &counted(host.effects, "change")),
                    (Tone::Faint, 20, &since),
                ],
            ));
        }
        lines.extend([String::new(), self.heading("people")]);
        for person in &model.people {
            let (place, what, fresh) = match &person.last {
                Some((at, place, what)) => (place.as_str(), what.as_str(), is_fresh(*at, frame.now)),
                None => ("", "not at work yet", false),
            };
            let tone = if fresh { Tone::Good } else { Tone::Plain };
            lines.push(self.row(
                width,
                &[
                    (tone, 17, person.full_name),
                    (Tone::Faint, 22, person.role),
                    (Tone::Plain, 10, place),
                    (if fresh { Tone::Plain } else { Tone::Faint }, usize::MAX, what),
                ],
            ));
        }
        lines.extend([String::new(), self.heading("evidence")]);
        if model.captures.is_empty() {
            lines.push(self.row(width, &[(Tone::Faint, usize::MAX, "nothing was captured yet")]));
        }
        for capture in model.captures.values().rev().take(4).collect::<Vec<_>>().into_iter().rev() {
            lines.push(self.capture(capture, width));
        }
        lines.extend([String::new(), self.heading("what happens")]);
        let room = height.saturating_sub(lines.len() + 1);
        for (at, told) in model.recent.iter().rev().take(room) {
            let when = time::time_of_day(*at);
            // The end of a path says most, and so does what follows it.
            let room = width.saturating_sub(2 + 10 + 10 + 15 + 10 + 1);
            let detail = if told.detail.is_empty() { String::new() } else { format!(" ({})", told.detail) };
            let object = match room.checked_sub(unicode_width::UnicodeWidthStr::width(detail.as_str())) {
                Some(left) if left >= 24 => format!("{}{detail}", fit_end(&told.object, left)),
                _ => format!("{}{detail}", told.object),
            };
            lines.push(self.row(
                width,
                &[
                    (Tone::Faint, 10, &when),
                    (Tone::Plain, 10, &told.place),
                    (Tone::Plain, 15, &told.who),
                    (told.tone, 10, &told.verb),
                    (Tone::Plain, usize::MAX, &object),
                ],
            ));
        }
        lines
    }

    fn title(&self, frame: &Frame<'_>, width: usize) -> String {
        let seconds = frame.elapsed.as_secs();
        let left = format!(" verisim demo   {}   {}", frame.dir, frame.phase);
        let right = format!("{:02}:{:02}   q ends it ", seconds / 60, seconds % 60);
        let left = fit(&left, width.saturating_sub(right.len() + 1));
        let gap = width.saturating_sub(unicode_width::UnicodeWidthStr::width(left.as_str()) + right.len());
        let text = format!("{left}{:gap$}{right}", "");
        if self.color { format!("\x1b[7m{text}\x1b[0m") } else { text }
    }

    fn heading(&self, text: &str) -> String {
        format!(" {}", paint(self.color, Tone::Strong, text.to_uppercase()))
    }

    /// Columns of fixed widths; what is too long is cut, and so is the line.
    fn row(&self, width: usize, cells: &[(Tone, usize, &str)]) -> String {
        let mut left = width.saturating_sub(2);
        let mut out = String::from("  ");
        for (tone, wide, text) in cells {
            let wide = (*wide).min(left);
            if wide == 0 {
                break;
            }
            let shown = fit(text, wide.saturating_sub(1));
            let pad = wide - unicode_width::UnicodeWidthStr::width(shown.as_str()).min(wide);
            out.push_str(&paint(self.color, *tone, &shown));
            if left > wide {
                out.push_str(&" ".repeat(pad));
            }
            left -= wide;
        }
        out
    }

    fn capture(&self, capture: &CaptureRow, width: usize) -> String {
        let size = format!("{} files, {}", capture.files, show_size(capture.bytes));
        let (tone, said) = match capture.state.as_str() {
            "WAITING" => (Tone::Faint, "the sensor is still writing".to_owned()),
            "VERIFIED" => {
                let mark = if self.unicode { "✓ " } else { "" };
                (Tone::Good, format!("{mark}verified: {size}, read back and compared"))
            }
            "AWAITING_VERIFY" => {
                (Tone::Plain, format!("{}  pushed, is read back and compared", bar(1, 1, 24, self.unicode)))
            }
            "RUNNING" | "QUEUED" => {
                let progress = capture.progress.unwrap_or_default();
                let bar = bar(progress.bytes_done, progress.bytes_total, 24, self.unicode);
                let done =
                    format!("{} of {}", show_size(progress.bytes_done), show_size(progress.bytes_total));
                (Tone::Plain, format!("{bar}  {done}"))
            }
            other => (
                Tone::Warn,
                format!("{} {}", other.to_lowercase(), capture.note.as_deref().unwrap_or_default()),
            ),
        };
        self.row(width, &[(Tone::Plain, 20, &capture.name), (tone, usize::MAX, &said)])
    }
}

fn is_fresh(at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(at).unsigned_abs() < Duration::from_secs(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_the_screen() {
        let screen = Screen { unicode: true, color: false };
        let mut model = Model::new();
        model.captures.insert(
            verisim_core::JobId(1),
            CaptureRow {
                name: "sensor/run-0001".into(),
                state: "RUNNING".into(),
                progress: Some(verisim_core::Progress {
                    files_done: 1,
                    files_total: 2,
                    bytes_done: 5,
                    bytes_total: 9,
                }),
                files: 2,
                bytes: 9,
                note: None,
            },
        );
        let frame = Frame {
            model: &model,
            dir: "./verisim-demo",
            phase: "alive",
            elapsed: Duration::from_secs(5),
            now: Timestamp::UNIX_EPOCH,
        };
        for width in [1, 10, 40, 80, 200] {
            for line in screen.lines(&frame, width, 30) {
                assert!(
                    unicode_width::UnicodeWidthStr::width(line.as_str()) <= width.max(20),
                    "{width}: {line:?}"
                );
            }
        }
        // The screen is only described here; it was never opened.
        std::mem::forget(screen);
    }
}
