//! The fleet of a running daemon: what is declared, and what was found beside it; and how the two are changed together with
//! drivers, planner and memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use verisim_core::{DecoyName, Store};
use verisim_engine::{Arrival, Departure, FleetChange, Handle, LifePlanner, Member, WorldPlanner};
use verisim_store::SqliteStore;

use super::memory::Memory;
use super::{FoundDecoy, Remark, with_found};
use crate::config::{Config, DecoyConfig};
use crate::error::CliResult;
use crate::here::PATIENCE;
use crate::owners::{self, Owners};
use crate::state::StateDir;
use crate::wire::Wired;

/// The fleet of a running daemon.
pub(crate) struct Roster {
    /// What is declared.
    base: Config,
    /// The fleet that is worked on.
    wired: Wired,
    state: StateDir,
    store: Arc<SqliteStore>,
    /// What was found and joined.
    found: BTreeMap<DecoyName, FoundDecoy>,
    /// What was found and cannot join as it is: not tried again until it is another.
    refused: BTreeMap<DecoyName, FoundDecoy>,
    owners: Owners,
    told: BTreeSet<Remark>,
}

impl Roster {
    /// The fleet as it is at the start: `wired` is of `base` with what was `found`.
    pub(crate) fn new(
        base: Config,
        wired: Wired,
        (state, store): (StateDir, Arc<SqliteStore>),
        found: BTreeMap<DecoyName, FoundDecoy>,
        owners: Owners,
    ) -> Self {
        let (refused, told) = (BTreeMap::new(), BTreeSet::new());
        Self { base, wired, state, store, found, refused, owners, told }
    }

    /// What is declared.
    pub(crate) const fn base(&self) -> &Config {
        &self.base
    }

    /// What was found and joined.
    pub(crate) fn found(&self) -> impl Iterator<Item = &FoundDecoy> {
        self.found.values()
    }

    /// Whether a decoy was found and joined just as it is now.
    pub(crate) fn knows(&self, found: &FoundDecoy) -> bool {
        self.found.get(&found.name) == Some(found)
    }

    /// Whether a decoy of this name was found and joined.
    fn has(&self, name: &DecoyName) -> bool {
        self.found.contains_key(name)
    }

    /// A clock that never goes back.
    pub(crate) fn monotonic(&self) -> Duration {
        self.wired.clock.monotonic()
    }

    /// Tells what was not told before.
    pub(crate) fn remark(&mut self, remarks: &[Remark]) {
        let all: BTreeSet<Remark> = remarks.iter().cloned().collect();
        tell(all.difference(&self.told));
        self.told = all;
    }

    /// Takes decoys out of the fleet.
    pub(crate) async fn leave(&mut self, handle: &Handle, left: Vec<Departure>) {
        let names: Vec<DecoyName> = left.iter().map(|departure| departure.decoy.name.clone()).collect();
        names.iter().for_each(|name| drop(self.found.remove(name)));
        let planner = match self.planned(&self.found).await {
            Ok((wired, planner)) => {
                self.wired = wired;
                planner
            }
            Err(error) => {
                // Fewer decoys make no new mistake.
                tracing::error!(error = error.message, "the plan cannot be made anew");
                return;
            }
        };
        handle.change_fleet(FleetChange { left, joined: Vec::new(), changed: Vec::new(), planner }).await;
        for name in &names {
            self.wired.links.disconnect(name);
        }
        self.remember().await;
    }

