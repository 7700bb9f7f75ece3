//! Sending files: many small ones side by side, a large one in parts.

use std::collections::HashMap;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use verisim_core::{Digest, Effect, Failure, FailureKind, Remote};

use super::body::Coming;
use super::far::Far;
use super::pieces::Pieces;
use super::problem::changing;
use crate::reading::Read;
use crate::tool::{Gauge, Local, Tally};
use crate::tree::Item;

const OPERATION: &str = "object.push";
/// How many small files are under way at once, and how many bytes of them.
const FILES_AT_ONCE: usize = 32;
const BYTES_AT_ONCE: usize = 16 << 20;
/// The smallest part of a large file. S3 takes 5 MiB and more.
pub(super) const PART_BYTES_MIN: usize = 8 << 20;
/// How many parts a file may have: S3 takes 10,000.
const PARTS_MAX: u64 = 9_000;
/// How many parts are under way at once, and how many bytes of them may be held.
pub(super) const PARTS_AT_ONCE: usize = 4;
const PART_BYTES_AT_ONCE: usize = 64 << 20;
/// How many pieces of a file that goes in one request wait to be sent.
const PIECES_AT_ONCE: usize = 8;
/// How much of a large file is sent before that is told.
const REPORTED_BYTES: u64 = 8 << 20;
/// What holes of a sparse file are sent as.
static ZEROS: [u8; 1 << 18] = [0; 1 << 18];

/// What one push sends, and how far it is.
pub(super) struct Sending<'a> {
    far: &'a Far,
    to: &'a Remote,
    pub(super) tally: Tally,
    /// How much of which file is there already.
    pub(super) kept: HashMap<usize, u64>,
    /// Whether pieces were joined, which stand there still.
    pub(super) has_pieces: bool,
}

/// A small file that was sent.
struct Sent {
    at: usize,
    bytes: usize,
    sha256: Digest,
}

impl<'a> Sending<'a> {
    pub(super) fn new(far: &'a Far, to: &'a Remote, gauge: Gauge, kept: HashMap<usize, u64>) -> Self {
        let tally = Tally::new(gauge);
        tally.tell(0);
        let has_pieces = !kept.is_empty();
        Self { far, to, tally, kept, has_pieces }
    }

    /// Sends what comes, and notes what is complete.
    pub(super) async fn run(
        &mut self,
        local: &mut Local,
        mut taken: mpsc::Receiver<Read>,
    ) -> Result<(), Failure> {
        let (far, to) = (self.far, self.to);
        let items = local.items();
        let mut under_way = FuturesUnordered::new();
        let (mut bytes_under_way, mut is_over) = (0, false);
        loop {
            let has_room = under_way.len() < FILES_AT_ONCE && bytes_under_way < BYTES_AT_ONCE;
            tokio::select! {
                Some(done) = under_way.next() => {
                    let Sent { at, bytes, sha256 } = done?;
                    bytes_under_way -= bytes;
                    self.tally.note(local, at, sha256, bytes as u64)?;
                }
                read = taken.recv(), if has_room && !is_over => match read {
                    None => is_over = true,
                    Some(Read::Whole { at, bytes, sha256 }) => {
                        let Some(item) = items.get(at) else { continue };
                        bytes_under_way += bytes.len();
                        under_way.push(async move {
                            let length = bytes.len();
                            whole(far, to, item, bytes).await?;
                            Ok::<_, Failure>(Sent { at, bytes: length, sha256 })
                        });
                    }
                    Some(Read::Begin { at }) => {
                        let Some(item) = items.get(at) else { continue };
                        self.large(local, at, item, &mut taken).await?;
                    }
                    // They come only behind the beginning.
                    Some(Read::Piece { .. } | Read::End { .. }) => {}
                },
                else => return Ok(()),
            }
        }
    }

    /// Sends a large file. That the reader ends before it does is told by the reader.
    async fn large(
        &mut self,
        local: &mut Local,
        at: usize,
        item: &Item,
        taken: &mut mpsc::Receiver<Read>,
    ) -> Result<(), Failure> {
        match Pieces::of(self.far, self.to, item) {
            Some(pieces) => self.in_pieces(local, at, (item, &pieces), taken).await,
            None if self.far.takes_parts() => self.in_parts(local, at, item, taken).await,
            None => self.at_once(local, at, item, taken).await,
        }
    }

