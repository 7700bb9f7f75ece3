//! A login over a connection that somebody else made, for a session that is visited once and left.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use russh::keys::{Algorithm, HashAlg, PublicKey};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::auth::Account;
use crate::handler::Expectation;
use crate::meet::{CLIENT_VERSION, Meeting, Met};
use crate::session::timed;
use crate::{Error, KnownHosts, Result, Secret, Session, Target, Verdict};

/// The longest line of identification, in bytes, without the end of the line (RFC 4253, 4.2).
const VERSION_BYTES_MAX: usize = 253;

/// Who logs in, and where.
#[derive(Debug, Clone)]
pub struct Login {
    /// The name of the host, under which its key is remembered, and by which messages call it.
    pub host: String,
    /// Who we are there.
    pub user: String,
    /// Files with private keys, tried in order.
    pub identities: Vec<PathBuf>,
    /// What the private keys are encrypted with.
    pub passphrase: Option<Secret>,
    /// What is answered where a password is asked for, after the keys.
    pub password: Option<Secret>,
    /// What we call ourselves, from `SSH-2.0-` on; `None` for a client of Debian 12.
    pub version: Option<String>,
    /// How long the exchange of keys, and then the login, may take, each.
    pub time_max: Duration,
}

/// The host keys that were seen, each under the name of its host, for as long as this lives. Clones are the same.
///
/// The first key that a host shows is believed, and from then on no other, unless somebody vouches for it: what a person who
/// visits a host for the first time does. Nothing is written, and nothing is read but the files of [`SeenKeys::vouched_by`]. It
/// holds one key for each name that it is asked about, so names come from a configuration, never from a host.
#[derive(Debug, Clone, Default)]
pub struct SeenKeys(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    keys: HashMap<String, PublicKey>,
    /// Under which name, and in which files, a person writes down what is believed of a host.
    vouched: HashMap<String, (String, Vec<PathBuf>)>,
}

/// A host that showed its key over a connection that somebody else made, and to which nobody has logged in yet.
pub struct Greeted {
    met: Met,
    login: Login,
}

impl std::fmt::Debug for Greeted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Greeted").field("login", &self.login).finish_non_exhaustive()
    }
}

impl Session {
    /// Exchanges versions and keys with a host over `stream`, and checks that its key is the one that was seen before.
    ///
    /// # Errors
    /// [`Error::HostKeyOther`] when it is not; else why nothing came of it.
    pub async fn greet<S>(stream: S, login: Login, keys: &SeenKeys) -> Result<Greeted>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let version = login.version.clone().map_or(Cow::Borrowed(CLIENT_VERSION), Cow::Owned);
        let printable = version.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        if !version.starts_with("SSH-2.0-") || !printable || version.len() > VERSION_BYTES_MAX {
            let detail = "what this end shall call itself is no version of SSH".to_owned();
            return Err(Error::Handshake { host: login.host, detail });
        }
        let meeting = Meeting {
            host: login.host.clone(),
            algorithms: keys.algorithms(&login.host),
            version,
            expectation: Expectation::Seen { host: login.host.clone(), keys: keys.clone() },
            bulk: false,
        };
        let met = timed(login.time_max, "the exchange of keys", Box::pin(meeting.begin(stream))).await?;
        Ok(Greeted { met, login })
    }
}

impl Greeted {
    /// What the server calls itself: its line of identification, as it sent it.
    #[must_use]
    pub fn version(&self) -> Vec<u8> {
        self.met.version()
    }

    /// Logs in. Leaving is [`Session::close`]; dropping the session ends the connection without a word.
    ///
    /// # Errors
    /// [`Error::Refused`] when the host does not let us in; else why nothing came of it.
    pub async fn log_in(self) -> Result<Session> {
        let Self { met, login } = self;
        let account = Account::of_login(&login);
        timed(login.time_max, "the login", Box::pin(met.log_in(&account))).await
    }
}

impl SeenKeys {
    /// From now on a key that is another than the one that was seen is believed all the same, if `known_hosts` of this target
    /// has it by then: a person accepted it. The files are read at that moment, and no sooner.
    pub fn vouched_by(&self, host: &str, target: &Target) {
        let place = (target.known_as(), target.known_hosts.clone());
        self.lock().vouched.insert(host.to_owned(), place);
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn algorithms(&self, host: &str) -> Vec<Algorithm> {
        self.lock().keys.get(host).map(PublicKey::algorithm).into_iter().collect()
    }

    /// Whether the host may show this key.
    pub(crate) fn judge(&self, host: &str, key: &PublicKey) -> Result<()> {
        let mut seen = self.lock();
        match seen.keys.get(host) {
            Some(known) if known.key_data() == key.key_data() => return Ok(()),
            Some(_) if !seen.is_vouched(host, key) => {
                let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
                return Err(Error::HostKeyOther { host: host.to_owned(), fingerprint });
            }
            Some(_) | None => {}
        }
        seen.keys.insert(host.to_owned(), key.clone());
        Ok(())
    }
}

impl Seen {
    /// Whether a person wrote this key down for the host meanwhile.
    fn is_vouched(&self, host: &str, key: &PublicKey) -> bool {
        let Some((name, files)) = self.vouched.get(host) else { return false };
        KnownHosts::load(files).is_ok_and(|known| known.verdict(name, key) == Verdict::Known)
    }
}
