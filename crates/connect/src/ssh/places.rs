//! What a batch knows of directories: each is looked at, and made, once, by whichever of its files comes first.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use verisim_core::DecoyPath;
use verisim_ssh::sftp::Attributes;

use super::problem::Outcome;
use super::remote::Remote;
use super::write::Before;

/// The directory that gets a new entry.
#[derive(Debug, Clone)]
pub(super) struct Parent {
    /// Whether everything that was made on the way to it belongs to whom it should.
    pub(super) owner_set: bool,
    /// What gained an entry: the directory, or the one that gained the first that was made on the way to it.
    pub(super) before: Before,
    /// Free bytes for the file, where they can be told.
    pub(super) free_bytes: Option<u64>,
}

/// A directory of which the answer is there, or still comes.
pub(super) type Place = Arc<tokio::sync::Mutex<Option<Outcome<Parent>>>>;

/// The directories of one batch.
#[derive(Default)]
pub(super) struct Places {
    /// Held by who makes directories: a batch makes one at a time.
    pub(super) making: tokio::sync::Mutex<()>,
    looked: Mutex<HashMap<(DecoyPath, bool), Place>>,
    /// What the batch made, and whether an outcome tells of it.
    made: Mutex<BTreeMap<DecoyPath, bool>>,
}

impl Places {
    /// What is known of a directory, by those that would make it or by those that would not.
    pub(super) fn of(&self, dir: &DecoyPath, would_make: bool) -> Place {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(looked.entry((dir.clone(), would_make)).or_default())
    }

    /// What `parent` is for those that come after the first.
    pub(super) fn shared(&self, dir: &DecoyPath, parent: &Parent) -> Parent {
        match self.made_now().contains_key(dir) {
            true => Parent { before: (dir.clone(), None), ..parent.clone() },
            false => parent.clone(),
        }
    }

    /// What a directory was before the batch: nothing, if the batch made it.
    pub(super) fn before(&self, dir: &DecoyPath, now: Attributes) -> Before {
        let stood = !self.made_now().contains_key(dir);
        (dir.clone(), stood.then_some(now))
    }

    /// Notes that the batch made a directory.
    pub(super) fn made(&self, dir: &DecoyPath) {
        self.made_now().insert(dir.clone(), false);
    }

    /// The directories on the way to a file that the batch made and nobody has told of, outermost first. They are told now.
    pub(super) fn tell(&self, path: &DecoyPath) -> Vec<DecoyPath> {
        let mut made = self.made_now();
        let mut out: Vec<DecoyPath> = std::iter::successors(path.parent(), DecoyPath::parent)
            .filter(|dir| made.get_mut(dir).is_some_and(|told| !std::mem::replace(told, true)))
            .collect();
        out.reverse();
        out
    }

    /// Takes back what was made for files that did not come about. It goes only if it is empty: what somebody put there
    /// meanwhile stays.
    pub(super) async fn undo(self, remote: &dyn Remote) {
        let made = self.made.into_inner().unwrap_or_else(PoisonError::into_inner);
        // Those inside come after those around them.
        for (dir, told) in made.iter().rev() {
            if !told && remote.remove_directory(dir.as_bytes()).await.is_err_and(|error| !error.is_answer()) {
                return;
            }
        }
    }

    fn made_now(&self) -> MutexGuard<'_, BTreeMap<DecoyPath, bool>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
