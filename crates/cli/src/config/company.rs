//! The company of the configuration. What it leaves out is invented from the seed.

use std::collections::HashSet;
use std::net::IpAddr;

use verisim_realism::company::{
    Every, Machine, Meeting, Outline, Phase, Project, Site, Team, TeamIndex, Vendor,
};
use verisim_realism::{Company, Country, Language, Zone};

use super::mistake::nearest;
use super::section::{At, Section};
use super::traffic::host_address;
use super::units;

/// The most of one kind that a company has: more than a person reads, and a bound for what is asked of it each day.
const ENTRIES_MAX: usize = 2000;

/// Reads the company. `decoys` are the names of the decoys, which none of its hosts may have.
pub(super) fn read_company(section: Section<'_>, seed: u64, decoys: &HashSet<&str>) -> Company {
    let country = section.parsed::<Country>("country", "DE").map(|country| country.value);
    let sites = listed(&section, "site", "[[company.site]]", read_site);
    let country = country.or(sites.first().map(|site| site.country)).unwrap_or(Country::Gb);
    let language = section.parsed::<Language>("language", "german");
    let language = language.map_or_else(|| country.language(), |language| language.value);
    let mut company = Company::invent(seed, &Outline { country, language, ..Outline::default() });
    for (key, field, example) in [
        ("name", &mut company.name, "Kesdale GmbH"),
        ("domain", &mut company.domain, "kesdale.internal"),
        ("industry", &mut company.industry, "Labortechnik"),
    ] {
        if let Some(text) = words(&section, key, example) {
            *field = text;
        }
    }
    if !sites.is_empty() {
        company.teams.iter_mut().for_each(|team| team.site = team.site.min(sites.len() - 1));
        company.sites = sites;
    }
    let cities: Vec<String> = company.sites.iter().map(|site| site.city.clone()).collect();
    let teams = listed(&section, "team", "[[company.team]]", |entry| read_team(entry, &cities));
    let has_teams = !teams.is_empty();
    if has_teams {
        // What is invented belongs to teams that are invented.
        (company.teams, company.projects, company.meetings) = (teams, Vec::new(), Vec::new());
    }
    let names: Vec<String> = company.teams.iter().map(|team| team.name.clone()).collect();
    let mut keys = HashSet::new();
    let projects =
        listed(&section, "project", "[[company.project]]", |entry| read_project(entry, &names, &mut keys));
    let meetings = listed(&section, "meeting", "[[company.meeting]]", |entry| read_meeting(entry, &names));
    let hosts = listed(&section, "host", "[[company.host]]", |entry| read_host(entry, decoys));
    let vendors = listed(&section, "vendor", "[[company.vendor]]", read_vendor);
    replace(&mut company.projects, projects);
    replace(&mut company.meetings, meetings);
    replace(&mut company.hosts, hosts);
    replace(&mut company.vendors, vendors);
    company.hosts.retain(|host| !decoys.contains(host.name.as_str()));
    section.finish();
    company
}

fn replace<T>(invented: &mut Vec<T>, given: Vec<T>) {
    if !given.is_empty() {
        *invented = given;
    }
}

