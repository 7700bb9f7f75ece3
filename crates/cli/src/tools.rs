//! The tools of this machine that we start: where they are looked for, and what they are told of whoever runs us.

use std::ffi::OsString;
use std::path::PathBuf;

use verisim_sys::Runner;

use crate::error::{CliError, CliResult};
use crate::exit::Exit;

/// What ssh asks about: where programs and the home are, who runs it, and where the agent listens.
const VARIABLES: [&str; 5] = ["PATH", "HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK"];

/// What starts them.
///
/// # Errors
/// When no thread can be started.
pub(crate) fn runner() -> CliResult<Runner> {
    let path = variable("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    Runner::new(folders).map_err(|error| CliError::new(Exit::Failed, error))
}

/// Their environment: of ours, no more than they need.
pub(crate) fn environment() -> Vec<(OsString, OsString)> {
    VARIABLES.iter().filter_map(|name| Some((OsString::from(name), variable(name)?))).collect()
}

#[expect(clippy::disallowed_methods, reason = "this is where the binary asks what its tools shall be told")]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
