//! What is there: hashed by the far side where that can be believed, and otherwise read back and hashed by rclone here, within a
//! bound.

use std::collections::HashMap;
use std::ops::ControlFlow;

use async_trait::async_trait;
use futures_util::stream;
use verisim_core::manifest::Entry;
use verisim_core::{
    CancellationToken, Digest, Failure, FailureKind, Hashes, Proof, PushOptions, RelPath, Remote, RemoteFile,
    TransportError,
};
use verisim_sys::Taker;

use super::call::Call;
use super::far::{Far, desk_list};
use super::names::Naming;
use super::there::There;
use super::{RcloneTransport, other};
use crate::errno::{Side, failure};
use crate::explain::{Tool, ToolOperation};
use crate::operations::beyond_read_back;
use crate::stopping::unless_stopped;
use crate::tool::{Desk, ended, ours};
use crate::tree::ENTRIES_MAX;

const OPERATION: &str = "rclone.hashsum";
/// The longest line: a hash or a size, and a path whose every byte is shown as up to three, quoted by as many.
const LINE_BYTES_MAX: usize = 4096 * 6 + 200;

/// A regular file there.
#[derive(Debug)]
struct Found {
    path: RelPath,
    bytes: u64,
    told: Told,
}

/// What is known of it.
#[derive(Debug)]
enum Told {
    Nothing,
    Hashed(Digest),
    Unproved(Failure),
}

/// What is there.
pub(super) async fn hashes(
    transport: &RcloneTransport,
    at: &Remote,
    options: &PushOptions,
) -> Result<Hashes, TransportError> {
    let cancel = options.cancel.child_token();
    let _end_when_dropped = cancel.clone().drop_guard();
    let _place = unless_stopped(&cancel, OPERATION, transport.operations.place(OPERATION)).await?;
    let (far, known) = (&*transport.far, &transport.known);
    let there = transport.there(&cancel).await?;
    let look = far.look(&there, (at, false), OPERATION, &cancel).await?;
    let is_gone = !look.exists && look.in_the_way.is_none();
    if is_gone && known.judge(far, look.marker.as_deref())? {
        // A folder that is gone holds nothing: all of it is missing, and will be sent again.
        return Ok(Hashes { proof: Proof::Sha256Readback, files: Box::pin(stream::empty()) });
    }
    ours(&look, at, known, far, OPERATION)?;
    let rate = options.bandwidth.as_ref().and_then(|limit| *limit.borrow());
    let hashing = Hashing {
        far,
        there: &there,
        at,
        options,
        rate: rate.map(|limit| limit.bytes_per_second),
        cancel: &cancel,
    };
    let mut files = hashing.list().await?;
    let mut proof = Proof::Sha256Readback;
    if there.hashes_there() {
        hashing.there(&mut files).await?;
        if files.iter().all(|file| matches!(file.told, Told::Hashed(_))) {
            proof = Proof::Sha256Remote;
        }
    }
    if let Some(hash) = far.rclone.options.hash.as_deref().filter(|hash| there.knows(hash))
        && hashing.by_other(&mut files, hash).await?
    {
        proof = Proof::Other;
    }
    hashing.read_back(&mut files).await?;
    if there.kind.as_deref() == Some("local") {
        // rclone reads a folder of this machine through the cache that it was written to.
        proof = Proof::Other;
    }
    let files = files.into_iter().map(|Found { path, told, .. }| {
        Ok(match told {
            Told::Hashed(sha256) => RemoteFile::Hashed(Entry { path, sha256 }),
            Told::Unproved(failure) => RemoteFile::Unproved { path, failure },
            Told::Nothing => {
                let failure = Failure::new(FailureKind::NotFound, OPERATION, "rclone said no hash of it");
                RemoteFile::Unproved { path, failure }
            }
        })
    });
    Ok(Hashes { proof, files: Box::pin(stream::iter(files)) })
}

/// What the runs of one pass share.
struct Hashing<'a> {
    far: &'a Far,
    there: &'a There,
    at: &'a Remote,
    options: &'a PushOptions,
    rate: Option<u64>,
    cancel: &'a CancellationToken,
}

