//! What is there, hashed there: the stream of a script, taken apart as it comes.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, watch};
use verisim_core::manifest::Entry;
use verisim_core::{Digest, Failure, FailureKind, RelPath, Remote, RemoteFile, TransportError};
use verisim_sys::Taker;

use super::answers;
use super::script::{BATCH_FILES, BEGIN, Hasher};
use crate::identity::KnownDestination;
use crate::tool::ours;

/// The longest record: what a hasher says of one batch, of files with the longest paths.
const RECORD_BYTES_MAX: usize = BATCH_FILES * (4096 + 128);
/// How many files are held here at the most: those with names that lines cannot tell, and all of a far side that cannot sort.
const HELD_MAX: usize = 8_000_000;

/// How fast what is there is hashed at the least, by the slowest machine whose disk others use as well.
const HASHED_PER_SECOND: u64 = 2 << 20;
/// How many times as long as over nothing it may take until the files there are listed: two hours of two minutes.
const LISTING: u32 = 60;
/// How many times as long a batch may take of whose size nothing is known: a day of two minutes.
const SIZELESS: u32 = 720;
/// The largest size of a batch that is believed: 64 TiB.
const BELIEVED_MAX: u64 = 64 << 40;
/// While it is not the far side that is waited for.
const FOR_EVER: Duration = Duration::from_secs(365 * 86_400);

/// Waits until the far side has not advanced for as long as it may; for ever where it ends before.
pub(crate) struct Stalling {
    allowed: watch::Receiver<Duration>,
    operation: &'static str,
}

impl Stalling {
    /// That it does not advance.
    pub(crate) async fn stalled(mut self) -> Failure {
        loop {
            let allowed = *self.allowed.borrow_and_update();
            match tokio::time::timeout(allowed, self.allowed.changed()).await {
                Err(_) => return stalled(self.operation),
                Ok(Ok(())) => {}
                Ok(Err(_)) => return std::future::pending().await,
            }
        }
    }
}

fn stalled(operation: &'static str) -> Failure {
    let what = "the hasher there does not advance: look at the disk there, and at what hashes";
    Failure::new(FailureKind::Unknown, operation, what)
}

/// One item of the stream.
pub(crate) type Told = Result<RemoteFile, TransportError>;

/// How far the stream is.
#[derive(Debug, PartialEq, Eq)]
enum Phase {
    /// Whatever a login prints, and whose the folder is.
    Head,
    /// Files.
    Files,
    /// The script has ended.
    Done,
}

/// Takes the stream of the script apart.
pub(crate) struct Sums {
    operation: &'static str,
    out: mpsc::Sender<Vec<Told>>,
    known: KnownDestination,
    place: String,
    at: Remote,
    hasher: Hasher,
    sorts: bool,
    phase: Phase,
    failed: Option<TransportError>,
    /// What is no whole record yet; in the head, all of it.
    rest: Vec<u8>,
    batch: Vec<Vec<u8>>,
    sums: Vec<Option<Digest>>,
    /// One by one, so they are told apart whatever their names are: sorted here, and told when it is their turn.
    apart: VecDeque<RemoteFile>,
    one_by_one: bool,
    /// How long a hasher may not advance, over nothing.
    stall_max: Duration,
    /// How long it may be until something more is told.
    allowance: Duration,
    allowed: watch::Sender<Duration>,
}

impl Sums {
    /// What is found goes to `out`, in order. `place` is the destination's root, for people.
    pub(crate) fn new(
        out: mpsc::Sender<Vec<Told>>,
        known: KnownDestination,
        place: &str,
        at: Remote,
        (hasher, sorts): (Hasher, bool),
        stall_max: Duration,
        operation: &'static str,
    ) -> Self {
        let allowance = stall_max.saturating_mul(LISTING);
        Self {
            operation,
            out,
            known,
            place: place.to_owned(),
            at,
            hasher,
            sorts,
            phase: Phase::Head,
            failed: None,
            rest: Vec::new(),
            batch: Vec::new(),
            sums: Vec::new(),
            apart: VecDeque::new(),
            one_by_one: true,
            stall_max,
            allowance,
            allowed: watch::Sender::new(allowance),
        }
    }

    /// What ends it when it does not advance any more.
    pub(crate) fn stalling(&self) -> Stalling {
        Stalling { allowed: self.allowed.subscribe(), operation: self.operation }
    }

