//! Whether the folder at a destination's path is the destination. A mount point whose share is not mounted is a folder like
//! any other: what is written there fills the local disk, and is verified there.
//!
//! At first use the destination's root gets a marker with an identity, and the state folder remembers it. From then on a root
//! without that marker is no destination: nothing is written to it, nothing in it is verified, and it answers no question.
//! Several installations share one marker: the first one's stays, the others remember it. First use cannot tell a share from
//! its empty mount point, so it must happen with the share mounted.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{AtFlags, OFlags, RenameFlags};
use rustix::io::Errno;
use verisim_core::{Effect, Failure, FailureKind};

use crate::errno::{Side, failure};
use crate::native::folder::FILE_MODE;
use crate::tree::Root;

/// The marker, at the destination's root. No capture goes to such a name: those of rules have no dot.
pub(crate) const MARKER: &str = ".verisim-destination";
/// The longest marker or memory that is read.
const BYTES_MAX: u64 = 4096;
const OPERATION: &str = "native.destination";

/// How a destination is known again.
#[derive(Debug, Clone)]
pub struct KnownDestination {
    memory: PathBuf,
    fresh: String,
    first_use: Arc<Mutex<()>>,
}

/// What was found at a destination's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recognised {
    /// It is the destination.
    Known,
    /// This installation has not used the destination yet.
    NeverUsed,
    /// It is another folder, or cannot be looked at: why, and what mends it.
    Not(String),
}

fn lost(what: &'static str) -> impl Fn(io::Error) -> Failure {
    move |error| failure(Side::Destination, OPERATION, what, &error)
}

impl KnownDestination {
    /// A destination whose identity is remembered in the file `memory`, of the state folder. `fresh` becomes the identity of
    /// one that has none yet: a random word that nobody else has.
    #[must_use]
    pub fn new(memory: PathBuf, fresh: impl Into<String>) -> Self {
        Self { memory, fresh: fresh.into(), first_use: Arc::default() }
    }

    /// Whether the folder at `path` is the destination. Changes nothing.
    #[must_use]
    pub fn recognise(&self, path: &Path) -> Recognised {
        match open(path).and_then(|root| marker(&root)) {
            Err(failure) => Recognised::Not(failure.detail),
            Ok(found) => self.recognise_marker(&path.display(), found.as_deref()),
        }
    }

    /// Whether the folder that people know as `place`, and whose marker says `found`, is the destination. Changes nothing.
    pub(crate) fn recognise_marker(&self, place: &dyn Display, found: Option<&str>) -> Recognised {
        match (self.remembered(), found) {
            (Err(failure), _) => Recognised::Not(failure.detail),
            (Ok(None), _) => Recognised::NeverUsed,
            (Ok(Some(known)), Some(found)) if known == found => Recognised::Known,
            (Ok(Some(_)), found) => Recognised::Not(self.not_it(place, found.is_some()).detail),
        }
    }

    /// Opens the destination to write to it: at first use it is marked and remembered, durably, before this returns.
    pub(crate) fn open_to_push(&self, path: &Path) -> Result<Root, Failure> {
        // Two pushes of one destination may begin at once.
        let _one_at_a_time = self.first_use.lock().unwrap_or_else(PoisonError::into_inner);
        let (root, is_known) = self.open_to_ask(path)?;
        if !is_known {
            mark(&root, &self.fresh).map_err(lost("marking the destination"))?;
            // Another installation may have been faster: its identity stays.
            let id = marker(&root)?.ok_or_else(|| {
                Failure::new(FailureKind::Unknown, OPERATION, "the marker is not where it was written")
            })?;
            self.remember(&id)?;
            tracing::info!(path = %path.display(), %id, "the destination is used for the first time, and marked");
        }
        Ok(root)
    }

    /// Opens the destination that was pushed to before.
    pub(crate) fn open_known(&self, path: &Path) -> Result<Root, Failure> {
        match self.open_to_ask(path)? {
            (root, true) => Ok(root),
            (_, false) => Err(never_used(&path.display())),
        }
    }

