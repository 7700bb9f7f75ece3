//! The company and its people, as they are invented or imported, and as they are written.

use std::fmt::Write as _;

use jiff::ToSpan as _;
use verisim_core::{Owner, PersonaName, printable};
use verisim_realism::company::{Every, Outline};
use verisim_realism::{Character, Company, Country, DayHabits, Language, Persona, Start, Zone};

use super::import;
use super::quote;
use crate::args::InitArgs;
use crate::config::units::WEEKDAYS;
use crate::context::Context;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::people::People;

/// Who works at most on one decoy when everybody shall work somewhere.
const EACH_MAX: usize = 20;
/// For how many days back there are projects that are over, and for how many ahead some begin.
const DAYS_BACK: i32 = 420;
const DAYS_AHEAD: i32 = 300;

/// The company that was asked for, and people who are known before decoys are; nothing where nobody asked.
#[derive(Debug, Default)]
pub(super) struct Staff {
    company: Option<Company>,
    people: Vec<Persona>,
}

/// What the arguments ask for.
pub(super) fn staff(context: &Context, args: &InitArgs, seed: u64) -> CliResult<Staff> {
    if args.country.is_some() && !args.company && args.import.is_none() {
        let message = "--country says where a company is, or where people of a list live: it goes with --company or --import";
        return Err(CliError::new(Exit::Usage, message));
    }
    let country = args.country.or_else(|| args.languages.first().map(|language| home(*language)));
    let mut people = match &args.import {
        Some(file) => {
            let place = import::Place {
                time_zone: zone(country),
                country,
                language: args
                    .languages
                    .first()
                    .copied()
                    .or_else(|| country.map(Country::language))
                    .unwrap_or_default(),
            };
            let imported = import::load(file, &place)?;
            for remark in &imported.remarks {
                context.output.message(remark);
            }
            if imported.people.is_empty() {
                let message = format!("{} has nobody in it who can be taken", crate::error::show(file));
                return Err(CliError::new(Exit::Config, message)
                    .hint("nothing was written; what is wrong with each entry is told above"));
            }
            imported.people
        }
        None => Vec::new(),
    };
    if !args.company {
        return Ok(Staff { company: None, people });
    }
    let country = country.unwrap_or(Country::Gb);
    let language = args.languages.first().copied().unwrap_or_else(|| country.language());
    let today = Zone::utc().local(context.now()).date();
    let (from, until) = (today.saturating_sub(DAYS_BACK.days()), today.saturating_add(DAYS_AHEAD.days()));
    let mut company = Company::invent(seed, &Outline { country, language, from, until });
    if people.is_empty() {
        people = company.hire(args.people, &args.languages);
        company.keep_teams_of(&people);
    }
    Ok(Staff { company: Some(company), people })
}

/// The country of a company of which no more is known than its language.
const fn home(language: Language) -> Country {
    match language {
        Language::English => Country::Gb,
        Language::German => Country::De,
        Language::French => Country::Fr,
        Language::Spanish => Country::Es,
    }
}

/// The zone of a country's first city; without a country that of this machine.
fn zone(country: Option<Country>) -> Zone {
    let seat = country.and_then(|country| country.seats().first());
    seat.and_then(|(_, zone)| zone.parse().ok()).unwrap_or_else(crate::here::machine_zone)
}

impl Staff {
    /// Finds people for decoys: those who are known, in turn, else new ones who live in `zone`. There are so many decoys.
    pub(super) fn hiring(&self, seed: u64, zone: &str, decoys: usize) -> Hiring<'_> {
        let zone = zone.parse().unwrap_or_else(|_| Zone::utc());
        Hiring { known: &self.people, next: 0, invented: People::new(seed), hired: Vec::new(), zone, decoys }
    }

    /// Writes the company.
    pub(super) fn write(&self, out: &mut String) {
        if let Some(company) = &self.company {
            company_text(out, company);
        }
    }

    /// What is said of it.
    pub(super) fn told(&self) -> Option<String> {
        let people = match self.people.len() {
            0 => return None,
            1 => "one person".to_owned(),
            count => format!("{count} people"),
        };
        Some(match &self.company {
            Some(company) => format!(
                "{people} work for {}, in {} teams with {} projects; `verisim simulate` shows their days",
                printable(&company.name),
                company.teams.len(),
                company.projects.len()
            ),
            None => format!("{people} were taken from the list"),
        })
    }
}

/// People who are found for decoys.
pub(super) struct Hiring<'s> {
    known: &'s [Persona],
    next: usize,
    invented: People,
    hired: Vec<Persona>,
    zone: Zone,
    decoys: usize,
}

