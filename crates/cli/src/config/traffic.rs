//! What decoys offer each other, and who may log in to it.

use std::collections::hash_map::Entry;
use std::net::IpAddr;

use verisim_core::{Service, TrafficProtocol};
use verisim_realism::Settings;

use super::check;
use super::mistake::nearest;
use super::model::{SecretSource, SshKey};
use super::read::{Reader, weights};
use super::section::{At, Section};

/// What connections are made to, by every name it has.
const SPOKEN: [&str; 12] =
    ["ssh", "sftp", "http", "web", "https", "mysql", "mariadb", "smtp", "imap", "smb", "samba", "cifs"];
/// What decoys offer to intruders and no connection is made to: known, so that a slip of the pen is told from it.
const ONLY_OFFERED: [&str; 38] = [
    "adb",
    "cwmp",
    "dns",
    "docker",
    "elasticsearch",
    "ftp",
    "ftps",
    "imaps",
    "ipp",
    "kubernetes",
    "ldap",
    "ldaps",
    "memcached",
    "modbus",
    "mongodb",
    "mqtt",
    "mssql",
    "nfs",
    "ntp",
    "oracle",
    "pop3",
    "pop3s",
    "postgres",
    "postgresql",
    "printer",
    "rdp",
    "redis",
    "rsync",
    "rtsp",
    "sip",
    "smtps",
    "snmp",
    "socks",
    "submission",
    "telnet",
    "tftp",
    "vnc",
    "winrm",
];
const PASSWORD_EXAMPLE: &str = "{ env = \"VERISIM_MKELLER\" }";

/// Reads `services` and `address` of a decoy.
pub(super) fn read_services(section: &Section<'_>, reader: &Reader<'_>) -> (Vec<String>, Option<IpAddr>) {
    let address = section.parse_with("address", "192.0.2.10", host_address);
    let address = address.map(|address| address.value);
    let mut services = Vec::new();
    for word in section.texts("services", "ssh") {
        match check_service(word.value) {
            Ok(service) => {
                if let Some((service, address)) = service.zip(address) {
                    note_offer(section, reader, &word, (address, service.port));
                }
                services.push(word.value.to_owned());
            }
            Err((what, mend)) => section.mistake(word.span, what, mend),
        }
    }
    (services, address)
}

/// The address of one host, as `address` of a decoy has it.
pub(crate) fn host_address(text: &str) -> Result<IpAddr, String> {
    let address: IpAddr =
        text.parse().map_err(|_| format!("{text:?} is no address; a name is not looked up"))?;
    let is_one_host = !address.is_unspecified() && !address.is_multicast();
    if is_one_host { Ok(address) } else { Err(format!("{address} is not the address of one host")) }
}

/// Whether a word may stand in `services`.
pub(crate) fn is_service(word: &str) -> bool {
    check_service(word).is_ok()
}

/// Whether a word names something that a decoy may offer: what connections are made to, or `None` for anything else.
fn check_service(word: &str) -> Result<Option<Service>, (String, String)> {
    let (name, port) = match word.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (word, None),
    };
    if port.is_some_and(|port| !port.parse::<u16>().is_ok_and(|port| port != 0)) {
        let what = format!("`{}` has no port after the colon", verisim_core::printable(word));
        return Err((what, "write for instance \"http:8080\"".to_owned()));
    }
    if let Some(service) = Service::parse(word) {
        return Ok(Some(service));
    }
    if name == TrafficProtocol::Tcp.wire() {
        return Err((
            "a bare `tcp` says nothing of the port".to_owned(),
            "write for instance \"tcp:9000\"".to_owned(),
        ));
    }
    let is_word = !name.is_empty()
        && name.len() <= 63
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let near = nearest(&name.to_ascii_lowercase(), SPOKEN.into_iter().chain(ONLY_OFFERED));
    match near {
        _ if is_word && ONLY_OFFERED.contains(&name) => Ok(None),
        Some(near) => {
            let what = format!("there is no service `{}`", verisim_core::printable(name));
            Err((what, format!("did you mean \"{near}\"?")))
        }
        None if is_word => Ok(None),
        None => {
            let what = format!("`{}` cannot name a service", verisim_core::printable(name));
            Err((what, "use a-z, 0-9 and '-', and a port behind a colon: \"http:8080\"".to_owned()))
        }
    }
}

