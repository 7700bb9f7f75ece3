//! Reading a file with many requests under way at once.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{Handle, READ_BYTES_MAX, Sent, Sftp};
use crate::Result;

/// How many bytes of one file are asked for at once.
const BYTES_AT_ONCE: u64 = 2 << 20;

/// The reads of a stretch of a file, many of them under way at once.
pub struct Reads<'s> {
    sftp: &'s Sftp,
    handle: &'s Handle,
    begin: u64,
    /// Up to where has been read, asked, and is wanted.
    at: u64,
    asked: u64,
    end: u64,
    under_way: VecDeque<(u32, Sent<'s, Option<Bytes>>)>,
}

impl std::fmt::Debug for Reads<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reads").field("at", &self.at).field("end", &self.end).finish_non_exhaustive()
    }
}

impl<'s> Reads<'s> {
    /// Those of `length` bytes from `begin` on. Nothing is sent yet.
    #[must_use]
    pub const fn new(sftp: &'s Sftp, handle: &'s Handle, begin: u64, length: u64) -> Self {
        let end = begin.saturating_add(length);
        Self { sftp, handle, begin, at: begin, asked: begin, end, under_way: VecDeque::new() }
    }

    /// Asks for as much as may be under way at once.
    ///
    /// # Errors
    /// When the session is over.
    pub async fn send(&mut self) -> Result<()> {
        while self.asked < self.end && self.asked - self.at < BYTES_AT_ONCE {
            let left = u32::try_from(self.end - self.asked).unwrap_or(u32::MAX);
            let length = left.min(u32::try_from(self.sftp.read_bytes()).unwrap_or(READ_BYTES_MAX));
            let sent = self.sftp.send_read(self.handle, self.asked, length).await?;
            self.under_way.push_back((length, sent));
            self.asked += u64::from(length);
        }
        Ok(())
    }

    /// Reads to the end of the stretch, or of the file, and hands on what comes, in order. How much there was.
    ///
    /// # Errors
    /// What the server says.
    pub async fn pump(&mut self, mut take: impl FnMut(&[u8])) -> Result<u64> {
        loop {
            self.send().await?;
            let Some((length, sent)) = self.under_way.pop_front() else { break };
            let Some(piece) = sent.done().await? else { break };
            self.at += piece.len() as u64;
            take(&piece);
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
