//! Evidence that comes after the push: it is brought home as well, and nothing is deleted around it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use std::fs;
use std::time::{Duration, UNIX_EPOCH};

use common::{OFF, ON, Row, Site, content, sentinel, sha256sum_check, write_tree};
use verisim_core::{CleanupRule, JobId, Schedule, SyncEvent, SyncState, SyncWorker as _, Timestamp};
use verisim_sync::{Completeness, Courier};

const JOB: JobId = JobId(1);

/// A site whose one capture was brought to `state` at the time that is given.
async fn site_in(cleanup: CleanupRule, state: SyncState) -> (Site, Courier, Row, Timestamp) {
    let site = Site::new();
    let files: [(&str, &[u8]); 4] = [("a", b"alpha"), ("b", b"beta"), ("d/c", b"gamma"), ("done", b"")];
    write_tree(&site.path("captures/run"), &files);
    let courier = site.courier(site.rule(sentinel(), cleanup));
    let mut row = Row::new(site.only(&courier).await);
    let mut now = site.clock.now();
    for _ in 0..60 {
        if row.state == state {
            return (site, courier, row, now);
        }
        now = now.max(step(&mut row, &courier, now).await);
    }
    panic!("it never was {state}: {row:?}");
}

async fn step(row: &mut Row, courier: &Courier, now: Timestamp) -> Timestamp {
    match row.step(courier, now).await {
        Schedule::At(at) => at,
        Schedule::Parked => panic!("parked in {}: {:?}", row.state, row.progress),
    }
}

fn later(now: Timestamp, hours: u64) -> Timestamp {
    now + Duration::from_secs(hours * 3600)
}

#[tokio::test]
async fn inv_5_what_came_or_changed_after_the_push_is_pushed_and_verified_too() {
    for by_pass in [false, true] {
        let (site, courier, mut row, now) = site_in(OFF, SyncState::Verified).await;
        let run = site.path("captures/run");
        fs::write(run.join("d/late"), b"late").unwrap();
        fs::write(run.join("a"), b"alpha and more").unwrap();
        // As long as it was, and with the time it had.
        let time = fs::metadata(run.join("b")).unwrap().modified().unwrap();
        let other = site.path("captures/other");
        fs::write(&other, b"BETA").unwrap();
        fs::File::options().write(true).open(&other).unwrap().set_modified(time).unwrap();
        fs::rename(other, run.join("b")).unwrap();
        if by_pass {
            row.state = row.state.next(SyncEvent::PassDue).unwrap();
        }
        row.step(&courier, later(now, 1)).await;
        assert_eq!((row.state, row.progress.passes_total), (SyncState::Waiting, 0), "{:?}", row.progress);
        let note = row.progress.note.clone().unwrap();
        assert!(note.contains("new since it was pushed: 1 file (d/late)"), "{note}");
        assert!(note.contains("changed since it was pushed: 2 files (a, b)"), "{note}");
        row.run(&courier, later(now, 1), 12).await;
        assert_eq!((row.state, row.progress.passes_total), (SyncState::Verified, 1), "{:?}", row.progress);
        assert_eq!(content(&site.remote_of(&row.spec)), content(&run));
        assert_eq!(sha256sum_check(&site.remote_of(&row.spec)), (true, String::new()));
        assert_eq!(row.progress.note, None, "what an earlier step said is not said again");
    }
}

#[tokio::test]
async fn inv_6_folders_links_and_special_files_that_come_late_are_told_and_pushed_too() {
    for change in 0..4 {
        let (site, courier, mut row, now) = site_in(ON, SyncState::CleanupEligible).await;
        let run = site.path("captures/run");
        let link = |to: &str| std::os::unix::fs::symlink(to, run.join("d/link")).unwrap();
        match change {
            0 => fs::create_dir(run.join("empty")).unwrap(),
            1 => link("/evidence"),
            2 => drop(std::os::unix::net::UnixListener::bind(run.join("socket")).unwrap()),
            _ => {
                link("/first");
                row.step(&courier, now).await;
                row.run(&courier, later(now, 1), 12).await;
                fs::remove_file(run.join("d/link")).unwrap();
                link("/second");
            }
        }
        row.step(&courier, later(now, 1)).await;
        let note = row.progress.note.clone().unwrap();
        assert!(note.contains("folders, links or special files came or changed"), "{change}: {note}");
        row.run(&courier, later(now, 2), 12).await;
        assert_eq!((row.state, row.progress.passes_total), (SyncState::Verified, 1), "{:?}", row.progress);
        let remote = site.remote_of(&row.spec);
        let special = fs::read_to_string(remote.join(".verisim/special.jsonl")).unwrap();
        assert!(change != 0 || remote.join("empty").is_dir());
        assert!(change != 1 || special.contains("/evidence"), "{special}");
        assert!(change != 2 || special.contains("socket"), "{special}");
        assert!(change != 3 || special.contains("/second"), "{special}");
    }
}

