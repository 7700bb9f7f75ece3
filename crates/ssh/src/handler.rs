//! What we answer to what a server asks of its own accord: whether we believe that it is who it says it is, and nothing
//! else.

use std::sync::{Arc, Mutex, PoisonError};

use russh::keys::{HashAlg, PublicKey, PublicKeyOrCertificate};

use crate::{Error, HostKeyPolicy, KnownHosts, Verdict, accept};

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
    /// It is looked at, and the connection ends.
    Look,
}

#[derive(Default)]
pub(crate) struct Finding {
    pub(crate) key: Option<PublicKey>,
    pub(crate) error: Option<Error>,
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
}

impl Handler {
    fn lock(&self) -> std::sync::MutexGuard<'_, Finding> {
        self.finding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn judge(&self, key: &PublicKey) -> crate::Result<bool> {
        let Expectation::Known { host, known, policy, file } = &self.expectation else { return Ok(false) };
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
