//! A connection whose bytes are counted and bounded, and the reading of it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::timeout;
use verisim_core::Stream;

use super::trouble::Trouble;

/// What went over the connections of one session.
#[derive(Debug)]
pub(super) struct Meter {
    sent: AtomicU64,
    received: AtomicU64,
    received_max: u64,
}

impl Meter {
    pub(super) fn new(received_max: u64) -> Arc<Self> {
        Arc::new(Self { sent: AtomicU64::new(0), received: AtomicU64::new(0), received_max })
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

/// A connection that is counted by a meter, and ends in an error once the session has taken too much.
pub(super) struct Metered {
    stream: Box<dyn Stream>,
    meter: Arc<Meter>,
}

impl Metered {
    pub(super) fn new(stream: Box<dyn Stream>, meter: Arc<Meter>) -> Self {
        Self { stream, meter }
    }
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.meter.received() >= self.meter.received_max {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::FileTooLarge, "it sends too much")));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.meter.received.fetch_add((buf.filled().len() - before) as u64, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.meter.sent.fetch_add(count as u64, Ordering::Relaxed);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A connection as protocols use it: every read is bounded in bytes and time.
pub(super) struct Wire {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    /// How long one answer may take.
    answer: Duration,
}

impl Wire {
    pub(super) fn new(stream: Box<dyn Stream>, answer: Duration) -> Self {
        Self { stream, buffer: Vec::new(), answer }
    }

    /// The connection itself, for another layer on it. What was read beyond the last answer would be lost, so there must
    /// be none of it: a server that speaks before it is asked is not spoken to any more.
    pub(super) fn into_stream(self) -> Result<Box<dyn Stream>, Trouble> {
        if self.buffer.is_empty() { Ok(self.stream) } else { Err(Trouble::garbled("it speaks out of turn")) }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        let (limit, stream) = (self.answer, &mut self.stream);
        let sending = async {
            stream.write_all(bytes).await?;
            stream.flush().await
        };
        Ok(timeout(limit, sending).await.map_err(|_| Trouble::TooSlow)??)
    }

    /// A line without its end, at most `most` bytes.
    pub(super) async fn line(&mut self, most: usize) -> Result<Vec<u8>, Trouble> {
        let reading = async {
            let mut seen = 0;
            loop {
                if let Some(at) = memchr::memchr(b'\n', &self.buffer[seen..]) {
                    let mut line: Vec<u8> = self.buffer.drain(..=seen + at).collect();
                    line.pop();
                    line.pop_if(|byte| *byte == b'\r');
                    return Ok(line);
                }
                seen = self.buffer.len();
                if seen > most {
                    return Err(Trouble::garbled("a line without an end"));
                }
                fill(&mut self.stream, &mut self.buffer).await?;
            }
        };
        timeout(self.answer, reading).await.map_err(|_| Trouble::TooSlow)?
    }

    /// Exactly so many bytes; the caller has bounded them.
    pub(super) async fn exact(&mut self, count: usize) -> Result<Vec<u8>, Trouble> {
        let reading = async {
            while self.buffer.len() < count {
                fill(&mut self.stream, &mut self.buffer).await?;
            }
            Ok(self.buffer.drain(..count).collect())
        };
        timeout(self.answer, reading).await.map_err(|_| Trouble::TooSlow)?
    }

    /// Everything up to and with an empty line, at most `most` bytes.
    pub(super) async fn head(&mut self, most: usize) -> Result<Vec<u8>, Trouble> {
        let reading = async {
            loop {
                if let Some(at) = memchr::memmem::find(&self.buffer, b"\r\n\r\n") {
                    return Ok(self.buffer.drain(..at + 4).collect());
                }
                if self.buffer.len() > most {
                    return Err(Trouble::garbled("a head without an end"));
                }
                fill(&mut self.stream, &mut self.buffer).await?;
            }
        };
        timeout(self.answer, reading).await.map_err(|_| Trouble::TooSlow)?
    }

    /// Everything until the other side ends, at most `most` bytes; `false` when there was more.
    pub(super) async fn rest(&mut self, most: usize) -> Result<(Vec<u8>, bool), Trouble> {
        let reading = async {
            while self.buffer.len() <= most {
                match fill(&mut self.stream, &mut self.buffer).await {
                    Ok(()) => {}
                    Err(Trouble::Ended) => return Ok((std::mem::take(&mut self.buffer), true)),
                    Err(trouble) => return Err(trouble),
                }
            }
            self.buffer.truncate(most);
            Ok((std::mem::take(&mut self.buffer), false))
        };
        timeout(self.answer, reading).await.map_err(|_| Trouble::TooSlow)?
    }

    /// What comes within a while without being asked for; nothing when nothing does.
    pub(super) async fn listen(&mut self, patience: Duration) -> Result<&[u8], Trouble> {
        if self.buffer.is_empty() {
            match timeout(patience, fill(&mut self.stream, &mut self.buffer)).await {
                Ok(Err(Trouble::Ended)) | Ok(Ok(())) | Err(_) => {}
                Ok(Err(trouble)) => return Err(trouble),
            }
        }
        Ok(&self.buffer)
    }

    /// Says that nothing more will be sent. That the other side has gone already is none of our business.
    pub(super) async fn close(mut self) {
        let _ = timeout(Duration::from_secs(1), self.stream.shutdown()).await;
    }
}

async fn fill(stream: &mut Box<dyn Stream>, buffer: &mut Vec<u8>) -> Result<(), Trouble> {
    let mut chunk = [0; 8192];
    match stream.read(&mut chunk).await? {
        0 => Err(Trouble::Ended),
        count => {
            buffer.extend_from_slice(&chunk[..count]);
            Ok(())
        }
    }
}
