//! An intruder who swaps links, from within the container, while files are written and read through them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::fs::{CWD, RenameFlags};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};
use verisim_connect::Reach;
use verisim_core::{
    ByteCount, ByteRange, Connector, DecoyPath, Digest, FileWrite, StatRequest, WriteOutcome,
};
use verisim_testkit::RealEngine;
use verisim_testkit::decoy_under_test::{answer, new_file, path, replacement, write_one, written};
use verisim_testkit::hostile_suite::Canary;

use crate::decoys::connector;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_7_links_that_are_swapped_inside_lead_nowhere() {
    let Some(engine) = RealEngine::start() else { return };
    let container = engine.container("decoy", &[]);
    let root = container.root();
    let outside = engine.folder().join("outside");
    fs::create_dir(&outside).unwrap();
    let canary = Canary::new(&outside);
    for (name, link) in [
        ("up", format!("{}{}", "../".repeat(30), canary.dir().display())),
        ("abs", canary.dir().display().to_string()),
    ] {
        symlink(link, root.join(name)).unwrap();
    }
    // Of the portable way each round is some calls that the engine starts processes for.
    for (reach, rounds) in [(Reach::Fast, 2_000), (Reach::Portable, 15)] {
        let connector = connector(&engine, "decoy", reach);
        for name in ["up", "abs"] {
            for rest in ["/secret", "/etc/secret", "/new/new", ""] {
                call(&connector, &path(format!("/{name}{rest}"))).await;
            }
            canary.assert_untouched(name);
        }
        let dir = format!("d{reach:?}");
        fs::create_dir_all(root.join(&dir).join("real")).unwrap();
        symlink(canary.dir(), root.join(&dir).join("other")).unwrap();
        let swapper = Swapper::start(container.pid(), &dir);
        let mut planted = 0;
        // Whether it comes to stand where it should is up to the intruder, and to chance; once it must.
        for round in 0..20 * rounds {
            if round >= rounds && planted > 0 {
                break;
            }
            let outcome = write_one(&connector, new_file(format!("/{dir}/real/{round}"), "planted")).await;
            planted += usize::from(matches!(outcome, Ok(WriteOutcome::Written(_))));
            call(&connector, &path(format!("/{dir}/real/secret"))).await;
        }
        let swaps = swapper.finish();
        canary.assert_untouched("a directory swapped with a link");
        assert!(swaps > 500, "the attack hardly ran: {swaps} swaps");
        assert!(planted > 0, "nothing was ever planted");
        written(&connector, new_file(format!("/{dir}/after"), "x")).await;
    }
}

/// A thread inside the container that exchanges a directory with a link to the host, as fast as it can.
struct Swapper {
    stop: Arc<AtomicBool>,
    swaps: Arc<AtomicU64>,
    thread: std::thread::JoinHandle<()>,
}

impl Swapper {
    fn start(pid: u32, dir: &str) -> Self {
        let mounts = fs::File::open(format!("/proc/{pid}/ns/mnt")).unwrap();
        let (one, other) = (Path::new("/").join(dir).join("real"), Path::new("/").join(dir).join("other"));
        let (stop, swaps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&swaps));
        let thread = std::thread::spawn(move || {
            #[expect(deprecated, reason = "only descriptors are unsafe to unshare, and they are not")]
            rustix::thread::unshare(UnshareFlags::FS).unwrap();
            let kind = Some(LinkNameSpaceType::Mount);
            rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&mounts), kind).unwrap();
            while !stopped.load(Ordering::Relaxed) {
                if rustix::fs::renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).is_ok() {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Self { stop, swaps, thread }
    }

    fn finish(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.swaps.load(Ordering::Relaxed)
    }
}

/// Reads, looks and writes, and fails if an answer holds what only the host has.
async fn call(connector: &dyn Connector, at: &DecoyPath) {
    const SECRET: &[u8] = b"a secret of the host";
    if let Ok(read) = answer(connector.read(at, ByteRange::first(ByteCount(99)))).await {
        assert_ne!(&read[..], SECRET, "{at}");
    }
    if let Ok(Some(stat)) = answer(connector.stat(at, StatRequest::Hash(ByteCount(99)))).await {
        assert_ne!(stat.sha256, Some(Digest::of(SECRET)), "{at}");
    }
    let over = FileWrite { path: at.clone(), ..replacement("/x", SECRET, "replaced") };
    let batch = [FileWrite { path: at.clone(), ..new_file("/x", "planted") }, over];
    for outcome in answer(connector.write(&batch)).await.into_iter().flatten() {
        if let WriteOutcome::Foreign(found) = outcome {
            assert_ne!(&found.head[..], SECRET, "{at}");
        }
    }
}
