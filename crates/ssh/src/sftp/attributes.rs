//! What is known of a file, and what shall be set.

use verisim_core::{FileKind, FileMode, Owner};

use super::packet::{Answer, Body};
use crate::Result;

const SIZE: u32 = 1;
const OWNER: u32 = 2;
const MODE: u32 = 4;
const TIMES: u32 = 8;
const EXTENDED: u32 = 1 << 31;

/// The most pairs of extended attributes that are passed over in one answer.
const EXTENDED_PAIRS_MAX: u32 = 64;

/// What a file is, by the type bits of its mode.
pub type FileType = FileKind;

/// What a server says of a file. What it does not say is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes {
    /// Its length in bytes.
    pub size: Option<u64>,
    /// Its owner.
    pub owner: Option<Owner>,
    /// Its type and mode, as `st_mode` has them.
    pub st_mode: Option<u32>,
    /// When it was read and when it changed, in whole seconds since the epoch.
    pub times: Option<(u32, u32)>,
}

impl Attributes {
    pub(super) fn take(answer: &mut Answer) -> Result<Self> {
        let flags = answer.u32()?;
        let mut out = Self::default();
        if flags & SIZE != 0 {
            out.size = Some(answer.u64()?);
        }
        if flags & OWNER != 0 {
            out.owner = Some(Owner { uid: answer.u32()?, gid: answer.u32()? });
        }
        if flags & MODE != 0 {
            out.st_mode = Some(answer.u32()?);
        }
        if flags & TIMES != 0 {
            out.times = Some((answer.u32()?, answer.u32()?));
        }
        if flags & EXTENDED != 0 {
            let pairs = answer.u32()?;
            if pairs > EXTENDED_PAIRS_MAX {
                return Err(super::packet::broken(format!("{pairs} extended attributes")));
            }
            for _ in 0..pairs {
                answer.string()?;
                answer.string()?;
            }
        }
        Ok(out)
    }

    /// What it is, where the server says so.
    #[must_use]
    pub fn kind(&self) -> Option<FileType> {
        // The type bits of POSIX systems that everybody has agreed upon (inode(7)).
        self.st_mode.map(|mode| match mode & 0o170_000 {
            0o100_000 => FileType::Regular,
            0o040_000 => FileType::Directory,
            0o120_000 => FileType::Symlink,
            _ => FileType::Special,
        })
    }

    /// Its permission bits.
    #[must_use]
    pub fn mode(&self) -> Option<FileMode> {
        self.st_mode.map(FileMode::new)
    }
}

/// What shall be set of a file; the rest stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SetAttributes {
    /// The owner.
    pub owner: Option<Owner>,
    /// The mode.
    pub mode: Option<FileMode>,
    /// When it was read and when it changed, in whole seconds since the epoch; later than 2106 cannot be said.
    pub times: Option<(u32, u32)>,
}

impl SetAttributes {
    pub(super) fn put(self, body: Body) -> Body {
        let flag = |is: bool, flag: u32| if is { flag } else { 0 };
        let flags = flag(self.owner.is_some(), OWNER)
            | flag(self.mode.is_some(), MODE)
            | flag(self.times.is_some(), TIMES);
        let mut body = body.u32(flags);
        if let Some(owner) = self.owner {
            body = body.u32(owner.uid).u32(owner.gid);
        }
        if let Some(mode) = self.mode {
            body = body.u32(mode.bits());
        }
        if let Some((atime, mtime)) = self.times {
            body = body.u32(atime).u32(mtime);
        }
        body
    }
}
