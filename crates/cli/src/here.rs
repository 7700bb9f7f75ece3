//! Work without a daemon: the store is opened, an engine runs for the jobs at hand, and everything is closed again.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use verisim_core::{CancellationToken, Clock, JobId, Store, StoreResult, SyncWorker};
use verisim_engine::control::Operator;
use verisim_engine::{Engine, EngineParts, LifePlanner, OneShot};
use verisim_realism::Zone;
use verisim_store::SqliteStore;

use crate::config::Config;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::owners::Owners;
use crate::state::StateDir;
use crate::wire::Wired;

/// How long after its slot an action may still begin; later it is skipped (INV-10).
pub(crate) const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// How long jobs are worked on when nobody sets a limit.
const LIMIT_MAX: Duration = Duration::from_secs(366 * 86_400);

/// An opened store with the fleet that it belongs to.
pub(crate) struct Here {
    /// The fleet.
    pub(crate) wired: Wired,
    /// The state folder.
    pub(crate) state: StateDir,
    /// The store, under its exclusive lock.
    pub(crate) store: Arc<SqliteStore>,
    /// Answers what is asked; belongs to an engine that is put together and does not run.
    pub(crate) operator: Operator,
    /// Whether it was opened to work, not to look.
    may_write: bool,
}

impl Here {
    /// Opens the store of a configuration.
    ///
    /// # Errors
    /// When the state folder or the store cannot be used; `in_use` when a daemon has it.
    pub(crate) async fn open(config: Config, clock: Arc<dyn Clock>) -> CliResult<Self> {
        let state = StateDir::open(&config.state)?;
        let store = opened(&state, &clock, SqliteStore::open).await?;
        let wired = Wired::reach(config, clock).await;
        let operator = Operator::new(Engine::new(parts(&wired, &state, &store)?).handle());
        Ok(Self { wired, state, store, operator, may_write: true })
    }

    /// Opens the store to look at it alone; where there is none, it is as empty as it would be.
    ///
    /// # Errors
    /// As [`Here::open`].
    pub(crate) async fn look(config: Config, clock: Arc<dyn Clock>) -> CliResult<Self> {
        let state = StateDir::at(&config.state);
        let store = opened(&state, &clock, SqliteStore::look).await?;
        let wired = Wired::reach(config, clock).await;
        // Who only looks carries nothing home, and needs no name of this installation, which would be made now.
        let operator =
            Operator::new(Engine::new(wired.parts(Arc::clone(&store) as Arc<dyn Store>)?).handle());
        Ok(Self { wired, state, store, operator, may_write: false })
    }

    /// The parts of an engine that carries out jobs of both kinds, and plans nothing.
    pub(crate) fn parts(&self) -> CliResult<EngineParts> {
        parts(&self.wired, &self.state, &self.store)
    }

    /// The planner, where there is anybody to plan for.
    pub(crate) async fn planner(&self) -> CliResult<Option<Box<dyn LifePlanner>>> {
        if !self.wired.has_people() {
            return Ok(None);
        }
        crate::fleet::plan(&self.wired, &self.owners().await?)
    }

    /// Who the personas are on the decoys; remembered, where the store was opened to work.
    pub(crate) async fn owners(&self) -> CliResult<Owners> {
        let owners = self.wired.owners().await;
        if self.may_write {
            crate::owners::remember(&self.state, &owners)?;
        }
        Ok(owners)
    }

    /// Begins to work on jobs, beside whoever asks.
    pub(crate) fn begin(&self, jobs: &[JobId], stop: CancellationToken) -> CliResult<Working> {
        let engine = Engine::new(self.parts()?);
        let operator = Operator::new(engine.handle());
        let (jobs, token) = (jobs.to_vec(), stop.clone());
        let task = tokio::spawn(async move { engine.run_jobs(&jobs, LIMIT_MAX, token).await });
        Ok(Working { operator, stop, task })
    }

    /// Works on jobs until they rest, or the time is up.
    pub(crate) async fn run(
        &self,
        jobs: &[JobId],
        limit: Duration,
        stop: CancellationToken,
    ) -> CliResult<OneShot> {
        Ok(Engine::new(self.parts()?).run_jobs(jobs, limit, stop).await?)
    }
}

/// An engine that works on given jobs beside us.
pub(crate) struct Working {
    /// Knows how far they are.
    pub(crate) operator: Operator,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<verisim_core::StoreResult<OneShot>>,
}

impl Working {
    /// Lets it end, and waits for that.
    pub(crate) async fn end(self) -> CliResult<()> {
        self.stop.cancel();
        let ended = self.task.await;
        ended.map_err(|error| CliError::new(Exit::Failed, format!("the engine broke off: {error}")))??;
        Ok(())
    }
}

/// How a store is opened.
type Opening = fn(&Path, Arc<dyn Clock>) -> StoreResult<SqliteStore>;

async fn opened(state: &StateDir, clock: &Arc<dyn Clock>, open: Opening) -> CliResult<Arc<SqliteStore>> {
    let (path, clock) = (state.store(), Arc::clone(clock));
    let opened = tokio::task::spawn_blocking(move || open(&path, clock)).await;
    let store = opened
        .map_err(|error| CliError::new(Exit::Store, format!("opening the store broke off: {error}")))??;
    Ok(Arc::new(store))
}

fn parts(wired: &Wired, state: &StateDir, store: &Arc<SqliteStore>) -> CliResult<EngineParts> {
    let mut parts = wired.parts(Arc::clone(store) as Arc<dyn Store>)?;
    let courier = wired.courier(state)?;
    parts.sync = courier.map(|courier| courier as Arc<dyn SyncWorker>);
    Ok(parts)
}

/// The time zone of this machine by its IANA name, or UTC.
pub(crate) fn machine_zone_name() -> String {
    let link = std::fs::read_link("/etc/localtime").unwrap_or_default();
    let link = link.to_string_lossy();
    let name = link.split_once("zoneinfo/").map_or("UTC", |(_, name)| name);
    if name.parse::<Zone>().is_ok() { name.to_owned() } else { "UTC".to_owned() }
}

/// The time zone of this machine, or UTC.
pub(crate) fn machine_zone() -> Zone {
    machine_zone_name().parse().unwrap_or_else(|_| Zone::utc())
}
