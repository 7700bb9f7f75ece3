//! What is in the folder of a capture that was cleaned up: files that nobody pushed, or that were changed after they were.
//!
//! They are never pushed under the sealed manifest, which speaks of files that are here no more and would lose them. So a
//! person must be told of them, once for each set of such files; what was told is kept in the job's work folder.

use std::fs;
use std::io;
use std::path::Path;

use verisim_core::{Capture, Digest, Failure, FailureKind, Hasher};

use crate::courier::ROUND;
use crate::errno::{Side, failure};
use crate::late::Named;
use crate::tree::{Item, Kind};
use crate::{lifecycle, private, source};

const OPERATION: &str = "sync.leftover";
/// What was told, in the job's work folder.
const TOLD: &str = "told";

/// The regular files that are in a capture's folder.
#[derive(Debug, Default)]
pub(crate) struct Left {
    files: Named,
    /// A hash over their names, sizes, times and inodes; `None` where there is none.
    pub(crate) print: Option<Digest>,
}

impl Left {
    pub(crate) fn of(items: &[Item]) -> Self {
        let mut files = Named::default();
        let mut hasher = Hasher::new();
        for item in items.iter().filter(|item| item.kind == Kind::File) {
            files.add(&item.path);
            let stamp = item.stamp;
            hasher.update(format!("{} {} {} ", { stamp.size }, stamp.mtime_ns(), { stamp.inode }).as_bytes());
            hasher.update(item.path.as_bytes());
            hasher.update(&[0]);
        }
        let print = files.told().is_some().then(|| hasher.finish());
        Self { files, print }
    }

    /// What is there and what to do about it, for people; `None` where nothing is.
    pub(crate) fn told(&self) -> Option<String> {
        let files = self.files.told()?;
        Some(format!(
            "still in its folder, and not at the destination as they are here: {files}; bring them home by hand, or move \
             them to a new folder that a rule watches"
        ))
    }
}

/// Notes in the job's work folder that a person was told of the files with this print.
pub(crate) fn note_told(work_dir: &Path, print: Digest) -> Result<(), Failure> {
    let written = fs::create_dir_all(work_dir)
        .and_then(|()| private::write(&work_dir.join(TOLD), print.to_string().as_bytes()));
    written.map_err(|error| failure(Side::State, OPERATION, "noting what was told", &error))
}

/// Looks into the folder of a capture that was cleaned up; `None` where there is nothing that was not told before.
pub(crate) fn news(work_dir: &Path, capture: &Capture) -> Result<Option<Left>, Failure> {
    let root = match source::open(capture, OPERATION) {
        Ok(root) => root,
        Err(failure) if failure.kind == FailureKind::SourceVanished => return Ok(None),
        Err(failure) => return Err(failure),
    };
    let left = Left::of(&source::walk(&root, OPERATION)?);
    let told = fs::read_to_string(work_dir.join(TOLD)).ok();
    let is_new = left.print.is_some_and(|print| told.as_deref() != Some(print.to_string().as_str()));
    Ok(is_new.then_some(left))
}

/// Removes everything from a job's work folder but what was told, when it was looked at, and the record of the run.
pub(crate) fn lighten(work_dir: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(work_dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let kept = [TOLD, ROUND, lifecycle::RECORD];
        if !kept.iter().any(|name| entry.file_name() == *name) {
            fs::remove_file(entry.path())?;
        }
    }
    match fs::remove_dir(work_dir) {
        Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => Err(error),
        _ => Ok(()),
    }
}
