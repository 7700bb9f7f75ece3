//! History goes in bounded pieces: never a job that is not final, nor an event that is not published.

use std::collections::HashMap;
use std::time::Duration;

use verisim_core::{JobKind, JobState, OwnershipPolicy, PruneRule, SyncState};

use crate::codes;
use crate::error::Outcome;
use crate::tx::{Safety, Tx, Write};

/// Rows that one piece of work may look at for each row that it may delete.
const LOOKED_AT_PER_ROW: usize = 4;

/// How many bytes of what was found under paths that are not frozen any more are kept.
const EVIDENCE_BYTES_MAX: i64 = 64 << 20;

/// The one state in which a capture is proved to be home, and needs nothing more from here.
const CLEANED: JobState = JobState::Sync(SyncState::Cleaned);

/// Deletes history.
pub(crate) struct Prune(pub(crate) PruneRule);

impl Write for Prune {
    type Answer = usize;
    const SAFETY: Safety = Safety::Power;

    fn run(&self, tx: &mut Tx<'_>) -> Outcome<usize> {
        let rule = &self.0;
        let age = i64::try_from(rule.age_max.as_nanos()).unwrap_or(i64::MAX);
        let before = codes::time(rule.now).saturating_sub(age);
        let mut gone = old_events(tx, before, rule.limit)?;
        gone += surplus_events(tx, rule.events_per_decoy_max, rule.limit - gone)?;
        gone += old_jobs(tx, before, forgotten_at(rule.now, rule.age_max), rule.limit - gone)?;
        gone += old_evidence(tx, before, rule.limit - gone)?;
        gone += spent_keys(tx, codes::time(rule.now), rule.limit - gone)?;
        if gone > 0 {
            // Ids are never given again, also when the newest rows are among those that went.
            tx.set_meta("last_job", tx.state.numbers.last_job)?;
            tx.set_meta("last_event", tx.state.numbers.last_event)?;
            tx.set_meta("pruned", tx.state.numbers.pruned)?;
        }
        Ok(gone)
    }
}

/// A key outlives its job by the age that history may reach: whoever replays something that old reads an older history
/// than there is.
fn forgotten_at(now: verisim_core::Timestamp, age_max: Duration) -> i64 {
    codes::time(now).saturating_add(i64::try_from(age_max.as_nanos()).unwrap_or(i64::MAX))
}

fn window(limit: usize) -> i64 {
    i64::try_from(limit.saturating_mul(LOOKED_AT_PER_ROW)).unwrap_or(i64::MAX)
}

fn number(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Among the oldest events by id, those that are old by time too: after the clock was set back the two may differ.
fn old_events(tx: &mut Tx<'_>, before: i64, limit: usize) -> Outcome<usize> {
    let gone: Vec<(i64, Option<String>)> = tx.all(
        "DELETE FROM event WHERE id IN (SELECT id FROM
           (SELECT id, time FROM event WHERE id <= ?1 ORDER BY id LIMIT ?2) WHERE time < ?3 LIMIT ?4)
         RETURNING id, decoy",
        (tx.state.numbers.published, window(limit), before, number(limit)),
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    for (id, decoy) in &gone {
        tx.state.numbers.pruned = tx.state.numbers.pruned.max(*id);
        if let (Some(decoy), Some(counts)) = (decoy, &mut tx.state.events_of)
            && let Some(count) = counts.get_mut(decoy)
        {
            *count = count.saturating_sub(1);
        }
    }
    Ok(gone.len())
}

fn surplus_events(tx: &mut Tx<'_>, keep: u64, limit: usize) -> Outcome<usize> {
    let mut counts = match tx.state.events_of.take() {
        Some(counts) => counts,
        None => count_events(tx)?,
    };
    let mut left = limit;
    for (decoy, count) in counts.iter_mut().filter(|(_, count)| **count > keep) {
        if left == 0 {
            break;
        }
        let surplus = usize::try_from(*count - keep).unwrap_or(usize::MAX).min(left);
        let gone: Vec<i64> = tx.all(
            "DELETE FROM event WHERE id IN
               (SELECT id FROM event WHERE decoy = ?1 AND id <= ?2 ORDER BY id LIMIT ?3) RETURNING id",
            (decoy, tx.state.numbers.published, number(surplus)),
            |row| row.get(0),
        )?;
        left -= gone.len();
        *count -= u64::try_from(gone.len()).unwrap_or(0);
        let newest = gone.into_iter().max().unwrap_or_default();
        tx.state.numbers.pruned = tx.state.numbers.pruned.max(newest);
    }
    counts.retain(|_, count| *count > 0);
    tx.state.events_of = Some(counts);
    Ok(limit - left)
}

/// Counts once; from then on the numbers are kept.
fn count_events(tx: &Tx<'_>) -> Outcome<HashMap<String, u64>> {
    let counts =
        tx.all("SELECT decoy, count(*) FROM event WHERE decoy IS NOT NULL GROUP BY decoy", (), |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?))
        })?;
    Ok(counts.into_iter().map(|(decoy, count)| (decoy, u64::try_from(count).unwrap_or(0))).collect())
}

