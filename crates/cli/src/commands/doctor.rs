//! `verisim doctor`: says what is missing, and how to mend it.

mod container;
mod state;

use std::collections::HashMap;
use std::path::Path;

use serde::Serialize;
use verisim_core::{Connector, DecoyPath, HostFacts, Lane, Owner, PersonaName, StatRequest, Timestamp};
use verisim_engine::control::{Answer, AwayView, Request};
use verisim_sync::Recognised;

use crate::access::Access;
use crate::config::units::show_size;
use crate::config::{Config, ConnectorConfig, DecoyConfig, DestinationConfig, PersonaConfig};
use crate::context::Context;
use crate::error::{CliResult, advice, show};
use crate::exit::Exit;
use crate::output::{Output, Tone};
use crate::render::time;
use crate::state::StateDir;
use crate::wire::{Wired, known_destination};

/// Less free space than this on a decoy or at a destination deserves a look.
const FREE_BYTES_MIN: u64 = 256 << 20;
/// A decoy's clock may differ from ours by so much before it is a tell.
const CLOCK_SECONDS_MAX: u64 = 5;

/// A later directory of one name gets `~2` and so on at the destination, where a name has at most 255 bytes.
const NAME_BYTES_MAX: usize = 247;
/// How many names of a captures folder are looked at.
const NAMES_MAX: usize = 100_000;

/// How a finding is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Severity {
    /// As it should be.
    Good,
    /// Works, but somebody may notice, or it will not work for long.
    Warning,
    /// Does not work.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
struct Finding {
    /// What was looked at: `decoy files01`.
    subject: String,
    severity: Severity,
    /// What was found.
    found: String,
    /// How to mend it; empty where nothing is to be mended.
    #[serde(skip_serializing_if = "String::is_empty")]
    mend: String,
    /// What it means for the exit code.
    #[serde(skip)]
    exit: Exit,
}

/// Findings about one subject.
struct Sheet<'a> {
    subject: String,
    out: &'a mut Vec<Finding>,
}

impl Sheet<'_> {
    fn note(&mut self, severity: Severity, exit: Exit, found: impl Into<String>, mend: impl Into<String>) {
        let (subject, found, mend) = (self.subject.clone(), found.into(), mend.into());
        self.out.push(Finding { subject, severity, found, mend, exit });
    }
    fn good(&mut self, found: impl Into<String>) {
        self.note(Severity::Good, Exit::Done, found, "");
    }
    fn warn(&mut self, found: impl Into<String>, mend: impl Into<String>) {
        self.note(Severity::Warning, Exit::Done, found, mend);
    }
    fn bad(&mut self, exit: Exit, found: impl Into<String>, mend: impl Into<String>) {
        self.note(Severity::Bad, exit, found, mend);
    }
}

/// Looks at everything the configuration names.
pub(super) async fn doctor(context: &Context) -> CliResult {
    let config = context.config()?;
    let mut findings = Vec::new();
    state::look(&config, &mut Sheet { subject: "state".into(), out: &mut findings });
    let away = away(context, &config).await;
    let wired = Wired::new(config, context.clock());
    if wired.config.decoys.is_empty() && wired.config.captures.is_empty() {
        let mut sheet = Sheet { subject: "configuration".into(), out: &mut findings };
        sheet.warn(
            "there is no decoy and no capture in it: nothing will happen",
            "add them by hand, or `verisim --config NEW-FILE init --decoy DIR --capture DIR --destination DIR`",
        );
    }
    let owners = wired.owners().await;
    for decoy in &wired.config.decoys {
        let mut sheet = Sheet { subject: format!("decoy {}", decoy.name), out: &mut findings };
        if let Some(member) = wired.fleet.get(&decoy.name) {
            let (config, now) = (&wired.config, context.now());
            look_at_decoy(&mut sheet, decoy, member.connector.as_ref(), config, &owners, now).await;
        }
    }
    for destination in &wired.config.destinations {
        let mut sheet = Sheet { subject: format!("destination {}", destination.name), out: &mut findings };
        look_at_destination(&mut sheet, &wired.config, destination);
        let lane = Lane::of_destination(&destination.name);
        if let Some(away) = away.iter().find(|away| away.lane == lane) {
            sheet.bad(
                Exit::Unreachable,
                format!("went away {}; its captures wait", time::distance(away.since, context.now())),
                "nothing more is to be done once it is back: it is asked every 5 minutes, or at once by `verisim sync retry --all --in blocked`",
            );
        }
    }
    for capture in &wired.config.captures {
        let mut sheet = Sheet { subject: format!("capture {}", capture.name), out: &mut findings };
        look_at_captures(&mut sheet, &capture.path, capture.cleanup.enabled);
    }
    report(context.output, &findings)?;
    Ok(findings.iter().map(|finding| finding.exit).max_by_key(|exit| exit.code()).unwrap_or(Exit::Done))
}

