//! Creating, replacing and appending.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use verisim_core::{
    Digest, Effect, FailureKind, FileKind, FileMode, FileWrite, Owner, OwnerPolicy, WriteMode, WriteOutcome,
};

use crate::decoy_under_test::{
    DecoyUnderTest, addition, answer, names_in, new_file, on_host, path, put, replacement, write_one, written,
};

pub async fn a_new_file_has_content_mode_and_stat(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    let mut file = new_file("/srv/a.txt", "hello\n");
    file.mode = Some(FileMode::new(0o640));
    let written = written(&*connector, file).await;
    let host = on_host(decoy, "/srv/a.txt");
    let meta = fs::metadata(&host).unwrap();
    assert_eq!(fs::read(&host).unwrap(), b"hello\n");
    assert_eq!(meta.mode() & 0o7777, 0o640);
    assert_eq!(written.sha256, Digest::of(b"hello\n"));
    assert_eq!((written.offset, written.stat.size), (0, 6));
    assert_eq!(written.stat.kind, FileKind::Regular);
    assert_eq!(written.stat.mode, FileMode::new(0o640));
    assert_eq!(written.stat.owner, Owner { uid: meta.uid(), gid: meta.gid() });
    assert_eq!(names_in(&on_host(decoy, "/srv")), ["a.txt"], "no other trace is left");
}

pub async fn a_new_file_replaces_nothing(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    put(decoy, "/d/file", b"theirs");
    fs::create_dir(on_host(decoy, "/d/dir")).unwrap();
    symlink("nowhere", on_host(decoy, "/d/dangling")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, on_host(decoy, "/d/fifo"), rustix::fs::Mode::RWXU).unwrap();
    for (name, kind) in [
        ("file", FileKind::Regular),
        ("dir", FileKind::Directory),
        ("dangling", FileKind::Symlink),
        ("fifo", FileKind::Special),
    ] {
        let before = fs::symlink_metadata(on_host(decoy, "/d").join(name)).unwrap();
        match write_one(&*connector, new_file(format!("/d/{name}"), "ours")).await {
            Ok(WriteOutcome::Foreign(found)) => {
                let stat = found.stat.expect("something stands there");
                assert_eq!(stat.kind, kind, "{name}");
                let content = (kind == FileKind::Regular).then(|| Digest::of(b"theirs"));
                assert_eq!(found.sha256, content, "{name}");
                assert_eq!(&*found.head, if kind == FileKind::Regular { &b"theirs"[..] } else { b"" });
            }
            other => panic!("{name} is foreign, but: {other:?}"),
        }
        let after = fs::symlink_metadata(on_host(decoy, "/d").join(name)).unwrap();
        assert_eq!(
            (before.ino(), before.mtime_nsec(), before.ctime_nsec()),
            (after.ino(), after.mtime_nsec(), after.ctime_nsec())
        );
    }
    assert_eq!(names_in(&on_host(decoy, "/d")), ["dangling", "dir", "fifo", "file"]);
}

pub async fn a_new_file_gets_its_owner(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    let owner = Owner { uid: 12_345, gid: 23_456 };
    let mut file = new_file("/home/ann/notes/a", "x");
    file.owner = OwnerPolicy::Set(owner);
    file.mode = Some(FileMode::new(0o4750));
    let written = written(&*connector, file).await;
    let meta = |at| fs::metadata(on_host(decoy, at)).unwrap();
    assert_eq!(written.owner_set, connector.capabilities().ownership, "what cannot be set is reported");
    assert_eq!(meta("/home/ann/notes/a").mode() & 0o7777, 0o4750, "a change of owner takes no bit away");
    if connector.capabilities().ownership {
        for at in ["/home/ann", "/home/ann/notes", "/home/ann/notes/a"] {
            assert_eq!((meta(at).uid(), meta(at).gid()), (owner.uid, owner.gid), "{at}");
        }
        assert_eq!((meta("/home").uid(), meta("/home").gid()), (0, 0));
    }
}

