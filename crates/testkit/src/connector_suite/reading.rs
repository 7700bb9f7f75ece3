//! Reading and looking.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};

use verisim_core::{ByteCount, ByteRange, Digest, Effect, FailureKind, FileKind, StatRequest};

use crate::decoy_under_test::{DecoyUnderTest, answer, on_host, path, put};

pub async fn a_range_is_read_and_no_more(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    put(decoy, "/a", b"0123456789");
    for (offset, length, expected) in
        [(0, 4, "0123"), (3, 4, "3456"), (8, 100, "89"), (10, 1, ""), (u64::MAX, 5, ""), (2, 0, "")]
    {
        let range = ByteRange { offset, length: ByteCount(length) };
        let read = answer(connector.read(&path("/a"), range)).await.unwrap();
        assert_eq!(&read[..], expected.as_bytes(), "{offset} {length}");
    }
    let whole = ByteRange { offset: 0, length: ByteCount(u64::MAX) };
    assert_eq!(&answer(connector.read(&path("/a"), whole)).await.unwrap()[..], b"0123456789");
}

pub async fn what_is_no_file_is_not_read(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    put(decoy, "/d/a", b"x");
    symlink("a", on_host(decoy, "/d/link")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, on_host(decoy, "/d/fifo"), rustix::fs::Mode::RWXU).unwrap();
    for (at, kind) in [
        ("/d/none", FailureKind::NotFound),
        ("/d/none/a", FailureKind::NotFound),
        ("/d/a/below", FailureKind::NotFound),
        ("/d", FailureKind::Denied),
        ("/", FailureKind::Denied),
        ("/d/link", FailureKind::Denied),
        ("/d/fifo", FailureKind::Denied),
    ] {
        let failure = answer(connector.read(&path(at), ByteRange::first(ByteCount(9)))).await.unwrap_err();
        assert_eq!((failure.kind, failure.effect), (kind, Effect::NotApplied), "{at}");
    }
}

pub async fn a_stat_does_not_follow_and_hashes_on_request(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    let host = put(decoy, "/d/a", b"content");
    symlink("a", on_host(decoy, "/d/link")).unwrap();
    let stat = |at: &'static str, request| {
        let connector = std::sync::Arc::clone(&connector);
        async move { answer(connector.stat(&path(at), request)).await.unwrap() }
    };
    for nothing in ["/none", "/none/a", "/d/a/below"] {
        assert_eq!(stat(nothing, StatRequest::Plain).await, None, "{nothing}");
    }
    let found = stat("/d/a", StatRequest::Plain).await.unwrap();
    let meta = fs::metadata(&host).unwrap();
    assert_eq!((found.kind, found.size, found.sha256), (FileKind::Regular, 7, None));
    assert_eq!(found.mode.bits(), meta.mode() & 0o7777);
    assert_eq!(found.inode.unwrap_or(meta.ino()), meta.ino());
    assert_eq!(found.links.unwrap_or(1), 1);
    assert_eq!(found.mtime.as_second(), meta.mtime());
    if let Some(ctime) = found.ctime {
        assert_eq!(
            (ctime.as_second(), i64::from(ctime.subsec_nanosecond())),
            (meta.ctime(), meta.ctime_nsec())
        );
    }
    // What cannot be had is not made up; what is said is what the file system says.
    if let Some(btime) = found.btime {
        assert_eq!(std::time::SystemTime::from(btime), meta.created().unwrap());
    }
    let hashed = stat("/d/a", StatRequest::Hash(ByteCount(7))).await.unwrap();
    assert_eq!(hashed.sha256, Some(Digest::of(b"content")));
    let bounded = stat("/d/a", StatRequest::Hash(ByteCount(6))).await.unwrap();
    assert_eq!(bounded.sha256, None, "what is longer than the bound is not hashed");
    assert_eq!(stat("/d/link", StatRequest::Hash(ByteCount(99))).await.unwrap().kind, FileKind::Symlink);
    assert_eq!(stat("/d", StatRequest::Hash(ByteCount(99))).await.unwrap().kind, FileKind::Directory);
    assert_eq!(stat("/", StatRequest::Plain).await.unwrap().kind, FileKind::Directory);
}

pub async fn reading_leaves_the_access_time(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    if !connector.capabilities().quiet_reads {
        return;
    }
    let host = put(decoy, "/a", b"x");
    // So old that any read which counts would move it, also where access times are only kept roughly.
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
    fs::File::options()
        .write(true)
        .open(&host)
        .and_then(|file| file.set_times(fs::FileTimes::new().set_accessed(old)))
        .unwrap();
    answer(connector.read(&path("/a"), ByteRange::first(ByteCount(9)))).await.unwrap();
    answer(connector.stat(&path("/a"), StatRequest::Hash(ByteCount(9)))).await.unwrap();
    assert_eq!(fs::metadata(&host).unwrap().accessed().unwrap(), old);
}