#[tokio::test]
async fn inv_6_what_somebody_still_writes_into_is_not_deleted() {
    let (site, courier, mut row, now) = site_in(ON, SyncState::CleanupEligible).await;
    let open = fs::File::options().append(true).open(site.path("captures/run/d/c")).unwrap();
    row.step(&courier, now).await;
    assert_eq!(row.state, SyncState::Verified, "{:?}", row.progress);
    let note = row.progress.note.clone().unwrap();
    assert!(note.contains("still open for writing: 1 file (d/c)"), "{note}");
    drop(open);
    row.run(&courier, later(now, 1), 12).await;
    assert_eq!(row.state, SyncState::Cleaned, "{:?}", row.progress);
}

/// Somebody asks for passes as often as he likes: one of them is made when the capture is old enough.
#[tokio::test]
async fn inv_6_passes_in_quick_succession_are_not_all_that_cleanup_asks_for() {
    let (site, courier, mut row, now) = site_in(ON, SyncState::Verified).await;
    row.state = row.state.next(SyncEvent::PassDue).unwrap();
    row.step(&courier, now + Duration::from_secs(6)).await;
    assert_eq!((row.state, row.progress.passes_total), (SyncState::Verified, 2), "{:?}", row.progress);
    // Nobody looks for a day, and the far copy rots meanwhile.
    fs::write(site.remote_of(&row.spec).join("a"), b"rotten").unwrap();
    row.run(&courier, later(now, 25), 3).await;
    assert_eq!(row.progress.passes_total, 0, "{:?}", row.progress);
    assert_eq!(content(&site.path("captures/run")).len(), 4, "nothing is deleted");
}

/// The state folder was lost, restored or copied: whoever finds what was verified before writes nothing over it.
#[tokio::test]
async fn inv_6_a_state_that_was_lost_costs_no_evidence() {
    let (site, courier, mut row, now) = site_in(ON, SyncState::Verified).await;
    row.run(&courier, later(now, 30), 30).await;
    assert_eq!(row.state, SyncState::Cleaned, "{:?}", row.progress);
    let remote = site.remote_of(&row.spec);
    let before = content(&remote);
    // What is here holds our own folder alone, and is no capture without files.
    assert!(courier.discover(&[], site.clock.now()).await.is_empty());
    // Another directory of its name is another capture, and this one has one file more: neither is written over it.
    let run = site.path("captures/run");
    for is_other in [false, true] {
        if is_other {
            fs::remove_dir_all(&run).unwrap();
        }
        write_tree(&run, &[("a", b"other"), ("done", b"")]);
        let mut lost = Row::new(site.only(&courier).await);
        assert_eq!(lost.spec.remote.owner == row.spec.remote.owner, !is_other);
        lost.run(&courier, later(now, 31), 8).await;
        assert_eq!(lost.state, SyncState::Failed, "{:?}", lost.progress);
        assert_eq!(content(&remote), before);
        assert!(sha256sum_check(&remote).0);
    }
}

#[tokio::test]
async fn a_file_that_was_only_touched_or_is_not_here_any_more_is_no_late_evidence() {
    let (site, courier, mut row, now) = site_in(OFF, SyncState::Verified).await;
    let run = site.path("captures/run");
    fs::File::options().write(true).open(run.join("a")).unwrap().set_modified(UNIX_EPOCH).unwrap();
    fs::remove_file(run.join("b")).unwrap();
    row.step(&courier, later(now, 1)).await;
    assert_eq!((row.state, row.progress.note), (SyncState::Verified, None));
}

