//! Reading a manifest that comes in pieces of any size.

use crate::{Digest, RelPath, manifest::Entry};

/// The longest line that can name a file of Linux: the escape mark, 64 digits, the two marks, and a path of `PATH_MAX` - 1
/// bytes of which each is escaped. The line end is not counted.
pub const LINE_BYTES_MAX: usize = 1 + 64 + 2 + 2 * 4095;

/// Whether a manifest must be sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sorted {
    /// Each path must come after the one before it: our own manifests.
    Required,
    /// Any order, as a tool that walks a tree prints it. Doubled paths are not noticed.
    Any,
}

/// Parses a manifest from pieces of any size, with memory for one line.
///
/// It takes what `sha256sum` prints: both marks before the name (` ` and `*`), digits of either case, escaped names, and a
/// `./` before the name. A carriage return that is not escaped belongs to the name.
#[derive(Debug)]
pub struct Parser {
    sorted: Sorted,
    /// Lines that ended so far.
    lines: u64,
    /// The beginning of a line whose end has not come yet.
    partial: Vec<u8>,
    last: Option<RelPath>,
    failed: Option<ParseError>,
}

/// Where and why a manifest cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the manifest: {kind}")]
pub struct ParseError {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub kind: ParseErrorKind,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseErrorKind {
    /// It is longer than any path allows.
    #[error("it is longer than {LINE_BYTES_MAX} bytes")]
    TooLong,
    /// It is not a digest, a space, a space or `*`, and a name.
    #[error("it is not '<64 hexadecimal digits>  <path>'")]
    Form,
    /// It says that it is escaped, and then is not.
    #[error("a backslash in an escaped name must begin \\\\, \\n or \\r")]
    Escape,
    /// The name is not one that a file inside a capture can have.
    #[error(transparent)]
    Path(#[from] crate::InvalidPath),
    /// The path does not come after the one before it.
    #[error("{0} does not come after the path before it")]
    OutOfOrder(RelPath),
    /// The manifest ends within a line: it was cut off.
    #[error("it has no line end: the manifest was cut off")]
    CutOff,
}

impl Parser {
    /// A parser that has seen nothing.
    #[must_use]
    pub const fn new(sorted: Sorted) -> Self {
        Self { sorted, lines: 0, partial: Vec::new(), last: None, failed: None }
    }

    /// Takes the next piece and hands each entry that is whole now to `each`.
    ///
    /// # Errors
    /// At the first line that cannot be read. Entries before it were handed out; from then on every call gives the same error.
    pub fn feed(&mut self, piece: &[u8], mut each: impl FnMut(Entry)) -> Result<(), ParseError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let done = self.feed_lines(piece, &mut each);
        done.map_err(|kind| {
            let error = ParseError { line: self.lines + 1, kind };
            self.failed = Some(error.clone());
            error
        })
    }

    /// Says that no more will come.
    ///
    /// # Errors
    /// When a line before could not be read, or the last line has no end.
    pub fn finish(self) -> Result<(), ParseError> {
        match self.failed {
            Some(error) => Err(error),
            None if self.partial.is_empty() => Ok(()),
            None => Err(ParseError { line: self.lines + 1, kind: ParseErrorKind::CutOff }),
        }
    }

    fn feed_lines(&mut self, mut piece: &[u8], each: &mut impl FnMut(Entry)) -> Result<(), ParseErrorKind> {
        while let Some(end) = memchr::memchr(b'\n', piece) {
            let (line, rest) = (&piece[..end], &piece[end + 1..]);
            let entry = if self.partial.is_empty() {
                parse_line(line)?
            } else {
                self.keep(line)?;
                let entry = parse_line(&self.partial)?;
                self.partial.clear();
                entry
            };
            if self.sorted == Sorted::Required {
                if self.last.as_ref().is_some_and(|last| *last >= entry.path) {
                    return Err(ParseErrorKind::OutOfOrder(entry.path));
                }
                self.last = Some(entry.path.clone());
            }
            self.lines += 1;
            each(entry);
            piece = rest;
        }
        self.keep(piece)
    }

    /// Keeps the beginning of a line, within the bound.
    fn keep(&mut self, bytes: &[u8]) -> Result<(), ParseErrorKind> {
        if self.partial.len() + bytes.len() > LINE_BYTES_MAX {
            return Err(ParseErrorKind::TooLong);
        }
        self.partial.extend_from_slice(bytes);
        Ok(())
    }
}

fn parse_line(line: &[u8]) -> Result<Entry, ParseErrorKind> {
    if line.len() > LINE_BYTES_MAX {
        return Err(ParseErrorKind::TooLong);
    }
    let (escaped, line) = match line.strip_prefix(b"\\") {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (hex, rest) = line.split_at_checked(64).ok_or(ParseErrorKind::Form)?;
    let name = rest.strip_prefix(b"  ").or_else(|| rest.strip_prefix(b" *")).ok_or(ParseErrorKind::Form)?;
    let sha256 = Digest::from_hex(hex).map_err(|_| ParseErrorKind::Form)?;
    let name = name.strip_prefix(b"./").unwrap_or(name);
    let path = if escaped { RelPath::new(unescape(name)?)? } else { RelPath::new(name)? };
    Ok(Entry { path, sha256 })
}

fn unescape(name: &[u8]) -> Result<Vec<u8>, ParseErrorKind> {
    let mut out = Vec::with_capacity(name.len());
    let mut bytes = name.iter();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'\\' => match bytes.next() {
                Some(b'\\') => b'\\',
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                _ => return Err(ParseErrorKind::Escape),
            },
            other => *other,
        });
    }
    Ok(out)
}
