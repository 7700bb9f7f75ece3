//! Whether a control group is frozen, as a container is that its engine paused.

use std::os::fd::OwnedFd;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use crate::{Error, Result};

/// Far more than any answer of the freezer has.
const ANSWER_BYTES_MAX: usize = 256;

/// The file in which the kernel says whether a control group is frozen, held open: asking is one system call.
#[derive(Debug)]
pub struct Freezer {
    fd: OwnedFd,
}

impl Freezer {
    /// Of the group in `groups`, the text of a `/proc/PID/cgroup` (cgroups(7)), where the hierarchies are mounted as
    /// everywhere. `None` where they are not.
    pub(crate) fn find(groups: &str) -> Option<Self> {
        let mut files = Vec::new();
        for line in groups.lines() {
            let mut parts = line.splitn(3, ':');
            let (Some(_), Some(controllers), Some(group)) = (parts.next(), parts.next(), parts.next()) else {
                continue;
            };
            if controllers.split(',').any(|one| one == "freezer") {
                files.insert(0, format!("/sys/fs/cgroup/freezer{group}/freezer.state"));
            } else if controllers.is_empty() {
                files.push(format!("/sys/fs/cgroup{group}/cgroup.events"));
                files.push(format!("/sys/fs/cgroup/unified{group}/cgroup.events"));
            }
        }
        files.iter().find_map(|file| {
            let opened = rustix::fs::openat(CWD, &**file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
            opened.ok().map(|fd| Self { fd })
        })
    }

    /// Whether it is frozen, or becomes so.
    ///
    /// # Errors
    /// When the group is gone.
    pub fn is_frozen(&self) -> Result<bool> {
        let mut answer = [0; ANSWER_BYTES_MAX];
        let length = loop {
            match rustix::io::pread(&self.fd, &mut answer, 0) {
                Err(Errno::INTR) => {}
                read => break read.map_err(Error::call("ask whether it is paused"))?,
            }
        };
        Ok(says_frozen(&answer[..length]))
    }
}

/// Version 1 answers `THAWED`, `FREEZING` or `FROZEN`; version 2 a line `frozen 0` or `frozen 1` among others.
fn says_frozen(answer: &[u8]) -> bool {
    answer.starts_with(b"FR") || answer.split(|byte| *byte == b'\n').any(|line| line == b"frozen 1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_understood() {
        for (answer, frozen) in [
            (&b"THAWED\n"[..], false),
            (b"FROZEN\n", true),
            (b"FREEZING\n", true),
            (b"populated 1\nfrozen 0\n", false),
            (b"populated 1\nfrozen 1\n", true),
            (b"", false),
        ] {
            assert_eq!(says_frozen(answer), frozen, "{answer:?}");
        }
        assert!(Freezer::find("garbage\n0::/no/such/group/at/all\n").is_none());
    }
}
