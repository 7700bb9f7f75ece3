//! A destination that is not mounted is an empty folder. It must not be taken for the destination.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use std::fs;

use common::{ON, Row, Site, content, read_tree, sentinel, sha256sum_check, write_tree};
use verisim_core::{Schedule, SyncState, SyncWorker, Timestamp};
use verisim_sync::Courier;

/// The share goes away, and its mount point stays.
fn unmount(site: &Site) {
    fs::rename(site.path("vault"), site.path("share")).unwrap();
    fs::create_dir(site.path("vault")).unwrap();
}

fn mount(site: &Site) {
    fs::remove_dir(site.path("vault")).expect("nothing was written into the mount point");
    fs::rename(site.path("share"), site.path("vault")).unwrap();
}

async fn pushed(site: &Site) -> (Courier, Row) {
    write_tree(&site.path("captures/run1"), &[("a", b"alpha"), ("d/b", b"beta"), ("done", b"")]);
    let courier = site.courier(site.rule(sentinel(), ON));
    let row = Row::new(site.only(&courier).await);
    (courier, row)
}

/// Steps until the job is in `state` with so many passes.
async fn until(site: &Site, courier: &Courier, row: &mut Row, state: SyncState, passes: u32) -> Timestamp {
    let mut now = site.clock.now();
    for _ in 0..50 {
        if row.state == state && row.progress.passes_total == passes {
            return now;
        }
        match row.step(courier, now).await {
            Schedule::At(at) => now = now.max(at),
            Schedule::Parked => break,
        }
    }
    panic!("{} after {:?}: {:?}", row.state, row.history, row.progress);
}

#[tokio::test]
async fn inv_6_a_share_that_goes_away_before_any_step_deletes_nothing_and_recovers() {
    for (state, passes) in [
        (SyncState::Queued, 0),
        (SyncState::AwaitingVerify, 0),
        (SyncState::Verified, 1),
        (SyncState::AwaitingVerify, 1),
        (SyncState::Verified, 2),
        (SyncState::CleanupEligible, 2),
        (SyncState::Cleaning, 2),
    ] {
        let site = Site::new();
        let (courier, mut row) = pushed(&site).await;
        // The destination was used before, by another capture.
        site.transport_is_used();
        let mut now = until(&site, &courier, &mut row, state, passes).await;
        let before = content(&site.path("captures/run1"));
        unmount(&site);
        let mut note = String::new();
        // A day of looks at the capture, where the next pass is due in a day.
        for _ in 0..30 {
            if let Schedule::At(at) = row.step(&courier, now).await {
                now = now.max(at);
            }
            note = row.progress.note.clone().unwrap_or(note);
            assert_eq!(content(&site.path("captures/run1")), before, "{state} after {passes} passes");
            assert_eq!(row.progress.passes_total, passes, "a pass over an empty folder does not count");
            assert_eq!(read_tree(&site.path("vault")).len(), 0, "{state}: the local disk is not filled");
        }
        assert!(note.contains("mount the share"), "{state} after {passes} passes: {note}");
        // However long it takes: no step of the ladder is used up for a share that is away.
        // What was verified before is that still, between the passes that nobody can make.
        let asks = passes == 0;
        assert_eq!(matches!(row.state, SyncState::Blocked(_)), asks, "{state}: {:?}", row.history);
        assert!(courier.answers(&row.spec.remote).await.is_err());
        mount(&site);
        courier.answers(&row.spec.remote).await.unwrap();
        row.run(&courier, now, 40).await;
        assert_eq!(row.state, SyncState::Cleaned, "{state} after {passes} passes: {:?}", row.progress);
        assert_eq!(content(&site.path("captures/run1")).len(), 0);
        assert_eq!(sha256sum_check(&site.remote_of(&row.spec)), (true, String::new()));
    }
}

#[tokio::test]
async fn a_lost_memory_is_no_licence_to_delete() {
    let site = Site::new();
    let (courier, mut row) = pushed(&site).await;
    let now = until(&site, &courier, &mut row, SyncState::Verified, 2).await;
    fs::remove_file(site.path("state/destination-vault")).unwrap();
    unmount(&site);
    let before = content(&site.path("captures/run1"));
    row.run(&courier, now, 10).await;
    assert_eq!(content(&site.path("captures/run1")), before);
    assert_eq!(read_tree(&site.path("vault")).len(), 0);
}
