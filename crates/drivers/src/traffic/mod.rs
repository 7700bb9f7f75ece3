//! Connections between decoys: sessions of real clients that leave from a decoy through its connector's `dial`.

mod access;
mod destinations;
mod http;
mod imap;
mod limits;
mod mysql;
mod smb;
mod smtp;
mod ssh;
mod talk;
mod tcp;
mod tls;
mod trouble;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{sleep, timeout};
use verisim_core::{
    Action, ActivityDriver, ActivityError, ActivityResult, ByteCount, CancellationToken, Clock, Connector,
    Decoy, DecoyPath, DriverCapabilities, DriverKind, Failure, FailureKind, Fate, FileWrite, Intended,
    Payload, Prepared, Task, Traffic, TrafficProtocol,
};

pub use access::{NoPasswords, Password, Passwords, SshLogin, SshRan, SshSeen, SshTrouble, SshVisit};
pub use destinations::Destinations;

use limits::{ASK_BYTES_MAX, ASKS_MAX, GOODBYE, Limits, PERMIT, SESSIONS_AT_ONCE, SESSIONS_MAX};
use talk::Talk;
use trouble::Trouble;

use crate::Connectors;

/// The driver of everything that happens on connections.
///
/// A session succeeds when the other side has answered in its protocol; that it broke off after that, or took longer than
/// anybody waits, is part of what happened. What became of a session that was cut off by a crash cannot be known, and it
/// is never repeated (INV-4); one that failed before anything was sent may be.
#[derive(Clone)]
pub struct TrafficDriver {
    connectors: Connectors,
    destinations: Destinations,
    clock: Arc<dyn Clock>,
    passwords: Arc<dyn Passwords>,
    ssh: Option<Arc<dyn SshLogin>>,
    patience: Option<Duration>,
    ending: CancellationToken,
    /// A permit for each session that runs, over all decoys; clones share them.
    room: Arc<Semaphore>,
}

impl TrafficDriver {
    /// A driver for these decoys, to these destinations. Nobody logs in anywhere until it is told with what.
    #[must_use]
    pub fn new(connectors: Connectors, destinations: Destinations, clock: Arc<dyn Clock>) -> Self {
        let passwords = Arc::new(NoPasswords);
        let room = Arc::new(Semaphore::new(SESSIONS_MAX));
        let ending = CancellationToken::new();
        Self { connectors, destinations, clock, passwords, ssh: None, patience: None, ending, room }
    }

    /// The same driver, with passwords.
    #[must_use]
    pub fn with_passwords(mut self, passwords: Arc<dyn Passwords>) -> Self {
        self.passwords = passwords;
        self
    }

    /// The same driver, with a client for SSH logins. Without one, SSH goes as far as the versions.
    #[must_use]
    pub fn with_ssh(mut self, ssh: Arc<dyn SshLogin>) -> Self {
        self.ssh = Some(ssh);
        self
    }

    /// The same driver, which waits no longer than this for an answer, and four times as long for a session.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// The same driver, whose sessions ask nothing more and say goodbye once this is cancelled.
    #[must_use]
    pub fn until(mut self, ending: CancellationToken) -> Self {
        self.ending = ending;
        self
    }

