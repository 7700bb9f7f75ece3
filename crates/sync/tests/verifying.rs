//! What becomes of damage, of files that were not pushed, and of captures that are not complete.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use std::fs;
use std::time::Duration;

use common::{OFF, ON, Row, Site, content, sentinel, sha256sum_check, write_tree};
use verisim_core::{RelPath, Schedule, SyncEvent, SyncState, SyncWorker, Timestamp};
use verisim_sync::{Completeness, Courier, Each};

/// A site whose one capture is verified.
async fn verified(site: &Site) -> (Courier, Row) {
    write_tree(
        &site.path("captures/run"),
        &[("a", b"alpha"), ("b", b"beta"), ("c", b"gamma"), ("done", b"")],
    );
    let courier = site.courier(site.rule(sentinel(), OFF));
    let mut row = Row::new(site.only(&courier).await);
    row.run(&courier, site.clock.now(), 10).await;
    assert_eq!(row.state, SyncState::Verified, "{:?}", row.progress);
    (courier, row)
}

fn reverify(row: &mut Row) {
    row.state = row.state.next(SyncEvent::PassDue).unwrap();
}

#[tokio::test]
async fn defects_14_20_inv_5_a_byte_that_rots_in_the_vault_is_found_named_and_mended() {
    let site = Site::new();
    let (courier, mut row) = verified(&site).await;
    let remote = site.remote_of(&row.spec);
    fs::write(remote.join("b"), b"bet4").unwrap();
    fs::remove_file(remote.join("c")).unwrap();
    assert!(!sha256sum_check(&remote).0);
    reverify(&mut row);
    row.step(&courier, site.clock.now()).await;
    assert_eq!(row.state, SyncState::Queued);
    assert_eq!(row.damaged, ["different: b", "missing: c"]);
    assert_eq!(row.progress.forced, [RelPath::new("b").unwrap(), RelPath::new("c").unwrap()]);
    assert_eq!(row.progress.passes_total, 0, "what was proved is not proved any more");
    let sound = fs::metadata(remote.join("a")).unwrap().modified().unwrap();
    row.run(&courier, site.clock.now(), 10).await;
    assert_eq!(row.state, SyncState::Verified, "{:?}", row.progress);
    assert_eq!(sha256sum_check(&remote), (true, String::new()));
    assert_eq!(fs::metadata(remote.join("a")).unwrap().modified().unwrap(), sound);
    assert!(row.progress.forced.is_empty());
}

#[tokio::test]
async fn what_differs_although_it_was_forced_fails_the_job() {
    let site = Site::new();
    let (courier, mut row) = verified(&site).await;
    let remote = site.remote_of(&row.spec);
    fs::write(remote.join("b"), b"bet4").unwrap();
    reverify(&mut row);
    row.step(&courier, site.clock.now()).await;
    row.step(&courier, site.clock.now()).await;
    assert_eq!(row.state, SyncState::AwaitingVerify);
    // A disk that spoils it again.
    fs::write(remote.join("b"), b"bet4").unwrap();
    row.step(&courier, site.clock.now()).await;
    assert_eq!(row.state, SyncState::Failed);
    assert!(row.progress.note.unwrap().contains("1 files missing or different"));
}

#[tokio::test]
async fn inv_6_damage_that_cannot_be_mended_here_is_not_cleaned_up() {
    let site = Site::new();
    let (courier, mut row) = verified(&site).await;
    fs::write(site.remote_of(&row.spec).join("b"), b"bet4").unwrap();
    fs::remove_file(site.path("captures/run/b")).unwrap();
    reverify(&mut row);
    row.run(&courier, site.clock.now(), 10).await;
    assert_eq!(row.state, SyncState::Failed);
    assert_eq!(content(&site.path("captures/run")).len(), 3);
}

