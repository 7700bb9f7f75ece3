//! One connection to one host, over any number of hosts on the way, and the channels on it.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{self, Handle, Msg};
use russh::keys::{HashAlg, PublicKey};
use russh::{Channel, ChannelStream, Disconnect, Preferred, SshId};
use tokio::net::TcpStream;
use tokio::time::timeout;
use verisim_core::printable;

use crate::error::Refusal;
use crate::handler::{Expectation, Finding, Handler};
use crate::{Error, KnownHosts, Result, Target, auth};

/// What we call ourselves on the wire: what a decoy's neighbours would call themselves.
const CLIENT_ID: &str = "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7";
/// How long nothing may come from the server before it is asked whether it is there.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// How many of these questions may stay unanswered.
const KEEPALIVES_UNANSWERED_MAX: usize = 3;
/// How long a channel may take to be opened.
const CHANNEL_TIME_MAX: Duration = Duration::from_secs(20);
/// The most hosts on the way to another.
const JUMPS_MAX: usize = 8;

/// One connection to one host, authenticated. It ends when it is dropped.
pub struct Session {
    handle: Handle<Handler>,
    fingerprint: Option<String>,
    /// The connections that this one runs through.
    _way: Vec<Session>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Session")
    }
}

/// A connection to a host on which nothing was said yet.
pub(crate) struct Dialled {
    stream: Wire,
    way: Vec<Session>,
}

enum Wire {
    Direct(TcpStream),
    Through(ChannelStream<Msg>),
}

impl Session {
    /// Connects, checks who is there, and logs in.
    ///
    /// # Errors
    /// [`Error::kind`] tells a host that cannot be reached from one that is not who it should be and one that does not
    /// know us.
    pub async fn connect(target: &Target) -> Result<Self> {
        let way = Self::way_to(target).await?;
        Self::begin(target, way).await
    }

    /// A connection to the host, through the hosts on the way.
    pub(crate) async fn way_to(target: &Target) -> Result<Dialled> {
        if target.jumps.len() > JUMPS_MAX {
            let detail = format!("there are more than {JUMPS_MAX} hosts on the way");
            return Err(Error::Handshake { host: target.known_as(), detail });
        }
        let mut way: Vec<Self> = Vec::new();
        for hop in &target.jumps {
            let dialled = Self::next(hop, &way).await?;
            let session = Self::begin(hop, Dialled { stream: dialled, way: Vec::new() }).await?;
            way.push(session);
        }
        let stream = Self::next(target, &way).await?;
        Ok(Dialled { stream, way })
    }

    async fn next(target: &Target, way: &[Self]) -> Result<Wire> {
        match way.last() {
            None => dial(target).await.map(Wire::Direct),
            Some(last) => {
                let channel = last.direct(&target.host, target.port).await.map_err(|error| {
                    let detail = format!("through the host before it: {error}");
                    Error::Connect { host: target.host.clone(), port: target.port, detail }
                })?;
                Ok(Wire::Through(channel.into_stream()))
            }
        }
    }

    async fn begin(target: &Target, dialled: Dialled) -> Result<Self> {
        let known = KnownHosts::load(&target.known_hosts)?;
        let host = target.known_as();
        let mut preferred = preferred();
        // A host is asked for a key of the kind that is known of it first, else it might show another that is not known.
        let mut keys = known.algorithms(&host);
        keys.extend(preferred.key.iter().filter(|key| !keys.contains(key)).cloned().collect::<Vec<_>>());
        preferred.key = Cow::Owned(keys);
        let finding = Arc::new(Mutex::new(Finding::default()));
        let expectation = Expectation::Known {
            host,
            known: Box::new(known),
            policy: target.host_keys,
            file: target.known_hosts.first().cloned(),
        };
        let handler = Handler { expectation, finding: Arc::clone(&finding) };
        let Dialled { stream, way } = dialled;
        let ready = async {
            let mut handle = shake_hands(target, preferred, stream, handler, &finding).await?;
            auth::log_in(&mut handle, target).await?;
            Ok(handle)
        };
        // A key exchange and a few signatures: twice as long as the connection alone may take.
        let limit = target.connect_time_max.saturating_mul(2);
        let handle = timed(limit, "the login", ready).await?;
        let key = finding.lock().unwrap_or_else(PoisonError::into_inner).key.take();
        let fingerprint = key.map(|key| key.fingerprint(HashAlg::Sha256).to_string());
        Ok(Self { handle, fingerprint, _way: way })
    }

    /// The fingerprint of the host key by which the host was known.
    #[must_use]
    pub fn host_key(&self) -> Option<&str> {
        self.fingerprint.as_deref()
    }

    /// Whether the connection is over.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// Opens a channel for a command or a subsystem.
    pub(crate) async fn open(&self) -> Result<Channel<Msg>> {
        let opened = timed(CHANNEL_TIME_MAX, "open a channel", async {
            self.handle.channel_open_session().await.map_err(|error| channel_error(&error))
        });
        opened.await
    }

    /// Opens a connection that leaves from the host.
    ///
    /// # Errors
    /// [`Error::Channel`] when the host may not, or cannot, connect to there.
    pub async fn dial(&self, to: SocketAddr) -> Result<ChannelStream<Msg>> {
        self.direct(&to.ip().to_string(), to.port()).await.map(Channel::into_stream)
    }

