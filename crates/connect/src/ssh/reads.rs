//! Where the bytes of a file go that are read.

use bytes::{Buf as _, Bytes};
use verisim_core::Hasher;

/// Where they go.
pub(super) struct Sink {
    /// How many bytes are kept at the most.
    keep: usize,
    pub(super) bytes: Vec<u8>,
    pub(super) hasher: Option<Hasher>,
    /// What is still to come, if it is as it shall be.
    expected: Option<Bytes>,
}

impl Sink {
    pub(super) const fn of(keep: usize, hasher: Option<Hasher>) -> Self {
        Self { keep, bytes: Vec::new(), hasher, expected: None }
    }

    /// The same, which also compares what it takes with `body`.
    pub(super) fn like(self, body: &Bytes) -> Self {
        Self { expected: Some(body.clone()), ..self }
    }

    /// Whether what it took is all that was expected, and nothing else.
    pub(super) fn is_like(&self) -> bool {
        self.expected.as_ref().is_some_and(Bytes::is_empty)
    }

    pub(super) fn take(&mut self, piece: &[u8]) {
        if let Some(hasher) = &mut self.hasher {
            hasher.update(piece);
        }
        if let Some(expected) = &mut self.expected {
            match expected.starts_with(piece) {
                true => expected.advance(piece.len()),
                false => self.expected = None,
            }
        }
        let room = self.keep.saturating_sub(self.bytes.len()).min(piece.len());
        self.bytes.extend_from_slice(&piece[..room]);
    }
}
