//! From an open connection to a session: versions and keys are exchanged, the host shows who it is, and somebody logs in.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{self, Handle};
use russh::keys::{Algorithm, HashAlg, PublicKey};
use russh::{Preferred, SshId};
use tokio::io::{AsyncRead, AsyncWrite};
use verisim_core::printable;

use crate::auth::{self, Account};
use crate::handler::{Expectation, Finding, Handler};
use crate::heard::Heard;
use crate::session::Dialled;
use crate::session::timed;
use crate::{Error, KnownHosts, Result, Session, Target};

/// What we call ourselves on the wire: what a decoy's neighbours would call themselves.
pub(crate) const CLIENT_VERSION: &str = "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7";
/// How long nothing may come from the server before it is asked whether it is there.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// How many of these questions may stay unanswered.
const KEEPALIVES_UNANSWERED_MAX: usize = 3;

/// Two ends of a connection that are about to meet.
pub(crate) struct Meeting {
    /// The name of the host in messages.
    pub(crate) host: String,
    /// The kinds of host keys that are known of it. It is asked for one of these first, else it might show another.
    pub(crate) algorithms: Vec<Algorithm>,
    /// What we call ourselves.
    pub(crate) version: Cow<'static, str>,
    pub(crate) expectation: Expectation,
    /// Whether much will be sent.
    pub(crate) bulk: bool,
}

/// A host that showed who it is, and to which nobody has logged in yet.
pub(crate) struct Met {
    handle: Handle<Handler>,
    finding: Arc<Mutex<Finding>>,
}

impl Meeting {
    /// Exchanges versions and keys. The key of the host is judged in between.
    pub(crate) async fn begin<S>(self, stream: S) -> Result<Met>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let finding = Arc::new(Mutex::new(Finding::default()));
        let handler = Handler { expectation: self.expectation, finding: Arc::clone(&finding) };
        let config = config(self.algorithms, self.version, self.bulk);
        let heard = Heard::default();
        match client::connect_stream(config, heard.on(stream), handler).await {
            Ok(handle) => Ok(Met { handle, finding }),
            Err(error) => {
                let found = finding.lock().unwrap_or_else(PoisonError::into_inner).error.take();
                Err(found.unwrap_or_else(|| handshake_error(&self.host, &error, &heard)))
            }
        }
    }
}

impl Met {
    /// Logs in.
    pub(crate) async fn log_in(mut self, account: &Account<'_>) -> Result<Session> {
        auth::log_in(&mut self.handle, account, &self.finding).await?;
        let (fingerprint, version) = (self.fingerprint(), self.version());
        Ok(Session::of(self.handle, fingerprint, version))
    }

    pub(crate) fn fingerprint(&self) -> Option<String> {
        let finding = self.finding.lock().unwrap_or_else(PoisonError::into_inner);
        finding.key.as_ref().map(|key| key.fingerprint(HashAlg::Sha256).to_string())
    }

    pub(crate) fn version(&self) -> Vec<u8> {
        self.finding.lock().unwrap_or_else(PoisonError::into_inner).version.clone()
    }
}

fn config(algorithms: Vec<Algorithm>, version: Cow<'static, str>, bulk: bool) -> Arc<client::Config> {
    let mut preferred =
        Preferred { compression: Cow::Borrowed(&[russh::compression::NONE]), ..Preferred::DEFAULT };
    if bulk && has_aes() {
        // Both sides then spend less on it than on ChaCha20, which comes first else.
        let fast = russh::cipher::AES_256_GCM;
        let others = preferred.cipher.iter().filter(|cipher| **cipher != fast).copied();
        preferred.cipher = std::iter::once(fast).chain(others).collect::<Vec<_>>().into();
    }
    let mut keys = algorithms;
    keys.extend(preferred.key.iter().filter(|key| !keys.contains(key)).cloned().collect::<Vec<_>>());
    preferred.key = Cow::Owned(keys);
    Arc::new(client::Config {
        client_id: SshId::Standard(version),
        keepalive_interval: Some(KEEPALIVE_INTERVAL),
        keepalive_max: KEEPALIVES_UNANSWERED_MAX,
        preferred,
        nodelay: true,
        ..client::Config::default()
    })
}

/// Whether the processor has instructions for AES. Elsewhere other ciphers are faster.
fn has_aes() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}

/// Connects as far as the host key, and answers it.
pub(crate) async fn look(target: &Target, dialled: Dialled) -> Result<PublicKey> {
    let found = Arc::new(Mutex::new(None));
    let known = KnownHosts::load(&target.known_hosts)?;
    let host = target.known_as();
    let meeting = Meeting {
        algorithms: known.algorithms(&host),
        host,
        version: Cow::Borrowed(CLIENT_VERSION),
        expectation: Expectation::Look(Arc::clone(&found)),
        bulk: false,
    };
    let Dialled { stream, way } = dialled;
    let looking = async { Ok(stream.meet(meeting).await.err()) };
    let error = timed(target.connect_time_max, "the host key", looking).await?;
    drop(way);
    let key = found.lock().unwrap_or_else(PoisonError::into_inner).take();
    key.ok_or_else(|| error.unwrap_or_else(|| Error::Lost { detail: "before it showed a key".into() }))
}

fn handshake_error(host: &str, error: &russh::Error, heard: &Heard) -> Error {
    let detail = printable(&error.to_string());
    match error {
        russh::Error::IO(_)
        | russh::Error::HUP
        | russh::Error::Disconnect
        | russh::Error::ConnectionTimeout
        | russh::Error::SendError
        | russh::Error::RecvError => {
            if let Some(said) = heard.instead_of_ssh() {
                return Error::HungUp { host: host.to_owned(), said };
            }
            Error::Lost { detail: format!("before {host} was logged in to: {detail}") }
        }
        _ => Error::Handshake { host: host.to_owned(), detail },
    }
}
