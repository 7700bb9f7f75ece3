//! The half of the configuration that brings evidence home: destinations and captures.

use std::time::Duration;

use verisim_core::{CleanupRule, RelPath};
use verisim_realism::{WorkWeek, Zone};
use verisim_sync::AuditRule;

use super::check::Kind;
use super::model::{Bandwidth, CaptureConfig, Complete, DestinationConfig, Each, TransportConfig};
use super::read::{Reader, name};
use super::section::{At, Section};
use super::{far, object, rclone, units};

pub(super) fn read_destination(section: Section<'_>, reader: &Reader<'_>) -> Option<DestinationConfig> {
    name(&section, "vault");
    let destination_name = section.parsed("name", "vault");
    let transport = read_transport(&section, reader);
    let bandwidth = section.table("bandwidth", "bandwidth", "{ mbit = 50 }").and_then(read_bandwidth);
    section.finish();
    Some(DestinationConfig { name: destination_name?.value, transport: transport?, bandwidth })
}

const NATIVE_EXAMPLE: &str = "{ path = \"/mnt/nas/evidence\" }";

fn read_transport(section: &Section<'_>, reader: &Reader<'_>) -> Option<TransportConfig> {
    let name = section.peek("name").unwrap_or_default();
    let native = section
        .table("native", "native", NATIVE_EXAMPLE)
        .and_then(|native| read_native(native, name, reader));
    let rsync = section
        .table("rsync_ssh", "rsync_ssh", far::EXAMPLE)
        .and_then(|rsync| far::read_rsync(rsync, name, reader));
    let sftp =
        section.table("sftp", "sftp", far::EXAMPLE).and_then(|sftp| far::read_sftp(sftp, name, reader));
    let rclone = section
        .table("rclone", "rclone", rclone::EXAMPLE)
        .and_then(|rclone| rclone::read_rclone(rclone, name, reader));
    let object = object::read_object(section, name, reader);
    let named = ["native", "sftp", "rsync_ssh", "rclone"]
        .into_iter()
        .chain(object::KINDS.map(|(kind, _)| kind))
        .filter(|key| section.value(key).is_some())
        .count();
    let write = format!(
        "write native = {NATIVE_EXAMPLE}, sftp or rsync_ssh = {}, s3 = {}, or rclone = {}",
        far::EXAMPLE,
        object::KINDS[0].1,
        rclone::EXAMPLE
    );
    match named {
        0 => section.mistake(section.span.clone(), "the destination names no way there", write),
        1 => {}
        _ => section.mistake(section.span.clone(), "the destination names more than one way there", write),
    }
    native.or(rsync).or(sftp).or(object).or(rclone)
}

fn read_native(native: Section<'_>, name: &str, reader: &Reader<'_>) -> Option<TransportConfig> {
    if native.value("path").is_none() {
        native.missing("path", "\"/mnt/nas/evidence\"");
    }
    let root = reader.named_folder(&native, "path", "/mnt/nas/evidence", Kind::Destination, name);
    native.finish();
    root.map(TransportConfig::Native)
}

fn read_bandwidth(section: Section<'_>) -> Option<Bandwidth> {
    let mbit = section.number("mbit", 1..=1_000_000);
    let mbyte = section.parse_with("rate", "5MiB", units::size);
    if section.value("mbit").is_none() && section.value("rate").is_none() {
        section.missing("mbit", "50");
    }
    let time_zone =
        section.parsed::<Zone>("time_zone", "Europe/Berlin").map_or_else(Zone::utc, |zone| zone.value);
    let windows = section.tables("windows", "windows");
    let stretches: Vec<String> = windows.into_iter().filter_map(read_window).collect();
    let windows = if stretches.is_empty() {
        None
    } else {
        let week = stretches.join(", ").parse::<WorkWeek>();
        if let Err(error) = &week {
            section.mistake(
                section.span.clone(),
                format!("the windows do not fit together: {error}"),
                "name each day once",
            );
        }
        week.ok()
    };
    section.finish();
    let bytes_per_second =
        mbit.map(|mbit| mbit.value * units::BYTES_PER_MBIT).or(mbyte.map(|rate| rate.value.0))?;
    Some(Bandwidth { bytes_per_second, windows, time_zone })
}

