//! What a killed process left.

use std::fs;
use std::path::PathBuf;

use verisim_core::{Digest, RemoveOutcome, WriteOutcome};

use crate::decoy_under_test::{
    DecoyUnderTest, answer, names_in, new_file, on_host, path, put, replacement, staging, write_one, written,
};

fn staged(decoy: &dyn DecoyUnderTest, dir: &str) -> PathBuf {
    let name = String::from_utf8(staging(1).file_name()).unwrap();
    on_host(decoy, dir).join(name)
}

pub async fn a_leftover_of_ours_is_removed(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    put(decoy, "/d/a", b"old");
    let ours = [Digest::of(b"old"), Digest::of(b"new")];
    let at = path("/d/a");
    let settle = || answer(connector.settle(&at, staging(1), &ours));
    assert_eq!(settle().await.unwrap(), None, "nothing is left over");
    for leftover in [&b"new"[..], b"old"] {
        fs::write(staged(decoy, "/d"), leftover).unwrap();
        assert_eq!(settle().await.unwrap(), None);
        assert_eq!(names_in(&on_host(decoy, "/d")), ["a"]);
    }
    let absent = answer(connector.settle(&path("/none/a"), staging(1), &ours)).await.unwrap();
    assert_eq!(absent, None);
    // A write and a removal that meet one deal with it first.
    fs::write(staged(decoy, "/d"), b"new").unwrap();
    written(&*connector, replacement("/d/a", b"old", "new")).await;
    fs::write(staged(decoy, "/d"), b"new").unwrap();
    let removal =
        verisim_core::Removal { path: path("/d/a"), expected: Digest::of(b"new"), staging: staging(1) };
    assert_eq!(answer(connector.remove(&removal)).await.unwrap(), RemoveOutcome::Gone { by_us: true });
    assert_eq!(names_in(&on_host(decoy, "/d")), [""; 0]);
}

/// Killed between the exchange and the look at what was displaced, which was foreign.
pub async fn a_displaced_foreign_file_is_put_back(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    let ours = [Digest::of(b"old"), Digest::of(b"new")];
    let host = put(decoy, "/d/a", b"new");
    fs::write(staged(decoy, "/d"), b"theirs").unwrap();
    let found = answer(connector.settle(&path("/d/a"), staging(1), &ours)).await.unwrap().unwrap();
    assert_eq!((found.sha256, &found.head[..]), (Some(Digest::of(b"theirs")), &b"theirs"[..]));
    assert_eq!(fs::read(&host).unwrap(), b"theirs");
    assert_eq!(names_in(&on_host(decoy, "/d")), ["a"]);
    // Where the name is free, it is taken.
    fs::rename(&host, staged(decoy, "/d")).unwrap();
    let found = answer(connector.settle(&path("/d/a"), staging(1), &ours)).await.unwrap().unwrap();
    assert_eq!(found.sha256, Some(Digest::of(b"theirs")));
    assert_eq!(fs::read(&host).unwrap(), b"theirs");
    // A replacement that meets one puts it back too, and says what it found.
    fs::rename(&host, staged(decoy, "/d")).unwrap();
    fs::write(&host, b"old").unwrap();
    let outcome = write_one(&*connector, replacement("/d/a", b"old", "new")).await;
    assert!(matches!(outcome, Ok(WriteOutcome::Foreign(_))), "{outcome:?}");
    assert_eq!(fs::read(&host).unwrap(), b"theirs");
    assert_eq!(names_in(&on_host(decoy, "/d")), ["a"]);
}

pub async fn of_two_foreign_versions_none_is_lost(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    let host = put(decoy, "/d/a", b"later");
    fs::write(staged(decoy, "/d"), b"earlier").unwrap();
    let found = answer(connector.settle(&path("/d/a"), staging(1), &[Digest::of(b"ours")])).await.unwrap();
    assert_eq!(found.unwrap().sha256, Some(Digest::of(b"later")));
    assert_eq!(fs::read(&host).unwrap(), b"later");
    assert_eq!(fs::read(on_host(decoy, "/d/a~")).unwrap(), b"earlier");
    assert_eq!(names_in(&on_host(decoy, "/d")), ["a", "a~"]);
}

/// What stands under the partial name is torn, whatever it holds, and is ours; a directory there was on its way to become a
/// parent.
pub async fn what_is_torn_is_discarded(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    put(decoy, "/d/a", b"old");
    let partial = String::from_utf8(staging(1).partial_name()).unwrap();
    fs::write(on_host(decoy, "/d").join(&partial), b"ne").unwrap();
    fs::create_dir(decoy.host_root().join(&partial)).unwrap();
    let settled = answer(connector.settle(&path("/d/a"), staging(1), &[Digest::of(b"new")])).await.unwrap();
    assert_eq!(settled, None);
    assert_eq!(
        (names_in(&on_host(decoy, "/d")), names_in(decoy.host_root())),
        (vec!["a".into()], vec!["d".into()])
    );
    // A write that meets a torn parent makes it anew.
    fs::create_dir(decoy.host_root().join(&partial)).unwrap();
    written(&*connector, new_file("/e/a", "x")).await;
    assert_eq!(names_in(decoy.host_root()), ["d", "e"]);
}
