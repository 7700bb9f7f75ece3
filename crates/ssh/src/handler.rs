//! What we answer to what a server asks of its own accord: whether we believe that it is who it says it is, and nothing
//! else.

use std::sync::{Arc, Mutex, PoisonError};

use russh::keys::{HashAlg, PublicKey, PublicKeyOrCertificate};

use crate::{Error, HostKeyPolicy, KnownHosts, SeenKeys, Verdict, accept};

/// Decides about the host key of one connection.
pub(crate) struct Handler {
    pub(crate) expectation: Expectation,
    /// What it found, for the one who connects.
    pub(crate) finding: Arc<Mutex<Finding>>,
}

/// What is done with the host key.
pub(crate) enum Expectation {
    /// It must be known.
    Known {
        /// The name under which it is known.
        host: String,
        known: Box<KnownHosts>,
        policy: HostKeyPolicy,
        /// Where a new one is written down.
        file: Option<std::path::PathBuf>,
    },
    /// It must be the one that was seen first.
    Seen {
        /// The name under which it was seen.
        host: String,
        keys: SeenKeys,
    },
    /// It is handed over, and the connection ends.
    Look(Arc<Mutex<Option<PublicKey>>>),
}

#[derive(Default)]
pub(crate) struct Finding {
    pub(crate) key: Option<PublicKey>,
    pub(crate) error: Option<Error>,
    /// What the server calls itself.
    pub(crate) version: Vec<u8>,
    /// Whether the server ended the connection of its own will.
    pub(crate) dismissed: bool,
}

impl russh::client::Handler for Handler {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let judged = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => {
                self.lock().key = Some(key.clone());
                self.judge(key)
            }
            PublicKeyOrCertificate::Certificate(_) => Err(Error::Handshake {
                host: String::new(),
                detail: "it shows a certificate, which was not asked for".into(),
            }),
        };
        match judged {
            Ok(believed) => Ok(believed),
            Err(error) => {
                self.lock().error = Some(error);
                Ok(false)
            }
        }
    }

    async fn disconnected(
        &mut self,
        reason: russh::client::DisconnectReason<russh::Error>,
    ) -> Result<(), russh::Error> {
        if let russh::client::DisconnectReason::ReceivedDisconnect(_) = reason {
            self.lock().dismissed = true;
        }
        Ok(())
    }

    async fn kex_done(
        &mut self,
        _: Option<&[u8]>,
        _: &russh::Names,
        session: &mut russh::client::Session,
    ) -> Result<(), russh::Error> {
        self.lock().version = session.remote_sshid().to_vec();
        Ok(())
    }
}

impl Handler {
    fn lock(&self) -> std::sync::MutexGuard<'_, Finding> {
        self.finding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn judge(&self, key: &PublicKey) -> crate::Result<bool> {
        let (host, known, policy, file) = match &self.expectation {
            Expectation::Known { host, known, policy, file } => (host, known, policy, file),
            Expectation::Seen { host, keys } => return keys.judge(host, key).map(|()| true),
            Expectation::Look(found) => {
                *found.lock().unwrap_or_else(PoisonError::into_inner) = Some(key.clone());
                return Ok(false);
            }
        };
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        let host = host.clone();
        match known.verdict(&host, key) {
            Verdict::Known => Ok(true),
            Verdict::Changed { file, line } => Err(Error::HostKeyChanged { host, fingerprint, file, line }),
            Verdict::Revoked { file, line } => Err(Error::HostKeyRevoked { host, file, line }),
            Verdict::Unknown { authority: false } if *policy == HostKeyPolicy::AcceptNew => {
                if let Some(file) = file {
                    accept::write_down(file, &host, key)?;
                }
                Ok(true)
            }
            Verdict::Unknown { authority } => Err(Error::HostKeyUnknown { host, fingerprint, authority }),
        }
    }
}
