//! Somebody who looks at both folders all the time, and knows nothing of Verisim: when a capture was sealed there, when its
//! first file went here, and whether what is there was right at that very moment.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::measure::Error;

/// How often it looks.
const EVERY: Duration = Duration::from_millis(200);
/// How often it looks again when what is there is not right: a folder may be away for a moment.
const LOOKS: u32 = 15;

/// The hash of every file of a capture, in hexadecimal digits.
pub(super) type Files = BTreeMap<PathBuf, String>;
/// The inode and the time of the last change of every file.
pub(super) type Stamps = BTreeMap<PathBuf, (u64, i64, i64)>;

/// What became of one capture.
#[derive(Debug, Clone, Default)]
pub(super) struct Fate {
    pub(super) here: PathBuf,
    pub(super) there: PathBuf,
    pub(super) files: Files,
    pub(super) sealed: Option<Instant>,
    /// What was there when it was sealed.
    pub(super) stamps: Stamps,
    pub(super) gone: Option<Instant>,
    /// Whether everything was there, and right, when it went here.
    pub(super) right: bool,
}

type Fates = Arc<Mutex<BTreeMap<String, Fate>>>;

pub(super) struct Watch {
    fates: Fates,
    end: Arc<AtomicBool>,
    looking: Option<JoinHandle<()>>,
}

impl Watch {
    pub(super) fn start() -> Self {
        let (fates, end) = (Fates::default(), Arc::new(AtomicBool::new(false)));
        let (of, until) = (Arc::clone(&fates), Arc::clone(&end));
        let looking = std::thread::spawn(move || {
            while !until.load(Ordering::SeqCst) {
                look(&of);
                std::thread::sleep(EVERY);
            }
        });
        Self { fates, end, looking: Some(looking) }
    }

    pub(super) fn expect(&self, name: String, here: PathBuf, there: PathBuf, files: Files) {
        lock(&self.fates).insert(name, Fate { here, there, files, ..Fate::default() });
    }

    pub(super) fn fates(&self) -> BTreeMap<String, Fate> {
        lock(&self.fates).clone()
    }

    pub(super) fn sealed(&self) -> usize {
        lock(&self.fates).values().filter(|fate| fate.sealed.is_some()).count()
    }

    pub(super) fn gone(&self) -> usize {
        lock(&self.fates).values().filter(|fate| fate.gone.is_some()).count()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end.store(true, Ordering::SeqCst);
        if let Some(looking) = self.looking.take() {
            let _ = looking.join();
        }
    }
}

fn lock(fates: &Fates) -> std::sync::MutexGuard<'_, BTreeMap<String, Fate>> {
    fates.lock().unwrap_or_else(PoisonError::into_inner)
}

fn look(fates: &Fates) {
    let open: Vec<(String, Fate)> = lock(fates)
        .iter()
        .filter(|(_, fate)| fate.gone.is_none())
        .map(|(name, fate)| (name.clone(), fate.clone()))
        .collect();
    for (name, mut fate) in open {
        let is_new = fate.sealed.is_none();
        if is_new && fate.there.join(".verisim/checksums.sha256").is_file() {
            fate.sealed = Some(Instant::now());
            fate.stamps = stamps(&fate.there, &fate.files);
        }
        if fate.files.keys().any(|path| !fate.here.join(path).exists()) {
            fate.gone = Some(Instant::now());
            fate.right = (0..LOOKS).any(|look| {
                std::thread::sleep(EVERY * look.min(1));
                hashes(&fate.there).is_ok_and(|there| there == fate.files)
            });
        }
        if fate.gone.is_some() || is_new && fate.sealed.is_some() {
            lock(fates).insert(name, fate);
        }
    }
}

/// What the files there are now: one that is sent again is another file, or was changed since.
pub(super) fn stamps(there: &Path, files: &Files) -> Stamps {
    let stamp = |path: &PathBuf| {
        let found = fs::symlink_metadata(there.join(path)).ok()?;
        Some((path.clone(), (found.ino(), found.ctime(), found.ctime_nsec())))
    };
    files.keys().filter_map(stamp).collect()
}

/// The hash of every file below a folder, without our own, by `sha256sum`; nothing where the folder is not there.
pub(super) fn hashes(root: &Path) -> Result<Files, Error> {
    let mut files = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        for entry in entries {
            let entry = entry?;
            if !entry.file_type()?.is_dir() {
                files.push(entry.path().strip_prefix(root)?.to_owned());
            } else if entry.file_name() != ".verisim" {
                open.push(entry.path());
            }
        }
    }
    let mut out = Files::new();
    if files.is_empty() {
        return Ok(out);
    }
    let mut sums = Command::new("sha256sum");
    let said = sums.arg("--zero").arg("--").args(&files).current_dir(root).stdin(Stdio::null()).output()?;
    if !said.status.success() {
        return Err(format!("sha256sum: {}", String::from_utf8_lossy(&said.stderr)).into());
    }
    for line in String::from_utf8(said.stdout)?.split_terminator('\0') {
        let (hash, path) = line.split_once("  ").ok_or("sha256sum says something else")?;
        out.insert(path.into(), hash.to_owned());
    }
    Ok(out)
}
