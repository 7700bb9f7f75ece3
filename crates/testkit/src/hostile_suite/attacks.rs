//! What an intruder leaves lying about.

use std::fs;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, OFlags};
use verisim_core::{
    ByteCount, ByteRange, Connector, DecoyPath, Digest, Failure, FailureKind, FileKind, FileTimes, FileWrite,
    Move, Removal, StatRequest, WriteOutcome,
};

use super::Canary;
use super::canary::SECRET;
use crate::decoy_under_test::{
    DecoyUnderTest, addition, answer, day, names_in, new_file, path, put, replacement, rounds, staging,
    write_one, written,
};

/// Calls everything there is on one path, in every way, and fails the test if an answer holds what only the host has.
pub(super) async fn call_everything(connector: &dyn Connector, at: &DecoyPath) {
    let range = ByteRange::first(ByteCount(1000));
    if let Ok(read) = answer(connector.read(at, range)).await {
        assert_ne!(&read[..], SECRET, "{at} reads what is outside");
    }
    let hash = StatRequest::Hash(ByteCount(1000));
    if let Ok(Some(stat)) = answer(connector.stat(at, hash)).await {
        assert_ne!(stat.sha256, Some(Digest::of(SECRET)), "{at} hashes what is outside");
    }
    if let Ok(listing) = answer(connector.list(at, 100)).await {
        let leaks = listing.entries.iter().any(|entry| entry.path.file_name() == Some(b"secret"));
        assert!(!leaks, "{at} lists what is outside");
    }
    let expected = Digest::of(SECRET);
    let times = FileTimes::Past { mtime: day(1), atime: day(1) };
    let base = FileWrite { path: at.clone(), ..new_file("/x", "planted") };
    let replacing = replacement("/x", SECRET, "replaced");
    let batch = [
        FileWrite { times, ..base.clone() },
        FileWrite { path: at.clone(), ..replacing },
        FileWrite { path: at.clone(), ..addition("/x", "added") },
        base,
    ];
    for outcome in answer(connector.write(&batch)).await.into_iter().flatten() {
        if let WriteOutcome::Foreign(found) = outcome {
            assert_ne!(&found.head[..], SECRET, "{at} reports what is outside");
        }
    }
    let aside = at.parent().and_then(|dir| dir.join(b"moved").ok()).unwrap_or_else(|| path("/moved"));
    for (from, to) in [(at, &aside), (&aside, at)] {
        let request = Move { from: from.clone(), to: to.clone(), expected };
        let _ = answer(connector.rename(&request)).await;
    }
    let _ = answer(connector.remove(&Removal { path: at.clone(), expected, staging: staging(1) })).await;
    let _ = answer(connector.settle(at, staging(1), &[expected])).await;
}

/// Links at every depth of a path, of every kind.
pub async fn inv_7_no_path_leaves_the_root_at_any_depth(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    let canary = Canary::new(decoy.outside());
    let target = canary.dir().to_str().unwrap();
    // From the root upwards as far as any tree goes, then down to the canary.
    let upwards = format!("{}{target}", "../".repeat(30).trim_end_matches('/'));
    let sideways = format!("d0/../../../{}{target}", "../".repeat(30).trim_end_matches('/'));
    let through_root = format!("/proc/self/root{target}");
    let through_pid = format!("/proc/{}/root{target}", std::process::id());
    for link in [target, &upwards, &sideways, &through_root, &through_pid, "/proc/self/cwd"] {
        // Each depth has a tree of its own, so that they need not wait for each other.
        let depths = (0..5).map(|depth| attack_at(&*connector, decoy.host_root(), link, depth));
        futures_util::future::join_all(depths).await;
        canary.assert_untouched(&format!("a link to {link}"));
    }
    // Where a link of the decoy leads is inside: the host's own paths may come to be there, and that is as it should be.
    for (name, link) in [("loop", "loop"), ("one", "two"), ("two", "one")] {
        symlink(link, decoy.host_root().join(name)).unwrap();
        call_everything(&*connector, &path(format!("/{name}/a"))).await;
    }
    circles_are_links(&*connector).await;
}

/// A link that leads round in a circle is a link like any other: it is told of, stands in a file's way, and leads nowhere.
async fn circles_are_links(connector: &dyn Connector) {
    for name in ["loop", "one"] {
        let at = path(format!("/{name}"));
        let stat = answer(connector.stat(&at, StatRequest::Plain)).await.unwrap().unwrap();
        assert_eq!(stat.kind, FileKind::Symlink, "{name}");
        let outcome = write_one(connector, new_file(format!("/{name}"), "x")).await.unwrap();
        let WriteOutcome::Foreign(found) = outcome else { panic!("{name}: {outcome:?}") };
        assert_eq!(found.stat.unwrap().kind, FileKind::Symlink, "{name}");
        let failure = answer(connector.read(&at, ByteRange::first(ByteCount(9)))).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Denied, "{name}");
    }
}

