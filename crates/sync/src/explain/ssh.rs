//! What OpenSSH says when no session comes about. Each is a whole line: banners, and what a login prints, come on the same
//! stream and may hold any words. The lines are those of OpenSSH 9's sources and of runs against it.

use verisim_core::FailureKind;

use super::{Finding, advice};
use crate::errno::Side;

const KEY_FILE: &str = "ssh does not use this key file: chmod 0600, and look whether it is a private key";
const UNKNOWN_HOST: &str = "compare the host's key with the one it shows on its console, then accept it: `verisim sync trust`, or ssh-keyscan into known_hosts";
const CHANGED_HOST: &str = "the host shows another key than before: find out why before you replace it (ssh-keygen -R HOST); somebody may be in between";
const NO_COMMON: &str = "both sides know no common algorithm: one of them is very old; see KexAlgorithms and HostKeyAlgorithms in ssh_config";
const CLIENT: &str = "mend the ssh configuration or the arguments on this machine";
const ACCOUNT: &str = "the account there may not run commands: give it a shell, or use a transport over SFTP";
const LOCKED: &str = "too many keys were offered: name one with IdentityFile and set IdentitiesOnly";
const HUNG_UP: &str = "the host took the connection and closed it before SSH began: too many connections at once there (MaxStartups or PerSourcePenalties of its sshd), fail2ban, or a firewall";
const JUMP: &str = "the host on the way does not let us through: see AllowTcpForwarding there";

/// What these lines mean together, if ssh said anything.
pub(super) fn find<'a>(lines: impl Iterator<Item = &'a str>) -> Option<Finding> {
    let mut found: Option<Finding> = None;
    let mut changed = false;
    let mut bad_key = false;
    for line in lines {
        changed |= is_changed(line);
        bad_key |= is_bad_key(line);
        if let Some((kind, hint)) = meaning(line) {
            let next = Finding::new(kind, Side::Far, hint.unwrap_or_else(|| advice(kind, Side::Far)))
                .by(line)
                .before();
            found = Some(match found {
                // What is decided is not made a mere broken connection by its end.
                Some(before) if before.weight() >= next.weight() => before,
                _ => next,
            });
        }
    }
    found.map(|finding| match finding.kind {
        FailureKind::Auth if bad_key => Finding { kind: FailureKind::Config, hint: KEY_FILE, ..finding },
        FailureKind::Auth if changed => Finding { hint: CHANGED_HOST, ..finding },
        _ => finding,
    })
}

fn is_changed(line: &str) -> bool {
    line == "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @"
        || (line.starts_with("Host key for ")
            && line.ends_with(" has changed and you have requested strict checking."))
}

/// A key that was to be used and could not be: that the host then refuses us is only what follows.
fn is_bad_key(line: &str) -> bool {
    (line.starts_with("Load key \"")
        && [
            ": bad permissions",
            ": invalid format",
            ": error in libcrypto",
            ": No such file or directory",
            ": Permission denied",
            ": incorrect passphrase supplied to decrypt private key",
        ]
        .iter()
        .any(|end| line.ends_with(end)))
        || (line.starts_with("Warning: Identity file ") && line.contains(" not accessible: "))
        || (line.starts_with("Permissions 0") && line.ends_with(" are too open."))
}

type Meaning = (FailureKind, Option<&'static str>);

fn meaning(line: &str) -> Option<Meaning> {
    login(line).or_else(|| host(line)).or_else(|| way(line)).or_else(|| client(line))
}

/// Who we are.
fn login(line: &str) -> Option<Meaning> {
    let auth = Some((FailureKind::Auth, None));
    // `user@host: Permission denied (publickey,password).`; old clients leave out who they are.
    let said = match line.split_once(": Permission denied (") {
        Some((who, rest)) if who.contains('@') && !who.contains(' ') => Some(rest),
        Some(_) => None,
        None => line.strip_prefix("Permission denied ("),
    };
    if let Some(rest) = said
        && let Some(methods) = rest.strip_suffix(").")
        && methods.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b',' | b'-'))
    {
        return auth;
    }
    if (line.starts_with("Received disconnect from ") || line.starts_with("Disconnected from "))
        && line.ends_with("Too many authentication failures")
    {
        return Some((FailureKind::Auth, Some(LOCKED)));
    }
    if line.starts_with("Received disconnect from ") {
        return Some((FailureKind::Network, None));
    }
    let is_login = line == "Permission denied, please try again."
        || line == "Too many authentication failures"
        || line == "Authentication failed."
        || line.starts_with("sign_and_send_pubkey: signing failed for ")
        || line.starts_with("WARNING: Your password has expired.")
        || line == "Your account has expired; please contact your system administrator."
        || line == "No more authentication methods to try.";
    if is_login { auth } else { None }
}

