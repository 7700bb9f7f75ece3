//! What of a capture is complete at the destination: an append-only file that survives a kill at any byte.
//!
//! Every line carries a check over itself; a line that does not is where a crash cut the file, and it is ignored. A line is
//! true as long as the machine stays up; a crash of the machine may take what its kernel had not written yet. So each
//! process notes the boot it ran under, and lines of an earlier boot count only up to its last checkpoint, which is written
//! after the destination was made durable.
//!
//! What it says of the entries of the capture is kept by their places, so that a million of notes are 33 bytes each, and no
//! names.

mod state;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use verisim_core::{CancellationToken, Digest, RelPath};

use self::state::{State, each_line, parse};
use crate::sending;
use crate::tree::{Item, Stamp};

/// A file that is complete at the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Done {
    /// What the source file was when it was read.
    pub(crate) stamp: Stamp,
    /// The hash of the bytes that were sent.
    pub(crate) sha256: Digest,
}

#[derive(Debug, Serialize, Deserialize)]
enum Line {
    /// What all of this is about; another subject makes the journal void.
    Subject(String),
    /// A process begins, under this boot of the machine.
    Boot(String),
    /// What it was told to send by force.
    Forced(Digest),
    /// A large file is begun.
    Begun(RelPath, Stamp),
    /// A file was hashed, and nothing of it was sent by that.
    Hashed(RelPath, Done),
    /// A file is complete.
    Done(RelPath, Done),
    /// Everything above is durable at the destination.
    Checkpoint,
    /// Everything was sent.
    Finished,
}

/// What is known of an entry of the capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// Nothing yet, or it is no regular file.
    Nothing,
    /// Its hash.
    Hashed(Digest),
    /// Its hash, and that it is complete at the destination.
    Complete(Digest),
}

/// A journal that nobody else uses. Holds a lock: a second push of the same job waits for the first to end.
#[derive(Debug)]
pub(crate) struct Locked(File);

/// The open journal of one push, locked.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    /// Which source file a partial copy was begun from.
    pub(crate) begun: HashMap<RelPath, Stamp>,
}

/// What a journal says of the entries of a capture.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// What is known of each entry, in their order, where it is what it was.
    pub(crate) known: Vec<Known>,
    /// What is complete, and is not in the capture any more or is something else.
    pub(crate) gone: HashMap<RelPath, Done>,
}

/// What this push is about, for the journal.
pub(crate) struct Subject<'a> {
    /// The capture and where it goes; a journal of another subject is void.
    pub(crate) name: String,
    /// The boot of this machine.
    pub(crate) boot: String,
    /// What is to be sent by force, sorted.
    pub(crate) forced: &'a [RelPath],
    /// Everything is.
    pub(crate) force_all: bool,
}

impl Locked {
    /// Takes the journal in `dir` and waits until no other push uses it.
    pub(crate) fn take(dir: &Path, cancel: &CancellationToken) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let path = dir.join("journal");
        let file = crate::private::open(&path, File::options().read(true).append(true).create(true))?;
        lock(&file, cancel)?;
        Ok(Self(file))
    }

    /// Opens it for a push of `items`, which lies in `dir`.
    pub(crate) fn open(
        self,
        dir: &Path,
        subject: &Subject<'_>,
        items: &[Item],
    ) -> io::Result<(Journal, Notes)> {
        let mut state = State::read(&self.0, subject, items)?;
        let mut journal = Journal { file: self.0, begun: std::mem::take(&mut state.begun) };
        if state.void {
            journal.file.set_len(0)?;
            // What another capture's push sent says nothing of this one.
            let _ = std::fs::remove_file(dir.join(sending::MANIFEST));
            journal.begun.clear();
            state.forget_all();
            journal.write(&Line::Subject(subject.name.clone()))?;
        } else if state.torn {
            // What follows a torn line begins on a line of its own.
            journal.file.write_all(b"\n")?;
        }
        journal.write(&Line::Boot(subject.boot.clone()))?;
        journal.force(subject, &mut state)?;
        Ok((journal, state.notes))
    }
}

