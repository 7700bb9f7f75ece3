//! Lines that are drawn again in place, on a terminal only.

use std::io::{self, IsTerminal as _, Write as _};

use crossterm::{cursor, queue, terminal};

use crate::output::Output;
use crate::render::table::fit;

/// Lines at the bottom of standard error that change.
pub(crate) struct Progress {
    enabled: bool,
    drawn: u16,
}

impl Progress {
    /// Nothing is drawn where nobody looks.
    pub(crate) fn new(output: Output) -> Self {
        Self { enabled: io::stderr().is_terminal() && !output.quiet && !output.json, drawn: 0 }
    }

    /// Whether anything is drawn.
    pub(crate) const fn is_drawn(&self) -> bool {
        self.enabled
    }

    /// Replaces the lines.
    pub(crate) fn draw(&mut self, lines: &[String]) {
        if self.enabled {
            // A terminal that goes away is nobody's loss.
            let _ = self.try_draw(lines);
        }
    }

    fn try_draw(&mut self, lines: &[String]) -> io::Result<()> {
        let (width, height) = terminal::size()?;
        let mut out = io::BufWriter::new(io::stderr().lock());
        if self.drawn > 0 {
            queue!(out, cursor::MoveToPreviousLine(self.drawn))?;
        }
        queue!(out, terminal::Clear(terminal::ClearType::FromCursorDown))?;
        self.drawn = 0;
        for line in lines.iter().take(usize::from(height.saturating_sub(1))) {
            writeln!(out, "{}", fit(line, usize::from(width.saturating_sub(1))))?;
            self.drawn += 1;
        }
        out.flush()
    }
}

/// Takes the lines away, so that what is printed next begins where they stood.
impl Drop for Progress {
    fn drop(&mut self) {
        self.draw(&[]);
    }
}

/// A bar of `width` cells.
pub(crate) fn bar(done: u64, total: u64, width: usize, unicode: bool) -> String {
    let share = u128::from(done.min(total)) * width as u128;
    let filled =
        share.checked_div(u128::from(total)).and_then(|filled| usize::try_from(filled).ok()).unwrap_or(0);
    let (full, empty) = if unicode { ("█", "░") } else { ("#", ".") };
    format!("{}{}", full.repeat(filled), empty.repeat(width.saturating_sub(filled)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_wide_as_it_should_be() {
        assert_eq!(bar(0, 0, 4, false), "....");
        assert_eq!(bar(1, 2, 4, false), "##..");
        assert_eq!(bar(9, 2, 4, true), "████");
        assert_eq!(bar(u64::MAX, u64::MAX, 4, false), "####");
    }
}
