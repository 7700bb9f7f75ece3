//! The daemon's end of the control socket: bounded in connections, in the length of a line, and in what an answer holds.

use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use verisim_core::{Body, ByteCount, CancellationToken, EventId, TopicFilter};

use super::operator::{Asked, Operator};
use super::protocol::{Answer, Call, LINE_BYTES_MAX, PROTOCOL_VERSION, Refusal, RefusalKind, Reply, Request};
use crate::Delivery;

/// How many clients are served at once.
const CLIENTS_MAX: usize = 32;
/// How long a client may keep its place without asking for anything, or take over sending one call.
const IDLE_MAX: Duration = Duration::from_secs(300);
/// How many bytes of a file stand in one line.
const PIECE_BYTES: usize = 1024 * 1024;
/// How many events a follower may be behind before it is sent to the store.
const FOLLOW_EVENTS_MAX: usize = 1_024;
/// How many events are read from the store in one go.
const PAGE_EVENTS: usize = 500;

/// What a server is made of.
pub struct ServerParts {
    /// Who answers.
    pub operator: Operator,
    /// What a client's `shutdown` cancels.
    pub shutdown: CancellationToken,
    /// Which user may connect, besides root: the one who runs the daemon.
    pub uid: u32,
}

/// A bound control socket.
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
    inode: u64,
    parts: Arc<ServerParts>,
}

impl Server {
    /// Binds the socket, with mode 0600. What a former daemon left there is replaced: the caller holds the store's lock, so
    /// that there is no other daemon.
    ///
    /// # Errors
    /// When the folder cannot be written, or the path is longer than a socket's may be (107 bytes).
    pub fn bind(path: &Path, parts: ServerParts) -> io::Result<Self> {
        // It gets its mode under another name, so that nobody finds it with a wider one.
        let mut staged = path.as_os_str().to_owned();
        staged.push(".new");
        let staged = PathBuf::from(staged);
        remove_if_there(&staged)?;
        let listener = UnixListener::bind(&staged)?;
        std::fs::set_permissions(&staged, std::fs::Permissions::from_mode(0o600))?;
        let inode = std::fs::symlink_metadata(&staged)?.ino();
        std::fs::rename(&staged, path)?;
        Ok(Self { listener, path: path.to_owned(), inode, parts: Arc::new(parts) })
    }

    /// Serves until `end`, then removes the socket.
    pub async fn run(self, end: CancellationToken) {
        let room = Arc::new(Semaphore::new(CLIENTS_MAX));
        let mut clients = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = end.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            while clients.try_join_next().is_some() {}
            match accepted {
                Ok((stream, _)) => {
                    let (parts, room) = (Arc::clone(&self.parts), Arc::clone(&room));
                    clients.spawn(async move { greet(stream, &parts, &room).await });
                }
                Err(error) => {
                    // Too many open files, for instance: others may end meanwhile.
                    tracing::warn!(%error, "a client of the control socket could not be accepted");
                    tokio::task::yield_now().await;
                }
            }
        }
        // Where the state folder was replaced, another daemon may listen there by now.
        let is_ours = std::fs::symlink_metadata(&self.path).is_ok_and(|meta| meta.ino() == self.inode);
        if is_ours && let Err(error) = remove_if_there(&self.path) {
            tracing::warn!(%error, "the control socket could not be removed");
        }
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

async fn greet(stream: UnixStream, parts: &ServerParts, room: &Semaphore) {
    let is_allowed = stream.peer_cred().is_ok_and(|peer| peer.uid() == 0 || peer.uid() == parts.uid);
    let (input, output) = stream.into_split();
    let mut client = Client { input: BufReader::new(input), output, parts };
    if !is_allowed {
        return;
    }
    let served = match room.try_acquire() {
        Ok(_place) => client.serve().await,
        Err(_) => {
            let refusal =
                Refusal::new(RefusalKind::Busy, format!("{CLIENTS_MAX} clients are connected already"));
            client.say(Err(refusal)).await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a client of the control socket went away");
    }
}

struct Client<'a> {
    input: BufReader<OwnedReadHalf>,
    output: OwnedWriteHalf,
    parts: &'a ServerParts,
}

impl Client<'_> {
    /// Answers one call after the other, until the client goes.
    async fn serve(&mut self) -> io::Result<()> {
        loop {
            let mut line = Vec::new();
            // One byte more than allowed tells a line that is too long from one that just fits.
            let limit = LINE_BYTES_MAX as u64 + 1;
            let mut input = (&mut self.input).take(limit);
            // Whoever connects and says nothing must not keep the operator out.
            let shared = self.parts.operator.shared();
            let until = shared.after(IDLE_MAX);
            tokio::select! {
                biased;
                read = input.read_until(b'\n', &mut line) => read?,
                () = shared.clock.sleep_until(until) => return Err(io::ErrorKind::TimedOut.into()),
            };
            if line.is_empty() {
                return Ok(());
            }
            if line.len() > LINE_BYTES_MAX {
                let message = format!("a line may be {LINE_BYTES_MAX} bytes long");
                return self.say(Err(Refusal::new(RefusalKind::BadRequest, message))).await;
            }
            match parse(&line) {
                Ok(Request::Follow { after, topic }) => return self.follow(after, &topic).await,
                Ok(Request::Read { decoy, path, limit }) => {
                    match self.parts.operator.read(&decoy, &path, ByteCount(limit)).await {
                        Ok(bytes) => self.send_file(&bytes).await?,
                        Err(refusal) => self.say(Err(refusal)).await?,
                    }
                }
                Ok(Request::Shutdown) => {
                    self.parts.shutdown.cancel();
                    self.say(Ok(Answer::Done)).await?;
                }
                Ok(request @ Request::Audit { .. }) => {
                    // It may take hours, and is nobody's any more when who asked goes away.
                    let answer = tokio::select! {
                        answer = self.parts.operator.ask(request) => answer,
                        gone = self.input.fill_buf() => return gone.map(drop),
                    };
                    self.say(answer).await?;
                }
                Ok(request) => {
                    let answer = self.parts.operator.ask(request).await;
                    self.say(answer).await?;
                }
                Err(refusal) => self.say(Err(refusal)).await?,
            }
        }
    }