/// Notes what two decoys offer at one place: a connection would reach one of them, and be told of the other.
fn note_offer(section: &Section<'_>, reader: &Reader<'_>, word: &At<&str>, at: (IpAddr, u16)) {
    let decoy = verisim_core::printable(section.peek("name").unwrap_or_default());
    match reader.offers.borrow_mut().entry(at) {
        Entry::Vacant(free) => {
            free.insert(decoy);
        }
        Entry::Occupied(taken) => {
            let (address, port) = at;
            let what = format!("port {port} of {address} is what `{}` offers already", taken.get());
            section.mistake(word.span.clone(), what, "give each decoy its own address, or the port it has");
        }
    }
}

/// Reads `[life.traffic]`: whether personas open connections, and of what kind.
pub(super) fn read_traffic(section: Section<'_>, life: &mut Settings) {
    if section.flag("enabled") == Some(false) {
        life.effects.traffic = 0;
    }
    let t = &mut life.traffic;
    weights(
        section,
        &mut [
            ("ssh", &mut t.ssh),
            ("http", &mut t.http),
            ("https", &mut t.https),
            ("mysql", &mut t.mysql),
            ("smtp", &mut t.smtp),
            ("imap", &mut t.imap),
            ("smb", &mut t.smb),
            ("tcp", &mut t.tcp),
        ],
    );
}

/// Reads where the password of a persona is to be found. The password itself is a mistake, and is not shown.
pub(super) fn read_password(section: &Section<'_>, reader: &Reader<'_>) -> Option<SecretSource> {
    read_secret(section, "password", reader)
}

/// What a persona logs in with over SSH.
pub(super) fn read_ssh_key(section: &Section<'_>, reader: &Reader<'_>) -> Option<SshKey> {
    let passphrase = read_secret(section, "ssh_passphrase", reader);
    let file = section
        .parse_with("ssh_key", "keys/mkeller", |text| check::folder(text).map(|()| reader.absolute(text)));
    if let (None, Some(value)) = (section.value("ssh_key"), section.value("ssh_passphrase")) {
        let what = "an `ssh_passphrase` without an `ssh_key` says nothing";
        section.mistake(value.span(), what, "add ssh_key = \"keys/mkeller\", or leave it out");
    }
    Some(SshKey { file: file?.value, passphrase })
}

/// Where the secret under a key is to be found; one that stands here itself is a mistake, and is not shown.
pub(super) fn read_secret(
    section: &Section<'_>,
    key: &'static str,
    reader: &Reader<'_>,
) -> Option<SecretSource> {
    let value = section.value(key)?;
    if value.get_ref().as_str().is_some() {
        section.mistake(
            value.span(),
            format!("a {key} does not belong into this file, where everybody reads it"),
            format!("write {key} = {PASSWORD_EXAMPLE}, or {key} = {{ file = \"mkeller.{key}\" }}"),
        );
        return None;
    }
    let source = section.table(key, key, PASSWORD_EXAMPLE)?;
    let env = source.parse_with("env", "VERISIM_MKELLER", |name| {
        let fits = !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        // What does not look like a name may be the password itself.
        if fits { Ok(name.to_owned()) } else { Err("that is not the name of a variable".to_owned()) }
    });
    let file = source
        .parse_with("file", "mkeller.password", |text| check::folder(text).map(|()| reader.absolute(text)));
    if source.value("env").is_some() == source.value("file").is_some() {
        source.mistake(
            source.span.clone(),
            format!("a {key} is taken from one place: `env` or `file`"),
            format!("write {key} = {PASSWORD_EXAMPLE}, or {key} = {{ file = \"mkeller.{key}\" }}"),
        );
    }
    source.finish();
    let env = env.map(|env| SecretSource::Variable(env.value));
    env.or_else(|| file.map(|file| SecretSource::File(file.value)))
}
