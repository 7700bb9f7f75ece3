//! Logging in, with keys only.

use std::path::Path;
use std::sync::Arc;

use russh::client::{AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey};
use verisim_core::printable;

use crate::handler::Handler;
use crate::{Error, Result, Target};

/// How many keys are offered at the most: a server ends the connection after a few (`MaxAuthTries` of OpenSSH is 6).
const OFFERS_MAX: usize = 6;

/// Offers the keys of the agent and the files, in that order, until one lets us in.
pub(crate) async fn log_in(handle: &mut Handle<Handler>, target: &Target) -> Result<()> {
    let mut attempt = Attempt { target, offered: 0, notes: Vec::new(), rsa: None };
    if let Some(socket) = &target.agent
        && attempt.with_agent(handle, socket).await?
    {
        return Ok(());
    }
    for file in &target.identities {
        if attempt.offered == OFFERS_MAX {
            break;
        }
        match load(file, target) {
            Ok(key) => {
                if attempt.with_key(handle, key).await? {
                    return Ok(());
                }
            }
            Err(note) => attempt.notes.push(format!("{}: {note}", file.display())),
        }
    }
    let notes = attempt.notes.iter().map(|note| format!("; {note}")).collect();
    let (user, host) = (target.user.clone(), target.known_as());
    Err(Error::Refused { user, host, offered: attempt.offered, notes })
}

struct Attempt<'t> {
    target: &'t Target,
    offered: usize,
    notes: Vec<String>,
    /// The hash that RSA signatures shall use, once the server was asked.
    rsa: Option<Option<HashAlg>>,
}

impl Attempt<'_> {
    async fn hash_for(&mut self, handle: &Handle<Handler>, algorithm: &Algorithm) -> Result<Option<HashAlg>> {
        if !matches!(algorithm, Algorithm::Rsa { .. }) {
            return Ok(None);
        }
        if self.rsa.is_none() {
            let best = handle.best_supported_rsa_hash().await.map_err(|error| lost(&error))?;
            // A server that does not say knows SHA-2 all the same, unless it is older than 2016.
            self.rsa = Some(best.flatten().or(Some(HashAlg::Sha512)));
        }
        Ok(self.rsa.flatten())
    }

    async fn with_key(&mut self, handle: &mut Handle<Handler>, key: PrivateKey) -> Result<bool> {
        let hash = self.hash_for(handle, &key.algorithm()).await?;
        self.offered += 1;
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
        let answer = handle.authenticate_publickey(self.target.user.clone(), key).await;
        self.judge(&answer.map_err(|error| lost(&error))?)
    }

    async fn with_agent(&mut self, handle: &mut Handle<Handler>, socket: &Path) -> Result<bool> {
        let mut agent = match AgentClient::connect_uds(socket).await {
            Ok(agent) => agent,
            Err(error) => {
                self.notes.push(format!("agent {}: {error}", socket.display()));
                return Ok(false);
            }
        };
        let keys = match agent.request_identities().await {
            Ok(keys) => keys,
            Err(error) => {
                self.notes.push(format!("agent {}: {error}", socket.display()));
                return Ok(false);
            }
        };
        let wanted: Vec<PublicKey> = self.target.identities.iter().filter_map(|file| public(file)).collect();
        for identity in keys {
            let AgentIdentity::PublicKey { key, .. } = identity else { continue };
            if self.offered == OFFERS_MAX {
                break;
            }
            let is_wanted = wanted.iter().any(|wanted| wanted.key_data() == key.key_data());
            if self.target.identities_only && !is_wanted {
                continue;
            }
            let hash = self.hash_for(handle, &key.algorithm()).await?;
            self.offered += 1;
            let user = self.target.user.clone();
            match handle.authenticate_publickey_with(user, key, hash, &mut agent).await {
                Ok(answer) => {
                    if self.judge(&answer)? {
                        return Ok(true);
                    }
                }
                Err(error) => self.notes.push(format!("agent: {error}")),
            }
        }
        Ok(false)
    }

    fn judge(&self, answer: &AuthResult) -> Result<bool> {
        match answer {
            AuthResult::Success => Ok(true),
            AuthResult::Failure { partial_success: true, .. } => {
                let (user, host) = (self.target.user.clone(), self.target.known_as());
                let notes = "; a key was taken, but the server wants a second proof, which is not supported";
                Err(Error::Refused { user, host, offered: self.offered, notes: notes.into() })
            }
            AuthResult::Failure { .. } => Ok(false),
        }
    }
}

fn lost(error: &russh::Error) -> Error {
    Error::Lost { detail: format!("while logging in: {}", printable(&error.to_string())) }
}

/// The public half of a key file, for asking the agent for that one: beside it, or the file itself where it is not
/// encrypted.
fn public(file: &Path) -> Option<PublicKey> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".pub");
    russh::keys::load_public_key(&beside)
        .or_else(|_| russh::keys::load_secret_key(file, None).map(|key| key.public_key().clone()))
        .ok()
}

fn load(file: &Path, target: &Target) -> std::result::Result<PrivateKey, String> {
    match russh::keys::load_secret_key(file, None) {
        Ok(key) => Ok(key),
        Err(russh::keys::Error::KeyIsEncrypted) => match &target.passphrase {
            Some(secret) => russh::keys::load_secret_key(file, Some(secret.reveal()))
                .map_err(|_| "it is encrypted, and the passphrase that was given does not open it".into()),
            None => Err("it is encrypted; give it to an agent, or its passphrase in the environment".into()),
        },
        Err(error) => Err(printable(&error.to_string())),
    }
}
