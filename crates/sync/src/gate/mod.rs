//! The gate before a push: rules of the operator's that a complete capture must pass.
//!
//! A capture is malware: names and content are read within bounds, no link is followed, and nothing that is found is shown
//! as it stands. What is found of the files is kept with a hash over what they were, so that a capture that waits is listed
//! again at every look, and read again only where it changed. A command is asked at every look.

mod collect;
mod command;
mod glob;
mod names;
mod placeholders;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use verisim_core::{
    CancellationToken, Digest, Failure, GateReport, GateRuleName, RuleFindings, Severity, SyncProgress,
    SyncSpec, SyncTask, Timestamp,
};

use self::collect::Collected;
pub use self::command::{GateCommand, GateTools};
pub use self::glob::Glob;
pub use self::names::NameProfile;
pub use self::placeholders::{Placeholder, Placeholders, SCAN_BYTES_MAX};
use crate::blocking::blocking;
use crate::completeness::fingerprint;
use crate::tree::{Item, Root};
use crate::{private, source};

const OPERATION: &str = "sync.gate";
/// What was found of the files, in the job's work folder.
const FOUND: &str = "gate.json";
/// How often a capture is looked at that the gate holds, at the most and at the least: the longer it is held, the more rarely.
const LOOK_MIN: Duration = Duration::from_secs(30);
const LOOK_MAX: Duration = Duration::from_secs(15 * 60);

/// One rule of a gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateRule {
    /// Its name, by which it is overridden.
    pub name: GateRuleName,
    /// No finding of it weighs more.
    pub severity: Severity,
    /// What it asks.
    pub asks: GateAsks,
}

/// What a rule asks of a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GateAsks {
    /// No name is like one of these.
    Forbidden(Vec<Glob>),
    /// No placeholder was left.
    Placeholders(Placeholders),
    /// Every name can be at such a destination.
    Names(NameProfile),
    /// A command lets it through.
    Command(GateCommand),
}

/// What is asked about.
pub(crate) struct Subject<'a> {
    pub(crate) spec: &'a SyncSpec,
    pub(crate) work_dir: &'a Path,
    pub(crate) now: Timestamp,
    pub(crate) cancel: &'a CancellationToken,
}

impl<'a> Subject<'a> {
    pub(crate) const fn of(task: &'a SyncTask, work_dir: &'a Path) -> Self {
        Self { spec: &task.spec, work_dir, now: task.now, cancel: &task.cancel }
    }
}

/// Tells rules from others: what one set found says nothing of another.
pub(crate) fn print_of(rules: &[GateRule]) -> Digest {
    Digest::of(format!("{rules:?}").as_bytes())
}

/// What was found of the files, and what they were.
#[derive(Serialize, Deserialize)]
struct Found {
    rules: Digest,
    files: Digest,
    found: Vec<Option<RuleFindings>>,
}

/// Asks every rule. `former` is what they said last.
pub(crate) async fn ask(
    rules: &Arc<[GateRule]>,
    tools: &GateTools,
    subject: &Subject<'_>,
    former: Option<&GateReport>,
) -> Result<GateReport, Failure> {
    let print = print_of(rules);
    let (shared, spec, work_dir) = (Arc::clone(rules), subject.spec.clone(), subject.work_dir.to_owned());
    let cancel = subject.cancel.clone();
    let look = move || look_at_files(&shared, print, &spec, &work_dir, &cancel);
    let of_files = blocking(OPERATION, look).await?;
    let mut found = Vec::new();
    for (rule, of_files) in rules.iter().zip(of_files) {
        match &rule.asks {
            GateAsks::Command(asked) => {
                let mut said = Collected::new(&rule.name, rule.severity);
                command::look(asked, tools, &subject.spec.capture, &mut said, subject.cancel).await?;
                found.extend(said.finish());
            }
            _ => found.extend(of_files),
        }
    }
    let is_same = |former: &&GateReport| former.rules == print && former.found == found;
    let since = former.filter(is_same).map_or(subject.now, |former| former.since.min(subject.now));
    Ok(GateReport { rules: print, since, found })
}