    /// Opens what may be asked about free space; `false`: it has no identity yet, and nothing in it counts.
    pub(crate) fn open_to_ask(&self, path: &Path) -> Result<(Root, bool), Failure> {
        let root = open(path)?;
        let found = marker(&root)?;
        let is_known = self.judge(&path.display(), found.as_deref())?;
        Ok((root, is_known))
    }

    /// Whether the folder that people know as `place`, and whose marker says `found`, is the destination; `false`: it has no
    /// identity yet, and nothing in it counts. One that is met for the first time is remembered.
    pub(crate) fn judge(&self, place: &dyn Display, found: Option<&str>) -> Result<bool, Failure> {
        match (self.remembered()?, found) {
            (Some(known), Some(found)) if known == found => Ok(true),
            (Some(_), found) => Err(self.not_it(place, found.is_some())),
            (None, Some(found)) => self.remember(found).map(|()| true),
            (None, None) => Ok(false),
        }
    }

    /// What becomes the identity of a destination that has none yet.
    pub(crate) fn fresh(&self) -> &str {
        &self.fresh
    }

    /// It may come back by itself, so it counts as the network; whoever asks then finds out that all of it is away.
    fn not_it(&self, place: &dyn Display, has_another: bool) -> Failure {
        let memory = self.memory.display();
        let found =
            if has_another { "carries the marker of another destination" } else { "has lost its marker" };
        let what = format_args!(
            "{place} {found} ({MARKER}): if it is a mount point, mount the share; to use this very folder from now on, \
             remove {memory}"
        );
        Failure::new(FailureKind::Network, OPERATION, what).with_effect(Effect::NotApplied)
    }

    fn remembered(&self) -> Result<Option<String>, Failure> {
        match File::open(&self.memory) {
            Ok(file) => first_line(file).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
        .map_err(|error| failure(Side::State, OPERATION, "reading the identity of the destination", &error))
    }

    fn remember(&self, id: &str) -> Result<(), Failure> {
        let written = (|| {
            let folder = self.memory.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(folder)?;
            let new = self.memory.with_extension("new");
            let mut file = crate::private::create(&new)?;
            writeln!(file, "{id}")?;
            file.sync_all()?;
            std::fs::rename(&new, &self.memory)?;
            File::open(folder)?.sync_all()
        })();
        written.map_err(|error| failure(Side::State, OPERATION, "remembering the destination", &error))
    }
}

/// What asking a destination comes to that nothing was pushed to.
pub(crate) fn never_used(place: &dyn Display) -> Failure {
    let what =
        format_args!("{place} carries no marker {MARKER}, and nothing is remembered of it: push to it first");
    Failure::new(FailureKind::Network, OPERATION, what).with_effect(Effect::NotApplied)
}

/// Opens the folder, and says what is to be done where it cannot be opened.
fn open(path: &Path) -> Result<Root, Failure> {
    Root::open(path).map_err(|error| {
        let kind = failure(Side::Destination, OPERATION, "", &error).kind;
        let mend = match error.kind() {
            io::ErrorKind::NotFound => "mount the storage, or make the folder",
            io::ErrorKind::NotADirectory => "mend `path` of the destination",
            io::ErrorKind::PermissionDenied => "let this user look into it",
            _ => "its server or its disk is away; look at the mount",
        };
        let what = format_args!("{} cannot be opened ({error}): {mend}", path.display());
        Failure::new(kind, OPERATION, what)
    })
}

fn first_line(file: File) -> io::Result<String> {
    let mut text = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut text)?;
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(String::from_utf8_lossy(line).trim().to_owned())
}

