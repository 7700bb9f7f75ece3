//! What rsync says while it sends: `--out-format='%i %l %b'` after each entry, and `--info=progress2` in between. Neither names
//! a file, so every line is short, whatever the capture holds.

use std::ops::ControlFlow;

use async_trait::async_trait;
use verisim_core::Inventory;
use verisim_sys::Taker;

use crate::tool::Gauge;

/// Lines that are longer say nothing that matters here, for instance which link was passed over.
const LINE_BYTES_MAX: usize = 200;

/// Reads along, and tells how far the push is.
pub(super) struct Progress {
    gauge: Option<Gauge>,
    /// What earlier runs of this push have sent.
    before: Inventory,
    /// What this run has sent: whole files.
    pub(super) sent: Inventory,
    /// What it says to have sent, the file that is under way included.
    under_way: u64,
    line: Vec<u8>,
}

impl Progress {
    pub(super) fn new(gauge: Option<Gauge>, before: Inventory) -> Self {
        Self { gauge, before, sent: Inventory::default(), under_way: 0, line: Vec::new() }
    }

    /// All that was sent, with what earlier runs have.
    pub(super) fn all(&self) -> Inventory {
        Inventory { files: self.before.files + self.sent.files, bytes: self.before.bytes + self.sent.bytes }
    }

    fn line(&mut self) {
        let line = String::from_utf8_lossy(&self.line);
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some(change) if change.starts_with("<f") => {
                if let Some(bytes) = words.next().and_then(|word| word.parse::<u64>().ok()) {
                    self.sent.files += 1;
                    self.sent.bytes = self.sent.bytes.saturating_add(bytes);
                }
            }
            Some(bytes) if words.next().is_some_and(|percent| percent.ends_with('%')) => {
                self.under_way = bytes.parse().unwrap_or(self.under_way).max(self.under_way);
            }
            _ => {}
        }
        self.line.clear();
    }

    fn report(&self) {
        if let Some(gauge) = &self.gauge {
            let all = self.all();
            let bytes = all.bytes.max(self.before.bytes.saturating_add(self.under_way));
            gauge.sent(Inventory { files: all.files, bytes });
        }
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
        self.report();
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
            let mut progress = Progress::new(None, Inventory { files: 1, bytes: 10 });
            let mut rest = SAID;
            for cut in cuts {
                let (piece, tail) = rest.split_at((*cut).min(rest.len()));
                let _ = futures_util::FutureExt::now_or_never(progress.take(piece));
                rest = tail;
            }
            let _ = futures_util::FutureExt::now_or_never(progress.take(rest));
            (progress.all(), progress.under_way)
        };
        let expected = (Inventory { files: 3, bytes: 262_159 }, 262_144);
        assert_eq!(taken(&[]), expected);
        assert_eq!(taken(&vec![1; SAID.len()]), expected);
    }

    proptest! {
        #[test]
        fn whatever_it_says_is_taken_and_bounded(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..400), 0..8)) {
            let mut progress = Progress::new(None, Inventory::default());
            for piece in pieces {
                let _ = futures_util::FutureExt::now_or_never(progress.take(&piece));
                prop_assert!(progress.line.len() <= LINE_BYTES_MAX);
            }
        }
    }
}
