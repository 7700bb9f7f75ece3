//! Changes, and the order in which a server carries them out.

use super::packet::{
    Answer, Body, CLOSE, EXTENDED, FSETSTAT, MKDIR, REMOVE, RENAME, RMDIR, SETSTAT, STATUS, WRITE,
};
use super::{Handle, SetAttributes, Sftp, calls};
use crate::Result;

/// How many bytes one write may carry as long as nothing more is known: what every server takes (draft, section 3).
pub const WRITE_BYTES_MAX: usize = 32 * 1024;

/// A change that is answered by success or a reason why not.
#[derive(Debug, Clone, Copy)]
pub enum Order<'o> {
    /// Sets attributes of what a name leads to.
    Set(&'o [u8], SetAttributes),
    /// Sets attributes of what stands under a name, and of nothing that it leads to.
    SetThere(&'o [u8], SetAttributes),
    /// Sets attributes of an open file.
    SetOpen(&'o Handle, SetAttributes),
    /// Writes at most [`Sftp::write_bytes`] at an offset; all of them, or it fails.
    Write(&'o Handle, u64, &'o [u8]),
    /// Flushes an open file to disk.
    Sync(&'o Handle),
    /// Closes a file or directory.
    Close(&'o Handle),
    /// Removes a file, not a directory.
    Remove(&'o [u8]),
    /// Makes a directory with this mode.
    MakeDirectory(&'o [u8], u32),
    /// Removes an empty directory.
    RemoveDirectory(&'o [u8]),
    /// Gives something another name, where nothing stands yet; that something does is [`Status::Failure`].
    RenameNew(&'o [u8], &'o [u8]),
    /// Gives something another name, in one step, whatever stands there.
    RenameOver(&'o [u8], &'o [u8]),
    /// Gives a file a second name.
    Link(&'o [u8], &'o [u8]),
}

impl Order<'_> {
    fn wire(self) -> (&'static str, u8, Body) {
        let extended = |name: &[u8]| Body::default().string(name);
        let one = |path: &[u8]| Body::default().string(path);
        let mode = |mode| SetAttributes {
            mode: Some(verisim_core::FileMode::new(mode)),
            ..SetAttributes::default()
        };
        match self {
            Self::Set(path, set) => ("set its attributes", SETSTAT, set.put(one(path))),
            Self::SetThere(path, set) => {
                let body = extended(b"lsetstat@openssh.com").string(path);
                ("set its own attributes", EXTENDED, set.put(body))
            }
            Self::SetOpen(handle, set) => ("set the attributes", FSETSTAT, set.put(one(&handle.0))),
            Self::Write(handle, at, bytes) => ("write it", WRITE, one(&handle.0).u64(at).string(bytes)),
            Self::Sync(handle) => {
                ("flush it to disk", EXTENDED, extended(b"fsync@openssh.com").string(&handle.0))
            }
            Self::Close(handle) => ("close it", CLOSE, one(&handle.0)),
            Self::Remove(path) => ("remove the file", REMOVE, one(path)),
            Self::MakeDirectory(path, bits) => ("make the directory", MKDIR, mode(bits).put(one(path))),
            Self::RemoveDirectory(path) => ("remove the directory", RMDIR, one(path)),
            Self::RenameNew(from, to) => ("rename it", RENAME, one(from).string(to)),
            Self::RenameOver(from, to) => {
                let body = extended(b"posix-rename@openssh.com").string(from).string(to);
                ("rename it over what is there", EXTENDED, body)
            }
            Self::Link(from, to) => {
                let body = extended(b"hardlink@openssh.com").string(from).string(to);
                ("give it a second name", EXTENDED, body)
            }
        }
    }
}

/// Takes the result out of an answer.
type Take<T> = Box<dyn FnOnce(&Sftp, &'static str, Answer) -> Result<T> + Send>;

/// A request that was sent, in its place among the others; the server carries them out in this order, whether or not
/// anybody waits for the answer.
pub struct Sent<'s, T> {
    sftp: &'s Sftp,
    doing: &'static str,
    waiting: super::line::Expected,
    take: Take<T>,
}

impl<T> std::fmt::Debug for Sent<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sent").field("doing", &self.doing).finish_non_exhaustive()
    }
}

impl<T> Sent<'_, T> {
    /// Waits for the answer.
    ///
    /// # Errors
    /// What the server says.
    pub async fn done(self) -> Result<T> {
        let answer = self.sftp.line.answer(self.doing, self.waiting).await?;
        (self.take)(self.sftp, self.doing, answer)
    }
}

impl Sftp {
    /// Sends a change, and does not wait for its answer.
    ///
    /// # Errors
    /// When the session is over: then it was not sent.
    pub async fn send(&self, order: Order<'_>) -> Result<Sent<'_, ()>> {
        let (doing, kind, body) = order.wire();
        self.sent(doing, kind, body, Self::success).await
    }

    /// Makes a change.
    ///
    /// # Errors
    /// What the server says.
    pub async fn order(&self, order: Order<'_>) -> Result<()> {
        self.send(order).await?.done().await
    }

    /// Makes changes one right after the other, without waiting in between; one answer for each.
    pub async fn orders(&self, orders: &[Order<'_>]) -> Vec<Result<()>> {
        let mut sent = Vec::with_capacity(orders.len());
        for order in orders {
            sent.push(self.send(*order).await);
        }
        let mut out = Vec::with_capacity(orders.len());
        for sent in sent {
            out.push(match sent {
                Ok(sent) => sent.done().await,
                Err(error) => Err(error),
            });
        }
        out
    }

    pub(super) async fn sent<T>(
        &self,
        doing: &'static str,
        kind: u8,
        body: Body,
        take: impl FnOnce(&Self, &'static str, Answer) -> Result<T> + Send + 'static,
    ) -> Result<Sent<'_, T>> {
        let waiting = self.line.send(kind, body).await?;
        Ok(Sent { sftp: self, doing, waiting, take: Box::new(take) })
    }

    /// An answer that is a status.
    fn success(&self, doing: &'static str, mut answer: Answer) -> Result<()> {
        if answer.kind != STATUS {
            return Err(self.refusal(doing, answer));
        }
        match self.trust(calls::status(doing, &mut answer))? {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }
}
