//! `verisim decoy trust` and `verisim sync trust`: a person looks at the key that a host shows, and says that it is the host's.

use std::io::{IsTerminal as _, Read as _, Write as _};

use serde::Serialize;
use verisim_core::{DecoyName, DestinationName, printable};
use verisim_ssh::{
    Error, HostKey, KnownHosts, KnownKey, Target, Verdict, accept_host_key, fetch_host_key, replace_host_key,
};

use crate::args::{AcceptArgs, TrustArgs};
use crate::config::{Config, ConnectorConfig, SshConfig, TransportConfig};
use crate::context::Context;
use crate::error::{CliError, CliResult, advice, show};
use crate::exit::Exit;
use crate::hosts::Hosts;
use crate::wire::{unknown_decoy, unknown_destination};

/// The longest answer of a person that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 64;

/// What is told of one host key.
#[derive(Debug, Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    decoy: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<&'a str>,
    /// The host, as it stands in `known_hosts`.
    host: &'a str,
    algorithm: &'a str,
    fingerprint: &'a str,
    /// `known`, `unknown`, `changed` or `revoked`.
    verdict: &'static str,
    /// What is known of the host, before anything is accepted.
    on_file: Vec<OnFile>,
    accepted: bool,
    /// Where it was written down.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

#[derive(Debug, Serialize)]
struct OnFile {
    algorithm: String,
    fingerprint: String,
    file: String,
    line: usize,
}

/// Whose key it is.
#[derive(Debug, Clone, Copy)]
enum Whose<'a> {
    Decoy(&'a str),
    Destination(&'a str),
}

impl<'a> Whose<'a> {
    const fn name(self) -> &'a str {
        match self {
            Self::Decoy(name) | Self::Destination(name) => name,
        }
    }

    const fn command(self) -> &'static str {
        match self {
            Self::Decoy(_) => "verisim decoy trust",
            Self::Destination(_) => "verisim sync trust",
        }
    }
}

/// Shows the keys of a decoy and of the hosts on the way to it, and accepts them where a person says so.
pub(super) async fn trust(context: &Context, args: &TrustArgs) -> CliResult {
    let config = context.config()?;
    let ssh = ssh_of(&config, &args.decoy)?;
    let mend = "mend its `connector`, or ~/.ssh/config";
    trust_host(context, Whose::Decoy(args.decoy.as_str()), ssh, &args.accept, mend).await
}

/// The same for a destination.
pub(super) async fn trust_destination(
    context: &Context,
    config: &Config,
    name: &DestinationName,
    accept: &AcceptArgs,
) -> CliResult {
    let destination = config.destinations.iter().find(|destination| &destination.name == name);
    match &destination.ok_or_else(|| unknown_destination(config, name))?.transport {
        TransportConfig::Rsync(rsync) => {
            let mend = "mend its `rsync_ssh`, or ~/.ssh/config";
            trust_host(context, Whose::Destination(name.as_str()), &rsync.ssh, accept, mend).await
        }
        TransportConfig::Sftp(sftp) => {
            let mend = "mend its `sftp`, or ~/.ssh/config";
            trust_host(context, Whose::Destination(name.as_str()), &sftp.ssh, accept, mend).await
        }
        TransportConfig::Rclone(_) => {
            let what = format!("{name} is reached by rclone, which has host keys of its own");
            Err(CliError::new(Exit::Usage, what)
                .hint("`known_hosts_file` of the remote in rclone.conf names the file; ssh-keyscan fills it"))
        }
        TransportConfig::Native(_) | TransportConfig::Object(_) => {
            let what = format!("{name} is not reached over SSH, and has no host key");
            Err(CliError::new(Exit::Usage, what)
                .hint("`verisim doctor` says how each destination is reached"))
        }
    }
}

async fn trust_host(
    context: &Context,
    whose: Whose<'_>,
    ssh: &SshConfig,
    accept: &AcceptArgs,
    mend: &str,
) -> CliResult {
    let target = Hosts::default().target(ssh).map_err(|why| CliError::new(Exit::Config, why).hint(mend))?;
    // Whoever wants to see the key of a host must know the hosts on the way; so these are looked at first.
    for (at, hop) in target.jumps.iter().enumerate() {
        let hop = Target { jumps: target.jumps[..at].to_vec(), ..hop.clone() };
        // What a person says of the fingerprint is about the host itself alone.
        let accept = AcceptArgs { fingerprint: None, ..accept.clone() };
        let exit = look(context, whose, &accept, &hop).await?;
        if exit != Exit::Done {
            return Ok(exit);
        }
    }
    look(context, whose, accept, &target).await
}

fn ssh_of<'c>(config: &'c Config, name: &DecoyName) -> CliResult<&'c SshConfig> {
    let decoy = config.decoys.iter().find(|decoy| &decoy.name == name);
    match &decoy.ok_or_else(|| unknown_decoy(config, name))?.connector {
        ConnectorConfig::Ssh(ssh) => Ok(ssh),
        ConnectorConfig::Rootfs(_) | ConnectorConfig::Docker(_) => {
            let what = format!("{name} is not reached over SSH, and has no host key");
            Err(CliError::new(Exit::Usage, what).hint("`verisim doctor` says how each decoy is reached"))
        }
    }
}

