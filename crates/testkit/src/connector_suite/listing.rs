//! Listing.

use std::fs;
use std::os::unix::fs::symlink;

use verisim_core::{FailureKind, FileKind};

use crate::decoy_under_test::{DecoyUnderTest, answer, on_host, path, put};

pub async fn a_directory_is_listed_within_the_limit(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    for name in ["a", "b", "c"] {
        put(decoy, &format!("/d/{name}"), b"x");
    }
    fs::create_dir(on_host(decoy, "/d/dir")).unwrap();
    symlink("a", on_host(decoy, "/d/link")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, on_host(decoy, "/d/fifo"), rustix::fs::Mode::RWXU).unwrap();
    let whole = answer(connector.list(&path("/d"), 6)).await.unwrap();
    assert!(!whole.more, "exactly as many as the limit are all");
    let mut entries: Vec<_> =
        whole.entries.iter().map(|entry| (entry.path.to_string(), entry.kind)).collect();
    entries.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = [
        ("/d/a", FileKind::Regular),
        ("/d/b", FileKind::Regular),
        ("/d/c", FileKind::Regular),
        ("/d/dir", FileKind::Directory),
        ("/d/fifo", FileKind::Special),
        ("/d/link", FileKind::Symlink),
    ];
    assert_eq!(entries, expected.map(|(at, kind)| (at.to_owned(), kind)));
    let part = answer(connector.list(&path("/d"), 5)).await.unwrap();
    assert_eq!((part.entries.len(), part.more), (5, true));
    let none = answer(connector.list(&path("/d/dir"), 5)).await.unwrap();
    assert_eq!((none.entries.len(), none.more), (0, false));
    let root = answer(connector.list(&path("/"), 5)).await.unwrap();
    assert_eq!(root.entries[0].path, path("/d"));
}

pub async fn what_is_no_directory_is_not_listed(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    put(decoy, "/d/a", b"x");
    for (at, kind) in [("/none", FailureKind::NotFound), ("/d/a", FailureKind::Denied)] {
        let failure = answer(connector.list(&path(at), 5)).await.unwrap_err();
        assert_eq!(failure.kind, kind, "{at}");
    }
}
