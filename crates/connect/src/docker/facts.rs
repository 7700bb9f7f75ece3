//! What an engine tells of a container, in our words.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use bollard::models::{ContainerSummary, ContainerSummaryStateEnum, EventMessage};

/// How long a container's name or id may be: far longer than either is.
const NAME_BYTES_MAX: usize = 255;

/// A container's name, or its id: `[a-zA-Z0-9][a-zA-Z0-9_.-]*`, as engines name them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContainerName(String);

impl ContainerName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ContainerName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        let begins = text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
        if begins && text.len() <= NAME_BYTES_MAX && text.bytes().all(legal) {
            Ok(Self(text.to_owned()))
        } else {
            Err("a container's name begins with a letter or digit, and consists of those and '_', '.', '-'")
        }
    }
}

impl fmt::Display for ContainerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A container as its engine lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerFacts {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: ContainerName,
    /// What it does.
    pub state: ContainerState,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whose network it uses: `container:ID` for that of another container, else the network's own name or mode.
    pub network: String,
    /// The networks that it is attached to by itself, running or not.
    pub networks: BTreeSet<String>,
    /// Its addresses, by network.
    pub addresses: BTreeMap<String, std::net::IpAddr>,
}

/// What a container does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerState {
    /// It runs.
    Running,
    /// It runs, but its time stands still.
    Paused,
    /// It ended, and its engine is about to start it again.
    Restarting,
    /// It does not run.
    Stopped,
}

impl ContainerFacts {
    /// `None` for what lacks an id or a legal name.
    pub(super) fn from_summary(found: ContainerSummary) -> Option<Self> {
        let name = found.names.into_iter().flatten().find_map(|name| {
            // A name with more slashes is that of a link to it.
            name.trim_start_matches('/').parse().ok()
        })?;
        let networks = found.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        let attached = networks.keys().cloned().collect();
        let addresses = networks.into_iter().filter_map(|(name, end)| {
            let address =
                end.ip_address.into_iter().chain(end.global_ipv6_address).find_map(|a| a.parse().ok());
            address.map(|address| (name, address))
        });
        Some(Self {
            id: found.id?,
            name,
            state: match found.state {
                Some(ContainerSummaryStateEnum::RUNNING) => ContainerState::Running,
                Some(ContainerSummaryStateEnum::PAUSED) => ContainerState::Paused,
                Some(ContainerSummaryStateEnum::RESTARTING) => ContainerState::Restarting,
                _ => ContainerState::Stopped,
            },
            labels: found.labels.unwrap_or_default().into_iter().collect(),
            network: found.host_config.and_then(|config| config.network_mode).unwrap_or_default(),
            networks: attached,
            addresses: addresses.collect(),
        })
    }
}

/// Something happened to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerEvent {
    /// Its id.
    pub id: String,
    /// Its name afterwards.
    pub name: Option<ContainerName>,
    /// What happened.
    pub happening: ContainerHappening,
}

/// What happens to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerHappening {
    /// It was made, and does not run yet.
    Created,
    /// It runs.
    Started,
    /// It runs no more.
    Ended,
    /// Its time stands still.
    Paused,
    /// It goes on.
    Unpaused,
    /// It has another name.
    Renamed,
    /// It is no more.
    Removed,
}

impl ContainerEvent {
    /// `None` for what does not concern us: commands run inside, checks of health, and the like.
    pub(super) fn from_message(message: EventMessage) -> Option<Self> {
        let actor = message.actor?;
        let happening = match message.action?.as_str() {
            "create" => ContainerHappening::Created,
            "start" => ContainerHappening::Started,
            "die" => ContainerHappening::Ended,
            "pause" => ContainerHappening::Paused,
            "unpause" => ContainerHappening::Unpaused,
            "rename" => ContainerHappening::Renamed,
            // The second is podman's word.
            "destroy" | "remove" => ContainerHappening::Removed,
            _ => return None,
        };
        let name =
            actor.attributes.as_ref().and_then(|all| all.get("name")).and_then(|name| name.parse().ok());
        Some(Self { id: actor.id?, name, happening })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_name_cannot_lead_elsewhere() {
        for good in ["a", "files01-ssh", "x_1.y", &"f".repeat(64)] {
            good.parse::<ContainerName>().unwrap();
        }
        for bad in ["", "-a", ".", "..", "a/b", "a?b", "a#b", "a b", "ä", "a\n", &"f".repeat(256)] {
            assert!(bad.parse::<ContainerName>().is_err(), "{bad:?}");
        }
    }
}
