//! Where decoys are reached by other decoys.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};

use verisim_core::{Decoy, DecoyName, Failure, FailureKind, Service, Traffic, TrafficProtocol};

/// The addresses and ports of the decoys there are. Decoys come and go while drivers work; a clone shows the same fleet.
#[derive(Debug, Clone, Default)]
pub struct Destinations(Arc<RwLock<HashMap<DecoyName, Destination>>>);

#[derive(Debug, Clone)]
struct Destination {
    address: IpAddr,
    services: Vec<Service>,
}

impl Destination {
    /// The port of the plan; else the first at which the decoy offers the protocol; else the usual one.
    fn port(&self, plan: &Traffic) -> Option<u16> {
        let offers = |protocol: TrafficProtocol| {
            self.services.iter().find(|service| service.protocol == protocol).map(|service| service.port)
        };
        plan.port.or_else(|| offers(plan.protocol)).or(plan.protocol.usual_port())
    }
}

impl Destinations {
    /// Of no decoy.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A decoy came, or changed. One without an address is visited by nobody.
    pub fn put(&self, decoy: &Decoy) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match decoy.address {
            Some(address) => {
                let services = decoy.services.iter().filter_map(|word| Service::parse(word)).collect();
                all.insert(decoy.name.clone(), Destination { address, services });
            }
            None => {
                all.remove(&decoy.name);
            }
        }
    }

    /// A decoy went.
    pub fn remove(&self, decoy: &DecoyName) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(decoy);
    }

    /// Where a planned connection goes.
    ///
    /// # Errors
    /// `Config`, which is never tried again: the destination is gone by then, or has no address. It is not `NotFound`,
    /// which would speak of the decoy that the connection leaves from.
    pub(super) fn resolve(&self, plan: &Traffic, operation: &'static str) -> Result<SocketAddr, Failure> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let refuse = |why: &str| Failure::new(FailureKind::Config, operation, format!("{}: {why}", plan.to));
        let destination = all.get(&plan.to).ok_or_else(|| refuse("there is no address of it"))?;
        let port = destination.port(plan).ok_or_else(|| refuse("a bare connection takes a port"))?;
        Ok(SocketAddr::new(destination.address, port))
    }
}

impl FromIterator<Decoy> for Destinations {
    fn from_iter<I: IntoIterator<Item = Decoy>>(decoys: I) -> Self {
        let all = Self::new();
        decoys.into_iter().for_each(|decoy| all.put(&decoy));
        all
    }
}
