//! The first and the last part of endless output.

/// Keeps the first and the last bytes of what is pushed into it, and counts what was left out between them.
#[derive(Debug, Clone, Default)]
pub struct HeadTail {
    half: usize,
    head: Vec<u8>,
    /// At most twice as long as it may stay, so that shortening it costs little.
    tail: Vec<u8>,
    omitted: u64,
}

impl HeadTail {
    /// Keeps `half` bytes of each end.
    #[must_use]
    pub const fn new(half: usize) -> Self {
        Self { half, head: Vec::new(), tail: Vec::new(), omitted: 0 }
    }

    /// Takes more.
    pub fn push(&mut self, mut bytes: &[u8]) {
        let room = self.half.saturating_sub(self.head.len()).min(bytes.len());
        let (first, rest) = bytes.split_at(room);
        self.head.extend_from_slice(first);
        bytes = rest;
        if bytes.len() > self.half {
            self.omit(bytes.len() - self.half);
            bytes = bytes.split_at(bytes.len() - self.half).1;
        }
        self.tail.extend_from_slice(bytes);
        if self.tail.len() > self.half.saturating_mul(2) {
            self.shorten();
        }
    }

    fn shorten(&mut self) {
        let excess = self.tail.len().saturating_sub(self.half);
        self.tail.drain(..excess);
        self.omit(excess);
    }

    fn omit(&mut self, bytes: usize) {
        self.omitted = self.omitted.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// What was kept: the head, the tail, and how many bytes were left out between them.
    #[must_use]
    pub fn finish(mut self) -> (Vec<u8>, Vec<u8>, u64) {
        self.shorten();
        (self.head, self.tail, self.omitted)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

    use super::*;

    #[test]
    fn both_ends_are_kept_however_it_comes() {
        let all: Vec<u8> = (0..=255_u8).cycle().take(10_000).collect();
        for (half, piece) in [(100, 1), (100, 7), (100, 99), (100, 101), (100, 5_000), (0, 10), (6_000, 10)] {
            let mut kept = HeadTail::new(half);
            for bytes in all.chunks(piece) {
                kept.push(bytes);
            }
            let (head, tail, omitted) = kept.finish();
            assert!(head.len() <= half && tail.len() <= half, "{half} {piece}");
            assert_eq!(head, all[..half.min(all.len())]);
            assert_eq!(head.len() + tail.len() + usize::try_from(omitted).unwrap(), all.len());
            assert!(all.ends_with(&tail));
        }
    }
}
