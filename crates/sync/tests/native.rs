//! What is particular to the transport onto a directory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]
#![allow(clippy::disallowed_methods, reason = "it takes the time and starts fincore and sha256sum")]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{OFF, Row, Sink, Site, content, once_read, sentinel, sha256sum_check, write_tree};
use futures_util::StreamExt;
use verisim_core::manifest::{Entry, Parser, Sorted, write_line};
use verisim_core::{
    BandwidthLimit, Capture, Digest, FailureKind, PushOptions, RelPath, Remote, SyncState, SyncTransport,
};
use verisim_sync::{NativeOptions, NativeTransport, Reading};

/// A pushed capture and what it takes to push it again.
async fn spec(site: &Site) -> (Capture, Remote) {
    let courier = site.courier(site.rule(sentinel(), OFF));
    let spec = site.only(&courier).await;
    (spec.capture, spec.remote)
}

async fn push(site: &Site, options: &PushOptions) -> Result<verisim_core::Pushed, FailureKind> {
    let (capture, remote) = spec(site).await;
    site.transport().push(&capture, &remote, options).await.map_err(|error| error.failure.kind)
}

async fn hash_all(transport: &NativeTransport, remote: &Remote, options: &PushOptions) -> usize {
    transport.hashsum(remote, options).await.unwrap().files.map(Result::unwrap).count().await
}

/// Bytes that this process caused to be fetched from a disk.
fn bytes_read_from_disk() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap();
    let line = io.lines().find_map(|line| line.strip_prefix("read_bytes: ")).unwrap();
    line.trim().parse().unwrap()
}

/// On a disk, the kernel's own account of fetched bytes shows that the cache was not asked.
#[tokio::test]
async fn inv_5_verification_reads_the_disk_and_not_the_page_cache() {
    let site = Site::new();
    let size = 24 << 20;
    fs::create_dir_all(site.path("captures/run/small")).unwrap();
    fs::write(site.path("captures/run/large"), vec![3; size]).unwrap();
    for file in 0..100 {
        fs::write(site.path(&format!("captures/run/small/{file}")), vec![9; 4096]).unwrap();
    }
    let options = site.options();
    push(&site, &options).await.unwrap();
    let (_, remote) = spec(&site).await;
    let kind =
        std::process::Command::new("stat").args(["-f", "-c", "%T"]).arg(site.dir.path()).output().unwrap();
    let kind = String::from_utf8_lossy(&kind.stdout).trim().to_owned();
    if !["ext2/ext3", "xfs", "btrfs"].contains(&kind.as_str()) {
        eprintln!("SKIPPED: {kind} gives no account of what is fetched from a disk");
        assert!(std::env::var_os("CI").is_none(), "not skipped where it counts");
        return;
    }
    // Everything is in the cache now, as after any push.
    assert_eq!(content(&site.path("vault/lab/run")).len(), 101);
    let pushed = (size + 100 * 4096) as u64;
    for reading in [Reading::Cached, Reading::PastCaches, Reading::PastCaches] {
        let options_of = NativeOptions { reading, ..common::native_at(site.dir.path()) };
        let transport = NativeTransport::new(options_of, Arc::clone(&site.clock));
        let before = bytes_read_from_disk();
        assert_eq!(hash_all(&transport, &remote, &options).await, 101);
        let fetched = bytes_read_from_disk() - before;
        match reading {
            Reading::Cached => assert!(fetched < pushed / 2, "the cache was cold: {fetched} of {pushed}"),
            Reading::PastCaches => assert!(fetched >= pushed, "{fetched} of {pushed} came from the disk"),
        }
    }
}

