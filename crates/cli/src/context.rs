//! What every command works with: the global arguments, where results go, the clock, and the configuration.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use verisim_connect::EngineAddress;
use verisim_core::{CancellationToken, Clock, Timestamp};

use crate::args::Global;
use crate::clock::SystemClock;
use crate::config::{self, Config, ConfigError, mistake};
use crate::error::{CliError, CliResult, show};
use crate::exit::Exit;
use crate::fleet;
use crate::output::Output;
use crate::state::StateDir;

/// How soon after a signal a second one still belongs to it.
const SAME_WISH: std::time::Duration = std::time::Duration::from_millis(500);
/// Where a configuration is looked for when none is named, in this order.
const CONFIG_PLACES: [&str; 2] = ["verisim.toml", "/etc/verisim/verisim.toml"];
/// How many threads work for a command. Blocking calls have threads of their own.
const THREADS: usize = 2;

/// What every command works with.
pub(crate) struct Context {
    /// The global arguments.
    pub(crate) global: Global,
    /// Where results and messages go.
    pub(crate) output: Output,
    clock: Arc<SystemClock>,
}

/// No configuration was named, and none is where one is looked for: every such place is told.
fn none_found() -> CliError {
    let places = CONFIG_PLACES.map(|place| {
        let place = Path::new(place);
        show(&absolute(place).unwrap_or_else(|_| place.to_owned()))
    });
    CliError::new(Exit::Config, format!("there is no configuration: neither {}", places.join(" nor ")))
        .hint(config::NONE_THERE)
}

impl Context {
    /// A context.
    pub(crate) fn new(global: Global, output: Output) -> Self {
        Self { global, output, clock: Arc::new(SystemClock::new()) }
    }

