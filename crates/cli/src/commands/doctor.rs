//! `verisim doctor`: says what is missing, and how to mend it.

mod container;
mod decoy;
mod evidence;
mod far;
mod host;
mod object;
mod remote;
mod state;
mod traffic;

use std::path::Path;

use serde::Serialize;
use verisim_connect::EngineAddress;
use verisim_core::{Capabilities, Lane, printable};
use verisim_engine::control::{Answer, Request, StatusView};

use crate::access::Access;
use crate::config::units::show_size;
use crate::config::{Config, ConnectorConfig};
use crate::context::Context;
use crate::error::CliResult;
use crate::exit::Exit;
use crate::fleet;
use crate::output::{Output, Tone};
use crate::render::time;
use crate::wire::Wired;

/// Less free space than this on a decoy or at a destination deserves a look.
const FREE_BYTES_MIN: u64 = 256 << 20;

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

/// What was looked at about a subject. The words are part of the output of `--json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Check {
    /// Whether there is anything to do.
    Configuration,
    /// Whether it is there and answers.
    Reachable,
    /// Whether it takes writes.
    Writable,
    /// Which way leads to its files.
    Path,
    /// What can be done there.
    Capabilities,
    /// Whether files can be made to look right.
    Tells,
    /// What its clock shows.
    Clock,
    /// The free space.
    Space,
    /// The accounts of those who work there.
    Users,
    /// Their homes.
    Homes,
    /// Whether it is the one that was used before, and stands where it should.
    Identity,
    /// Who may look into it.
    Privacy,
    /// What other decoys reach.
    Traffic,
    /// What a persona logs in with.
    Secrets,
    /// The key by which a host is known.
    HostKey,
    /// The programs that carry captures, on both sides.
    Tools,
}

/// What was measured, for programs.
#[derive(Debug, Clone, Default, Serialize)]
struct Measured {
    /// What can be done on a decoy.
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<Capabilities>,
    /// How far a decoy's clock is ahead of ours, in milliseconds; negative when behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_ahead_ms: Option<i64>,
    /// The login that lacks an account.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing_login: Option<String>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
struct Finding {
    /// What was looked at: `decoy files01`.
    subject: String,
    check: Check,
    severity: Severity,
    /// What was found.
    found: String,
    /// How to mend it; empty where nothing is to be mended.
    #[serde(skip_serializing_if = "String::is_empty")]
    mend: String,
    #[serde(flatten)]
    measured: Measured,
    /// What it means for the exit code.
    #[serde(skip)]
    exit: Exit,
}

/// A folder, among the temporary ones, for what a transport keeps while it is asked: whoever only looks makes nothing in the
/// state folder, and leaves no copy of a configuration that may hold secrets.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new() -> CliResult<Self> {
        crate::wire::random_token().map(|token| Self(std::env::temp_dir().join(format!("verisim-{token}"))))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It may never have been made; the name is nobody else's.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Findings about one subject.
struct Sheet {
    subject: String,
    findings: Vec<Finding>,
}

impl Sheet {
    fn of(subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), findings: Vec::new() }
    }
    fn note(
        &mut self,
        check: Check,
        severity: Severity,
        exit: Exit,
        found: impl Into<String>,
        mend: impl Into<String>,
    ) {
        let (subject, found, mend) = (self.subject.clone(), found.into(), mend.into());
        let measured = Measured::default();
        self.findings.push(Finding { subject, check, severity, found, mend, measured, exit });
    }
    fn good(&mut self, check: Check, found: impl Into<String>) {
        self.note(check, Severity::Good, Exit::Done, found, "");
    }
    fn warn(&mut self, check: Check, found: impl Into<String>, mend: impl Into<String>) {
        self.note(check, Severity::Warning, Exit::Done, found, mend);
    }
    fn bad(&mut self, check: Check, exit: Exit, found: impl Into<String>, mend: impl Into<String>) {
        self.note(check, Severity::Bad, exit, found, mend);
    }
    /// What was measured for the latest finding.
    fn measured(&mut self, measured: Measured) {
        if let Some(latest) = self.findings.last_mut() {
            latest.measured = measured;
        }
    }
}

