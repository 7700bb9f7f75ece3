//! A process of this machine that something belongs to: its root, its network, its users.

use std::fmt::Write as _;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags};

use crate::{Error, Freezer, IdMap, Meta, NetworkNamespace, Result, Root};

/// The most that is read of one of the kernel's texts about a process: its id maps have at most 340 lines, its control
/// groups one line each.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// A process that is held: its number may come to stand for another one when it ends, but this value never does.
///
/// It holds a pidfd and its directory of `/proc`, both of which stand for this very process until both are dropped. What is
/// asked of it after its end fails.
#[derive(Debug)]
pub struct HeldProcess {
    pid: u32,
    pidfd: OwnedFd,
    dir: OwnedFd,
}

impl HeldProcess {
    /// Holds whatever process bears the number now. Whose it is must be asked afterwards, of the held one.
    ///
    /// # Errors
    /// When there is none, or it may not be looked at.
    pub fn open(pid: u32) -> Result<Self> {
        let none = Error::Call { doing: "find the process", errno: Errno::SRCH };
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(none)?;
        let pidfd = rustix::process::pidfd_open(number, PidfdFlags::empty())
            .map_err(Error::call("hold the process"))?;
        let mut path = String::from("/proc/");
        let _ = write!(path, "{pid}");
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::openat(CWD, &*path, flags, Mode::empty())
            .map_err(Error::call("look at the process"))?;
        let held = Self { pid, pidfd, dir };
        // A process that lives has kept its number since it was held: so the directory is its own, too.
        if held.is_alive()? { Ok(held) } else { Err(none) }
    }

    /// Whether it has not ended.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn is_alive(&self) -> Result<bool> {
        let mut ended = [PollFd::new(&self.pidfd, PollFlags::IN)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        loop {
            match rustix::event::poll(&mut ended, Some(&at_once)) {
                Err(Errno::INTR) => {}
                answer => return Ok(answer.map_err(Error::call("ask whether the process lives"))? == 0),
            }
        }
    }

    /// What becomes readable when it ends.
    #[must_use]
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Whether it is in a control group that bears `name`, as an engine names those of a container by its id: the name
    /// itself, or with what an engine and an init system put around it (`docker-ID.scope`, `libpod-ID`).
    ///
    /// # Errors
    /// When it ended, or may not be looked at.
    pub fn is_in_group(&self, name: &str) -> Result<bool> {
        let groups = self.text("cgroup")?;
        let is_it = |part: &str| {
            let part = part.strip_suffix(".scope").unwrap_or(part);
            part == name || part.strip_suffix(name).is_some_and(|before| before.ends_with('-'))
        };
        Ok(groups.lines().any(|line| line.split('/').any(is_it)))
    }

    /// Its root, with the users that it knows. The root of this machine is nobody's but ours, and is refused.
    ///
    /// # Errors
    /// When it ended, may not be looked at, or shares our root.
    pub fn root(&self) -> Result<Root> {
        let fd = self.open_in("root", OFlags::PATH | OFlags::DIRECTORY)?;
        let ours = rustix::fs::openat(CWD, "/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
            .map_err(Error::call("look at our own root"))?;
        if Meta::of(&fd)?.identity == Meta::of(&ours)?.identity {
            return Err(Error::Call { doing: "use the root of this very machine", errno: Errno::PERM });
        }
        let strange = Error::Strange { pid: self.pid, file: "uid_map" };
        let ids = IdMap::parse(&self.text("uid_map")?, &self.text("gid_map")?).ok_or(strange)?;
        Ok(Root::held(fd, Some(ids).filter(|ids| !ids.is_identity())))
    }

    /// Its network.
    ///
    /// # Errors
    /// When it ended, or may not be looked at.
    pub fn network(&self) -> Result<NetworkNamespace> {
        self.open_in("ns/net", OFlags::RDONLY).map(NetworkNamespace::new)
    }

    /// What tells whether its control group is frozen. `None` where that cannot be seen.
    ///
    /// # Errors
    /// When it ended, or may not be looked at.
    pub fn freezer(&self) -> Result<Option<Freezer>> {
        self.text("cgroup").map(|groups| Freezer::find(&groups))
    }

    fn open_in(&self, name: &str, how: OFlags) -> Result<OwnedFd> {
        let opened = rustix::fs::openat(&self.dir, name, how | OFlags::CLOEXEC, Mode::empty());
        // The links of a process that ended are not there any more.
        opened.map_err(|errno| match errno {
            Errno::NOENT => Error::Call { doing: "look at the process", errno: Errno::SRCH },
            errno => Error::Call { doing: "look at the process", errno },
        })
    }

    fn text(&self, file: &'static str) -> Result<String> {
        let fd = self.open_in(file, OFlags::RDONLY)?;
        let mut text = vec![0; TEXT_BYTES_MAX];
        let mut length = 0;
        while length < text.len() {
            match rustix::io::read(&fd, &mut text[length..]) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::Call { doing: "look at the process", errno }),
            }
        }
        text.truncate(length);
        String::from_utf8(text).map_err(|_| Error::Strange { pid: self.pid, file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_process_lives_and_its_root_is_refused() {
        let own = HeldProcess::open(std::process::id()).unwrap();
        assert!(own.is_alive().unwrap());
        assert_eq!(own.root().unwrap_err().errno(), Some(Errno::PERM));
        assert!(!own.is_in_group(&"0".repeat(64)).unwrap());
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a process that ends is what is looked at")]
    fn a_process_that_ended_is_not_mistaken_for_its_successor() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let held = HeldProcess::open(child.id()).unwrap();
        assert!(held.is_alive().unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!held.is_alive().unwrap());
        let gone = |errno: Option<Errno>| assert_eq!(errno, Some(Errno::SRCH));
        gone(held.text("cgroup").unwrap_err().errno());
        gone(held.open_in("root", OFlags::PATH).unwrap_err().errno());
        gone(HeldProcess::open(0).unwrap_err().errno());
        gone(HeldProcess::open(child.id()).unwrap_err().errno());
    }
}
