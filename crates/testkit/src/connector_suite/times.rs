//! What bears which time.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use std::os::unix::fs::symlink;

use verisim_core::{
    Capabilities, FailureKind, FileKind, FileTimes, FileWrite, StatRequest, TimesChange, TimesOutcome,
    Timestamp,
};

use crate::decoy_under_test::{
    DecoyUnderTest, addition, answer, day, new_file, on_host, path, put, replacement, written,
};

fn past(file: FileWrite, mtime: Timestamp, atime: Timestamp) -> FileWrite {
    FileWrite { times: FileTimes::Past { mtime, atime }, ..file }
}

fn mtime(at: &Path) -> Timestamp {
    let meta = fs::symlink_metadata(at).unwrap();
    Timestamp::new(meta.mtime(), i32::try_from(meta.mtime_nsec()).unwrap()).unwrap()
}

fn atime(at: &Path) -> Timestamp {
    let meta = fs::symlink_metadata(at).unwrap();
    Timestamp::new(meta.atime(), i32::try_from(meta.atime_nsec()).unwrap()).unwrap()
}

pub async fn past_times_are_set_to_the_nanosecond(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    if !connector.capabilities().mtime_ns {
        return;
    }
    let done = written(&*connector, past(new_file("/x/a", "one"), day(3), day(4))).await;
    let host = on_host(decoy, "/x/a");
    assert_eq!((mtime(&host), atime(&host)), (day(3), day(4)), "also after it was read back");
    assert_eq!((done.stat.mtime, done.stat.atime), (day(3), day(4)));
    let done = written(&*connector, past(replacement("/x/a", b"one", "two"), day(5), day(6))).await;
    assert_eq!((mtime(&host), atime(&host)), (day(5), day(6)));
    assert_eq!(done.stat.mtime, day(5));
    written(&*connector, past(addition("/x/a", "three"), day(7), day(8))).await;
    assert_eq!((mtime(&host), atime(&host)), (day(7), day(8)));
    // Before the epoch the nanoseconds still count upwards.
    let ancient = Timestamp::new(-1_000, -1).unwrap();
    written(&*connector, past(new_file("/x/b", "x"), ancient, ancient)).await;
    assert_eq!(mtime(&on_host(decoy, "/x/b")), ancient);
}

/// A directory that was made for a past entry, and one that was older, bear the time at which the entry was made.
pub async fn past_parents_bear_the_time_of_their_entry(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    if !connector.capabilities().mtime_ns {
        return;
    }
    written(&*connector, past(new_file("/srv/a/b/one", "x"), day(10), day(11))).await;
    for at in ["/srv", "/srv/a", "/srv/a/b"] {
        assert_eq!(mtime(&on_host(decoy, at)), day(10), "{at}");
        assert!(atime(&on_host(decoy, at)) >= day(10), "{at} was not read before it was made");
    }
    // A later entry moves the directory that gains it, and that one alone.
    written(&*connector, past(new_file("/srv/a/b/two", "x"), day(12), day(12))).await;
    written(&*connector, past(new_file("/srv/a/c/one", "x"), day(14), day(14))).await;
    assert_eq!(mtime(&on_host(decoy, "/srv/a/b")), day(12));
    assert_eq!(mtime(&on_host(decoy, "/srv/a/c")), day(14));
    assert_eq!(mtime(&on_host(decoy, "/srv/a")), day(14));
    assert_eq!(mtime(&on_host(decoy, "/srv")), day(10));
    // An edit that saves by renaming is an entry too.
    written(&*connector, past(replacement("/srv/a/b/two", b"x", "y"), day(16), day(16))).await;
    assert_eq!(mtime(&on_host(decoy, "/srv/a/b")), day(16));
}

pub async fn a_directory_with_a_later_time_keeps_it(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    if !connector.capabilities().mtime_ns {
        return;
    }
    written(&*connector, past(new_file("/srv/a/late", "x"), day(20), day(20))).await;
    written(&*connector, past(new_file("/srv/a/early", "x"), day(5), day(5))).await;
    written(&*connector, past(new_file("/srv/a/sub/early", "x"), day(6), day(6))).await;
    written(&*connector, past(replacement("/srv/a/early", b"x", "y"), day(7), day(7))).await;
    assert_eq!(mtime(&on_host(decoy, "/srv/a")), day(20));
    assert_eq!(mtime(&on_host(decoy, "/srv/a/sub")), day(6));
}

pub async fn a_live_file_has_the_time_of_its_writing(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    // The kernel stamps files with a clock that lags a few milliseconds behind.
    let slack = Duration::from_millis(200);
    #[expect(clippy::disallowed_methods, reason = "what is checked is what the machine's clock stamped")]
    let before = SystemTime::now() - slack;
    written(&*connector, new_file("/srv/a/one", "x")).await;
    for at in ["/srv", "/srv/a", "/srv/a/one"] {
        let meta = fs::metadata(on_host(decoy, at)).unwrap();
        assert!(meta.modified().unwrap() >= before, "{at}");
    }
    let first = mtime(&on_host(decoy, "/srv/a"));
    std::thread::sleep(Duration::from_millis(20));
    written(&*connector, replacement("/srv/a/one", b"x", "y")).await;
    assert!(mtime(&on_host(decoy, "/srv/a")) > first, "saving by renaming touches the directory");
    assert!(mtime(&on_host(decoy, "/srv/a/one")) > first);
}

