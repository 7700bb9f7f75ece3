//! How ssh is asked: keys alone, a host key that is known, and an end when the other side is silent.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

use super::RsyncOptions;

/// What is asked in any case. The first value counts, and the command line comes before every file.
const ALWAYS: [&str; 17] = [
    // Nobody sits here who could answer.
    "BatchMode=yes",
    "PasswordAuthentication=no",
    "KbdInteractiveAuthentication=no",
    "NumberOfPasswordPrompts=0",
    // A key that is not known is a person's matter.
    "StrictHostKeyChecking=yes",
    "UpdateHostKeys=no",
    // A silent way is found out within a minute and a quarter.
    "ConnectTimeout=15",
    "ConnectionAttempts=1",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=4",
    // Banners may say anything.
    "LogLevel=ERROR",
    // One connection, which ends with the tool, and nothing beside it.
    "ControlMaster=no",
    "ControlPath=none",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "PermitLocalCommand=no",
    // Evidence is mostly compressed already, and the processor is needed for hashing.
    "Compression=no",
];

/// The arguments before the host.
pub(super) fn arguments(options: &RsyncOptions) -> Vec<OsString> {
    let mut out: Vec<OsString> = vec!["-T".into()];
    let mut option = |value: OsString| out.extend(["-o".into(), value]);
    ALWAYS.iter().for_each(|value| option(value.into()));
    if !options.known_hosts.is_empty() {
        option(files("UserKnownHostsFile=", &options.known_hosts));
        option("GlobalKnownHostsFile=/dev/null".into());
    }
    if let Some(key) = &options.key {
        option("IdentitiesOnly=yes".into());
        option(files("IdentityFile=", std::slice::from_ref(key)));
    }
    if let Some(port) = options.port {
        option(format!("Port={port}").into());
    }
    if let Some(user) = &options.user {
        out.extend(["-l".into(), user.into()]);
    }
    out
}

/// A list of files as ssh_config(5) takes it: each in double quotes, with `%` doubled.
fn files<'f>(keyword: &str, files: impl IntoIterator<Item = &'f std::path::PathBuf>) -> OsString {
    let mut out = keyword.as_bytes().to_vec();
    for (at, file) in files.into_iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"\"" } else { b" \"" });
        for byte in file.as_os_str().as_bytes() {
            match byte {
                b'%' => out.extend_from_slice(b"%%"),
                b'"' | b'\\' => out.extend([b'\\', *byte]),
                byte => out.push(*byte),
            }
        }
        out.push(b'"');
    }
    OsString::from_vec(out)
}

/// The whole of it as one value of rsync's `-e`: words in single quotes, in which a doubled one stands for itself (rsync(1)).
pub(super) fn remote_shell(ssh: &Path, arguments: &[OsString]) -> OsString {
    let mut out = Vec::new();
    for word in std::iter::once(ssh.as_os_str()).chain(arguments.iter().map(OsString::as_os_str)) {
        if !out.is_empty() {
            out.push(b' ');
        }
        out.push(b'\'');
        for byte in word.as_bytes() {
            out.push(*byte);
            if *byte == b'\'' {
                out.push(b'\'');
            }
        }
        out.push(b'\'');
    }
    OsString::from_vec(out)
}

/// The host as rsync takes it before a colon: an address with colons stands in brackets.
pub(super) fn host_of(options: &RsyncOptions) -> OsString {
    match options.host.contains(':') {
        true => format!("[{}]", options.host).into(),
        false => OsStr::new(&options.host).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> RsyncOptions {
        RsyncOptions {
            port: Some(2222),
            user: Some("lab".into()),
            key: Some("/k/it's 50%".into()),
            known_hosts: vec!["/a b".into(), "/c".into()],
            ..RsyncOptions::new("::1", "/runs", "/scratch".into())
        }
    }

    /// What today's flow leaves to chance is set.
    #[test]
    fn defect_19_ssh_is_told_never_to_ask_never_to_believe_and_never_to_wait_for_ever() {
        let said: Vec<String> =
            arguments(&options()).iter().map(|word| word.to_string_lossy().into_owned()).collect();
        for expected in [
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "StrictHostKeyChecking=yes",
            "ConnectTimeout=15",
            "ServerAliveInterval=15",
            "ServerAliveCountMax=4",
            "LogLevel=ERROR",
            "UserKnownHostsFile=\"/a b\" \"/c\"",
            "IdentityFile=\"/k/it's 50%%\"",
            "Port=2222",
        ] {
            assert!(said.iter().any(|word| word == expected), "{expected} is not in {said:?}");
        }
        assert_eq!(host_of(&options()), "[::1]");
    }

    #[test]
    fn rsync_takes_the_words_of_its_shell_apart_again() {
        let shell = remote_shell(Path::new("/usr/bin/ssh"), &["-i".into(), "/k/it's 50%".into()]);
        assert_eq!(shell, "'/usr/bin/ssh' '-i' '/k/it''s 50%'");
    }
}
