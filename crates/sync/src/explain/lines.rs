//! What a tool printed, line by line.

use std::borrow::Cow;

/// How much of each end is read. A run that says more says the same again.
const HALF_BYTES: usize = 512 << 10;

/// Bounded text of a tool.
pub(super) struct Text<'a> {
    head: Cow<'a, str>,
    tail: Cow<'a, str>,
}

impl<'a> Text<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        let (head, tail) = if bytes.len() <= 2 * HALF_BYTES {
            (bytes, &[][..])
        } else {
            let (head, rest) = bytes.split_at(HALF_BYTES);
            let tail = rest.split_at(rest.len() - HALF_BYTES).1;
            // The first line of the tail lost its beginning.
            let begin = memchr::memchr(b'\n', tail).map_or(tail.len(), |at| at + 1);
            (head, tail.split_at(begin).1)
        };
        Self { head: String::from_utf8_lossy(head), tail: String::from_utf8_lossy(tail) }
    }

    /// The lines, without their ends. OpenSSH ends them with a carriage return too.
    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.head
            .split('\n')
            .chain(self.tail.split('\n'))
            .map(|line| line.trim_end_matches('\r'))
            .filter(|line| !line.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_endless_output_both_ends_are_read() {
        let mut long = b"first\r\n".to_vec();
        long.extend(vec![b'x'; 3 << 20]);
        long.extend(b"\nlast \xff\n");
        let text = Text::of(&long);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.first(), Some(&"first"));
        assert_eq!(lines.last(), Some(&"last \u{fffd}"));
        assert!(lines.iter().map(|line| line.len()).sum::<usize>() <= 2 * HALF_BYTES + 16);
    }
}
