//! Calls: the connection they run on, their bounds, and what a broken one means.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use verisim_core::{
    ByteCount, DecoyPath, Effect, Exec, ExecOutput, Failure, FailureKind, FileWrite, WriteOutcome,
};
use verisim_ssh::sftp::Sftp;
use verisim_ssh::{Command, Error, Output, Session, quote};

use super::over_commands::OverCommands;
use super::over_sftp::OverSftp;
use super::problem::Outcome;
use super::remote::Remote;
use super::times::{self, Times, Touched};
use super::{Learnt, SshConnector, WayIn, write};
use crate::tree::Problem;

/// How long a question may take.
pub(super) const QUESTION_TIME_MAX: Duration = Duration::from_secs(60);
/// How long a batch of effects may take.
pub(super) const EFFECT_TIME_MAX: Duration = Duration::from_secs(300);
/// What the port allows for a probe.
pub(super) const PROBE_TIME_MAX: Duration = Duration::from_secs(20);
/// How long a command of our own may take.
const COMMAND_TIME_MAX: Duration = Duration::from_secs(20);
/// How much it may say.
const COMMAND_BYTES_MAX: ByteCount = ByteCount(256 * 1024);

/// Tells who we are, and whether `touch` and `stat` count in nanoseconds. Leaves nothing behind.
const WHO: &[u8] = b"id -u; touch --version 2>&- | head -n 1; stat --version 2>&- | head -n 1";

impl SshConnector {
    /// What files are changed with, on a connection that lives.
    pub(super) async fn contact(&self) -> verisim_ssh::Result<Arc<dyn Remote>> {
        let known = self.learnt.get().copied();
        let over_commands = known.map(|learnt| learnt.over_commands);
        if over_commands != Some(true) && self.options.way != WayIn::Exec {
            match self.client.sftp().await {
                Ok(sftp) => {
                    let learnt = match known {
                        Some(learnt) => learnt,
                        None => {
                            let learnt = self.learn(Some(&sftp)).await?;
                            let _ = self.learnt.set(learnt);
                            learnt
                        }
                    };
                    return Ok(Arc::new(OverSftp { sftp, root: learnt.root }));
                }
                Err(Error::NotOffered { .. }) if self.may_use_commands() && known.is_none() => {}
                Err(error) => return Err(error),
            }
        }
        let learnt = match known {
            Some(learnt) => learnt,
            None => self.learn(None).await?,
        };
        if !(learnt.commands && learnt.nanoseconds) {
            return Err(Error::NotOffered {
                what: "SFTP, nor the commands of GNU that could stand in for it",
            });
        }
        let _ = self.learnt.set(learnt);
        let session = self.client.session().await?;
        Ok(Arc::new(OverCommands { session, root: learnt.root }))
    }

    fn may_use_commands(&self) -> bool {
        self.options.commands && self.options.way == WayIn::Auto
    }

    /// Learns what the server can, with SFTP or without.
    async fn learn(&self, sftp: Option<&Sftp>) -> verisim_ssh::Result<Learnt> {
        let can = sftp.map(Sftp::extensions);
        let mut learnt = Learnt {
            replaces: can.is_none_or(|can| can.posix_rename && can.hardlink),
            links: true,
            commands: false,
            nanoseconds: false,
            root: self.options.target.user == "root",
            over_commands: sftp.is_none(),
        };
        if !self.options.commands {
            return Ok(learnt);
        }
        let said = match self.command(WHO.to_vec()).await {
            Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
            Err(error) if error.is_answer() => return Ok(learnt),
            Err(error) => return Err(error),
        };
        let mut lines = said.lines();
        if let Some(uid) = lines.next().and_then(|line| line.parse::<u32>().ok()) {
            (learnt.commands, learnt.root) = (true, uid == 0);
            learnt.nanoseconds = lines.filter(|line| line.contains("GNU coreutils")).count() == 2;
        }
        Ok(learnt)
    }

    /// A second SFTP session, for what only the first look of a process shows. None where the server allows no more. Over
    /// commands every step is a process of its own.
    pub(super) async fn fresh(&self, session: &Session, remote: &Arc<dyn Remote>) -> Option<Arc<dyn Remote>> {
        if self.learnt.get().is_some_and(|learnt| learnt.over_commands) {
            return Some(Arc::clone(remote));
        }
        let sftp = Arc::new(Sftp::open(session).await.ok()?);
        let root = self.learnt.get().is_some_and(|learnt| learnt.root);
        Some(Arc::new(OverSftp { sftp, root }))
    }