    /// In objects of their own, which the store joins.
    async fn in_pieces(
        &mut self,
        local: &mut Local,
        at: usize,
        (item, pieces): (&Item, &Pieces),
        taken: &mut mpsc::Receiver<Read>,
    ) -> Result<(), Failure> {
        let far = self.far;
        let unsent = |error| changing(OPERATION, &format!("sending {}", item.path), &error);
        let kept = self.kept.get(&at).copied().unwrap_or(0);
        if kept == 0 {
            local.begin(item)?;
        }
        let at_once = (PART_BYTES_AT_ONCE / pieces.bytes()).clamp(1, PARTS_AT_ONCE);
        let send = |from: u64, whole: Vec<Bytes>| async move {
            let bytes: u64 = whole.iter().map(|bytes| bytes.len() as u64).sum();
            pieces.send(far, from, whole).await.map(|()| bytes)
        };
        let mut under_way = FuturesUnordered::new();
        let (mut filling, mut filled, mut begin, mut done) = (Vec::new(), 0, kept, kept);
        while let Some(read) = taken.recv().await {
            let (mut arrived, sha256) = match read {
                Read::Piece { offset, bytes } => (with_zeros(begin + filled as u64, offset, bytes), None),
                Read::End { sha256 } => (Vec::new(), Some(sha256)),
                Read::Begin { .. } | Read::Whole { .. } => return Err(out_of_order()),
            };
            arrived.reverse();
            while let Some(mut bytes) = arrived.pop() {
                let room = pieces.bytes() - filled;
                if bytes.len() > room {
                    arrived.push(bytes.split_off(room));
                }
                filled += bytes.len();
                filling.push(bytes);
                if filled == pieces.bytes() {
                    under_way.push(send(begin, std::mem::take(&mut filling)));
                    begin += std::mem::take(&mut filled) as u64;
                }
                while under_way.len() >= at_once
                    && let Some(sent) = under_way.next().await
                {
                    done += sent.map_err(unsent)?;
                    self.tally.tell(done);
                }
            }
            let Some(sha256) = sha256 else { continue };
            if !filling.is_empty() {
                under_way.push(send(begin, std::mem::take(&mut filling)));
            }
            while let Some(sent) = under_way.next().await {
                sent.map_err(unsent)?;
            }
            let path = far.within(self.to, item.path.as_bytes());
            pieces.join(far, &path).await.map_err(unsent)?;
            self.has_pieces = true;
            return self.tally.note(local, at, sha256, item.stamp.size - kept);
        }
        Ok(())
    }

    /// In one request, where a store takes no parts.
    async fn at_once(
        &mut self,
        local: &mut Local,
        at: usize,
        item: &Item,
        taken: &mut mpsc::Receiver<Read>,
    ) -> Result<(), Failure> {
        let far = self.far;
        let path = far.within(self.to, item.path.as_bytes());
        let place = far.place(&path);
        let (out, pieces) = mpsc::channel(PIECES_AT_ONCE);
        let fed = {
            let sending = far.stream(&place, Coming { pieces, bytes: item.stamp.size }, OPERATION);
            let mut sending = std::pin::pin!(sending);
            let mut feeding = std::pin::pin!(feed(&self.tally, taken, out));
            tokio::select! {
                biased;
                // It may have all of it before it is known here that this was all.
                sent = &mut sending => match sent {
                    Ok(()) => feeding.await?,
                    Err(failure) => return Err(failure),
                },
                fed = &mut feeding => match fed? {
                    Fed::Broken => return Ok(()),
                    fed => sending.await.map(|()| fed)?,
                },
            }
        };
        let Fed::Whole(sha256) = fed else {
            let what = format_args!("{}: the store answered before it had all of it", item.path);
            return Err(Failure::new(FailureKind::Unknown, OPERATION, what).with_effect(Effect::Unknown));
        };
        let unnamed = |error| changing(OPERATION, &format!("sending {}", item.path), &error);
        far.appear(&place, &path).await.map_err(unnamed)?;
        self.tally.note(local, at, sha256, item.stamp.size)
    }

