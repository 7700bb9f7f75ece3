//! The demonstration's folder, and what happens in it: founding, past, life, evidence.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use verisim_core::{
    ActivityState, CancellationToken, IdempotencyKey, JobId, JobState, NewJob, Schedule, Store as _,
    Timestamp, TopicFilter, Work,
};
use verisim_engine::{Delivery, Engine, EngineParts, Subscription};
use verisim_realism::{DecoyIndex, PastFile, World};

use super::company::{self, HOSTS};
use super::model::Model;
use super::view::View;
use super::{captures, is_over, trouble};
use crate::context::Context;
use crate::error::{CliError, CliResult, show};
use crate::exit::Exit;
use crate::here::Here;

/// The configuration in the demonstration's folder: also the mark that the folder is ours.
pub(super) const CONFIG_FILE: &str = "verisim.toml";
/// What the configuration of a demonstration begins with.
const MARK: &str = "# The company of `verisim demo`.";
/// How long a frame lasts.
const FRAME: Duration = Duration::from_millis(150);
/// When the two captures begin.
const CAPTURES_AT: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(11)];
/// How long the sensor pauses between two pieces of a capture.
const SENSOR_PAUSE: Duration = Duration::from_millis(120);
/// How long planting the past may take.
const PAST_MAX: Duration = Duration::from_secs(30);
/// How many events the view may be behind.
const EVENTS_MAX: usize = 4096;

/// Makes the folder, or finds that it is one of ours. Answers whether it is new.
pub(super) fn prepare(dir: &Path) -> CliResult<bool> {
    let file = dir.join(CONFIG_FILE);
    match fs::read_to_string(&file) {
        Ok(text) if text.starts_with(MARK) => return Ok(false),
        Ok(_) => return Err(foreign(dir)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(trouble("cannot read", &file, &error)),
    }
    match fs::read_dir(dir).map(|mut entries| entries.next().is_some()) {
        Ok(true) => return Err(foreign(dir)),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(trouble("cannot use the folder", dir, &error));
        }
        _ => {}
    }
    let make = |path: &Path| {
        fs::create_dir_all(path).map_err(|error| trouble("cannot make the folder", path, &error))
    };
    for host in &HOSTS {
        make(&company::root_of(dir, host))?;
    }
    make(&dir.join("captures"))?;
    make(&dir.join("vault"))?;
    let seed = crate::wire::random_seed()?;
    // The mark comes last: a folder that was left half made has none, and is refused rather than taken for a whole one.
    fs::write(&file, company::config_text(seed)).map_err(|error| trouble("cannot write", &file, &error))?;
    Ok(true)
}

fn foreign(dir: &Path) -> CliError {
    CliError::new(
        Exit::Usage,
        format!("{} is there, and was not made by `verisim demo`; nothing was touched", show(dir)),
    )
    .hint("choose another folder with --dir")
}

/// The demonstration's parts.
pub(super) struct Stage {
    pub(super) here: Here,
    dir: PathBuf,
    clock: Arc<dyn verisim_core::Clock>,
}

impl Stage {
    pub(super) fn new(context: &Context, here: Here, dir: PathBuf) -> Self {
        Self { here, dir, clock: context.clock() }
    }

    /// Gives every host what an installation leaves behind. Answers whether all owners could be set.
    pub(super) async fn install(&self, now: Timestamp) -> CliResult<bool> {
        let mut owners_set = true;
        for host in &HOSTS {
            let member =
                self.here.wired.fleet.decoys().into_iter().find(|decoy| decoy.name.as_str() == host.name);
            let Some(member) = member.and_then(|decoy| self.here.wired.fleet.get(&decoy.name)) else {
                continue;
            };
            owners_set &= company::install(host, member.connector.as_ref(), now).await?;
        }
        Ok(owners_set)
    }

    /// Plants the days before: through the queue as everything is, with the times of back then, and before anybody looks.
    pub(super) async fn give_past(
        &self,
        now: Timestamp,
        days: u32,
        view: &mut View,
        model: &mut Model,
        stop: &CancellationToken,
    ) -> CliResult<()> {
        view.phase("a past is planted: thirty days of work, with its times")?;
        view.draw(model)?;
        let jobs = match self.here.wired.world().await? {
            Some(world) if self.here.store.ledger_scan(None, 1).await?.is_empty() => {
                past_jobs(&world, days, now)
            }
            // A company that has files had its past before.
            _ => Vec::new(),
        };
        let answers = self.here.store.enqueue(jobs, None).await?;
        let new: Vec<JobId> = answers
            .into_iter()
            .filter_map(|answer| match answer {
                verisim_core::Enqueued::New(id) => Some(id),
                verisim_core::Enqueued::Known(_) => None,
            })
            .collect();
        if !new.is_empty() {
            self.here.run(&new, PAST_MAX, stop.child_token()).await?;
        }
        self.count(model).await?;
        for host in &model.hosts {
            view.say(&format!(
                "  {:<10} {:<14} {} files of the days before",
                host.name, host.role, host.files
            ))?;
        }
        Ok(())
    }

