//! Writing a file there: many writes under way at once, all of them answered before it gets its name.

use std::collections::VecDeque;

use verisim_ssh::Result;
use verisim_ssh::sftp::{Handle, Order, Sent, SetAttributes, Sftp};

/// How many bytes of one file are under way at once.
const BYTES_AT_ONCE: usize = 2 << 20;

/// A file there that is being written.
pub(super) struct Writing<'s> {
    sftp: &'s Sftp,
    handle: Handle,
    under_way: VecDeque<Sent<'s, ()>>,
}

impl<'s> Writing<'s> {
    /// Goes on with an open file.
    pub(super) const fn new(sftp: &'s Sftp, handle: Handle) -> Self {
        Self { sftp, handle, under_way: VecDeque::new() }
    }

    /// Writes `bytes` at `offset`. An error may be about what was written before.
    pub(super) async fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        let at_once = self.sftp.write_bytes();
        for (number, piece) in (0_u64..).zip(bytes.chunks(at_once)) {
            let at = offset + number * at_once as u64;
            self.push(Order::Write(&self.handle.clone(), at, piece)).await?;
        }
        Ok(())
    }

    /// Sets what is to be set, flushes it where that is asked for and can be, and closes it.
    pub(super) async fn finish(mut self, set: SetAttributes, flush: bool) -> Result<()> {
        let handle = self.handle.clone();
        self.push(Order::SetOpen(&handle, set)).await?;
        if flush && self.sftp.extensions().fsync {
            self.push(Order::Sync(&handle)).await?;
        }
        self.push(Order::Close(&handle)).await?;
        while let Some(sent) = self.under_way.pop_front() {
            sent.done().await?;
        }
        Ok(())
    }

    async fn push(&mut self, order: Order<'_>) -> Result<()> {
        let sent = self.sftp.send(order).await?;
        self.under_way.push_back(sent);
        while self.under_way.len() * self.sftp.write_bytes() > BYTES_AT_ONCE
            && let Some(oldest) = self.under_way.pop_front()
        {
            oldest.done().await?;
        }
        Ok(())
    }
}
