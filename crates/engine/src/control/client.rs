//! The command line's end of the control socket.

use std::io;
use std::path::Path;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use verisim_core::{DecoyName, DecoyPath, Event, EventId};

use super::protocol::{Answer, Call, LINE_BYTES_MAX, PROTOCOL_VERSION, Refusal, Reply, Request};

/// A connection to a running daemon.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
}

/// Events as they are committed.
#[derive(Debug)]
pub struct Stream {
    client: Client,
}

/// Why a daemon did not answer as asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The connection failed.
    #[error("the daemon cannot be reached over its control socket: {0}")]
    Connection(#[from] io::Error),
    /// It said something else than what was asked.
    #[error("the daemon's answer cannot be understood: {0}")]
    Confused(String),
}

impl Client {
    /// Connects. `Ok(None)` when no daemon listens there.
    ///
    /// # Errors
    /// When there is a socket that may not be used.
    pub async fn connect(path: &Path) -> Result<Option<Self>, ClientError> {
        use io::ErrorKind::{ConnectionRefused, NotFound};
        match UnixStream::connect(path).await {
            Ok(stream) => Ok(Some(Self { stream: BufReader::new(stream) })),
            // A socket that nobody listens on is what a killed daemon leaves.
            Err(error) if matches!(error.kind(), NotFound | ConnectionRefused) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// When the daemon refuses, or the connection fails.
    pub async fn ask(&mut self, request: Request) -> Result<Answer, ClientError> {
        self.send(request).await?;
        self.receive().await
    }

    async fn send(&mut self, request: Request) -> Result<(), ClientError> {
        let mut line = serde_json::to_vec(&Call::new(request))
            .map_err(|error| ClientError::Confused(error.to_string()))?;
        line.push(b'\n');
        if line.len() > LINE_BYTES_MAX {
            let message = format!("what is sent to a running daemon may be {LINE_BYTES_MAX} bytes long");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message).into());
        }
        let Err(error) = self.stream.get_mut().write_all(&line).await else { return Ok(()) };
        if error.kind() == io::ErrorKind::BrokenPipe {
            // A daemon that takes no more clients says so and hangs up; its word says more than a broken pipe.
            if let Err(ClientError::Refused(refusal)) = self.receive().await {
                return Err(refusal.into());
            }
        }
        Err(error.into())
    }

    async fn receive(&mut self) -> Result<Answer, ClientError> {
        let mut line = Vec::new();
        let limit = LINE_BYTES_MAX as u64 + 1;
        (&mut self.stream).take(limit).read_until(b'\n', &mut line).await?;
        if line.last() != Some(&b'\n') {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let reply: Reply =
            serde_json::from_slice(&line).map_err(|error| ClientError::Confused(error.to_string()))?;
        if reply.v != PROTOCOL_VERSION {
            let detail = format!("it speaks version {}, this program {PROTOCOL_VERSION}", reply.v);
            return Err(ClientError::Confused(detail));
        }
        Ok(reply.into_result()?)
    }

    /// Reads a file of a decoy, at most `limit` bytes.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn read(
        &mut self,
        decoy: DecoyName,
        path: DecoyPath,
        limit: u64,
    ) -> Result<Vec<u8>, ClientError> {
        self.send(Request::Read { decoy, path, limit }).await?;
        let mut bytes = Vec::new();
        loop {
            match self.receive().await? {
                Answer::Piece { body, more } => {
                    bytes.extend_from_slice(body.as_bytes());
                    if !more {
                        return Ok(bytes);
                    }
                }
                other => return Err(unexpected(&other)),
            }
        }
    }

    /// Follows events on these topics from after `after` on, or from now on.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn follow(mut self, after: Option<EventId>, topic: &str) -> Result<Stream, ClientError> {
        self.send(Request::Follow { after, topic: topic.to_owned() }).await?;
        Ok(Stream { client: self })
    }
}

impl Stream {
    /// The next event; `None` when the daemon ended.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub async fn next(&mut self) -> Result<Option<Event>, ClientError> {
        match self.client.receive().await {
            Ok(Answer::Event(event)) => Ok(Some(*event)),
            Ok(other) => Err(unexpected(&other)),
            Err(ClientError::Connection(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn unexpected(answer: &Answer) -> ClientError {
    ClientError::Confused(format!("it answered {answer:.80?}"))
}