pub async fn a_flushed_file_is_written_like_any_other(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    let durable = |file: FileWrite| FileWrite { durable: true, ..file };
    written(&*connector, durable(new_file("/x/a", "one"))).await;
    written(&*connector, durable(replacement("/x/a", b"one", "two"))).await;
    written(&*connector, durable(addition("/x/a", "three"))).await;
    assert_eq!(fs::read(on_host(decoy, "/x/a")).unwrap(), b"twothree");
    assert_eq!(names_in(&on_host(decoy, "/x")), ["a"]);
}

pub async fn a_mode_without_read_permission_is_confirmed_too(decoy: &dyn DecoyUnderTest) {
    let mut file = new_file("/a", "x");
    file.mode = Some(FileMode::new(0o200));
    let written = written(&*decoy.connector(), file).await;
    assert_eq!((written.sha256, written.stat.mode), (Digest::of(b"x"), FileMode::new(0o200)));
}

pub async fn missing_parents_are_made_as_their_place_calls_for(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    let written = written(&*connector, new_file("/home/ann/work/a", "x")).await;
    let made: Vec<_> = ["/home", "/home/ann", "/home/ann/work"].map(path).into();
    assert_eq!(written.made_parents, made, "outermost first");
    for (at, mode) in [("/home", 0o755), ("/home/ann", 0o700), ("/home/ann/work", 0o755)] {
        assert_eq!(fs::metadata(on_host(decoy, at)).unwrap().mode() & 0o7777, mode, "{at}");
        assert_eq!(names_in(&on_host(decoy, at)).len(), 1, "no other trace is left in {at}");
    }
    // In a directory that hands its group on, a new one does so too, as mkdir makes it.
    let group_dir = on_host(decoy, "/shared");
    fs::create_dir(&group_dir).unwrap();
    fs::set_permissions(&group_dir, fs::Permissions::from_mode(0o2775)).unwrap();
    crate::decoy_under_test::written(&*connector, new_file("/shared/sub/a", "x")).await;
    let (above, below) = (fs::metadata(&group_dir).unwrap(), fs::metadata(group_dir.join("sub")).unwrap());
    assert_eq!((below.gid(), below.mode() & 0o7777), (above.gid(), 0o2755));
}

pub async fn missing_parents_are_not_made_unasked(decoy: &dyn DecoyUnderTest) {
    let mut file = new_file("/no/such/a", "x");
    file.make_parents = false;
    let failure = write_one(&*decoy.connector(), file).await.unwrap_err();
    assert_eq!((failure.kind, failure.effect), (FailureKind::NotFound, Effect::NotApplied));
    assert_eq!(names_in(decoy.host_root()), [""; 0]);
}

pub async fn what_stands_in_the_way_of_a_parent_is_refused(decoy: &dyn DecoyUnderTest) {
    put(decoy, "/d/file", b"theirs");
    symlink("nowhere", on_host(decoy, "/d/dangling")).unwrap();
    for at in ["/d/file/a", "/d/file/b/a", "/d/dangling/a", "/d/dangling/b/a"] {
        let failure = write_one(&*decoy.connector(), new_file(at, "x")).await.unwrap_err();
        assert_eq!((failure.kind, failure.effect), (FailureKind::Denied, Effect::NotApplied), "{at}");
    }
    assert_eq!(names_in(&on_host(decoy, "/d")), ["dangling", "file"], "no other trace is left");
}

pub async fn a_name_may_have_any_bytes(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    let names: [&[u8]; 6] =
        [b"new\nline", b"\x1b[31mred", b"\xff\xfe", b"-rf", b" ", "ü — \u{202e}".as_bytes()];
    let long = [b'n'; 255];
    for name in names.into_iter().chain([&long[..]]) {
        let at = path([b"/x/".as_slice(), name].concat());
        let file = FileWrite { path: at.clone(), ..new_file("/x", "body") };
        written(&*connector, file).await;
        let range = verisim_core::ByteRange::first(verisim_core::ByteCount(10));
        assert_eq!(&answer(connector.read(&at, range)).await.unwrap()[..], b"body");
    }
    let listing = answer(connector.list(&path("/x"), 100)).await.unwrap();
    assert_eq!(listing.entries.len(), 7);
}