/// What the rules that look at files find, one for each rule.
fn look_at_files(
    rules: &[GateRule],
    print: Digest,
    spec: &SyncSpec,
    work_dir: &Path,
    cancel: &CancellationToken,
) -> Result<Vec<Option<RuleFindings>>, Failure> {
    let root = source::open(&spec.capture, OPERATION)?;
    let items = source::walk_until(&root, OPERATION, cancel)?;
    let files = fingerprint(&items);
    let path = work_dir.join(FOUND);
    let known: Option<Found> =
        std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    if let Some(known) = known
        && (known.rules, known.files, known.found.len()) == (print, files, rules.len())
    {
        return Ok(known.found);
    }
    let look = |rule| look_at(rule, &root, &items, spec, cancel);
    let found = rules.iter().map(look).collect::<Result<Vec<_>, Failure>>()?;
    // Without it, the files are read again at the next look.
    if let Ok(json) = serde_json::to_vec(&Found { rules: print, files, found: found.clone() })
        && std::fs::create_dir_all(work_dir).is_ok()
    {
        let new = work_dir.join("gate.new");
        let _ = private::write(&new, &json).and_then(|()| std::fs::rename(&new, &path));
    }
    Ok(found)
}

fn look_at(
    rule: &GateRule,
    root: &Root,
    items: &[Item],
    spec: &SyncSpec,
    cancel: &CancellationToken,
) -> Result<Option<RuleFindings>, Failure> {
    let mut found = Collected::new(&rule.name, rule.severity);
    match &rule.asks {
        GateAsks::Forbidden(globs) => {
            for item in items {
                names::stop_if(cancel)?;
                if let Some(glob) = globs.iter().find(|glob| glob.matches(&item.path)) {
                    let what = format!("has a name like {glob}, which is forbidden");
                    found.add(Severity::Hard, Some(&item.path), &what, "remove or rename it");
                }
            }
        }
        GateAsks::Placeholders(asked) => placeholders::look(asked, root, items, &mut found, cancel)?,
        GateAsks::Names(profile) => names::look(*profile, items, &spec.remote.path, &mut found, cancel)?,
        GateAsks::Command(_) => {}
    }
    Ok(found.finish())
}

/// Why a capture is held, for people, and when it is looked at again; `None` where nothing holds it.
pub(crate) fn held(task: &SyncTask, progress: &SyncProgress) -> Option<(String, Duration)> {
    let report = progress.gate.as_ref()?;
    let rules: Vec<String> = report.held_by(&progress.overrides).map(of_rule).collect();
    if rules.is_empty() {
        return None;
    }
    let been = Duration::try_from(task.now.duration_since(report.since)).unwrap_or_default();
    let note = format!("held by its gate: {}; see `verisim sync show {}`", rules.join("; "), task.job);
    Some((note, been.clamp(LOOK_MIN, LOOK_MAX)))
}

/// What is told of a capture that passes all the same, for people.
pub(crate) fn passed_with(task: &SyncTask, progress: &SyncProgress) -> Option<String> {
    let report = progress.gate.as_ref()?;
    let warned: Vec<String> = report
        .found
        .iter()
        .filter(|found| found.warnings_total > 0 && found.hard_total == 0)
        .map(of_rule)
        .collect();
    let overridden = report.found.iter().filter(|found| found.hard_total > 0);
    let overridden: Vec<String> = overridden.map(|found| format!("{} overridden", found.rule)).collect();
    let all: Vec<String> = overridden.into_iter().chain(warned).collect();
    (!all.is_empty()).then(|| format!("its gate: {}; see `verisim sync show {}`", all.join("; "), task.job))
}

/// `names: 3 findings, the first: data/a:b has the character :, which Windows does not allow`.
fn of_rule(found: &RuleFindings) -> String {
    let (total, word) = match found.hard_total {
        0 => (found.warnings_total, "warning"),
        hard => (hard, "finding"),
    };
    let first = found.findings.first().map_or_else(String::new, |finding| {
        let path = finding.path.as_ref().map_or_else(String::new, |path| format!("{path} "));
        format!("{path}{}", finding.what)
    });
    match total {
        1 => format!("{}: {first}", found.rule),
        more => format!("{}: {more} {word}s, the first: {first}", found.rule),
    }
}
