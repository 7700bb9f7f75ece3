//! The channel, and the requests that wait for their answers on it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use verisim_core::printable;

use super::Extensions;
use super::packet::{self, Answer, Body, INIT, VERSION, broken};
use crate::session::{channel_error, timed};
use crate::{Error, Result, Session};

/// How many requests may wait for their answers at once.
const IN_FLIGHT_MAX: usize = 256;
/// How many bytes of requests may; a server that does not read must not fill our memory.
const IN_FLIGHT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How many bytes are handed to the channel at once: what the window of a channel of OpenSSH holds easily.
const PIECE_BYTES: usize = 64 * 1024;
/// Packets from this size on are handed over as they are; smaller ones are gathered.
const WHOLE_BYTES_MIN: usize = 128 * 1024;
/// How long the server may take nothing of what is sent to it.
const STALL_TIME_MAX: Duration = Duration::from_secs(30);
/// The most extensions that a server may name when it begins.
const EXTENSIONS_MAX: usize = 256;

pub(super) struct Line {
    shared: Arc<Shared>,
    outgoing: mpsc::UnboundedSender<Bytes>,
    requests: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    time_max: Duration,
    reading: tokio::task::JoinHandle<()>,
}

impl Drop for Line {
    fn drop(&mut self) {
        // The writer ends, and closes the channel, when there is nobody left who could send.
        self.reading.abort();
    }
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
}

/// A request that is under way until its answer has come, whoever waits for that.
struct Waiting {
    answer: oneshot::Sender<Result<Answer>>,
    _under_way: [OwnedSemaphorePermit; 2],
}

/// An answer that is to come.
pub(super) struct Expected {
    id: u32,
    /// How many requests that were sent before had no answer when that was last looked at.
    ahead: usize,
    answer: oneshot::Receiver<Result<Answer>>,
}

#[derive(Default)]
struct State {
    next_id: u32,
    waiting: HashMap<u32, Waiting>,
    /// Why nothing can be asked any more.
    broken: Option<Error>,
}

impl State {
    /// How many requests that were sent before `id` have no answer yet. Numbers begin anew after 2^32.
    fn ahead_of(&self, id: u32) -> usize {
        self.waiting.keys().filter(|other| (1..1 << 31).contains(&id.wrapping_sub(**other))).count()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn break_off(&self, error: &Error) {
        let mut state = self.lock();
        let error = state.broken.get_or_insert_with(|| error.clone()).clone();
        for (_, waiting) in state.waiting.drain() {
            let _ = waiting.answer.send(Err(error.clone()));
        }
    }
}

impl Line {
    pub(super) async fn open(session: &Session, time_max: Duration) -> Result<(Self, Extensions)> {
        let channel = session.open().await?;
        let (mut reader, writer) = channel.split();
        let beginning = async {
            writer.request_subsystem(true, "sftp").await.map_err(|error| channel_error(&error))?;
            loop {
                match reader.wait().await {
                    Some(ChannelMsg::Success) => break,
                    Some(ChannelMsg::Failure | ChannelMsg::Close) => {
                        return Err(Error::NotOffered { what: "SFTP" });
                    }
                    None => return Err(Error::Lost { detail: "before SFTP began".into() }),
                    Some(_) => {}
                }
            }
            let mut hello = BytesMut::new();
            hello.put_u32(5);
            hello.put_u8(INIT);
            hello.put_u32(3);
            writer.data_bytes(hello.freeze()).await.map_err(|error| channel_error(&error))?;
            greeting(&mut reader).await
        };
        let (extensions, rest) = match timed(time_max, "open SFTP", beginning).await {
            Ok(begun) => begun,
            Err(error) => {
                let _ = writer.close().await;
                return Err(error);
            }
        };
        let shared = Arc::new(Shared::default());
        let (outgoing, queue) = mpsc::unbounded_channel();
        let reading = tokio::spawn(read(reader, rest, Arc::clone(&shared)));
        tokio::spawn(write(writer, queue, Arc::clone(&shared)));
        let line = Self {
            shared,
            outgoing,
            requests: Arc::new(Semaphore::new(IN_FLIGHT_MAX)),
            bytes: Arc::new(Semaphore::new(IN_FLIGHT_BYTES_MAX)),
            time_max,
            reading,
        };
        Ok((line, extensions))
    }

    pub(super) fn broken(&self) -> Option<Error> {
        self.shared.lock().broken.clone()
    }

    /// Sends a request. What is sent first is answered first, as far as it is for the server to see.
    ///
    /// It waits only while too much is under way, never for an answer of its own.
    pub(super) async fn send(&self, kind: u8, body: Body) -> Result<Expected> {
        let size = u32::try_from(body.len().min(IN_FLIGHT_BYTES_MAX)).unwrap_or(u32::MAX);
        let request = Arc::clone(&self.requests).acquire_owned().await.map_err(|_| gone())?;
        let bytes = Arc::clone(&self.bytes).acquire_many_owned(size).await.map_err(|_| gone())?;
        let (answer, waiting) = oneshot::channel();
        let mut state = self.shared.lock();
        if let Some(error) = &state.broken {
            return Err(error.clone());
        }
        let id = state.next_id;
        state.next_id = state.next_id.wrapping_add(1);
        self.outgoing.send(body.finish(kind, id)).map_err(|_| gone())?;
        let ahead = state.waiting.len();
        state.waiting.insert(id, Waiting { answer, _under_way: [request, bytes] });
        Ok(Expected { id, ahead, answer: waiting })
    }