impl Hiring<'_> {
    /// The people of one more decoy: `count`, or more of those who are known, so that all of them work somewhere.
    pub(super) fn team(&mut self, count: u8) -> Vec<PersonaName> {
        if self.known.is_empty() {
            let first = self.hired.len();
            self.hired.extend((0..count).filter_map(|_| employ(self.invented.invent(), &self.zone)));
            return self.hired[first..].iter().map(|one| one.name.clone()).collect();
        }
        let share = self.known.len().div_ceil(self.decoys.max(1)).min(EACH_MAX);
        let count = share.max(usize::from(count)).min(self.known.len());
        let team = (0..count).map(|place| (self.next + place) % self.known.len());
        let names = team.filter_map(|place| self.known.get(place)).map(|one| one.name.clone()).collect();
        self.next += count;
        names
    }

    /// Everybody, those included for whom there was no decoy.
    pub(super) fn everybody(self) -> Vec<Persona> {
        self.known.iter().cloned().chain(self.hired).collect()
    }
}

/// `None` for what is no name or login, which no invention is.
fn employ(person: crate::people::Person, zone: &Zone) -> Option<Persona> {
    let name = person.name.parse().ok()?;
    let mut made = Persona::new(name, person.full_name, person.login, Owner::ROOT, person.role).ok()?;
    made.week = person.week.parse().ok()?;
    made.time_zone = zone.clone();
    Some(made)
}

/// Writes the people. Who belongs to root has no user id of their own yet, and gets that of the account on the decoy.
pub(super) fn write(out: &mut String, people: &[Persona]) {
    if !people.is_empty() {
        out.push_str(
            "\n# The people who work on the decoys. Without `uid`, owner and group are taken from the account on the decoy.\n\
             # `pace = 0.5` halves what a person does; `holidays = [\"2026-12-25\"]` are days off, beside those of `country`, and\n\
             # `vacations = [\"2026-07-20/2026-07-31\"]` beside those that are drawn. What is left out is drawn, or not mentioned.\n",
        );
    }
    for person in people {
        let _ = write!(
            out,
            "\n[[persona]]\nname = {}\nfull_name = {}\nlogin = {}\n",
            quote(person.name.as_str()),
            quote(&person.full_name),
            quote(&person.login)
        );
        if person.owner != Owner::ROOT {
            let _ = writeln!(out, "uid = {}", person.owner.uid);
        }
        let _ = writeln!(out, "role = {}", quote(&person.role));
        let country = person.country.map(Country::code);
        let language = (person.language != Language::default()).then(|| person.language.name());
        optional(out, "team", person.team.as_deref());
        optional(out, "language", language);
        optional(out, "country", country);
        let (zone, week) = (quote(person.time_zone.name()), quote(&week(person)));
        let _ = writeln!(out, "time_zone = {zone}\nweek = {week}");
        habits_text(out, person.habits);
        character_text(out, &person.character);
    }
}

/// The week as it is written most shortly.
fn week(person: &Persona) -> String {
    let text = person.week.to_string();
    // `mon 08:30-17:30, tue 08:30-17:30, ..`: neighbours with the same hours are joined.
    let days: Vec<(&str, &str)> = text.split(", ").filter_map(|day| day.split_once(' ')).collect();
    let mut pieces: Vec<String> = Vec::new();
    let mut rest = days.as_slice();
    while let Some((first, hours)) = rest.first() {
        let place = |name: &str| WEEKDAYS.iter().position(|day| *day == name).unwrap_or(0);
        let is_next =
            |(at, (day, its)): (usize, &(&str, &str))| its == hours && place(day) == place(first) + at;
        let length = rest.iter().enumerate().take_while(|one| is_next(*one)).count().max(1);
        let last = rest.get(length - 1).map_or(*first, |(day, _)| day);
        pieces.push(if length == 1 { format!("{first} {hours}") } else { format!("{first}-{last} {hours}") });
        rest = rest.get(length..).unwrap_or_default();
    }
    pieces.join(", ")
}

fn optional(out: &mut String, key: &str, text: Option<&str>) {
    if let Some(text) = text {
        let _ = writeln!(out, "{key} = {}", quote(text));
    }
}

fn list(out: &mut String, key: &str, texts: &[String]) {
    if !texts.is_empty() {
        let texts: Vec<String> = texts.iter().map(|text| quote(text)).collect();
        let _ = writeln!(out, "{key} = [{}]", texts.join(", "));
    }
}

fn habits_text(out: &mut String, habits: DayHabits) {
    optional(out, "start", (habits.start != Start::Usual).then(|| habits.start.name()));
    optional(out, "lunch", habits.lunch.map(clock).as_deref());
    if let Some(on_call) = habits.on_call {
        let _ = writeln!(out, "on_call = {on_call}");
    }
}

