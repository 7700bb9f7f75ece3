//! The record of a run beside its data, here and at the destination.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use common::{OFF, ON, Row, Site, content, sentinel, sha256sum_check, write_tree};
use verisim_core::{
    Committed, EventPayload, Findings, JobId, NewEvent, SyncPayload, SyncState, SyncWorker as _, Topic,
};
use verisim_sync::Courier;

const RECORD: &str = ".verisim/lifecycle.jsonl";

/// What the engine tells after it has committed the row's state.
async fn told(site: &Site, courier: &Courier, row: &Row) {
    let sync = SyncPayload {
        state: row.state.name().into(),
        capture: "lab/run1".into(),
        remote: "vault:lab/run1".into(),
        inventory: row.progress.inventory,
        proof: row.progress.passes.last().copied(),
        note: row.progress.note.clone(),
        findings: Findings::default(),
    };
    let event = NewEvent {
        job: Some(JobId(1)),
        ..NewEvent::new(Topic::sync(JobId(1), row.state), EventPayload::Sync(sync), site.clock.now())
    };
    let (spec, manifest) = (row.spec.clone(), row.progress.manifest);
    let what = Committed { job: JobId(1), spec, attempt: 1, manifest, events: vec![event] };
    courier.chronicle(&what).await.unwrap();
}

/// Steps until `state`, each told.
async fn run(site: &Site, courier: &Courier, row: &mut Row, state: SyncState) {
    let mut now = site.clock.now();
    for _ in 0..60 {
        let before = row.state;
        if let verisim_core::Schedule::At(at) = row.step(courier, now).await {
            now = now.max(at);
        }
        if row.state != before {
            told(site, courier, row).await;
        }
        if row.state == state {
            return;
        }
    }
    panic!("it is {}: {:?}", row.state, row.progress);
}

fn states(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    lines.map(|line| line["state"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_record_says_what_became_of_a_run_on_both_sides_and_is_no_part_of_it() {
    let site = Site::new();
    let here = site.path("captures/run1");
    write_tree(&here, &[("a", b"alpha"), ("done", b"")]);
    let courier = site.courier(site.rule(sentinel(), ON));
    let mut row = Row::new(site.only(&courier).await);
    let there = site.remote_of(&row.spec);
    run(&site, &courier, &mut row, SyncState::AwaitingVerify).await;
    assert!(!here.join(".verisim").exists(), "what is not verified yet is left as it is");
    run(&site, &courier, &mut row, SyncState::Verified).await;
    let expected = ["QUEUED", "AWAITING_VERIFY", "VERIFIED"];
    assert_eq!(
        (states(&here.join(RECORD)), states(&there.join(RECORD))),
        (expected.map(String::from).into(), expected.map(String::from).into())
    );
    run(&site, &courier, &mut row, SyncState::Cleaned).await;
    assert_eq!(states(&there.join(RECORD)), states(&here.join(RECORD)));
    assert_eq!(states(&there.join(RECORD)).last().unwrap(), "CLEANED");
    assert_eq!(content(&there).len(), 2);
    assert_eq!(sha256sum_check(&there), (true, String::new()));
    // Once everything else is forgotten, what comes late is told at the end of the same record.
    courier.lighten(JobId(1)).await.unwrap();
    told(&site, &courier, &row).await;
    assert_eq!(states(&here.join(RECORD))[..3], expected);
}

#[tokio::test]
async fn inv_7_whoever_prepares_the_metadata_folder_has_nothing_written_elsewhere() {
    let site = Site::new();
    let here = site.path("captures/run1");
    write_tree(&here, &[("a", b"alpha"), ("done", b"")]);
    let precious = site.path("precious");
    fs::write(&precious, "mine").unwrap();
    let courier = site.courier(site.rule(sentinel(), OFF));
    let mut row = Row::new(site.only(&courier).await);
    run(&site, &courier, &mut row, SyncState::Verified).await;
    let lengths = || fs::read_to_string(here.join(RECORD)).map(|text| text.lines().count());
    let before = lengths().unwrap();
    let hostile: [&dyn Fn(); 5] = [
        &|| symlink(&precious, here.join(RECORD)).unwrap(),
        &|| fs::hard_link(&precious, here.join(RECORD)).unwrap(),
        &|| fs::hard_link(&precious, here.join(".verisim/lifecycle.jsonl.new")).unwrap(),
        &|| symlink(&precious, here.join(".verisim/lifecycle.jsonl.new")).unwrap(),
        &|| {
            let pipe = here.join(".verisim/lifecycle.jsonl.new");
            rustix::fs::mknodat(rustix::fs::CWD, pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        },
    ];
    for (at, plant) in hostile.into_iter().enumerate() {
        let _ = fs::remove_file(here.join(RECORD));
        plant();
        told(&site, &courier, &row).await;
        assert_eq!(fs::read_to_string(&precious).unwrap(), "mine", "{at}");
        assert_eq!(lengths().unwrap(), before + at + 1, "{at}");
        assert!(fs::symlink_metadata(here.join(RECORD)).unwrap().is_file(), "{at}");
    }
    // The folder itself a link: whoever it belongs to, it is not ours.
    fs::rename(here.join(".verisim"), site.path("elsewhere")).unwrap();
    symlink(site.path("elsewhere"), here.join(".verisim")).unwrap();
    let elsewhere = fs::read(site.path("elsewhere/lifecycle.jsonl")).unwrap();
    told(&site, &courier, &row).await;
    assert_eq!(fs::read(site.path("elsewhere/lifecycle.jsonl")).unwrap(), elsewhere);
    // What was done to the copy is not in the next one, nor at the destination.
    fs::remove_file(here.join(".verisim")).unwrap();
    fs::rename(site.path("elsewhere"), here.join(".verisim")).unwrap();
    fs::write(here.join(RECORD), "{\"state\":\"CLEANED\"}\n").unwrap();
    told(&site, &courier, &row).await;
    assert!(!states(&here.join(RECORD)).contains(&"CLEANED".to_owned()));
}

#[tokio::test]
async fn a_capture_that_may_only_be_read_goes_home_with_its_record_and_stays_without() {
    let site = Site::new();
    let here = site.path("captures/run1");
    write_tree(&here, &[("a", b"alpha"), ("done", b"")]);
    let courier = site.courier(site.rule(sentinel(), OFF));
    let mut row = Row::new(site.only(&courier).await);
    fs::set_permissions(&here, std::os::unix::fs::PermissionsExt::from_mode(0o555)).unwrap();
    run(&site, &courier, &mut row, SyncState::Verified).await;
    let there = site.remote_of(&row.spec);
    assert_eq!(states(&there.join(RECORD)), ["QUEUED", "AWAITING_VERIFY", "VERIFIED"]);
    assert_eq!(sha256sum_check(&there), (true, String::new()));
    fs::set_permissions(&here, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    // Root may write everywhere.
    assert_eq!(here.join(".verisim").exists(), rustix::process::geteuid().is_root());
}
