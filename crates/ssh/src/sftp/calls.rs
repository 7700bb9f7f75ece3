//! Questions, and the handles that they open.

use bytes::Bytes;

use super::packet::{
    ATTRS, Answer, Body, DATA, EXTENDED, EXTENDED_REPLY, FSTAT, HANDLE, LSTAT, NAME, OPEN, OPENDIR,
    PACKET_BYTES_MAX, READ, READDIR, STAT, STATUS, broken,
};
use super::{Attributes, Sent, SetAttributes, Sftp, Status, WRITE_BYTES_MAX};
use crate::{Error, Result};
use verisim_core::printable;

/// How many bytes one read asks for: what every server gives (draft, section 3).
pub const READ_BYTES_MAX: u32 = 32 * 1024;
/// The most that is written at once, whatever a server says: it fits into a packet.
const WRITE_AT_ONCE_MAX: usize = PACKET_BYTES_MAX - 1024;
/// The most that is read at once: so many answers as may be under way must not fill our memory.
const READ_AT_ONCE_MAX: usize = 64 * 1024;
/// The longest handle that a server may give (draft, section 6.2).
const HANDLE_BYTES_MAX: usize = 256;

/// An open file or directory on the other side. It is closed by [`Sftp::close`], not by being dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handle(pub(super) Bytes);

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFlags(u32);

impl OpenFlags {
    /// For reading.
    pub const READ: Self = Self(1);
    /// For reading and writing. On Linux such an opening never waits, not even for the other end of a FIFO.
    pub const READ_WRITE: Self = Self(1 | 2);
    /// For reading, and writing at the end only.
    pub const READ_APPEND: Self = Self(1 | 2 | 4);
    /// For writing, what is there already.
    pub const WRITE: Self = Self(2);
    /// For writing at the end only.
    pub const APPEND: Self = Self(2 | 4);
    /// A new file, for writing; what is there already is an error.
    pub const CREATE_NEW: Self = Self(2 | 8 | 0x20);
}

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: Bytes,
    /// What OpenSSH adds: a line as `ls -l` prints it.
    pub long: Bytes,
    /// What the server says of it.
    pub attributes: Attributes,
}

/// What a file system has (statvfs(3)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Its size in blocks; 0 for those that hold no data of their own, like procfs.
    pub blocks: u64,
    /// Free bytes.
    pub free_bytes: u64,
    /// Free bytes for others than root.
    pub available_bytes: u64,
    /// Free inodes; `None` where the file system does not count them.
    pub free_inodes: Option<u64>,
    /// Whether it takes no writes.
    pub read_only: bool,
}

impl Sftp {
    /// What stands under a name; a final link is not followed.
    ///
    /// # Errors
    /// What the server says.
    pub async fn lstat(&self, path: &[u8]) -> Result<Attributes> {
        self.send_lstat(path).await?.done().await
    }

