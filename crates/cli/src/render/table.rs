//! Columns that line up, with colours that do not count as width.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr as _;

use crate::output::{Tone, paint};

/// One cell.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

/// A cell of this tone.
pub(crate) fn cell(text: impl Into<String>, tone: Tone) -> Cell {
    Cell { text: text.into(), tone }
}

/// A cell without a tone.
pub(crate) fn plain(text: impl Into<String>) -> Cell {
    cell(text, Tone::Plain)
}

/// The rows below a heading, in columns as wide as their widest cell; the last column is as long as it is.
pub(crate) fn table(color: bool, heading: &[&str], rows: &[Vec<Cell>]) -> String {
    let mut widths: Vec<usize> = heading.iter().map(|title| title.width()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.text.width());
        }
    }
    let mut out = String::new();
    let titles: Vec<Cell> = heading.iter().map(|title| cell(*title, Tone::Faint)).collect();
    for row in std::iter::once(&titles).chain(rows) {
        for (place, cell) in row.iter().enumerate() {
            let last = place + 1 == row.len();
            let pad = if last { 0 } else { widths.get(place).map_or(0, |width| width - cell.text.width()) };
            let gap = if last { "" } else { "  " };
            let _ = write!(out, "{}{:pad$}{gap}", paint(color, cell.tone, &cell.text), "");
        }
        out.truncate(out.trim_end_matches(' ').len());
        out.push('\n');
    }
    out
}

/// A number of things: `1 change`, `2 changes`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// The reason out of a planner's account of itself: without the moment it speaks of, and without the weights it drew from.
pub(crate) fn reason(why: &str) -> String {
    let told = match why.split_once(": ") {
        Some((moment, told)) if moment.starts_with("moment ") => told,
        _ => return why.to_owned(),
    };
    // Classes of files have the names that they have on the wire.
    told.split_once("; ").map_or(told, |(reason, _)| reason).replace('_', " ")
}

/// `text` cut to `width` columns, with an ellipsis where something was cut.
pub(crate) fn fit(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let wide = unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        if used + wide + 1 > width {
            break;
        }
        used += wide;
        out.push(c);
    }
    if width > 0 {
        out.push('…');
    }
    out
}

/// The words of `text` in lines of at most `width` columns; a word that is longer is cut into pieces.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(String::new()),
        }
        if lines.last().is_none_or(|line| !line.is_empty()) {
            continue;
        }
        let mut used = 0;
        for c in word.chars() {
            let wide = unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
            if used + wide > width.max(2) {
                lines.push(String::new());
                used = 0;
            }
            used += wide;
            lines.last_mut().into_iter().for_each(|line| line.push(c));
        }
    }
    lines
}

/// The end of `text` in `width` columns, with an ellipsis where something was cut.
pub(crate) fn fit_end(text: &str, width: usize) -> String {
    let backwards: String = text.chars().rev().collect();
    fit(&backwards, width).chars().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_end_without_blanks() {
        let rows = vec![vec![plain("1"), cell("ok", Tone::Good)], vec![plain("1000"), plain("")]];
        assert_eq!(table(false, &["id", "state"], &rows), "id    state\n1     ok\n1000\n");
        assert!(table(true, &["id", "state"], &rows).contains("\x1b[32mok\x1b[0m"));
    }

    #[test]
    fn a_reason_is_short_and_other_text_is_left_alone() {
        assert_eq!(
            reason("moment 3 of session 2-1: begins a note; 4 files there; drawn from create 2"),
            "begins a note"
        );
        assert_eq!(
            reason("moment 1 of session 2-1: a cron_log gets its next lines"),
            "a cron log gets its next lines"
        );
        assert_eq!(reason("io: /a: it is full; free some space"), "io: /a: it is full; free some space");
        assert_eq!((counted(1, "change"), counted(0, "change")), ("1 change".into(), "0 changes".into()));
    }

    #[test]
    fn words_are_wrapped_and_long_ones_cut() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a bcdefgh i", 3), ["a", "bcd", "efg", "h i"]);
        assert_eq!((wrap("", 5), wrap("ab", 0)), (vec![], vec!["ab".to_owned()]));
    }

    #[test]
    fn what_is_too_wide_is_cut() {
        assert_eq!(fit("abcdef", 4), "abc…");
        assert_eq!(fit("日本語", 4), "日…");
        assert_eq!(fit("ab", 4), "ab");
        assert_eq!(fit("ab", 0), "");
        assert_eq!((fit_end("/a/b/c", 4), fit_end("/a", 4)), ("…b/c".into(), "/a".into()));
    }
}
