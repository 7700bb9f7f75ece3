//! Decoys that are hosts over SSH.

use std::collections::hash_map::Entry;

use verisim_connect::WayIn;

use super::check;
use super::model::{ConnectorConfig, SshConfig};
use super::read::Reader;
use super::section::{At, Section};
use super::traffic::read_secret;

/// The longest name of a host, in bytes (RFC 1035, 2.3.4).
const HOST_BYTES_MAX: usize = 253;

/// Reads how a host is reached.
pub(super) fn read_ssh(ssh: Section<'_>, decoy: &str, reader: &Reader<'_>) -> Option<ConnectorConfig> {
    if ssh.value("host").is_none() {
        ssh.missing("host", "\"files01\"");
    }
    let host = ssh.parse_with("host", "files01", host);
    let named_port = ssh.value("port").is_some();
    let port = ssh.number("port", 1..=65_535).and_then(|port| u16::try_from(port.value).ok());
    let user = ssh.parse_with("user", "root", user).map(|user| user.value);
    let file = |key, example| {
        ssh.parse_with(key, example, |text| check::folder(text).map(|()| reader.absolute(text)))
            .map(|file| file.value)
    };
    let identity = file("identity", "keys/decoys");
    let known_hosts = file("known_hosts", "known_hosts");
    let (way, exec) = read_way(&ssh);
    let password = read_secret(&ssh, "password", reader);
    let passphrase = read_secret(&ssh, "passphrase", reader);
    let config = host.filter(|_| port.is_some() || !named_port).map(|host| {
        note_host(reader, &host, port, decoy, &ssh);
        let host = host.value;
        ConnectorConfig::Ssh(Box::new(SshConfig {
            host,
            port,
            user,
            identity,
            known_hosts,
            way,
            exec,
            password,
            passphrase,
        }))
    });
    ssh.finish();
    config
}

/// Notes a host that is a decoy already.
fn note_host(reader: &Reader<'_>, host: &At<String>, port: Option<u16>, decoy: &str, section: &Section<'_>) {
    let mut known = reader.hosts.borrow_mut();
    // Without a port, the user's own configuration of SSH says which: 0 stands for that.
    match known.entry((host.value.to_ascii_lowercase(), port.unwrap_or(0))) {
        Entry::Vacant(free) => {
            free.insert(verisim_core::printable(decoy));
        }
        Entry::Occupied(taken) => {
            let what = format!("the host `{}` is the decoy `{}` already", host.value, taken.get());
            section.mistake(host.span.clone(), what, "give each decoy a host or a port of its own");
        }
    }
}

/// How files are reached, and whether commands may be run there.
fn read_way(ssh: &Section<'_>) -> (WayIn, bool) {
    let way = ssh.parse_with("path", "auto", |text| match text {
        "auto" => Ok(WayIn::Auto),
        "sftp" => Ok(WayIn::Sftp),
        "exec" => Ok(WayIn::Exec),
        other => Err(format!("{other:?} is neither \"auto\", \"sftp\" nor \"exec\"")),
    });
    let exec = ssh.flag("exec");
    if let (Some(At { value: WayIn::Exec, span }), Some(false)) = (&way, exec) {
        let what = "the way \"exec\" runs commands on the decoy, and `exec` forbids them";
        ssh.mistake(span.clone(), what, "write exec = true, or path = \"sftp\"");
    }
    let way = way.map_or(WayIn::Auto, |way| way.value);
    (way, exec.unwrap_or(way == WayIn::Exec))
}

/// Whether a host may be called this.
pub(crate) fn is_host(text: &str) -> bool {
    host(text).is_ok()
}

pub(super) fn host(text: &str) -> Result<String, String> {
    if let Some((user, _)) = text.split_once('@') {
        return Err(format!("the user has a key of its own: user = \"{}\"", verisim_core::printable(user)));
    }
    let fits = !text.is_empty()
        && text.len() <= HOST_BYTES_MAX
        && !text.starts_with('-')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:%".contains(&byte));
    if fits { Ok(text.to_owned()) } else { Err(format!("{text:?} is no name of a host, and no address")) }
}

pub(super) fn user(text: &str) -> Result<String, String> {
    let fits = !text.is_empty()
        && text.len() <= 256
        && !text.starts_with('-')
        && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    if fits { Ok(text.to_owned()) } else { Err(format!("{text:?} cannot be a user")) }
}