    /// In one upload.
    async fn in_parts(
        &mut self,
        local: &mut Local,
        at: usize,
        item: &Item,
        taken: &mut mpsc::Receiver<Read>,
    ) -> Result<(), Failure> {
        let path = self.far.within(self.to, item.path.as_bytes());
        let place = self.far.place(&path);
        let unsent = |error| changing(OPERATION, &format!("sending {}", item.path), &error);
        let part = part_bytes(item.stamp.size);
        let at_once = (PART_BYTES_AT_ONCE / part).clamp(1, PARTS_AT_ONCE);
        let writer = self.far.store.writer_with(&place).chunk(part).concurrent(at_once);
        let mut writer = writer.await.map_err(unsent)?;
        let (mut written, mut reported) = (0_u64, 0);
        while let Some(read) = taken.recv().await {
            match read {
                Read::Piece { offset, bytes } => {
                    for bytes in with_zeros(written, offset, bytes) {
                        written += bytes.len() as u64;
                        writer.write(bytes).await.map_err(unsent)?;
                    }
                    if written.saturating_sub(reported) >= REPORTED_BYTES {
                        reported = written;
                        self.tally.tell(written);
                    }
                }
                Read::End { sha256 } => {
                    writer.close().await.map_err(unsent)?;
                    self.far.appear(&place, &path).await.map_err(unsent)?;
                    return self.tally.note(local, at, sha256, item.stamp.size);
                }
                Read::Begin { .. } | Read::Whole { .. } => return Err(out_of_order()),
            }
        }
        // The source changed, or everything is stopped: nothing of it is to appear.
        let _ = writer.abort().await;
        Ok(())
    }
}

/// How the handing over of a file ended.
enum Fed {
    /// All of it went, with this hash.
    Whole(Digest),
    /// The reader ended before the file did; it says why.
    Broken,
    /// Nobody takes any more.
    Refused,
}

fn out_of_order() -> Failure {
    Failure::new(FailureKind::Unknown, OPERATION, "a file ended before its end")
}

/// Hands over a file as it is read, its holes filled.
async fn feed(
    tally: &Tally,
    taken: &mut mpsc::Receiver<Read>,
    out: mpsc::Sender<Bytes>,
) -> Result<Fed, Failure> {
    let (mut handed, mut reported) = (0_u64, 0);
    while let Some(read) = taken.recv().await {
        match read {
            Read::Piece { offset, bytes } => {
                for bytes in with_zeros(handed, offset, bytes) {
                    handed += bytes.len() as u64;
                    if out.send(bytes).await.is_err() {
                        return Ok(Fed::Refused);
                    }
                }
                if handed.saturating_sub(reported) >= REPORTED_BYTES {
                    reported = handed;
                    tally.tell(handed);
                }
            }
            Read::End { sha256 } => return Ok(Fed::Whole(sha256)),
            Read::Begin { .. } | Read::Whole { .. } => return Err(out_of_order()),
        }
    }
    Ok(Fed::Broken)
}

/// What stands at `offset`, with the hole before it, from `from` on, filled.
fn with_zeros(from: u64, offset: u64, bytes: Bytes) -> Vec<Bytes> {
    let mut out = Vec::new();
    let mut hole = usize::try_from(offset.saturating_sub(from)).unwrap_or(usize::MAX);
    while hole > 0 {
        let zeros = ZEROS.split_at(hole.min(ZEROS.len())).0;
        hole -= zeros.len();
        out.push(Bytes::from_static(zeros));
    }
    out.push(bytes);
    out
}

/// Sends a small file.
async fn whole(far: &Far, to: &Remote, item: &Item, bytes: Bytes) -> Result<(), Failure> {
    let path = far.within(to, item.path.as_bytes());
    let place = far.place(&path);
    let sending = async {
        far.store.write(&place, bytes).await?;
        far.appear(&place, &path).await
    };
    sending.await.map_err(|error| changing(OPERATION, &format!("sending {}", item.path), &error))
}

/// How large a part of a file of this size is, so that there are not too many: whole mebibytes.
pub(super) fn part_bytes(size: u64) -> usize {
    let needed = size.div_ceil(PARTS_MAX).next_multiple_of(1 << 20);
    usize::try_from(needed).unwrap_or(usize::MAX).max(PART_BYTES_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_any_size_fits_into_the_parts_that_a_store_takes() {
        for (size, part) in
            [(0, 8 << 20), (1 << 30, 8 << 20), (100 << 30, 12 << 20), (5_u64 << 40, 583 << 20)]
        {
            assert_eq!(part_bytes(size), part, "{size}");
            assert!(size.div_ceil(part as u64) < 10_000);
        }
    }
}