async fn look(context: &Context, whose: Whose<'_>, args: &AcceptArgs, target: &Target) -> CliResult {
    let key = Box::pin(fetch_host_key(target)).await.map_err(|error| failed(&error))?;
    let on_file = KnownHosts::load(&target.known_hosts).map_err(|error| failed(&error))?.keys(&key.host);
    let mut line = Line {
        decoy: matches!(whose, Whose::Decoy(_)).then(|| whose.name()),
        destination: matches!(whose, Whose::Destination(_)).then(|| whose.name()),
        host: &key.host,
        algorithm: &key.algorithm,
        fingerprint: &key.fingerprint,
        verdict: verdict(&key.verdict),
        on_file: on_file.iter().map(on_file_line).collect(),
        accepted: false,
        file: None,
    };
    show_key(context, whose, &key, &on_file);
    let decided = match &key.verdict {
        Verdict::Known => Ok(false),
        Verdict::Revoked { file, line } => {
            let what = format!("the key of {} is revoked: line {line} of {}", key.host, show(file));
            Err(CliError::new(Exit::Found, what)
                .hint("nobody should use it any more; give the host a new key"))
        }
        Verdict::Unknown { .. } | Verdict::Changed { .. } => decide(context, whose, args, &key),
    };
    if let Ok(true) = decided {
        let file = match &key.verdict {
            Verdict::Changed { .. } => replace_host_key(target, &key),
            _ => accept_host_key(target, &key),
        };
        (line.accepted, line.file) = (true, Some(show(&file.map_err(|error| failed(&error))?)));
    }
    if context.output.json {
        context.output.typed("host_key", &line)?;
    } else if let Some(file) = &line.file {
        context.output.say(format!("accepted; it stands in {file}"));
    }
    decided.map(|_| Exit::Done)
}

fn show_key(context: &Context, whose: Whose<'_>, key: &HostKey, on_file: &[KnownKey]) {
    if context.output.json {
        return;
    }
    let (name, host) = (whose.name(), &key.host);
    let known = match &key.verdict {
        Verdict::Known => "it is known, and nothing is to be done",
        Verdict::Unknown { .. } => "it is not known yet",
        Verdict::Changed { .. } => "it is ANOTHER than the one that is known",
        Verdict::Revoked { .. } => "it is REVOKED",
    };
    context.output.say(format!("{name}: {host} shows {} {}; {known}", key.algorithm, key.fingerprint));
    for known in on_file.iter().filter(|known| known.fingerprint != key.fingerprint) {
        let place = format!("line {} of {}", known.line, show(&known.file));
        context.output.say(format!("  on file: {} {} ({place})", known.algorithm, known.fingerprint));
    }
}

/// How long a SHA-256 is in base64, without its padding.
const FINGERPRINT_CHARS: usize = 43;

/// Whether a person accepts the key: by a word on the command line, or at the terminal.
fn decide(context: &Context, whose: Whose<'_>, args: &AcceptArgs, key: &HostKey) -> CliResult<bool> {
    if let Some(expected) = &args.fingerprint {
        if *expected == key.fingerprint {
            return Ok(true);
        }
        let is_one = expected.strip_prefix("SHA256:").is_some_and(|hash| hash.len() == FINGERPRINT_CHARS);
        if !is_one {
            let what = format!("{:?} is no fingerprint", printable(expected));
            let hint = "write it as `ssh-keygen -l` prints it: SHA256: and 43 characters";
            return Err(CliError::new(Exit::Usage, what).hint(hint));
        }
        let what = format!("{} shows {}, which is not {expected}", key.host, key.fingerprint);
        let hint = "somebody may sit in between: look at the key on the host itself";
        return Err(CliError::new(Exit::Found, what).hint(hint));
    }
    if args.yes {
        return Ok(true);
    }
    let hint = format!(
        "compare it with the host's own (ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub there), then: {} {} --fingerprint {}",
        whose.command(),
        whose.name(),
        key.fingerprint
    );
    let refused = || CliError::new(Exit::Failed, "nothing was accepted").hint(hint);
    if context.output.json || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(refused());
    }
    context.output.message("accept it? Write yes or no, and press Enter.");
    let _ = std::io::stderr().flush();
    let mut answer = Vec::new();
    read_line(&mut answer);
    if answer.trim_ascii().eq_ignore_ascii_case(b"yes") { Ok(true) } else { Err(refused()) }
}

/// One line, bounded. What cannot be read is no answer.
fn read_line(into: &mut Vec<u8>) {
    for byte in std::io::stdin().lock().take(ANSWER_BYTES_MAX).bytes() {
        match byte {
            Ok(b'\n') | Err(_) => return,
            Ok(byte) => into.push(byte),
        }
    }
}

const fn verdict(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Known => "known",
        Verdict::Unknown { .. } => "unknown",
        Verdict::Changed { .. } => "changed",
        Verdict::Revoked { .. } => "revoked",
    }
}

fn on_file_line(known: &KnownKey) -> OnFile {
    OnFile {
        algorithm: known.algorithm.clone(),
        fingerprint: known.fingerprint.clone(),
        file: show(&known.file),
        line: known.line,
    }
}

fn failed(error: &Error) -> CliError {
    let (exit, hint) = advice(error.kind());
    let failed = CliError::new(exit, error);
    match (error, hint) {
        (Error::File { .. }, _) => failed.hint("mend that file, or name another with `known_hosts`"),
        (_, Some(hint)) => failed.hint(hint),
        (_, None) => failed,
    }
}
