//! How what shall be on the decoy meets what is there: in order, or not at all.

use jiff::Timestamp;
use verisim_core::{Body, DecoyPath, Digest, FileMode, Owner};

use super::existing::{Existing, ExistingFile};
use super::{How, LeftOut, RecordFile, Records};
use crate::day::{instant, timestamp};
use crate::random::{Generator, Seed, whole};

/// A file as it shall be.
pub(super) struct Wanted {
    pub(super) path: String,
    pub(super) body: Vec<u8>,
    pub(super) mode: u32,
    pub(super) owner: Owner,
    /// When it was last changed, in nanoseconds since 1970.
    pub(super) changed: i64,
    pub(super) why: String,
}

/// Collects files, and gives them their times.
pub(super) struct Desk<'e> {
    existing: &'e Existing,
    seed: Seed,
    /// Nothing was read after this.
    until: i64,
    pub(super) out: Records,
}

impl<'e> Desk<'e> {
    pub(super) fn new(existing: &'e Existing, seed: Seed, until: i64) -> Self {
        Self { existing, seed, until, out: Records::default() }
    }

    /// What is there under this name.
    pub(super) fn there(&self, path: &str) -> Option<&'e ExistingFile> {
        self.existing.file(path)
    }

    /// Whether something is there under this name, read or not.
    pub(super) fn is_taken(&self, path: &str) -> bool {
        self.existing.has(&[path])
    }

    /// A file where nothing is.
    pub(super) fn new_file(&mut self, wanted: Wanted) {
        if self.is_taken(&wanted.path) {
            self.leave(&wanted.path, "is there already and is not ours");
        } else {
            self.put(wanted, How::New);
        }
    }

    /// Another content for a file that is there, or a new file.
    pub(super) fn rewrite(&mut self, wanted: Wanted) {
        match self.there(&wanted.path) {
            None => self.new_file(wanted),
            Some(file) if !file.is_whole => {
                self.leave(&wanted.path, "is too long to be read whole, so it stays as it is");
            }
            Some(file) => {
                let how = How::Rewrite(Digest::of(file.body.as_bytes()));
                self.keep(file, wanted, how);
            }
        }
    }

    /// Lines or records behind those that are there.
    pub(super) fn append(&mut self, wanted: Wanted) {
        match self.there(&wanted.path) {
            None => self.new_file(wanted),
            Some(file) => self.keep(file, wanted, How::AppendTo),
        }
    }

    pub(super) fn leave(&mut self, path: &str, what: impl Into<String>) {
        if let Ok(path) = DecoyPath::new(path) {
            self.out.left_out.push(LeftOut { path, what: what.into() });
        }
    }

    /// Mode and owner of what is there stay.
    fn keep(&mut self, file: &ExistingFile, mut wanted: Wanted, how: How) {
        (wanted.mode, wanted.owner) = (file.mode.bits(), file.owner);
        // One that is empty was made when somebody installed it, and first written to by ours.
        if !file.body.as_bytes().is_empty() {
            wanted.changed = wanted.changed.max(instant(file.mtime));
        }
        self.put(wanted, how);
    }

    fn put(&mut self, wanted: Wanted, how: How) {
        let Ok(path) = DecoyPath::new(&wanted.path) else { return };
        // Read at some moment after it was written.
        let mut draw = Generator::new(self.seed.text("read").text(&wanted.path));
        let room = self.until.saturating_sub(wanted.changed).max(2_000_000);
        let later = i64::try_from(whole(draw.lognormal(90.0, 2.0).min(1e6) * 60e9)).unwrap_or(1);
        let read = wanted.changed + 1 + later % room;
        let (mtime, atime): (Timestamp, Timestamp) = (timestamp(wanted.changed), timestamp(read));
        self.out.files.push(RecordFile {
            path,
            how,
            body: Body::from(wanted.body),
            mode: FileMode::new(wanted.mode),
            owner: wanted.owner,
            mtime,
            atime,
            why: wanted.why,
        });
    }
}
