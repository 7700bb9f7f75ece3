//! The engine's outside: what it is made of, how it is run, how others talk to it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use verisim_core::{
    ActivityDriver, CancellationToken, CaptureName, Clock, DecoyName, DriverKind, JobId, Progress, RelPath,
    Store, StoreResult, SyncWorker, Timestamp, WorkerId,
};

use crate::away::AwayBoard;
use crate::idle::IdleBoard;
use crate::running::Running;
use crate::shared::Shared;
use crate::turn::Loop;
use crate::{Fleet, LifePlanner, LocalBus, Preview, Settings};

/// How many captures that changed are remembered until they are looked at.
const STIRRED_MAX: usize = 4096;

/// What an engine is made of.
pub struct EngineParts {
    /// What is durable. The caller holds its exclusive lock.
    pub store: Arc<dyn Store>,
    /// The time; nothing else is ever waited on.
    pub clock: Arc<dyn Clock>,
    /// Who carries out actions.
    pub drivers: HashMap<DriverKind, Arc<dyn ActivityDriver>>,
    /// The decoys.
    pub fleet: Arc<Fleet>,
    /// Who decides what happens next; `None` where nothing is planned.
    pub planner: Option<Box<dyn LifePlanner>>,
    /// Who carries out syncs; `None` where there are none.
    pub sync: Option<Arc<dyn SyncWorker>>,
    /// What the jitter is drawn from.
    pub seed: u64,
    /// Who we are: new at every start.
    pub worker: WorkerId,
    /// The numbers.
    pub settings: Settings,
    /// Cancelled when the engine begins to end. A driver whose effects last holds a clone, and brings what is under way to a
    /// decent end: what is still under way when the drain is over is of unknown fate.
    pub ending: CancellationToken,
}

/// The engine. Made once, run once.
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
}

/// How others talk to a running engine. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

impl Engine {
    /// Puts an engine together. Nothing happens before it is run.
    #[must_use]
    pub fn new(parts: EngineParts) -> Self {
        let shared = Shared {
            store: parts.store,
            clock: parts.clock,
            drivers: parts.drivers,
            fleet: parts.fleet,
            sync: parts.sync,
            planner: Mutex::new(parts.planner),
            missed: Mutex::default(),
            changes: Mutex::new(Some(VecDeque::new())),
            left: crate::change::LeftBoard::default(),
            seed: parts.seed,
            worker: parts.worker,
            settings: parts.settings,
            ending: parts.ending,
            bus: LocalBus::new(),
            running: Arc::new(Running::default()),
            idle: IdleBoard::default(),
            trouble: Mutex::new(None),
            away: AwayBoard::default(),
            lost: OnceLock::new(),
            silent: Mutex::default(),
            admitted: Mutex::default(),
            meetings: Mutex::default(),
            recalled: Mutex::default(),
            stirred: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// How others talk to it.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle { shared: Arc::clone(&self.shared) }
    }

    /// Runs until `shutdown`, and then drains within a bound: no new leases, running work gets its time, is then stopped,
    /// and what it held is handed back. Dropping the future is a crash: nothing is lost, and what was started is asked for
    /// at the next start (INV-12).
    ///
    /// # Errors
    /// When the store cannot even be read at the start, and when it is taken away while it runs: then nothing more is done.
    /// Other troubles of the store are waited out.
    pub async fn run(self, shutdown: CancellationToken) -> StoreResult<()> {
        let _ended = EndGuard(Arc::clone(&self.shared));
        Loop::start(self.shared).await?.run(shutdown).await
    }
}

/// Tells those who wait that the loop is over, also when it was dropped.
pub(crate) struct EndGuard(pub(crate) Arc<Shared>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        // Whoever waits for a change learns that nobody will make it.
        self.0.changes.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.0.idle.end();
        self.0.bus.close();
    }
}

impl Handle {
    /// There may be work: something was enqueued or changed from outside the loop.
    pub fn wake(&self) {
        self.shared.idle.call();
    }

    /// Something changed in the folders of capture rules, or in captures below them: they are looked at now, instead of when the
    /// clock says so. What is beyond a number is looked at by the clock.
    pub fn captures_stirred(&self, stirred: impl IntoIterator<Item = (CaptureName, Option<RelPath>)>) {
        {
            let mut all = self.shared.stirred.lock().unwrap_or_else(PoisonError::into_inner);
            let room = STIRRED_MAX.saturating_sub(all.len());
            all.extend(stirred.into_iter().take(room));
        }
        self.wake();
    }

    /// A decoy that is left alone is asked again at once.
    pub(crate) fn recall(&self, decoy: &DecoyName) {
        self.shared.recalled.lock().unwrap_or_else(PoisonError::into_inner).insert(decoy.clone());
        self.wake();
    }

    /// Waits until nothing is in flight and nothing is due before the clock moves on, or the engine has ended. Answers when
    /// something is due: a test moves its clock there.
    pub async fn idle(&self) -> Timestamp {
        self.shared.idle.idle(|| self.shared.now()).await
    }

    /// The bus on which committed events appear.
    #[must_use]
    pub fn bus(&self) -> &Arc<LocalBus> {
        &self.shared.bus
    }

    /// The decoys; may be changed.
    #[must_use]
    pub fn fleet(&self) -> &Arc<Fleet> {
        &self.shared.fleet
    }

    /// How far the running pushes are.
    #[must_use]
    pub fn progress(&self) -> Vec<(JobId, Progress)> {
        self.shared.running.progress()
    }

    /// Stops the work of a job whose lease was ended from outside.
    pub fn stop_job(&self, job: JobId) {
        self.shared.running.cancel(job);
    }

    /// What the personas will do next, as far as it can be said now.
    #[must_use]
    pub fn preview(&self, limit: usize) -> Vec<Preview> {
        let planner = self.shared.planner.lock().unwrap_or_else(PoisonError::into_inner);
        planner.as_ref().map_or_else(Vec::new, |planner| planner.preview(self.shared.now(), limit))
    }
}
