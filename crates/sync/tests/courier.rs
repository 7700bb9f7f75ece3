//! A capture's way home, from being noticed to being cleaned up, through every state.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use std::fs;

use common::{OFF, ON, Row, Site, content, sentinel, sha256sum_check, write_tree};
use verisim_core::{Schedule, SyncState};

#[tokio::test]
async fn inv_5_a_capture_is_verified_by_reading_what_arrived() {
    let site = Site::new();
    write_tree(
        &site.path("captures/run1"),
        &[("a", b"alpha"), ("d/b", b""), ("d/e/c", &[7; 100_000]), ("done", b"")],
    );
    let courier = site.courier(site.rule(sentinel(), OFF));
    let mut row = Row::new(site.only(&courier).await);
    row.run(&courier, site.clock.now(), 20).await;
    assert_eq!(row.state, SyncState::Verified, "{:?}", row.progress);
    let remote = site.remote_of(&row.spec);
    assert_eq!(content(&remote), content(&site.path("captures/run1")));
    assert_eq!(sha256sum_check(&remote), (true, String::new()));
    assert_eq!(sha256sum_check(&site.path("captures/run1")), (true, String::new()));
    assert_eq!(row.progress.inventory.unwrap().files, 4);
    // With cleanup off it rests here.
    assert_eq!(row.step(&courier, site.clock.now()).await, Schedule::Parked);
}

#[tokio::test]
async fn inv_6_cleanup_comes_after_the_second_pass_and_takes_only_what_was_verified() {
    let site = Site::new();
    let run = site.path("captures/run1");
    write_tree(&run, &[("a", b"alpha"), ("d/b", b"beta"), ("keep/changed", b"1"), ("done", b"")]);
    let courier = site.courier(site.rule(sentinel(), ON));
    let mut row = Row::new(site.only(&courier).await);
    let start = site.clock.now();
    let mut now = start;
    while row.state != SyncState::CleanupEligible {
        assert_eq!(content(&run).len(), 4, "nothing goes before");
        match row.step(&courier, now).await {
            Schedule::At(at) => now = now.max(at),
            Schedule::Parked => panic!("parked in {}: {:?}", row.state, row.progress),
        }
    }
    assert_eq!(row.progress.passes_total, 2);
    assert!(now.duration_since(start).as_hours() >= 24);
    // Changed and added since it was verified.
    fs::write(run.join("keep/changed"), b"2").unwrap();
    fs::write(run.join("late"), b"late").unwrap();
    row.run(&courier, now, 10).await;
    assert_eq!(row.state, SyncState::Cleaned, "{:?}", row.progress);
    let left = content(&run);
    assert_eq!(left.keys().map(|path| path.to_str().unwrap()).collect::<Vec<_>>(), ["keep/changed", "late"]);
    assert_eq!(row.progress.kept_files, 1);
    assert!(!run.join("d").exists() && run.join(".verisim").exists());
    assert_eq!(sha256sum_check(&site.remote_of(&row.spec)), (true, String::new()));
}