fn character_text(out: &mut String, character: &Character) {
    optional(out, "seniority", character.seniority.map(verisim_realism::Seniority::name));
    optional(out, "tone", character.tone.map(verisim_realism::Tone::name));
    list(out, "mannerisms", &character.mannerisms);
    optional(out, "email", character.email.as_deref());
    optional(out, "signature", character.signature.as_deref());
    list(out, "tools", &character.tools);
    if let Some(latency) = character.reply_latency {
        let seconds = latency.as_secs().max(0);
        let span = if seconds % 60 == 0 { format!("{}m", seconds / 60) } else { format!("{seconds}s") };
        optional(out, "reply_latency", Some(&span));
    }
    if character.uses_llms_heavily {
        out.push_str("uses_llms_heavily = true\n");
    }
}

fn clock(minute: u32) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// Writes the company: what the people's texts speak of.
fn company_text(out: &mut String, company: &Company) {
    let _ = write!(
        out,
        "\n# The company that the people work for: what their notes, lists and mails speak of. Change what you like; what is left out\n\
         # altogether is invented from the seed. Nothing in here is reached by anybody: mail to `domain` should reach nobody either.\n\
         [company]\nname = {}\ndomain = {}\nindustry = {}\nlanguage = {}\n",
        quote(&company.name),
        quote(&company.domain),
        quote(&company.industry),
        quote(company.language.name())
    );
    out.push_str("\n# Offices. The public holidays of their countries are kept there.\n");
    for site in &company.sites {
        let (city, zone) = (quote(&site.city), quote(site.time_zone.name()));
        let _ = write!(
            out,
            "[[company.site]]\ncity = {city}\ncountry = \"{}\"\ntime_zone = {zone}\n\n",
            site.country
        );
    }
    out.push_str("# Teams. A persona names its `team`; who names none is put into one that has its role.\n");
    for team in &company.teams {
        let site = company.sites.get(team.site).map_or("", |site| &site.city);
        let (name, role, site) = (quote(&team.name), quote(&team.role), quote(site));
        let _ = write!(out, "[[company.team]]\nname = {name}\nrole = {role}\nsite = {site}\n\n");
    }
    work_text(out, company);
    out.push_str("# Hosts that are spoken of, and are not there. Decoys need no entry.\n");
    for host in &company.hosts {
        let (name, role) = (quote(&host.name), quote(&host.role));
        let services: Vec<String> = host.services.iter().map(|service| quote(service)).collect();
        let _ = write!(
            out,
            "[[company.host]]\nname = {name}\nrole = {role}\nservices = [{}]\naddress = \"{}\"\n\n",
            services.join(", "),
            host.address
        );
    }
    out.push_str("# Whom the company buys from.\n");
    for vendor in &company.vendors {
        let (name, provides) = (quote(&vendor.name), quote(&vendor.provides));
        let _ = write!(out, "[[company.vendor]]\nname = {name}\nprovides = {provides}\n\n");
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
}

/// What is worked on, and when people meet.
fn work_text(out: &mut String, company: &Company) {
    let team_of = |team| company.team(team).map_or_else(String::new, |team| quote(&team.name));
    out.push_str(
        "# Projects. Tickets are called after `key` and opened while a project lasts. Phases are discovery, design, build, test, rollout\n\
         # and operation, each with its first and last day.\n",
    );
    for project in &company.projects {
        let phases: Vec<String> =
            project.phases.iter().map(|phase| format!("    {},\n", quote(&phase.to_string()))).collect();
        let _ = write!(
            out,
            "[[company.project]]\nname = {}\nkey = {}\nsubject = {}\nteam = {}\nphases = [\n{}]\n\n",
            quote(&project.code_name),
            quote(&project.key),
            quote(&project.subject),
            team_of(project.team),
            phases.concat()
        );
    }
    out.push_str("# Meetings, every \"week\", or every \"even week\" or \"odd week\". None takes place on a holiday.\n");
    for meeting in &company.meetings {
        let every = match meeting.every {
            Every::Week => "week",
            Every::EvenWeek => "even week",
            Every::OddWeek => "odd week",
        };
        let day = usize::from(meeting.day.to_monday_zero_offset().unsigned_abs());
        let _ = write!(
            out,
            "[[company.meeting]]\ntitle = {}\nteam = {}\nday = \"{}\"\nat = \"{}\"\nminutes = {}\nevery = \"{every}\"\n\n",
            quote(&meeting.title),
            team_of(meeting.team),
            WEEKDAYS.get(day).unwrap_or(&"mon"),
            clock(meeting.at_minute),
            meeting.minutes
        );
    }
}

#[cfg(test)]
mod tests;
