//! Keeps the fleet of a running daemon as the engine's containers are: decoys join and leave as they come and go.
//!
//! What the engine lists is the truth; its events only say when to look. So an event that gets lost is made up for by the
//! next look, which comes by itself after half a minute, and a thousand events cost one look every few seconds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;
use verisim_connect::Engine;
use verisim_core::{CancellationToken, Decoy, DecoyName};
use verisim_engine::{Departure, Handle};

use super::roster::Roster;
use super::{Findings, FoundDecoy, look};

/// How often is looked when nothing is heard.
const LOOK_INTERVAL: Duration = Duration::from_secs(30);
/// How long it must be quiet before it is looked: a stack of containers comes up one after the other.
const QUIET: Duration = Duration::from_millis(400);
/// How long it is waited for quiet at the most.
const QUIET_WAIT_MAX: Duration = Duration::from_secs(3);
/// For how long a decoy must be missing before it counts as gone: a container that is restarted is gone for a moment.
const GONE_AFTER: Duration = Duration::from_secs(3);
/// How long an engine that does not answer is left alone; doubles up to the second.
const RETRY_MIN: Duration = Duration::from_secs(1);
/// See [`RETRY_MIN`].
const RETRY_MAX: Duration = Duration::from_secs(60);

/// Keeps the fleet.
pub(crate) struct Keeper {
    /// What the fleet is, and how it is changed.
    pub(crate) roster: Roster,
    /// The engine whose containers are looked through.
    pub(crate) engine: Engine,
    /// The daemon.
    pub(crate) handle: Handle,
    /// Decoys of an earlier run of which nobody knows yet whether they are there.
    pub(crate) unsure: BTreeMap<DecoyName, Arc<Decoy>>,
}

impl Keeper {
    /// Until `end`.
    pub(crate) async fn keep(mut self, end: CancellationToken) {
        let news = Arc::new(Notify::new());
        let _listening = AbortOnDropHandle::new(tokio::spawn(listen(self.engine.clone(), Arc::clone(&news))));
        let mut missing = BTreeMap::new();
        let mut retry = RETRY_MIN;
        let mut wait = Duration::ZERO;
        loop {
            tokio::select! {
                () = end.cancelled() => return,
                () = news.notified() => quiet(&news).await,
                () = tokio::time::sleep(wait) => {}
            }
            let looked = tokio::select! {
                () = end.cancelled() => return,
                looked = look(&self.engine, &self.roster.base().discover.naming) => looked,
            };
            wait = match looked {
                Ok(findings) => {
                    retry = RETRY_MIN;
                    let step = self.follow(&findings, &mut missing);
                    tokio::select! {
                        () = end.cancelled() => return,
                        next = step => next,
                    }
                }
                Err(failure) => {
                    // Who is not told about does not leave.
                    let base = self.roster.base();
                    // Whoever declared what to do, and no engine, does not care whether there is one.
                    let matters =
                        base.discover.is_asked_for || (base.decoys.is_empty() && base.captures.is_empty());
                    if retry == RETRY_MIN && matters {
                        tracing::warn!(
                            detail = failure.detail,
                            "containers cannot be looked through; the fleet stays as it is"
                        );
                    } else {
                        tracing::debug!(detail = failure.detail, "containers cannot be looked through");
                    }
                    let next = retry;
                    retry = (retry * 2).min(RETRY_MAX);
                    next
                }
            };
        }
    }

    /// Makes the fleet what was found; answers when to look again.
    async fn follow(&mut self, findings: &Findings, missing: &mut BTreeMap<DecoyName, Duration>) -> Duration {
        self.roster.remark(&findings.remarks);
        let now = self.roster.monotonic();
        let (mut left, mut wait) = (Vec::new(), LOOK_INTERVAL);
        let gone: BTreeSet<DecoyName> =
            self.roster.found().filter(|one| !is_there(one, findings)).map(|one| one.name.clone()).collect();
        missing.retain(|name, _| gone.contains(name));
        for decoy in self.roster.found().filter(|one| gone.contains(&one.name)) {
            let is_replaced = findings.decoys.contains_key(&decoy.name);
            let since = *missing.entry(decoy.name.clone()).or_insert(now);
            if is_replaced || now.saturating_sub(since) >= GONE_AFTER {
                left.push(departure(decoy, findings, is_replaced));
            } else {
                wait = wait.min(GONE_AFTER.saturating_sub(now.saturating_sub(since)));
            }
        }
        for (name, decoy) in std::mem::take(&mut self.unsure) {
            if !findings.decoys.contains_key(&name) {
                let detail = "it was not there any more when its engine answered".to_owned();
                left.push(Departure { decoy, reason: "removed".into(), detail, keeps_work: false });
            }
        }
        if !left.is_empty() {
            missing.retain(|name, _| left.iter().all(|one| one.decoy.name != *name));
            self.roster.leave(&self.handle, left).await;
        }
        let joined: Vec<FoundDecoy> =
            findings.decoys.values().filter(|one| !self.roster.knows(one)).cloned().collect();
        self.roster.join(&self.handle, joined).await;
        wait
    }
}

/// Whether what was found once is there as it was.
fn is_there(decoy: &FoundDecoy, findings: &Findings) -> bool {
    findings.decoys.get(&decoy.name).is_some_and(|now| now.id == decoy.id)
}

fn departure(found: &FoundDecoy, findings: &Findings, is_replaced: bool) -> Departure {
    let container = &found.container;
    let (reason, detail) = if is_replaced {
        ("replaced", format!("another container is the decoy now, in place of {container}"))
    } else if findings.asleep.contains(&found.name) {
        ("stopped", format!("its container {container} does not run"))
    } else if findings.ids.contains(&found.id) {
        ("withdrawn", format!("its container {container} is there, and is no decoy any more"))
    } else {
        ("removed", format!("its container {container} is gone"))
    };
    Departure { decoy: Arc::new(decoy_of_found(found)), reason: reason.into(), detail, keeps_work: false }
}

/// A decoy that was found, as planner and drivers see it.
pub(super) fn decoy_of_found(found: &FoundDecoy) -> Decoy {
    Decoy {
        name: found.name.clone(),
        services: found.services.clone(),
        role: found.role.clone().unwrap_or_else(|| super::role_of(&found.services).to_owned()),
        address: found.address,
    }
}

/// Waits until nothing more is heard, but not for long.
async fn quiet(news: &Notify) {
    let all = async { while tokio::time::timeout(QUIET, news.notified()).await.is_ok() {} };
    let _ = tokio::time::timeout(QUIET_WAIT_MAX, all).await;
}

/// Says when something happened to containers. An engine that goes away is asked again, later and later.
async fn listen(engine: Engine, news: Arc<Notify>) {
    let mut retry = RETRY_MIN;
    loop {
        let events = engine.events();
        tokio::pin!(events);
        // What happened before is not told: it is looked.
        news.notify_one();
        while let Some(Ok(_)) = events.next().await {
            retry = RETRY_MIN;
            news.notify_one();
        }
        tokio::time::sleep(retry).await;
        retry = (retry * 2).min(RETRY_MAX);
    }
}