    async fn direct(&self, host: &str, port: u16) -> Result<Channel<Msg>> {
        let opened = timed(CHANNEL_TIME_MAX, "open a connection from there", async {
            let opening = self.handle.channel_open_direct_tcpip(host.to_owned(), port.into(), "127.0.0.1", 0);
            opening.await.map_err(|error| channel_error(&error))
        });
        opened.await
    }

    /// Says goodbye. Dropping the session does not.
    pub async fn close(&self) {
        // That it cannot be said any more is no failure.
        let _ = self.handle.disconnect(Disconnect::ByApplication, "", "").await;
    }
}

/// Waits for `future`, but not for ever.
pub(crate) async fn timed<T>(
    limit: Duration,
    doing: &'static str,
    future: impl Future<Output = Result<T>>,
) -> Result<T> {
    match timeout(limit, future).await {
        Ok(answer) => answer,
        Err(_) => Err(Error::TimedOut { doing, seconds: limit.as_secs() }),
    }
}

async fn dial(target: &Target) -> Result<TcpStream> {
    let host = &target.host;
    let resolve = |detail: String| Error::Resolve { host: host.clone(), detail };
    let connecting = async {
        let found = tokio::net::lookup_host((host.as_str(), target.port)).await;
        let addresses: Vec<SocketAddr> = found.map_err(|error| resolve(error.to_string()))?.collect();
        let failed = |detail: String| Error::Connect { host: host.clone(), port: target.port, detail };
        let mut last = resolve("it has no address".into());
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    // Small requests must not wait for each other.
                    stream.set_nodelay(true).map_err(|error| failed(error.to_string()))?;
                    return Ok(stream);
                }
                Err(error) => last = failed(error.to_string()),
            }
        }
        Err(last)
    };
    timed(target.connect_time_max, "the connection", connecting).await
}

fn preferred() -> Preferred {
    Preferred { compression: Cow::Borrowed(&[russh::compression::NONE]), ..Preferred::DEFAULT }
}

fn config(preferred: Preferred) -> Arc<client::Config> {
    Arc::new(client::Config {
        client_id: SshId::Standard(Cow::Borrowed(CLIENT_ID)),
        keepalive_interval: Some(KEEPALIVE_INTERVAL),
        keepalive_max: KEEPALIVES_UNANSWERED_MAX,
        preferred,
        nodelay: true,
        ..client::Config::default()
    })
}

async fn shake_hands(
    target: &Target,
    preferred: Preferred,
    stream: Wire,
    handler: Handler,
    finding: &Mutex<Finding>,
) -> Result<Handle<Handler>> {
    let config = config(preferred);
    let begun = match stream {
        Wire::Direct(stream) => client::connect_stream(config, stream, handler).await,
        Wire::Through(stream) => client::connect_stream(config, stream, handler).await,
    };
    begun.map_err(|error| {
        let found = finding.lock().unwrap_or_else(PoisonError::into_inner).error.take();
        found.unwrap_or_else(|| handshake_error(target, &error))
    })
}

/// Connects as far as the host key, and answers it.
pub(crate) async fn look(target: &Target, dialled: Dialled) -> Result<PublicKey> {
    let finding = Arc::new(Mutex::new(Finding::default()));
    let handler = Handler { expectation: Expectation::Look, finding: Arc::clone(&finding) };
    let known = KnownHosts::load(&target.known_hosts)?;
    let mut preferred = preferred();
    let mut keys = known.algorithms(&target.known_as());
    keys.extend(preferred.key.iter().filter(|key| !keys.contains(key)).cloned().collect::<Vec<_>>());
    preferred.key = Cow::Owned(keys);
    let Dialled { stream, way } = dialled;
    let looking = async { Ok(shake_hands(target, preferred, stream, handler, &finding).await.err()) };
    let error = timed(target.connect_time_max, "the host key", looking).await?;
    drop(way);
    let key = finding.lock().unwrap_or_else(PoisonError::into_inner).key.take();
    key.ok_or_else(|| error.unwrap_or_else(|| Error::Lost { detail: "before it showed a key".into() }))
}

fn handshake_error(target: &Target, error: &russh::Error) -> Error {
    let detail = printable(&error.to_string());
    match error {
        russh::Error::IO(_)
        | russh::Error::HUP
        | russh::Error::Disconnect
        | russh::Error::ConnectionTimeout
        | russh::Error::SendError
        | russh::Error::RecvError => {
            Error::Lost { detail: format!("before {} was logged in to: {detail}", target.host) }
        }
        _ => Error::Handshake { host: target.known_as(), detail },
    }
}

pub(crate) fn channel_error(error: &russh::Error) -> Error {
    use russh::ChannelOpenFailure as Why;
    match error {
        russh::Error::ChannelOpenFailure(why) => Error::Channel {
            refusal: match why {
                Why::AdministrativelyProhibited => Refusal::Prohibited,
                Why::ConnectFailed => Refusal::ConnectFailed,
                Why::UnknownChannelType => Refusal::UnknownType,
                Why::ResourceShortage => Refusal::Shortage,
                Why::Other { .. } => Refusal::Other,
            },
        },
        error => Error::Lost { detail: printable(&error.to_string()) },
    }
}