    /// The time.
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock) as Arc<dyn Clock>
    }

    /// The time now.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Runs a command that waits for things.
    pub(crate) fn block_on(&self, command: impl Future<Output = CliResult>) -> CliResult {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .enable_all()
            .build()
            .map_err(|error| CliError::new(Exit::Failed, format!("cannot start: {error}")))?;
        let done = runtime.block_on(command);
        // What blocks on a decoy or a share that hangs must not keep the command from ending.
        runtime.shutdown_timeout(std::time::Duration::from_secs(2));
        done
    }

    /// A token that the first SIGINT or SIGTERM cancels; the second one ends the process at once.
    pub(crate) fn stop_token(&self) -> CliResult<CancellationToken> {
        use tokio::signal::unix::{SignalKind, signal};
        let trouble = |error: std::io::Error| {
            CliError::new(Exit::Failed, format!("cannot listen for signals: {error}"))
        };
        let mut interrupt = signal(SignalKind::interrupt()).map_err(trouble)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(trouble)?;
        let token = CancellationToken::new();
        let stop = token.clone();
        let output = self.output;
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            stop.cancel();
            // Some supervisors signal a process and its group: that is one wish, said twice.
            let same_wish = tokio::time::sleep(SAME_WISH);
            tokio::pin!(same_wish);
            loop {
                tokio::select! {
                    () = &mut same_wish => break,
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            }
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            output.message(
                "stopped at once; nothing is lost: what was under way is looked into at the next start",
            );
            exit_now();
        });
        Ok(token)
    }

    /// The engine whose containers are looked through where the configuration names none.
    pub(crate) fn engine(&self) -> CliResult<EngineAddress> {
        match self.global.docker_host.as_deref().filter(|host| !host.is_empty()) {
            None => Ok(EngineAddress::default()),
            Some(host) => host.parse().map_err(|error| {
                CliError::new(Exit::Usage, format!("{}: {error}", verisim_core::printable(host)))
                    .hint("mend --docker-host, or DOCKER_HOST in the environment")
            }),
        }
    }

    /// The configuration file, absolute.
    pub(crate) fn config_file(&self) -> CliResult<PathBuf> {
        let named = self.global.config.clone();
        let file = named
            .or_else(|| CONFIG_PLACES.iter().map(PathBuf::from).find(|place| place.exists()))
            .unwrap_or_else(|| PathBuf::from(CONFIG_PLACES[0]));
        absolute(&file)
    }

    /// The configuration, without a mistake; every mistake was shown when there was one.
    /// What a daemon found beside it is in it as it was last.
    pub(crate) fn config(&self) -> CliResult<Config> {
        let state = self.state()?;
        let file = self.config_file()?;
        let is_bare = self.global.config.is_none() && !file.exists();
        if is_bare && StateDir::at(&state.clone().map_or_else(default_state, Ok)?).discovered().exists() {
            return Ok(fleet::recalled(self.bare()?));
        }
        if is_bare {
            return Err(none_found());
        }
        Ok(fleet::recalled(self.engine_of(self.config_at(&file, state.as_deref())?)?))
    }

    /// Whether none was named and there is none in the usual places, nor any decoys that a daemon found.
    pub(crate) fn has_no_config(&self) -> CliResult<bool> {
        if self.global.config.is_some() || self.config_file()?.exists() {
            return Ok(false);
        }
        let state = self.state()?.map_or_else(default_state, Ok)?;
        Ok(!StateDir::at(&state).discovered().exists())
    }

    /// The configuration as it was written; where there is none, and none was named, the one that declares nothing.
    pub(crate) fn declared(&self) -> CliResult<Config> {
        let file = self.config_file()?;
        if self.global.config.is_none() && !file.exists() {
            return self.bare();
        }
        let state = self.state()?;
        self.engine_of(self.config_at(&file, state.as_deref())?)
    }

    /// The configuration that declares nothing.
    fn bare(&self) -> CliResult<Config> {
        let state = self.state()?.map_or_else(default_state, Ok)?;
        match config::parse("", &self.config_file()?, Some(&state)) {
            Ok(config) => self.engine_of(config),
            Err(error) => Err(CliError::new(Exit::Config, format!("{error:?}"))),
        }
    }

    fn state(&self) -> CliResult<Option<PathBuf>> {
        self.global.state.as_deref().map(absolute).transpose()
    }

    /// The same, with the engine of the environment where the configuration names none.
    fn engine_of(&self, mut config: Config) -> CliResult<Config> {
        if config.discover.has_host {
            return Ok(config);
        }
        match self.engine() {
            Ok(host) => config.discover.host = host,
            Err(error) if config.discover.is_asked_for => return Err(error),
            // Who does not ask for containers is not kept from everything else by a word that others read.
            Err(_) => config.discover.docker = false,
        }
        Ok(config)
    }

    /// The configuration in `file`.
    pub(crate) fn config_at(&self, file: &Path, state: Option<&Path>) -> CliResult<Config> {
        match config::load(file, state) {
            Ok(config) => Ok(config),
            Err(ConfigError::Unreadable(error)) => Err(error),
            Err(ConfigError::Mistakes { file, mistakes }) => {
                self.show_mistakes(&file, &mistakes);
                let count = mistakes.len();
                let noun = if count == 1 { "mistake" } else { "mistakes" };
                let message = format!("{count} {noun} in {}", show(&file));
                Err(CliError::new(Exit::Config, message).hint("nothing was started; mend the lines above"))
            }
        }
    }

    fn show_mistakes(&self, file: &Path, mistakes: &[mistake::Mistake]) {
        #[derive(Serialize)]
        struct Line<'a> {
            #[serde(rename = "type")]
            kind: &'static str,
            file: String,
            #[serde(flatten)]
            mistake: &'a mistake::Mistake,
        }
        if self.output.json {
            for mistake in mistakes {
                let line = Line { kind: "mistake", file: show(file), mistake };
                self.output.told(&line);
            }
        } else {
            self.output.message(mistake::render(file, mistakes).trim_end());
        }
    }
}

/// The state folder where nobody names one: that of the system for root, else one here.
pub(crate) fn default_state() -> CliResult<PathBuf> {
    match rustix::process::geteuid().is_root() {
        true => Ok(PathBuf::from("/var/lib/verisim")),
        false => absolute(Path::new("verisim-state")),
    }
}

/// Ends the process without waiting for anything.
#[expect(
    clippy::disallowed_methods,
    reason = "the second signal means: now; every instant is a safe one (INV-12)"
)]
fn exit_now() {
    std::process::exit(i32::from(Exit::Failed.code()));
}

/// The path from the root of this machine.
pub(crate) fn absolute(path: &Path) -> CliResult<PathBuf> {
    std::path::absolute(path).map_err(|error| CliError::io(Exit::Usage, "cannot use the path", path, &error))
}