    /// Asks what stands under a name, and does not wait for the answer.
    ///
    /// # Errors
    /// When the session is over: then it was not sent.
    pub async fn send_lstat(&self, path: &[u8]) -> Result<Sent<'_, Attributes>> {
        self.sent("look at it", LSTAT, Body::default().string(path), Self::take_attributes).await
    }

    /// What a name leads to.
    ///
    /// # Errors
    /// What the server says.
    pub async fn stat(&self, path: &[u8]) -> Result<Attributes> {
        self.attributes("look at where it leads", STAT, Body::default().string(path)).await
    }

    /// What an open file is.
    ///
    /// # Errors
    /// What the server says.
    pub async fn fstat(&self, handle: &Handle) -> Result<Attributes> {
        self.send_fstat(handle).await?.done().await
    }

    /// Asks what an open file is, and does not wait for the answer.
    ///
    /// # Errors
    /// When the session is over: then it was not sent.
    pub async fn send_fstat(&self, handle: &Handle) -> Result<Sent<'_, Attributes>> {
        let body = Body::default().string(&handle.0);
        self.sent("look at the open file", FSTAT, body, Self::take_attributes).await
    }

    /// Opens a file. `mode` is that of a new one.
    ///
    /// # Errors
    /// What the server says.
    pub async fn open_file(&self, path: &[u8], how: OpenFlags, mode: Option<u32>) -> Result<Handle> {
        let set = SetAttributes { mode: mode.map(verisim_core::FileMode::new), ..SetAttributes::default() };
        let body = set.put(Body::default().string(path).u32(how.0));
        self.handle("open it", OPEN, body).await
    }

    /// Opens a directory.
    ///
    /// # Errors
    /// What the server says.
    pub async fn open_directory(&self, path: &[u8]) -> Result<Handle> {
        self.handle("open the directory", OPENDIR, Body::default().string(path)).await
    }

    /// Sends a request for at most [`Sftp::read_bytes`]; the answer is `None` at the end of the file.
    ///
    /// # Errors
    /// When the session is over. More bytes than were asked for end it.
    pub async fn send_read(
        &self,
        handle: &Handle,
        offset: u64,
        length: u32,
    ) -> Result<Sent<'_, Option<Bytes>>> {
        let length = length.min(u32::try_from(self.read_bytes()).unwrap_or(READ_BYTES_MAX));
        let body = Body::default().string(&handle.0).u64(offset).u32(length);
        self.sent("read it", READ, body, move |sftp, doing, answer| sftp.data(doing, answer, length)).await
    }

    fn data(&self, doing: &'static str, mut answer: Answer, length: u32) -> Result<Option<Bytes>> {
        if answer.kind == DATA {
            let data = self.trust(answer.string())?;
            if data.is_empty() || data.len() as u64 > u64::from(length) {
                let detail = format!("{} bytes, where {length} were asked for", data.len());
                return self.trust(Err(broken(detail)));
            }
            return Ok(Some(data));
        }
        match self.refusal(doing, answer) {
            Error::Status { status: Status::Eof, .. } => Ok(None),
            error => Err(error),
        }
    }

    /// Some entries, `.` and `..` among them; `None` when there are no more.
    ///
    /// # Errors
    /// What the server says.
    pub async fn read_directory(&self, handle: &Handle) -> Result<Option<Vec<Entry>>> {
        const DOING: &str = "list the directory";
        let mut answer = self.ask(DOING, READDIR, Body::default().string(&handle.0)).await?;
        if answer.kind == NAME {
            return self.trust(entries(&mut answer)).map(Some);
        }
        match self.refusal(DOING, answer) {
            Error::Status { status: Status::Eof, .. } => Ok(None),
            error => Err(error),
        }
    }

    /// What the file system under a name has.
    ///
    /// # Errors
    /// What the server says.
    pub async fn space(&self, path: &[u8]) -> Result<Space> {
        self.space_of(Body::default().string(b"statvfs@openssh.com").string(path)).await
    }

    /// Asks what the file system of an open file has, and does not wait for the answer.
    ///
    /// # Errors
    /// When the session is over: then it was not sent.
    pub async fn send_space_of_open(&self, handle: &Handle) -> Result<Sent<'_, Space>> {
        let body = Body::default().string(b"fstatvfs@openssh.com").string(&handle.0);
        self.sent("look at its file system", EXTENDED, body, Self::take_space).await
    }

    /// How much the server gives in one read and takes in one write, within what either side can bear.
    pub(super) async fn limits(&self) -> Result<(usize, usize)> {
        let body = Body::default().string(b"limits@openssh.com");
        self.sent("say its limits", EXTENDED, body, Self::take_limits).await?.done().await
    }

    fn take_limits(&self, doing: &'static str, mut answer: Answer) -> Result<(usize, usize)> {
        if answer.kind != EXTENDED_REPLY {
            return Err(self.refusal(doing, answer));
        }
        let mut bound = |least: usize, most: usize| {
            let limit = self.trust(answer.u64())?;
            Ok(usize::try_from(limit).unwrap_or(usize::MAX).clamp(least, most))
        };
        let _packet: usize = bound(0, usize::MAX)?;
        let read = bound(READ_BYTES_MAX as usize, READ_AT_ONCE_MAX)?;
        Ok((read, bound(WRITE_BYTES_MAX, WRITE_AT_ONCE_MAX)?))
    }

    async fn space_of(&self, body: Body) -> Result<Space> {
        self.sent("look at its file system", EXTENDED, body, Self::take_space).await?.done().await
    }

    fn take_space(&self, doing: &'static str, mut answer: Answer) -> Result<Space> {
        match answer.kind {
            EXTENDED_REPLY => self.trust(space(&mut answer)),
            _ => Err(self.refusal(doing, answer)),
        }
    }

    async fn attributes(&self, doing: &'static str, kind: u8, body: Body) -> Result<Attributes> {
        self.sent(doing, kind, body, Self::take_attributes).await?.done().await
    }

    fn take_attributes(&self, doing: &'static str, mut answer: Answer) -> Result<Attributes> {
        match answer.kind {
            ATTRS => self.trust(Attributes::take(&mut answer)),
            _ => Err(self.refusal(doing, answer)),
        }
    }

    async fn handle(&self, doing: &'static str, kind: u8, body: Body) -> Result<Handle> {
        let mut answer = self.ask(doing, kind, body).await?;
        if answer.kind != HANDLE {
            return Err(self.refusal(doing, answer));
        }
        let handle = self.trust(answer.string())?;
        if handle.len() > HANDLE_BYTES_MAX {
            return self.trust(Err(broken(format!("a handle of {} bytes", handle.len()))));
        }
        Ok(Handle(handle))
    }

    async fn ask(&self, doing: &'static str, kind: u8, body: Body) -> Result<Answer> {
        let waiting = self.line.send(kind, body).await?;
        self.line.answer(doing, waiting).await
    }

    /// The error that an answer is which is not the one that was hoped for.
    pub(super) fn refusal(&self, doing: &'static str, mut answer: Answer) -> Error {
        let what = match answer.kind {
            STATUS => match status(doing, &mut answer) {
                Ok(Some(error)) => return error,
                Ok(None) => broken(format!("success without a result, to: {doing}")),
                Err(error) => error,
            },
            kind => broken(format!("an answer of type {kind}, to: {doing}")),
        };
        self.line.distrust(&what);
        what
    }

    /// An answer that does not hold together ends the session.
    pub(super) fn trust<T>(&self, taken: Result<T>) -> Result<T> {
        if let Err(error) = &taken {
            self.line.distrust(error);
        }
        taken
    }
}

