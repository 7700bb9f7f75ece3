//! Where jobs queue: what limits how many of them run at once.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Action, DecoyName, DestinationName, DriverKind};

/// What limits how many jobs run at once: a decoy's files, its connections, or a destination.
///
/// Connections have a lane of their own because they last: a colleague who reads a page for a minute keeps nobody from saving
/// a file. They have no path, so that no order is lost between the two.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lane(pub Arc<str>);

/// What queues in a lane. Each kind has places of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LaneKind {
    /// What is done to the files and mailboxes of a decoy.
    Decoy,
    /// The connections that leave from a decoy.
    Traffic,
    /// The captures for a destination.
    Destination,
}

const TRAFFIC: &str = "traffic/";
const DESTINATION: &str = "destination/";

impl Lane {
    /// Where the actions on a decoy queue, but for its connections.
    #[must_use]
    pub fn of_decoy(decoy: &DecoyName) -> Self {
        Self(format!("decoy/{decoy}").into())
    }

    /// Where the connections queue that leave from a decoy.
    #[must_use]
    pub fn of_traffic(decoy: &DecoyName) -> Self {
        Self(format!("{TRAFFIC}{decoy}").into())
    }

    /// Where this action on a decoy queues.
    #[must_use]
    pub fn of_action(decoy: &DecoyName, action: &Action) -> Self {
        match action.driver() {
            DriverKind::File | DriverKind::Email => Self::of_decoy(decoy),
            DriverKind::Traffic => Self::of_traffic(decoy),
        }
    }

    /// Every lane of a decoy.
    #[must_use]
    pub fn all_of_decoy(decoy: &DecoyName) -> [Self; 2] {
        [Self::of_decoy(decoy), Self::of_traffic(decoy)]
    }

    /// Where the captures for a destination queue.
    #[must_use]
    pub fn of_destination(destination: &DestinationName) -> Self {
        Self(format!("{DESTINATION}{destination}").into())
    }

    /// What queues there.
    #[must_use]
    pub fn kind(&self) -> LaneKind {
        if self.0.starts_with(TRAFFIC) {
            LaneKind::Traffic
        } else if self.0.starts_with(DESTINATION) {
            LaneKind::Destination
        } else {
            LaneKind::Decoy
        }
    }

    /// The lane, and where it is that of a decoy, the other lanes of the decoy: what a person means who names a decoy.
    #[must_use]
    pub fn with_kin(&self) -> Vec<Self> {
        let decoy = self.0.strip_prefix("decoy/").and_then(|name| DecoyName::new(name).ok());
        decoy.map_or_else(|| vec![self.clone()], |decoy| Self::all_of_decoy(&decoy).into())
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_says_what_queues_there_and_whose_it_is() {
        let decoy = DecoyName::new("web01").unwrap();
        let [files, traffic] = Lane::all_of_decoy(&decoy);
        let vault = Lane::of_destination(&DestinationName::new("vault").unwrap());
        let kinds = [&files, &traffic, &vault].map(Lane::kind);
        assert_eq!(kinds, [LaneKind::Decoy, LaneKind::Traffic, LaneKind::Destination]);
        assert_eq!(files.with_kin(), [files, traffic.clone()]);
        assert_eq!(traffic.with_kin(), [traffic]);
        assert_eq!(vault.with_kin(), [vault]);
    }
}
