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
    fn what_is_too_wide_is_cut() {
        assert_eq!(fit("abcdef", 4), "abc…");
        assert_eq!(fit("日本語", 4), "日…");
        assert_eq!(fit("ab", 4), "ab");
        assert_eq!(fit("ab", 0), "");
    }
}