    /// So long may it take until something more is told.
    fn allow(&mut self, allowance: Duration) {
        self.allowance = allowance;
        self.allowed.send_replace(allowance);
    }

    fn broken(&self, what: &str) -> Failure {
        Failure::new(FailureKind::Unknown, self.operation, what)
    }

    /// Takes what has come so far. What is whole and in its turn is answered.
    fn feed(&mut self, piece: &[u8]) -> Result<Vec<Told>, TransportError> {
        self.rest.extend_from_slice(piece);
        let mut told = Vec::new();
        if self.phase == Phase::Head && !self.head()? {
            return Ok(told);
        }
        let rest = std::mem::take(&mut self.rest);
        let mut left = rest.as_slice();
        while let Some(end) = memchr::memchr(0, left) {
            let (record, after) = left.split_at(end);
            self.record(record, &mut told)?;
            left = after.split_at(1).1;
        }
        if left.len() > RECORD_BYTES_MAX {
            return Err(self.broken("the far side does not end what it says").into());
        }
        self.rest = left.to_vec();
        Ok(told)
    }

    /// Whether the head is over. The folder must be ours, or not be there at all.
    fn head(&mut self) -> Result<bool, TransportError> {
        const END: &[u8] = b"\0end=yes\0";
        let Some(end) = memchr::memmem::find(&self.rest, END) else {
            if self.rest.len() > RECORD_BYTES_MAX {
                return Err(self.broken("the far side does not answer what was asked").into());
            }
            return Ok(false);
        };
        let after = self.rest.split_off(end + END.len());
        let head = std::mem::replace(&mut self.rest, after);
        let begin = memchr::memmem::find(&head, BEGIN).unwrap_or(0);
        let look = answers::look(head.split_at(begin).1, &self.place, self.operation)?;
        // A folder that is gone holds nothing: all of it is missing, and will be sent again.
        if look.exists || look.in_the_way.is_some() {
            ours(&look, &self.at, &self.known, &self.place, self.operation)?;
        } else if !self.known.judge(&self.place, look.marker.as_deref())? {
            return Err(crate::identity::never_used(&self.place).into());
        }
        self.phase = Phase::Files;
        Ok(true)
    }

    fn record(&mut self, record: &[u8], told: &mut Vec<Told>) -> Result<(), TransportError> {
        match record.split_first() {
            _ if self.phase == Phase::Done => {}
            Some((b'n', name)) => self.batch.push(name.to_vec()),
            Some((b's', sum)) => {
                let sum = Digest::from_hex(sum).ok();
                self.sums = vec![sum];
            }
            Some((b'z', bytes)) => {
                let bytes = std::str::from_utf8(bytes).ok().and_then(|bytes| bytes.parse::<u64>().ok());
                self.allow(match bytes {
                    Some(bytes) => {
                        let pending = bytes.min(BELIEVED_MAX) / HASHED_PER_SECOND;
                        self.stall_max.saturating_add(Duration::from_secs(pending))
                    }
                    None => self.stall_max.saturating_mul(SIZELESS),
                });
            }
            Some((b'x', [])) => return Err(stalled(self.operation).into()),
            Some((b'd', [])) => {
                self.phase = Phase::Done;
                self.tell_apart(None, told);
            }
            Some(_) if self.hasher.by_nul => self.line(record, told)?,
            Some(_) => record.split(|byte| *byte == b'\n').try_for_each(|line| self.line(line, told))?,
            None => {}
        }
        Ok(())
    }

    /// What the hasher says of one file, or the end of a batch.
    fn line(&mut self, line: &[u8], told: &mut Vec<Told>) -> Result<(), TransportError> {
        if line == b"e" {
            return self.end_batch(told);
        }
        let Some((hex, name)) = line.split_at_checked(64) else { return Ok(()) };
        let name = name.trim_ascii_start();
        let name = name.strip_prefix(b"*").unwrap_or(name);
        let Ok(sum) = Digest::from_hex(hex) else { return Ok(()) };
        // Hashers keep to the order in which they are asked, but for files that they cannot read.
        let next = self.batch.iter().skip(self.sums.len()).position(|known| known == name);
        if let Some(skipped) = next {
            self.sums.resize(self.sums.len() + skipped, None);
            self.sums.push(Some(sum));
            self.allow(self.allowance);
        }
        Ok(())
    }

