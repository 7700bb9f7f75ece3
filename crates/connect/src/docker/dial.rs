//! Connections that leave from a container.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpSocket;
use verisim_core::{Failure, FailureKind, Stream};

use super::fast::Fast;
use crate::rooted::Operation;
use crate::tree::Problem;

const OPERATION: &str = "docker.dial";
/// How long the other side may take to accept: a lost packet or three, as a program on the decoy would wait.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);

impl Fast {
    /// Connects from inside the container's network. Nothing but the packets is seen there: no process of ours is.
    pub(super) async fn dial(&self, to: SocketAddr) -> Result<Box<dyn Stream>, Failure> {
        let is_ipv6 = to.is_ipv6();
        let make = move |held: &super::fast::Held| {
            let made = held.process.network().and_then(|network| network.tcp_socket(is_ipv6));
            made.map_err(|error| Problem::new(error.kind(), format!("the container's network: {error}")))
        };
        let socket = self.with_process(Operation::question(OPERATION), make).await?;
        let socket = TcpSocket::from_std_stream(std::net::TcpStream::from(socket));
        let failed = |what: &str| Failure::new(FailureKind::Network, OPERATION, format!("{to}: {what}"));
        match tokio::time::timeout(CONNECT_TIME_MAX, socket.connect(to)).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => Err(failed(&error.to_string()).with_source(error)),
            Err(_) => Err(failed(&format!("no answer within {} s", CONNECT_TIME_MAX.as_secs()))),
        }
    }
}
