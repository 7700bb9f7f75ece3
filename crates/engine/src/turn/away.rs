//! Destinations that are away: nothing is begun for them, and each is asked once in a while, whatever the number of its jobs.

use std::sync::Arc;

use verisim_core::{EventPayload, FailureKind, Lane, NewEvent, Remote, Timestamp, Topic};

use super::{End, Loop};
use crate::away::FoundAway;
use crate::sync::stand_by;

impl Loop {
    /// A step found its destination away.
    pub(super) fn note_away(&mut self, lane: &Lane, found: FoundAway, now: Timestamp) {
        let event = about(&found.remote, false, &found.why, now);
        if self.shared.away.note(lane, found, now) {
            self.unsent.push_back(event);
            self.stand_by(lane);
        }
    }

    /// Asks every destination that is away and whose time has come.
    pub(super) fn ask_away(&mut self, now: Timestamp) {
        let Some(worker) = self.shared.sync.clone() else { return };
        for (lane, remote) in self.shared.away.begin(now) {
            let (shared, worker) = (Arc::clone(&self.shared), Arc::clone(&worker));
            let stop = self.stop_early.clone();
            self.tasks.spawn(async move {
                let answer = match shared.bounded(&stop, worker.answers(&remote)).await {
                    Ok(answer) => answer.map_err(|failure| failure.detail),
                    Err(_) => Err("it did not answer in time".to_owned()),
                };
                End::Asked { lane, answer }
            });
        }
    }

    /// Passes that wait there are not made, and leave their captures what they were.
    fn stand_by(&mut self, lane: &Lane) {
        let (shared, lane) = (Arc::clone(&self.shared), lane.clone());
        self.tasks.spawn(async move { End::Tidied(stand_by(shared, lane).await) });
    }

    pub(super) fn end_asking(&mut self, lane: &Lane, answer: Result<(), String>, now: Timestamp) {
        match answer {
            Err(why) => {
                self.shared.away.still(lane, why, now);
                self.stand_by(lane);
            }
            Ok(()) => {
                if let Some(found) = self.shared.away.back(lane) {
                    self.unsent.push_back(about(&found.remote, true, "it is back; its captures go on", now));
                }
            }
        }
    }
}

fn about(remote: &Remote, reachable: bool, detail: &str, now: Timestamp) -> NewEvent {
    NewEvent {
        success: reachable,
        failure: (!reachable).then_some(FailureKind::Network),
        detail: detail.to_owned(),
        ..NewEvent::new(Topic::destination(&remote.destination), EventPayload::Reachable { reachable }, now)
    }
}