impl Journal {
    /// Forgets what is to be sent by force, unless an interrupted push with the same orders is gone on with.
    fn force(&mut self, subject: &Subject<'_>, state: &mut State<'_>) -> io::Result<()> {
        let orders = orders(subject);
        if orders.is_some() && orders == state.forced {
            return Ok(());
        }
        if let Some(orders) = orders {
            self.write(&Line::Forced(orders))?;
            state.forget(subject);
            for path in subject.forced {
                self.begun.remove(path);
            }
        }
        Ok(())
    }

    /// A large file is begun.
    pub(crate) fn begin(&mut self, path: &RelPath, stamp: Stamp) -> io::Result<()> {
        self.write(&Line::Begun(path.clone(), stamp))
    }

    /// A file stands complete under its name at the destination.
    #[cfg(test)]
    pub(crate) fn complete(&mut self, path: &RelPath, done: Done) -> io::Result<()> {
        self.append(&Complete::new(path, done)?)
    }

    /// Notes that a file stands complete under its name at the destination, with the line that says so.
    pub(crate) fn append(&mut self, line: &Complete) -> io::Result<()> {
        self.file.write_all(line.0.as_bytes())
    }

    /// Notes the line of a file that was hashed.
    pub(crate) fn note_hashed(&mut self, line: &Hashed) -> io::Result<()> {
        self.file.write_all(line.0.as_bytes())
    }

    /// Notes files that are complete at the destination, as they are handed out. What is complete is not kept in memory.
    pub(crate) fn note_all(&mut self, files: impl Iterator<Item = (RelPath, Done)>) -> io::Result<()> {
        let mut out = io::BufWriter::new(&self.file);
        for (path, done) in files {
            out.write_all(shown(&Line::Done(path, done))?.as_bytes())?;
        }
        out.flush()
    }

    /// Everything noted so far is durable at the destination.
    pub(crate) fn checkpoint(&mut self) -> io::Result<()> {
        self.write(&Line::Checkpoint)?;
        self.file.sync_data()
    }

    /// Everything was sent, and is durable.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.write(&Line::Checkpoint)?;
        self.write(&Line::Finished)?;
        self.file.sync_data()
    }

    fn write(&mut self, line: &Line) -> io::Result<()> {
        // One write: a kill leaves a whole line, or a torn one that its check gives away.
        self.file.write_all(shown(line)?.as_bytes())
    }
}

/// The line that says that a file is complete: made by each worker for itself, before it waits for the journal.
pub(crate) struct Complete(String);

impl Complete {
    pub(crate) fn new(path: &RelPath, done: Done) -> io::Result<Self> {
        shown(&Line::Done(path.clone(), done)).map(Self)
    }
}

/// The line that says what a file's hash is: made as [`Complete`] is.
pub(crate) struct Hashed(String);

impl Hashed {
    pub(crate) fn new(path: &RelPath, done: Done) -> io::Result<Self> {
        shown(&Line::Hashed(path.clone(), done)).map(Self)
    }
}

fn shown(line: &Line) -> io::Result<String> {
    let json = serde_json::to_string(line)?;
    Ok(format!("{} {json}\n", check(&json)))
}

/// What is complete according to the journal in `dir`, without taking it into use.
pub(crate) fn completed(dir: &Path) -> io::Result<HashMap<RelPath, Done>> {
    let file = File::open(dir.join("journal"))?;
    let subject = Subject { name: String::new(), boot: String::new(), forced: &[], force_all: false };
    State::read(&file, &subject, &[]).map(|state| state.notes.gone)
}

/// Hands out every note of a complete file in the journal in `dir`, in the order in which they were made; of several about
/// one file the last counts. After a push that ended, nothing of it is in doubt. One line is in memory.
pub(crate) fn each_done(dir: &Path, mut each: impl FnMut(RelPath, Done)) -> io::Result<()> {
    each_line(&File::open(dir.join("journal"))?, |line| {
        if let Some(Line::Done(path, done)) = parse(line) {
            each(path, done);
        }
    })
}

