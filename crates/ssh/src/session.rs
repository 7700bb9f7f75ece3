//! One connection to one host, over any number of hosts on the way, and the channels on it.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use russh::client::{Handle, Msg};
use russh::{Channel, ChannelStream, Disconnect};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use verisim_core::printable;

use crate::auth::Account;
use crate::error::Refusal;
use crate::handler::{Expectation, Handler};
use crate::meet::{CLIENT_VERSION, Meeting, Met};
use crate::{Error, KnownHosts, Result, Target};

/// How long a channel may take to be opened.
const CHANNEL_TIME_MAX: Duration = Duration::from_secs(20);
/// How many commands run on one connection at once. OpenSSH has room for ten sessions, SFTP's among them (sshd_config(5),
/// MaxSessions), and takes note of the end of one a moment later.
const COMMANDS_AT_ONCE: usize = 4;
/// How often a server that has no room for a command is asked again, and the pause before it is: two seconds in all.
const ROOM_TRIES: u32 = 50;
const ROOM_PAUSE: Duration = Duration::from_millis(40);
/// The most hosts on the way to another.
const JUMPS_MAX: usize = 8;

/// One connection to one host, authenticated. It ends when it is dropped.
pub struct Session {
    handle: Handle<Handler>,
    fingerprint: Option<String>,
    version: Vec<u8>,
    commands: Arc<Semaphore>,
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
    pub(crate) stream: Wire,
    pub(crate) way: Vec<Session>,
}

/// A connection of our own, or one that leaves from a host on the way.
pub(crate) enum Wire {
    Direct(TcpStream),
    Through(ChannelStream<Msg>),
}

impl Wire {
    pub(crate) async fn meet(self, meeting: Meeting) -> Result<Met> {
        match self {
            Self::Direct(stream) => meeting.begin(stream).await,
            Self::Through(stream) => meeting.begin(stream).await,
        }
    }
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
        let meeting = Meeting {
            algorithms: known.algorithms(&host),
            host: host.clone(),
            version: Cow::Borrowed(CLIENT_VERSION),
            expectation: Expectation::Known {
                host,
                known: Box::new(known),
                policy: target.host_keys,
                file: target.known_hosts.first().cloned(),
            },
            bulk: target.bulk,
        };
        let Dialled { stream, way } = dialled;
        let ready = async { stream.meet(meeting).await?.log_in(&Account::of_target(target)).await };
        // A key exchange and a few signatures: twice as long as the connection alone may take.
        let limit = target.connect_time_max.saturating_mul(2);
        timed(limit, "the login", ready).await.map(|session| Self { _way: way, ..session })
    }

    /// A session on a connection that was made and logged in to.
    pub(crate) fn of(handle: Handle<Handler>, fingerprint: Option<String>, version: Vec<u8>) -> Self {
        let commands = Arc::new(Semaphore::new(COMMANDS_AT_ONCE));
        Self { handle, fingerprint, version, commands, _way: Vec::new() }
    }

    /// What the server calls itself: its line of identification, as it sent it.
    #[must_use]
    pub fn version(&self) -> &[u8] {
        &self.version
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
            self.handle.channel_open_session().await.map_err(|error| match channel_error(&error) {
                // What OpenSSH says where there are as many sessions as may be; such a channel leads nowhere else.
                Error::Channel { refusal: Refusal::ConnectFailed } => {
                    Error::Channel { refusal: Refusal::Shortage }
                }
                other => other,
            })
        });
        opened.await
    }

    /// Opens a channel for a command once there is room for it, and keeps the room.
    pub(crate) async fn open_for_command(&self) -> Result<(Channel<Msg>, OwnedSemaphorePermit)> {
        const FULL: Error = Error::Channel { refusal: Refusal::Shortage };
        let Ok(Ok(room)) = timeout(CHANNEL_TIME_MAX, Arc::clone(&self.commands).acquire_owned()).await else {
            return Err(FULL);
        };
        for _ in 0..ROOM_TRIES {
            match self.open().await {
                Err(FULL) => sleep(ROOM_PAUSE).await,
                opened => return opened.map(|channel| (channel, room)),
            }
        }
        self.open().await.map(|channel| (channel, room))
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