    async fn say(&mut self, result: Asked<Answer>) -> io::Result<()> {
        let mut line = serde_json::to_vec(&Reply::new(result))?;
        line.push(b'\n');
        self.output.write_all(&line).await
    }

    async fn send_file(&mut self, bytes: &bytes::Bytes) -> io::Result<()> {
        let mut from = 0;
        loop {
            let to = bytes.len().min(from + PIECE_BYTES);
            let more = to < bytes.len();
            self.say(Ok(Answer::Piece { body: Body(bytes.slice(from..to)), more })).await?;
            if !more {
                return Ok(());
            }
            from = to;
        }
    }

    /// Hands on events as they are committed. What the bus does not hold is read from the store.
    async fn follow(&mut self, after: Option<EventId>, topic: &str) -> io::Result<()> {
        let filter = match filter(topic) {
            Ok(filter) => filter,
            Err(refusal) => return self.say(Err(refusal)).await,
        };
        let operator = &self.parts.operator;
        // The place on the bus comes first, so that nothing falls between it and what is read from the store.
        let mut events = operator.handle().bus().subscribe(filter.clone(), FOLLOW_EVENTS_MAX);
        let mut seen = match after {
            Some(after) => after,
            None => match operator.status().await {
                Ok(status) => status.store.last_event,
                Err(refusal) => return self.say(Err(refusal)).await,
            },
        };
        if !self.catch_up(&filter, &mut seen).await? {
            return Ok(());
        }
        loop {
            let delivery = tokio::select! {
                delivery = events.next() => delivery,
                gone = self.input.fill_buf() => return gone.map(|_| ()),
            };
            match delivery {
                Some(Delivery::Event(event)) if event.id > seen => {
                    seen = event.id;
                    self.say(Ok(Answer::Event(Box::new((*event).clone())))).await?;
                }
                Some(Delivery::Event(_)) => {}
                Some(Delivery::Missed { .. }) => {
                    if !self.catch_up(&filter, &mut seen).await? {
                        return Ok(());
                    }
                }
                None => return Ok(()),
            }
        }
    }

    /// Reads from the store what was committed after `seen`; answers whether it could.
    async fn catch_up(&mut self, filter: &TopicFilter, seen: &mut EventId) -> io::Result<bool> {
        loop {
            let page = match self.parts.operator.events(*seen, filter.clone(), PAGE_EVENTS).await {
                Ok(page) => page,
                Err(refusal) => {
                    self.say(Err(refusal)).await?;
                    return Ok(false);
                }
            };
            if page.seen <= *seen {
                return Ok(true);
            }
            *seen = page.seen;
            for event in page.events {
                self.say(Ok(Answer::Event(Box::new(event)))).await?;
            }
        }
    }
}

pub(super) fn filter(topic: &str) -> Asked<TopicFilter> {
    topic.parse().map_err(|error| Refusal::new(RefusalKind::BadRequest, error))
}

fn parse(line: &[u8]) -> Asked<Request> {
    /// The version is looked at first: another one may mean anything by the rest.
    #[derive(serde::Deserialize)]
    struct Version {
        v: u32,
    }
    let bad = |error: serde_json::Error| {
        Refusal::new(RefusalKind::BadRequest, verisim_core::printable(&error.to_string()))
    };
    let Version { v } = serde_json::from_slice(line).map_err(bad)?;
    if v != PROTOCOL_VERSION {
        let message = format!(
            "the daemon speaks version {PROTOCOL_VERSION} of the control protocol, not {v}: restart the daemon after \
             an upgrade, or use the program that belongs to it"
        );
        return Err(Refusal::new(RefusalKind::BadRequest, message));
    }
    serde_json::from_slice::<Call>(line).map(|call| call.request).map_err(bad)
}
