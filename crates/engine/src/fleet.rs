//! The decoys that are worked on, and how each is asked whether it answers. Changes while the daemon runs.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use verisim_core::{Connector, Decoy, DecoyName};

/// A decoy and its connector. The engine itself only asks it whether it can be reached; effects go through drivers.
#[derive(Clone)]
pub struct Member {
    /// The decoy.
    pub decoy: Arc<Decoy>,
    /// How it is reached.
    pub connector: Arc<dyn Connector>,
}

/// The decoys that are worked on.
#[derive(Default)]
pub struct Fleet {
    members: RwLock<BTreeMap<DecoyName, Member>>,
}

impl Fleet {
    /// A fleet of these members.
    #[must_use]
    pub fn new(members: impl IntoIterator<Item = Member>) -> Arc<Self> {
        let members = members.into_iter().map(|member| (member.decoy.name.clone(), member)).collect();
        Arc::new(Self { members: RwLock::new(members) })
    }

    /// Adds a member, or replaces the one of that name.
    pub fn put(&self, member: Member) {
        let name = member.decoy.name.clone();
        self.members.write().unwrap_or_else(PoisonError::into_inner).insert(name, member);
    }

    /// Takes a member out. What is queued for it fails with a clear reason; what runs ends by itself.
    pub fn remove(&self, name: &DecoyName) -> Option<Member> {
        self.members.write().unwrap_or_else(PoisonError::into_inner).remove(name)
    }

    /// One member.
    #[must_use]
    pub fn get(&self, name: &DecoyName) -> Option<Member> {
        self.members.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// All decoys, by name.
    #[must_use]
    pub fn decoys(&self) -> Vec<Arc<Decoy>> {
        let members = self.members.read().unwrap_or_else(PoisonError::into_inner);
        members.values().map(|member| Arc::clone(&member.decoy)).collect()
    }
}
