//! Whose files they are: the user and group of every persona, as numbers.
//!
//! A number that changed between two runs would make one person's files belong to two users. So what was found out, or
//! invented, is remembered in the state folder: a decoy whose mount is missing at a start says nothing of its accounts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;
use verisim_core::{HostFacts, Owner, PersonaName};

use crate::config::DecoyConfig;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::state::StateDir;
use crate::wire::Wired;

/// The owner of each persona's files.
pub(crate) type Owners = HashMap<PersonaName, Owner>;

/// The first uid that Debian gives to people: for personas without an account and without a configured uid.
const UID_FIRST: u32 = 1000;
/// How many decoys are asked at once.
const ASKED_AT_ONCE: usize = 32;
/// How long a decoy may take to say who has an account on it. It is asked again at the next start.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// The longest memory that is read: far more than the personas of a configuration of the longest kind take.
const MEMORY_BYTES_MAX: u64 = 16 << 20;

impl Wired {
    /// Who the personas are on the decoys: as configured, else as the first decoy that has an account of that login says,
    /// else as the state folder remembers, else a number of their own that no account or group of a decoy has: the lowest
    /// from 1000 on, in the order of the configuration.
    pub(crate) async fn owners(&self) -> Owners {
        self.owners_beside(&Owners::new()).await
    }

    /// The same where some are known already: they stay who they are, and only decoys on which others work are asked.
    pub(crate) async fn owners_beside(&self, known: &Owners) -> Owners {
        let personas = &self.config.personas;
        let chosen = personas.iter().filter_map(|one| one.owner.map(|owner| (one.name.clone(), owner)));
        let met =
            personas.iter().filter_map(|one| known.get(&one.name).map(|owner| (one.name.clone(), *owner)));
        let mut owners: Owners = met.chain(chosen).collect();
        let logins: HashMap<&PersonaName, &str> =
            self.config.personas.iter().map(|persona| (&persona.name, persona.login.as_str())).collect();
        if logins.len() == owners.len() {
            return owners;
        }
        let is_asked = |decoy: &&DecoyConfig| {
            known.is_empty() || decoy.personas.iter().any(|name| !owners.contains_key(name))
        };
        let asked: Vec<&DecoyConfig> = self.config.decoys.iter().filter(is_asked).collect();
        let mut taken: HashSet<u32> = known.values().flat_map(|owner| [owner.uid, owner.gid]).collect();
        for (decoy, facts) in asked.iter().zip(self.ask(&asked).await) {
            let Some(facts) = facts else { continue };
            taken.extend(facts.accounts.iter().flat_map(|account| [account.owner.uid, account.owner.gid]));
            for name in &decoy.personas {
                let account =
                    facts.accounts.iter().find(|account| logins.get(name) == Some(&account.login.as_str()));
                if let Some(account) = account {
                    owners.entry(name.clone()).or_insert(account.owner);
                }
            }
        }
        for (name, owner) in remembered(&StateDir::at(&self.config.state)) {
            // Somebody else's account by now is not the persona's any more.
            if logins.contains_key(&name) && !taken.contains(&owner.uid) {
                owners.entry(name).or_insert(owner);
            }
        }
        taken.extend(owners.values().flat_map(|owner| [owner.uid, owner.gid]));
        let mut free = (UID_FIRST..u32::MAX).filter(|number| !taken.contains(number));
        for persona in &self.config.personas {
            if !owners.contains_key(&persona.name)
                && let Some(number) = free.next()
            {
                // Decoys that are still to be found may have it.
                if !self.config.decoys.is_empty() {
                    tracing::warn!(persona = %persona.name, uid = number, "no decoy has an account of this login; its files get an invented uid");
                }
                owners.insert(persona.name.clone(), Owner { uid: number, gid: number });
            }
        }
        owners
    }
}

