//! Personas out of a JSON list, as other systems that keep decoys alive describe theirs. What is wrong with one entry costs that
//! entry only, and is told.

use std::collections::{BTreeMap, HashSet};
use std::io::Read as _;
use std::path::Path;

use jiff::SignedDuration;
use serde_json::{Map, Value};
use verisim_core::{Owner, printable};
use verisim_realism::company::plain_letters;
use verisim_realism::{Country, Language, Persona, Tone, WorkWeek, Zone};

use crate::config::{email, signature, units};
use crate::error::{CliError, CliResult, show};
use crate::exit::Exit;

/// The longest file that is read, in bytes.
const BYTES_MAX: u64 = 4 << 20;
/// The most entries that are read.
const ENTRIES_MAX: usize = 5000;
/// The most mannerisms of one person.
const MANNERISMS_MAX: usize = 40;
/// The most unknown fields that are told.
const UNKNOWN_MAX: usize = 20;
/// Thirty days, in seconds: nobody answers later than that.
const LATENCY_MAX: f64 = 2_592_000.0;
/// The first user id that Debian gives to people.
const UID_FIRST: u32 = 1000;
/// Accounts that are there without anybody: nobody is called so.
const SYSTEM: [&str; 24] = [
    "root",
    "daemon",
    "bin",
    "sys",
    "sync",
    "games",
    "man",
    "lp",
    "mail",
    "news",
    "uucp",
    "proxy",
    "www-data",
    "backup",
    "list",
    "irc",
    "nobody",
    "sshd",
    "messagebus",
    "operator",
    "adm",
    "halt",
    "shutdown",
    "ftp",
];
/// What an entry may have.
const FIELDS: [&str; 10] = [
    "name",
    "email",
    "role",
    "tone",
    "mannerisms",
    "language",
    "signature",
    "active_hours",
    "reply_latency",
    "uses_llms_heavily",
];

/// What a list says nothing of.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Where the people live.
    pub(super) time_zone: Zone,
    /// Whose holidays they keep.
    pub(super) country: Option<Country>,
    /// What is written there.
    pub(super) language: Language,
}

/// What was in a list.
#[derive(Debug, Default)]
pub(super) struct Imported {
    /// Those who could be taken, in their order.
    pub(super) people: Vec<Persona>,
    /// What was left out or taken otherwise, and why.
    pub(super) remarks: Vec<String>,
}

/// Reads a list.
pub(super) fn load(file: &Path, place: &Place) -> CliResult<Imported> {
    let trouble = |error: &std::io::Error| CliError::io(Exit::Config, "cannot read", file, error);
    let refused = |why: &str| CliError::new(Exit::Config, format!("{}: {why}", show(file)));
    // Nothing but a regular file is waited for.
    let meta = std::fs::metadata(file).map_err(|error| trouble(&error))?;
    if !meta.is_file() {
        return Err(refused("it is no regular file"));
    }
    let mut bytes = Vec::new();
    let open = std::fs::File::open(file).map_err(|error| trouble(&error))?;
    open.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| trouble(&error))?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(refused(&format!("it is larger than {}", units::show_size(BYTES_MAX))));
    }
    parse(&bytes, place).map_err(|why| {
        refused(&why)
            .hint("a list of people looks like [{\"name\": \"Maria Keller\", \"role\": \"analyst\"}]")
    })
}

/// Reads what a file holds; an error is about the whole of it.
fn parse(bytes: &[u8], place: &Place) -> Result<Imported, String> {
    // Some systems put a byte order mark before what they export.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let value: Value = serde_json::from_slice(bytes).map_err(|error| format!("it is not JSON: {error}"))?;
    let Value::Array(entries) = value else { return Err("it is JSON, but no list".to_owned()) };
    let mut imported = Imported::default();
    let mut unknown: BTreeMap<String, usize> = BTreeMap::new();
    let mut taken = HashSet::new();
    for (number, entry) in (1..).zip(entries.iter().take(ENTRIES_MAX)) {
        let name = entry.get("name").and_then(Value::as_str).map(brief);
        let title = name.map_or_else(|| format!("entry {number}"), |name| format!("entry {number} ({name})"));
        let fields = match entry {
            Value::Object(fields) => fields,
            _ => {
                imported.remarks.push(format!("{title} is left out: it is no object with fields"));
                continue;
            }
        };
        for field in fields.keys().filter(|field| !FIELDS.contains(&field.as_str())) {
            *unknown.entry(brief(field)).or_default() += 1;
        }
        let uid = UID_FIRST + u32::try_from(imported.people.len()).unwrap_or(0);
        match person(fields, uid, place, &mut taken) {
            Ok((persona, more)) => {
                imported.remarks.extend(more.into_iter().map(|remark| format!("{title}: {remark}")));
                imported.people.push(persona);
            }
            Err(all) => {
                let all: Vec<String> =
                    all.into_iter().map(|(field, why)| format!("`{field}`: {why}")).collect();
                imported.remarks.push(format!("{title} is left out: {}", all.join("; ")));
            }
        }
    }
    if entries.len() > ENTRIES_MAX {
        let more = entries.len() - ENTRIES_MAX;
        imported.remarks.push(format!("{more} more than {ENTRIES_MAX} entries are left out"));
    }
    for (field, count) in unknown.into_iter().take(UNKNOWN_MAX) {
        imported
            .remarks
            .push(format!("the field `{field}` is unknown and passed over, in {count} of the entries"));
    }
    Ok(imported)
}