fn change(at: &str, kind: FileKind, atime: Timestamp, mtime: Timestamp) -> TimesChange {
    TimesChange { path: path(at), kind, atime, mtime }
}

/// What a connector that cannot set nanoseconds makes of a time.
fn as_set(can: Capabilities, time: Timestamp) -> Timestamp {
    if can.mtime_ns { time } else { Timestamp::from_second(time.as_second()).unwrap() }
}

/// Also of the root itself, and asked for twice.
pub async fn a_directory_that_is_there_gets_other_times(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    let can = connector.capabilities();
    if !can.directory_times {
        return;
    }
    put(decoy, "/d/sub/a", b"x");
    let mode = fs::metadata(on_host(decoy, "/d")).unwrap().mode();
    for _ in 0..2 {
        // Who cannot set those of files cannot hold the root still either.
        let asked = if can.file_times { &["/d/sub", "/d", "/"][..] } else { &["/d/sub", "/d"] };
        let changes: Vec<TimesChange> =
            asked.iter().map(|at| change(at, FileKind::Directory, day(4), day(3))).collect();
        for (asked, outcome) in changes.iter().zip(answer(connector.set_times(&changes)).await) {
            let Ok(TimesOutcome::Set(stat)) = outcome else { panic!("{}: {outcome:?}", asked.path) };
            assert_eq!(stat.kind, FileKind::Directory);
            assert_eq!(stat.mtime, as_set(can, day(3)), "{}", asked.path);
            let host = on_host(decoy, std::str::from_utf8(asked.path.as_bytes()).unwrap());
            assert_eq!((mtime(&host), atime(&host)), (as_set(can, day(3)), as_set(can, day(4))));
        }
    }
    assert_eq!(fs::metadata(on_host(decoy, "/d")).unwrap().mode(), mode, "nothing else changes");
    assert_eq!(fs::read(on_host(decoy, "/d/sub/a")).unwrap(), b"x");
    if can.mtime_ns {
        let found = answer(connector.stat(&path("/d"), StatRequest::Times)).await.unwrap().unwrap();
        assert_eq!(found.mtime, day(3), "a stat for times tells nanoseconds");
    }
}

pub async fn a_file_that_is_there_gets_other_times(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    let can = connector.capabilities();
    if !can.file_times {
        return;
    }
    let host = put(decoy, "/d/a", b"one");
    let inode = fs::metadata(&host).unwrap().ino();
    let outcome = answer(connector.set_times(&[change("/d/a", FileKind::Regular, day(8), day(7))])).await;
    assert!(matches!(&outcome[..], [Ok(TimesOutcome::Set(_))]), "{outcome:?}");
    assert_eq!((mtime(&host), atime(&host)), (as_set(can, day(7)), as_set(can, day(8))));
    assert_eq!((fs::metadata(&host).unwrap().ino(), fs::read(&host).unwrap()), (inode, b"one".to_vec()));
}

/// A link, a FIFO, nothing, and what is of another kind than was meant: each stays as it is, and so does what a link leads to.
pub async fn what_is_not_meant_keeps_its_times(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    let can = connector.capabilities();
    if !can.directory_times {
        return;
    }
    let (file, outside) = (put(decoy, "/d/a", b"one"), decoy.outside().join("dir"));
    fs::create_dir_all(&outside).unwrap();
    symlink(&outside, on_host(decoy, "/d/out")).unwrap();
    symlink("a", on_host(decoy, "/d/link")).unwrap();
    let before = [mtime(&file), mtime(&outside), mtime(&on_host(decoy, "/d"))];
    let mut asked = vec![
        change("/d/out", FileKind::Directory, day(1), day(1)),
        change("/d/a", FileKind::Directory, day(1), day(1)),
        change("/d/none", FileKind::Directory, day(1), day(1)),
    ];
    if can.file_times {
        asked.push(change("/d/link", FileKind::Regular, day(1), day(1)));
        asked.push(change("/d", FileKind::Regular, day(1), day(1)));
        asked.push(change("/", FileKind::Regular, day(1), day(1)));
    }
    for (asked, outcome) in asked.iter().zip(answer(connector.set_times(&asked)).await) {
        assert!(matches!(outcome, Ok(TimesOutcome::Foreign(_))), "{}: {outcome:?}", asked.path);
    }
    assert_eq!(before, [mtime(&file), mtime(&outside), mtime(&on_host(decoy, "/d"))]);
}

pub async fn only_an_empty_directory_goes(decoy: &dyn DecoyUnderTest) {
    use verisim_core::DirectoryOutcome::{Foreign, Gone, NotEmpty};
    let connector = decoy.connector();
    if !connector.capabilities().remove {
        return;
    }
    put(decoy, "/d/sub/a", b"x");
    fs::create_dir(on_host(decoy, "/d/empty")).unwrap();
    symlink("empty", on_host(decoy, "/d/link")).unwrap();
    for (at, expected) in [
        ("/d/link", Foreign),
        ("/d/sub/a", Foreign),
        ("/d/sub", NotEmpty),
        ("/d/empty", Gone { by_us: true }),
        ("/d/empty", Gone { by_us: false }),
        ("/none/at/all", Gone { by_us: false }),
    ] {
        assert_eq!(answer(connector.remove_directory(&path(at))).await.unwrap(), expected, "{at}");
    }
    assert_eq!(answer(connector.remove_directory(&path("/"))).await.unwrap_err().kind, FailureKind::Denied);
    assert!(on_host(decoy, "/d/sub/a").exists() && !on_host(decoy, "/d/empty").exists());
}