/// A window as a stretch of a week: `mon-fri 08:00-18:00`.
fn read_window(section: Section<'_>) -> Option<String> {
    let stretch = stretch(&section);
    section.finish();
    stretch
}

fn stretch(section: &Section<'_>) -> Option<String> {
    let days = section.required_text("days", "mon-fri");
    let from = section.required_text("from", "08:00");
    let to = section.required_text("to", "18:00");
    // Each by itself, so that all that is wrong is told at once.
    let is_good = |key, at: &At<&str>, stretch: &str, example| {
        let is_good = stretch.parse::<WorkWeek>().is_ok();
        if !is_good {
            let what = format!("`{key}`: {:?} {}", at.value, if key == "days" { DAYS } else { TIME });
            section.mistake(at.span.clone(), what, format!("for instance {key} = \"{example}\""));
        }
        is_good
    };
    let days = days.filter(|days| is_good("days", days, &format!("{} 08:00-18:00", days.value), "mon-fri"));
    let from = from.filter(|from| is_good("from", from, &format!("mon {}-23:59", from.value), "08:00"));
    let to = to.filter(|to| is_good("to", to, &format!("mon 00:00-{}", to.value), "18:00"));
    let (days, from, to) = (days?, from?, to?);
    let stretch = format!("{} {}-{}", days.value, from.value, to.value);
    let week = match stretch.parse::<WorkWeek>() {
        Ok(week) => week,
        Err(error) => {
            section.mistake(days.span, error.to_string(), "let it end before it begins on the next day");
            return None;
        }
    };
    // From one o'clock to the same is a whole day to one reader and no time at all to the next; 24:00 is the end of a day.
    let is_empty = week.has_whole_day() && to.value.trim() != "24:00";
    if is_empty {
        section.mistake(
            from.span,
            format!("the window begins and ends at {}", from.value),
            "write from = \"00:00\", to = \"24:00\" for the whole day",
        );
    }
    (!is_empty).then_some(stretch)
}

/// What is wrong with the days of a window, and with its times.
const DAYS: &str = "names no days, which are mon, tue, wed, thu, fri, sat and sun";
const TIME: &str = "is no time of day";

pub(super) fn read_capture(section: Section<'_>, reader: &Reader<'_>) -> Option<CaptureConfig> {
    name(&section, "cowrie");
    let capture_name = section.parsed("name", "cowrie");
    if section.value("path").is_none() {
        section.missing("path", "\"/srv/cowrie/downloads\"");
    }
    let own = section.peek("name").unwrap_or_default();
    let root = reader.named_folder(&section, "path", "/srv/cowrie/downloads", Kind::Capture, own);
    let each = section.parse_with("each", "directory", |text| match text {
        "directory" => Ok(Each::Directory),
        "folder" => Ok(Each::Folder),
        other => Err(format!("{other:?} is neither \"directory\" (every sub-directory is a capture) nor \"folder\" (the folder is one)")),
    });
    let complete = read_complete(&section);
    let gate = super::gate::read_gate(&section);
    let declared = reader.a_destination().unwrap_or("vault");
    if section.value("destination").is_none() {
        section.missing("destination", &format!("{declared:?}"));
    }
    let destination = section.parsed("destination", declared);
    if let Some(destination) = &destination {
        reader.destination(destination, &section);
    }
    let cleanup =
        section.table("cleanup", "cleanup", "{ enabled = false }").map_or_else(cleanup_off, read_cleanup);
    let audit = section.table("audit", "audit", AUDIT).and_then(read_audit);
    section.finish();
    Some(CaptureConfig {
        name: capture_name?.value,
        path: root?,
        each: each.map_or(Each::Directory, |each| each.value),
        complete: complete?,
        gate: gate.into(),
        destination: destination?.value,
        cleanup,
        audit,
    })
}

