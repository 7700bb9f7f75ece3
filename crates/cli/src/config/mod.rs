//! `verisim.toml`: read and checked as a whole, every mistake reported at once with its line.

mod capture;
mod check;
mod company;
mod connector;
mod discover;
mod far;
mod gate;
pub(crate) mod mistake;
mod model;
mod object;
mod persona;
mod rclone;
mod read;
mod section;
mod ssh;
mod traffic;
pub(crate) mod units;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use toml::de::DeTable;

use self::mistake::{Mistake, Report};
#[cfg(feature = "object")]
pub(crate) use self::model::StoreConfig;
pub(crate) use self::model::{
    Bandwidth, CaptureConfig, Complete, Config, ConnectorConfig, DecoyConfig, DestinationConfig,
    DockerConfig, Each, ObjectConfig, RcloneConfig, RsyncConfig, SecretSource, SftpConfig, SshConfig, SshKey,
    TransportConfig,
};
pub(crate) use self::persona::{PersonaConfig, email, signature};
use self::section::Section;
pub(crate) use self::ssh::is_host;
pub(crate) use self::traffic::{host_address, is_service};
use crate::error::{CliError, CliResult};
use crate::exit::Exit;

/// The largest configuration that is read, in bytes: ten thousand decoys take about two million.
const CONFIG_BYTES_MAX: u64 = 4 << 20;

/// Why a configuration cannot be used.
#[derive(Debug)]
pub(crate) enum ConfigError {
    /// It cannot be read at all.
    Unreadable(CliError),
    /// It has mistakes.
    Mistakes {
        /// The file.
        file: PathBuf,
        /// What is wrong, in the order of the text; never empty.
        mistakes: Vec<Mistake>,
    },
}

impl From<CliError> for ConfigError {
    fn from(error: CliError) -> Self {
        Self::Unreadable(error)
    }
}

/// Reads and checks a configuration. `state` replaces the state folder that it names.
///
/// # Errors
/// When the file cannot be read, or with everything that is wrong in it.
pub(crate) fn load(file: &Path, state: Option<&Path>) -> Result<Config, ConfigError> {
    let text = read_bounded(file)?;
    parse(&text, file, state)
}

/// What to do where there is no configuration.
pub(crate) const NONE_THERE: &str = "`verisim init` writes one by looking around, --config FILE names one that is elsewhere, `verisim demo` needs none";

/// Reads a regular file of a bounded size. Nothing else is waited for: a FIFO without a writer would be for ever.
fn read_bounded(file: &Path) -> CliResult<String> {
    let shown = crate::error::show(file);
    let trouble =
        |error: &std::io::Error| CliError::io(Exit::Config, "cannot read the configuration", file, error);
    let refused = |why: &str| {
        CliError::new(Exit::Config, format!("{shown} is no configuration: {why}"))
            .hint("name a text file as `verisim init` writes it, with --config FILE")
    };
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let open = rustix::fs::open(file, flags, Mode::empty()).map_err(|error| match error {
        rustix::io::Errno::NOENT => trouble(&error.into()).hint(NONE_THERE),
        _ => trouble(&error.into()),
    })?;
    let open = std::fs::File::from(open);
    let meta = open.metadata().map_err(|error| trouble(&error))?;
    if !meta.is_file() {
        return Err(refused(if meta.is_dir() { "it is a folder" } else { "it is not a regular file" }));
    }
    let large = || refused(&format!("it is larger than {}", units::show_size(CONFIG_BYTES_MAX)));
    if meta.len() > CONFIG_BYTES_MAX {
        return Err(large());
    }
    let mut bytes = Vec::new();
    open.take(CONFIG_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| trouble(&error))?;
    if bytes.len() as u64 > CONFIG_BYTES_MAX {
        return Err(large());
    }
    String::from_utf8(bytes)
        .map_err(|error| refused(&format!("it is not UTF-8 at byte {}", error.utf8_error().valid_up_to())))
}

/// Checks a configuration that was read. `file` is absolute: relative paths are resolved against its folder.
pub(crate) fn parse(text: &str, file: &Path, state: Option<&Path>) -> Result<Config, ConfigError> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let broken: Vec<_> =
        errors.into_iter().map(|error| (error.span().unwrap_or(0..0), error.message().to_owned())).collect();
    let report = Report::on(text, &broken);
    let base = file.parent().unwrap_or(Path::new("/"));
    let top = Section::new("the configuration", table.get_ref(), 0..0, &report);
    let config = read::read_config(top, base, state);
    let mistakes = report.finish(text, broken);
    match config {
        Some(config) if mistakes.is_empty() => Ok(config),
        _ => Err(ConfigError::Mistakes { file: file.to_owned(), mistakes }),
    }
}

#[cfg(test)]
mod evidence_tests;
#[cfg(test)]
mod tests;
