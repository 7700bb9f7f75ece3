//! The container engines of the fleet: one for all the containers behind an address.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use verisim_connect::{Engine, EngineAddress};

use crate::config::{Config, ConnectorConfig};

/// How long an engine may take to say where it runs, before that is taken for granted.
const GREETING_TIME_MAX: Duration = Duration::from_secs(5);

/// The engines that were spoken to, or will be.
#[derive(Default)]
pub(crate) struct Engines(Mutex<Vec<Engine>>);

impl Engines {
    /// Asks those that a configuration names where they run, all at once. A socket may lead into a virtual machine, where no
    /// process of a container is one of this machine: a connector settles its way to the files when it is made, and so this
    /// must be known before. One that does not answer in time may be down now and come later: it is taken at its address.
    pub(crate) async fn ask(config: &Config) -> Self {
        let declared = config.decoys.iter().filter_map(|decoy| match &decoy.connector {
            ConnectorConfig::Docker(docker) => Some(&docker.host),
            ConnectorConfig::Rootfs(_) | ConnectorConfig::Ssh(_) => None,
        });
        let found = config.discover.docker.then_some(&config.discover.host);
        let mut once = HashSet::new();
        let addresses = declared.chain(found).filter(|address| once.insert(address.to_string()));
        let greeted = join_all(addresses.map(|address| async move {
            let answer = tokio::time::timeout(GREETING_TIME_MAX, Engine::connect(address.clone())).await;
            answer.ok().and_then(Result::ok).unwrap_or_else(|| Engine::at(address.clone()))
        }));
        Self(Mutex::new(greeted.await))
    }

    /// The engine at an address.
    pub(crate) fn at(&self, address: &EngineAddress) -> Engine {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.iter().find(|engine| engine.address() == address) {
            return known.clone();
        }
        let engine = Engine::at(address.clone());
        all.push(engine.clone());
        engine
    }
}
