//! What is asked of a host on which files are changed, whichever way it is asked.

use async_trait::async_trait;
use bytes::Bytes;
use verisim_core::{DecoyPath, Digest, FileKind, FileMode, Owner};
use verisim_ssh::Result;
use verisim_ssh::sftp::{Attributes, SetAttributes, Space};

/// A path as it goes over the wire.
pub(super) type Path = [u8];

/// The questions and changes that everything else is made of. Each is one step: it happened, or the error says by
/// [`verisim_ssh::Error::is_answer`] that it certainly did not, or nobody knows.
///
/// Where two steps must follow each other without anybody in between, that is one method.
#[async_trait]
pub(super) trait Remote: Send + Sync {
    /// Whether the connection broke, and not because the host was given up: what was not sent may be sent again.
    fn may_reconnect(&self) -> bool;

    /// What stands under a name; a final link is not followed. `None` when there is nothing.
    async fn lstat(&self, path: &Path) -> Result<Option<Attributes>>;

    /// The same of several names, in order; the first error where there is one.
    async fn lstat_all(&self, paths: &[Vec<u8>]) -> Result<Vec<Option<Attributes>>>;

    /// What a name leads to, if that is a directory.
    async fn directory(&self, path: &Path) -> Result<Option<Attributes>>;

    /// The same of several names, each by itself.
    async fn directories(&self, paths: &[&Path]) -> Result<Vec<Result<Option<Attributes>>>>;

    /// What the file system there has; `None` where it cannot be told.
    async fn space(&self, path: &Path) -> Result<Option<Space>>;

    /// Both, for a directory that shall hold something.
    async fn place(&self, path: &Path) -> Result<Option<(Attributes, Option<Space>)>>;

    /// How many names a file has; `None` where it cannot be told.
    async fn links(&self, path: &DecoyPath) -> Result<Option<u64>>;

    /// Reads a regular file on a real file system, and nothing else.
    async fn fetch(&self, path: &Path, wanted: Wanted) -> Result<Fetched>;

    /// Makes a new file with everything it shall have; what stands there already is `Failure`. On an error it is gone again
    /// where that could be done. Whether the owner is as it should be.
    async fn make(&self, path: &Path, file: Making<'_>) -> Result<bool>;

    /// Adds bytes at the end of a regular file that is there, and says what it was before. `written` becomes true when the
    /// bytes may have been added.
    async fn append(&self, path: &Path, adding: Adding<'_>, written: &mut bool) -> Result<Appended>;

    /// Gives something another name where nothing stands yet.
    async fn rename_new(&self, from: &Path, to: &Path) -> Result<()>;

    /// The same, and reads what stands under the new name afterwards, whether or not it was given. Where that is a regular
    /// file with the bytes of `body`, only its hash is told.
    async fn appear(
        &self,
        from: &Path,
        to: &Path,
        body: &Bytes,
        wanted: Wanted,
    ) -> (Result<()>, Result<Fetched>);

    /// Gives something another name in one step, whatever stands there.
    async fn rename_over(&self, from: &Path, to: &Path) -> Result<()>;

    /// Gives a file a second name.
    async fn link(&self, from: &Path, to: &Path) -> Result<()>;

    /// Puts `new` in the place of `name` in one step, and keeps under `kept` (another name of what stood there a moment ago)
    /// what stood there at that moment.
    async fn displace(&self, name: &Path, kept: &Path, new: &Path) -> Result<()>;

    /// Removes what is no directory. Whether it was there.
    async fn remove(&self, path: &Path) -> Result<bool>;

    /// Makes an empty directory that only we may enter.
    async fn make_directory(&self, path: &Path) -> Result<()>;

    /// Removes an empty directory.
    async fn remove_directory(&self, path: &Path) -> Result<()>;

    /// Sets attributes of what a name leads to: the owner first, then the rest.
    async fn dress(&self, path: &Path, set: SetAttributes) -> Result<()>;

    /// Sets access and change, in seconds, of what stands under a name, and of nothing that it leads to.
    async fn set_seconds(&self, path: &Path, times: (u32, u32)) -> Result<()>;

    /// The entries of a directory, without `.` and `..`, at most `limit`; whether there were more.
    async fn list(&self, path: &Path, limit: usize) -> Result<(Vec<(Bytes, FileKind)>, bool)>;
}

/// What is wanted of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// From where on its bytes are wanted.
    pub(super) offset: u64,
    /// How many at the most.
    pub(super) length: u64,
    /// Whether the hash of the whole is wanted, if the file has at most so many bytes. Only with `offset` 0.
    pub(super) hash_max: Option<u64>,
}

/// What came of it.
#[derive(Debug, Clone)]
pub(super) enum Fetched {
    /// There is nothing.
    Absent,
    /// It is no regular file, and was not opened.
    NotFile(Attributes),
    /// It is on a file system that holds no files of its own, and was not read.
    NotReal(Attributes),
    /// It is a file.
    File(Content),
}

/// What was read.
#[derive(Debug, Clone)]
pub(super) struct Content {
    pub(super) attributes: Attributes,
    /// The hash, if it was wanted and could be had.
    pub(super) digest: Option<Digest>,
    pub(super) bytes: Bytes,
}

/// A file in the making.
#[derive(Debug, Clone, Copy)]
pub(super) struct Making<'b> {
    pub(super) body: &'b Bytes,
    pub(super) mode: FileMode,
    pub(super) owner: Option<Owner>,
    /// Access and change, in seconds.
    pub(super) times: Option<(u32, u32)>,
    pub(super) durable: bool,
}

/// Bytes for the end of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Adding<'b> {
    pub(super) body: &'b Bytes,
    pub(super) mode: Option<FileMode>,
    pub(super) owner: Option<Owner>,
    pub(super) times: Option<(u32, u32)>,
    pub(super) durable: bool,
}

/// A file before something was added to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Appended {
    pub(super) size_before: u64,
    pub(super) owner_set: bool,
}
