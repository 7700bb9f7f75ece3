//! Logging in: with keys, and with a password where there is one.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse as Reply};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey};
use russh::{MethodKind, MethodSet};
use verisim_core::printable;

use crate::handler::{Finding, Handler};
use crate::{Error, Login, Result, Secret, Target};

/// How many keys are offered at the most: a server ends the connection after a few (`MaxAuthTries` of OpenSSH is 6).
const OFFERS_MAX: usize = 6;
/// How many rounds of questions a server may ask in place of a password.
const ROUNDS_MAX: usize = 4;

/// Who logs in, with what.
pub(crate) struct Account<'a> {
    user: &'a str,
    /// The name of the host in messages.
    host: String,
    identities: &'a [PathBuf],
    identities_only: bool,
    agent: Option<&'a Path>,
    passphrase: Option<&'a Secret>,
    password: Option<&'a Secret>,
}

impl<'a> Account<'a> {
    pub(crate) fn of_target(target: &'a Target) -> Self {
        Self {
            user: &target.user,
            host: target.known_as(),
            identities: &target.identities,
            identities_only: target.identities_only,
            agent: target.agent.as_deref(),
            passphrase: target.passphrase.as_ref(),
            password: target.password.as_ref(),
        }
    }

    pub(crate) fn of_login(login: &'a Login) -> Self {
        Self {
            user: &login.user,
            host: login.host.clone(),
            identities: &login.identities,
            identities_only: true,
            agent: None,
            passphrase: login.passphrase.as_ref(),
            password: login.password.as_ref(),
        }
    }
}

/// What the other side says to one proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// We are in.
    In,
    /// It took the proof, and wants another one besides.
    Halfway,
    /// It did not.
    Out,
}

/// Offers the keys of the agent and the files, and then the password, in that order, until one lets us in.
pub(crate) async fn log_in(
    handle: &mut Handle<Handler>,
    account: &Account<'_>,
    finding: &Mutex<Finding>,
) -> Result<()> {
    let mut attempt = Attempt { account, finding, offered: 0, notes: Vec::new(), rsa: None, methods: None };
    let mut answer = attempt.with_keys(handle).await?;
    if answer != Answer::In
        && let Some(password) = account.password
    {
        answer = attempt.with_password(handle, password).await?;
    }
    match answer {
        Answer::In => return Ok(()),
        Answer::Halfway => {
            let what = "a proof was taken, but the server wants a second one, which is not configured";
            attempt.notes.push(what.into());
        }
        Answer::Out => {}
    }
    Err(attempt.refused())
}

struct Attempt<'a> {
    account: &'a Account<'a>,
    finding: &'a Mutex<Finding>,
    offered: usize,
    notes: Vec<String>,
    /// The hash that RSA signatures shall use, once the server was asked.
    rsa: Option<Option<HashAlg>>,
    /// How the server lets somebody log in, as far as it said.
    methods: Option<MethodSet>,
}

