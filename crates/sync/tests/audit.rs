//! What was cleaned up long ago is looked at again, in its turn.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use std::fs;
use std::time::Duration;

use bytes::Bytes;
use common::{ON, Row, Site, sentinel, write_tree};
use futures_util::StreamExt as _;
use verisim_core::{
    AuditTask, Audited, CancellationToken, JobId, SyncState, SyncWorker as _, Timestamp, TransportError,
};
use verisim_sync::{AuditRule, CaptureRule, Courier};

const ROUNDS: u32 = 10;
const EVERY: Duration = Duration::from_secs(7 * 24 * 3600);

struct Cleaned {
    site: Site,
    courier: Courier,
    row: Row,
    manifest: Bytes,
    at: Timestamp,
    at_once: bool,
}

/// A capture that was pushed, verified and cleaned up, with an audit of a tenth every week.
async fn cleaned() -> Cleaned {
    let site = Site::new();
    let run = site.path("captures/run1");
    write_tree(&run, &[("a", b"alpha"), ("d/b", b"beta"), ("d/c", b"gamma"), ("done", b"")]);
    let audit = Some(AuditRule { every: EVERY, rounds: ROUNDS });
    let courier = site.courier(CaptureRule { audit, ..site.rule(sentinel(), ON) });
    let mut row = Row::new(site.only(&courier).await);
    let mut now = site.clock.now();
    while row.state != SyncState::Cleaned {
        if let verisim_core::Schedule::At(at) = row.step(&courier, now).await {
            now = now.max(at);
        }
    }
    let manifest = fs::read(site.remote_of(&row.spec).join(".verisim/checksums.sha256")).unwrap().into();
    courier.lighten(JobId(1)).await.unwrap();
    Cleaned { site, courier, row, manifest, at: now, at_once: false }
}

impl Cleaned {
    async fn audit(&self, round: u32) -> Result<Option<Audited>, TransportError> {
        let now = self.at + EVERY * round;
        let task = AuditTask {
            job: JobId(1),
            spec: self.row.spec.clone(),
            manifest: self.row.progress.manifest,
            cleaned_at: self.at,
            now,
            at_once: self.at_once,
            cancel: CancellationToken::new(),
        };
        let (first, rest) = (self.manifest.slice(..7), self.manifest.slice(7..));
        let pieces = futures_util::stream::iter([Ok(first), Ok(rest)]).boxed();
        self.courier.audit(task, pieces).await
    }
}

/// Each capture has its turn once in so many rounds, and no more often, whoever asks how often.
#[tokio::test]
async fn defect_20_a_bit_that_rots_after_cleanup_is_found_within_so_many_rounds() {
    let cleaned = cleaned().await;
    let there = cleaned.site.remote_of(&cleaned.row.spec);
    let mut looked = Vec::new();
    for round in 0..=ROUNDS {
        for _ in 0..3 {
            if let Some(found) = cleaned.audit(round).await.unwrap() {
                assert!(found.damaged.is_empty() && found.note.contains("all of its 4 files"), "{found:?}");
                looked.push(round);
            }
        }
        // Its folder may be cleared at any time: the round is not made again.
        cleaned.courier.lighten(JobId(1)).await.unwrap();
    }
    assert_eq!(looked.len(), 1, "{looked:?}");
    // A bit flips.
    fs::write(there.join("d/c"), "gammA").unwrap();
    let mut found = Vec::new();
    for round in ROUNDS + 1..=2 * ROUNDS {
        found.extend(cleaned.audit(round).await.unwrap());
    }
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].damaged, ["different: d/c"]);
    assert!(found[0].note.contains("d/c") && found[0].findings.different.total == 1, "{found:?}");
    // A round that was missed is made up for.
    fs::remove_file(there.join("a")).unwrap();
    let late = cleaned.audit(5 * ROUNDS + 9).await.unwrap().unwrap();
    assert_eq!(late.damaged, ["missing: a", "different: d/c"]);
}

/// Whoever asks has it looked at, whatever its turn, and as often as that is asked; its turn comes all the same.
#[tokio::test]
async fn who_asks_has_what_was_cleaned_up_looked_at_at_once() {
    let mut cleaned = cleaned().await;
    let there = cleaned.site.remote_of(&cleaned.row.spec);
    cleaned.at_once = true;
    for _ in 0..2 {
        let found = cleaned.audit(0).await.unwrap().unwrap();
        assert!(found.damaged.is_empty() && found.note.contains("all of its 4 files"), "{found:?}");
    }
    fs::write(there.join("d/c"), "gammA").unwrap();
    let found = cleaned.audit(0).await.unwrap().unwrap();
    assert_eq!(found.damaged, ["different: d/c"]);
    cleaned.at_once = false;
    let mut turns = 0;
    for round in 0..=ROUNDS {
        turns += u32::from(cleaned.audit(round).await.unwrap().is_some());
    }
    assert_eq!(turns, 1);
}

/// Nothing is said of what could not be looked at; it is looked at the next time.
#[tokio::test]
async fn an_audit_that_could_not_be_made_is_made_later() {
    let cleaned = cleaned().await;
    let (vault, away) = (cleaned.site.path("vault"), cleaned.site.path("away"));
    fs::rename(&vault, &away).unwrap();
    let mut failed = 0;
    for round in 0..=ROUNDS {
        failed += u32::from(cleaned.audit(round).await.is_err());
    }
    assert!(failed > 0);
    fs::rename(&away, &vault).unwrap();
    assert!(cleaned.audit(ROUNDS).await.unwrap().is_some());
    // What is no manifest of it proves nothing.
    let other = Cleaned { manifest: "0000  other\n".into(), ..cleaned };
    assert!(other.audit(3 * ROUNDS).await.is_err());
}

/// Captures have their turns in different rounds, whatever the clock does.
#[test]
fn turns_are_spread_over_the_rounds() {
    let rule = AuditRule { every: EVERY, rounds: ROUNDS };
    let since = Timestamp::from_second(1_795_000_000).unwrap();
    let mut turns = vec![0; ROUNDS as usize];
    for job in 0..1000 {
        let of = |round: u32| rule.round(JobId(job), since, since + EVERY * round);
        let first = (1..=ROUNDS).find(|round| of(*round).is_some()).unwrap();
        assert_eq!(of(0), None);
        assert_eq!(of(first), of(first + ROUNDS - 1), "it has one turn in as many rounds");
        turns[(first - 1) as usize] += 1;
        assert_eq!(rule.round(JobId(job), since, since - EVERY), None);
    }
    assert!(turns.iter().all(|turns| *turns == 100), "{turns:?}");
    let odd = AuditRule { every: Duration::ZERO, rounds: 0 };
    assert!(odd.round(JobId(-7), since, since + EVERY).is_some());
}
