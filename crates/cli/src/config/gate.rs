//! The gate of a capture folder: rules that a complete capture must pass.

use std::time::Duration;

use verisim_core::Severity;
use verisim_sync::{
    GateAsks, GateCommand, GateRule, Glob, NameProfile, Placeholder, Placeholders, SCAN_BYTES_MAX,
};

use super::section::Section;
use super::{check, units};

const EXAMPLE: &str =
    "{ name = \"no-scratch\", forbid = [\"*.tmp\"] }, or one with `placeholders`, `names_for` or `command`";
/// What asks something; a rule has one of them.
const KINDS: [&str; 4] = ["forbid", "placeholders", "names_for", "command"];
/// How large a file is looked into where nobody says.
const SCAN_BYTES: u64 = 1 << 20;
/// How long a command may take where nobody says, and at the most: a capture that waits for it takes a place of its
/// destination.
const TIME: Duration = Duration::from_secs(30);
const TIME_MAX: Duration = Duration::from_secs(600);

/// The rules, in their order.
pub(super) fn read_gate(capture: &Section<'_>) -> Vec<GateRule> {
    let sections = capture.tables("gate", "gate");
    check::once("rule of the gate", "name", &sections);
    sections.into_iter().filter_map(read_rule).collect()
}

fn read_rule(section: Section<'_>) -> Option<GateRule> {
    if section.value("name").is_none() {
        section.missing("name", "\"no-scratch\"");
    }
    let name = section.parsed("name", "no-scratch");
    let severity = section.parse_with("severity", "hard", |text| match text {
        "hard" => Ok(Severity::Hard),
        "warning" => Ok(Severity::Warning),
        other => Err(format!(
            "{other:?} is neither \"hard\" (holds a capture) nor \"warning\" (is told, and holds nothing)"
        )),
    });
    let asks = read_asks(&section);
    section.finish();
    let severity = severity.map_or(Severity::Hard, |severity| severity.value);
    Some(GateRule { name: name?.value, severity, asks: asks? })
}

fn read_asks(section: &Section<'_>) -> Option<GateAsks> {
    let named: Vec<&str> = KINDS.into_iter().filter(|key| section.value(key).is_some()).collect();
    let [one] = named.as_slice() else {
        let what =
            if named.is_empty() { "the rule asks nothing" } else { "the rule asks more than one thing" };
        section.mistake(
            section.span.clone(),
            what,
            format!("write one rule for each, for instance {EXAMPLE}"),
        );
        return None;
    };
    match *one {
        "forbid" => some(section, "forbid", globs(section, "forbid")).map(GateAsks::Forbidden),
        "placeholders" => read_placeholders(section).map(GateAsks::Placeholders),
        "names_for" => section
            .parse_with("names_for", "windows", NameProfile::parse)
            .map(|profile| GateAsks::Names(profile.value)),
        _ => read_command(section).map(GateAsks::Command),
    }
}

/// A list that must not be empty.
fn some<T>(section: &Section<'_>, key: &'static str, list: Vec<T>) -> Option<Vec<T>> {
    if list.is_empty()
        && section
            .value(key)
            .is_some_and(|list| list.get_ref().as_array().is_some_and(|list| list.is_empty()))
    {
        section.mistake(section.place_of(key), format!("`{key}` is empty"), "name at least one");
    }
    (!list.is_empty()).then_some(list)
}

fn globs(section: &Section<'_>, key: &'static str) -> Vec<Glob> {
    texts(section, key, "*.tmp", Glob::new)
}

/// The texts of a list, each read by `parse`.
fn texts<T>(
    section: &Section<'_>,
    key: &'static str,
    example: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Vec<T> {
    let read = |text: super::section::At<&str>| match parse(text.value) {
        Ok(value) => Some(value),
        Err(what) => {
            section.mistake(text.span, format!("`{key}`: {what}"), format!("for instance \"{example}\""));
            None
        }
    };
    section.texts(key, example).into_iter().filter_map(read).collect()
}

fn read_placeholders(section: &Section<'_>) -> Option<Placeholders> {
    let patterns = texts(section, "placeholders", "{{*}}", Placeholder::new);
    let patterns = some(section, "placeholders", patterns);
    let files = globs(section, "files");
    let largest = section.parse_with("scan_max", "1MiB", |text| match units::size(text)? {
        size if (1..=SCAN_BYTES_MAX).contains(&size.0) => Ok(size.0),
        _ => Err(format!("it is from 1 byte to {}", units::show_size(SCAN_BYTES_MAX))),
    });
    let scan_bytes_max = largest.map_or(SCAN_BYTES, |largest| largest.value);
    Some(Placeholders { patterns: patterns?, files, scan_bytes_max })
}

fn read_command(section: &Section<'_>) -> Option<GateCommand> {
    let words = section.texts("command", "/usr/local/bin/check-run");
    let time = section.parse_with("time_limit", "30s", |text| match units::duration(text)? {
        time if (Duration::from_secs(1)..=TIME_MAX).contains(&time) => Ok(time),
        _ => Err(format!("it is from 1s to {}s", TIME_MAX.as_secs())),
    });
    let words = some(section, "command", words)?;
    let (program, arguments) = words.split_first()?;
    if program.value.contains('/') && !program.value.starts_with('/') || program.value.is_empty() {
        let what = format!("`{}` is no program", verisim_core::printable(program.value));
        section.mistake(program.span.clone(), what, "write its whole path, or a name that is found in PATH");
    }
    if let Some(bad) = words.iter().find(|word| word.value.contains('\0')) {
        section.mistake(bad.span.clone(), "`command` has a NUL", "take it out");
        return None;
    }
    Some(GateCommand {
        program: program.value.to_owned(),
        arguments: arguments.iter().map(|word| word.value.to_owned()).collect(),
        time_max: time.map_or(TIME, |time| time.value),
    })
}
