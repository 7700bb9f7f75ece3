//! Any bytes, cut anywhere: the parser does not panic, pieces do not matter, and what it takes is written back as it was.

use verisim_core::manifest::{Entry, ParseError, Parser, Sorted, write_line};

fn parse(bytes: &[u8], piece: usize, sorted: Sorted) -> Result<Vec<Entry>, ParseError> {
    let mut parser = Parser::new(sorted);
    let mut out = Vec::new();
    for piece in bytes.chunks(piece.max(1)) {
        parser.feed(piece, |entry| out.push(entry))?;
    }
    parser.finish().map(|()| out)
}

/// Fails by panicking.
pub(crate) fn check(input: &[u8]) {
    let Some((cut, bytes)) = input.split_first() else { return };
    for sorted in [Sorted::Any, Sorted::Required] {
        let whole = parse(bytes, bytes.len(), sorted);
        assert_eq!(parse(bytes, usize::from(*cut), sorted), whole);
        if let Ok(entries) = whole {
            let mut lines = Vec::new();
            entries.iter().for_each(|entry| write_line(entry, &mut lines));
            assert_eq!(parse(&lines, lines.len(), sorted).as_ref(), Ok(&entries));
        }
    }
}