/// What is wrong with an entry: in which field, and why.
type Wrong = (&'static str, String);

/// What was read of an entry, and all that is wrong with it.
struct Entry<'e> {
    fields: &'e Map<String, Value>,
    wrong: Vec<Wrong>,
}

impl<'e> Entry<'e> {
    /// What a field holds; `None` also where it is wrong, which is noted.
    fn keep<T>(&mut self, read: Result<T, Wrong>) -> Option<T> {
        read.map_err(|wrong| self.wrong.push(wrong)).ok()
    }

    fn text(&mut self, field: &'static str) -> Option<&'e str> {
        let read = match self.fields.get(field) {
            None | Some(Value::Null) => return None,
            Some(Value::String(text)) => Ok(text.as_str()),
            Some(_) => Err((field, "it is no text".to_owned())),
        };
        self.keep(read)
    }

    fn parsed<T>(&mut self, field: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(field)?;
        self.keep(parse(text).map_err(|why| (field, why)))
    }

    fn full_name(&mut self) -> Option<String> {
        if matches!(self.fields.get("name"), None | Some(Value::Null)) {
            self.wrong.push(("name", "it is missing".to_owned()));
        }
        self.parsed("name", |text| match units::short_text(text)? {
            long if long.chars().count() > 120 => Err("it is longer than 120 characters".to_owned()),
            name => Ok(name),
        })
    }

    /// The tone, and what is kept of one that nobody here speaks in.
    fn tone(&mut self) -> (Option<Tone>, Option<(String, String)>) {
        let Some(text) = self.text("tone") else { return (None, None) };
        match text.parse::<Tone>() {
            Ok(tone) => (Some(tone), None),
            Err(error) => {
                let text = self.keep(units::short_text(text).map_err(|why| ("tone", why)));
                let remark = format!("`tone`: {error}; it is kept as a mannerism");
                (None, text.map(|text| (format!("tone: {text}"), remark)))
            }
        }
    }
}

/// Makes a person of an entry; with what was taken otherwise than it stands there.
fn person(
    fields: &Map<String, Value>,
    uid: u32,
    place: &Place,
    taken: &mut HashSet<String>,
) -> Result<(Persona, Vec<String>), Vec<Wrong>> {
    let mut entry = Entry { fields, wrong: Vec::new() };
    let full_name = entry.full_name();
    let email = entry.parsed("email", email);
    let role = entry.parsed("role", units::short_text).unwrap_or_else(|| "office".to_owned());
    let language = entry.parsed("language", |text| text.parse::<Language>().map_err(|e| e.to_string()));
    let language = language.unwrap_or(place.language);
    // Where lines end with a carriage return, it is no part of them.
    let signature = entry.parsed("signature", |text| signature(&text.replace("\r\n", "\n")));
    let week = entry.keep(active_hours(fields)).unwrap_or_default();
    let reply_latency = entry.keep(reply_latency(fields)).flatten();
    let uses_llms_heavily = match fields.get("uses_llms_heavily") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(flag)) => *flag,
        Some(_) => {
            entry.wrong.push(("uses_llms_heavily", "it is neither true nor false".to_owned()));
            false
        }
    };
    let mut mannerisms = entry.keep(mannerisms(fields)).unwrap_or_default();
    let (tone, other_tone) = entry.tone();
    let (kept, remark) = other_tone.unzip();
    mannerisms.extend(kept);
    let called = full_name.and_then(|full_name| {
        let named = called(&full_name, email.as_deref(), language, taken);
        entry.keep(named.map_err(|why| ("name", why))).map(|(name, login)| (full_name, name, login))
    });
    let Some((full_name, name, login)) = called.filter(|_| entry.wrong.is_empty()) else {
        return Err(entry.wrong);
    };
    let wrong = |why: String| vec![("name", why)];
    let persona_name = name.parse().map_err(|error| wrong(format!("{error}")))?;
    let owner = Owner { uid, gid: uid };
    let mut made = Persona::new(persona_name, full_name, login.clone(), owner, role)
        .map_err(|error| wrong(error.to_string()))?;
    taken.extend([name, format!("login {login}")].into_iter().chain(email.clone()));
    made.language = language;
    made.country = place.country;
    made.time_zone = place.time_zone.clone();
    made.week = week;
    made.character.tone = tone;
    made.character.mannerisms = mannerisms;
    made.character.signature = signature;
    made.character.email = email;
    made.character.reply_latency = reply_latency;
    made.character.uses_llms_heavily = uses_llms_heavily;
    Ok((made, remark.into_iter().collect()))
}

