//! Mistakes of a configuration: collected, never thrown, so that all of them are reported at once.

use std::cell::RefCell;
use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;

use serde::Serialize;

/// The most mistakes that are reported; a file with more is not a configuration.
const MISTAKES_MAX: usize = 200;

/// One mistake, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Mistake {
    /// The line, from 1.
    pub(crate) line: usize,
    /// The column in characters, from 1.
    pub(crate) column: usize,
    /// What is wrong.
    pub(crate) what: String,
    /// How to mend it.
    pub(crate) mend: String,
}

/// Takes mistakes while a configuration is read.
#[derive(Debug, Default)]
pub(crate) struct Report {
    found: RefCell<Vec<(Range<usize>, String, String)>>,
    /// The headings that are not TOML: what stands below them was not read.
    torn: Vec<String>,
}

impl Report {
    /// A report on a text that is broken in these places.
    pub(crate) fn on(text: &str, broken: &[(Range<usize>, String)]) -> Self {
        let line_of = |(span, _): &(Range<usize>, String)| {
            let (before, after) = text.split_at_checked(span.start)?;
            let line = format!("{}{}", before.rsplit('\n').next()?, after.split('\n').next()?);
            line.trim_start().starts_with('[').then_some(line)
        };
        Self { torn: broken.iter().take(MISTAKES_MAX).filter_map(line_of).collect(), ..Self::default() }
    }

    /// Whether a heading of this name is broken, so that nobody knows what stands below it.
    pub(crate) fn is_torn(&self, name: &str) -> bool {
        self.torn.iter().any(|heading| heading.contains(name))
    }

    /// Notes a mistake at `span` of the text.
    pub(crate) fn add(&self, span: Range<usize>, what: impl Into<String>, mend: impl Into<String>) {
        let mut found = self.found.borrow_mut();
        if found.len() < MISTAKES_MAX {
            found.push((span, what.into(), mend.into()));
        }
    }

    /// The mistakes in the order of the text. `broken` are places where the text is not TOML: what else is said of such a
    /// line follows from that.
    pub(crate) fn finish(self, text: &str, broken: Vec<(Range<usize>, String)>) -> Vec<Mistake> {
        let lines = Lines::new(text);
        let broken_lines: HashSet<usize> = broken.iter().map(|(span, _)| lines.line(span.start)).collect();
        let semantic = self.found.into_inner().into_iter().filter_map(|(span, what, mend)| {
            let (line, column) = lines.position(span.start);
            (!broken_lines.contains(&line)).then_some((span.start, Mistake { line, column, what, mend }))
        });
        // A file that is no text of ours has a mistake at every byte.
        let syntactic = broken.into_iter().take(MISTAKES_MAX).map(|(span, what)| {
            let (line, column) = lines.position(span.start);
            let mend = "this is not TOML; text needs quotes, every line is `key = value` or a [heading]";
            (span.start, Mistake { line, column, what, mend: mend.into() })
        });
        let mut all: Vec<(usize, Mistake)> = semantic.chain(syntactic).collect();
        all.sort_by(|a, b| (a.0, &a.1.what).cmp(&(b.0, &b.1.what)));
        let mut all: Vec<Mistake> = all.into_iter().map(|(_, mistake)| mistake).collect();
        all.dedup();
        all
    }
}

/// Where lines begin, so that a place in the text becomes a line and a column.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    fn line(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at.min(self.text.len()))
    }

    fn position(&self, at: usize) -> (usize, usize) {
        let at = at.min(self.text.len());
        let line = self.line(at);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let column = self.text.get(start..at).map_or(1, |before| before.chars().count() + 1);
        (line, column)
    }
}

/// The mistakes as text: `file:line:column: what`, and below it how to mend it.
pub(crate) fn render(file: &Path, mistakes: &[Mistake]) -> String {
    use std::fmt::Write as _;
    let file = crate::error::show(file);
    mistakes.iter().fold(String::new(), |mut out, mistake| {
        let Mistake { line, column, what, mend } = mistake;
        let _ = writeln!(out, "{file}:{line}:{column}: {what}\n    {mend}");
        out
    })
}

/// The word of `known` that was probably meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len().max(3) / 3).max(1))
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_becomes_line_and_column() {
        let lines = Lines::new("ab\nü=1\n");
        assert_eq!(lines.position(0), (1, 1));
        assert_eq!(lines.position(2), (1, 3));
        assert_eq!(lines.position(3), (2, 1));
        assert_eq!(lines.position(5), (2, 2));
        assert_eq!(lines.position(999), (3, 1));
    }

    #[test]
    fn the_nearest_word_is_near() {
        assert_eq!(nearest("persona", ["personas", "path"]), Some("personas"));
        assert_eq!(nearest("tiem_zone", ["time_zone", "week"]), Some("time_zone"));
        assert_eq!(nearest("banana", ["time_zone", "week"]), None);
    }
}
