//! What was found last, kept in the state folder: so that commands know the decoys that no configuration names, and so that
//! the people who were invented for them stay the same.

use std::io::Read as _;

use serde::{Deserialize, Serialize};
use verisim_core::DecoyName;

use super::{FoundDecoy, Remark, with_found};
use crate::config::Config;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::state::StateDir;

/// The longest memory that is read: far more than the decoys that are taken from one engine need.
const MEMORY_BYTES_MAX: u64 = 16 << 20;

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// What people are invented from where the configuration names no seed.
    pub(crate) seed: Option<u64>,
    /// The decoys that were there last.
    #[serde(default)]
    decoys: Vec<Remembered>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    name: DecoyName,
    container: String,
    id: String,
    containers: Vec<String>,
    services: Vec<String>,
    role: Option<String>,
    personas: Option<Vec<verisim_core::PersonaName>>,
    address: Option<std::net::IpAddr>,
    by_naming: bool,
}

impl Memory {
    /// What stands in a state folder. What cannot be read is as if it were not there: it is found out anew.
    pub(crate) fn read(state: &StateDir) -> Option<Self> {
        let file = std::fs::File::open(state.discovered()).ok()?;
        let mut text = Vec::new();
        file.take(MEMORY_BYTES_MAX).read_to_end(&mut text).ok()?;
        serde_json::from_slice(&text)
            .inspect_err(|error| tracing::warn!(%error, "cannot read which decoys were found"))
            .ok()
    }

    /// Keeps it, where it changed.
    pub(crate) fn write(&self, state: &StateDir) -> CliResult<()> {
        if Self::read(state).as_ref() == Some(self) {
            return Ok(());
        }
        let text = serde_json::to_vec(self).map_err(|error| CliError::new(Exit::Store, error))?;
        state.write(&state.discovered(), &text)
    }

    /// What is to be remembered.
    pub(crate) fn of<'f>(seed: u64, found: impl Iterator<Item = &'f FoundDecoy>) -> Self {
        Self { seed: Some(seed), decoys: found.map(Remembered::of).collect() }
    }

    /// The decoys that were there last.
    pub(crate) fn found(&self) -> Vec<FoundDecoy> {
        self.decoys.iter().filter_map(Remembered::found).collect()
    }
}

impl Remembered {
    fn of(found: &FoundDecoy) -> Self {
        Self {
            name: found.name.clone(),
            container: found.container.to_string(),
            id: found.id.clone(),
            containers: found.containers.iter().map(ToString::to_string).collect(),
            services: found.services.clone(),
            role: found.role.clone(),
            personas: found.personas.clone(),
            address: found.address,
            by_naming: found.by_naming,
        }
    }

    /// `None` for what names no container.
    fn found(&self) -> Option<FoundDecoy> {
        Some(FoundDecoy {
            name: self.name.clone(),
            container: self.container.parse().ok()?,
            id: self.id.clone(),
            containers: self.containers.iter().filter_map(|name| name.parse().ok()).collect(),
            services: self.services.clone(),
            role: self.role.clone(),
            personas: self.personas.clone(),
            address: self.address,
            by_naming: self.by_naming,
        })
    }
}

/// What is to be said of those whom labels of what was found last name, and nobody knows.
pub(crate) fn strangers(config: &Config) -> Vec<Remark> {
    let memory = Memory::read(&StateDir::at(&config.state)).filter(|_| config.discover.docker);
    memory.map(|memory| with_found(config, &memory.found()).1).unwrap_or_default()
}

/// The configuration with what was found last, for commands that do not look for themselves.
pub(crate) fn recalled(mut config: Config) -> Config {
    if !config.discover.docker {
        return config;
    }
    let Some(memory) = Memory::read(&StateDir::at(&config.state)) else { return config };
    if !config.is_seed_given {
        config.seed = memory.seed.unwrap_or(config.seed);
    }
    with_found(&config, &memory.found()).0
}