pub(super) fn status(doing: &'static str, answer: &mut Answer) -> Result<Option<Error>> {
    let Some(status) = Status::from_wire(answer.u32()?) else { return Ok(None) };
    // Older servers leave the text out.
    let said = answer.string().unwrap_or_default();
    let said = printable(&String::from_utf8_lossy(&said[..said.len().min(500)]));
    Ok(Some(Error::Status { doing, status, said }))
}

fn entries(answer: &mut Answer) -> Result<Vec<Entry>> {
    let count = answer.u32()?;
    if count == 0 {
        return Err(broken("a part of a directory without entries, which could go on for ever"));
    }
    let mut out = Vec::new();
    for _ in 0..count {
        let (name, long) = (answer.string()?, answer.string()?);
        out.push(Entry { name, long, attributes: Attributes::take(answer)? });
    }
    Ok(out)
}

fn space(answer: &mut Answer) -> Result<Space> {
    let _block_size = answer.u64()?;
    let fragment = answer.u64()?;
    let (blocks, free, available) = (answer.u64()?, answer.u64()?, answer.u64()?);
    let (inodes, free_inodes, _) = (answer.u64()?, answer.u64()?, answer.u64()?);
    let _id = answer.u64()?;
    let flags = answer.u64()?;
    Ok(Space {
        blocks,
        free_bytes: free.saturating_mul(fragment),
        available_bytes: available.saturating_mul(fragment),
        free_inodes: (inodes != 0).then_some(free_inodes),
        read_only: flags & 1 != 0,
    })
}
