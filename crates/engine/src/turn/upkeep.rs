//! The loop's own duties: leases, events, history, and the end.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use verisim_core::{Bus as _, PruneRule, StoreResult, Timestamp};

use super::{End, Loop};
use crate::life;
use crate::shared::Stir;
use crate::sync::{discover, tidy, wake};

impl Loop {
    /// After the clock was set back, duties that were to come at a time now far ahead come at once, and sync jobs wait anew.
    pub(super) fn notice_clock(&mut self, now: Timestamp) {
        if self.timers.last_turn.is_some_and(|last| now < last) {
            tracing::warn!("the clock was set back");
            let duties = &mut self.timers;
            duties.is_set_back = true;
            let duties = [
                &mut duties.heartbeat,
                &mut duties.discover,
                &mut duties.prune,
                &mut duties.store,
                &mut duties.presence,
            ];
            for duty in duties {
                *duty = duty.map(|at| at.min(now));
            }
            self.look = true;
        }
        self.timers.last_turn = Some(now);
    }

    /// Prolongs the leases of what runs, stops what lost its own, and takes back what was left behind.
    pub(super) async fn heartbeat(&mut self, now: Timestamp) -> StoreResult<()> {
        if self.tasks.is_empty() && self.abandoned.is_none() {
            self.timers.heartbeat = None;
            return Ok(());
        }
        if self.timers.heartbeat.is_some_and(|at| at > now) {
            return Ok(());
        }
        let settings = &self.shared.settings;
        let held = self.shared.running.held();
        if !held.is_empty() {
            let until = now.saturating_add(settings.lease).unwrap_or(Timestamp::MAX);
            for job in self.shared.store.heartbeat(&self.shared.worker, &held, until).await? {
                tracing::warn!(%job, "a lease was lost; its work is stopped");
                self.shared.running.cancel(job);
            }
        }
        if let Some(run_out) = self.abandoned {
            let taken = self.shared.store.take_back(now, false).await?;
            self.look |= taken > 0;
            if run_out < now {
                self.abandoned = None;
            }
        }
        self.timers.heartbeat = now.checked_add(settings.heartbeat).ok();
        Ok(())
    }

    /// Notices within a minute that the store was taken away, also when there is nothing to write.
    pub(super) async fn look_at_store(&mut self, now: Timestamp) -> StoreResult<()> {
        if self.timers.presence.is_none_or(|at| at <= now) {
            self.shared.store.health().await?;
            self.timers.presence = now.checked_add(self.shared.settings.sleep_max).ok();
        }
        Ok(())
    }

    /// Stores what the loop itself has to say.
    pub(super) async fn send_events(&mut self) -> StoreResult<()> {
        if let Some(error) = self.shared.take_trouble() {
            // Only now that the store answers again can it be told; until then it is shown by the control socket.
            let event = self.shared.health_event("degraded", verisim_core::printable(&error.to_string()));
            self.unsent.push_back(event);
        }
        if !self.unsent.is_empty() {
            self.shared.store.emit(self.unsent.iter().cloned().collect()).await?;
            self.unsent.clear();
            self.news = true;
        }
        Ok(())
    }

    pub(super) fn discover(&mut self, now: Timestamp) {
        let (Some(at), Some(worker)) = (self.timers.discover, self.shared.sync.clone()) else { return };
        let is_due = at <= now;
        // One look at a time for what changes without end; the clock does not wait for it.
        let is_called = !self.discovers && !self.stirred().is_empty();
        if !is_due && !is_called {
            return;
        }
        if is_due {
            self.timers.discover = now.checked_add(self.shared.settings.discover_interval).ok();
        }
        self.discovers = true;
        let stirred = std::mem::take(&mut *self.stirred());
        let (shared, rules_asked) = (Arc::clone(&self.shared), self.rules_asked);
        self.tasks.spawn(async move {
            let woken = if rules_asked { Ok(0) } else { wake(&shared, &worker).await };
            End::Discovered(match woken {
                Ok(woken) => discover(shared, worker, &stirred).await.map(|found| found + woken),
                Err(error) => Err(error),
            })
        });
    }

    /// The captures that shall be looked at at once.
    fn stirred(&self) -> std::sync::MutexGuard<'_, BTreeSet<Stir>> {
        self.shared.stirred.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Deletes history in bounded pieces: the next piece comes in the next turn, so that work goes on between them.
    pub(super) async fn prune(&mut self, now: Timestamp) -> StoreResult<()> {
        if self.timers.prune.is_none_or(|at| at > now) {
            return Ok(());
        }
        let settings = &self.shared.settings;
        let rule = PruneRule {
            now,
            age_max: settings.history_age_max,
            events_per_decoy_max: settings.events_per_decoy_max,
            limit: settings.prune_rows_max,
        };
        let gone = self.shared.store.prune(rule).await?;
        let wait = if gone == 0 { settings.prune_interval } else { std::time::Duration::from_secs(1) };
        self.timers.prune = now.checked_add(wait).ok();
        if let Some(worker) = self.shared.sync.clone().filter(|_| gone == 0) {
            let shared = Arc::clone(&self.shared);
            self.tasks.spawn(async move { End::Tidied(tidy(shared, worker).await) });
        }
        Ok(())
    }

    /// Publishes what is committed (INV-2).
    pub(super) async fn publish(&mut self) -> StoreResult<()> {
        while self.news {
            let events = self.shared.store.outbox(self.shared.settings.publish_events_max).await?;
            if let Some(last) = events.last() {
                if let Err(error) = self.shared.bus.publish(&events).await {
                    tracing::warn!(%error, "the bus did not take events; they are handed on later");
                    return Ok(());
                }
                self.shared.store.published(last.id).await?;
            }
            self.news = events.len() == self.shared.settings.publish_events_max;
        }
        Ok(())
    }

    /// Ends within the bound: what runs gets its time, then it is stopped and hands back what it holds.
    pub(crate) async fn drain(&mut self) {
        if self.only.is_none() {
            let detail = format!("{} tasks are running", self.tasks.len());
            self.unsent.push_back(self.shared.health_event("stopping", detail));
        }
        // What lasts comes to an end, and nothing is begun any more.
        self.shared.ending.cancel();
        self.farewell().await;
        // A capture goes on where it was, and may have hours to go: it gives way at once. An action is soon over.
        self.stop_early.cancel();
        let settings = self.shared.settings.clone();
        self.wait_for_tasks(self.shared.after(settings.drain)).await;
        self.stop.cancel();
        self.wait_for_tasks(self.shared.after(settings.drain)).await;
        self.tasks.abort_all();
        self.news = true;
        self.farewell().await;
    }

    /// What can still be said is said; a store that refuses now keeps nobody.
    async fn farewell(&mut self) {
        let said = async {
            life::remember(&self.shared, self.planned_to.take()).await?;
            self.send_events().await?;
            self.publish().await
        };
        if let Err(error) = said.await {
            tracing::warn!(%error, "the store did not take the last events");
        }
    }

    /// Waits until nothing runs any more, or until `limit`, and keeps what runs under its leases.
    async fn wait_for_tasks(&mut self, limit: Timestamp) {
        while !self.tasks.is_empty() && self.shared.now() < limit {
            let now = self.shared.now();
            if let Err(error) = self.heartbeat(now).await {
                tracing::warn!(%error, "leases could not be prolonged");
            }
            let beat = self.timers.heartbeat.unwrap_or(limit).min(limit);
            tokio::select! {
                biased;
                Some(end) = self.tasks.join_next_with_id() => self.take(end),
                () = self.shared.clock.sleep_until(beat) => {}
            }
        }
    }
}
