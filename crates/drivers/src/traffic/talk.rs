//! One session: how it reaches the other side, and what it has seen.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use verisim_core::{
    CancellationToken, Connector, Failure, FailureKind, SPOKEN_LINES_MAX, Traffic, TrafficAsk,
    TrafficPayload, printable,
};

use super::limits::{CONNECTIONS_MAX, DIAL, Limits, PAUSE_MAX};
use super::trouble::Trouble;
use super::wire::{Meter, Metered, Wire};

/// The longest line of what was spoken, in characters.
const SPOKEN_CHARS_MAX: usize = 160;

/// One session.
pub(super) struct Talk<'a> {
    connector: &'a dyn Connector,
    pub(super) plan: &'a Traffic,
    /// The decoy that the session leaves from.
    pub(super) from: &'a str,
    pub(super) address: SocketAddr,
    pub(super) limits: Limits,
    /// Cancelled when the session shall come to an end.
    pub(super) ending: CancellationToken,
    meter: Arc<Meter>,
    connections: u32,
    banner: Option<String>,
    status: Option<u32>,
    login: Option<String>,
    /// How many requests were answered.
    pub(super) requests: u32,
    spoken: Vec<String>,
    /// Whether the other side has shown that it speaks the protocol: what comes after is a session that happened.
    met: bool,
}

impl<'a> Talk<'a> {
    pub(super) fn new(
        connector: &'a dyn Connector,
        plan: &'a Traffic,
        from: &'a str,
        address: SocketAddr,
        limits: Limits,
        ending: CancellationToken,
    ) -> Self {
        Self {
            connector,
            plan,
            from,
            address,
            limits,
            ending,
            meter: Meter::new(limits.received_bytes_max),
            connections: 0,
            banner: None,
            status: None,
            login: None,
            requests: 0,
            spoken: Vec::new(),
            met: false,
        }
    }

    /// A connection from the decoy to the other one, counted.
    pub(super) async fn dial(&mut self) -> Result<Metered, Trouble> {
        if self.connections >= CONNECTIONS_MAX {
            return Err(Trouble::garbled("it ends every connection"));
        }
        self.connections += 1;
        let dialled = timeout(DIAL, self.connector.dial(self.address)).await;
        let late = |_| Failure::new(FailureKind::Network, "traffic.dial", "no connection came about in time");
        let stream = dialled.map_err(late).and_then(|dialled| dialled).map_err(Trouble::NotConnected)?;
        Ok(Metered::new(stream, Arc::clone(&self.meter)))
    }

    pub(super) async fn connect(&mut self) -> Result<Wire, Trouble> {
        let stream = self.dial().await?;
        Ok(Wire::new(Box::new(stream), self.limits.answer))
    }

    pub(super) fn sent(&self) -> u64 {
        self.meter.sent()
    }

    /// Waits as the plan says before something is asked. `false` when it is not asked any more.
    pub(super) async fn pause(&mut self, ask: &TrafficAsk) -> bool {
        self.wait(ask.pause()).await
    }

    /// Waits. `false` when the session shall come to an end instead.
    pub(super) async fn wait(&mut self, time: Duration) -> bool {
        let goes_on = tokio::select! {
            biased;
            () = self.ending.cancelled() => false,
            () = sleep(time.min(PAUSE_MAX)) => true,
        };
        if !goes_on {
            self.note("nothing more is asked: the daemon ends");
        }
        goes_on
    }

    /// The other side has introduced itself.
    pub(super) fn greeted(&mut self, banner: &[u8]) {
        let banner = printable(&String::from_utf8_lossy(&banner[..banner.len().min(512)]));
        self.banner.get_or_insert(banner);
        self.met = true;
    }

    pub(super) fn met(&mut self) {
        self.met = true;
    }

    pub(super) fn logged_in(&mut self, login: &str) {
        self.login = Some(login.to_owned());
        self.met = true;
    }

    /// The first status counts: it is that of what the plan asked for first.
    pub(super) fn status(&mut self, status: u32) {
        self.status.get_or_insert(status);
    }

    /// A request was answered.
    pub(super) fn answered(&mut self, line: &str) {
        self.requests += 1;
        self.met = true;
        self.note(line);
    }

    /// What was asked and what came of it; never a secret (INV-8).
    pub(super) fn note(&mut self, line: &str) {
        if self.spoken.len() < SPOKEN_LINES_MAX {
            let line = printable(line);
            self.spoken.push(line.chars().take(SPOKEN_CHARS_MAX).collect());
        }
    }

    pub(super) const fn has_met(&self) -> bool {
        self.met
    }

    pub(super) fn into_payload(self, duration_ms: u64) -> TrafficPayload {
        TrafficPayload {
            to: self.plan.to.clone(),
            protocol: self.plan.protocol,
            banner: self.banner,
            status: self.status,
            sent_bytes: self.meter.sent(),
            received_bytes: self.meter.received(),
            duration_ms,
            port: Some(self.address.port()),
            login: self.login,
            requests: Some(self.requests),
            spoken: self.spoken,
        }
    }
}
