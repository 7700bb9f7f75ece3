//! Sockets in the network of somebody else.

use std::os::fd::{AsFd as _, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::thread::LinkNameSpaceType;

use crate::{Error, Result};

/// The network of a process, held: it exists for as long as this value does.
#[derive(Debug)]
pub struct NetworkNamespace {
    fd: OwnedFd,
}

impl NetworkNamespace {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Self { fd }
    }

    /// A TCP socket that belongs to this network, close-on-exec and non-blocking. What connects it leaves from there,
    /// whoever does it.
    ///
    /// A thread enters the network for this and ends at once, so that no other work of ours ever runs in it. Inside, no
    /// process is seen.
    ///
    /// # Errors
    /// When we may not enter it, or there is no socket or thread to be had.
    pub fn tcp_socket(&self, is_ipv6: bool) -> Result<OwnedFd> {
        let network = self.fd.as_fd();
        let family = if is_ipv6 { AddressFamily::INET6 } else { AddressFamily::INET };
        std::thread::scope(|scope| {
            let made = std::thread::Builder::new().name("network".into()).spawn_scoped(scope, move || {
                rustix::thread::move_into_link_name_space(network, Some(LinkNameSpaceType::Network))
                    .map_err(Error::call("enter the decoy's network"))?;
                let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
                rustix::net::socket_with(family, SocketType::STREAM, flags, None)
                    .map_err(Error::call("make a socket"))
            });
            let no_thread = Error::Call { doing: "begin a thread", errno: Errno::AGAIN };
            made.map_err(|_| no_thread)?.join().map_err(|_| no_thread)?
        })
    }
}
