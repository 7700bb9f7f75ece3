//! A company from a seed.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};

use jiff::ToSpan as _;
use jiff::civil::{Date, Weekday};

use super::code_names::THEMES;
use super::words::{TEAMS, Words, builds};
use super::{
    Company, Country, Every, Machine, Meeting, Phase, PhaseKind, Project, Site, Team, TeamIndex, Vendor,
};
use crate::random::{Generator, Seed, whole};
use crate::voice::{capital, invented};
use crate::{Language, Zone};

/// What is asked of a company that is invented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outline {
    /// Where its seat is.
    pub country: Country,
    /// What is written there.
    pub language: Language,
    /// From when on its teams have projects.
    pub from: Date,
    /// Until when new ones begin.
    pub until: Date,
}

impl Default for Outline {
    /// In Great Britain, with projects for a quarter of a century: a plan may begin at any time.
    fn default() -> Self {
        Self {
            country: Country::Gb,
            language: Language::English,
            from: Date::constant(2015, 1, 1),
            until: Date::constant(2040, 1, 1),
        }
    }
}

/// Phases and their share of a project, in hundredths; operation comes on top, for as long as it pleases.
const SHARES: [(PhaseKind, i64); 5] = [
    (PhaseKind::Discovery, 12),
    (PhaseKind::Design, 16),
    (PhaseKind::Build, 38),
    (PhaseKind::Test, 18),
    (PhaseKind::Rollout, 16),
];
/// Days of a project without its operation: the median, the standard deviation of the logarithm, and the bounds.
const PROJECT_DAYS: f64 = 330.0;
const PROJECT_SIGMA: f64 = 0.4;
const PROJECT_DAYS_MIN: f64 = 120.0;
const PROJECT_DAYS_MAX: f64 = 900.0;
/// The top-level domain that ICANN keeps for networks of one's own (resolution of 29 July 2024): mail to an invented company
/// reaches nobody.
const TOP_LEVEL: &str = "internal";
const VENDORS: usize = 12;
/// Hosts that are spoken of: what they are called, what they are for, and what they offer.
const HOSTS: [(&str, &str, &[&str]); 14] = [
    ("dc", "directory", &["ldap", "kerberos", "dns"]),
    ("git", "source code", &["ssh", "https"]),
    ("ci", "builds", &["ssh", "https"]),
    ("wiki", "knowledge base", &["https"]),
    ("print", "printing", &["ipp"]),
    ("backup", "backup", &["ssh"]),
    ("nas", "archive", &["ssh", "smb", "nfs"]),
    ("mx", "mail relay", &["smtp"]),
    ("proxy", "web proxy", &["http"]),
    ("erp", "orders and accounts", &["https"]),
    ("mon", "monitoring", &["https"]),
    ("vpn", "remote access", &["ssh", "ipsec"]),
    ("fw", "firewall", &["ssh", "https"]),
    ("sql", "reporting database", &["mysql"]),
];

impl Company {
    /// A company; the same seed and outline give the same one.
    #[must_use]
    pub fn invent(seed: u64, outline: &Outline) -> Self {
        let own = Seed::new(seed).text("company");
        let mut draw = Generator::new(own);
        let words = Words::of(outline.language);
        let stem = capital(&invented(own.word(1)));
        let sites = sites(outline.country, &mut draw);
        let teams: Vec<Team> = TEAMS
            .iter()
            .zip(words.teams)
            .map(|(role, name)| Team {
                name: name.to_owned(),
                role: (*role).to_owned(),
                site: if draw.percent(75) { 0 } else { draw.index(sites.len()) },
            })
            .collect();
        Self {
            seed,
            name: format!("{stem} {}", draw.word(forms(outline.country))),
            domain: format!("{}.{TOP_LEVEL}", stem.to_lowercase()),
            industry: draw.word(&words.industries).to_owned(),
            language: outline.language,
            projects: projects(own, &teams, words, outline),
            meetings: meetings(&teams, words, &mut draw),
            hosts: hosts(&mut draw),
            vendors: vendors(own, outline, words, &mut draw),
            sites,
            teams,
        }
    }
}

fn sites(country: Country, draw: &mut Generator) -> Vec<Site> {
    let seats = country.seats();
    let first = draw.index(seats.len());
    let count = 1 + usize::from(draw.percent(60));
    let at = |place: usize| {
        let (city, zone) = seats.get((first + place) % seats.len())?;
        let time_zone = zone.parse().unwrap_or_else(|_| Zone::utc());
        Some(Site { city: (*city).to_owned(), country, time_zone })
    };
    (0..count).filter_map(at).collect()
}

/// Legal forms that names of companies end with.
pub(super) const fn forms(country: Country) -> &'static [&'static str] {
    match country {
        Country::Us => &["Inc.", "LLC", "Corp."],
        Country::Gb => &["Ltd", "Group Ltd", "plc"],
        Country::De => &["GmbH", "AG", "GmbH & Co. KG"],
        Country::Fr => &["SAS", "SARL", "SA"],
        Country::Es => &["S.L.", "S.A."],
        Country::Ch => &["AG", "GmbH"],
        Country::At => &["GmbH", "AG"],
        Country::Nl => &["B.V.", "N.V."],
        Country::It => &["S.r.l.", "S.p.A."],
        Country::Se => &["AB"],
    }
}

