//! What a host says at first, kept until it is known to speak SSH: one that hangs up before that tells why, or nothing.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use verisim_core::printable;

/// How much of it is kept. A line of identification has 255 bytes at the most, and some may come before it.
const KEPT_BYTES_MAX: usize = 1024;
/// How the line of identification begins (RFC 4253, 4.2).
const BEGIN: &[u8] = b"SSH-";

/// The first bytes of a host.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<u8>>>);

impl Heard {
    /// The stream, overheard.
    pub(crate) fn on<S>(&self, stream: S) -> Overheard<S> {
        Overheard { stream, heard: self.clone(), is_over: false }
    }

    /// What it said, printable, where that was not that it speaks SSH.
    pub(crate) fn instead_of_ssh(&self) -> Option<String> {
        let said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = said.windows(BEGIN.len()).any(|window| window == BEGIN);
        (!begins).then(|| printable(String::from_utf8_lossy(&said).trim()))
    }

    /// Keeps the bytes; answers whether there is room for more.
    fn keep(&self, bytes: &[u8]) -> bool {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = KEPT_BYTES_MAX.saturating_sub(said.len());
        said.extend(bytes.iter().take(room));
        room > bytes.len()
    }
}

/// A stream of which the beginning is kept.
pub(crate) struct Overheard<S> {
    stream: S,
    heard: Heard,
    is_over: bool,
}

impl<S: AsyncRead + Unpin> AsyncRead for Overheard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, into);
        if !self.is_over {
            let came = into.filled().get(before..).unwrap_or_default();
            self.is_over = !self.heard.keep(came);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Overheard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