    /// Takes decoys that were found into the fleet, but for those that are declared; and takes note of what is another way now
    /// with those that are in it.
    pub(crate) async fn join(&mut self, handle: &Handle, candidates: Vec<FoundDecoy>) {
        let mut news: Vec<FoundDecoy> =
            candidates.into_iter().filter(|found| self.refused.get(&found.name) != Some(found)).collect();
        let (joined, strangers) = with_found(&self.base, &news);
        let declared = |found: &FoundDecoy| {
            joined.decoys[self.base.decoys.len()..].iter().any(|decoy| decoy.name == found.name)
        };
        news.retain(declared);
        if news.is_empty() {
            return;
        }
        let mut all = self.found.clone();
        all.extend(news.iter().map(|found| (found.name.clone(), found.clone())));
        let (wired, planner) = match self.planned(&all).await {
            Ok(planned) => planned,
            Err(error) => {
                // One of them cannot be worked on: two people of one login, for instance. They are told, and left out.
                for found in news {
                    tracing::warn!(decoy = %found.name, why = error.message, "a decoy that was found cannot join");
                    self.refused.insert(found.name.clone(), found);
                }
                return;
            }
        };
        self.wired = wired;
        tell(&strangers);
        let (known, fresh): (Vec<_>, Vec<_>) = news.iter().partition(|found| self.has(&found.name));
        let changed = known.into_iter().filter_map(|found| self.reconnect(found)).collect();
        let joined = fresh.into_iter().filter_map(|found| self.arrival(found, &strangers)).collect();
        let change = FleetChange { left: Vec::new(), joined, changed, planner };
        if handle.change_fleet(change).await {
            self.found = all;
            self.remember().await;
        }
    }

    /// One that is there already, as it is now.
    fn reconnect(&self, found: &FoundDecoy) -> Option<Member> {
        let config = self.wired.config.decoys.iter().find(|decoy| decoy.name == found.name)?;
        Some(self.wired.links.connect(config))
    }

    fn arrival(&self, found: &FoundDecoy, strangers: &[Remark]) -> Option<Arrival> {
        let config = self.wired.config.decoys.iter().find(|decoy| decoy.name == found.name)?;
        let member = self.wired.links.member(config)?;
        let how = if found.by_naming { "the names of its containers" } else { "its label" };
        let containers = super::discover::names(found.containers.iter().map(|name| name.as_str()));
        let mut detail = format!("found by {how} ({containers})");
        for remark in strangers.iter().filter(|remark| remark.about == found.name.as_str()) {
            detail.push_str(&format!("; {}", remark.what));
        }
        Some(Arrival { member, personas: config.personas.clone(), detail })
    }

    /// The fleet with these decoys, each connected, and who plans for it.
    async fn planned(
        &self,
        found: &BTreeMap<DecoyName, FoundDecoy>,
    ) -> CliResult<(Wired, Option<Box<dyn LifePlanner>>)> {
        let (config, _) = with_found(&self.base, found.values());
        let wired = self.wired.with(config);
        let fresh: Vec<&DecoyConfig> = wired
            .config
            .decoys
            .iter()
            .filter(|decoy| wired.links.connectors.get(&decoy.name).is_none())
            .collect();
        fresh.iter().for_each(|decoy| drop(wired.links.connect(decoy)));
        let planner = async {
            let owners = wired.owners_beside(&self.owners).await;
            owners::remember(&self.state, &owners)?;
            plan(&wired, &owners)
        };
        match planner.await {
            Ok(planner) => Ok((wired, planner)),
            Err(error) => {
                fresh.iter().for_each(|decoy| wired.links.disconnect(&decoy.name));
                Err(error)
            }
        }
    }

    async fn remember(&mut self) {
        let decoys = self.wired.fleet.decoys().iter().map(|decoy| (**decoy).clone()).collect();
        if let Err(error) = self.store.put_decoys(decoys).await {
            tracing::warn!(%error, "the fleet cannot be remembered");
        }
        let memory = Memory::of(self.base.seed, self.found.values());
        if let Err(error) = memory.write(&self.state) {
            tracing::warn!(error = error.message, "what was found cannot be remembered");
        }
    }
}

/// Has a person know.
pub(super) fn tell<'r>(remarks: impl IntoIterator<Item = &'r Remark>) {
    for remark in remarks {
        tracing::warn!(about = remark.about, "{}", remark.what);
    }
}

/// Who plans for a fleet; `None` where nobody works on any decoy.
pub(crate) fn plan(wired: &Wired, owners: &Owners) -> CliResult<Option<Box<dyn LifePlanner>>> {
    if !wired.has_people() {
        return Ok(None);
    }
    let world = wired.world_of(owners)?;
    Ok(world.map(|world| Box::new(WorldPlanner::new(world, PATIENCE)) as Box<dyn LifePlanner>))
}
