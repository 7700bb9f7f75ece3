//! What the suite leaves out of the portable way, and what only it has to withstand.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};

use verisim_connect::Reach;
use verisim_core::{
    ByteCount, ByteRange, Connector, Digest, Effect, FailureKind, FileTimes, FileWrite, StatRequest,
    Timestamp, WriteOutcome,
};
use verisim_testkit::RealEngine;
use verisim_testkit::decoy_under_test::{answer, day, new_file, path, replacement, write_one, written};

use crate::decoys::connector;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn archives_do_what_they_can_and_refuse_the_rest() {
    let Some(engine) = RealEngine::start() else { return };
    let container = engine.container("decoy", &["--tmpfs", "/scratch"]);
    let connector = connector(&engine, "decoy", Reach::Portable);
    let root = container.root();
    times(&connector, &root).await;
    names(&connector).await;
    refusals(&connector, &root).await;
    batch(&connector, &root).await;
    endless(&connector, &root).await;
    let facts = answer(connector.probe()).await.unwrap();
    assert_eq!(facts.hostname.as_deref(), Some(&engine.docker(&["ps", "-q"])[..]));
    assert!(facts.writable);
}

async fn times(connector: &dyn Connector, root: &std::path::Path) {
    let past = |mtime, atime| FileTimes::Past { mtime, atime };
    let file = FileWrite { times: past(day(3), day(4)), ..new_file("/t/x/a", "one") };
    let done = written(connector, file).await;
    let mtime = |at: &str| {
        let meta = fs::metadata(root.join(at)).unwrap();
        Timestamp::new(meta.mtime(), i32::try_from(meta.mtime_nsec()).unwrap()).unwrap()
    };
    assert_eq!((done.stat.mtime, mtime("t/x/a"), mtime("t/x"), mtime("t")), (day(3), day(3), day(3), day(3)));
    let again = FileWrite { times: past(day(5), day(6)), ..replacement("/t/x/a", b"one", "two") };
    assert_eq!(written(connector, again).await.stat.mtime, day(5));
    assert_eq!((mtime("t/x/a"), mtime("t/x"), mtime("t")), (day(5), day(5), day(3)));
    let stat = answer(connector.stat(&path("/t/x/a"), StatRequest::Plain)).await.unwrap().unwrap();
    assert_eq!(stat.mtime, day(5), "also when it is asked for");
}

/// A file of a tebibyte costs its maker nothing, and must cost us little.
async fn endless(connector: &dyn Connector, root: &std::path::Path) {
    fs::File::create(root.join("sparse")).unwrap().set_len(1 << 40).unwrap();
    let at = path("/sparse");
    let stat = answer(connector.stat(&at, StatRequest::Hash(ByteCount(u64::MAX)))).await.unwrap().unwrap();
    assert_eq!((stat.size, stat.sha256), (1 << 40, None), "it is not hashed");
    let far = ByteRange { offset: (1 << 40) - 2, length: ByteCount(2) };
    assert_eq!(answer(connector.read(&at, far)).await.unwrap_err().kind, FailureKind::Unsupported);
    let read = answer(connector.read(&at, ByteRange::first(ByteCount(u64::MAX)))).await.unwrap();
    assert!(read.len() as u64 <= connector.capabilities().file_bytes_max.0, "{} bytes came", read.len());
    for file in [replacement("/sparse", b"old", "new"), new_file("/sparse", "x")] {
        match write_one(connector, file).await {
            Ok(WriteOutcome::Foreign(found)) => {
                assert_eq!((found.sha256, found.head.len()), (None, 64 * 1024), "evidence is bounded");
            }
            other => panic!("it is foreign: {other:?}"),
        }
    }
    assert_eq!(fs::metadata(root.join("sparse")).unwrap().len(), 1 << 40);
    fs::remove_file(root.join("sparse")).unwrap();
}

async fn names(connector: &dyn Connector) {
    let long = [b'n'; 255];
    let names: [&[u8]; 7] =
        [b"new\nline", b"\x1b[31mred", b"\xff\xfe%", b"-rf", b" ", "ü\u{f7ff}\u{202e}".as_bytes(), &long];
    for name in names {
        let at = path([b"/names/".as_slice(), name].concat());
        let file = FileWrite { path: at.clone(), ..new_file("/x", "body") };
        written(connector, file).await;
        let range = ByteRange::first(ByteCount(10));
        assert_eq!(&answer(connector.read(&at, range)).await.unwrap()[..], b"body", "{at}");
        let hash = StatRequest::Hash(ByteCount(10));
        let stat = answer(connector.stat(&at, hash)).await.unwrap().unwrap();
        assert_eq!(stat.sha256, Some(Digest::of(b"body")));
    }
}