/// What our manifest says is what `sha256sum` says, and the other way round, for names that need escaping too.
#[tokio::test]
async fn a_manifest_is_what_sha256sum_writes_and_reads() {
    let site = Site::new();
    let run = site.path("captures/run");
    let expected = verisim_testkit::hostile_capture::make(&run);
    let mut ours = Vec::new();
    let mut sorted: Vec<Entry> = expected
        .iter()
        .map(|(path, content)| {
            use std::os::unix::ffi::OsStrExt;
            Entry { path: RelPath::new(path.as_os_str().as_bytes()).unwrap(), sha256: Digest::of(content) }
        })
        .collect();
    sorted.sort();
    for entry in &sorted {
        write_line(entry, &mut ours);
    }
    let theirs = std::process::Command::new("sh")
        .args(["-c", "find . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum --"])
        .current_dir(&run)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&ours), String::from_utf8_lossy(&theirs.stdout));
    assert_eq!(ours, theirs.stdout);
    let mut parser = Parser::new(Sorted::Required);
    let mut parsed = Vec::new();
    parser.feed(&theirs.stdout, |entry| parsed.push(entry)).unwrap();
    parser.finish().unwrap();
    assert_eq!(parsed, sorted);
}

#[tokio::test]
async fn a_hostile_capture_is_sealed_and_sha256sum_takes_it_on_both_sides() {
    let site = Site::new();
    let run = site.path("captures/run");
    let expected = verisim_testkit::hostile_capture::make(&run);
    fs::write(run.join("done"), b"").unwrap();
    let courier = site.courier(site.rule(sentinel(), OFF));
    let mut row = Row::new(site.only(&courier).await);
    row.run(&courier, site.clock.now(), 10).await;
    assert_eq!(row.state, SyncState::Verified, "{:?}", row.progress);
    assert_eq!(content(&site.remote_of(&row.spec)).len(), expected.len() + 1);
    assert_eq!(sha256sum_check(&site.remote_of(&row.spec)), (true, String::new()));
    assert_eq!(sha256sum_check(&run), (true, String::new()));
    let special = fs::read_to_string(site.remote_of(&row.spec).join(".verisim/special.jsonl")).unwrap();
    for line in special.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    for kind in ["symlink", "fifo", "socket", "hard_link"] {
        assert!(special.contains(&format!("\"kind\":\"{kind}\"")), "{kind} is not listed in {special}");
    }
}

#[tokio::test]
async fn holes_stay_holes_and_hash_as_zeros() {
    let site = Site::new();
    let path = site.path("captures/run/sparse");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = fs::File::create(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"middle", 20 << 20).unwrap();
    file.set_len(48 << 20).unwrap();
    file.sync_all().unwrap();
    let pushed = push(&site, &site.options()).await.unwrap();
    let there = site.path("vault/lab/run/sparse");
    let meta = fs::metadata(&there).unwrap();
    assert_eq!(meta.len(), 48 << 20);
    assert!(meta.blocks() * 512 < 8 << 20, "{} blocks are in use", meta.blocks());
    let hash = Digest::of(&fs::read(&path).unwrap());
    assert!(fs::read_to_string(pushed.manifest).unwrap().starts_with(&hash.to_string()));
    assert_eq!(Digest::of(&fs::read(&there).unwrap()), hash);
}

#[tokio::test]
async fn modes_and_times_go_along_and_set_id_bits_do_not() {
    let site = Site::new();
    write_tree(&site.path("captures/run"), &[("dropper", b"#!"), ("d/x", b"x")]);
    let dropper = site.path("captures/run/dropper");
    fs::set_permissions(&dropper, fs::Permissions::from_mode(0o4751)).unwrap();
    let born = std::time::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
    fs::File::open(&dropper).unwrap().set_modified(born).unwrap();
    fs::File::open(site.path("captures/run/d")).unwrap().set_modified(born).unwrap();
    push(&site, &site.options()).await.unwrap();
    let there = fs::metadata(site.path("vault/lab/run/dropper")).unwrap();
    assert_eq!(there.permissions().mode() & 0o7777, 0o751);
    assert_eq!(there.modified().unwrap(), born);
    assert_eq!(fs::metadata(site.path("vault/lab/run/d")).unwrap().modified().unwrap(), born);
    let special = fs::read_to_string(site.path("vault/lab/run/.verisim/special.jsonl")).unwrap();
    assert!(special.contains("\"mode\":\"4751\""), "{special}");
}

