//! What changes while somebody watches captures.

use std::collections::HashMap;

use verisim_core::JobId;
use verisim_engine::control::JobView;

use super::places;
use crate::context::Context;
use crate::render;

/// How many changes are told one by one.
const CHANGES_MAX: usize = 10_000;

/// The state of a capture in words.
pub(super) fn state_of(job: &JobView) -> String {
    job.state.to_lowercase().replace('_', " ")
}

/// What it waits for, or what was noted of it last.
pub(super) fn note_of(job: &JobView) -> String {
    let noted = || job.progress.as_ref().and_then(|progress| progress.note.clone());
    verisim_core::printable(&places::told(job).or_else(noted).unwrap_or_default())
}

/// The state in which each capture was seen last, for whoever watches where nothing is drawn: a line for each change.
#[derive(Default)]
pub(super) struct Changes {
    seen: HashMap<JobId, String>,
    told: usize,
}

impl Changes {
    /// Prints what is in another state than before; at first, what is not settled yet.
    pub(super) fn tell(&mut self, context: &Context, views: &[JobView]) {
        for job in views {
            if self.seen.get(&job.id).is_some_and(|seen| *seen == job.state) {
                continue;
            }
            self.seen.insert(job.id, job.state.clone());
            self.told += 1;
            // Whoever reads no more is told by the last line.
            let _ = match self.told {
                ..=CHANGES_MAX if context.output.json => context.output.typed("change", &Change::of(job)),
                ..=CHANGES_MAX => context.output.line(format!(
                    "{}  {:>6}  {:<15}  {}  {}",
                    render::time::utc(context.now()),
                    job.id,
                    state_of(job),
                    verisim_core::printable(&job.subject),
                    note_of(job)
                )),
                more if more == CHANGES_MAX + 1 => {
                    context.output.say("what changes from here on is told at the end alone");
                    Ok(())
                }
                _ => Ok(()),
            };
        }
    }
}

/// A capture in another state than before, for scripts.
#[derive(serde::Serialize)]
struct Change<'a> {
    job: JobId,
    capture: &'a str,
    state: &'a str,
    note: String,
}

impl<'a> Change<'a> {
    fn of(job: &'a JobView) -> Self {
        Self { job: job.id, capture: &job.subject, state: &job.state, note: note_of(job) }
    }
}