/// Looks at everything the configuration names.
pub(super) async fn doctor(context: &Context) -> CliResult {
    let config = context.config()?;
    let declared = context.declared()?;
    let mut sheets = vec![state::look(&config, &context.config_file()?)];
    let status = status(context, &config).await;
    let wired = Wired::new(config, context.clock());
    if wired.config.decoys.is_empty() && wired.config.captures.is_empty() {
        sheets.push(nothing_declared(&wired.config));
    }
    for address in engines(&wired.config) {
        sheets.push(container::look_at_engine(&address).await);
    }
    let mut decoys = decoy::look_at_all(&wired).await;
    for remark in fleet::strangers(&declared) {
        let subject = format!("decoy {}", remark.about);
        if let Some(sheet) = decoys.iter_mut().find(|sheet| sheet.subject == subject) {
            let mend =
                "make the container anew with another label, or declare whom it names with [[persona]]";
            sheet.warn(Check::Users, remark.what, mend);
        }
    }
    for decoy in status.iter().flat_map(|status| &status.decoys) {
        let subject = format!("decoy {}", decoy.name);
        let (Some(since), Some(sheet)) =
            (decoy.silent_since, decoys.iter_mut().find(|sheet| sheet.subject == subject))
        else {
            continue;
        };
        let why = decoy.why.as_deref().map(printable).unwrap_or_default();
        let found = format!("the daemon left it alone {}: {why}", time::distance(since, context.now()));
        let mend = "mend what is said there; it is asked again by itself";
        sheet.bad(Check::Reachable, Exit::Unreachable, found, mend);
    }
    sheets.extend(decoys);
    sheets.extend(traffic::look_at_secrets(&wired));
    for destination in &wired.config.destinations {
        let mut sheet = evidence::look_at_destination(&wired, destination).await;
        let lane = Lane::of_destination(&destination.name);
        let away = status.iter().flat_map(|status| &status.away);
        if let Some(away) = away.into_iter().find(|away| away.lane == lane) {
            let since = time::distance(away.since, context.now());
            if sheet.findings.iter().any(|finding| finding.severity == Severity::Bad) {
                let found = format!("went away {since}; its captures wait");
                let mend = "the daemon asks it every 5 minutes, and goes on by itself once it is back";
                sheet.bad(Check::Reachable, Exit::Unreachable, found, mend);
            } else {
                let found =
                    format!("went away {since}, and answers now; its captures go on within 5 minutes");
                sheet.warn(Check::Reachable, found, "`verisim sync retry --all` has them go on at once");
            }
        }
        sheets.push(sheet);
    }
    sheets.extend(wired.config.captures.iter().map(evidence::look_at_captures));
    let findings: Vec<Finding> = sheets.into_iter().flat_map(|sheet| sheet.findings).collect();
    report(context.output, &findings)?;
    Ok(findings.iter().map(|finding| finding.exit).max_by_key(|exit| exit.code()).unwrap_or(Exit::Done))
}

/// The engines of the fleet's containers, each once.
fn engines(config: &Config) -> Vec<EngineAddress> {
    let mut engines = Vec::new();
    for decoy in &config.decoys {
        if let ConnectorConfig::Docker(docker) = &decoy.connector
            && !engines.contains(&docker.host)
        {
            engines.push(docker.host.clone());
        }
    }
    engines
}

/// A configuration without decoys and captures: whether some may still be found.
fn nothing_declared(config: &Config) -> Sheet {
    let mut sheet = Sheet::of("configuration");
    if config.discover.docker {
        sheet.warn(
            Check::Configuration,
            format!(
                "there is no decoy and no capture in it; `verisim up` takes those that it finds among the containers of {}",
                config.discover.host
            ),
            "`verisim --config NEW-FILE init` shows what is found there now; without containers, add decoys and captures by hand",
        );
    } else {
        sheet.warn(
            Check::Configuration,
            "there is no decoy and no capture in it: nothing will happen",
            "add them by hand, or `verisim --config NEW-FILE init --decoy DIR --capture DIR --destination DIR`",
        );
    }
    sheet
}

/// What the daemon says, or the store where none runs, as far as that can be found out.
async fn status(context: &Context, config: &Config) -> Option<StatusView> {
    let mut access = Access::look(context, config.clone()).await.ok()?;
    match access.ask(Request::Status).await {
        Ok(Answer::Status(status)) => Some(*status),
        _ => None,
    }
}

fn writable(path: &Path) -> Result<(), rustix::io::Errno> {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)
}

fn free_bytes(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn space(sheet: &mut Sheet, free: Option<u64>) {
    if let Some(free) = free.filter(|free| *free < FREE_BYTES_MIN) {
        sheet.warn(Check::Space, format!("only {} are free", show_size(free)), "free some space");
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