pub async fn a_replacement_keeps_mode_and_owner(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    let host = put(decoy, "/d/a", b"old");
    fs::set_permissions(&host, fs::Permissions::from_mode(0o4751)).unwrap();
    if connector.capabilities().ownership {
        std::os::unix::fs::chown(&host, Some(12_345), Some(23_456)).unwrap();
        fs::set_permissions(&host, fs::Permissions::from_mode(0o4751)).unwrap();
    }
    let before = fs::metadata(&host).unwrap();
    let done = written(&*connector, replacement("/d/a", b"old", "new")).await;
    let after = fs::metadata(&host).unwrap();
    assert_eq!(fs::read(&host).unwrap(), b"new");
    assert_eq!((after.mode(), after.uid(), after.gid()), (before.mode(), before.uid(), before.gid()));
    assert_eq!((done.sha256, done.owner_set), (Digest::of(b"new"), true));
    // Asked for, they change.
    let file = FileWrite { mode: Some(FileMode::new(0o600)), ..replacement("/d/a", b"new", "newer") };
    written(&*connector, file).await;
    assert_eq!(fs::metadata(&host).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(names_in(&on_host(decoy, "/d")), ["a"], "no other trace is left");
}

pub async fn a_replacement_takes_only_what_is_expected(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    let host = put(decoy, "/d/a", b"theirs");
    fs::create_dir(on_host(decoy, "/d/dir")).unwrap();
    symlink("a", on_host(decoy, "/d/link")).unwrap();
    let before = fs::metadata(&host).unwrap();
    for (name, found_there) in [("a", true), ("dir", true), ("link", true), ("none", false), ("no/a", false)]
    {
        match write_one(&*connector, replacement(format!("/d/{name}"), b"old", "new")).await {
            Ok(WriteOutcome::Foreign(found)) => {
                assert_eq!(found.stat.is_some(), found_there, "{name}");
                assert_eq!(found.sha256, (name == "a").then(|| Digest::of(b"theirs")), "{name}");
            }
            other => panic!("{name} is foreign, but: {other:?}"),
        }
    }
    // A link to a file with the right content is still not that file.
    let outcome = write_one(&*connector, replacement("/d/link", b"theirs", "new")).await;
    assert!(matches!(outcome, Ok(WriteOutcome::Foreign(_))), "{outcome:?}");
    let after = fs::metadata(&host).unwrap();
    assert_eq!((before.ino(), before.ctime_nsec()), (after.ino(), after.ctime_nsec()), "it was not touched");
    assert_eq!(names_in(&on_host(decoy, "/d")), ["a", "dir", "link"]);
}

pub async fn an_addition_stands_at_the_end_of_the_same_file(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    let host = put(decoy, "/var/log/a.log", b"one\n");
    let inode = fs::metadata(&host).unwrap().ino();
    let done = written(&*connector, addition("/var/log/a.log", "two\n")).await;
    assert_eq!(fs::read(&host).unwrap(), b"one\ntwo\n");
    assert_eq!((done.offset, done.sha256, done.stat.size), (4, Digest::of(b"two\n"), 8));
    assert_eq!(fs::metadata(&host).unwrap().ino(), inode);
}

pub async fn an_addition_finds_itself_among_those_of_others(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    let host = put(decoy, "/log", b"");
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let other = std::thread::spawn({
        let (host, stop) = (host.clone(), std::sync::Arc::clone(&stop));
        move || {
            let mut log = fs::OpenOptions::new().append(true).open(host).unwrap();
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                log.write_all(b"somebody else's line\n").unwrap();
                std::thread::sleep(std::time::Duration::from_micros(200));
            }
        }
    });
    let mut places = Vec::new();
    for number in 0..100 {
        let line = format!("our line {number}\n");
        let done = written(&*connector, addition("/log", line.clone())).await;
        places.push((done.offset, line));
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    other.join().unwrap();
    let whole = fs::read(&host).unwrap();
    for (offset, line) in places {
        let at = usize::try_from(offset).unwrap();
        assert_eq!(&whole[at..at + line.len()], line.as_bytes());
    }
    assert!(
        whole
            .split(|b| *b == b'\n')
            .all(|line| line.is_empty() || line == b"somebody else's line" || line.starts_with(b"our line "))
    );
}

pub async fn an_addition_takes_only_a_regular_file_with_one_name(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    let host = put(decoy, "/d/two-names", b"x");
    fs::hard_link(&host, on_host(decoy, "/d/other-name")).unwrap();
    symlink("one-name", on_host(decoy, "/d/link")).unwrap();
    put(decoy, "/d/one-name", b"x");
    for name in ["two-names", "link", "none", "no/log"] {
        let outcome = write_one(&*connector, addition(format!("/d/{name}"), "y")).await;
        assert!(matches!(outcome, Ok(WriteOutcome::Foreign(_))), "{name}: {outcome:?}");
    }
    assert_eq!(fs::read(&host).unwrap(), b"x");
    assert_eq!(fs::read(on_host(decoy, "/d/one-name")).unwrap(), b"x");
    assert_eq!(names_in(&on_host(decoy, "/d")).len(), 4, "nothing was made");
}

pub async fn a_batch_is_written_in_order_and_each_file_by_itself(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    put(decoy, "/b/taken", b"theirs");
    put(decoy, "/b/file", b"theirs");
    let mut batch: Vec<FileWrite> = (0..300).map(|n| new_file(format!("/b/f{n}"), format!("{n}"))).collect();
    batch.insert(5, new_file("/b/taken", "ours"));
    batch.insert(6, new_file("/b/file/below", "never"));
    batch.push(addition("/b/f7", "+"));
    batch.push(addition("/b/f7", "+"));
    batch.push(FileWrite { how: WriteMode::Append, ..new_file("/b/file/below", "never") });
    let outcomes = answer(connector.write(&batch)).await;
    assert_eq!(outcomes.len(), batch.len());
    for (file, outcome) in batch.iter().zip(&outcomes) {
        match file.path.file_name() {
            Some(b"taken") => assert!(matches!(outcome, Ok(WriteOutcome::Foreign(_)))),
            Some(b"below") => assert!(matches!(outcome, Err(_) | Ok(WriteOutcome::Foreign(_)))),
            _ => match outcome {
                Ok(WriteOutcome::Written(written)) => assert_eq!(written.sha256, Digest::of(&file.body)),
                other => panic!("{}: {other:?}", file.path),
            },
        }
    }
    assert_eq!(fs::read(on_host(decoy, "/b/f7")).unwrap(), b"7++");
    assert_eq!(names_in(&on_host(decoy, "/b")).len(), 302);
    assert!(answer(connector.write(&[])).await.is_empty());
}

pub async fn a_file_that_is_too_large_is_refused(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    let limit = usize::try_from(connector.capabilities().file_bytes_max.0).unwrap();
    let failure = write_one(&*connector, new_file("/a", vec![0; limit + 1])).await.unwrap_err();
    assert_eq!((failure.kind, failure.effect), (FailureKind::Config, Effect::NotApplied));
    assert_eq!(names_in(decoy.host_root()), [""; 0]);
}

/// The content is read back: a body that repeats itself, is empty, or is larger than any buffer is not mistaken.
pub async fn inv_5_what_is_reported_was_read_back(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    for (name, body) in [("empty", vec![]), ("zeros", vec![0; 200_000]), ("large", large)] {
        let done = written(&*connector, new_file(format!("/r/{name}"), body.clone())).await;
        let there = fs::read(on_host(decoy, "/r").join(name)).unwrap();
        assert_eq!(there, body);
        assert_eq!((done.sha256, done.stat.size), (Digest::of(&there), there.len() as u64));
        let again = written(&*connector, replacement(format!("/r/{name}"), &body, "short")).await;
        assert_eq!((again.sha256, again.stat.size), (Digest::of(b"short"), 5));
    }
}