    /// Waits for an answer. A slow line is no dead one: as long as what was asked before it is answered, it is waited for.
    pub(super) async fn answer(&self, doing: &'static str, mut expected: Expected) -> Result<Answer> {
        loop {
            // An answer may itself be that another request had none in time: that is no reason to go on waiting for it.
            if let Ok(answered) = timeout(self.time_max, &mut expected.answer).await {
                return answered.unwrap_or_else(|_| Err(gone()));
            }
            let ahead = self.shared.lock().ahead_of(expected.id);
            if ahead >= expected.ahead {
                let error = Error::TimedOut { doing, seconds: self.time_max.as_secs() };
                self.distrust(&error);
                return Err(error);
            }
            expected.ahead = ahead;
        }
    }

    /// Ends the session over an answer that may not be, or never came.
    pub(super) fn distrust(&self, error: &Error) {
        self.shared.break_off(error);
    }
}

fn gone() -> Error {
    Error::Lost { detail: "the SFTP session is over".into() }
}

/// Waits for the server's version and extensions. What comes behind them is handed on.
async fn greeting(reader: &mut ChannelReadHalf) -> Result<(Extensions, BytesMut)> {
    let mut buffer = BytesMut::new();
    loop {
        if let Some((kind, mut rest)) = packet::next(&mut buffer)? {
            if kind != VERSION || rest.len() < 4 {
                return Err(broken("it does not begin with its version"));
            }
            let version = rest.get_u32();
            if version != 3 {
                return Err(broken(format!("SFTP version {version}, where 3 was asked for")));
            }
            return Ok((extensions(Answer::new(kind, rest))?, buffer));
        }
        match reader.wait().await {
            Some(ChannelMsg::Data { data }) => buffer.extend_from_slice(&data),
            Some(ChannelMsg::Close | ChannelMsg::ExitStatus { .. }) => {
                return Err(Error::NotOffered { what: "SFTP" });
            }
            // What was killed might have served us.
            Some(ChannelMsg::ExitSignal { .. }) | None => {
                return Err(Error::Lost { detail: "before SFTP began".into() });
            }
            Some(_) => {}
        }
    }
}

fn extensions(mut answer: Answer) -> Result<Extensions> {
    let mut out = Extensions::default();
    for _ in 0..EXTENSIONS_MAX {
        if answer.is_empty() {
            return Ok(out);
        }
        let (name, version) = (answer.string()?, answer.string()?);
        match (&name[..], &version[..]) {
            (b"posix-rename@openssh.com", b"1") => out.posix_rename = true,
            (b"hardlink@openssh.com", b"1") => out.hardlink = true,
            (b"fsync@openssh.com", b"1") => out.fsync = true,
            (b"statvfs@openssh.com", b"2") => out.statvfs = true,
            (b"fstatvfs@openssh.com", b"2") => out.fstatvfs = true,
            (b"lsetstat@openssh.com", b"1") => out.lsetstat = true,
            (b"limits@openssh.com", b"1") => out.limits = true,
            _ => {}
        }
    }
    Err(broken("it names extensions without end"))
}

async fn read(mut reader: ChannelReadHalf, mut buffer: BytesMut, shared: Arc<Shared>) {
    let end = loop {
        match take(&mut buffer, &shared) {
            Ok(()) => {}
            Err(error) => break error,
        }
        match reader.wait().await {
            Some(ChannelMsg::Data { data }) => buffer.extend_from_slice(&data),
            Some(ChannelMsg::Eof | ChannelMsg::Close) => break gone(),
            Some(_) => {}
            None => break Error::Lost { detail: "the connection is gone".into() },
        }
    };
    shared.break_off(&end);
}

fn take(buffer: &mut BytesMut, shared: &Shared) -> Result<()> {
    while let Some((kind, mut rest)) = packet::next(buffer)? {
        let id = rest.try_get_u32().map_err(|_| broken("an answer without an id"))?;
        let waiting = shared.lock().waiting.remove(&id);
        let Some(waiting) = waiting else {
            return Err(broken(format!("an answer to request {id}, which was never asked")));
        };
        let _ = waiting.answer.send(Ok(Answer::new(kind, rest)));
    }
    Ok(())
}

async fn write(
    writer: ChannelWriteHalf<Msg>,
    mut queue: mpsc::UnboundedReceiver<Bytes>,
    shared: Arc<Shared>,
) {
    let mut piece = BytesMut::with_capacity(PIECE_BYTES);
    while let Some(packet) = queue.recv().await {
        let ready = if packet.len() >= WHOLE_BYTES_MIN {
            packet
        } else {
            piece.extend_from_slice(&packet);
            while piece.len() < PIECE_BYTES
                && let Ok(packet) = queue.try_recv()
            {
                piece.extend_from_slice(&packet);
            }
            piece.split().freeze()
        };
        let sent = timeout(STALL_TIME_MAX, writer.data_bytes(ready)).await;
        let detail = match sent {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => printable(&error.to_string()),
            Err(_) => "the server takes no more".into(),
        };
        shared.break_off(&Error::Lost { detail });
        break;
    }
    let _ = writer.close().await;
}
