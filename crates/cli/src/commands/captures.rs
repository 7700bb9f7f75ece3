//! Captures as a table: how far each is, since when, how much it holds, and why it waits.

use verisim_core::{EventId, EventPayload, FailureKind, Findings, JobId, Proof, Timestamp, printable};
use verisim_engine::control::JobView;

use super::gate::{is_held, show_gate};
use super::places;
use super::show::tone;
use crate::access::Access;
use crate::config::units::show_size;
use crate::context::Context;
use crate::error::CliResult;
use crate::exit::Exit;
use crate::output::{Output, Tone, terminal_width};
use crate::render::table::{Cell, cell, counted, fit_end, plain, table, wrap};
use crate::render::time;

/// The columns that notes are wrapped to where nobody says how wide the page is.
const WIDTH: usize = 80;
/// How far a note stands in from the left.
const INDENT: usize = 8;
/// How often damage is told one by one.
const DAMAGE_MAX: usize = 5;
/// How many names of each kind are listed for people; scripts get all that are kept.
const NAMES_MAX: usize = 20;
/// The columns that everything but the name takes at the most: `123456  cleanup eligible  90m  123456  1023 MiB` and gaps.
const BESIDE_NAME: usize = 52;

/// Prints captures as a table, or one object a line. `none` is said where there are none.
pub(super) fn show_captures(context: &Context, jobs: &[JobView], none: &str) -> CliResult {
    let output = context.output;
    if output.json {
        jobs.iter().try_for_each(|job| output.typed("job", job))?;
    } else if jobs.is_empty() {
        output.say(none);
    } else {
        output.raw(text(output, jobs, context.now()).as_bytes())?;
    }
    Ok(Exit::Done)
}

/// Damage that was found at the destination: when, and in how many files.
pub(super) type Damage = (Timestamp, u64);

/// Finds what the history knows of damage to a capture, the oldest first.
pub(super) async fn damage_of(access: &mut Access, job: JobId) -> CliResult<Vec<Damage>> {
    let mut damage = Vec::new();
    let each = |event: verisim_core::Event| {
        if let EventPayload::RemoteDamaged { total, .. } = event.body.payload {
            damage.push((event.body.time, total));
        }
        Ok(())
    };
    access.events(EventId(0), &format!("sync.{job}.remote_damaged"), each).await?;
    Ok(damage)
}

/// What became of damage: a pass that was made since shows that it is mended.
fn damage_lines(job: &JobView, damage: &[Damage]) -> Vec<String> {
    let passes = job.progress.iter().flat_map(|progress| &progress.passes);
    let last = passes.map(|pass| pass.at).max();
    let told = |(at, total): &Damage| {
        let became = match last.filter(|last| last > at) {
            Some(last) => format!("mended, and verified since, the last time {}", time::utc(last)),
            None if job.state == "CLEANED" => "found after it was cleaned up here, and not mended".to_owned(),
            None => "not mended so far".to_owned(),
        };
        format!("{}, {} not there as pushed; {became}", time::utc(*at), counted(*total, "file"))
    };
    let earlier = damage.len().saturating_sub(DAMAGE_MAX);
    let more = (earlier > 0)
        .then(|| format!("{earlier} times before; `verisim events --topic sync.{}.remote_damaged`", job.id));
    more.into_iter().chain(damage.iter().skip(earlier).map(told)).collect()
}

/// Prints all that is known of one capture. For a script it is the object that `ls` prints.
pub(super) fn show_capture(context: &Context, job: &JobView, damage: &[Damage]) -> CliResult {
    show_captures(context, std::slice::from_ref(job), "")?;
    let output = context.output;
    let exit = if is_held(job) { Exit::Found } else { Exit::Done };
    let Some(progress) = job.progress.as_ref().filter(|_| !output.json) else { return Ok(exit) };
    let now = context.now();
    let mut lines = Vec::new();
    let to = job.lane.0.trim_start_matches("destination/");
    lines.push(("to", format!("{to}:{}", job.remote.as_deref().unwrap_or_default())));
    if let Some(manifest) = progress.manifest {
        lines.push(("manifest", format!("sha256 {manifest}; `verisim sync manifest {}` prints it", job.id)));
    }
    for pass in &progress.passes {
        let how = match pass.proof {
            Proof::Sha256Remote => "hashed there",
            Proof::Sha256Readback => "read back and hashed here",
            Proof::Other => "by another hash and the size",
        };
        lines.push(("pass", format!("{}, {how}", time::utc(pass.at))));
    }
    lines.extend(damage_lines(job, damage).into_iter().map(|line| ("damage", line)));
    if job.state == "CLEANED" {
        lines.push((
            "cleaned up",
            format!("{}; what is left of it is at the destination", time::utc(job.updated_at)),
        ));
    }
    if let Some(at) = job.next_at.filter(|_| !job.rests) {
        lines.push(("next look", time::distance(at, now)));
    }
    for (name, said) in lines {
        output.line(format!("{:INDENT$}{name:<10} {}", "", printable(&said)))?;
    }
    show_gate(output, progress)?;
    show_findings(output, &progress.findings).map(|()| exit)
}