fn orders(subject: &Subject<'_>) -> Option<Digest> {
    if subject.force_all {
        return Some(Digest::of(b"all"));
    }
    if subject.forced.is_empty() {
        return None;
    }
    let mut bytes = Vec::new();
    for path in subject.forced {
        bytes.extend_from_slice(path.as_bytes());
        bytes.push(0);
    }
    Some(Digest::of(&bytes))
}

/// 32 bits over a line: enough to notice a torn one.
fn check(json: &str) -> String {
    String::from_utf8_lossy(&Digest::of(json.as_bytes()).to_hex()[..8]).into_owned()
}

fn lock(file: &File, cancel: &CancellationToken) -> io::Result<()> {
    loop {
        match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(()),
            Err(rustix::io::Errno::WOULDBLOCK) if !cancel.is_cancelled() => {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(name: &str) -> RelPath {
        RelPath::new(name).unwrap()
    }

    fn done(byte: u8) -> Done {
        Done { stamp: Stamp::new(1, -5, u64::from(byte)), sha256: Digest::from_bytes([byte; 32]) }
    }

    /// A journal of a capture that holds none of the files any more, with what it says of them.
    struct Opened {
        journal: Journal,
        done: HashMap<RelPath, Done>,
    }

    impl Opened {
        fn complete(&mut self, path: &RelPath, done: Done) -> io::Result<()> {
            self.journal.complete(path, done)
        }
    }

    fn of(dir: &Path, name: &str, boot: &str, forced: &[RelPath], items: &[Item]) -> (Journal, Notes) {
        let subject = Subject { name: name.into(), boot: boot.into(), forced, force_all: false };
        Locked::take(dir, &CancellationToken::new()).unwrap().open(dir, &subject, items).unwrap()
    }

    fn open(dir: &Path, boot: &str, forced: &[RelPath]) -> Opened {
        let (journal, notes) = of(dir, "capture", boot, forced, &[]);
        Opened { journal, done: notes.gone }
    }

    /// What is in the capture as it was is known by its place, whatever happens; what is not is among what is gone.
    #[test]
    fn what_is_said_of_entries_is_what_is_said_of_names() {
        let items: Vec<Item> = ["a", "b", "c", "d"]
            .into_iter()
            .zip(1..)
            .map(|(name, byte)| Item::file(path(name), done(byte).stamp))
            .collect();
        let dir = tempfile::tempdir().unwrap();
        let known = |boot, forced: &[RelPath]| of(dir.path(), "capture", boot, forced, &items);
        let sha256 = |byte| done(byte).sha256;
        let (mut journal, _) = known("one", &[]);
        journal.note_hashed(&Hashed::new(&path("a"), done(1)).unwrap()).unwrap();
        journal.complete(&path("b"), done(2)).unwrap();
        journal.complete(&path("x"), done(7)).unwrap();
        // It was another file when it was sent.
        journal.complete(&path("d"), done(8)).unwrap();
        journal.checkpoint().unwrap();
        journal.complete(&path("c"), done(3)).unwrap();
        drop(journal);
        let (journal, notes) = known("one", &[]);
        let (hashed, complete) = (|byte| Known::Hashed(sha256(byte)), |byte| Known::Complete(sha256(byte)));
        assert_eq!(notes.known, [hashed(1), complete(2), complete(3), Known::Nothing]);
        let mut gone: Vec<_> = notes.gone.keys().map(ToString::to_string).collect();
        gone.sort();
        assert_eq!(gone, ["d", "x"]);
        drop(journal);
        // A crash of the machine: what no checkpoint covers is sent again, and not hashed again.
        let (mut journal, notes) = known("two", &[]);
        assert_eq!(notes.known, [hashed(1), complete(2), hashed(3), Known::Nothing]);
        // What is complete is so although it was hashed since; a note about another file takes back what was said.
        journal.note_hashed(&Hashed::new(&path("b"), done(9)).unwrap()).unwrap();
        journal.note_hashed(&Hashed::new(&path("a"), done(9)).unwrap()).unwrap();
        journal.complete(&path("c"), done(9)).unwrap();
        drop(journal);
        let (journal, notes) = known("two", &[path("b")]);
        assert_eq!(notes.known, [Known::Nothing; 4]);
        assert!(notes.gone.contains_key(&path("c")));
        drop(journal);
    }

    #[test]
    fn inv_12_what_was_complete_stays_complete_after_a_kill_at_any_byte() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = open(dir.path(), "boot", &[]);
        for (at, name) in ["a", "b\nc", "d"].into_iter().enumerate() {
            journal.complete(&path(name), done(u8::try_from(at).unwrap())).unwrap();
        }
        drop(journal);
        let whole = std::fs::read(dir.path().join("journal")).unwrap();
        let mut seen = 0;
        for cut in 0..=whole.len() {
            std::fs::write(dir.path().join("journal"), &whole[..cut]).unwrap();
            let mut journal = open(dir.path(), "boot", &[]);
            assert!(journal.done.len() >= seen.min(3), "more bytes, fewer files, at {cut}");
            seen = journal.done.len();
            // What is written after the cut is read again.
            journal.complete(&path("after"), done(9)).unwrap();
            drop(journal);
            let journal = open(dir.path(), "boot", &[]);
            assert_eq!(journal.done.len(), seen + 1, "cut at {cut}");
            assert_eq!(journal.done[&path("after")], done(9));
        }
        assert_eq!(seen, 3);
    }

    #[test]
    fn after_a_crash_of_the_machine_only_what_a_checkpoint_covers_counts() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = open(dir.path(), "one", &[]);
        journal.complete(&path("durable"), done(1)).unwrap();
        journal.journal.checkpoint().unwrap();
        journal.complete(&path("lost"), done(2)).unwrap();
        drop(journal);
        assert_eq!(open(dir.path(), "one", &[]).done.len(), 2);
        let journal = open(dir.path(), "two", &[]);
        assert_eq!(journal.done.keys().collect::<Vec<_>>(), [&path("durable")]);
    }

    #[test]
    fn what_is_forced_is_forgotten_once_and_not_again_after_an_interruption() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = open(dir.path(), "one", &[]);
        journal.complete(&path("a"), done(1)).unwrap();
        journal.complete(&path("b"), done(1)).unwrap();
        journal.journal.finish().unwrap();
        drop(journal);
        let forced = [path("a")];
        let mut journal = open(dir.path(), "one", &forced);
        assert_eq!(journal.done.keys().collect::<Vec<_>>(), [&path("b")]);
        drop(journal);
        // Interrupted before it was sent: still to be sent.
        journal = open(dir.path(), "one", &forced);
        assert!(!journal.done.contains_key(&path("a")));
        journal.complete(&path("a"), done(2)).unwrap();
        drop(journal);
        // Interrupted after it was sent: done.
        journal = open(dir.path(), "one", &forced);
        assert_eq!(journal.done[&path("a")], done(2));
        journal.journal.finish().unwrap();
        drop(journal);
        // Ordered once more after the push had ended: to be sent once more.
        assert!(!open(dir.path(), "one", &forced).done.contains_key(&path("a")));
    }

    #[test]
    fn a_journal_of_another_capture_is_void() {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path(), "one", &[]).complete(&path("a"), done(1)).unwrap();
        assert!(of(dir.path(), "another", "one", &[], &[]).1.gone.is_empty());
    }

    proptest! {
        #[test]
        fn no_bytes_in_the_journal_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join("journal"), &bytes).unwrap();
            prop_assert!(open(dir.path(), "one", &[]).done.is_empty());
        }
    }
}
