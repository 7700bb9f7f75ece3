//! Files on a decoy: what to write, and what was found.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{DecoyPath, Digest, Timestamp};

/// A number of bytes, as a bound or a size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ByteCount(pub u64);

/// The permission bits of a file, set-id and sticky bits included (07777).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileMode(u32);

impl FileMode {
    /// Keeps the twelve permission bits of `bits`.
    #[must_use]
    pub const fn new(bits: u32) -> Self {
        Self(bits & 0o7777)
    }

    /// The twelve bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl fmt::Debug for FileMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

impl fmt::Display for FileMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

/// The numeric owner of a file, as the decoy sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

impl Owner {
    /// The superuser.
    pub const ROOT: Self = Self { uid: 0, gid: 0 };
}

/// Who a new entry shall belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnerPolicy {
    /// This user and group. Where we may not set it, the write goes on and says so in [`crate::Written::owner_set`].
    Set(Owner),
    /// Whoever comes out of it; when replacing, the owner of what is replaced.
    Keep,
}

/// Which times an entry shall bear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileTimes {
    /// Those that the decoy's own clock gives: for everything that happens live.
    Live,
    /// A past, to the nanosecond: only before the decoy is exposed. New parent directories, and the directory that gets
    /// the entry, then bear `mtime` too where it is later than what they had.
    Past {
        /// When the content last changed.
        mtime: Timestamp,
        /// When it was last read; at or after `mtime`.
        atime: Timestamp,
    },
}

/// The name under which a write is staged beside its target, so that a later process can find what a killed one left.
/// Six characters of `[A-Za-z0-9]`, unpredictable from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Staging([u8; 6]);

impl Staging {
    /// Derives the tag of a job from the store's secret; the same job has the same tag in every process.
    #[must_use]
    pub fn derive(secret: &[u8; 32], job: crate::JobId) -> Self {
        const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let mut seed = secret.to_vec();
        seed.extend(job.0.to_le_bytes());
        let digest = Digest::of(&seed);
        let mut tag = [0; 6];
        for (letter, byte) in tag.iter_mut().zip(digest.as_bytes()) {
            *letter = ALPHABET[usize::from(*byte) % ALPHABET.len()];
        }
        Self(tag)
    }

    /// The file name beside the target: the form that GLib's `g_file_replace` uses, which a desktop user's directories
    /// show in passing anyway.
    #[must_use]
    pub fn file_name(&self) -> Vec<u8> {
        [b".goutputstream-".as_slice(), &self.0].concat()
    }

    /// The name of what is not finished yet, where it must have one: of the same form, and never the same. Whatever a
    /// killed process left under it is torn and ours; under [`Staging::file_name`] nothing torn ever stands.
    #[must_use]
    pub fn partial_name(&self) -> Vec<u8> {
        let mut tag = self.0;
        tag[0] = match tag[0] {
            b'9' => b'A',
            b'Z' => b'a',
            b'z' => b'0',
            letter => letter + 1,
        };
        [b".goutputstream-".as_slice(), &tag].concat()
    }
}

/// How a write meets what is already there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// Only where nothing is: anything that stands under the name, a dangling link included, is foreign and stays.
    Create,
    /// Exchanged in one step with a regular file whose content hashes to `expected`. What was displaced is hashed after
    /// the exchange; if it is anything else it is put back and reported as foreign.
    Replace {
        /// The hash of what must be displaced.
        expected: Digest,
    },
    /// Added at the end of an existing regular file in one `O_APPEND` write; the inode stays.
    Append,
}

/// One file to write.
#[derive(Debug, Clone)]
pub struct FileWrite {
    /// Where.
    pub path: DecoyPath,
    /// What. For [`WriteMode::Append`], what is added.
    pub body: Bytes,
    /// How it meets what is there.
    pub how: WriteMode,
    /// The mode. `None` when replacing or appending keeps the one that is there; when creating it means 0644.
    pub mode: Option<FileMode>,
    /// The owner.
    pub owner: OwnerPolicy,
    /// The times.
    pub times: FileTimes,
    /// Whether missing parents are made, with the owner and mode that [`crate::place::directory`] gives. Else a missing
    /// parent is `NotFound`.
    pub make_parents: bool,
    /// Whether file and directory are flushed to disk before the write counts as done.
    pub durable: bool,
    /// The name under which it is staged.
    pub staging: Staging,
}

/// What kind of directory entry something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A FIFO, socket or device.
    Special,
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Regular => "a regular file",
            Self::Directory => "a directory",
            Self::Symlink => "a symbolic link",
            Self::Special => "a FIFO, a socket or a device",
        })
    }
}

/// Something was not opened because it is no regular file: what it is. The cause of a [`crate::Failure`] of the kind
/// `Denied` that no permission mends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is {0}, not a regular file; it was not opened")]
pub struct NotRegular(pub FileKind);

/// What is known of an entry without following a final link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStat {
    /// What it is.
    pub kind: FileKind,
    /// Its length in bytes; for a link, that of its target.
    pub size: u64,
    /// Its mode.
    pub mode: FileMode,
    /// Its owner.
    pub owner: Owner,
    /// Its inode number, where there is one.
    pub inode: Option<u64>,
    /// How many names it has, where that is known.
    pub links: Option<u64>,
    /// When its content changed.
    pub mtime: Timestamp,
    /// When it was last read.
    pub atime: Timestamp,
    /// When its inode changed, where that can be had.
    pub ctime: Option<Timestamp>,
    /// When its inode was made, where the file system knows that and the way to it tells. Nobody can set it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub btime: Option<Timestamp>,
    /// The hash of its content, where it was asked for, it is a regular file and it is within the bound.
    pub sha256: Option<Digest>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_names_of_a_staged_write_differ_and_have_one_form() {
        for job in 0..500 {
            let staging = Staging::derive(&[7; 32], crate::JobId(job));
            let (whole, partial) = (staging.file_name(), staging.partial_name());
            assert_ne!(whole, partial);
            for name in [whole, partial] {
                let tag = name.strip_prefix(b".goutputstream-").unwrap();
                assert!(tag.len() == 6 && tag.iter().all(u8::is_ascii_alphanumeric));
            }
        }
    }
}