/// A link in the place of the metadata folder, of the partial folder, and of a partial copy.
#[tokio::test]
async fn inv_7_links_in_our_own_folders_lead_nowhere() {
    for planted in [".verisim", ".verisim/partial", ".verisim/owner.new", ".verisim/special.jsonl.new"] {
        let site = Site::new();
        write_tree(&site.path("captures/run"), &[("a", b"alpha")]);
        let outside = site.path("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("file"), b"precious").unwrap();
        let link = site.path("vault/lab/run").join(planted);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        if planted != ".verisim" && planted != ".verisim/owner.new" {
            fs::write(site.path("vault/lab/run/.verisim/owner"), format!("{}\n", spec(&site).await.1.owner))
                .unwrap();
        }
        let is_dir = !planted.ends_with(".new");
        symlink(if is_dir { outside.clone() } else { outside.join("file") }, &link).unwrap();
        let pushed = push(&site, &site.options()).await;
        if is_dir {
            assert_eq!(pushed.unwrap_err(), FailureKind::Config, "{planted}");
        } else {
            // What stands under the name of a file that we are about to make is taken away, and never opened.
            pushed.unwrap();
        }
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1, "{planted}");
        assert_eq!(fs::read(outside.join("file")).unwrap(), b"precious", "{planted}");
    }
}

#[tokio::test]
async fn a_destination_that_is_not_mounted_is_no_place_to_write_to() {
    let site = Site::new();
    write_tree(&site.path("captures/run"), &[("a", b"alpha")]);
    fs::remove_dir(site.path("vault")).unwrap();
    assert_eq!(push(&site, &site.options()).await.unwrap_err(), FailureKind::Network);
    assert!(!site.path("vault").exists());
}

/// A file system of 2 MiB: what cannot fit is refused before its first byte; what turns out not to fit (holes that the
/// destination fills, another writer) leaves nothing under a file's name, and the rest goes on when there is room.
#[tokio::test]
async fn a_full_destination_is_no_space_and_nothing_is_half_done() {
    let site = Site::new();
    let vault = site.path("vault");
    let Some(_mounted) = Mounted::tmpfs(&vault, "size=2m") else {
        eprintln!("SKIPPED: only root may mount a small file system");
        return;
    };
    write_tree(&site.path("captures/run"), &[("a", &[1; 3 << 20]), ("b", b"beta")]);
    let options = site.options();
    assert_eq!(push(&site, &options).await.unwrap_err(), FailureKind::NoSpace);
    assert!(content(&site.path("vault/lab/run")).is_empty());
    assert_eq!(
        fs::read_to_string(options.work_dir.join("bytes_needed")).unwrap(),
        (4 + (3 << 20)).to_string()
    );
    // A file with holes is not counted beforehand: it may well fit.
    let sparse = fs::File::create(site.path("captures/run/a")).unwrap();
    sparse.set_len(8 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, &[7; 3 << 20], 1 << 20).unwrap();
    sparse.sync_all().unwrap();
    assert_eq!(push(&site, &options).await.unwrap_err(), FailureKind::NoSpace);
    assert!(!site.path("vault/lab/run/a").exists());
    fs::remove_file(site.path("captures/run/a")).unwrap();
    push(&site, &options).await.unwrap();
    assert_eq!(content(&site.path("vault/lab/run")).len(), 1);
}

/// What a push has sent before the space was gone is not waited for once more.
#[tokio::test]
async fn what_is_there_already_needs_no_room() {
    let site = Site::new();
    let vault = site.path("vault");
    let Some(_mounted) = Mounted::tmpfs(&vault, "size=4m,nr_inodes=25") else {
        eprintln!("SKIPPED: only root may mount a small file system");
        return;
    };
    write_tree(&site.path("captures/run"), &[("a", &[1; 2 << 20])]);
    for file in 0..30 {
        write_tree(&site.path("captures/run"), &[(&format!("b{file}"), b"beta")]);
    }
    let options = site.options();
    assert_eq!(push(&site, &options).await.unwrap_err(), FailureKind::NoSpace);
    let needed: u64 = fs::read_to_string(options.work_dir.join("bytes_needed")).unwrap().parse().unwrap();
    let there: usize = content(&site.path("vault/lab/run")).values().map(Vec::len).sum();
    assert!(there > 0 && needed + there as u64 <= (2 << 20) + 30 * 4, "{needed}, of which {there} are there");
}