/// Among the first final jobs by id, those that ended long ago, with all that belongs to them.
fn old_jobs(tx: &mut Tx<'_>, before: i64, forgotten_at: i64, limit: usize) -> Outcome<usize> {
    let old: Vec<(i64, i64)> = tx.all(
        // A capture that failed or was cancelled is not proved to be home: its job stays, or nobody would ever be told of it.
        "SELECT id, kind FROM (SELECT id, kind, updated_at FROM job
           WHERE state >= 100 AND (kind <> ?4 OR state = ?5) ORDER BY id LIMIT ?1)
         WHERE updated_at < ?2 LIMIT ?3",
        (window(limit), before, number(limit), codes::kind(JobKind::Sync), codes::state(CLEANED)),
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    for (id, kind) in &old {
        // A capture's directory may stand there for years, and must not look new: its key is kept for ever.
        let until = (*kind == codes::kind(JobKind::Activity)).then_some(forgotten_at);
        let spent = tx.run(
            "INSERT OR REPLACE INTO spent (key, job, until) SELECT key, id, ?2 FROM work WHERE id = ?1",
            (id, until),
        )?;
        tx.state.numbers.spent += number(spent);
        for sql in [
            "DELETE FROM job WHERE id = ?1",
            "DELETE FROM work WHERE id = ?1",
            "DELETE FROM attempt WHERE job = ?1",
            "DELETE FROM manifest WHERE job = ?1",
        ] {
            tx.run(sql, [id])?;
        }
    }
    Ok(old.len())
}

/// What was found under paths about which a person has decided since: what is old goes, and of the rest the oldest beyond a
/// size. What was found under a path that is still frozen stays for that person.
fn old_evidence(tx: &Tx<'_>, before: i64, limit: usize) -> Outcome<usize> {
    tx.run(
        "DELETE FROM evidence WHERE id IN (SELECT id FROM
           (SELECT id, at, sum(length(body)) OVER (ORDER BY id DESC) AS bytes FROM evidence
            WHERE NOT EXISTS (SELECT 1 FROM file WHERE file.decoy = evidence.decoy AND file.path = evidence.path
                              AND file.ownership = ?4))
         WHERE at < ?1 OR bytes > ?2 ORDER BY id LIMIT ?3)",
        (before, EVIDENCE_BYTES_MAX, number(limit), codes::ownership(OwnershipPolicy::HandsOff)),
    )
}

fn spent_keys(tx: &mut Tx<'_>, now: i64, limit: usize) -> Outcome<usize> {
    let gone = tx.run(
        "DELETE FROM spent WHERE key IN (SELECT key FROM spent WHERE until < ?1 LIMIT ?2)",
        (now, number(limit)),
    )?;
    tx.state.numbers.spent -= number(gone);
    Ok(gone)
}