#[tokio::test]
async fn files_that_were_not_pushed_are_told_and_do_not_count_as_damage() {
    let site = Site::new();
    let (courier, mut row) = verified(&site).await;
    fs::create_dir(site.remote_of(&row.spec).join("@eaDir")).unwrap();
    fs::write(site.remote_of(&row.spec).join("@eaDir/thumb"), b"t").unwrap();
    reverify(&mut row);
    row.step(&courier, site.clock.now()).await;
    assert_eq!(row.state, SyncState::Verified);
    assert!(row.progress.note.unwrap().contains("@eaDir/thumb"));
    assert!(row.damaged.is_empty());
}

/// The states in which a job rests have something that drives them: the second pass is made, a day later, by itself.
#[tokio::test]
async fn defect_03_inv_6_the_second_pass_is_made_when_it_is_due_and_not_before() {
    let site = Site::new();
    write_tree(&site.path("captures/run"), &[("a", b"alpha"), ("done", b"")]);
    let courier = site.courier(site.rule(sentinel(), ON));
    let mut row = Row::new(site.only(&courier).await);
    let now = site.clock.now();
    while row.state != SyncState::Verified {
        row.step(&courier, now).await;
    }
    let mut at = now;
    while row.state == SyncState::Verified {
        assert!(at.duration_since(now).as_hours() <= 24 && row.progress.passes_total == 1);
        let Schedule::At(next) = row.step(&courier, at).await else { panic!("parked, and never seen again") };
        at = next;
    }
    assert_eq!((row.state, at.duration_since(now).as_hours()), (SyncState::AwaitingVerify, 24));
    row.step(&courier, at).await;
    assert_eq!((row.state, row.progress.passes_total), (SyncState::Verified, 2));
}

#[tokio::test]
async fn inv_6_an_interlock_that_opens_at_the_last_moment_stops_cleanup() {
    for (what, expected) in
        [("vault gone", "does not answer"), ("capture empty", "suddenly empty"), ("seal gone", "not sealed")]
    {
        let site = Site::new();
        write_tree(&site.path("captures/run"), &[("a", b"alpha"), ("done", b"")]);
        let courier = site.courier(site.rule(sentinel(), ON));
        let mut row = Row::new(site.only(&courier).await);
        let mut now = site.clock.now();
        while row.state != SyncState::CleanupEligible {
            if let Schedule::At(at) = row.step(&courier, now).await {
                now = now.max(at);
            }
        }
        match what {
            "vault gone" => fs::rename(site.path("vault"), site.path("elsewhere")).unwrap(),
            "seal gone" => {
                fs::remove_file(site.remote_of(&row.spec).join(".verisim/checksums.sha256")).unwrap();
            }
            _ => {
                fs::remove_file(site.path("captures/run/a")).unwrap();
                fs::remove_file(site.path("captures/run/done")).unwrap();
            }
        }
        let next = row.step(&courier, now).await;
        assert_eq!(row.state, SyncState::Verified, "{what}");
        assert!(row.progress.note.clone().unwrap().contains(expected), "{what}: {:?}", row.progress.note);
        assert!(matches!(next, Schedule::At(at) if at > now), "{what}: it is asked again");
    }
}