impl Wired {
    /// What these decoys say of themselves, in their order; nothing where one does not answer in time. Some
    /// are asked at once, so that one that is slow keeps the others waiting for no longer than it takes itself.
    async fn ask(&self, decoys: &[&DecoyConfig]) -> Vec<Option<HostFacts>> {
        let room = Arc::new(Semaphore::new(ASKED_AT_ONCE));
        let asked = decoys.iter().map(|decoy| {
            let (connector, room) = (self.links.connectors.get(&decoy.name), Arc::clone(&room));
            let asking = async move {
                let _place = room.acquire().await.ok()?;
                tokio::time::timeout(ANSWER_TIME_MAX, connector?.probe()).await.ok()?.ok()
            };
            AbortOnDropHandle::new(tokio::spawn(asking))
        });
        let asked: Vec<_> = asked.collect();
        let mut answers = Vec::with_capacity(asked.len());
        for answer in asked {
            // One that broke off has not answered.
            answers.push(answer.await.ok().flatten());
        }
        answers
    }
}

/// Remembers them for the next start, beside those of personas that are not in the configuration now.
pub(crate) fn remember(state: &StateDir, owners: &Owners) -> CliResult<()> {
    let known = remembered(state);
    let mut all = known.clone();
    all.extend(owners.iter().map(|(name, owner)| (name.clone(), *owner)));
    if all == known {
        return Ok(());
    }
    let text = serde_json::to_vec(&all).map_err(|error| CliError::new(Exit::Store, error))?;
    state.write(&state.owners(), &text)
}

/// What is remembered. What cannot be read is as if it were not there: it is found out or invented anew.
fn remembered(state: &StateDir) -> BTreeMap<PersonaName, Owner> {
    let mut text = Vec::new();
    match std::fs::File::open(state.owners()) {
        Ok(file) => {
            if let Err(error) = file.take(MEMORY_BYTES_MAX).read_to_end(&mut text) {
                tracing::warn!(%error, "cannot read who the personas were");
                return BTreeMap::new();
            }
        }
        Err(_) => return BTreeMap::new(),
    }
    serde_json::from_slice(&text).unwrap_or_else(|error| {
        tracing::warn!(%error, file = %state.owners().display(), "cannot read who the personas were");
        BTreeMap::new()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use super::*;

    fn wired(dir: &std::path::Path) -> Wired {
        let config = format!(
            r#"
            state = "{0}/state"
            seed = 7
            [[decoy]]
            name = "files01"
            connector = {{ rootfs = {{ path = "{0}/decoy" }} }}
            personas = ["ada", "bob"]
            [[persona]]
            name = "ada"
            full_name = "Ada"
            login = "ada"
            role = "analyst"
            [[persona]]
            name = "bob"
            full_name = "Bob"
            login = "bob"
            role = "analyst"
            "#,
            dir.display()
        );
        let file = dir.join("verisim.toml");
        std::fs::write(&file, config).unwrap();
        let config = crate::config::load(&file, None).unwrap();
        Wired::new(config, std::sync::Arc::new(crate::clock::SystemClock::new()))
    }

    #[tokio::test]
    async fn who_a_persona_is_does_not_change_while_a_mount_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let etc = dir.path().join("decoy/etc");
        std::fs::create_dir_all(&etc).unwrap();
        std::fs::write(
            etc.join("passwd"),
            "carl:x:1000:1000::/home/carl:/bin/sh\nada:x:1001:1001::/home/ada:/bin/sh\n",
        )
        .unwrap();
        let state = StateDir::open(&dir.path().join("state")).unwrap();
        let found = wired(dir.path()).owners().await;
        assert_eq!(
            found.values().map(|owner| owner.uid).collect::<std::collections::BTreeSet<_>>(),
            [1001, 1002].into()
        );
        remember(&state, &found).unwrap();
        // The mount is away.
        std::fs::rename(dir.path().join("decoy"), dir.path().join("away")).unwrap();
        std::fs::create_dir(dir.path().join("decoy")).unwrap();
        assert_eq!(wired(dir.path()).owners().await, found);
        // What was invented belongs to somebody else by now.
        std::fs::remove_dir(dir.path().join("decoy")).unwrap();
        std::fs::rename(dir.path().join("away"), dir.path().join("decoy")).unwrap();
        std::fs::write(
            etc.join("passwd"),
            "dora:x:1002:1002::/home/dora:/bin/sh\nada:x:1001:1001::/home/ada:/bin/sh\n",
        )
        .unwrap();
        let now = wired(dir.path()).owners().await;
        assert_eq!(now[&PersonaName::new("bob").unwrap()].uid, 1000);
        // A memory that is no memory is none.
        std::fs::write(state.owners(), "no JSON").unwrap();
        assert_eq!(wired(dir.path()).owners().await.len(), 2);
    }
}