/// The name in the configuration and the login of somebody new.
fn called(
    full_name: &str,
    email: Option<&str>,
    language: Language,
    taken: &HashSet<String>,
) -> Result<(String, String), String> {
    let (name, login) = names(full_name, email, language)
        .ok_or_else(|| format!("{full_name:?} has no letters from a to z that a login could be made of"))?;
    if taken.contains(&name) || email.is_some_and(|email| taken.contains(email)) {
        return Err(format!("there is somebody of the name or address of {full_name:?} already"));
    }
    if SYSTEM.contains(&login.as_str()) {
        return Err(format!("`{login}` would be the login, which is an account of every system"));
    }
    let login = free_login(&login, taken);
    Ok((name, login))
}

/// A list of texts, or one.
fn mannerisms(fields: &Map<String, Value>) -> Result<Vec<String>, Wrong> {
    const FIELD: &str = "mannerisms";
    let list = match fields.get(FIELD) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::String(_)) => std::slice::from_ref(&fields[FIELD]),
        Some(Value::Array(list)) if list.len() < MANNERISMS_MAX => list.as_slice(),
        Some(Value::Array(_)) => return Err((FIELD, format!("they are {MANNERISMS_MAX} or more"))),
        Some(_) => return Err((FIELD, "they are no list of texts".to_owned())),
    };
    let one = |value: &Value| match value {
        Value::String(text) => units::short_text(text.trim()).map_err(|why| (FIELD, why)),
        _ => Err((FIELD, "they are no list of texts".to_owned())),
    };
    list.iter().map(one).collect()
}

/// `09:00-17:30`, also with days before it; or the first and the last hour, `[9, 17]`. Without days those of an office.
fn active_hours(fields: &Map<String, Value>) -> Result<WorkWeek, Wrong> {
    const FIELD: &str = "active_hours";
    let parse = |text: &str| text.parse::<WorkWeek>().map_err(|error| (FIELD, error.to_string()));
    match fields.get(FIELD) {
        None | Some(Value::Null) => Ok(WorkWeek::default()),
        Some(Value::String(text)) if text.trim().starts_with(|c: char| c.is_ascii_digit()) => {
            parse(&format!("mon-fri {}", text.replace(' ', "")))
        }
        Some(Value::String(text)) => parse(text),
        Some(Value::Array(hours)) => match hours.iter().map(Value::as_u64).collect::<Option<Vec<_>>>() {
            Some(hours) if hours.len() == 2 => parse(&format!("mon-fri {}:00-{}:00", hours[0], hours[1])),
            _ => Err((FIELD, "two hours are meant, as in [9, 17]".to_owned())),
        },
        Some(_) => Err((FIELD, "write for instance \"09:00-17:30\"".to_owned())),
    }
}

/// `45m`, or seconds as a number.
fn reply_latency(fields: &Map<String, Value>) -> Result<Option<SignedDuration>, Wrong> {
    const FIELD: &str = "reply_latency";
    let span = match fields.get(FIELD) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => units::duration(text).map_err(|why| (FIELD, why))?,
        Some(Value::Number(number)) => {
            let seconds = number.as_f64().filter(|seconds| (0.0..=LATENCY_MAX).contains(seconds));
            seconds
                .map(std::time::Duration::from_secs_f64)
                .ok_or((FIELD, "seconds from 0 to 30 days are meant".to_owned()))?
        }
        Some(_) => return Err((FIELD, "write for instance \"45m\", or seconds".to_owned())),
    };
    SignedDuration::try_from(span).map(Some).map_err(|error| (FIELD, error.to_string()))
}

/// The name in the configuration, and the login: that of the address where it can be one, else made of the name. `None` where
/// the name has nothing that could be part of either.
fn names(full_name: &str, email: Option<&str>, language: Language) -> Option<(String, String)> {
    let name: String = plain_letters(full_name, language).chars().take(60).collect();
    let name = name.trim_matches('-').to_owned();
    let mut words = name.split('-');
    let first = words.next()?;
    let last = words.next_back().unwrap_or_default();
    let made: String = match last {
        "" => first.chars().take(30).collect(),
        _ => first.chars().take(1).chain(last.chars().take(28)).collect(),
    };
    let of_email = email.and_then(|email| email.split('@').next()).map(str::to_lowercase);
    let of_email = of_email.filter(|local| local.len() <= 28 && units::is_login(local));
    let login = of_email.or(Some(made)).filter(|login| units::is_login(login))?;
    (!name.is_empty()).then_some((name, login))
}

/// The login, with a number where somebody has it already.
fn free_login(login: &str, taken: &HashSet<String>) -> String {
    let is_free = |login: &String| !taken.contains(&format!("login {login}"));
    let numbered = (2..).map(|number: u32| format!("{login}{number}"));
    std::iter::once(login.to_owned()).chain(numbered).find(is_free).unwrap_or_default()
}

/// A text of somebody else's as it may stand in a message.
fn brief(text: &str) -> String {
    printable(&text.chars().take(60).collect::<String>())
}

#[cfg(test)]
mod tests;
