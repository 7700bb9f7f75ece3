//! The whole engine with its real store, directory decoys and personas lives under a virtual clock.
#![cfg(test)]

mod company;

use std::time::Duration;

use verisim_core::{ActivityDriver as _, ByteCount, FileClass, JobFilter, JobState, Store as _, Timestamp};

use crate::company::Company;

/// Longer than any of the lives here: one process from beginning to end.
const ONE_PROCESS: Duration = Duration::from_secs(366 * 86_400);

/// What every path should be by the ledger, compared with what is on the decoys.
async fn assert_decoys_are_as_the_ledger_says(company: &Company) {
    let entries = company.store.ledger_scan(None, 1_000_000).await.unwrap();
    assert!(!entries.is_empty());
    for entry in entries {
        let decoy = company.fleet.get(&entry.decoy).unwrap().decoy;
        let bytes = company.driver.read_file(&decoy, &entry.path, ByteCount(1 << 24)).await.unwrap();
        let is_log = matches!(entry.class, FileClass::CronLog | FileClass::DaemonLog);
        assert_eq!(bytes.len() as u64, entry.size, "{} {}", entry.decoy, entry.path);
        if !is_log {
            assert_eq!(verisim_core::Digest::of(&bytes), entry.sha256, "{} {}", entry.decoy, entry.path);
        }
    }
}

async fn assert_nothing_is_left_over(company: &Company) {
    let filter = JobFilter { limit: 1_000_000, ..JobFilter::default() };
    for job in company.store.jobs(filter).await.unwrap() {
        let JobState::Activity(state) = job.state else { panic!("{job:?}") };
        assert_eq!(state, verisim_core::ActivityState::Done, "{job:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_company_lives_some_days_and_the_decoys_are_what_the_ledger_says() {
    let start: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let company = Company::found(dir.path(), 4, 12, start).unwrap();
    company.live(start + Duration::from_secs(9 * 86_400), ONE_PROCESS).await.unwrap();
    let (done, not_done) = company.count().await.unwrap();
    assert!(not_done.is_empty(), "{:?}", not_done.first());
    assert!(done >= 5 * 12 * 3, "only {done} effects");
    assert_nothing_is_left_over(&company).await;
    assert_decoys_are_as_the_ledger_says(&company).await;
    let names = company::names(4).unwrap();
    assert!(names.iter().all(|name| dir.path().join(name.as_str()).join("home").is_dir()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_11_restarts_change_nothing_about_who_acts_when() {
    let start: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
    let end = start + Duration::from_secs(8 * 86_400);
    let mut lives = Vec::new();
    for each in [ONE_PROCESS, Duration::from_secs(5_000)] {
        let dir = tempfile::tempdir().unwrap();
        let company = Company::found(dir.path(), 2, 6, start).unwrap();
        company.live(end, each).await.unwrap();
        let filter = JobFilter { limit: 100_000, ..JobFilter::default() };
        let jobs = company.store.jobs(filter).await.unwrap();
        let mut jobs: Vec<_> = jobs.into_iter().map(|job| (job.planned_at, job.key, job.work)).collect();
        jobs.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        assert_decoys_are_as_the_ledger_says(&company).await;
        lives.push(jobs);
    }
    assert!(lives[0].len() > 50);
    assert_eq!(lives[0], lives[1]);
}
