//! A decoy that connections leave from, one that they go to, and the driver between them.

use std::sync::Arc;
use std::time::Duration;

use verisim_core::{
    Action, ActivityDriver as _, ActivityError, Decoy, DecoyName, Failure, JobId, Payload, Prepared, Staging,
    Task, Traffic, TrafficAsk, TrafficPayload, TrafficProtocol,
};
use verisim_drivers::{Connectors, Destinations, Password, Passwords, TrafficDriver};
use verisim_testkit::doubles::DirectDial;
use verisim_testkit::{LOGIN, PASSWORD, VirtualClock};

pub(crate) struct Stage {
    pub(crate) driver: TrafficDriver,
    pub(crate) connector: Arc<DirectDial>,
}

pub(crate) fn name(text: &str) -> DecoyName {
    text.parse().unwrap()
}

pub(crate) fn decoy(text: &str) -> Decoy {
    Decoy {
        name: name(text),
        services: vec!["http".into()],
        role: "server".into(),
        address: Some([127, 0, 0, 1].into()),
    }
}

/// A plan for a session with `web01` at a port.
pub(crate) fn plan(protocol: TrafficProtocol, port: u16, asks: &[&str]) -> Traffic {
    let asks = asks.iter().map(|ask| TrafficAsk { ask: (*ask).to_owned(), pause_ms: 1 }).collect();
    Traffic { port: Some(port), asks, ..Traffic::new(name("web01"), protocol) }
}

/// One password, for one account of one decoy.
struct One(&'static str);

impl Passwords for One {
    fn password(&self, to: &DecoyName, _: TrafficProtocol, login: &str) -> Option<Password> {
        (to.as_str() == "web01" && login == LOGIN).then(|| Password::new(self.0))
    }
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(DirectDial::new(), PASSWORD)
    }

    pub(crate) fn with(connector: Arc<DirectDial>, password: &'static str) -> Self {
        let dial: Arc<dyn verisim_core::Connector> = Arc::<DirectDial>::clone(&connector);
        let connectors: Connectors = [(name("desk01"), dial)].into_iter().collect();
        let destinations: Destinations = [decoy("web01")].into_iter().collect();
        let clock = VirtualClock::new("2026-11-23T09:00:00Z".parse().unwrap());
        let driver =
            TrafficDriver::new(connectors, destinations, clock).with_passwords(Arc::new(One(password)));
        Self { driver, connector }
    }

    /// The same, with less patience.
    pub(crate) fn hasty(mut self) -> Self {
        self.driver = self.driver.with_patience(Duration::from_millis(400));
        self
    }

    pub(crate) fn task(traffic: Traffic) -> Task {
        Task {
            job: JobId(1),
            decoy: Arc::new(decoy("desk01")),
            action: Arc::new(Action::Traffic(traffic)),
            known: None,
            staging: Staging::derive(&[7; 32], JobId(1)),
        }
    }

    pub(crate) async fn prepare(&self, traffic: Traffic) -> Result<Prepared, Failure> {
        match self.driver.prepare(vec![Self::task(traffic)]).await.pop().unwrap() {
            Ok(prepared) => Ok(prepared),
            Err(ActivityError::Failed(failure)) => Err(failure),
            Err(other) => panic!("{other}"),
        }
    }

    pub(crate) async fn visit(&self, traffic: Traffic) -> Result<TrafficPayload, Failure> {
        let prepared = self.prepare(traffic).await?;
        match self.driver.run(&[prepared]).await.pop().unwrap() {
            Ok(Payload::Traffic(payload)) => Ok(payload),
            Err(ActivityError::Failed(failure)) => Err(failure),
            other => panic!("{other:?}"),
        }
    }
}
