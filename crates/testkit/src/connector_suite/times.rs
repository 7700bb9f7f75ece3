//! What bears which time.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use verisim_core::{FileTimes, FileWrite, Timestamp};

use crate::decoy_under_test::{DecoyUnderTest, addition, day, new_file, on_host, replacement, written};

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
