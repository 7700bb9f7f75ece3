//! SSH sessions of personas between decoys, spoken by our own client over the connection that a decoy dialled.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::sleep;
use verisim_core::{DecoyName, Stream};
use verisim_drivers::{SshLogin, SshRan, SshSeen, SshTrouble, SshVisit};
use verisim_ssh::{Command, Error, Login, Secret, SeenKeys, Session};

use crate::config::{PersonaConfig, SshKey};
use crate::secrets::{self, Secrets};

/// What personas log in with, and the host keys that were seen since the start.
pub(crate) struct SshAccounts {
    keys: HashMap<String, SshKey>,
    secrets: Arc<Secrets>,
    seen: SeenKeys,
}

impl SshAccounts {
    /// Those of a configuration.
    pub(crate) fn of(personas: &[PersonaConfig], secrets: Arc<Secrets>, seen: SeenKeys) -> Self {
        let keys =
            personas.iter().filter_map(|persona| Some((persona.login.clone(), persona.ssh_key.clone()?)));
        Self { keys: keys.collect(), secrets, seen }
    }
}

#[async_trait]
impl SshLogin for SshAccounts {
    fn knows(&self, _: &DecoyName, login: &str) -> bool {
        self.keys.contains_key(login) || self.secrets.for_ssh(login).is_some()
    }

    async fn visit(
        &self,
        stream: Box<dyn Stream>,
        visit: &SshVisit<'_>,
        seen: &mut SshSeen,
    ) -> Result<(), SshTrouble> {
        let key = self.keys.get(visit.login);
        let opening = key.and_then(|key| key.passphrase.as_ref());
        let login = Login {
            host: visit.to.to_string(),
            user: visit.login.to_owned(),
            identities: key.map(|key| key.file.clone()).into_iter().collect(),
            // One that cannot be had opens nothing, which `doctor` says.
            passphrase: opening.and_then(|source| secrets::text(source).ok()).map(Secret::new),
            password: self.secrets.for_ssh(visit.login),
            version: visit.agent.map(str::to_owned),
            time_max: visit.answer_time_max,
        };
        let greeted = Session::greet(stream, login, &self.seen).await.map_err(trouble)?;
        seen.banner = Some(greeted.version());
        let session = greeted.log_in().await.map_err(trouble)?;
        seen.logged_in = true;
        for ask in visit.commands {
            tokio::select! {
                biased;
                () = visit.ending.cancelled() => break,
                () = sleep(ask.pause()) => {}
            }
            let command = Command {
                line: ask.ask.clone().into_bytes(),
                stdin: bytes::Bytes::new(),
                time_max: visit.answer_time_max,
                output_max: visit.output_bytes_max,
            };
            let output = session.run(&command).await.map_err(trouble)?;
            let output_bytes = output.stdout.len() + output.stderr.len();
            seen.ran.push(SshRan { code: output.code, output_bytes: output_bytes as u64 });
        }
        session.close().await;
        Ok(())
    }
}

/// What ended a session, as the driver takes it.
fn trouble(error: Error) -> SshTrouble {
    match error {
        Error::HostKeyUnknown { .. }
        | Error::HostKeyChanged { .. }
        | Error::HostKeyOther { .. }
        | Error::HostKeyRevoked { .. }
        | Error::Refused { .. } => SshTrouble::Refused(error.to_string()),
        error => SshTrouble::Broken(error.to_string()),
    }
}