#[tokio::test]
async fn a_capture_that_rests_is_looked_at_hourly_for_a_day_and_then_daily_until_its_folder_goes() {
    let (site, courier, mut row, start) = site_in(OFF, SyncState::Verified).await;
    let mut now = start;
    let mut waits = Vec::new();
    for _ in 0..27 {
        let next = step(&mut row, &courier, now).await;
        waits.push(next.duration_since(now).as_hours());
        now = next;
    }
    // The first of these looks is made an hour after the pass.
    assert_eq!((&waits[..23], &waits[23..]), (&[1; 23][..], &[24; 4][..]));
    // What the folder is on is away: it may come back.
    fs::rename(site.path("captures"), site.path("unmounted")).unwrap();
    assert_eq!(step(&mut row, &courier, now).await, later(now, 24));
    fs::rename(site.path("unmounted"), site.path("captures")).unwrap();
    step(&mut row, &courier, now).await;
    assert_eq!((row.state, &row.progress.note), (SyncState::Verified, &None));
    // The operator removed it.
    fs::remove_dir_all(site.path("captures/run")).unwrap();
    assert_eq!(row.step(&courier, now).await, Schedule::Parked);
    assert_eq!(row.state, SyncState::Verified);
    assert!(row.progress.note.unwrap().contains("not here any more"));
}

#[tokio::test]
async fn defect_09_inv_6_late_evidence_is_never_deleted_around() {
    let (site, courier, mut row, now) = site_in(ON, SyncState::CleanupEligible).await;
    let run = site.path("captures/run");
    fs::write(run.join("late"), b"late").unwrap();
    let mut now = step(&mut row, &courier, now).await.max(now);
    assert_eq!(row.state, SyncState::Verified);
    assert!(row.progress.note.clone().unwrap().contains("1 file (late)"), "{:?}", row.progress.note);
    now = step(&mut row, &courier, now).await.max(now);
    assert_eq!(row.state, SyncState::Waiting);
    assert_eq!(content(&run).len(), 5);
    // It begins anew: two passes, a day apart.
    let sent_back = now;
    now = row.run(&courier, now, 60).await;
    assert_eq!((row.state, row.progress.passes_total), (SyncState::Cleaned, 2), "{:?}", row.progress);
    assert!(now.duration_since(sent_back).as_hours() >= 24);
    assert!(content(&run).is_empty());
    assert_eq!(content(&site.remote_of(&row.spec)).len(), 5);
    assert_eq!(sha256sum_check(&site.remote_of(&row.spec)), (true, String::new()));
    assert_eq!(courier.left_over(JOB, &row.spec.capture).await.unwrap(), None);
}

#[tokio::test]
async fn what_came_while_it_was_cleaned_up_stays_and_is_told_once_for_each_set_of_files() {
    let (site, courier, mut row, now) = site_in(ON, SyncState::Cleaning).await;
    let (run, remote) = (site.path("captures/run"), site.remote_of(&row.spec));
    fs::write(run.join("late"), b"late").unwrap();
    row.step(&courier, now).await;
    assert_eq!(row.state, SyncState::Cleaned);
    assert!(row.progress.note.clone().unwrap().contains("1 file (late)"), "{:?}", row.progress.note);
    // Nothing more is kept of the job than what was told.
    for _ in 0..2 {
        courier.lighten(JOB).await.unwrap();
        assert_eq!(courier.left_over(JOB, &row.spec.capture).await.unwrap(), None, "told by the job's event");
    }
    fs::write(run.join("later"), b"later").unwrap();
    for _ in 0..2 {
        let news = courier.left_over(JOB, &row.spec.capture).await.unwrap().unwrap();
        assert!(news.note.contains("2 files (late, later)"), "{}", news.note);
    }
    let news = courier.left_over(JOB, &row.spec.capture).await.unwrap().unwrap();
    courier.note_told(JOB, &news).await.unwrap();
    assert_eq!(courier.left_over(JOB, &row.spec.capture).await.unwrap(), None);
    // The sealed manifest still speaks of all that was cleaned up.
    assert_eq!(sha256sum_check(&remote), (true, String::new()));
    assert_eq!((content(&remote).len(), content(&run).len()), (4, 2));
    assert!(courier.discover(&[row.spec.capture.clone()], now).await.is_empty());
    courier.forget(JOB).await.unwrap();
    assert_eq!(courier.kept().await, []);
}