fn projects(own: Seed, teams: &[Team], words: &Words, outline: &Outline) -> Vec<Project> {
    let mut draw = Generator::new(own.text("projects"));
    let (first, second) = (draw.index(THEMES.len()), draw.index(THEMES.len()));
    // From a place of the list that is the company's own, one after the other, so that subjects come again late.
    let lead_in = draw.index(64);
    let mut taken = HashSet::new();
    let mut keys = HashSet::new();
    let mut all = Vec::new();
    for (index, team) in teams.iter().enumerate() {
        // Who builds things has two on its hands.
        for _ in 0..1 + usize::from(builds(&team.role)) {
            let lead = draw.between(0, 300);
            let mut begin = outline.from.saturating_sub(i64::from(lead).days());
            while begin < outline.until {
                let days = draw.lognormal(PROJECT_DAYS, PROJECT_SIGMA);
                let days = whole(days.clamp(PROJECT_DAYS_MIN, PROJECT_DAYS_MAX));
                let days = i64::try_from(days).unwrap_or(1);
                let phases = phases(begin, days, &mut draw);
                let code_name = code_name(&[first, second], &mut taken, &mut draw);
                let subjects = if builds(&team.role) { words.technical } else { words.business };
                all.push(Project {
                    key: key(&code_name, &mut keys),
                    subject: subjects[(lead_in + all.len()) % subjects.len()].to_owned(),
                    team: TeamIndex(index),
                    code_name,
                    phases,
                });
                // The next one is begun while the last one is still brought to its people.
                begin = begin.saturating_add((days * i64::from(draw.between(75, 105)) / 100).days());
            }
        }
    }
    all
}

fn phases(begin: Date, days: i64, draw: &mut Generator) -> Vec<Phase> {
    let mut from = begin;
    let mut phases = Vec::with_capacity(PhaseKind::ALL.len());
    let operation = i64::from(draw.between(90, 420));
    let planned = SHARES.map(|(kind, share)| (kind, (days * share / 100).max(7)));
    for (kind, length) in planned.into_iter().chain([(PhaseKind::Operation, operation)]) {
        let to = from.saturating_add((length - 1).days());
        phases.push(Phase { kind, from, to });
        from = to.saturating_add(1.day());
    }
    phases
}

fn code_name(themes: &[usize], taken: &mut HashSet<String>, draw: &mut Generator) -> String {
    for attempt in 0..60 {
        let theme = themes.get(attempt / 20).copied().unwrap_or_else(|| draw.index(THEMES.len()));
        let name = THEMES.get(theme).map_or("", |names| draw.word(names));
        if !name.is_empty() && taken.insert(name.to_owned()) {
            return name.to_owned();
        }
    }
    loop {
        // All common names are used up in the end; words that nobody has used before are not.
        let name = capital(&invented(Seed::new(draw.bits())));
        if taken.insert(name.clone()) {
            return name;
        }
    }
}

/// The first letters of a name, as many as make it unlike the others.
fn key(name: &str, taken: &mut HashSet<String>) -> String {
    let letters: String = name.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_uppercase();
    let prefixes = (3..=letters.len().min(8)).filter_map(|length| letters.get(..length));
    for prefix in prefixes {
        if taken.insert(prefix.to_owned()) {
            return prefix.to_owned();
        }
    }
    let stem: String = letters.chars().take(3).collect();
    for number in 2_u32.. {
        let key = format!("{stem}{number}");
        if taken.insert(key.clone()) {
            return key;
        }
    }
    stem
}

fn meetings(teams: &[Team], words: &Words, draw: &mut Generator) -> Vec<Meeting> {
    const DAYS: [Weekday; 5] =
        [Weekday::Monday, Weekday::Tuesday, Weekday::Wednesday, Weekday::Thursday, Weekday::Friday];
    let mut all = Vec::new();
    for team in (0..teams.len()).map(TeamIndex) {
        let mut day = || DAYS.get(draw.index(DAYS.len())).copied().unwrap_or(Weekday::Monday);
        let days = (day(), day());
        let mut meet = |titles: &'static [&'static str], day, every, minutes| Meeting {
            title: draw.word(titles).to_owned(),
            team,
            day,
            at_minute: 540 + 15 * draw.below(28),
            minutes,
            every,
        };
        all.push(meet(words.weekly, days.0, Every::Week, 30));
        let every = if team.0.is_multiple_of(2) { Every::EvenWeek } else { Every::OddWeek };
        all.push(meet(words.biweekly, days.1, every, 60));
    }
    all
}

fn hosts(draw: &mut Generator) -> Vec<Machine> {
    let (second, third) = (draw.between(16, 31), draw.between(1, 250));
    let mut last: u32 = draw.between(4, 12);
    let octet = |number: u32| u8::try_from(number).unwrap_or(u8::MAX);
    HOSTS
        .iter()
        .map(|(stem, role, services)| {
            last += draw.between(1, 9);
            // Networks of RFC 1918, which are nobody's.
            let address = IpAddr::V4(Ipv4Addr::new(172, octet(second), octet(third), octet(last)));
            Machine {
                name: format!("{stem}{:02}", draw.between(1, 3)),
                role: (*role).to_owned(),
                services: services.iter().map(|service| (*service).to_owned()).collect(),
                address,
            }
        })
        .collect()
}

fn vendors(own: Seed, outline: &Outline, words: &Words, draw: &mut Generator) -> Vec<Vendor> {
    let name = |number: usize| capital(&invented(own.text("vendor").word(number as u64)));
    (0..VENDORS)
        .map(|number| Vendor {
            name: format!("{} {}", name(number), draw.word(forms(outline.country))),
            provides: words.provisions.get(number % words.provisions.len()).copied().unwrap_or("").to_owned(),
        })
        .collect()
}
