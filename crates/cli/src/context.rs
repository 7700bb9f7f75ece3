//! What every command works with: the global arguments, where results go, and the configuration.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::args::Global;
use crate::config::{self, Config, ConfigError, mistake};
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::output::Output;

/// Where a configuration is looked for when none is named, in this order.
const CONFIG_PLACES: [&str; 2] = ["verisim.toml", "/etc/verisim/verisim.toml"];

/// What every command works with.
#[derive(Debug)]
pub(crate) struct Context {
    /// The global arguments.
    pub(crate) global: Global,
    /// Where results and messages go.
    pub(crate) output: Output,
}

impl Context {
    /// A context.
    pub(crate) const fn new(global: Global, output: Output) -> Self {
        Self { global, output }
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
    pub(crate) fn config(&self) -> CliResult<Config> {
        let file = self.config_file()?;
        let state = self.global.state.as_deref().map(absolute).transpose()?;
        match config::load(&file, state.as_deref()) {
            Ok(config) => Ok(config),
            Err(ConfigError::Unreadable(error)) => Err(error),
            Err(ConfigError::Mistakes { file, mistakes }) => {
                self.show_mistakes(&file, &mistakes);
                let count = mistakes.len();
                let noun = if count == 1 { "mistake" } else { "mistakes" };
                let message = format!("{count} {noun} in {}", error_path(&file));
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
                let line = Line { kind: "mistake", file: error_path(file), mistake };
                self.output.message(serde_json::to_string(&line).unwrap_or_default());
            }
        } else {
            self.output.message(mistake::render(file, mistakes).trim_end());
        }
    }
}

fn error_path(file: &Path) -> String {
    crate::error::show(file)
}

/// The path from the root of this machine.
pub(crate) fn absolute(path: &Path) -> CliResult<PathBuf> {
    std::path::absolute(path).map_err(|error| CliError::io(Exit::Usage, "cannot use the path", path, &error))
}