impl Attempt<'_> {
    async fn with_keys(&mut self, handle: &mut Handle<Handler>) -> Result<Answer> {
        if let Some(socket) = self.account.agent {
            let answer = self.with_agent(handle, socket).await?;
            if answer != Answer::Out {
                return Ok(answer);
            }
        }
        for file in self.account.identities {
            if self.offered == OFFERS_MAX {
                break;
            }
            match load(file, self.account.passphrase) {
                Ok(key) => {
                    let answer = self.with_key(handle, key).await?;
                    if answer != Answer::Out {
                        return Ok(answer);
                    }
                }
                Err(note) => self.notes.push(format!("{}: {note}", file.display())),
            }
        }
        Ok(Answer::Out)
    }

    async fn hash_for(&mut self, handle: &Handle<Handler>, algorithm: &Algorithm) -> Result<Option<HashAlg>> {
        if !matches!(algorithm, Algorithm::Rsa { .. }) {
            return Ok(None);
        }
        if self.rsa.is_none() {
            let best = handle.best_supported_rsa_hash().await.map_err(|error| self.gone(&error))?;
            // A server that does not say knows SHA-2 all the same, unless it is older than 2016.
            self.rsa = Some(best.flatten().or(Some(HashAlg::Sha512)));
        }
        Ok(self.rsa.flatten())
    }

    async fn with_key(&mut self, handle: &mut Handle<Handler>, key: PrivateKey) -> Result<Answer> {
        let hash = self.hash_for(handle, &key.algorithm()).await?;
        self.offered += 1;
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
        let answer = handle.authenticate_publickey(self.account.user, key).await;
        let answer = answer.map_err(|error| self.gone(&error))?;
        self.judge(handle, answer)
    }

    async fn with_agent(&mut self, handle: &mut Handle<Handler>, socket: &Path) -> Result<Answer> {
        let asked = async {
            let mut agent = AgentClient::connect_uds(socket).await?;
            let keys = agent.request_identities().await?;
            Ok::<_, russh::keys::Error>((agent, keys))
        };
        let (mut agent, keys) = match asked.await {
            Ok(answered) => answered,
            Err(error) => {
                self.notes.push(format!("agent {}: {error}", socket.display()));
                return Ok(Answer::Out);
            }
        };
        let wanted: Vec<PublicKey> = self.account.identities.iter().filter_map(|file| public(file)).collect();
        for identity in keys {
            let AgentIdentity::PublicKey { key, .. } = identity else { continue };
            if self.offered == OFFERS_MAX {
                break;
            }
            let is_wanted = wanted.iter().any(|wanted| wanted.key_data() == key.key_data());
            if self.account.identities_only && !is_wanted {
                continue;
            }
            let hash = self.hash_for(handle, &key.algorithm()).await?;
            self.offered += 1;
            match handle.authenticate_publickey_with(self.account.user, key, hash, &mut agent).await {
                Ok(answer) => {
                    let answer = self.judge(handle, answer)?;
                    if answer != Answer::Out {
                        return Ok(answer);
                    }
                }
                Err(error) => self.notes.push(format!("agent: {error}")),
            }
        }
        Ok(Answer::Out)
    }

    /// As a password, and where the server wants none as the answer to the one hidden question that it asks instead, which
    /// is how PAM has it.
    async fn with_password(&mut self, handle: &mut Handle<Handler>, password: &Secret) -> Result<Answer> {
        let user = self.account.user;
        let mut answer = Answer::Out;
        if self.methods.is_none() {
            // The first question of every client of OpenSSH, which is how a server comes to say what it wants.
            let said = handle.authenticate_none(user).await;
            let said = said.map_err(|error| self.gone(&error))?;
            answer = self.judge(handle, said)?;
        }
        if answer == Answer::Out && self.may(MethodKind::Password) {
            let said = handle.authenticate_password(user, password.reveal()).await;
            let said = said.map_err(|error| self.gone(&error))?;
            answer = self.judge(handle, said)?;
        }
        if answer == Answer::Out && self.may(MethodKind::KeyboardInteractive) {
            answer = self.with_questions(handle, password).await?;
        }
        if answer == Answer::Out {
            self.notes.push("the password does not let us in either".into());
        }
        Ok(answer)
    }

    async fn with_questions(&mut self, handle: &mut Handle<Handler>, password: &Secret) -> Result<Answer> {
        let began = handle.authenticate_keyboard_interactive_start(self.account.user, None).await;
        let mut reply = began.map_err(|error| self.gone(&error))?;
        let mut password = Some(password);
        for _ in 0..ROUNDS_MAX {
            let prompts = match reply {
                Reply::Success => return Ok(Answer::In),
                Reply::Failure { remaining_methods, partial_success } => {
                    return self.judge(handle, AuthResult::Failure { remaining_methods, partial_success });
                }
                Reply::InfoRequest { prompts, .. } => prompts,
            };
            let responses = match prompts.as_slice() {
                [] => Vec::new(),
                [one] if !one.echo && password.is_some() => {
                    password.take().map(|secret| secret.reveal().to_owned()).into_iter().collect()
                }
                // A name that shall be typed, a second secret: nothing that a password answers.
                _ => return Ok(Answer::Out),
            };
            let said = handle.authenticate_keyboard_interactive_respond(responses).await;
            reply = said.map_err(|error| self.gone(&error))?;
        }
        Ok(Answer::Out)
    }

    fn may(&self, method: MethodKind) -> bool {
        self.methods.as_ref().is_none_or(|methods| methods.contains(&method))
    }

    /// What an answer means. A connection that is gone is told by the library as a refusal without any way left.
    fn judge(&mut self, handle: &Handle<Handler>, answer: AuthResult) -> Result<Answer> {
        match answer {
            AuthResult::Success => Ok(Answer::In),
            AuthResult::Failure { remaining_methods, .. }
                if remaining_methods.is_empty() && handle.is_closed() =>
            {
                Err(self.gone(&russh::Error::Disconnect))
            }
            AuthResult::Failure { remaining_methods, partial_success } => {
                self.methods = Some(remaining_methods);
                Ok(if partial_success { Answer::Halfway } else { Answer::Out })
            }
        }
    }

    /// What it means that the connection is gone: a refusal where the server said goodbye, as it does after too many keys.
    fn gone(&self, error: &russh::Error) -> Error {
        let dismissed = self.finding.lock().unwrap_or_else(PoisonError::into_inner).dismissed;
        if dismissed {
            return self.refused();
        }
        Error::Lost { detail: format!("while logging in: {}", printable(&error.to_string())) }
    }

    fn refused(&self) -> Error {
        let notes = self.notes.iter().map(|note| format!("; {note}")).collect();
        let (user, host) = (self.account.user.to_owned(), self.account.host.clone());
        Error::Refused { user, host, offered: self.offered, notes }
    }
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

/// Whether a private key can be used, and opened with this passphrase where it is encrypted; else why not, for people. It
/// takes as long as an encrypted key is made to take, some tenths of a second.
///
/// # Errors
/// Why it cannot be used.
pub fn check_identity(file: &Path, passphrase: Option<&Secret>) -> std::result::Result<(), String> {
    load(file, passphrase).map(drop)
}

fn load(file: &Path, passphrase: Option<&Secret>) -> std::result::Result<PrivateKey, String> {
    match russh::keys::load_secret_key(file, None) {
        Ok(key) => Ok(key),
        Err(russh::keys::Error::KeyIsEncrypted) => match passphrase {
            Some(secret) => russh::keys::load_secret_key(file, Some(secret.reveal()))
                .map_err(|_| "it is encrypted, and the passphrase that was given does not open it".into()),
            None => Err("it is encrypted, and no passphrase is configured for it".into()),
        },
        Err(error) => Err(printable(&error.to_string())),
    }
}
