//! Which host is meant, and how one gets there.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How long a connection may take to come about when nothing else is said: a host that is up answers far sooner.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(15);

/// A secret that does not show itself in debug output (INV-8).
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps it.
    #[must_use]
    pub const fn new(secret: String) -> Self {
        Self(secret)
    }

    /// What it is: for who hands it to the other side, and for nobody else.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// What happens to a host key that nobody knows. One that changed, or is revoked, is refused in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HostKeyPolicy {
    /// It is refused, until a person accepts it.
    #[default]
    Strict,
    /// It is accepted and written down, the first time.
    AcceptNew,
}

/// A host, and how one gets there. Nothing in it is read from the environment; [`crate::ClientConfig::target`] makes one
/// out of `ssh_config`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who we are there.
    pub user: String,
    /// Files with private keys, tried in order.
    pub identities: Vec<PathBuf>,
    /// Whether the agent may only offer keys that are named in `identities`.
    pub identities_only: bool,
    /// The socket of the agent, where there is one.
    pub agent: Option<PathBuf>,
    /// What the private keys are encrypted with.
    pub passphrase: Option<Secret>,
    /// What is answered where a password is asked for, after the keys.
    pub password: Option<Secret>,
    /// Where host keys are known; a new one is added to the first.
    pub known_hosts: Vec<PathBuf>,
    /// What happens to a host key that nobody knows.
    pub host_keys: HostKeyPolicy,
    /// The name under which the host key is known, if it is not that of the host.
    pub host_key_alias: Option<String>,
    /// Hosts on the way, the nearest first.
    pub jumps: Vec<Target>,
    /// How long each connection may take to come about.
    pub connect_time_max: Duration,
    /// Whether much will be sent: then the cipher comes first that this processor is fastest at. Else ciphers are offered as most
    /// clients do.
    pub bulk: bool,
}

impl Target {
    /// A host on the usual port, without any key.
    #[must_use]
    pub fn new(host: impl Into<String>, user: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            port: 22,
            user: user.into(),
            identities: Vec::new(),
            identities_only: false,
            agent: None,
            passphrase: None,
            password: None,
            known_hosts: Vec::new(),
            host_keys: HostKeyPolicy::default(),
            host_key_alias: None,
            jumps: Vec::new(),
            connect_time_max: CONNECT_TIME_MAX,
            bulk: false,
        }
    }

    /// The name under which `known_hosts` has it: `[host]:port` where the port is not 22.
    #[must_use]
    pub fn known_as(&self) -> String {
        match (&self.host_key_alias, self.port) {
            (Some(alias), _) => alias.to_ascii_lowercase(),
            (None, 22) => self.host.to_ascii_lowercase(),
            (None, port) => format!("[{}]:{port}", self.host.to_ascii_lowercase()),
        }
    }
}
