//! Hosts over SSH: from the configuration, the user's own and the environment to who they are and how one gets there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use verisim_connect::{SshConnector, SshOptions};
use verisim_core::{Connector, DecoyName, FailureKind};
use verisim_ssh::{ClientConfig, Secret, SeenKeys, Target};

use crate::config::{SecretSource, SshConfig};
use crate::secrets;
use crate::unready::Unready;

/// Whom OpenSSH's own client asks after the user's configuration.
const SYSTEM_CONFIG: &str = "/etc/ssh/ssh_config";

/// What the user who runs this has set up for SSH, read when the first decoy needs it.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    own: Option<Result<ClientConfig, String>>,
}

impl Hosts {
    /// The host that a decoy is, and how one gets there; or why it cannot be said.
    pub(crate) fn target(&mut self, ssh: &SshConfig) -> Result<Target, String> {
        let own = self.own.get_or_insert_with(own).as_ref().map_err(Clone::clone)?;
        let mut target = own.target(&ssh.host).map_err(|error| error.to_string())?;
        target.port = ssh.port.unwrap_or(target.port);
        if let Some(user) = &ssh.user {
            target.user.clone_from(user);
        }
        if let Some(identity) = &ssh.identity {
            (target.identities, target.identities_only) = (vec![identity.clone()], true);
        }
        if let Some(known_hosts) = &ssh.known_hosts {
            target.known_hosts = vec![known_hosts.clone()];
        }
        let (password, passphrase) = (secret(ssh.password.as_ref())?, secret(ssh.passphrase.as_ref())?);
        (target.password, target.passphrase) = (password, passphrase);
        Ok(target)
    }

    /// The way to a decoy. Nothing is sent yet.
    ///
    /// What a person accepts as its key is believed by those who visit it, too.
    pub(crate) fn connector(
        &mut self,
        decoy: &DecoyName,
        ssh: &SshConfig,
        seen: &SeenKeys,
    ) -> Arc<dyn Connector> {
        match self.target(ssh) {
            Ok(target) => {
                seen.vouched_by(decoy.as_str(), &target);
                let (way, commands) = (ssh.way, ssh.exec);
                let connector = SshConnector::new(SshOptions { target, way, commands });
                Arc::new(connector.with_accept_command(&format!("verisim decoy trust {decoy}")))
            }
            Err(why) => Arc::new(Unready::new(FailureKind::Config, why)),
        }
    }
}

/// What the user who runs this has set up, and what the machine has for all of them.
pub(crate) fn own() -> Result<ClientConfig, String> {
    let home = variable("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from);
    let login = variable("USER").or_else(|| variable("LOGNAME"));
    let login = login.and_then(|login| login.into_string().ok()).unwrap_or_else(|| "root".to_owned());
    let files = [home.join(".ssh/config"), Path::new(SYSTEM_CONFIG).to_owned()];
    let config = ClientConfig::load_all(&files, &home, &login).map_err(|error| error.to_string())?;
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    Ok(config.with_agent(variable("SSH_AUTH_SOCK").map(PathBuf::from)))
}

fn secret(source: Option<&SecretSource>) -> Result<Option<Secret>, String> {
    source.map(|source| secrets::text(source).map(Secret::new)).transpose()
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is where the binary asks who runs it, and where the agent is"
)]
fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
