//! What rsync says while it sends: `--out-format='%i %l %b'` after each entry, and `--info=progress2` in between. Neither names
//! a file, so every line is short, whatever the capture holds.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use verisim_core::Inventory;
use verisim_sys::Taker;

use crate::tool::Gauge;

/// Lines that are longer say nothing that matters here, for instance which link was passed over.
const LINE_BYTES_MAX: usize = 200;

/// What the runs of one push have sent together.
pub(super) struct Together {
    gauge: Option<Gauge>,
    /// What earlier runs of this push have sent.
    before: Inventory,
    runs: Mutex<Vec<Sent>>,
}

/// What one run has sent.
#[derive(Debug, Clone, Copy, Default)]
struct Sent {
    /// Whole files.
    whole: Inventory,
    /// All bytes, as it says, with those of the file that is under way.
    under_way: u64,
}

impl Together {
    pub(super) fn new(gauge: Option<Gauge>, before: Inventory, runs: usize) -> Arc<Self> {
        Arc::new(Self { gauge, before, runs: Mutex::new(vec![Sent::default(); runs]) })
    }

    /// All that was sent, with what earlier runs have.
    pub(super) fn all(&self) -> Inventory {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.iter().fold(self.before, |sum, run| Inventory {
            files: sum.files + run.whole.files,
            bytes: sum.bytes.saturating_add(run.whole.bytes),
        })
    }

    fn note(&self, at: usize, sent: Sent) {
        let (mut files, mut bytes) = (self.before.files, self.before.bytes);
        {
            let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(run) = runs.get_mut(at) {
                *run = sent;
            }
            for run in &*runs {
                files += run.whole.files;
                bytes = bytes.saturating_add(run.whole.bytes.max(run.under_way));
            }
        }
        if let Some(gauge) = &self.gauge {
            gauge.sent(Inventory { files, bytes });
        }
    }
}

/// Reads along what one run says.
pub(super) struct Progress {
    together: Arc<Together>,
    at: usize,
    sent: Sent,
    line: Vec<u8>,
}

impl Progress {
    /// Of the run that is at this place among those that run together.
    pub(super) fn new(together: &Arc<Together>, at: usize) -> Self {
        Self { together: Arc::clone(together), at, sent: Sent::default(), line: Vec::new() }
    }

    fn line(&mut self) {
        let line = String::from_utf8_lossy(&self.line);
        let mut words = line.split_ascii_whitespace();
        let sent = &mut self.sent;
        match words.next() {
            Some(change) if change.starts_with("<f") => {
                if let Some(bytes) = words.next().and_then(|word| word.parse::<u64>().ok()) {
                    sent.whole.files += 1;
                    sent.whole.bytes = sent.whole.bytes.saturating_add(bytes);
                }
            }
            Some(bytes) if words.next().is_some_and(|percent| percent.ends_with('%')) => {
                sent.under_way = bytes.parse().unwrap_or(sent.under_way).max(sent.under_way);
            }
            _ => {}
        }
        self.line.clear();
    }
}

#[async_trait]
impl Taker for Progress {
    async fn take(&mut self, piece: &[u8]) -> ControlFlow<()> {
        for byte in piece {
            match byte {
                b'\r' | b'\n' => self.line(),
                byte if self.line.len() < LINE_BYTES_MAX => self.line.push(*byte),
                _ => {}
            }
        }
        self.together.note(self.at, self.sent);
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SAID: &[u8] = b"skipping non-regular file \"link\"\n\r          32768  12%    0.00kB/s    0:00:00  \r       \
        262144 100%    1.00MB/s    0:00:00 (xfr#1, to-chk=9/11)\n<f+++++++++ 262144 262180\ncd+++++++++ 4096 0\n<f..t...... 5 20\n";

    #[test]
    fn sent_files_are_counted_and_the_one_under_way_is_seen() {
        let taken = |cuts: &[usize]| {
            let together = Together::new(None, Inventory { files: 1, bytes: 10 }, 1);
            let mut progress = Progress::new(&together, 0);
            let mut rest = SAID;
            for cut in cuts {
                let (piece, tail) = rest.split_at((*cut).min(rest.len()));
                let _ = futures_util::FutureExt::now_or_never(progress.take(piece));
                rest = tail;
            }
            let _ = futures_util::FutureExt::now_or_never(progress.take(rest));
            (together.all(), progress.sent.under_way)
        };
        let expected = (Inventory { files: 3, bytes: 262_159 }, 262_144);
        assert_eq!(taken(&[]), expected);
        assert_eq!(taken(&vec![1; SAID.len()]), expected);
    }

    proptest! {
        #[test]
        fn whatever_it_says_is_taken_and_bounded(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..400), 0..8)) {
            let mut progress = Progress::new(&Together::new(None, Inventory::default(), 1), 0);
            for piece in pieces {
                let _ = futures_util::FutureExt::now_or_never(progress.take(&piece));
                prop_assert!(progress.line.len() <= LINE_BYTES_MAX);
            }
        }
    }
}
