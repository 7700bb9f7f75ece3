//! The engine: where it is, and what it tells of its containers.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::EventMessageTypeEnum;
use bollard::query_parameters::{EventsOptionsBuilder, ListContainersOptionsBuilder};
use bollard::{API_DEFAULT_VERSION, Docker};
use futures_util::{Stream, StreamExt as _};
use rustix::system::uname;
use verisim_core::{Effect, Failure, FailureKind, printable};

use super::failure::failure;
use super::line::Line;
use super::portable::raw_query;
use super::{ContainerEvent, ContainerFacts};

/// How long a question to the engine may take. A busy one answers within a second; one that takes longer than this would
/// hold up everything that waits for it.
const QUESTION_TIME_MAX: Duration = Duration::from_secs(15);
/// How long bollard waits for the head of an answer: longer than any bound of ours, which are what counts.
const ANSWER_SECONDS_MAX: u64 = 600;
/// How much is kept of what an engine says of itself.
const FACT_CHARS_MAX: usize = 100;
/// How many containers are told of.
const CONTAINERS_MAX: usize = 10_000;

/// Where an engine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineAddress {
    /// A Unix socket of this machine.
    Socket(PathBuf),
    /// A TCP address without encryption, as `host:port`. Whoever reaches it is root there: for closed networks only.
    Tcp(String),
    /// A TCP address with TLS, as `host:port`, where both sides show certificates.
    Tls(String, TlsFiles),
}

/// The files of a TLS client, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificates that the engine's must descend from.
    pub authority: PathBuf,
    /// Our certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Default for EngineAddress {
    fn default() -> Self {
        Self::Socket(PathBuf::from("/var/run/docker.sock"))
    }
}

impl FromStr for EngineAddress {
    type Err = &'static str;

    /// `unix:///path`, an absolute path, or `tcp://host:port`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix://").or(text.starts_with('/').then_some(text)) {
            return match path.starts_with('/') {
                true => Ok(Self::Socket(PathBuf::from(path))),
                false => Err("the path of an engine's socket must be absolute"),
            };
        }
        match text.strip_prefix("tcp://").map(|rest| rest.trim_end_matches('/')) {
            Some(host) if !host.is_empty() && !host.contains(['/', '@', '?', '#']) => {
                Ok(Self::Tcp(host.to_owned()))
            }
            _ => Err("an engine's address is unix:///path or tcp://host:port"),
        }
    }
}

impl std::fmt::Display for EngineAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(host) | Self::Tls(host, _) => write!(f, "tcp://{host}"),
        }
    }
}

/// An engine. Clones speak to the same one.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

/// What an engine says of itself; printable and bounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineFacts {
    /// Its version.
    pub version: String,
    /// The system of its machine.
    pub system: String,
}

impl std::fmt::Display for EngineFacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "version {} on {}", self.version, self.system)
    }
}

struct Shared {
    address: EngineAddress,
    docker: OnceLock<Docker>,
    is_here: OnceLock<bool>,
    patience: Duration,
}

impl Engine {
    /// The engine at `address`, without asking it anything: it may be down now and come later. That one behind a Unix
    /// socket runs on this machine is then taken for granted, and checked for each container.
    #[must_use]
    pub fn at(address: EngineAddress) -> Self {
        Self::patient(address, QUESTION_TIME_MAX)
    }

    fn patient(address: EngineAddress, patience: Duration) -> Self {
        Self {
            shared: Arc::new(Shared { address, docker: OnceLock::new(), is_here: OnceLock::new(), patience }),
        }
    }