async fn attack_at(connector: &dyn Connector, root: &Path, link: &str, depth: usize) {
    let mut inside = format!("/t{depth}");
    for level in 0..depth {
        inside.push_str(&format!("/d{level}"));
    }
    let dir = root.join(&inside[1..]);
    fs::create_dir_all(&dir).unwrap();
    symlink(link, dir.join("link")).unwrap();
    for rest in ["", "/a", "/secret", "/etc/secret", "/etc/sub/new", "/new/new"] {
        call_everything(connector, &path(format!("{inside}/link{rest}"))).await;
    }
    fs::remove_dir_all(root.join(format!("t{depth}"))).unwrap();
}

/// The last component is a link to a file outside.
pub async fn inv_7_no_final_link_is_followed(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    let canary = Canary::new(decoy.outside());
    let target = canary.dir().join("secret");
    symlink(&target, decoy.host_root().join("link")).unwrap();
    let failure = answer(connector.read(&path("/link"), ByteRange::first(ByteCount(9)))).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Denied);
    call_everything(&*connector, &path("/link")).await;
    canary.assert_untouched("a final link");
    assert_eq!(fs::read_link(decoy.host_root().join("link")).unwrap(), target, "it is foreign, and stays");
}

/// An intruder may link what he can name; writing to the link would write to the host.
pub async fn a_hard_link_to_an_outside_file_is_never_written_through(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    let host = decoy.outside().join("host-file");
    fs::write(&host, SECRET).unwrap();
    let link = decoy.host_root().join("link");
    for _ in 0..3 {
        if !link.exists() {
            fs::hard_link(&host, &link).unwrap();
        }
        let mode = fs::metadata(&host).unwrap().mode();
        let mtime = fs::metadata(&host).unwrap().mtime_nsec();
        let outcome = write_one(&*connector, addition("/link", "added")).await;
        assert!(matches!(outcome, Ok(WriteOutcome::Foreign(_))), "{outcome:?}");
        let past = FileTimes::Past { mtime: day(1), atime: day(1) };
        let file = FileWrite {
            times: past,
            mode: Some(verisim_core::FileMode::new(0o777)),
            ..replacement("/link", SECRET, "replaced")
        };
        // The name inside gets another file; the one outside keeps everything it had.
        written(&*connector, file).await;
        let removal = Removal { path: path("/link"), expected: Digest::of(b"replaced"), staging: staging(1) };
        answer(connector.remove(&removal)).await.unwrap();
        let after = fs::metadata(&host).unwrap();
        assert_eq!(fs::read(&host).unwrap(), SECRET);
        assert_eq!((after.mode(), after.mtime_nsec(), after.nlink()), (mode, mtime, 1));
    }
}

/// With nobody at its other end, with a writer that waits, and with one that has written.
pub async fn a_fifo_is_never_opened(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    let fifo = decoy.host_root().join("fifo");
    rustix::fs::mkfifoat(CWD, &fifo, Mode::RWXU).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let was_opened = Arc::new(AtomicBool::new(false));
    let watcher = std::thread::spawn({
        let (fifo, stop, was_opened) = (fifo.clone(), Arc::clone(&stop), Arc::clone(&was_opened));
        move || {
            while !stop.load(Ordering::Relaxed) {
                // A writer that does not wait is let in only while somebody has the FIFO open for reading.
                if rustix::fs::open(&fifo, OFlags::WRONLY | OFlags::NONBLOCK, Mode::empty()).is_ok() {
                    was_opened.store(true, Ordering::Relaxed);
                }
            }
        }
    });
    for _ in rounds(20, 3, Duration::from_secs(5)) {
        call_everything(&*connector, &path("/fifo")).await;
        call_everything(&*connector, &path("/fifo/below")).await;
    }
    stop.store(true, Ordering::Relaxed);
    watcher.join().unwrap();
    assert!(!was_opened.load(Ordering::Relaxed), "the FIFO was opened for reading");
    // Opened for both, nobody has to wait, and what was written waits to be read.
    let both = rustix::fs::open(&fifo, OFlags::RDWR | OFlags::NONBLOCK, Mode::empty()).unwrap();
    rustix::io::write(&both, SECRET).unwrap();
    call_everything(&*connector, &path("/fifo")).await;
    let mut back = [0; 100];
    let got = rustix::io::read(&both, &mut back).unwrap();
    assert_eq!(&back[..got], SECRET, "nobody else read it, and nobody added to it");
}