    fn end_batch(&mut self, told: &mut Vec<Told>) -> Result<(), TransportError> {
        self.allow(self.stall_max.saturating_mul(LISTING));
        let (names, sums) = (std::mem::take(&mut self.batch), std::mem::take(&mut self.sums));
        let alone = names.len() == 1 && names.first().is_some_and(|name| is_told_apart(name));
        for (at, name) in names.into_iter().enumerate() {
            let Some(path) = name.strip_prefix(b"./").and_then(|name| RelPath::new(name).ok()) else {
                return Err(self.broken("the far side names a file that cannot be").into());
            };
            let sha256 = sums.get(at).copied().flatten();
            let file = match sha256 {
                Some(sha256) => RemoteFile::Hashed(Entry { path, sha256 }),
                None => {
                    let failure =
                        Failure::new(FailureKind::Denied, self.operation, "it could not be read there");
                    RemoteFile::Unproved { path, failure }
                }
            };
            let held = !self.sorts || (self.one_by_one && alone && !self.hasher.by_nul);
            if held {
                if self.apart.len() >= HELD_MAX {
                    return Err(self.broken("there are too many files").into());
                }
                self.apart.push_back(file);
                continue;
            }
            if std::mem::take(&mut self.one_by_one) {
                self.sort();
            }
            self.tell_apart(Some(path_of(&file)), told);
            told.push(Ok(file));
        }
        Ok(())
    }

    fn sort(&mut self) {
        self.apart.make_contiguous().sort_by(|left, right| path_of(left).cmp(path_of(right)));
    }

    /// Tells what is held and comes before `next`; all of it where nothing comes any more.
    fn tell_apart(&mut self, next: Option<&RelPath>, told: &mut Vec<Told>) {
        if next.is_none() {
            self.sort();
        }
        while self.apart.front().is_some_and(|file| next.is_none_or(|next| path_of(file) < next)) {
            told.extend(self.apart.pop_front().map(Ok));
        }
    }

    /// The script has ended: it must have said so.
    pub(crate) async fn finish(self) -> Result<(), TransportError> {
        match self.failed {
            Some(error) => Err(error),
            None if self.phase == Phase::Done => Ok(()),
            None if self.out.is_closed() => Ok(()),
            None => Err(self.broken("the far side broke off before it had hashed everything").into()),
        }
    }
}

fn path_of(file: &RemoteFile) -> &RelPath {
    match file {
        RemoteFile::Hashed(entry) => &entry.path,
        RemoteFile::Unproved { path, .. } => path,
    }
}

/// Whether lines cannot tell a name.
fn is_told_apart(name: &[u8]) -> bool {
    memchr::memchr3(b'\n', b'\r', b'\\', name).is_some()
}