    /// The same engine, which may take so long to answer a question: for one that is far away or busy. 15 seconds else.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self::patient(self.shared.address.clone(), patience)
    }

    /// The engine at `address`, once it has answered.
    ///
    /// # Errors
    /// `Network` when nobody answers, `Denied` when we may not ask, `Auth` when certificates do not fit, `Config` when
    /// they cannot be read.
    pub async fn connect(address: EngineAddress) -> Result<Self, Failure> {
        let engine = Self::at(address);
        engine.facts().await?;
        Ok(engine)
    }

    /// What the engine says of itself. Settles whether it is on this machine, unless that was relied on before.
    ///
    /// # Errors
    /// As [`Engine::connect`].
    pub async fn facts(&self) -> Result<EngineFacts, Failure> {
        let info = self.question("docker.connect", |docker| async move { docker.info().await }).await?;
        // A socket may lead into a virtual machine, or to an engine that itself runs in a container.
        let own = uname();
        let same = |said: Option<&str>, own: &std::ffi::CStr| said.map(str::as_bytes) == Some(own.to_bytes());
        let is_here = same(info.kernel_version.as_deref(), own.release())
            && same(info.name.as_deref(), own.nodename())
            && self.may_be_here();
        let _ = self.shared.is_here.set(is_here);
        let short = |said: Option<String>| {
            printable(&said.unwrap_or_default()).chars().take(FACT_CHARS_MAX).collect()
        };
        Ok(EngineFacts { version: short(info.server_version), system: short(info.operating_system) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &EngineAddress {
        &self.shared.address
    }

    /// Whether its containers are processes of this machine that we may look at.
    #[must_use]
    pub fn is_here(&self) -> bool {
        *self.shared.is_here.get_or_init(|| self.may_be_here())
    }

    fn may_be_here(&self) -> bool {
        matches!(self.shared.address, EngineAddress::Socket(_)) && rustix::process::geteuid().is_root()
    }

    /// Every container, running or not.
    ///
    /// # Errors
    /// When the engine does not say.
    pub async fn containers(&self) -> Result<Vec<ContainerFacts>, Failure> {
        let all = ListContainersOptionsBuilder::new().all(true).build();
        let ask = |docker: Docker| async move { docker.list_containers(Some(all)).await };
        let found = self.question("docker.containers", ask).await?;
        Ok(found.into_iter().take(CONTAINERS_MAX).filter_map(ContainerFacts::from_summary).collect())
    }

    /// What happens to containers from now on: those that come, go, start, stop, are paused or get another name. Ends with
    /// a failure when the engine goes away; what happened meanwhile is not told afterwards, so whoever listens again asks
    /// for [`Engine::containers`] too.
    pub fn events(&self) -> impl Stream<Item = Result<ContainerEvent, Failure>> + Send + 'static {
        const OPERATION: &str = "docker.events";
        let address = self.shared.address.clone();
        let filters = std::collections::HashMap::from([("type", vec!["container"])]);
        let options = EventsOptionsBuilder::new().filters(&filters).build();
        let stream = match self.docker() {
            Ok(docker) => docker.events(Some(options)).left_stream(),
            Err(error) => futures_util::stream::iter([Err(error)]).right_stream(),
        };
        let gone =
            Failure::new(FailureKind::Network, OPERATION, format!("the engine at {address} went away"));
        let happenings = stream.filter_map(move |message| {
            let happening = match message {
                Ok(message) if message.typ == Some(EventMessageTypeEnum::CONTAINER) => {
                    ContainerEvent::from_message(message).map(Ok)
                }
                Ok(_) => None,
                Err(error) => Some(Err(failure(OPERATION, &address, error, Effect::NotApplied))),
            };
            std::future::ready(happening)
        });
        happenings.chain(futures_util::stream::iter([Err(gone)]))
    }

    /// Asks the engine something that changes nothing, within a bound.
    pub(super) async fn question<T, F: Future<Output = Result<T, Error>>>(
        &self,
        operation: &'static str,
        ask: impl FnOnce(Docker) -> F,
    ) -> Result<T, Failure> {
        self.request(operation, self.shared.patience, Effect::NotApplied, ask).await
    }

    /// Sends the engine a request, within a bound. `effect` is what is known once it was sent and the answer is not a
    /// plain refusal.
    pub(super) async fn request<T, F: Future<Output = Result<T, Error>>>(
        &self,
        operation: &'static str,
        limit: Duration,
        effect: Effect,
        ask: impl FnOnce(Docker) -> F,
    ) -> Result<T, Failure> {
        let address = &self.shared.address;
        let docker = self.docker().map_err(|error| failure(operation, address, error, Effect::NotApplied))?;
        match tokio::time::timeout(limit, ask(docker)).await {
            Ok(answer) => answer.map_err(|error| failure(operation, address, error, effect)),
            Err(_) => Err(late(operation, address, limit, effect)),
        }
    }

    pub(super) fn docker(&self) -> Result<Docker, Error> {
        if let Some(docker) = self.shared.docker.get() {
            return Ok(docker.clone());
        }
        let line = Line::new(self.shared.address.clone())?;
        // Where that is, the line knows; the client only needs something to write into its requests.
        let made = Docker::connect_with_custom_transport(
            move |request| line.clone().request(request),
            Some("http://engine"),
            ANSWER_SECONDS_MAX,
            API_DEFAULT_VERSION,
        );
        let made = made?.with_request_modifier(raw_query);
        Ok(self.shared.docker.get_or_init(|| made).clone())
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("address", &self.shared.address).finish_non_exhaustive()
    }
}

/// The engine did not answer in time.
pub(super) fn late(
    operation: &'static str,
    address: &EngineAddress,
    limit: Duration,
    effect: Effect,
) -> Failure {
    let detail = format!("the engine at {address} did not answer within {} s", limit.as_secs());
    Failure::new(FailureKind::Network, operation, detail).with_effect(effect)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_socket_or_a_host() {
        let parse = |text: &str| text.parse::<EngineAddress>();
        assert_eq!(parse("unix:///run/x.sock"), Ok(EngineAddress::Socket("/run/x.sock".into())));
        assert_eq!(parse("/run/x.sock"), Ok(EngineAddress::Socket("/run/x.sock".into())));
        assert_eq!(parse("tcp://10.0.0.1:2375/"), Ok(EngineAddress::Tcp("10.0.0.1:2375".into())));
        for bad in ["", "x", "unix://x", "tcp://", "tcp://user@host:1", "ssh://host", "tcp://h:1/v1"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert_eq!(EngineAddress::default().to_string(), "unix:///var/run/docker.sock");
    }
}