    /// Lets the company live.
    pub(super) async fn live(
        &self,
        view: &mut View,
        model: &mut Model,
        length: Option<Duration>,
        stop: CancellationToken,
    ) -> CliResult<()> {
        let engine = Engine::new(self.parts().await?);
        let handle = engine.handle();
        let mut events = handle.bus().subscribe(TopicFilter::all(), EVENTS_MAX);
        view.phase("everybody is at work")?;
        let end = CancellationToken::new();
        let running = tokio::spawn(engine.run(end.clone()));
        let sensors: Vec<_> = CAPTURES_AT.iter().map(|after| self.sensor(*after, end.clone())).collect();
        let mut asked = false;
        while !asked && !running.is_finished() {
            self.take(&mut events, view, model).await?;
            model.progress(&handle.progress());
            view.draw(model)?;
            let done = model.verified() >= CAPTURES_AT.len();
            if is_over(&stop, view.elapsed(), length, done) {
                break;
            }
            asked = view.pause(FRAME).await?;
        }
        view.phase("everybody goes home")?;
        view.draw(model)?;
        end.cancel();
        let ended = running.await;
        for sensor in sensors {
            let _ = sensor.await;
        }
        self.take(&mut events, view, model).await?;
        ended.map_err(|error| CliError::new(Exit::Failed, format!("the engine broke off: {error}")))??;
        Ok(())
    }

    async fn parts(&self) -> CliResult<EngineParts> {
        let mut parts = self.here.parts()?;
        parts.planner = self.here.planner().await?;
        // Somebody is watching: what a month of patience serves well would look like sleep.
        parts.settings.discover_interval = Duration::from_secs(1);
        parts.settings.drain = Duration::from_secs(5);
        Ok(parts)
    }

    /// A sensor that records one capture, some time from now.
    fn sensor(&self, after: Duration, end: CancellationToken) -> tokio::task::JoinHandle<()> {
        let (captures, clock) = (self.dir.join("captures"), Arc::clone(&self.clock));
        let seed = self.here.wired.config.seed ^ u64::try_from(after.as_millis()).unwrap_or_default();
        tokio::spawn(async move {
            tokio::select! {
                () = end.cancelled() => return,
                () = clock.sleep_until(clock.now() + after) => {}
            }
            let record = move || {
                let dir = captures::next_dir(&captures);
                captures::record(&dir, seed, || std::thread::sleep(SENSOR_PAUSE))
            };
            if let Ok(Err(error)) = tokio::task::spawn_blocking(record).await {
                tracing::warn!(%error, "the sensor could not write its capture");
            }
        })
    }

    /// Takes what the bus has.
    async fn take(&self, events: &mut Subscription, view: &View, model: &mut Model) -> CliResult<()> {
        while let Some(delivery) = events.try_next() {
            match delivery {
                Delivery::Event(event) => {
                    model.take(&event);
                    view.event(&event)?;
                }
                Delivery::Missed { first, last } => {
                    let after = verisim_core::EventId(first.0 - 1);
                    let limit = usize::try_from(last.0 - first.0 + 1).unwrap_or(usize::MAX).min(EVENTS_MAX);
                    let query = verisim_core::EventQuery { after, topics: TopicFilter::all(), limit };
                    for event in self.here.store.events(query).await?.events {
                        model.take(&event);
                        view.event(&event)?;
                    }
                }
            }
        }
        // A job that waits has made no event yet; it is there all the same.
        let filter = verisim_core::JobFilter {
            kind: Some(verisim_core::JobKind::Sync),
            limit: 16,
            ..Default::default()
        };
        for job in self.here.store.jobs(filter).await? {
            model.job(&job);
        }
        Ok(())
    }
}

fn past_jobs(world: &Arc<World>, days: u32, now: Timestamp) -> Vec<NewJob> {
    let decoys = 0..u32::try_from(world.decoys().len()).unwrap_or(0);
    let past = decoys.flat_map(|decoy| verisim_realism::past(world, DecoyIndex(decoy), days, now).files);
    let job = |(number, file): (usize, PastFile)| {
        let slot = &file.decision.slot;
        Some(NewJob {
            key: IdempotencyKey(format!("past/{number}").into()),
            work: Work::Activity {
                decoy: world.decoy(slot.decoy)?.name.clone(),
                action: Arc::new(file.action),
                persona: Some(world.persona(slot.persona)?.name.clone()),
                session: Some(slot.session.id()),
                why: format!("past: {}", file.decision.why),
            },
            state: JobState::Activity(ActivityState::Queued),
            planned_at: now,
            schedule: Schedule::At(now),
            deadline: None,
        })
    };
    past.enumerate().filter_map(job).collect()
}