/// As root also a device; a socket in any case.
pub async fn a_device_or_socket_is_never_opened(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    // Through a descriptor: the path of a socket may have 107 bytes, and roots lie deep.
    let root = fs::File::open(decoy.host_root()).unwrap();
    let _listener = UnixListener::bind(format!("/proc/self/fd/{}/socket", root.as_raw_fd())).unwrap();
    call_everything(&*connector, &path("/socket")).await;
    // The device that is full: a write to it would be answered with an error, a read with zeros without end.
    let full = rustix::fs::makedev(1, 7);
    let made = rustix::fs::mknodat(
        CWD,
        decoy.host_root().join("device"),
        FileType::CharacterDevice,
        Mode::RWXU,
        full,
    );
    if made.is_ok() {
        call_everything(&*connector, &path("/device")).await;
        let read = answer(connector.read(&path("/device"), ByteRange::first(ByteCount(9)))).await;
        assert_eq!(read.unwrap_err().kind, FailureKind::Denied);
    }
    let stat = answer(connector.stat(&path("/socket"), StatRequest::Plain)).await.unwrap().unwrap();
    assert_eq!(stat.kind, verisim_core::FileKind::Special);
}

/// Failures and paths are for people's terminals, and an intruder chooses the names.
pub async fn what_a_name_holds_reaches_no_terminal(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    let name = b"\x1b]0;owned\x07\n\xff\xe2\x80\xae.txt";
    let at = path([b"/".as_slice(), name].concat());
    let host = decoy.host_root().join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(name));
    symlink("nowhere", host).unwrap();
    let failure: Failure = answer(connector.read(&at, ByteRange::first(ByteCount(9)))).await.unwrap_err();
    let listing = answer(connector.list(&path("/"), 9)).await.unwrap();
    for text in [failure.to_string(), listing.entries[0].path.to_string()] {
        assert!(!text.contains(['\x1b', '\x07', '\n']), "{text:?}");
    }
    assert!(!failure.to_string().contains('\u{202e}'));
    assert_eq!(listing.entries[0].path, at, "and yet nothing of the name is lost");
}

/// As root nothing is forbidden: then the same suite runs once more as an ordinary user.
pub async fn what_permissions_forbid_is_denied(decoy: &dyn DecoyUnderTest) {
    if rustix::process::geteuid().is_root() {
        return;
    }
    let connector = decoy.connector();
    let closed = put(decoy, "/closed/a", b"x");
    let hidden = put(decoy, "/d/hidden", b"x");
    fs::set_permissions(&hidden, fs::Permissions::from_mode(0o0)).unwrap();
    set_mode(closed.parent().unwrap(), 0o555);
    let denied = |what: &str, failure: Failure| {
        let got = (failure.kind, failure.effect);
        assert_eq!(got, (FailureKind::Denied, verisim_core::Effect::NotApplied), "{what}");
    };
    denied("create", write_one(&*connector, new_file("/closed/b", "x")).await.unwrap_err());
    denied("parents", write_one(&*connector, new_file("/closed/d/b", "x")).await.unwrap_err());
    denied("replace", write_one(&*connector, replacement("/closed/a", b"x", "y")).await.unwrap_err());
    denied("unreadable", write_one(&*connector, replacement("/d/hidden", b"x", "y")).await.unwrap_err());
    let removal = Removal { path: path("/closed/a"), expected: Digest::of(b"x"), staging: staging(1) };
    denied("remove", answer(connector.remove(&removal)).await.unwrap_err());
    let range = ByteRange::first(ByteCount(9));
    denied("read", answer(connector.read(&path("/d/hidden"), range)).await.unwrap_err());
    assert_eq!(names_in(closed.parent().unwrap()), ["a"], "nothing was left there");
    set_mode(closed.parent().unwrap(), 0o755);
}

fn set_mode(at: &Path, mode: u32) {
    fs::set_permissions(at, fs::Permissions::from_mode(mode)).unwrap();
}

/// The decoy itself goes away.
pub async fn a_missing_root_is_not_found(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    decoy.take_away();
    let kind = decoy.absence();
    let failure = write_one(&*connector, new_file("/a", "x")).await.unwrap_err();
    assert_eq!((failure.kind, failure.effect), (kind, verisim_core::Effect::NotApplied));
    assert_eq!(answer(connector.probe()).await.unwrap_err().kind, kind);
    // And comes back.
    decoy.bring_back();
    written(&*connector, new_file("/a", "x")).await;
}