#[tokio::test]
async fn a_sentinel_a_manifest_of_sizes_and_a_quiet_time_each_say_when() {
    let site = Site::new();
    let run = site.path("captures/run");
    write_tree(&run, &[("a", b"alpha")]);
    let now = site.clock.now();
    let look = async |complete: Completeness, now: Timestamp| {
        let courier = site.courier(site.rule(complete, OFF));
        let mut row = Row::new(site.only(&courier).await);
        row.step(&courier, now).await;
        row.state == SyncState::Queued
    };
    assert!(!look(sentinel(), now).await);
    fs::create_dir(run.join("done")).unwrap();
    assert!(!look(sentinel(), now).await, "a directory is no sentinel");
    fs::remove_dir(run.join("done")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", run.join("done")).unwrap();
    assert!(!look(sentinel(), now).await, "a link is no sentinel");
    fs::remove_file(run.join("done")).unwrap();
    fs::write(run.join("done"), b"").unwrap();
    assert!(look(sentinel(), now).await);

    let sizes = || Completeness::Manifest(RelPath::new("sizes.json").unwrap());
    assert!(!look(sizes(), now).await);
    for (json, expected) in [
        ("{\"a\": 5, \"b/c\"", false),
        ("{\"a\": 6}", false),
        ("{\"a\": 5, \"b/c\": 1}", false),
        ("{\"a\": 5, \"../a\": 5}", false),
        ("{\"a\": 5}", true),
    ] {
        fs::write(run.join("sizes.json"), json).unwrap();
        assert_eq!(look(sizes(), now).await, expected, "{json}");
    }

    let quiet = || Completeness::Quiet(Duration::from_secs(600));
    let at = |seconds: i64| now + jiff::SignedDuration::from_secs(seconds);
    // A time in the future, on a file that is not touched any more, must not hold it up for ever.
    let future = std::time::UNIX_EPOCH + Duration::from_secs(9_000_000_000);
    fs::File::open(run.join("a")).unwrap().set_modified(future).unwrap();
    assert!(!look(quiet(), at(0)).await, "one look is no quiet time");
    assert!(!look(quiet(), at(599)).await);
    fs::write(run.join("a"), b"alpha+").unwrap();
    assert!(!look(quiet(), at(601)).await, "it changed");
    assert!(!look(quiet(), at(1200)).await);
    assert!(!look(quiet(), at(-5000)).await, "the clock was set back: it begins anew");
    assert!(!look(quiet(), at(-4401)).await);
    assert!(look(quiet(), at(-4400)).await);
}

#[tokio::test]
async fn captures_are_found_once_and_another_directory_of_the_name_is_another_generation() {
    let site = Site::new();
    write_tree(&site.path("captures"), &[("one/a", b"1"), ("two/a", b"2"), ("file", b"no capture")]);
    std::os::unix::fs::symlink("one", site.path("captures/link")).unwrap();
    fs::create_dir(site.path("captures/.verisim")).unwrap();
    let courier = site.courier(site.rule(sentinel(), OFF));
    let now = site.clock.now();
    let found: Vec<_> = courier.discover(&[], now).await.into_iter().map(Result::unwrap).collect();
    let paths: Vec<String> = found.iter().map(|spec| spec.remote.path.to_string()).collect();
    assert_eq!(paths, ["lab/one", "lab/two"]);
    let owner = &found[0].remote.owner;
    assert!(owner.starts_with("site-a/lab/one/1/"), "{owner}");
    let known: Vec<_> = found.iter().map(|spec| spec.capture.clone()).collect();
    assert!(courier.discover(&known, now).await.is_empty());
    fs::rename(site.path("captures/one"), site.path("moved")).unwrap();
    fs::create_dir(site.path("captures/one")).unwrap();
    let found = courier.discover(&known, now).await;
    let next = found[0].as_ref().unwrap();
    assert_eq!((next.capture.generation, next.remote.path.to_string().as_str()), (2, "lab/one~2"));
    // The folder as a whole.
    let mut rule = site.rule(sentinel(), OFF);
    rule.each = Each::Whole;
    let courier = site.courier(rule);
    let whole = site.only(&courier).await;
    assert_eq!(whole.capture.relative, None);
    assert_eq!(whole.remote.path.to_string(), "lab");
}

#[tokio::test]
async fn a_folder_that_cannot_be_opened_is_told_and_hides_no_other() {
    let site = Site::new();
    write_tree(&site.path("captures"), &[("one/a", b"1")]);
    let name = std::ffi::OsString::from("n".repeat(254));
    fs::create_dir(site.path("captures").join(&name)).unwrap();
    let courier = site.courier(site.rule(sentinel(), OFF));
    assert_eq!(courier.discover(&[], site.clock.now()).await.len(), 2);
    fs::rename(site.path("captures"), site.path("gone")).unwrap();
    let found = courier.discover(&[], site.clock.now()).await;
    assert!(found.len() == 1 && found[0].is_err());
}
