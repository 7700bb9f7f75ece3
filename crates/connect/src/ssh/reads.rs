//! Reading a file with many requests under way at once.

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes};
use verisim_core::Hasher;
use verisim_ssh::Result;
use verisim_ssh::sftp::{Handle, READ_BYTES_MAX, Sent, Sftp};

/// How many reads of one file are under way at once: 2 MiB.
const READS_AT_ONCE: usize = 64;

/// The reads of a stretch of a file, many of them under way at once.
pub(super) struct Reads<'s> {
    sftp: &'s Sftp,
    handle: &'s Handle,
    begin: u64,
    /// Up to where has been read, asked, and is wanted.
    at: u64,
    asked: u64,
    end: u64,
    under_way: VecDeque<(u32, Sent<'s, Option<Bytes>>)>,
}

impl<'s> Reads<'s> {
    pub(super) fn new(sftp: &'s Sftp, handle: &'s Handle, begin: u64, length: u64) -> Self {
        let end = begin.saturating_add(length);
        Self { sftp, handle, begin, at: begin, asked: begin, end, under_way: VecDeque::new() }
    }

    pub(super) async fn send(&mut self) -> Result<()> {
        while self.asked < self.end && self.under_way.len() < READS_AT_ONCE {
            let left = u32::try_from(self.end - self.asked).unwrap_or(u32::MAX);
            let length = left.min(READ_BYTES_MAX);
            let sent = self.sftp.send_read(self.handle, self.asked, length).await?;
            self.under_way.push_back((length, sent));
            self.asked += u64::from(length);
        }
        Ok(())
    }

    /// Reads to the end. How much there was.
    pub(super) async fn pump(&mut self, into: &mut Sink) -> Result<u64> {
        loop {
            self.send().await?;
            let Some((length, sent)) = self.under_way.pop_front() else { break };
            let Some(piece) = sent.done().await? else { break };
            self.at += piece.len() as u64;
            into.take(&piece);
            // A server may give less than was asked for; then what follows is asked for anew.
            if piece.len() < length as usize {
                self.under_way.clear();
                self.asked = self.at;
            }
        }
        self.end = self.at;
        Ok(self.at - self.begin)
    }
}

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

    fn take(&mut self, piece: &[u8]) {
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