/// A file system that goes away with the test.
struct Mounted(std::path::PathBuf);

impl Mounted {
    fn tmpfs(at: &Path, options: &str) -> Option<Self> {
        let mount = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(at)
            .stderr(std::process::Stdio::null())
            .status();
        mount.is_ok_and(|status| status.success()).then(|| Self(at.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}

#[tokio::test]
async fn defect_17_a_bandwidth_is_kept_to_and_may_change_on_the_way() {
    let site = Site::new();
    fs::create_dir_all(site.path("captures/run")).unwrap();
    for file in 0..4 {
        fs::write(site.path(&format!("captures/run/{file}")), vec![file; 1 << 20]).unwrap();
    }
    let (limit, receiver) = tokio::sync::watch::channel(Some(BandwidthLimit { bytes_per_second: 2 << 20 }));
    let mut options = site.options();
    options.bandwidth = Some(receiver);
    let start = Instant::now();
    push(&site, &options).await.unwrap();
    let limited = start.elapsed();
    assert!(limited >= Duration::from_millis(1500), "4 MiB at 2 MiB/s took {limited:?}");
    limit.send(Some(BandwidthLimit { bytes_per_second: 1 })).unwrap();
    options.force_all = true;
    let lifted = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        limit.send(None).unwrap();
    });
    let start = Instant::now();
    push(&site, &options).await.unwrap();
    assert!(
        start.elapsed() < Duration::from_secs(60),
        "the limit was lifted, and it took {:?}",
        start.elapsed()
    );
    lifted.await.unwrap();
}

/// A large file whose sending was cut off goes on; what the destination kept is not sent again, and the hash is of all of it.
#[tokio::test]
async fn defect_13_a_large_file_goes_on_where_it_was() {
    let site = Site::new();
    fs::create_dir_all(site.path("captures/run")).unwrap();
    let size: usize = 48 << 20;
    let body: Vec<u8> = (0..size).map(|at| u8::try_from(at % 253).unwrap()).collect();
    fs::write(site.path("captures/run/large"), &body).unwrap();
    let (_keep, receiver) = tokio::sync::watch::channel(Some(BandwidthLimit { bytes_per_second: 60 << 20 }));
    let mut options = site.options();
    options.bandwidth = Some(receiver);
    let progress = Sink::of(&mut options);
    let cancel = options.cancel.clone();
    tokio::spawn(async move {
        progress.comes_to(16 << 20).await;
        cancel.cancel();
    });
    assert_eq!(push(&site, &options).await.unwrap_err(), FailureKind::Cancelled);
    let partial = fs::read_dir(site.path("vault/lab/run/.verisim/partial")).unwrap().next().unwrap().unwrap();
    let kept = partial.metadata().unwrap();
    assert!(kept.len() > 8 << 20 && kept.len() < size as u64, "{} bytes were kept", kept.len());
    assert!(!site.path("vault/lab/run/large").exists(), "nothing half done under its name");
    let pushed = push(&site, &site.options()).await.unwrap();
    let there = fs::metadata(site.path("vault/lab/run/large")).unwrap();
    assert_eq!(there.ino(), kept.ino(), "it was begun anew");
    assert!(fs::read(site.path("vault/lab/run/large")).unwrap() == body);
    assert!(fs::read_to_string(pushed.manifest).unwrap().starts_with(&Digest::of(&body).to_string()));
}

#[tokio::test]
async fn the_end_of_what_is_there_may_be_asked_for_twice() {
    let site = Site::new();
    write_tree(&site.path("captures/run"), &[("a", b"alpha"), ("y", b"x"), ("z", b"x")]);
    let options = site.options();
    push(&site, &options).await.unwrap();
    fs::remove_file(site.path("vault/lab/run/y")).unwrap();
    fs::remove_file(site.path("vault/lab/run/z")).unwrap();
    let (_, remote) = spec(&site).await;
    let mut there = site.transport().hashsum(&remote, &options).await.unwrap().files;
    assert!(there.next().await.is_some());
    for _ in 0..3 {
        assert!(there.next().await.is_none());
    }
}

/// Whoever ends the daemon does not wait for a terabyte.
#[tokio::test]
async fn a_huge_file_gives_way_at_once_whatever_is_done_with_it() {
    const BYTES: u64 = 1 << 40;
    let site = Site::new();
    site.transport_is_used();
    let huge = |path: &Path| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::File::create(path).and_then(|file| file.set_len(BYTES)).unwrap();
    };
    huge(&site.path("captures/run/huge"));
    let cancel_soon = |options: &PushOptions| {
        let cancel = options.cancel.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            cancel.cancel();
            Instant::now()
        })
    };
    let options = site.options();
    let cancelled = cancel_soon(&options);
    assert_eq!(push(&site, &options).await.unwrap_err(), FailureKind::Cancelled);
    let took = cancelled.await.unwrap().elapsed();
    assert!(took < Duration::from_secs(3), "the push gave way after {took:?}");

    huge(&site.path("vault/lab/run/huge"));
    let options = site.options();
    let (_, remote) = spec(&site).await;
    let mut there = site.transport().hashsum(&remote, &options).await.unwrap().files;
    let cancelled = cancel_soon(&options);
    let mut last = None;
    while let Some(told) = there.next().await {
        last = Some(told);
    }
    assert_eq!(last.unwrap().unwrap_err().failure.kind, FailureKind::Cancelled);
    let took = cancelled.await.unwrap().elapsed();
    assert!(took < Duration::from_secs(3), "the verification gave way after {took:?}");
}