#[tokio::test]
async fn inv_6_in_the_midst_of_cleaning_an_old_pass_is_made_anew_before_anything_more_goes() {
    for is_damaged in [false, true] {
        let (site, courier, mut row, now) = site_in(ON, SyncState::Cleaning).await;
        let (run, remote) = (site.path("captures/run"), site.remote_of(&row.spec));
        if is_damaged {
            fs::write(remote.join("a"), b"ALPHA").unwrap();
        }
        let weeks_later = later(now, 24 * 30);
        let next = step(&mut row, &courier, weeks_later).await;
        assert_eq!(
            (row.state, content(&run).len()),
            (SyncState::Cleaning, 4),
            "nothing goes before the pass"
        );
        if is_damaged {
            assert_eq!(
                (row.damaged.as_slice(), next),
                (&["different: a".to_owned()][..], later(weeks_later, 24))
            );
            assert!(row.progress.note.clone().unwrap().contains("nothing more is deleted"));
            step(&mut row, &courier, next).await;
            assert_eq!((row.state, content(&run).len()), (SyncState::Cleaning, 4));
            // Somebody mended it.
            fs::copy(run.join("a"), remote.join("a")).unwrap();
        }
        row.run(&courier, next, 5).await;
        assert_eq!((row.state, row.progress.passes_total), (SyncState::Cleaned, 3), "{:?}", row.progress);
        assert!(content(&run).is_empty());
    }
}

#[tokio::test]
async fn a_job_that_rests_is_outdated_once_the_rule_is_another() {
    let (site, courier, mut row, now) = site_in(OFF, SyncState::Verified).await;
    assert!(!courier.is_outdated(&row.spec, &row.progress));
    drop(courier);
    for rule in
        [ON, CleanupRule { min_passes: 3, ..ON }, CleanupRule { min_age: Duration::from_secs(1), ..ON }]
    {
        let courier = site.courier(site.rule(sentinel(), rule));
        assert!(courier.is_outdated(&row.spec, &row.progress), "{rule:?}");
        row.step(&courier, now).await;
        assert!(row.state != SyncState::Verified || !courier.is_outdated(&row.spec, &row.progress));
        row.state = SyncState::Verified;
    }
}

/// An event is told when a note changes: a pass says at once what is waited for, and a look that finds nothing is no news.
#[tokio::test]
async fn a_look_that_finds_nothing_new_changes_no_note() {
    for (rule, expected) in [(OFF, None), (ON, Some("verified 1 of 2 times"))] {
        let (_site, courier, mut row, mut now) = site_in(rule, SyncState::Verified).await;
        let said = row.progress.note.clone();
        assert_eq!(said.is_some(), expected.is_some(), "{said:?}");
        assert!(
            expected.is_none_or(|part| said.as_ref().is_some_and(|note| note.contains(part))),
            "{said:?}"
        );
        for _ in 0..3 {
            now = step(&mut row, &courier, now).await;
            assert_eq!((row.state, &row.progress.note), (SyncState::Verified, &said));
        }
    }
    let site = Site::new();
    write_tree(&site.path("captures/run"), &[("a", b"alpha")]);
    let courier = site.courier(site.rule(Completeness::Quiet(Duration::from_secs(600)), OFF));
    let mut row = Row::new(site.only(&courier).await);
    let now = site.clock.now();
    step(&mut row, &courier, now).await;
    let said = row.progress.note.clone();
    for minute in 1..9 {
        fs::write(site.path("captures/run/a"), vec![b'a'; minute]).unwrap();
        for seconds in [0, 30] {
            let at = now + Duration::from_secs(60 * minute as u64 + seconds);
            step(&mut row, &courier, at).await;
            assert_eq!((row.state, &row.progress.note), (SyncState::Waiting, &said));
        }
    }
}