/// The identity that the marker in `root` names.
fn marker(root: &Root) -> Result<Option<String>, Failure> {
    match root.open_file(MARKER, OFlags::empty()) {
        Ok(file) => first_line(file).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
    .map_err(lost("reading the destination's marker"))
}

/// Writes the marker, unless there is one.
fn mark(root: &Root, id: &str) -> io::Result<()> {
    let new = format!("{MARKER}.{id}");
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
    let mut file = File::from(root.open_at(&new, flags, FILE_MODE)?);
    writeln!(file, "{id}\nVerisim knows this destination by this file. Leave it here.")?;
    file.sync_all()?;
    let place = || match rustix::fs::renameat_with(root, new.as_str(), root, MARKER, RenameFlags::NOREPLACE) {
        // Network file systems know no such rename, but most know a link, which replaces nothing either.
        Err(Errno::INVAL | Errno::NOSYS) => {
            match rustix::fs::linkat(root, new.as_str(), root, MARKER, AtFlags::empty()) {
                Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS) => {
                    rustix::fs::renameat(root, new.as_str(), root, MARKER)
                }
                other => other,
            }
        }
        other => other,
    };
    match place() {
        Ok(()) | Err(Errno::EXIST) => crate::native::folder::discard(root, new.as_bytes())?,
        Err(error) => return Err(error.into()),
    }
    rustix::fs::fsync(root)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use super::*;

    #[test]
    fn first_use_marks_and_from_then_on_only_that_folder_is_the_destination() {
        let dir = tempfile::tempdir().unwrap();
        let (root, away) = (dir.path().join("nas"), dir.path().join("away"));
        let ours = KnownDestination::new(dir.path().join("state/ours"), "one");
        std::fs::create_dir(&root).unwrap();
        assert_eq!(ours.recognise(&root), Recognised::NeverUsed);
        assert!(ours.open_known(&root).is_err() && !ours.open_to_ask(&root).unwrap().1);
        assert_eq!(std::fs::read_dir(&root).unwrap().count(), 0, "only a push marks");
        ours.open_to_push(&root).unwrap();
        assert_eq!(ours.recognise(&root), Recognised::Known);
        // Not mounted.
        std::fs::rename(&root, &away).unwrap();
        std::fs::create_dir(&root).unwrap();
        for refused in [ours.open_to_push(&root), ours.open_known(&root)] {
            let failure = refused.unwrap_err();
            assert_eq!((failure.kind, failure.effect), (FailureKind::Network, Effect::NotApplied));
            assert!(
                failure.detail.contains("mount the share") && failure.detail.contains("remove"),
                "{failure}"
            );
        }
        assert!(ours.open_to_ask(&root).is_err());
        assert_eq!(std::fs::read_dir(&root).unwrap().count(), 0, "nothing was written");
        // Another share is mounted there.
        KnownDestination::new(dir.path().join("state/other"), "two").open_to_push(&root).unwrap();
        assert!(ours.open_to_push(&root).unwrap_err().detail.contains("another destination"));
        // Accepted on purpose, as the text says.
        std::fs::remove_file(dir.path().join("state/ours")).unwrap();
        ours.open_to_push(&root).unwrap();
        assert_eq!(ours.recognise(&root), Recognised::Known);
    }

    #[test]
    fn the_first_installation_names_it_and_the_others_remember_that() {
        let dir = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|id| KnownDestination::new(dir.path().join(id), id));
        let root = dir.path().join("nas");
        std::fs::create_dir(&root).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                for known in [&one, &two] {
                    scope.spawn(|| known.open_to_push(&root).unwrap());
                }
            }
        });
        assert_eq!((one.recognise(&root), two.recognise(&root)), (Recognised::Known, Recognised::Known));
        assert_eq!(std::fs::read_dir(&root).unwrap().count(), 1, "nothing but the marker");
    }

    #[test]
    fn a_marker_that_is_a_link_or_a_pipe_is_not_followed_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("memory"), "one\n").unwrap();
        std::fs::write(dir.path().join("secret"), "one\n").unwrap();
        let known = KnownDestination::new(dir.path().join("memory"), "fresh");
        let root = dir.path().join("nas");
        std::fs::create_dir(&root).unwrap();
        std::os::unix::fs::symlink("../secret", root.join(MARKER)).unwrap();
        assert!(matches!(known.recognise(&root), Recognised::Not(_)));
        std::fs::remove_file(root.join(MARKER)).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, root.join(MARKER), rustix::fs::FileType::Fifo, FILE_MODE, 0)
            .unwrap();
        assert!(matches!(known.recognise(&root), Recognised::Not(_)));
    }
}