#[async_trait]
impl Taker for Sums {
    async fn take(&mut self, piece: &[u8]) -> ControlFlow<()> {
        match self.feed(piece) {
            Ok(told) if told.is_empty() => ControlFlow::Continue(()),
            Ok(told) => {
                self.allowed.send_replace(FOR_EVER);
                let sent = self.out.send(told).await;
                self.allow(self.allowance);
                // Where it could not be sent, nobody listens any more.
                if sent.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            }
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use verisim_core::DestinationName;

    use super::*;
    use crate::shell::script::HASHERS;

    fn sums(dir: &std::path::Path, hasher: Hasher, sorts: bool) -> Sums {
        let at = Remote {
            destination: DestinationName::new("vault").unwrap(),
            path: RelPath::new("lab/run").unwrap(),
            owner: "us".into(),
        };
        let known = KnownDestination::new(dir.join("known"), "vault");
        let way = (hasher, sorts);
        Sums::new(mpsc::channel(1).0, known, "nas:/runs", at, way, Duration::from_secs(120), "t.hashsum")
    }

    const HEAD: &[u8] = b"motd\nverisim-begins\0root=there\0marker=vault\0exists=yes\0owner=us\0end=yes\0";

    fn hex(byte: u8) -> String {
        Digest::from_bytes([byte; 32]).to_string()
    }

    /// What is told of this stream, cut into pieces of one length.
    fn told(stream: &[u8], hasher: Hasher, sorts: bool, piece: usize) -> Result<Vec<String>, FailureKind> {
        let dir = tempfile::tempdir().unwrap();
        let mut sums = sums(dir.path(), hasher, sorts);
        let mut out = Vec::new();
        for piece in stream.chunks(piece.max(1)) {
            for file in sums.feed(piece).map_err(|error| error.failure.kind)? {
                out.push(match file.unwrap() {
                    RemoteFile::Hashed(entry) => format!("{} {}", entry.path, &entry.sha256.to_string()[..2]),
                    RemoteFile::Unproved { path, failure } => format!("{path} {}", failure.kind),
                });
            }
        }
        if sums.phase == Phase::Done { Ok(out) } else { Err(FailureKind::Unknown) }
    }

    #[test]
    fn files_are_told_in_order_with_those_whose_names_lines_cannot_tell() {
        let line = format!(
            "n./b\n1\0s{}\0e\0n./a\\z\0s\0e\0n./a\0n./b\0n./c\0{} *./a\n{}  ./c\ne\0n./d\0{} ./d\ne\0d\0",
            hex(1),
            hex(2),
            hex(3),
            hex(4)
        );
        let expected = ["a 02", "a\\\\z denied", "b denied", "b\\x0a1 01", "c 03", "d 04"].map(str::to_owned);
        let stream = [HEAD, line.as_bytes()].concat();
        for piece in [1, 7, 10_000] {
            assert_eq!(told(&stream, HASHERS[0], true, piece).unwrap(), expected, "{piece}");
            assert_eq!(told(&stream, HASHERS[0], false, piece).unwrap(), expected, "unsorted, {piece}");
        }
        let by_nul = format!("n./b\n1\0n./c\0{}  ./b\n1\0{}  ./c\0e\0d\0", hex(1), hex(2));
        let stream = [HEAD, by_nul.as_bytes()].concat();
        assert_eq!(told(&stream, HASHERS[1], true, 3).unwrap(), ["b\\x0a1 01", "c 02"]);
    }

    #[tokio::test]
    async fn how_long_it_may_not_advance_follows_what_is_pending() {
        let dir = tempfile::tempdir().unwrap();
        let mut sums = sums(dir.path(), HASHERS[1], true);
        let allowed = sums.stalling().allowed;
        assert_eq!(allowed.borrow().as_secs(), 120 * 60, "until the files are listed");
        for (size, seconds) in [("z0", 120), ("z2147483648", 120 + 1024), ("zmany", 86_400)] {
            sums.feed(&[HEAD, b"n./a\0", size.as_bytes(), b"\0"].concat()).unwrap();
            assert_eq!(allowed.borrow().as_secs(), seconds, "{size}");
        }
        let said = sums.feed(b"half a line\0x\0").unwrap_err().failure;
        assert!(said.to_string().contains("does not advance"), "{said}");
        sums.allow(Duration::ZERO);
        assert_eq!(sums.stalling().stalled().await.kind, FailureKind::Unknown);
    }

    #[test]
    fn a_stream_that_breaks_off_or_is_of_another_s_folder_proves_nothing() {
        let stream = [HEAD, b"n./a\0", hex(1).as_bytes(), b"  ./a\ne\0"].concat();
        assert_eq!(told(&stream, HASHERS[0], true, 9), Err(FailureKind::Unknown));
        let stranger = b"verisim-begins\0root=there\0marker=vault\0exists=yes\0owner=them\0end=yes\0d\0";
        assert_eq!(told(stranger, HASHERS[0], true, 9), Err(FailureKind::Config));
        let outside = [HEAD, b"n./../../etc/passwd\0e\0d\0"].concat();
        assert_eq!(told(&outside, HASHERS[0], true, 9), Err(FailureKind::Unknown));
        let nothing = b"verisim-begins\0root=there\0marker=vault\0end=yes\0d\0";
        assert_eq!(told(nothing, HASHERS[0], true, 9), Ok(Vec::new()), "all of it is missing");
    }

    proptest! {
        #[test]
        fn whatever_is_said_is_taken_without_a_panic_and_bounded(
            bytes in proptest::collection::vec(prop_oneof![Just(0_u8), Just(b'n'), Just(b'e'), Just(b'\n'), any::<u8>()], 0..300),
            piece in 1_usize..50,
            which in 0_usize..2,
        ) {
            let _ = told(&[HEAD, &bytes].concat(), HASHERS[which], true, piece);
            let _ = told(&bytes, HASHERS[which], false, piece);
        }
    }
}
