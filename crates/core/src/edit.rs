//! What an edit does to a file's content: a pure operation that the plan carries and the driver applies to what it read.

use serde::{Deserialize, Serialize};

use crate::Body;

/// One change to a text of lines. Lines are counted from 0 and end at `\n`; bytes that are not UTF-8 pass through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "op")]
pub enum TextEdit {
    /// Puts `text` before line `line`, or at the end when there are fewer lines.
    Insert {
        /// The line before which the text goes.
        line: u32,
        /// What is put in, with its own line ends.
        text: Body,
    },
    /// Replaces line `line`, its line end included. Beyond the last line it is an error.
    Replace {
        /// The line that is replaced.
        line: u32,
        /// What stands there afterwards, with its own line ends.
        text: Body,
    },
    /// Removes `count` lines from line `line` on. Beyond the last line it is an error.
    Delete {
        /// The first line that goes.
        line: u32,
        /// How many go, at least one.
        count: u32,
    },
    /// Adds `text` at the end. A missing last line end is added first.
    Append {
        /// What is added, with its own line ends.
        text: Body,
    },
    /// Overwrites bytes from an offset on: for tables of fixed places. What is shorter is filled with zeros up to there.
    Patch {
        /// Where, from 0.
        offset: u64,
        /// What stands there afterwards.
        bytes: Body,
    },
    /// Replaces everything: for content that is not lines.
    Whole {
        /// The content afterwards.
        body: Body,
    },
}

/// An edit that does not fit the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The content has fewer lines than the edit speaks of.
    #[error("the edit speaks of line {line}, but there are {lines} lines")]
    OutOfRange {
        /// The line the edit speaks of, from 0.
        line: u32,
        /// How many lines there are.
        lines: usize,
    },
    /// The content would become larger than allowed.
    #[error("the edit would make the file {bytes} bytes long; at most {limit} are allowed")]
    TooLarge {
        /// What it would become.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
}

/// Applies `edits` one after the other. Pure: the same input gives the same output.
///
/// # Errors
/// When an edit does not fit the content it meets, or the result is longer than `limit` bytes.
pub fn apply_edits(content: &[u8], edits: &[TextEdit], limit: usize) -> Result<Vec<u8>, EditError> {
    let mut now = content.to_vec();
    for edit in edits {
        now = apply_one(&now, edit, limit)?;
        if now.len() > limit {
            return Err(EditError::TooLarge { bytes: now.len(), limit });
        }
    }
    Ok(now)
}

fn apply_one(content: &[u8], edit: &TextEdit, limit: usize) -> Result<Vec<u8>, EditError> {
    Ok(match edit {
        TextEdit::Insert { line, text } => {
            let at = line_start(content, *line).unwrap_or(content.len());
            splice(content, at, at, text.as_bytes())
        }
        TextEdit::Replace { line, text } => {
            let (from, to) = line_span(content, *line, 1)?;
            splice(content, from, to, text.as_bytes())
        }
        TextEdit::Delete { line, count } => {
            let (from, to) = line_span(content, *line, *count)?;
            splice(content, from, to, b"")
        }
        TextEdit::Append { text } => {
            let gap: &[u8] = if content.last().is_some_and(|b| *b != b'\n') { b"\n" } else { b"" };
            [content, gap, text.as_bytes()].concat()
        }
        TextEdit::Patch { offset, bytes } => {
            let bytes = bytes.as_bytes();
            let from = usize::try_from(*offset).unwrap_or(usize::MAX);
            let to = from.saturating_add(bytes.len());
            // Before anything of that length is made.
            if to > limit {
                return Err(EditError::TooLarge { bytes: to, limit });
            }
            let mut now = content.to_vec();
            now.resize(now.len().max(to), 0);
            now[from..to].copy_from_slice(bytes);
            now
        }
        TextEdit::Whole { body } => body.as_bytes().to_vec(),
    })
}

fn splice(content: &[u8], from: usize, to: usize, with: &[u8]) -> Vec<u8> {
    [&content[..from], with, &content[to..]].concat()
}

/// The offset at which line `line` begins, if there is such a line.
fn line_start(content: &[u8], line: u32) -> Option<usize> {
    let line = usize::try_from(line).ok()?;
    let start = match line.checked_sub(1) {
        None => 0,
        Some(previous) => memchr::memchr_iter(b'\n', content).nth(previous)? + 1,
    };
    (start < content.len()).then_some(start)
}

fn line_span(content: &[u8], line: u32, count: u32) -> Result<(usize, usize), EditError> {
    let lines = memchr::memchr_iter(b'\n', content).count()
        + usize::from(content.last().is_some_and(|b| *b != b'\n'));
    let from = line_start(content, line).ok_or(EditError::OutOfRange { line, lines })?;
    let to = line.checked_add(count).and_then(|end| line_start(content, end)).unwrap_or(content.len());
    Ok((from, to))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn edited(content: &str, edit: TextEdit) -> Result<String, EditError> {
        apply_edits(content.as_bytes(), &[edit], 1000).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn each_edit_does_what_it_says() {
        let text = |t: &'static str| Body::from(t.as_bytes());
        assert_eq!(edited("a\nb\n", TextEdit::Insert { line: 1, text: text("x\n") }).unwrap(), "a\nx\nb\n");
        assert_eq!(edited("a\nb\n", TextEdit::Insert { line: 9, text: text("x\n") }).unwrap(), "a\nb\nx\n");
        assert_eq!(edited("a\nb", TextEdit::Replace { line: 1, text: text("x") }).unwrap(), "a\nx");
        assert_eq!(edited("a\nb\nc\n", TextEdit::Delete { line: 0, count: 2 }).unwrap(), "c\n");
        assert_eq!(edited("a\nb", TextEdit::Delete { line: 1, count: 7 }).unwrap(), "a\n");
        assert_eq!(edited("a", TextEdit::Append { text: text("b\n") }).unwrap(), "a\nb\n");
        assert_eq!(edited("", TextEdit::Append { text: text("b\n") }).unwrap(), "b\n");
        assert_eq!(edited("a", TextEdit::Whole { body: text("z") }).unwrap(), "z");
        assert_eq!(edited("abcd", TextEdit::Patch { offset: 1, bytes: text("xy") }).unwrap(), "axyd");
        assert_eq!(edited("a", TextEdit::Patch { offset: 3, bytes: text("x") }).unwrap(), "a\0\0x");
        assert_eq!(
            edited("a", TextEdit::Patch { offset: u64::MAX, bytes: text("x") }),
            Err(EditError::TooLarge { bytes: usize::MAX, limit: 1000 })
        );
        assert_eq!(
            edited("a\n", TextEdit::Replace { line: 1, text: text("x") }),
            Err(EditError::OutOfRange { line: 1, lines: 1 })
        );
        assert!(matches!(
            edited("a", TextEdit::Whole { body: Body::from(vec![0; 1001]) }),
            Err(EditError::TooLarge { .. })
        ));
    }

    proptest! {
        #[test]
        fn no_edit_of_any_bytes_panics(
            content in proptest::collection::vec(any::<u8>(), 0..40), line: u32, small in 0_u32..6, count: u32,
        ) {
            for line in [line, small] {
                let _ = apply_edits(&content, &[TextEdit::Delete { line, count }], 100);
                let _ = apply_edits(&content, &[TextEdit::Replace { line, text: Body::default() }], 100);
                let _ = apply_edits(&content, &[TextEdit::Insert { line, text: Body::default() }], 100);
            }
        }
    }
}
