//! The burn-ins of the model.

use std::ops::Range;

use verisim_core::{BurnFate, BurnFile, BurnPlan, BurnStep, DecoyName, DecoyPath, StoreError, StoreResult};

use super::State;

impl State {
    pub(super) fn begin_burn_in(&mut self, mut plan: BurnPlan) -> StoreResult<()> {
        let decoy = plan.burn.decoy.clone();
        if self.burns.contains_key(&decoy) {
            return Err(StoreError::Invalid(format!("{decoy} has a past already")));
        }
        plan.directories.sort_by(|a, b| a.path.cmp(&b.path));
        self.burns.insert(decoy, plan);
        Ok(())
    }

    pub(super) fn step_burn_in(&mut self, step: BurnStep) -> StoreResult<()> {
        let Some(plan) = self.burns.get_mut(&step.decoy) else {
            return Err(StoreError::Invalid(format!("{} has no burn-in", step.decoy)));
        };
        for (number, fate) in step.fates {
            let file = plan.files.iter_mut().find(|file| file.number == number);
            if let Some(file) = file {
                file.fate = fate;
                if fate != BurnFate::Planned {
                    file.body = None;
                }
            }
        }
        for directory in step.directories {
            if let Some(known) = plan.directories.iter_mut().find(|known| known.path == directory.path) {
                *known = directory;
            }
        }
        match step.burn {
            Some(burn) => plan.burn = burn,
            None => drop(self.burns.remove(&step.decoy)),
        }
        for change in step.ledger {
            self.apply(change);
        }
        self.append(step.events);
        Ok(())
    }

    pub(super) fn burnt_files(&self, decoy: &DecoyName, numbers: &Range<u32>) -> Vec<BurnFile> {
        let files = self.burns.get(decoy).map(|plan| plan.files.as_slice()).unwrap_or_default();
        files.iter().filter(|file| numbers.contains(&file.number)).cloned().collect()
    }

    pub(super) fn burnt_file(&self, decoy: &DecoyName, path: &DecoyPath) -> Option<BurnFile> {
        let found = self.burns.get(decoy)?.files.iter().find(|file| file.path == *path)?;
        Some(BurnFile { body: None, before: None, ..found.clone() })
    }
}