impl Hashing<'_> {
    /// The regular files there with their sizes, sorted.
    async fn list(&self) -> Result<Vec<Found>, TransportError> {
        let call = Call::new(["lsf".into(), self.far.place(self.at.path.as_bytes())])
            .args(["--recursive", "--files-only", "--format=sp", "--separator=;", "--exclude=/.verisim/**"])
            .args(self.there.arguments());
        let mut listing = Lines::new(Listing { naming: &self.there.naming, files: Vec::new(), failed: None });
        let ran = self.far.rclone.run(call, OPERATION, &mut listing, self.cancel).await?;
        if let Some(failure) = listing.each.failed {
            return Err(failure.into());
        }
        match ended(&ran, Tool::Rclone, ToolOperation::Hashsum, OPERATION, None) {
            // A store of objects has no folder that holds nothing.
            Err(error) if error.failure.kind == FailureKind::NotFound => {}
            done => drop(done?),
        }
        let mut files = listing.each.files;
        files.sort_by(|left, right| left.path.cmp(&right.path));
        files.dedup_by(|left, right| left.path == right.path);
        Ok(files)
    }

    /// Asks the far side. What it does not answer is left to be read back; so is all of it where it cannot hash after all.
    async fn there(&self, files: &mut [Found]) -> Result<(), TransportError> {
        let wanted: Vec<usize> = (0..files.len()).collect();
        match self.sums(files, &wanted, false).await? {
            Some(error) if is_about_the_way(error.failure.kind) => Err(error),
            _ => Ok(()),
        }
    }

    /// Asks the far side for a hash that the operator chose. Whether that said anything of any file.
    async fn by_other(&self, files: &mut [Found], hash: &str) -> Result<bool, TransportError> {
        let lost = |error| failure(Side::State, OPERATION, "reading hashes", &error);
        let known = other::read(&self.options.work_dir, hash).map_err(lost)?;
        let desk = Desk::new(&self.options.work_dir, OPERATION)?;
        let list = {
            let asked: Vec<&[u8]> = files
                .iter()
                .map(|file| file.path.as_bytes())
                .filter(|path| known.contains_key(*path))
                .collect();
            if asked.is_empty() {
                return Ok(false);
            }
            desk_list(&desk, asked.into_iter(), OPERATION)?
        };
        let mut call = Call::new(["hashsum".into(), hash.into(), self.far.place(self.at.path.as_bytes())])
            .args(self.there.arguments())
            .list(list);
        call.is_long = true;
        let mut lines = Lines::new(other::Sums { naming: &self.there.naming, sums: HashMap::new() });
        let ran = self.far.rclone.run(call, OPERATION, &mut lines, self.cancel).await?;
        if let Err(error) = ended(&ran, Tool::Rclone, ToolOperation::Hashsum, OPERATION, None)
            && is_about_the_way(error.failure.kind)
        {
            return Err(error);
        }
        let mut said = false;
        for file in files.iter_mut().filter(|file| matches!(file.told, Told::Nothing)) {
            let path = file.path.as_bytes();
            let (Some(known), Some(sum)) = (known.get(path), lines.each.sums.get(path)) else { continue };
            said = true;
            file.told = Told::Hashed(if known.sum == *sum && known.bytes == file.bytes {
                known.sha256
            } else {
                // Its SHA-256 is not known, but it is another one.
                Digest::of(format!("{hash} {sum} {}", file.bytes).as_bytes())
            });
        }
        Ok(said)
    }

    /// Reads back what is not known, as far as the bound goes.
    async fn read_back(&self, files: &mut [Found]) -> Result<(), TransportError> {
        let bytes_max = self.far.rclone.options.read_back_max.0;
        let mut left = bytes_max;
        let mut wanted = Vec::new();
        for (at, file) in files.iter_mut().enumerate().filter(|(_, file)| matches!(file.told, Told::Nothing))
        {
            match left.checked_sub(file.bytes) {
                Some(rest) => {
                    left = rest;
                    wanted.push(at);
                }
                None => file.told = Told::Unproved(beyond_read_back(file.bytes, bytes_max, OPERATION)),
            }
        }
        let Some(error) = self.sums(files, &wanted, true).await? else { return Ok(()) };
        let unread = |at: &usize| files.get(*at).is_some_and(|file| matches!(file.told, Told::Nothing));
        let all = wanted.iter().all(unread);
        if is_about_the_way(error.failure.kind) || (all && error.failure.kind == FailureKind::Unknown) {
            return Err(error);
        }
        for file in files.iter_mut().filter(|file| matches!(file.told, Told::Nothing)) {
            file.told = Told::Unproved(error.failure.clone());
        }
        Ok(())
    }

    /// Has some of the files hashed; the error is of those that could not be.
    async fn sums(
        &self,
        files: &mut [Found],
        wanted: &[usize],
        read_back: bool,
    ) -> Result<Option<TransportError>, TransportError> {
        if wanted.is_empty() {
            return Ok(None);
        }
        let desk = Desk::new(&self.options.work_dir, OPERATION)?;
        let paths = wanted.iter().filter_map(|at| files.get(*at)).map(|file| file.path.as_bytes());
        let list = desk_list(&desk, paths, OPERATION)?;
        let mut call =
            Call::new(["hashsum".into(), "SHA256".into(), self.far.place(self.at.path.as_bytes())])
                .args(self.there.arguments())
                .args(read_back.then_some("--download"))
                .args(self.rate.map(|rate| format!("--bwlimit={rate}B")))
                .list(list);
        call.is_long = true;
        let mut sums = Lines::new(Sums { naming: &self.there.naming, files });
        let ran = self.far.rclone.run(call, OPERATION, &mut sums, self.cancel).await?;
        Ok(ended(&ran, Tool::Rclone, ToolOperation::Hashsum, OPERATION, None).err())
    }
}