    pub(super) async fn command(&self, line: Vec<u8>) -> verisim_ssh::Result<Output> {
        let session = self.client.session().await?;
        let (time_max, output_max) = (COMMAND_TIME_MAX, COMMAND_BYTES_MAX);
        session.run(&Command { line, stdin: Bytes::new(), time_max, output_max }).await
    }

    /// A question: asked once more where the connection turned out to be broken.
    pub(super) async fn ask<T, F>(
        &self,
        operation: &'static str,
        limit: Duration,
        work: impl Fn(Arc<dyn Remote>) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Outcome<T>>,
    {
        self.call(operation, limit, Effect::NotApplied, work).await
    }

    /// An effect: tried once more where the connection turned out to be broken before anything happened.
    pub(super) async fn change<T, F>(
        &self,
        operation: &'static str,
        limit: Duration,
        work: impl Fn(Arc<dyn Remote>) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Outcome<T>>,
    {
        self.call(operation, limit, Effect::Unknown, work).await
    }

    async fn call<T, F>(
        &self,
        operation: &'static str,
        limit: Duration,
        late: Effect,
        work: impl Fn(Arc<dyn Remote>) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Outcome<T>>,
    {
        let too_late = |effect| {
            let what = format!("no answer within {} s from {}", limit.as_secs(), self.host());
            Failure::new(FailureKind::Network, operation, what).with_effect(effect)
        };
        let Ok(Ok(_permit)) = timeout(limit, self.calls.acquire()).await else {
            return Err(too_late(Effect::NotApplied));
        };
        let mut again = true;
        loop {
            let remote = self.contact().await.map_err(|error| self.failed(operation, &error))?;
            match timeout(limit, work(Arc::clone(&remote))).await {
                Ok(Err(problem)) if again && is_stale(&problem) && remote.may_reconnect() => again = false,
                Ok(answer) => return answer.map_err(|problem| problem.into_failure(operation)),
                Err(_) => return Err(too_late(late)),
            }
        }
    }

    pub(super) fn host(&self) -> String {
        self.client.target().known_as()
    }

    pub(super) async fn write_batch(&self, batch: &[FileWrite]) -> Vec<Result<WriteOutcome, Failure>> {
        const OPERATION: &str = "ssh.write";
        let exact = match self.exact_times(batch).await {
            Ok(exact) => exact,
            Err(failure) => return batch.iter().map(|_| Err(failure.clone())).collect(),
        };
        let done = self.change(OPERATION, EFFECT_TIME_MAX, |remote| async move {
            let (outcomes, touched) = write::write(&*remote, batch).await;
            let stale = |outcome: &Outcome<_>| outcome.as_ref().is_err_and(is_stale);
            if !outcomes.is_empty() && outcomes.iter().all(stale) {
                let what = "the connection broke before anything happened";
                return Err(Problem::new(FailureKind::Network, what));
            }
            Ok((outcomes, touched))
        });
        match done.await {
            Err(failure) => batch.iter().map(|_| Err(failure.clone())).collect(),
            Ok((mut outcomes, touched)) => {
                self.set_times(batch, &mut outcomes, &touched, &exact).await;
                let failed = |problem: Problem| problem.into_failure(OPERATION);
                outcomes.into_iter().map(|outcome| outcome.map_err(failed)).collect()
            }
        }
    }

    pub(super) fn counts_nanoseconds(&self) -> bool {
        self.learnt.get().is_some_and(|learnt| learnt.nanoseconds)
    }

    /// The times, to the nanosecond, of the directories that a batch with times of the past may touch.
    async fn exact_times(&self, batch: &[FileWrite]) -> Result<BTreeMap<DecoyPath, Times>, Failure> {
        const OPERATION: &str = "ssh.write";
        if !write::has_past(batch) {
            return Ok(BTreeMap::new());
        }
        self.contact().await.map_err(|error| self.failed(OPERATION, &error))?;
        if !self.counts_nanoseconds() {
            return Ok(BTreeMap::new());
        }
        let mut dirs: Vec<DecoyPath> = batch
            .iter()
            .flat_map(|file| std::iter::successors(file.path.parent(), DecoyPath::parent))
            .collect();
        dirs.sort();
        dirs.dedup();
        let output = self.command(times::question(&dirs)).await;
        let output = output.map_err(|error| self.failed(OPERATION, &error))?;
        let answers = times::answers(&output.stdout);
        Ok(dirs.into_iter().zip(answers).filter_map(|(dir, times)| Some((dir, times?))).collect())
    }

    /// Gives what the batch wrote, and the directories around it, the times they shall bear.
    async fn set_times(
        &self,
        batch: &[FileWrite],
        outcomes: &mut [Outcome<WriteOutcome>],
        touched: &Touched,
        exact: &BTreeMap<DecoyPath, Times>,
    ) {
        if touched.files.is_empty() {
            return;
        }
        let dirs = touched.directories(exact);
        let set = if self.counts_nanoseconds() {
            let mut line =
                times::order(touched.files.iter().chain(&dirs).map(|(path, times)| (path, *times)));
            line.extend(times::question(touched.files.keys()));
            self.command(line).await.map(|output| {
                let shown = times::answers(&output.stdout);
                touched.files.keys().zip(shown).collect::<BTreeMap<_, _>>()
            })
        } else {
            self.set_seconds(&dirs).await.map(|()| BTreeMap::new())
        };
        for (file, outcome) in batch.iter().zip(outcomes) {
            let Ok(WriteOutcome::Written(written)) = outcome else { continue };
            if !touched.files.contains_key(&file.path) {
                continue;
            }
            match &set {
                Ok(shown) => {
                    if let Some(Some((atime, mtime))) = shown.get(&file.path) {
                        (written.stat.atime, written.stat.mtime) = (*atime, *mtime);
                    }
                }
                Err(error) => {
                    let what =
                        format!("{}: it is written, but its times could not be set: {error}", file.path);
                    *outcome = Err(Problem::new(error.kind(), what).with_effect(Effect::Applied));
                }
            }
        }
    }

    async fn set_seconds(&self, dirs: &BTreeMap<DecoyPath, Times>) -> verisim_ssh::Result<()> {
        let remote = self.contact().await?;
        let whole =
            |time: verisim_core::Timestamp| u32::try_from(time.as_second().max(0)).unwrap_or(u32::MAX);
        let setting = dirs.iter().map(|(dir, (atime, mtime))| {
            let times = Some((whole(*atime), whole(*mtime)));
            let set = verisim_ssh::sftp::SetAttributes { times, ..Default::default() };
            remote.dress(dir.as_bytes(), set)
        });
        for set in futures_util::future::join_all(setting).await {
            match set {
                // A directory of somebody else's keeps the time at which it gained the entry.
                Err(error) if !error.is_answer() => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) async fn run_command(&self, command: &Exec) -> Result<ExecOutput, Failure> {
        const OPERATION: &str = "ssh.exec";
        let failed = |error: &Error| self.failed(OPERATION, error);
        if !self.options.commands {
            return Err(Self::unsupported(
                OPERATION,
                "commands on this decoy are not allowed by configuration",
            ));
        }
        if command.argv.is_empty() || command.argv.iter().any(|word| word.contains(&0)) {
            return Err(Failure::new(
                FailureKind::Config,
                OPERATION,
                "an argument is missing or holds a NUL",
            ));
        }
        self.contact().await.map_err(|error| failed(&error))?;
        if !self.learnt.get().is_some_and(|learnt| learnt.commands) {
            return Err(Self::unsupported(OPERATION, "the server runs no commands for us"));
        }
        let session = self.client.session().await.map_err(|error| failed(&error))?;
        let words: Vec<Vec<u8>> = command.argv.iter().map(|word| quote(word)).collect();
        let run = Command {
            line: words.join(&b' '),
            stdin: command.stdin.clone(),
            time_max: command.time_limit,
            output_max: command.output_limit,
        };
        match session.run(&run).await {
            Ok(output) => Ok(ExecOutput {
                code: output.code.map(|code| i32::try_from(code).unwrap_or(i32::MAX)),
                stdout: output.stdout,
                stderr: output.stderr,
            }),
            Err(error) => {
                let effect = if error.is_answer() { Effect::NotApplied } else { Effect::Unknown };
                Err(failed(&error).with_effect(effect))
            }
        }
    }
}

/// Whether a connection that seemed to live did not, so that nothing has happened yet.
fn is_stale(problem: &Problem) -> bool {
    problem.kind() == FailureKind::Network && problem.effect() == Effect::NotApplied
}
