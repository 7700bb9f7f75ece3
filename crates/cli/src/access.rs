//! How a command reaches the store: over the control socket of a running daemon, or by opening it itself.

use std::time::Duration;

use verisim_core::{CancellationToken, Event, EventId, JobId};
use verisim_engine::control::{
    Answer, Client, ClientError, JobView, Refusal, RefusalKind, Request, RunningView,
};

use crate::config::Config;
use crate::context::Context;
use crate::error::{CliError, CliResult, advice};
use crate::exit::Exit;
use crate::here::Here;
use crate::state::StateDir;

/// How many events are asked for at once.
const PAGE_EVENTS: usize = 500;

/// How long a daemon that holds the store and does not answer yet, or no more, is waited for: `verisim up &` is often
/// followed by the next command at once.
pub(crate) const HANDOVER: Duration = Duration::from_secs(5);

/// How often jobs are looked at while they are followed, and whether the store is free again.
pub(crate) const LOOK: Duration = Duration::from_millis(200);

/// A way to the store.
pub(crate) enum Access {
    /// A daemon runs: it is asked.
    Daemon(Client),
    /// None does: the store is ours for now.
    Here(Box<Here>),
}

impl Access {
    /// Finds the way for a command that changes something.
    ///
    /// # Errors
    /// When the store cannot be used, or a daemon has it that does not answer.
    pub(crate) async fn open(context: &Context, config: Config) -> CliResult<Self> {
        let state = StateDir::open(&config.state)?;
        Self::find(context, state, || Here::open(config.clone(), context.clock())).await
    }

    /// Finds the way for a command that only looks: it changes nothing, makes no folder and no file, and may not even be
    /// allowed to.
    ///
    /// # Errors
    /// As [`Access::open`].
    pub(crate) async fn look(context: &Context, config: Config) -> CliResult<Self> {
        let state = StateDir::look(&config.state)?.unwrap_or_else(|| StateDir::at(&config.state));
        Self::find(context, state, || Here::look(config.clone(), context.clock())).await
    }