/// Prints what is not at the destination as it was pushed, kind by kind and name by name; nothing where all of it is.
pub(super) fn show_findings(output: Output, findings: &Findings) -> CliResult<()> {
    for (kind, named) in findings.kinds() {
        if named.total == 0 {
            continue;
        }
        let tone = if kind == "extra" { Tone::Warn } else { Tone::Bad };
        let count = output.paint(tone, counted(named.total, "file"));
        output.line(format!("{:INDENT$}{kind:<12} {count}", ""))?;
        for finding in named.first.iter().take(NAMES_MAX) {
            // A path shows its own bytes as escapes; why it is so came from a tool or a host.
            let why = finding.why.as_deref().map_or_else(String::new, |why| format!(": {}", printable(why)));
            output.line(format!("{:INDENT$}  {}{why}", "", finding.path))?;
        }
        let more = named.total.saturating_sub(named.first.len().min(NAMES_MAX) as u64);
        if more > 0 {
            output.line(format!("{:INDENT$}  and {more} more", ""))?;
        }
    }
    Ok(())
}

/// The table, with the notes below their captures. A name is cut on a terminal alone: a pipe gets all of it.
fn text(output: Output, jobs: &[JobView], now: Timestamp) -> String {
    let width = terminal_width(output).unwrap_or(WIDTH).max(WIDTH);
    let name_max = if output.terminal { width - BESIDE_NAME } else { usize::MAX };
    let rows: Vec<Vec<Cell>> = jobs.iter().map(|job| row(job, now, name_max)).collect();
    let all = table(output.color, &["job", "state", "since", "files", "size", "capture"], &rows);
    let mut lines = all.lines();
    let mut out = String::new();
    let mut push = |line: &str| {
        out.push_str(line);
        out.push('\n');
    };
    lines.next().into_iter().for_each(&mut push);
    for (line, job) in lines.zip(jobs) {
        push(line);
        for line in wrap(&note(job, now), width.min(100) - INDENT) {
            push(&format!("{:INDENT$}{}", "", output.paint(Tone::Faint, line)));
        }
    }
    out
}

fn row(job: &JobView, now: Timestamp, name_max: usize) -> Vec<Cell> {
    let inventory = job.progress.as_ref().and_then(|progress| progress.inventory);
    let told = |told: Option<String>| plain(told.unwrap_or_else(|| "-".into()));
    vec![
        plain(job.id.to_string()),
        cell(job.state.to_lowercase().replace('_', " "), tone(&job.state)),
        cell(time::rough(now.duration_since(since(job)).unsigned_abs()), Tone::Faint),
        told(inventory.map(|inventory| inventory.files.to_string())),
        told(inventory.map(|inventory| show_size(inventory.bytes))),
        cell(fit_end(&printable(&job.subject), name_max), Tone::Strong),
    ]
}

/// Since when it is as it is: one that is verified, since the first pass that holds; one that waits, since it was found.
fn since(job: &JobView) -> Timestamp {
    let first_pass = job.progress.as_ref().and_then(|progress| progress.passes.first());
    match (job.state.as_str(), first_pass) {
        ("VERIFIED" | "CLEANUP_ELIGIBLE", Some(pass)) => pass.at,
        ("WAITING", _) => job.created_at,
        _ => job.updated_at,
    }
}

