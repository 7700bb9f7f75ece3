//! An intruder who changes the tree while we work in it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::fs::{CWD, Mode, RenameFlags};
use verisim_core::{ByteCount, ByteRange, Digest, FileTimes, FileWrite, Removal, StatRequest, WriteOutcome};

use super::Canary;
use super::canary::SECRET;
use crate::decoy_under_test::{
    DecoyUnderTest, addition, answer, day, names_in, new_file, path, replacement, rounds, staging,
};

/// How many rounds of calls run against the swapping thread.
const ROUNDS: usize = 1_500;
/// The least of them.
const ROUNDS_LEAST: usize = 20;
/// How long they may run in all: over a line that is slow, fewer of them meet as many swaps.
const ROUNDS_TIME_MAX: Duration = Duration::from_secs(10);

/// Exchanges two names in a loop, as fast as the kernel can, until it is dropped.
struct Swapper {
    stop: Arc<AtomicBool>,
    swaps: Arc<AtomicU64>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Swapper {
    fn start(one: PathBuf, other: PathBuf) -> Self {
        let (stop, swaps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&swaps));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                if rustix::fs::renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).is_ok() {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Self { stop, swaps, thread: Some(thread) }
    }

    fn finish(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        self.swaps.load(Ordering::Relaxed)
    }
}

impl Drop for Swapper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// A directory becomes a link to the canary and a directory again, thousands of times, while files are written, read,
/// replaced and removed through it.
pub async fn inv_7_no_path_leaves_the_root_while_a_directory_is_swapped(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    let canary = Canary::new(decoy.outside());
    fs::create_dir_all(decoy.host_root().join("d/real")).unwrap();
    symlink(canary.dir(), decoy.host_root().join("d/other")).unwrap();
    let root = decoy.host_root();
    let swapper = Swapper::start(root.join("d/real"), root.join("d/other"));
    let times = FileTimes::Past { mtime: day(1), atime: day(2) };
    for round in rounds(ROUNDS, ROUNDS_LEAST, ROUNDS_TIME_MAX) {
        let name = if round % 2 == 0 { "a".to_owned() } else { format!("etc/{round}") };
        let at = format!("/d/real/{name}");
        let batch = [
            FileWrite { times, ..new_file(&at, "planted") },
            replacement("/d/real/a", SECRET, "replaced"),
            addition("/d/real/a", "added"),
        ];
        for outcome in answer(connector.write(&batch)).await.into_iter().flatten() {
            if let WriteOutcome::Foreign(found) = outcome {
                assert_ne!(&found.head[..], SECRET);
            }
        }
        if let Ok(read) =
            answer(connector.read(&path("/d/real/secret"), ByteRange::first(ByteCount(99)))).await
        {
            assert_ne!(&read[..], SECRET);
        }
        if let Ok(Some(stat)) = answer(connector.stat(&path(&at), StatRequest::Hash(ByteCount(99)))).await {
            assert_ne!(stat.sha256, Some(Digest::of(SECRET)));
        }
        let expected = if round % 3 == 0 { Digest::of(b"planted") } else { Digest::of(SECRET) };
        let removal = Removal { path: path(&at), expected, staging: staging(1) };
        let _ = answer(connector.remove(&removal)).await;
    }
    let swaps = swapper.finish();
    canary.assert_untouched("a directory swapped with a link");
    assert!(swaps > 500, "the attack hardly ran: {swaps} swaps");
}

/// The last component becomes a link, a FIFO and a file in turns.
pub async fn inv_7_nothing_but_a_file_is_opened_while_a_name_is_swapped(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    let canary = Canary::new(decoy.outside());
    let root = decoy.host_root();
    for (name, round_limit) in [("link", ROUNDS / 2), ("fifo", ROUNDS / 2)] {
        let (file, other) = (root.join(format!("{name}-file")), root.join(name));
        fs::write(&file, b"inside").unwrap();
        if name == "link" {
            symlink(canary.dir().join("secret"), &other).unwrap();
        } else {
            rustix::fs::mkfifoat(CWD, &other, Mode::RWXU).unwrap();
        }
        let swapper = Swapper::start(file, other);
        let at = path(format!("/{name}"));
        for _ in rounds(round_limit, ROUNDS_LEAST, ROUNDS_TIME_MAX / 2) {
            if let Ok(read) = answer(connector.read(&at, ByteRange::first(ByteCount(99)))).await {
                assert_eq!(&read[..], b"inside");
            }
            if let Ok(Some(stat)) = answer(connector.stat(&at, StatRequest::Hash(ByteCount(99)))).await {
                assert!(stat.sha256.is_none_or(|digest| digest == Digest::of(b"inside")));
            }
            let batch = [
                FileWrite { path: at.clone(), ..addition("/x", "") },
                FileWrite { path: at.clone(), ..replacement("/x", b"inside", "inside") },
                FileWrite { path: at.clone(), ..new_file("/x", "never") },
            ];
            for outcome in answer(connector.write(&batch)).await.into_iter().flatten() {
                if let WriteOutcome::Foreign(found) = outcome {
                    assert_ne!(&found.head[..], SECRET);
                }
            }
        }
        assert!(swapper.finish() > 200, "the attack hardly ran");
        canary.assert_untouched("a name swapped with a link");
    }
    let left = names_in(root).into_iter().filter(|name| name.starts_with(".goutputstream")).count();
    assert_eq!(left, 0, "no staging name is left");
}
