//! Accepting a host key that nobody knows yet.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use russh::keys::{HashAlg, PublicKey, PublicKeyBase64 as _};

use crate::known_hosts;
use crate::meet::look;
use crate::session::Dialled;
use crate::{Error, KnownHosts, Result, Session, Target, Verdict};

/// The key that a host shows, and what is known of it.
#[derive(Debug, Clone)]
pub struct HostKey {
    /// The host, as it stands in `known_hosts`.
    pub host: String,
    /// The fingerprint, in the form in which `ssh-keygen -l` prints it.
    pub fingerprint: String,
    /// Its algorithm, for instance `ssh-ed25519`.
    pub algorithm: String,
    /// What is known of it already.
    pub verdict: Verdict,
    key: PublicKey,
}

/// Asks a host for its key, without logging in. The hosts on the way must be known.
///
/// # Errors
/// When no connection comes about.
pub async fn fetch_host_key(target: &Target) -> Result<HostKey> {
    let way: Dialled = Session::way_to(target).await?;
    let key = look(target, way).await?;
    let host = target.known_as();
    let verdict = KnownHosts::load(&target.known_hosts)?.verdict(&host, &key);
    let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
    Ok(HostKey { host, fingerprint, algorithm: key.algorithm().to_string(), verdict, key })
}

/// Writes a key down, so that the host is known from now on, and answers in which file. One that is known already is not
/// written twice. One that changed is refused: the old line is for a person to remove.
///
/// # Errors
/// When it changed or is revoked, or the file cannot be written.
pub fn accept_host_key(target: &Target, key: &HostKey) -> Result<PathBuf> {
    let Some(file) = target.known_hosts.first() else {
        return Err(Error::File { file: PathBuf::new(), detail: "no known_hosts is configured".into() });
    };
    let (host, fingerprint) = (key.host.clone(), key.fingerprint.clone());
    match KnownHosts::load(&target.known_hosts)?.verdict(&key.host, &key.key) {
        Verdict::Known => {}
        Verdict::Unknown { .. } => write_down(file, &key.host, &key.key)?,
        Verdict::Changed { file, line } => {
            return Err(Error::HostKeyChanged { host, fingerprint, file, line });
        }
        Verdict::Revoked { file, line } => return Err(Error::HostKeyRevoked { host, file, line }),
    }
    Ok(file.clone())
}

/// Writes a key down in the place of every other that is known of the host. The files are kept as they were under the same
/// name with `.old` behind it.
///
/// # Errors
/// When the key is revoked, a pattern names the host together with others, or a file cannot be written.
pub fn replace_host_key(target: &Target, key: &HostKey) -> Result<PathBuf> {
    let verdict = KnownHosts::load(&target.known_hosts)?.verdict(&key.host, &key.key);
    if let Verdict::Revoked { file, line } = verdict {
        return Err(Error::HostKeyRevoked { host: key.host.clone(), file, line });
    }
    for file in &target.known_hosts {
        forget(file, &key.host)?;
    }
    accept_host_key(target, key)
}

/// Takes what a file says of the keys of a host out of it, in one step.
fn forget(file: &Path, host: &str) -> Result<()> {
    let failed = |detail: String| Error::File { file: file.to_path_buf(), detail };
    let io = |error: std::io::Error| failed(error.to_string());
    let text = match std::fs::read(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        text => text.map_err(io)?,
    };
    let left = known_hosts::without(&text, host).map_err(|line| {
        failed(format!("line {line} names {host} with a pattern, together with others: mend it by hand"))
    })?;
    let Some(left) = left else { return Ok(()) };
    // Where it is a link, what it leads to is replaced.
    let real = std::fs::canonicalize(file).map_err(io)?;
    let beside = |ending: &str| {
        let mut name = real.clone().into_os_string();
        name.push(ending);
        PathBuf::from(name)
    };
    std::fs::copy(&real, beside(".old")).map_err(io)?;
    let new = beside(".new");
    // A copy keeps the mode; what a killed process left there is written over.
    std::fs::copy(&real, &new).map_err(io)?;
    let written = std::fs::OpenOptions::new().write(true).truncate(true).open(&new).and_then(|mut open| {
        open.write_all(&left)?;
        open.sync_all()
    });
    written.and_then(|()| std::fs::rename(&new, &real)).map_err(io)
}

/// Adds one line, in one write.
pub(crate) fn write_down(file: &Path, host: &str, key: &PublicKey) -> Result<()> {
    let failed = |error: std::io::Error| Error::File { file: file.to_path_buf(), detail: error.to_string() };
    if let Some(dir) = file.parent() {
        std::fs::create_dir_all(dir).map_err(failed)?;
    }
    let line = format!("{host} {} {}\n", key.algorithm(), key.public_key_base64());
    let unfinished = std::fs::read(file).is_ok_and(|text| text.last().is_some_and(|byte| *byte != b'\n'));
    let line = if unfinished { format!("\n{line}") } else { line };
    let mut known =
        std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(file).map_err(failed)?;
    known.write_all(line.as_bytes()).and_then(|()| known.sync_all()).map_err(failed)
}