/// Who the host is.
fn host(line: &str) -> Option<Meaning> {
    match line {
        "Host key verification failed." => Some((FailureKind::Auth, Some(UNKNOWN_HOST))),
        _ if line.starts_with("No ") && line.ends_with(" and you have requested strict checking.") => {
            Some((FailureKind::Auth, Some(UNKNOWN_HOST)))
        }
        _ if is_changed(line) => Some((FailureKind::Auth, Some(CHANGED_HOST))),
        _ if line.starts_with("Unable to negotiate with ") && line.contains(": no matching ") => {
            Some((FailureKind::Config, Some(NO_COMMON)))
        }
        _ => None,
    }
}

/// Whether there is a way to it.
fn way(line: &str) -> Option<Meaning> {
    let network = Some((FailureKind::Network, None));
    let begins = |words: &[&str]| words.iter().any(|word| line.starts_with(word));
    if line.starts_with("ssh: connect to host ") && line.contains(" port ") {
        return network;
    }
    if line.starts_with("ssh: Could not resolve hostname ") {
        return Some((
            FailureKind::Network,
            Some("the name of the host does not resolve: look at the name, and at DNS"),
        ));
    }
    if begins(&["kex_exchange_identification: ", "ssh_exchange_identification: "]) {
        let is_other = line.ends_with("banner line contains invalid characters")
            || line.ends_with("banner line too long");
        let hung_up = line.ends_with(": Connection closed by remote host")
            || line.ends_with(": Connection reset by peer")
            || line.ends_with(": Connection reset");
        return if is_other {
            Some((FailureKind::Config, Some("what listens there is not an ssh server: look at the port")))
        } else {
            Some((FailureKind::Network, hung_up.then_some(HUNG_UP)))
        };
    }
    if begins(&["channel ", "stdio forwarding failed"])
        && (line.contains(": open failed: ") || line.starts_with("stdio"))
    {
        return Some((FailureKind::Network, Some(JUMP)));
    }
    let is_end = (begins(&["Connection closed by ", "Connection reset by "])
        && (line.contains(" port ") || line.ends_with("[preauth]")))
        || (line.starts_with("Connection to ")
            && (line.contains(" closed by remote host.")
                || line.contains(" timed out")
                || line.contains(" closed.")))
        || (line.starts_with("Timeout, server ") && line.ends_with(" not responding."))
        || line == "Connection timed out during banner exchange"
        || begins(&[
            "client_loop: send disconnect: ",
            "packet_write_wait: ",
            "ssh_dispatch_run_fatal: ",
            "Read from remote host ",
            "banner exchange: Connection to ",
            "mux_client_",
        ]);
    if is_end { network } else { None }
}

/// Whether ssh here, and the shell there, do what is asked of them.
fn client(line: &str) -> Option<Meaning> {
    let begins = |words: &[&str]| words.iter().any(|word| line.starts_with(word));
    if line == "This service allows sftp connections only."
        || line == "This account is currently not available."
    {
        return Some((FailureKind::Config, Some(ACCOUNT)));
    }
    let is_config = (line.contains(": Bad configuration option: ")
        || (line.starts_with("Bad configuration option: ")))
        || (line.contains(": terminating, ") && line.ends_with(" bad configuration options"))
        || begins(&[
            "Bad owner or permissions on ",
            "Bad port '",
            "Unknown cipher type ",
            "Unsupported KEX algorithm ",
            "unknown option -- ",
            "usage: ssh ",
            "Can't open user config file ",
        ])
        || (line.contains(" line ")
            && (line.contains(": Bad number '")
                || line.ends_with(": missing argument.")
                || line.contains("keyword ") && line.contains(" extra arguments at end of line")));
    is_config.then_some((FailureKind::Config, Some(CLIENT)))
}