    async fn find<F: Future<Output = CliResult<Here>>>(
        context: &Context,
        state: StateDir,
        here: impl Fn() -> F,
    ) -> CliResult<Self> {
        let until = context.clock().monotonic() + HANDOVER;
        loop {
            if let Some(client) = Client::connect(&state.socket()).await? {
                return Ok(Self::Daemon(client));
            }
            match here().await {
                Ok(here) => return Ok(Self::Here(Box::new(here))),
                // Between taking the store and listening, or between the last answer and the end.
                Err(error) if error.in_use && context.clock().monotonic() < until => {
                    tokio::time::sleep(LOOK).await;
                }
                Err(error) if error.in_use => {
                    return Err(error.hint("a daemon is starting or stopping, or another command is at work; try again in a moment"));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Asks one thing.
    pub(crate) async fn ask(&mut self, request: Request) -> CliResult<Answer> {
        match self {
            Self::Daemon(client) => Ok(client.ask(request).await?),
            Self::Here(here) => Ok(here.operator.ask(request).await?),
        }
    }

    /// A job.
    pub(crate) async fn job(&mut self, job: JobId) -> CliResult<JobView> {
        self.ask_job(Request::Job { job }).await
    }

    /// Asks something that is answered by a job.
    pub(crate) async fn ask_job(&mut self, request: Request) -> CliResult<JobView> {
        match self.ask(request).await? {
            Answer::Job(job) => Ok(*job),
            _ => Err(confused()),
        }
    }

    /// Asks for a job to be made. Answers which, and whether it is new.
    pub(crate) async fn make(&mut self, request: Request) -> CliResult<(JobId, bool)> {
        match self.ask(request).await? {
            Answer::Made { job, new } => Ok((job, new)),
            _ => Err(confused()),
        }
    }

    /// The newest committed event.
    pub(crate) async fn last_event(&mut self) -> CliResult<EventId> {
        match self.ask(Request::Status).await? {
            Answer::Status(status) => Ok(status.store.last_event),
            _ => Err(confused()),
        }
    }

    /// Hands committed events after `after` to `each`, oldest first, to the last one there is. Answers where the next query
    /// begins, and up to where events may have been pruned.
    pub(crate) async fn events(
        &mut self,
        after: EventId,
        topic: &str,
        mut each: impl FnMut(Event) -> CliResult<()>,
    ) -> CliResult<(EventId, EventId)> {
        let mut after = after;
        loop {
            let request = Request::Events { after, topic: topic.to_owned(), limit: PAGE_EVENTS };
            let Answer::Events { events, seen, pruned } = self.ask(request).await? else {
                return Err(confused());
            };
            events.into_iter().try_for_each(&mut each)?;
            if seen <= after {
                return Ok((after, pruned));
            }
            after = seen;
        }
    }

    /// Has jobs worked on until all of them are as `settled` wants them, or `stop` is cancelled, and answers how they are then.
    /// `tick` sees how far they are, some times a second. A daemon works on when this has ended.
    pub(crate) async fn settle(
        &mut self,
        jobs: &[JobId],
        stop: &CancellationToken,
        settled: impl Fn(&JobView) -> bool,
        mut tick: impl FnMut(&[JobView], &[RunningView]),
    ) -> CliResult<Vec<JobView>> {
        let engine = match self {
            Self::Daemon(_) => None,
            Self::Here(here) => Some(here.begin(jobs, stop.child_token())?),
        };
        let views = loop {
            let views = self.jobs(jobs).await?;
            let running = match &engine {
                Some(engine) => engine.operator.progress(),
                None => match self.ask(Request::Progress).await? {
                    Answer::Progress(running) => running,
                    _ => return Err(confused()),
                },
            };
            tick(&views, &running);
            if stop.is_cancelled() || views.iter().all(&settled) {
                break views;
            }
            tokio::time::sleep(LOOK).await;
        };
        match engine {
            None => Ok(views),
            // What was under way may have come to its end meanwhile.
            Some(engine) => {
                engine.end().await?;
                self.jobs(jobs).await
            }
        }
    }

    async fn jobs(&mut self, jobs: &[JobId]) -> CliResult<Vec<JobView>> {
        let mut views = Vec::with_capacity(jobs.len());
        for job in jobs {
            views.push(self.job(*job).await?);
        }
        Ok(views)
    }

    /// Has a job worked on until it rests, at most for `limit`: by the daemon, or by an engine of our own.
    pub(crate) async fn wait(
        &mut self,
        context: &Context,
        job: JobId,
        limit: Duration,
    ) -> CliResult<JobView> {
        match self {
            Self::Daemon(client) => {
                let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
                match client.ask(Request::Wait { job, limit_ms }).await? {
                    Answer::Job(job) => Ok(*job),
                    _ => Err(confused()),
                }
            }
            Self::Here(here) => {
                here.run(&[job], limit, context.stop_token()?).await?;
                Ok(here.operator.job(job).await?)
            }
        }
    }
}

/// An answer to another question.
pub(crate) fn confused() -> CliError {
    CliError::new(Exit::Failed, "the daemon answered something else than what was asked")
        .hint("daemon and command line should be of one version")
}

/// Whether a connection broke because who was at the other end is gone.
fn is_end(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused(refusal) => refusal.into(),
            ClientError::Connection(broken) if is_end(&broken) => {
                Self::new(Exit::Failed, "the daemon ended before it answered")
                    .hint("what was under way goes on with the next one: `verisim up` starts it")
            }
            ClientError::Connection(_) => {
                Self::new(Exit::Store, error).hint("is it the daemon of this user? otherwise look at its log")
            }
            ClientError::Confused(_) => {
                Self::new(Exit::Failed, error).hint("daemon and command line should be of one version")
            }
        }
    }
}

impl From<Refusal> for CliError {
    fn from(refusal: Refusal) -> Self {
        let advised = refusal.failure.map(advice);
        let exit = match refusal.kind {
            RefusalKind::BadRequest | RefusalKind::NotFound | RefusalKind::WrongState => Exit::Usage,
            RefusalKind::Store => Exit::Store,
            RefusalKind::Away => Exit::Unreachable,
            RefusalKind::Decoy => advised.map_or(Exit::Unreachable, |(exit, _)| exit),
            RefusalKind::Busy | RefusalKind::Unsupported | RefusalKind::TimeUp => Exit::Failed,
        };
        let error = Self::new(exit, verisim_core::printable(&refusal.message));
        match advised {
            Some((_, Some(hint))) => error.hint(hint),
            _ => error,
        }
    }
}
