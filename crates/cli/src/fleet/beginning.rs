//! How a daemon begins: with what is declared, and with what was found when it ran last and is still there. Everything else
//! that is found joins while it runs, so that an event tells of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use verisim_connect::Engine;
use verisim_core::{Decoy, DecoyName};
use verisim_engine::{Departure, Handle};

use super::keeper::{Keeper, decoy_of_found};
use super::memory::Memory;
use super::roster::{Roster, tell};
use super::{FoundDecoy, look, with_found};
use crate::config::Config;
use crate::error::CliResult;
use crate::here::Here;
use crate::owners::Owners;
use crate::state::StateDir;
use crate::wire::random_seed;

/// How long a start waits for an engine. One that answers later is followed from then on.
const FIRST_LOOK_MAX: Duration = Duration::from_secs(5);

/// What a daemon begins with.
pub(crate) struct Beginning {
    base: Config,
    /// What was there last, and still is.
    found: BTreeMap<DecoyName, FoundDecoy>,
    /// What was there last; whether it still is, is yet to be seen.
    unsure: BTreeMap<DecoyName, Arc<Decoy>>,
}

impl Beginning {
    /// Looks around once, if decoys are to be found.
    ///
    /// # Errors
    /// When there is no randomness for a seed.
    pub(crate) async fn of(mut base: Config) -> CliResult<Self> {
        let mut beginning = Self { base: base.clone(), found: BTreeMap::new(), unsure: BTreeMap::new() };
        if !base.discover.docker {
            return Ok(beginning);
        }
        let memory = Memory::read(&StateDir::at(&base.state)).unwrap_or_default();
        if !base.is_seed_given {
            // People are invented: a common default would give two fleets the same ones.
            base.seed = memory.seed.map_or_else(random_seed, Ok)?;
            beginning.base.seed = base.seed;
        }
        let known = memory.found();
        let engine = Engine::at(base.discover.host.clone());
        let looked = tokio::time::timeout(FIRST_LOOK_MAX, look(&engine, &base.discover.naming)).await;
        let there = looked.ok().and_then(Result::ok).map(|findings| findings.decoys).unwrap_or_default();
        for found in known {
            match there.get(&found.name).filter(|now| now.id == found.id) {
                Some(now) => drop(beginning.found.insert(found.name, now.clone())),
                None => drop(beginning.unsure.insert(found.name.clone(), Arc::new(decoy_of_found(&found)))),
            }
        }
        Ok(beginning)
    }

    /// What is declared, with what is there.
    pub(crate) fn config(&self) -> Config {
        let (config, strangers) = with_found(&self.base, self.found.values());
        tell(&strangers);
        config
    }

    /// Who keeps the fleet from now on; `None` where nothing is to be found.
    ///
    /// # Errors
    /// When the seed cannot be kept.
    pub(crate) fn keeper(self, here: &Here, owners: Owners, handle: Handle) -> CliResult<Option<Keeper>> {
        if !self.base.discover.docker {
            return Ok(None);
        }
        Memory::of(self.base.seed, self.found.values()).write(&here.state)?;
        let absent: Vec<Departure> = self
            .unsure
            .values()
            .map(|decoy| Departure {
                decoy: Arc::clone(decoy),
                reason: "unknown".into(),
                detail: "it was there when the daemon ran last; its engine is yet to say whether it is"
                    .into(),
                keeps_work: true,
            })
            .collect();
        handle.begin_without(&absent);
        let engine = here.wired.links.engines().at(&self.base.discover.host);
        let places = (here.state.clone(), Arc::clone(&here.store));
        let roster = Roster::new(self.base, here.wired.clone(), places, self.found, owners);
        Ok(Some(Keeper { roster, engine, handle, unsure: self.unsure }))
    }
}