/// The destinations that the captures wait for, as far as that can be found out.
async fn away(context: &Context, config: &Config) -> Vec<AwayView> {
    let Ok(mut access) = Access::look(context, config.clone()).await else { return Vec::new() };
    match access.ask(Request::Status).await {
        Ok(Answer::Status(status)) => status.away,
        _ => Vec::new(),
    }
}

async fn look_at_decoy(
    sheet: &mut Sheet<'_>,
    decoy: &DecoyConfig,
    connector: &dyn Connector,
    config: &Config,
    owners: &HashMap<PersonaName, Owner>,
    now: Timestamp,
) {
    let facts = match connector.probe().await {
        Ok(facts) => facts,
        Err(failure) => {
            let (_, hint) = advice(failure.kind);
            let mend = match &decoy.connector {
                ConnectorConfig::Rootfs(root) => hint.map_or_else(
                    || format!("make the folder {}, or mend its `connector`", show(root)),
                    str::to_owned,
                ),
                ConnectorConfig::Docker(docker) => container::mend(docker, &failure),
            };
            return sheet.bad(Exit::Unreachable, failure.detail, mend);
        }
    };
    let os = facts.os.clone().unwrap_or_else(|| "an unknown system".into());
    sheet.good(format!(
        "answers: {os}, {} accounts, {} free",
        facts.accounts.len(),
        show_size(facts.free_bytes)
    ));
    if !facts.writable {
        sheet.bad(
            Exit::Unreachable,
            "nothing can be written",
            "mount it for writing, or run as a user who may write there",
        );
    }
    let can = connector.capabilities();
    if !can.ownership {
        sheet.warn(
            "owners cannot be set: every file will belong to this user, which is a tell",
            "run verisim as root",
        );
    }
    if !can.mtime_ns {
        sheet.warn(
            "times cannot be set to the nanosecond, which is a tell",
            "use a file system that keeps them",
        );
    }
    let drift = facts.clock.duration_since(now).unsigned_abs().as_secs();
    if drift > CLOCK_SECONDS_MAX {
        sheet.warn(
            format!("its clock differs from ours by {drift} s"),
            "synchronise both, for instance with chrony",
        );
    }
    space(sheet, Some(facts.free_bytes));
    let named: HashMap<&str, &PersonaConfig> = config.personas.iter().map(|p| (p.name.as_str(), p)).collect();
    for persona in decoy.personas.iter().filter_map(|name| named.get(name.as_str())) {
        let owner = owners.get(&persona.name).copied().unwrap_or(Owner::ROOT);
        look_at_account(sheet, persona, owner, &facts);
        look_at_home(sheet, persona, connector).await;
    }
}

/// Files below a home of a login that nobody has an account for are a tell. `owner` is whose they will be.
fn look_at_account(sheet: &mut Sheet<'_>, persona: &PersonaConfig, owner: Owner, facts: &HostFacts) {
    let login = &persona.login;
    match facts.accounts.iter().find(|account| &account.login == login) {
        None => {
            let (uid, gid) = (owner.uid, owner.gid);
            if let Some(other) = facts.accounts.iter().find(|account| account.owner.uid == uid) {
                return sheet.warn(
                    format!("the files of {} get uid {uid}, which is `{}` here", persona.name, other.login),
                    format!("add an account `{login}` of another uid to its /etc/passwd, or give {} another `uid`", persona.name),
                );
            }
            let (home, name) = (&persona.home, &persona.full_name);
            sheet.warn(
                format!("{} works here, but there is no account `{login}`: its files get uid {uid}, which is nobody's", persona.name),
                format!("add to its /etc/passwd: {login}:x:{uid}:{gid}:{name}:{home}:/bin/bash, and to its /etc/group: {login}:x:{gid}:"),
            );
        }
        Some(account) => match persona.owner {
            Some(owner) if owner != account.owner => sheet.warn(
                format!(
                    "`{login}` is {}:{} here, but configured as {}:{}",
                    account.owner.uid, account.owner.gid, owner.uid, owner.gid
                ),
                format!("leave `uid` and `gid` of {} out, or mend them", persona.name),
            ),
            _ => {}
        },
    }
}

async fn look_at_home(sheet: &mut Sheet<'_>, persona: &PersonaConfig, connector: &dyn Connector) {
    let home: &DecoyPath = &persona.home;
    match connector.stat(home, StatRequest::Plain).await {
        Ok(None) => sheet.warn(
            format!("the home {home} of {} is not there yet", persona.name),
            "it is made with the first file; make it beforehand with the files of /etc/skel, as adduser does",
        ),
        Ok(Some(_)) => {}
        Err(failure) => {
            sheet.bad(Exit::Unreachable, format!("{home}: {}", failure.detail), "let this user look into it");
        }
    }
}

