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

/// Who asks, for the record: the login that the environment gives, and the account that it is in truth.
pub(crate) fn who(named: Option<&str>) -> String {
    let login = || ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(variable);
    let named = named.map(ToOwned::to_owned).or_else(|| Some(login()?.to_string_lossy().into_owned()));
    let uid = rustix::process::getuid().as_raw();
    named.map_or_else(|| format!("uid {uid}"), |name| format!("{name} (uid {uid})"))
}

/// What rclone asks about beside that: proxies and certificates, what opens its configuration or describes remotes, and the
/// credentials of cloud services. None of its other options, which would change what we ask of it.
const RCLONE_VARIABLES: [&str; 9] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "XDG_CONFIG_HOME",
];
const RCLONE_PREFIXES: [&str; 4] = ["RCLONE_CONFIG_", "AWS_", "AZURE_", "GOOGLE_"];

/// The environment of rclone.
pub(crate) fn environment_of_rclone() -> Vec<(OsString, OsString)> {
    let mut out = environment();
    out.extend(RCLONE_VARIABLES.iter().filter_map(|name| Some((OsString::from(name), variable(name)?))));
    let of_remotes = |name: &OsString| {
        RCLONE_PREFIXES.iter().any(|prefix| name.as_encoded_bytes().starts_with(prefix.as_bytes()))
    };
    out.extend(std::env::vars_os().filter(|(name, _)| of_remotes(name)));
    out
}

/// Where rclone looks for its configuration, in its order; none where the environment alone describes the remote.
pub(crate) fn rclone_config(remote: &str) -> Option<PathBuf> {
    if let Some(named) = variable("RCLONE_CONFIG") {
        return Some(named.into());
    }
    let home = variable("HOME").map(PathBuf::from).unwrap_or_default();
    let config = variable("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
    let usual = config.join("rclone/rclone.conf");
    let places = [usual.clone(), home.join(".config/rclone/rclone.conf"), home.join(".rclone.conf")];
    let name = remote.split(':').next().unwrap_or_default().to_uppercase();
    let is_described = variable(&format!("RCLONE_CONFIG_{name}_TYPE")).is_some();
    places.into_iter().find(|place| place.exists()).or_else(|| (!is_described).then_some(usual))
}

#[expect(clippy::disallowed_methods, reason = "this is where the binary asks what its tools shall be told")]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
