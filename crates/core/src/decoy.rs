//! A decoy as drivers and planner see it: which connector reaches it is nobody's business but the connector's.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{DecoyName, Owner};

/// A host that exists to be attacked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decoy {
    /// Its name.
    pub name: DecoyName,
    /// What it offers, for instance `ssh` or `smb`.
    pub services: Vec<String>,
    /// What it is for, for instance `file-server`.
    pub role: String,
    /// Where other decoys reach it.
    pub address: Option<IpAddr>,
}

/// A user account as found in a decoy's `/etc/passwd`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The login name; bytes that are not UTF-8 are replaced.
    pub login: String,
    /// Who it is.
    pub owner: Owner,
    /// The home directory as it stands there.
    pub home: String,
}