fn look_at_destination(sheet: &mut Sheet<'_>, config: &Config, destination: &DestinationConfig) {
    let path = destination.path.as_path();
    let shown = show(path);
    if !path.is_dir() {
        return sheet.bad(
            Exit::Unreachable,
            format!("{shown} is not there"),
            "mount the storage, or make the folder",
        );
    }
    if let Err(error) = writable(path) {
        let mend = if error == rustix::io::Errno::ROFS {
            "mount it for writing; then `verisim sync retry --all`"
        } else {
            "let this user write there; then `verisim sync retry --all`"
        };
        return sheet.bad(Exit::Unreachable, format!("{shown} cannot be written: {error}"), mend);
    }
    sheet.good(format!("{shown} is there and writable"));
    space(sheet, free_bytes(path));
    let first_use = look_at_identity(sheet, config, destination);
    let captures = config.captures.iter().filter(|capture| capture.destination == destination.name);
    let beside = captures.map(|capture| capture.path.as_path()).find(|from| same_file_system(path, from));
    match beside {
        Some(from) => sheet.warn(
            format!("{shown} is on the same file system as the captures in {}: one broken disk takes both", show(from)),
            "if it is meant to be a mounted share, it is not mounted: mount it before the first push",
        ),
        None if first_use && same_file_system(path, Path::new("/")) => sheet.warn(
            format!("{shown} is on the same file system as /: if it is meant to be a mounted share, it is not mounted"),
            "mount it before the first push; for a local folder this is as it should be",
        ),
        None => {}
    }
}

/// Whether the folder is the destination that was used before. Answers whether there was none.
fn look_at_identity(sheet: &mut Sheet<'_>, config: &Config, destination: &DestinationConfig) -> bool {
    let known = known_destination(&StateDir::at(&config.state), &destination.name);
    let Ok(known) = known else { return false };
    let found = known.recognise(&destination.path);
    let is_new = found == Recognised::NeverUsed;
    match found {
        Recognised::Known => sheet.good("it is the destination that was used before"),
        Recognised::NeverUsed => {
            sheet.good("it was not used yet; the first push marks it, and must find the storage mounted");
        }
        Recognised::Not(why) => sheet.bad(Exit::Unreachable, why, "nothing is written there until then"),
    }
    is_new
}

fn look_at_captures(sheet: &mut Sheet<'_>, path: &Path, cleanup: bool) {
    let shown = show(path);
    if !path.is_dir() {
        return sheet.bad(
            Exit::Unreachable,
            format!("{shown} is not there"),
            "make the folder, or mend `path`",
        );
    }
    match std::fs::read_dir(path) {
        Err(error) => {
            sheet.bad(Exit::Unreachable, format!("{shown} cannot be read: {error}"), "let this user read it");
        }
        Ok(entries) => {
            sheet.good(format!("{shown} can be read"));
            let names = entries.take(NAMES_MAX).flatten().map(|entry| entry.file_name());
            let long = names.filter(|name| name.len() > NAME_BYTES_MAX).count();
            if long > 0 {
                sheet.warn(
                    format!("names of more than {NAME_BYTES_MAX} bytes: {long}; a directory that replaces one of them later cannot be pushed"),
                    "give captures shorter names",
                );
            }
        }
    }
    if cleanup && let Err(error) = writable(path) {
        sheet.bad(
            Exit::Unreachable,
            format!("cleanup is on, but {shown} cannot be written: {error}"),
            "let this user write there",
        );
    }
}

fn writable(path: &Path) -> Result<(), rustix::io::Errno> {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)
}

fn free_bytes(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn same_file_system(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    matches!((std::fs::metadata(a), std::fs::metadata(b)), (Ok(a), Ok(b)) if a.dev() == b.dev())
}

fn space(sheet: &mut Sheet<'_>, free: Option<u64>) {
    if let Some(free) = free.filter(|free| *free < FREE_BYTES_MIN) {
        sheet.warn(format!("only {} are free", show_size(free)), "free some space");
    }
}

fn report(output: Output, findings: &[Finding]) -> CliResult<()> {
    if output.json {
        return findings.iter().try_for_each(|finding| output.typed("finding", finding));
    }
    let mut subject = "";
    for finding in findings {
        if finding.subject != subject {
            subject = &finding.subject;
            output.line(output.paint(Tone::Strong, subject))?;
        }
        let (tone, mark) = match finding.severity {
            Severity::Good => (Tone::Good, "ok  "),
            Severity::Warning => (Tone::Warn, "look"),
            Severity::Bad => (Tone::Bad, "BAD "),
        };
        output.line(format!(
            "  {}  {}",
            output.paint(tone, mark),
            verisim_core::printable(&finding.found)
        ))?;
        if !finding.mend.is_empty() {
            output.line(format!(
                "        {} {}",
                output.paint(Tone::Faint, "mend:"),
                verisim_core::printable(&finding.mend)
            ))?;
        }
    }
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    output.say(format!(
        "{} bad, {} to look at, {} good",
        count(Severity::Bad),
        count(Severity::Warning),
        count(Severity::Good)
    ));
    Ok(())
}