    /// What a task asks for, where it can be done at all.
    fn check<'t>(&self, task: &'t Task) -> Result<(&'t Traffic, Arc<dyn Connector>, SocketAddr), Failure> {
        const OPERATION: &str = "traffic.prepare";
        let Action::Traffic(plan) = &*task.action else {
            let detail = format!("{} is not a connection", task.action.name());
            return Err(Failure::new(FailureKind::Unsupported, OPERATION, detail));
        };
        let connector = self.connectors.reach(&task.decoy.name, OPERATION)?;
        if !connector.capabilities().dial {
            let detail = format!("no connection can be made to leave from {}", task.decoy.name);
            return Err(Failure::new(FailureKind::Unsupported, OPERATION, detail));
        }
        check_words(plan).map_err(|why| Failure::new(FailureKind::Config, OPERATION, why))?;
        let address = self.destinations.resolve(plan, OPERATION)?;
        Ok((plan, connector, address))
    }

    async fn visit(&self, task: &Task) -> ActivityResult {
        let (plan, connector, address) = self.check(task)?;
        let limits = Limits::of(plan.protocol);
        let limits = self.patience.map_or(limits, |patience| limits.at_most(patience));
        let from = task.decoy.name.as_str();
        let _permit = self.permit(plan).await?;
        let began = self.clock.monotonic();
        let mut talk = Talk::new(&*connector, plan, from, address, limits, self.ending.clone());
        let ending = async {
            self.ending.cancelled().await;
            sleep(GOODBYE).await;
        };
        let ended = tokio::select! {
            spoken = timeout(limits.session, self.speak(&mut talk)) => spoken.unwrap_or(Err(Trouble::TooSlow)),
            () = ending => Err(Trouble::BrokenOff),
        };
        let lasted = self.clock.monotonic().saturating_sub(began);
        match ended {
            // A refused login is a failure whatever came before it: a person decides about the account.
            Err(trouble) if !talk.has_met() || matches!(trouble, Trouble::Refused(_)) => {
                return Err(trouble.into_failure(plan, "traffic.run", talk.sent()).into());
            }
            Err(trouble) => talk.note(&format!("left: {trouble}")),
            Ok(()) => {}
        }
        let duration_ms = u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX);
        Ok(Payload::Traffic(talk.into_payload(duration_ms)))
    }

    /// A place among the sessions that run. Who gets none in time has sent nothing, and comes again later.
    async fn permit(&self, plan: &Traffic) -> Result<SemaphorePermit<'_>, Failure> {
        const OPERATION: &str = "traffic.run";
        let refuse = |kind, why: &str| Failure::new(kind, OPERATION, format!("{plan}: {why}"));
        tokio::select! {
            biased;
            () = self.ending.cancelled() => Err(refuse(FailureKind::Network, "not begun: the end has come")),
            permit = timeout(PERMIT, self.room.acquire()) => match permit {
                Ok(Ok(permit)) => Ok(permit),
                _ => Err(refuse(FailureKind::Network, "too many sessions are under way")),
            },
        }
    }

    /// The one dispatch over protocols.
    async fn speak(&self, talk: &mut Talk<'_>) -> Result<(), Trouble> {
        let password = |login: &String| self.passwords.password(&talk.plan.to, talk.plan.protocol, login);
        match talk.plan.protocol {
            TrafficProtocol::Ssh => ssh::speak(talk, self.ssh.as_deref()).boxed().await,
            TrafficProtocol::Http => http::speak(talk, false).boxed().await,
            TrafficProtocol::Https => http::speak(talk, true).boxed().await,
            TrafficProtocol::Mysql => {
                let password = talk.plan.login.as_ref().and_then(password);
                mysql::speak(talk, password.as_ref()).boxed().await
            }
            TrafficProtocol::Smtp => smtp::speak(talk).boxed().await,
            TrafficProtocol::Imap => {
                let password = talk.plan.login.as_ref().and_then(password);
                imap::speak(talk, password.as_ref()).boxed().await
            }
            TrafficProtocol::Smb => smb::speak(talk).boxed().await,
            TrafficProtocol::Tcp => tcp::speak(talk).boxed().await,
        }
    }
}

/// Whether what is asked can be said without saying something else: a line stays a line.
fn check_words(plan: &Traffic) -> Result<(), &'static str> {
    let words = plan.asks.iter().map(|ask| &ask.ask).chain(&plan.agent).chain(&plan.login);
    for word in words {
        if word.is_empty() || word.len() > ASK_BYTES_MAX {
            return Err("something that is asked is empty or too long");
        }
        if word.chars().any(char::is_control) {
            return Err("something that is asked has a control character in it");
        }
    }
    let is_path = |ask: &str| ask.starts_with('/') && ask.bytes().all(|byte| byte.is_ascii_graphic());
    let is_web = matches!(plan.protocol, TrafficProtocol::Http | TrafficProtocol::Https);
    if is_web && !plan.asks.iter().all(|ask| is_path(&ask.ask)) {
        return Err("a path begins with a slash and has no blanks in it");
    }
    if plan.asks.len() > ASKS_MAX { Err("more is asked than one session has") } else { Ok(()) }
}

fn no_files(operation: &'static str) -> Failure {
    Failure::new(FailureKind::Unsupported, operation, "connections have no files")
}

impl std::fmt::Debug for TrafficDriver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrafficDriver").field("connectors", &self.connectors).finish_non_exhaustive()
    }
}

#[async_trait]
impl ActivityDriver for TrafficDriver {
    fn kind(&self) -> DriverKind {
        DriverKind::Traffic
    }

    fn capabilities(&self, decoy: &Decoy) -> DriverCapabilities {
        let traffic = self.connectors.get(&decoy.name).is_some_and(|it| it.capabilities().dial);
        DriverCapabilities { traffic, ..DriverCapabilities::default() }
    }

    async fn prepare(&self, tasks: Vec<Task>) -> Vec<Result<Prepared, ActivityError>> {
        let ready = |task: Task| match self.check(&task) {
            Ok(_) => Ok(Prepared { task, intended: Intended::Traffic, content: None }),
            Err(failure) => Err(failure.into()),
        };
        tasks.into_iter().map(ready).collect()
    }

    async fn run(&self, tasks: &[Prepared]) -> Vec<ActivityResult> {
        // Sessions of one decoy do not wait for each other: a slow server must not hold up a batch for minutes.
        let sessions = tasks.iter().map(|prepared| self.visit(&prepared.task).boxed());
        stream::iter(sessions.collect::<Vec<_>>()).buffered(SESSIONS_AT_ONCE).collect().await
    }

    /// Whether a session took place is written nowhere that we may look.
    async fn probe(&self, _: &Task, _: &Intended) -> Result<Fate, Failure> {
        Ok(Fate::Unknowable)
    }

    async fn plant_file(&self, _: &Decoy, _: &FileWrite) -> ActivityResult {
        Err(no_files("traffic.plant_file").into())
    }

    async fn read_file(&self, _: &Decoy, _: &DecoyPath, _: ByteCount) -> Result<Bytes, Failure> {
        Err(no_files("traffic.read_file"))
    }
}
