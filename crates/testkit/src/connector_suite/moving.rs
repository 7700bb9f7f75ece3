//! Moving and removing.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};

use verisim_core::{Digest, Effect, FailureKind, Move, MoveOutcome, Removal, RemoveOutcome};

use crate::decoy_under_test::{DecoyUnderTest, answer, names_in, on_host, path, put, staging};

fn movement(from: &str, to: &str, content: &[u8]) -> Move {
    Move { from: path(from), to: path(to), expected: Digest::of(content) }
}

fn removal(at: &str, content: &[u8]) -> Removal {
    Removal { path: path(at), expected: Digest::of(content), staging: staging(1) }
}

pub async fn a_file_moves_if_it_is_the_expected_one(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    let host = put(decoy, "/d/a", b"x");
    fs::create_dir(on_host(decoy, "/e")).unwrap();
    let inode = fs::metadata(&host).unwrap().ino();
    match answer(connector.rename(&movement("/d/a", "/e/b", b"x"))).await.unwrap() {
        MoveOutcome::Moved(stat) => assert_eq!(stat.sha256, Some(Digest::of(b"x"))),
        other => panic!("it should have moved: {other:?}"),
    }
    assert_eq!(fs::metadata(on_host(decoy, "/e/b")).unwrap().ino(), inode);
    assert_eq!(names_in(&on_host(decoy, "/d")), [""; 0]);
    // Another content, nothing, and what is no regular file are foreign.
    symlink("b", on_host(decoy, "/e/link")).unwrap();
    for (from, content) in [("/e/b", &b"other"[..]), ("/e/none", b"x"), ("/e/link", b"x"), ("/d", b"x")] {
        let outcome = answer(connector.rename(&movement(from, "/e/new", content))).await;
        assert!(matches!(outcome, Ok(MoveOutcome::Foreign(_))), "{from}: {outcome:?}");
    }
    let failure = answer(connector.rename(&movement("/e/b", "/no/b", b"x"))).await.unwrap_err();
    assert_eq!((failure.kind, failure.effect), (FailureKind::Config, Effect::NotApplied));
    assert_eq!(names_in(&on_host(decoy, "/e")), ["b", "link"]);
}

pub async fn nothing_is_moved_over(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    put(decoy, "/a", b"x");
    put(decoy, "/b", b"theirs");
    match answer(connector.rename(&movement("/a", "/b", b"x"))).await.unwrap() {
        MoveOutcome::Occupied(found) => assert_eq!(found.sha256, Some(Digest::of(b"theirs"))),
        other => panic!("the new name is taken: {other:?}"),
    }
    assert_eq!(fs::read(on_host(decoy, "/a")).unwrap(), b"x");
    assert_eq!(fs::read(on_host(decoy, "/b")).unwrap(), b"theirs");
}

pub async fn a_file_goes_if_it_is_the_expected_one(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    put(decoy, "/d/a", b"x");
    let host = put(decoy, "/d/b", b"theirs");
    fs::create_dir(on_host(decoy, "/d/dir")).unwrap();
    symlink("a", on_host(decoy, "/d/link")).unwrap();
    let before = fs::metadata(&host).unwrap();
    for at in ["/d/b", "/d/dir", "/d/link"] {
        let outcome = answer(connector.remove(&removal(at, b"x"))).await;
        assert!(matches!(outcome, Ok(RemoveOutcome::Foreign(_))), "{at}: {outcome:?}");
    }
    let after = fs::metadata(&host).unwrap();
    assert_eq!((before.ino(), before.ctime_nsec()), (after.ino(), after.ctime_nsec()), "it was not touched");
    let gone = |by_us| RemoveOutcome::Gone { by_us };
    assert_eq!(answer(connector.remove(&removal("/d/a", b"x"))).await.unwrap(), gone(true));
    for at in ["/d/a", "/none/a", "/d/b/below"] {
        assert_eq!(answer(connector.remove(&removal(at, b"x"))).await.unwrap(), gone(false), "{at}");
    }
    assert_eq!(names_in(&on_host(decoy, "/d")), ["b", "dir", "link"]);
}
