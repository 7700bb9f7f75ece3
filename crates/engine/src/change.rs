//! Decoys that come and go while the engine runs: what is asked of the loop, and what is remembered of those that left.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use tokio::sync::oneshot;
use verisim_core::{Decoy, DecoyName, PersonaName, Timestamp};

use crate::engine::Handle;
use crate::{LifePlanner, Member};

/// How many decoys that left are remembered; then the one that left first is forgotten. What is still queued for one that
/// is forgotten fails, as for a decoy that never was.
const LEFT_MAX: usize = 1_000;

/// A change of the fleet, with who plans for it from then on.
pub struct FleetChange {
    /// Who left.
    pub left: Vec<Departure>,
    /// Who joined, after those left: one that was replaced is in both.
    pub joined: Vec<Arrival>,
    /// Who is the same as before and offers something else now, or elsewhere: no news, and nothing is cancelled.
    pub changed: Vec<Member>,
    /// Who decides what happens next, for the fleet as it is then; `None` where nobody works anywhere.
    pub planner: Option<Box<dyn LifePlanner>>,
}

/// A decoy that joins.
pub struct Arrival {
    /// The decoy and how it is reached.
    pub member: Member,
    /// Who works on it.
    pub personas: Vec<PersonaName>,
    /// How it was found, for people.
    pub detail: String,
}

/// A decoy that leaves.
#[derive(Debug, Clone)]
pub struct Departure {
    /// The decoy.
    pub decoy: Arc<Decoy>,
    /// What became of it, one word.
    pub reason: String,
    /// The same, for people.
    pub detail: String,
    /// What is queued for it stays so, since nobody knows yet whether it is gone.
    pub keeps_work: bool,
}

/// A change that waits for the loop, and who is told when it is carried out.
pub(crate) type Waiting = (FleetChange, oneshot::Sender<()>);

/// A decoy that left.
#[derive(Debug, Clone)]
pub(crate) struct Left {
    pub(crate) decoy: Arc<Decoy>,
    pub(crate) since: Timestamp,
    pub(crate) detail: String,
    keeps_work: bool,
}

/// The decoys that left and did not come back.
#[derive(Debug, Default)]
pub(crate) struct LeftBoard(std::sync::Mutex<BTreeMap<DecoyName, Left>>);

impl LeftBoard {
    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<DecoyName, Left>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn add(&self, departure: &Departure, since: Timestamp) {
        let (decoy, detail) = (Arc::clone(&departure.decoy), departure.detail.clone());
        let left = Left { decoy, since, detail, keeps_work: departure.keeps_work };
        self.with(|all| {
            all.insert(departure.decoy.name.clone(), left);
            while all.len() > LEFT_MAX {
                let Some(first) = all.iter().min_by_key(|(_, left)| left.since).map(|(name, _)| name.clone())
                else {
                    return;
                };
                all.remove(&first);
            }
        });
    }

    pub(crate) fn remove(&self, decoy: &DecoyName) {
        self.with(|all| all.remove(decoy));
    }

    pub(crate) fn get(&self, decoy: &DecoyName) -> Option<Left> {
        self.with(|all| all.get(decoy).cloned())
    }

    pub(crate) fn has(&self, decoy: &DecoyName) -> bool {
        self.with(|all| all.contains_key(decoy))
    }

    pub(crate) fn names(&self) -> Vec<DecoyName> {
        self.with(|all| all.keys().cloned().collect())
    }

    /// Those for which nothing is to stay queued.
    pub(crate) fn to_sweep(&self) -> Vec<DecoyName> {
        let goes = |(name, left): (&DecoyName, &Left)| (!left.keeps_work).then(|| name.clone());
        self.with(|all| all.iter().filter_map(goes).collect())
    }

    pub(crate) fn all(&self) -> Vec<Left> {
        self.with(|all| all.values().cloned().collect())
    }
}

impl Handle {
    /// Lets decoys join and leave between two turns of the loop, and hands the planning over. What is queued for a decoy
    /// that left is cancelled, and an effect of it whose fate is open is asked for should it come back. A decoy that joins is
    /// asked who it is before anything is done there, also when one of its name was known before.
    ///
    /// Waits until it is done; answers `false` when the engine ended before. One change at a time: the next one waits.
    pub async fn change_fleet(&self, change: FleetChange) -> bool {
        let (done, waits) = oneshot::channel();
        {
            let mut changes = self.shared.changes.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(changes) = changes.as_mut() else { return false };
            changes.push_back((change, done));
        }
        self.wake();
        waits.await.is_ok()
    }

    /// Before the engine runs: decoys that were worked on earlier and are not there now.
    pub fn begin_without(&self, absent: &[Departure]) {
        let now = self.shared.now();
        absent.iter().for_each(|departure| self.shared.left.add(departure, now));
    }
}