async fn refusals(connector: &dyn Connector, root: &std::path::Path) {
    let mut file = new_file("/no/such/a", "x");
    file.make_parents = false;
    let refused = |kind| (kind, Effect::NotApplied);
    let failure = write_one(connector, file).await.unwrap_err();
    assert_eq!((failure.kind, failure.effect), refused(FailureKind::NotFound));
    assert!(!root.join("no").exists());
    let limit = usize::try_from(connector.capabilities().file_bytes_max.0).unwrap();
    let failure = write_one(connector, new_file("/large", vec![0; limit + 1])).await.unwrap_err();
    assert_eq!((failure.kind, failure.effect), refused(FailureKind::Config));
    // Where something is mounted that the engine does not see, a file would be written underneath.
    symlink("/scratch", root.join("aside")).unwrap();
    for at in ["/proc/a", "/dev/a", "/dev/shm/a", "/sys/a", "/scratch/a", "/scratch/b/c", "/aside/a"] {
        let failure = write_one(connector, new_file(at, "x")).await.unwrap_err();
        assert_eq!((failure.kind, failure.effect), refused(FailureKind::Denied), "{at}");
        let failure = answer(connector.read(&path(at), ByteRange::first(ByteCount(9)))).await.unwrap_err();
        assert_eq!((failure.kind, failure.effect), refused(FailureKind::Denied), "{at}");
    }
    // A terabyte without a block: neither hashed nor received as a whole.
    fs::File::create(root.join("sparse")).unwrap().set_len(1 << 40).unwrap();
    let at = path("/sparse");
    let stat = answer(connector.stat(&at, StatRequest::Hash(ByteCount(u64::MAX)))).await.unwrap().unwrap();
    assert_eq!((stat.size, stat.sha256), (1 << 40, None));
    let far = ByteRange { offset: (1 << 40) - 2, length: ByteCount(9) };
    let failure = answer(connector.read(&at, far)).await.unwrap_err();
    assert_eq!((failure.kind, failure.effect), refused(FailureKind::Unsupported));
    assert_eq!(answer(connector.read(&at, ByteRange::first(ByteCount(3)))).await.unwrap().len(), 3);
    match write_one(connector, new_file("/sparse", "x")).await {
        Ok(WriteOutcome::Foreign(found)) => assert_eq!((found.sha256, found.head.len()), (None, 64 * 1024)),
        other => panic!("it is foreign: {other:?}"),
    }
    fs::remove_file(root.join("sparse")).unwrap();
}

async fn batch(connector: &dyn Connector, root: &std::path::Path) {
    fs::create_dir(root.join("b")).unwrap();
    fs::write(root.join("b/taken"), b"theirs").unwrap();
    fs::write(root.join("b/huge"), vec![7; 20_000_000]).unwrap();
    let mut files: Vec<FileWrite> = (0..300).map(|n| new_file(format!("/b/f{n}"), format!("{n}"))).collect();
    files.insert(5, new_file("/b/taken", "ours"));
    files.insert(6, new_file("/b/taken/below", "never"));
    files.push(new_file("/b/f7", "second"));
    files.push(replacement("/b/f8", b"8", "eight"));
    files.push(FileWrite { how: verisim_core::WriteMode::Append, ..new_file("/b/f9", "never") });
    let outcomes = answer(connector.write(&files)).await;
    assert_eq!(outcomes.len(), files.len());
    for (at, (file, outcome)) in files.iter().zip(&outcomes).enumerate() {
        match (file.path.as_bytes(), at) {
            (b"/b/taken", _) | (b"/b/f7", 302..) => {
                assert!(matches!(outcome, Ok(WriteOutcome::Foreign(_))), "{} {outcome:?}", file.path);
            }
            (b"/b/taken/below", _) => {
                assert!(matches!(outcome, Err(failure) if failure.kind == FailureKind::Denied));
            }
            (b"/b/f9", 302..) => {
                assert!(matches!(outcome, Err(failure) if failure.kind == FailureKind::Unsupported));
            }
            _ => match outcome {
                Ok(WriteOutcome::Written(written)) => assert_eq!(written.sha256, Digest::of(&file.body)),
                other => panic!("{}: {other:?}", file.path),
            },
        }
    }
    assert_eq!(fs::read(root.join("b/f8")).unwrap(), b"eight");
    assert_eq!(fs::read(root.join("b/f7")).unwrap(), b"7");
    assert_eq!(fs::read(root.join("b/taken")).unwrap(), b"theirs");
    assert!(answer(connector.write(&[])).await.is_empty());
}
