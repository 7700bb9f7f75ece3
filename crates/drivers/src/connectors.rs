//! Which connector reaches which decoy.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use verisim_core::{Connector, DecoyName, Failure, FailureKind};

/// The connectors of the decoys there are. Decoys come and go while drivers work; a clone shows the same fleet.
#[derive(Clone, Default)]
pub struct Connectors(Arc<RwLock<HashMap<DecoyName, Arc<dyn Connector>>>>);

impl Connectors {
    /// Of no decoy.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A decoy came, or is reached in another way from now on. Answers what it was reached by before.
    pub fn insert(&self, decoy: DecoyName, connector: Arc<dyn Connector>) -> Option<Arc<dyn Connector>> {
        // A map is whole between any two of its calls, also after a panic elsewhere.
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(decoy, connector)
    }

    /// A decoy went. What is under way on it goes on.
    pub fn remove(&self, decoy: &DecoyName) -> Option<Arc<dyn Connector>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(decoy)
    }

    /// What reaches a decoy, if it is of the fleet.
    #[must_use]
    pub fn get(&self, decoy: &DecoyName) -> Option<Arc<dyn Connector>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(decoy).cloned()
    }

    /// What reaches a decoy, for an operation that cannot do without.
    ///
    /// # Errors
    /// `NotFound` when it is not of the fleet.
    pub fn reach(&self, decoy: &DecoyName, operation: &'static str) -> Result<Arc<dyn Connector>, Failure> {
        self.get(decoy).ok_or_else(|| {
            Failure::new(FailureKind::NotFound, operation, format!("no decoy is called {decoy}"))
        })
    }
}

impl FromIterator<(DecoyName, Arc<dyn Connector>)> for Connectors {
    fn from_iter<I: IntoIterator<Item = (DecoyName, Arc<dyn Connector>)>>(fleet: I) -> Self {
        Self(Arc::new(RwLock::new(fleet.into_iter().collect())))
    }
}

impl std::fmt::Debug for Connectors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fleet = self.0.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_set().entries(fleet.keys()).finish()
    }
}