/// Why it is not further, and where the files that are to blame are named.
fn note(job: &JobView, now: Timestamp) -> String {
    let is_named = job.progress.as_ref().is_some_and(|progress| !progress.findings.is_empty());
    match (matches!(job.state.as_str(), "FAILED" | "UNVERIFIED") && is_named, reason(job, now)) {
        (true, reason) => format!("{reason}; `verisim sync show {}` names the files", job.id),
        (false, reason) => reason,
    }
}

/// Why it is not further: its destination, its failure, else what was noted.
fn reason(job: &JobView, now: Timestamp) -> String {
    let noted = job.progress.as_ref().and_then(|progress| progress.note.clone()).unwrap_or_default();
    if matches!(job.state.as_str(), "CLEANED" | "CANCELLED") {
        return printable(&noted);
    }
    let is_done = job.state == "VERIFIED";
    if let Some(since) = job.away_since.filter(|_| !is_done) {
        // What a job failed of before that is another matter.
        let failure = job.failure.as_ref().filter(|(kind, _)| *kind != FailureKind::NoSpace);
        let why = failure.map_or_else(String::new, |(_, detail)| format!(": {detail}"));
        return printable(&format!("{} went away {}{why}", job.lane, time::distance(since, now)));
    }
    if let Some(at) = job.away_since {
        return format!(
            "its destination is away since {}; it goes on by itself when that is back",
            time::utc(at)
        );
    }
    if let Some(told) = places::told(job) {
        return told;
    }
    match &job.failure {
        _ if is_held(job) => printable(&noted),
        // What went wrong before is not what it does now.
        Some(_) if matches!(job.state.as_str(), "VERIFIED" | "RUNNING") => printable(&noted),
        // The latest look says more than what once failed.
        Some((kind, _)) if job.state == "BLOCKED" && !noted.is_empty() => {
            printable(&format!("{kind}: {noted}; it goes on by itself when that is mended"))
        }
        // What stands of one that was verified is noted beside why it cannot be looked at again.
        Some((kind, detail))
            if job.state == "FAILED" && !noted.is_empty() && !noted.contains(detail.as_str()) =>
        {
            printable(&format!("{kind}: {detail}; {noted}"))
        }
        Some((kind, detail)) => printable(&format!("{kind}: {detail}")),
        _ => printable(&noted),
    }
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr as _;
    use verisim_core::{Counters, Inventory, JobId, JobKind, Lane, SyncProgress};

    use super::*;

    fn capture(subject: &str, progress: SyncProgress) -> JobView {
        let at = Timestamp::from_second(1_795_000_000).unwrap();
        JobView {
            id: JobId(123_456),
            kind: JobKind::Sync,
            state: "CLEANUP_ELIGIBLE".into(),
            rests: false,
            lane: Lane("destination/vault".into()),
            action: None,
            subject: subject.into(),
            remote: None,
            persona: None,
            session: None,
            why: String::new(),
            planned_at: at,
            next_at: None,
            deadline: None,
            counters: Counters::default(),
            away_since: None,
            behind: Vec::new(),
            failure: Some((FailureKind::NoSpace, "the destination is full; ".repeat(8))),
            fate_open: false,
            progress: Some(progress),
            created_at: at,
            updated_at: at,
        }
    }

    #[test]
    fn a_terminal_of_eighty_columns_shows_how_much_a_capture_holds_and_why_it_waits() {
        let inventory = Some(Inventory { files: 123_456, bytes: 1023 << 20 });
        let progress = SyncProgress { inventory, ..SyncProgress::default() };
        let jobs = [capture(&format!("sensor/{}/end", "long".repeat(40)), progress)];
        let shown = |terminal| {
            let output = Output { json: false, quiet: false, color: false, color_messages: false, terminal };
            text(output, &jobs, Timestamp::from_second(1_795_004_000).unwrap())
        };
        let on_terminal = shown(true);
        assert!(on_terminal.lines().all(|line| line.width() <= 80), "{on_terminal}");
        for told in [
            "123456",
            "1023 MiB",
            "67m",
            "cleanup eligible",
            "…",
            "long/end",
            "no_space: the destination is full",
        ] {
            assert!(on_terminal.contains(told), "{told}: {on_terminal}");
        }
        assert!(shown(false).contains(&jobs[0].subject), "a pipe gets the whole name");
    }
}