/// How often what was cleaned up may be looked at, and how much of it each time when nothing else is said.
const AUDIT_EVERY_MIN: Duration = Duration::from_secs(3600);
const AUDIT_SHARE: f64 = 0.1;
/// How an audit is written.
const AUDIT: &str = "{ every = \"7d\", share = 0.1 }";

/// A share of what was cleaned up is looked at in each round: all of it in as many as make one whole.
fn read_audit(section: Section<'_>) -> Option<AuditRule> {
    if section.value("every").is_none() {
        section.missing("every", "\"7d\"");
    }
    let every = section.parse_with("every", "7d", units::duration);
    if let Some(every) = every.as_ref().filter(|every| every.value < AUDIT_EVERY_MIN) {
        section.mistake(every.span.clone(), "an audit is made once an hour at the most", AUDIT);
    }
    let share = section.decimal("share", 0.001, 1.0).map_or(AUDIT_SHARE, |share| share.value);
    section.finish();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 1,000")]
    let rounds = (1.0 / share).ceil() as u32;
    Some(AuditRule { every: every?.value, rounds })
}

fn read_complete(section: &Section<'_>) -> Option<Complete> {
    const EXAMPLE: &str = "{ quiet = \"10m\" }";
    if section.value("complete").is_none() {
        section.missing("complete", EXAMPLE);
    }
    let complete = section.table("complete", "complete", EXAMPLE)?;
    let file = |key| {
        complete.parse_with(key, "run_complete", |text| match RelPath::new(text) {
            Ok(_) if text.contains('/') => {
                Err("only a name at the top of the capture is looked for".to_owned())
            }
            Ok(_) => Ok(text.to_owned()),
            Err(error) => Err(error.to_string()),
        })
    };
    let sentinel = file("sentinel").map(|file| Complete::Sentinel(file.value));
    let manifest = file("manifest").map(|file| Complete::Manifest(file.value));
    let quiet = complete.parse_with("quiet", "10m", units::duration).map(|span| Complete::Quiet(span.value));
    let named =
        ["sentinel", "manifest", "quiet"].into_iter().filter(|key| complete.value(key).is_some()).count();
    if named != 1 {
        let what =
            if named == 0 { "`complete` names no signal" } else { "`complete` names more than one signal" };
        complete.mistake(
            complete.span.clone(),
            what,
            "write one of sentinel = \"run_complete\", manifest = \"manifest.json\", quiet = \"10m\"",
        );
    }
    complete.finish();
    sentinel.or(manifest).or(quiet)
}

/// Cleanup as it is until somebody switches it on. The other fields are what is wise for most, and are read again when
/// it is.
const fn cleanup_off() -> CleanupRule {
    CleanupRule {
        enabled: false,
        min_passes: 2,
        min_age: Duration::from_secs(24 * 3600),
        accept_other_proof: false,
        remove_metadata: false,
    }
}

fn read_cleanup(section: Section<'_>) -> CleanupRule {
    let mut rule = cleanup_off();
    rule.enabled = section.flag("enabled").unwrap_or(rule.enabled);
    if let Some(passes) = section.number("min_passes", 1..=100) {
        rule.min_passes = u32::try_from(passes.value).unwrap_or(u32::MAX);
    }
    if let Some(age) = section.parse_with("min_age", "24h", units::duration) {
        rule.min_age = age.value;
    }
    rule.accept_other_proof = section.flag("accept_other_proof").unwrap_or(rule.accept_other_proof);
    rule.remove_metadata = section.flag("remove_metadata").unwrap_or(rule.remove_metadata);
    section.finish();
    rule
}