/// The entries of one kind that are right; the others are noted.
fn listed<T>(
    section: &Section<'_>,
    key: &'static str,
    title: &'static str,
    read: impl FnMut(Section<'_>) -> Option<T>,
) -> Vec<T> {
    let entries = section.tables(key, title);
    if let Some(first) = entries.get(ENTRIES_MAX) {
        let what = format!("the company has more than {ENTRIES_MAX} entries {title}");
        first.mistake(first.span.clone(), what, "leave some of them out");
    }
    entries.into_iter().take(ENTRIES_MAX).filter_map(read).collect()
}

/// A short text without control characters.
fn words(section: &Section<'_>, key: &'static str, example: &str) -> Option<String> {
    section.parse_with(key, example, units::short_text).map(|text| text.value)
}

/// The same, which must be there.
fn needed(section: &Section<'_>, key: &'static str, example: &str) -> Option<String> {
    if section.value(key).is_none() {
        section.missing(key, &format!("\"{example}\""));
    }
    words(section, key, example)
}

fn read_site(section: Section<'_>) -> Option<Site> {
    let city = needed(&section, "city", "Hannover");
    if section.value("country").is_none() {
        section.missing("country", "\"DE\"");
    }
    let country = section.parsed::<Country>("country", "DE").map(|country| country.value);
    let zone = section.parsed::<Zone>("time_zone", "Europe/Berlin").map(|zone| zone.value);
    section.finish();
    let usual = || country?.seats().first()?.1.parse().ok();
    Some(Site { city: city?, country: country?, time_zone: zone.or_else(usual)? })
}

fn read_team(section: Section<'_>, cities: &[String]) -> Option<Team> {
    let name = needed(&section, "name", "Plattform");
    let role = words(&section, "role", "developer").unwrap_or_else(|| "office".to_owned());
    let site = section.text("site", "Hannover").and_then(|city| place_of("site", cities, &city, &section));
    section.finish();
    Some(Team { name: name?, role, site: site.unwrap_or(0) })
}

/// The place of a name in a list; one that is in it nowhere is noted.
fn place_of(what: &str, known: &[String], name: &At<&str>, section: &Section<'_>) -> Option<usize> {
    let found = known.iter().position(|one| one == name.value);
    if found.is_none() {
        let shown = verisim_core::printable(name.value);
        let mend = match nearest(name.value, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("add a [[company.{what}]] with this name, or take it out here"),
        };
        section.mistake(name.span.clone(), format!("the company has no {what} `{shown}`"), mend);
    }
    found
}

fn team_of(section: &Section<'_>, teams: &[String]) -> Option<TeamIndex> {
    let name = section.required_text("team", "Plattform")?;
    place_of("team", teams, &name, section).map(TeamIndex)
}

fn read_project(section: Section<'_>, teams: &[String], keys: &mut HashSet<String>) -> Option<Project> {
    let code_name = needed(&section, "name", "Heron");
    let subject = words(&section, "subject", "Kundenportal").unwrap_or_default();
    let _ = section.required_text("key", "HER");
    let key = section.parse_with("key", "HER", |text| {
        let fits = (2..=10).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_uppercase())
            && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        match fits {
            false => Err("a key is 2 to 10 capitals and digits, a letter first".to_owned()),
            true if !keys.insert(text.to_owned()) => Err(format!("{text:?} is another project's key")),
            true => Ok(text.to_owned()),
        }
    });
    let team = team_of(&section, teams);
    let before = section.value("phases").is_some();
    if !before {
        section.missing("phases", "[\"build 2026-03-02/2026-06-12\"]");
    }
    let phases: Vec<At<Phase>> = section.names("phases", "build 2026-03-02/2026-06-12");
    for pair in phases.windows(2) {
        if let [one, next] = pair
            && one.value.to >= next.value.from
        {
            let what = format!("this phase begins before the one before it is over, on {}", one.value.to);
            section.mistake(next.span.clone(), what, "let phases follow one after the other");
        }
    }
    let is_empty = before && phases.is_empty();
    if is_empty {
        let example = "phases = [\"build 2026-03-02/2026-06-12\"]";
        section.mistake(section.place_of("phases"), "the project has no phase", example);
    }
    let phases: Vec<Phase> = phases.into_iter().map(|phase| phase.value).collect();
    section.finish();
    (!phases.is_empty()).then_some(())?;
    Some(Project { code_name: code_name?, key: key?.value, subject, team: team?, phases })
}

fn read_meeting(section: Section<'_>, teams: &[String]) -> Option<Meeting> {
    let title = needed(&section, "title", "Teamrunde");
    let team = team_of(&section, teams);
    let _ = section.required_text("day", "mon");
    let day = section.parse_with("day", "mon", units::weekday);
    let _ = section.required_text("at", "09:30");
    let at_minute = section.parse_with("at", "09:30", units::minute_of_day);
    let minutes = section.number("minutes", 5..=480).map_or(30, |minutes| minutes.value);
    let every = section.parse_with("every", "week", |text| match text {
        "week" => Ok(Every::Week),
        "even week" => Ok(Every::EvenWeek),
        "odd week" => Ok(Every::OddWeek),
        _ => Err(format!("{text:?} is none of \"week\", \"even week\" and \"odd week\"")),
    });
    section.finish();
    Some(Meeting {
        title: title?,
        team: team?,
        day: day?.value,
        at_minute: at_minute?.value,
        minutes: u32::try_from(minutes).unwrap_or(30),
        every: every.map_or(Every::Week, |every| every.value),
    })
}

fn read_host(section: Section<'_>, decoys: &HashSet<&str>) -> Option<Machine> {
    let _ = section.required_text("name", "git01");
    let name = section.parse_with("name", "git01", |text| {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !(1..=63).contains(&text.len()) || !text.bytes().all(legal) {
            return Err("the name of a host is 1 to 63 of a-z, 0-9 and '-'".to_owned());
        }
        match decoys.contains(text) {
            true => Err("a decoy has this name, and needs no entry here".to_owned()),
            false => Ok(text.to_owned()),
        }
    });
    let role = words(&section, "role", "source code").unwrap_or_else(|| "server".to_owned());
    let services = section.names::<ShortText>("services", "https").into_iter().map(|word| word.value.0);
    let services = services.collect();
    let _ = section.required_text("address", "172.20.4.7");
    let address = section.parse_with::<IpAddr>("address", "172.20.4.7", host_address);
    section.finish();
    Some(Machine { name: name?.value, role, services, address: address?.value })
}

/// A text as [`units::short_text`] has it, in a list.
struct ShortText(String);

impl std::str::FromStr for ShortText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        units::short_text(text).map(Self)
    }
}

fn read_vendor(section: Section<'_>) -> Option<Vendor> {
    let name = needed(&section, "name", "Halmont AG");
    let provides = words(&section, "provides", "Drucker").unwrap_or_default();
    section.finish();
    Some(Vendor { name: name?, provides })
}
