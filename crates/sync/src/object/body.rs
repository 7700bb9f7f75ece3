//! What goes and comes: a request's body that keeps to a bandwidth, and an answer's that is bounded in time.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use futures_core::Stream;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use opendal_core::{Buffer, Error, ErrorKind};
use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep};
use verisim_core::CancellationToken;

use super::line::{Line, Lines, Server};
use super::refusal::Broken;
use crate::bandwidth::Bucket;

/// How much is handed over at once.
const PIECE_BYTES: usize = 64 << 10;
/// How long nothing may move before a connection counts as dead.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(120);

/// The pace of one operation: the bandwidth that it shares, and what ends it.
#[derive(Clone)]
pub(super) struct Pace {
    pub(super) bucket: Arc<Bucket>,
    pub(super) cancel: CancellationToken,
    /// Whether what comes counts, too.
    pub(super) counts_answers: bool,
}

type Wait = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

impl Pace {
    fn wait(&self, bytes: usize) -> Wait {
        let (bucket, cancel) = (Arc::clone(&self.bucket), self.cancel.clone());
        Box::pin(async move { bucket.wait(bytes, &cancel).await })
    }
}

/// The content of an object that is sent in one request while it is read: nobody holds all of it.
pub(super) struct Coming {
    pub(super) pieces: mpsc::Receiver<Bytes>,
    /// How many bytes of it are still to come.
    pub(super) bytes: u64,
}

/// A request's body. Each piece waits for the bandwidth.
pub(super) struct Paced {
    left: Buffer,
    coming: Option<Coming>,
    pace: Option<Pace>,
    paid: Option<(Bytes, Wait)>,
    moved: Arc<AtomicU64>,
}

impl Paced {
    /// `moved` counts each time something moves, or waits for its turn.
    pub(super) fn new(body: Buffer, pace: Option<Pace>, moved: Arc<AtomicU64>) -> Self {
        Self { left: body, coming: None, pace, paid: None, moved }
    }

    /// With what comes, behind what is there.
    pub(super) fn with(mut self, coming: Option<Coming>) -> Self {
        self.coming = coming;
        self
    }

    fn bytes_to_come(&self) -> u64 {
        self.coming.as_ref().map_or(0, |coming| coming.bytes)
    }

    /// Takes what has come. Content that ends before its end, or goes on beyond it, breaks the request: what is there of it is no
    /// object.
    fn take(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.left.has_remaining()
            && let Some(coming) = self.coming.as_mut().filter(|coming| coming.bytes > 0)
        {
            let piece = ready!(coming.pieces.poll_recv(cx)).unwrap_or_default();
            let left = coming.bytes.checked_sub(piece.len() as u64).filter(|_| !piece.is_empty());
            let Some(left) = left else {
                let what = "what was to be sent is not as long as it was said to be";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, what)));
            };
            coming.bytes = left;
            self.left = Buffer::from(piece);
        }
        Poll::Ready(Ok(()))
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        this.moved.fetch_add(1, Ordering::Relaxed);
        if let Some((_, wait)) = &mut this.paid {
            ready!(wait.as_mut().poll(cx));
            return Poll::Ready(this.paid.take().map(|(piece, _)| Ok(Frame::data(piece))));
        }
        if let Err(error) = ready!(this.take(cx)) {
            return Poll::Ready(Some(Err(error)));
        }
        if !this.left.has_remaining() {
            return Poll::Ready(None);
        }
        let wanted = this.left.chunk().len().clamp(1, PIECE_BYTES);
        let piece = this.left.copy_to_bytes(wanted);
        let Some(pace) = &this.pace else { return Poll::Ready(Some(Ok(Frame::data(piece)))) };
        let mut wait = pace.wait(piece.len());
        match wait.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Some(Ok(Frame::data(piece)))),
            Poll::Pending => {
                this.paid = Some((piece, wait));
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.paid.is_none() && !self.left.has_remaining() && self.bytes_to_come() == 0
    }

    fn size_hint(&self) -> SizeHint {
        let waiting = self.paid.as_ref().map_or(0, |(piece, _)| piece.len());
        SizeHint::with_exact(self.bytes_to_come().saturating_add((self.left.remaining() + waiting) as u64))
    }
}

/// An answer's body. When it is at its end, the connection is kept for others; when nobody wants the rest, it ends.
pub(super) struct Answer {
    body: Incoming,
    home: Option<(Arc<Lines>, Server, Line)>,
    is_kept: bool,
    idle: Pin<Box<Sleep>>,
    pace: Option<Pace>,
    wait: Option<Wait>,
    /// How much more may come.
    left: u64,
}

impl Answer {
    /// `home` is what it comes over, and what is kept at its end where it `is_kept`; no more than `bytes_max` may come.
    pub(super) fn new(
        body: Incoming,
        (home, is_kept): ((Arc<Lines>, Server, Line), bool),
        (pace, bytes_max): (Option<Pace>, u64),
    ) -> Self {
        let pace = pace.filter(|pace| pace.counts_answers);
        let idle = Box::pin(sleep(IDLE_MAX));
        Self { body, home: Some(home), is_kept, idle, pace, wait: None, left: bytes_max }
    }

    /// Everything, as long as it is no more than `bytes_max`.
    pub(super) async fn whole(mut self, bytes_max: usize) -> Result<Bytes, Broken> {
        let mut out = Vec::new();
        while let Some(piece) = std::future::poll_fn(|cx| self.poll_piece(cx)).await {
            let piece = piece?;
            let room = bytes_max.saturating_sub(out.len());
            out.extend(piece.iter().take(room));
            if piece.len() > room {
                break;
            }
        }
        Ok(out.into())
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        if let Some(wait) = &mut self.wait {
            ready!(wait.as_mut().poll(cx));
            self.wait = None;
            self.idle = Box::pin(sleep(IDLE_MAX));
        }
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                ready!(self.idle.as_mut().poll(cx));
                self.home = None;
                return Poll::Ready(Some(Err(Broken::Silent)));
            };
            self.idle = Box::pin(sleep(IDLE_MAX));
            match frame {
                None => {
                    if let Some((lines, server, line)) = self.home.take()
                        && self.is_kept
                    {
                        lines.keep(server, line);
                    }
                    return Poll::Ready(None);
                }
                Some(Err(error)) => {
                    self.home = None;
                    return Poll::Ready(Some(Err(Broken::Cut(error))));
                }
                Some(Ok(frame)) => {
                    let Ok(piece) = frame.into_data() else { continue };
                    if piece.is_empty() {
                        continue;
                    }
                    let Some(left) = self.left.checked_sub(piece.len() as u64) else {
                        self.home = None;
                        return Poll::Ready(Some(Err(Broken::TooMuch)));
                    };
                    self.left = left;
                    self.wait = self.pace.as_ref().map(|pace| pace.wait(piece.len()));
                    return Poll::Ready(Some(Ok(piece)));
                }
            }
        }
    }
}

impl Stream for Answer {
    type Item = opendal_core::Result<Buffer>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let piece = ready!(self.get_mut().poll_piece(cx));
        Poll::Ready(piece.map(|piece| match piece {
            Ok(piece) => Ok(Buffer::from(piece)),
            Err(broken) => Err(Error::new(ErrorKind::Unexpected, "the answer broke off").set_source(broken)),
        }))
    }
}
