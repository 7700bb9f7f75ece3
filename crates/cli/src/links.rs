//! How each decoy is reached: connectors as drivers see them, and where connections between decoys can go.

use std::sync::{Arc, Mutex, PoisonError};

use verisim_connect::{DockerConnector, DockerOptions, RootfsConnector};
use verisim_core::{Clock, Connector, Decoy, DecoyName};
use verisim_drivers::{Connectors, Destinations};
use verisim_engine::Member;
use verisim_ssh::SeenKeys;

use crate::config::{ConnectorConfig, DecoyConfig};
use crate::engines::Engines;
use crate::hosts::Hosts;

/// The ways to the decoys. Decoys come and go.
pub(crate) struct Links {
    /// By decoy, what reaches it.
    pub(crate) connectors: Connectors,
    /// By decoy, what it offers and where.
    pub(crate) destinations: Destinations,
    engines: Engines,
    hosts: Mutex<Hosts>,
    /// The host keys that visitors saw since the start: what a decoy shows first is believed.
    pub(crate) seen_keys: SeenKeys,
    clock: Arc<dyn Clock>,
}

impl Links {
    /// To no decoy yet.
    pub(crate) fn new(engines: Engines, clock: Arc<dyn Clock>) -> Self {
        let (connectors, destinations) = (Connectors::new(), Destinations::new());
        Self {
            connectors,
            destinations,
            engines,
            hosts: Mutex::default(),
            seen_keys: SeenKeys::default(),
            clock,
        }
    }

    /// The engines of containers.
    pub(crate) const fn engines(&self) -> &Engines {
        &self.engines
    }

    /// Makes the way to a decoy. Nothing is sent yet.
    pub(crate) fn connect(&self, config: &DecoyConfig) -> Member {
        let (connector, decoy) = (self.connector(config), decoy_of(config));
        self.connectors.insert(decoy.name.clone(), Arc::clone(&connector));
        self.destinations.put(&decoy);
        Member { decoy: Arc::new(decoy), connector }
    }

    /// A decoy with the way that was made to it.
    pub(crate) fn member(&self, config: &DecoyConfig) -> Option<Member> {
        let connector = self.connectors.get(&config.name)?;
        Some(Member { decoy: Arc::new(decoy_of(config)), connector })
    }

    /// Forgets the way to a decoy. What is under way there goes on.
    pub(crate) fn disconnect(&self, name: &DecoyName) {
        self.connectors.remove(name);
        self.destinations.remove(name);
    }

    fn connector(&self, config: &DecoyConfig) -> Arc<dyn Connector> {
        let clock = Arc::clone(&self.clock);
        match &config.connector {
            ConnectorConfig::Rootfs(path) => Arc::new(RootfsConnector::new(path.clone(), clock)),
            ConnectorConfig::Docker(docker) => {
                let (container, reach, exec) = (docker.container.clone(), docker.reach, docker.exec);
                let options = DockerOptions { container, reach, exec };
                Arc::new(DockerConnector::new(self.engines.at(&docker.host), options, clock))
            }
            ConnectorConfig::Ssh(ssh) => {
                let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
                hosts.connector(&config.name, ssh, &self.seen_keys)
            }
        }
    }
}

/// A decoy as planner and drivers see it.
pub(crate) fn decoy_of(decoy: &DecoyConfig) -> Decoy {
    Decoy {
        name: decoy.name.clone(),
        services: decoy.services.clone(),
        role: decoy.role.clone(),
        address: decoy.address,
    }
}