/// Whether a failure is of the whole remote, and says nothing of one file.
const fn is_about_the_way(kind: FailureKind) -> bool {
    matches!(
        kind,
        FailureKind::Network
            | FailureKind::Auth
            | FailureKind::Cancelled
            | FailureKind::Config
            | FailureKind::ToolMissing
    )
}

/// Takes one line after the other.
pub(super) trait Each: Send {
    fn line(&mut self, line: &[u8]) -> ControlFlow<()>;
}

/// Cuts what comes into lines.
pub(super) struct Lines<E> {
    line: Vec<u8>,
    pub(super) each: E,
}

impl<E> Lines<E> {
    pub(super) const fn new(each: E) -> Self {
        Self { line: Vec::new(), each }
    }
}

#[async_trait]
impl<E: Each> Taker for Lines<E> {
    async fn take(&mut self, piece: &[u8]) -> ControlFlow<()> {
        for byte in piece {
            match *byte {
                b'\n' => {
                    self.each.line(&self.line)?;
                    self.line.clear();
                }
                byte if self.line.len() < LINE_BYTES_MAX => self.line.push(byte),
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }
}

/// `size;path`.
struct Listing<'a> {
    naming: &'a Naming,
    files: Vec<Found>,
    failed: Option<Failure>,
}

impl Each for Listing<'_> {
    fn line(&mut self, line: &[u8]) -> ControlFlow<()> {
        let Some(at) = memchr::memchr(b';', line) else { return ControlFlow::Continue(()) };
        let (size, name) = line.split_at(at);
        let name = name.split_first().map_or(name, |(_, name)| name);
        // What a remote does not know the size of is never read back.
        let bytes = std::str::from_utf8(size).ok().and_then(|size| size.parse().ok()).unwrap_or(u64::MAX);
        // What no path can be was not pushed by us, and is an extra file at the most.
        let Ok(path) = RelPath::new(self.naming.native(name)) else { return ControlFlow::Continue(()) };
        if self.files.len() >= ENTRIES_MAX {
            let what = "the folder has more than 8,000,000 entries";
            self.failed = Some(Failure::new(FailureKind::Unsupported, OPERATION, what));
            return ControlFlow::Break(());
        }
        if !path.is_metadata() {
            self.files.push(Found { path, bytes, told: Told::Nothing });
        }
        ControlFlow::Continue(())
    }
}

/// `hash  path`; words instead of a hash where there is none.
struct Sums<'a> {
    naming: &'a Naming,
    files: &'a mut [Found],
}

impl Each for Sums<'_> {
    fn line(&mut self, line: &[u8]) -> ControlFlow<()> {
        if let Some((hex, rest)) = line.split_at_checked(64)
            && let Ok(sum) = Digest::from_hex(hex)
            && let Some(name) = rest.strip_prefix(b"  ")
        {
            let path = self.naming.native(name);
            let at = self.files.binary_search_by(|file| file.path.as_bytes().cmp(&path));
            if let Some(file) = at.ok().and_then(|at| self.files.get_mut(at)) {
                file.told = Told::Hashed(sum);
            }
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::rclone::names::Encoding;

    #[test]
    fn listings_and_sums_are_taken_apart_however_they_come() {
        let naming = Naming::Encoded(Encoding::parse("Slash,Dot").unwrap());
        let listing = "5;two\u{240a}lines\n3;a;b\n-1;unknown\n7;.verisim/owner\nnoise\n1;/etc/x\n";
        let hex = Digest::of(b"x").to_string();
        let sums = format!("{hex}  two\u{240a}lines\n{:>64}  a;b\n{hex}  not there\nnoise\n", "ERROR");
        for size in [1, 3, 1000] {
            let mut lines = Lines::new(Listing { naming: &naming, files: Vec::new(), failed: None });
            for piece in listing.as_bytes().chunks(size) {
                let _ = lines.take(piece).now_or_never();
            }
            let mut files = lines.each.files;
            files.sort_by(|left, right| left.path.cmp(&right.path));
            let found: Vec<(String, u64)> = files
                .iter()
                .map(|file| (String::from_utf8_lossy(file.path.as_bytes()).into_owned(), file.bytes))
                .collect();
            let expected = [("a;b", 3), ("two\nlines", 5), ("unknown", u64::MAX)];
            assert_eq!(found, expected.map(|(name, bytes)| (name.to_owned(), bytes)));
            let mut lines = Lines::new(Sums { naming: &naming, files: &mut files });
            for piece in sums.as_bytes().chunks(size) {
                let _ = lines.take(piece).now_or_never();
            }
            let hashed = files.iter().filter(|file| matches!(file.told, Told::Hashed(_))).count();
            assert_eq!(hashed, 1);
        }
    }
}