/// Whatever happens to the capture while it is pushed, the push does not succeed over it.
#[tokio::test]
async fn defect_08_a_capture_that_changes_under_our_hands_is_noticed() {
    type Change = fn(&Path);
    let changes: [(Change, FailureKind); 4] = [
        (|run| fs::write(run.join("late"), b"late").unwrap(), FailureKind::SourceChanged),
        (|run| fs::remove_file(run.join("a")).unwrap(), FailureKind::SourceVanished),
        (|run| fs::write(run.join("a"), b"ALPHA!").unwrap(), FailureKind::SourceChanged),
        (
            |run| {
                // The same size and, as far as can be, the same time: another inode.
                fs::write(run.join("b.new"), b"BETA").unwrap();
                fs::rename(run.join("b.new"), run.join("a")).unwrap();
            },
            FailureKind::SourceChanged,
        ),
    ];
    for (change, expected) in changes {
        let site = Site::new();
        let run = site.path("captures/run");
        write_tree(&run, &[("a", b"alph"), ("slow", &[1; 1 << 20])]);
        // So slow that it is still on its way when the change is made, on the busiest machine; then as fast as it goes.
        let (bandwidth, receiver) =
            tokio::sync::watch::channel(Some(BandwidthLimit { bytes_per_second: 1 << 14 }));
        let mut options = site.options();
        options.bandwidth = Some(receiver);
        let changing = async {
            once_read(&run.join("slow")).await;
            change(&run);
            bandwidth.send(None).unwrap();
        };
        let (pushed, ()) = tokio::join!(push(&site, &options), changing);
        assert_eq!(pushed.unwrap_err(), expected);
        // What was sent before the change was noticed is not taken for part of what is there now, nor is it deleted.
        let sent = content(&site.path("vault/lab/run"));
        let _ = fs::remove_file(run.join("a"));
        push(&site, &site.options()).await.unwrap();
        assert_eq!(content(&site.path("vault/lab/run")), content(&run));
        let aside = fs::read_dir(site.path("vault/lab/run/.verisim/aside")).map_or(0, Iterator::count);
        assert_eq!(
            aside,
            sent.iter().filter(|(path, bytes)| content(&run).get(*path) != Some(*bytes)).count()
        );
    }
}
