//! What cron jobs and services write: lines that rise in time, with the right host name.

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use verisim_core::{DecoyPath, FileClass};

use crate::Language;
use crate::lexicon::{Lexicon, Pattern, Patterns};
use crate::random::{Generator, Purpose};
use crate::voice::Voice;

/// What a job or service reports. `{n}` and the others are filled in.
static JOB_LINES: LazyLock<Patterns> = LazyLock::new(|| {
    Pattern::all(&[
        "{n} files checked, {small} changed",
        "{ident}: ok",
        "copied {n} files to {host} in {small}.{small} s",
        "skipped {small} of {n}",
        "nothing to do",
        "retrying {host} ({small})",
        "{percent} used on {host}",
        "removed {small} old entries",
        "{code}: {n} rows",
        "finished with {small} warnings",
        "locked by pid {n}{small}, waited {small} s",
        "total {n}{small} kB",
        "{ident}: {n} of {n}{small}",
        "step {small} done after {n} s",
        "{code}/{ident}{n}.dat: unchanged",
        "{code}/{ident}{n}.dat -> {host}",
    ])
});
static SERVICE_LINES: LazyLock<Patterns> = LazyLock::new(|| {
    Pattern::all(&[
        "accepted connection {n}{small} from {host}",
        "request {n}{small} done in {n} ms",
        "reloaded configuration, {small} sections",
        "cache: {n} entries, {percent} hits",
        "closing idle connection {n}{small}",
        "queue length {n}",
        "worker {small} started",
        "worker {small} finished after {n} jobs",
        "checkpoint {n}{small} written in {n} ms",
        "session {n}{small} expired",
        "peer {host} is back after {n} s",
        "slow request {n}{small}: {n}{small} ms",
        "index for {code} rebuilt, {n} documents",
        "loaded {ident}.conf ({n} keys)",
        "listening on port {n}{small}",
        "lease {n}{n} renewed for {n} s",
        "{ident}: {n} ms, {small} retries",
    ])
});

/// New lines of a log at the slot's instant. `since` is when lines were last added: the new ones are not earlier.
pub(crate) fn lines(
    voice: &mut Voice<'_>,
    path: &DecoyPath,
    class: FileClass,
    since: Option<Timestamp>,
) -> String {
    let Some(decoy) = voice.world.decoy(voice.slot.decoy) else { return String::new() };
    let (host, zone) = (decoy.name.clone(), decoy.time_zone.clone());
    let mut style =
        Generator::new(voice.world.decoy_seed(voice.slot.decoy, Purpose::Story).text(&path.to_string()));
    let program = program_name(path);
    let daily = voice.slot.at.as_second().div_euclid(7 * 86_400);
    // A service keeps its process number until it is started again, once a week; a job has a new one each time.
    let pid = match class {
        FileClass::DaemonLog => {
            400 + (style.below(2000) + u32::try_from(daily.rem_euclid(40)).unwrap_or(0) * 641) % 30_000
        }
        _ => 1000 + voice.draw.below(31_000),
    };
    let format = style.below(3);
    let patterns = if class == FileClass::DaemonLog { &SERVICE_LINES } else { &JOB_LINES };
    // Some jobs say hardly anything, some name every file.
    let talkative = style.lognormal(5.0, 1.5).clamp(1.0, 900.0);
    // Programs speak English, whatever their owner does.
    voice.lexicon = Lexicon::of(Language::English);
    voice.trade = voice.lexicon.trade(voice.role());
    let mut out = String::new();
    for at in instants(voice, since, talkative) {
        let local = zone.local(at);
        let (date, time) = (local.date(), local.time());
        let clock = format!("{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second());
        let text = voice.say_one(patterns);
        let month = voice.month_name(date);
        let line = match format {
            0 => format!("{month:.3} {:>2} {clock} {host} {program}[{pid}]: {text}\n", date.day()),
            1 => format!("{date} {clock} {program}[{pid}] {text}\n"),
            _ => format!("[{date}T{clock}] {host}: {text}\n"),
        };
        out.push_str(&line);
    }
    out
}

/// When the lines were written: over the last seconds before the slot, never before `since`.
fn instants(voice: &mut Voice<'_>, since: Option<Timestamp>, talkative: f64) -> Vec<Timestamp> {
    let at = voice.slot.at;
    let earliest = since.unwrap_or(Timestamp::MIN);
    let count = voice.draw.geometric(talkative).min(3000);
    let mut all: Vec<Timestamp> = (0..count)
        .map(|_| {
            let back = SignedDuration::from_millis(i64::from(voice.draw.below(8000)));
            at.saturating_sub(back).unwrap_or(at).max(earliest)
        })
        .collect();
    all.sort_unstable();
    all
}

/// The name of what writes the log: that of the file without its ending.
fn program_name(path: &DecoyPath) -> String {
    let name = String::from_utf8_lossy(path.file_name().unwrap_or_default()).into_owned();
    name.strip_suffix(".log").map_or_else(|| name.clone(), str::to_owned)
}
