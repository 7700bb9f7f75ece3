//! The company that the personas work for: what their texts can be about, at any time.
//!
//! Pure data. A company is configured or invented from a seed; of what there would be too much to keep, the tickets, every
//! single one is computed when it is asked for, so that they cost nothing however long it goes on. Whatever is asked for a
//! date gives the same answer whenever it is asked.
//!
//! - [`Company`]: sites, teams, projects, meetings, vendors, and hosts that are only spoken of.
//! - [`Project::phase_at`], [`Company::projects_at`], [`Company::tickets_at`], [`Company::meetings_on`]: what is the case on a day.
//! - [`Country::holiday`]: public holidays.
//! - `Staff`: who works in which team; asked through the world.

mod code_names;
mod country;
mod hire;
mod holiday;
mod invent;
mod names;
mod project;
mod staff;
mod ticket;
mod words;

use std::net::IpAddr;

use jiff::civil::{Date, Weekday};

pub use self::country::{Country, UnknownCountry};
pub use self::invent::Outline;
pub use self::names::plain_letters;
pub use self::project::{InvalidPhase, Phase, PhaseKind, Project, UnknownPhase};
pub(crate) use self::staff::{Staff, check};
pub use self::ticket::Ticket;
use crate::random::Seed;
use crate::{Language, Persona, Zone};

/// An organisation. Its names are free; what refers to something else does so by the place in the list here.
#[derive(Debug, Clone, PartialEq)]
pub struct Company {
    /// What tickets are drawn with, and everything of it that was invented.
    pub seed: u64,
    /// Its name, with its legal form.
    pub name: String,
    /// Its domain on the net, for instance of its mail.
    pub domain: String,
    /// What it does, for instance `laboratory equipment`.
    pub industry: String,
    /// What is written there.
    pub language: Language,
    /// Where it has offices; the first is its seat. At least one.
    pub sites: Vec<Site>,
    /// Its teams.
    pub teams: Vec<Team>,
    /// What the teams work on, past and to come.
    pub projects: Vec<Project>,
    /// What takes place again and again.
    pub meetings: Vec<Meeting>,
    /// Hosts that are spoken of and that nobody reaches; the decoys are others.
    pub hosts: Vec<Machine>,
    /// Whom it buys from.
    pub vendors: Vec<Vendor>,
}

/// An office.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// The city.
    pub city: String,
    /// The country, whose holidays are kept there.
    pub country: Country,
    /// What its clocks show.
    pub time_zone: Zone,
}

/// A team, by its place in [`Company::teams`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TeamIndex(pub usize);

/// People who work together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    /// What it is called.
    pub name: String,
    /// The role of most of its people, for instance `developer`; personas that name no team are placed by it.
    pub role: String,
    /// Where it sits, by the place in [`Company::sites`].
    pub site: usize,
}

/// A meeting that takes place every week, or every second one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meeting {
    /// What it is called.
    pub title: String,
    /// Whose it is.
    pub team: TeamIndex,
    /// On which day.
    pub day: Weekday,
    /// When it begins, in minutes of the local day.
    pub at_minute: u32,
    /// How long it takes.
    pub minutes: u32,
    /// How often.
    pub every: Every,
}

/// How often a meeting takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    /// In each week.
    Week,
    /// In the weeks whose number, counted from that of 29 December 1969, is even.
    EvenWeek,
    /// In the others.
    OddWeek,
}

/// A host that is spoken of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Its name, without the domain.
    pub name: String,
    /// What it is for.
    pub role: String,
    /// What it offers.
    pub services: Vec<String>,
    /// Its address in the company's own network.
    pub address: IpAddr,
}

/// Somebody who sells to the company.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vendor {
    /// Its name, with its legal form.
    pub name: String,
    /// What it provides.
    pub provides: String,
}

impl Company {
    /// A team. An index of another company may name none, or another one.
    #[must_use]
    pub fn team(&self, index: TeamIndex) -> Option<&Team> {
        self.teams.get(index.0)
    }

    /// The office of a team; `None` for an index of another company.
    #[must_use]
    pub fn site_of(&self, team: TeamIndex) -> Option<&Site> {
        self.sites.get(self.team(team)?.site)
    }

    /// What a team has on its hands on a date, the newest first: what has begun and is not over; where nothing is, what it worked
    /// on last, or will first. Empty only for a team without any project.
    pub fn projects_at(&self, team: TeamIndex, date: Date) -> impl Iterator<Item = &Project> {
        let own = || self.projects.iter().filter(move |project| project.team == team);
        let mut found: Vec<&Project> = own().filter(|project| project.phase_at(date).is_some()).collect();
        if found.is_empty() {
            let begun = own().filter(|project| project.begin() <= date).max_by_key(|project| project.begin());
            found.extend(begun.or_else(|| own().min_by_key(|project| project.begin())));
        }
        found.sort_by_key(|project| std::cmp::Reverse(project.begin()));
        found.into_iter()
    }

    /// A project by its key.
    #[must_use]
    pub fn project(&self, key: &str) -> Option<&Project> {
        self.projects.iter().find(|project| project.key == key)
    }

    /// The meetings of a team on a date, in the order of the day; none on a holiday of its office.
    pub fn meetings_on(&self, team: TeamIndex, date: Date) -> impl Iterator<Item = &Meeting> {
        let is_off = self.site_of(team).is_none_or(|site| site.country.holiday(date).is_some());
        let mut found: Vec<&Meeting> = self
            .meetings
            .iter()
            .filter(|meeting| !is_off && meeting.team == team && meeting.is_on(date))
            .collect();
        found.sort_by_key(|meeting| meeting.at_minute);
        found.into_iter()
    }

    /// Leaves out the teams in which none of these people is, with their projects and meetings. A person who names no team keeps
    /// all of them.
    pub fn keep_teams_of(&mut self, people: &[Persona]) {
        if people.iter().any(|one| one.team.is_none()) {
            return;
        }
        let is_kept = |team: &Team| people.iter().any(|one| one.team.as_ref() == Some(&team.name));
        let mut places = Vec::with_capacity(self.teams.len());
        let mut next = 0;
        for team in &self.teams {
            places.push(is_kept(team).then_some(TeamIndex(next)));
            next += usize::from(is_kept(team));
        }
        self.teams.retain(is_kept);
        let place = |team: &mut TeamIndex| match places.get(team.0).copied().flatten() {
            Some(now) => {
                *team = now;
                true
            }
            None => false,
        };
        self.projects.retain_mut(|project| place(&mut project.team));
        self.meetings.retain_mut(|meeting| place(&mut meeting.team));
    }

    fn own_seed(&self) -> Seed {
        Seed::new(self.seed).text("company")
    }
}

impl Meeting {
    /// Whether it would take place on a date, holidays aside.
    #[must_use]
    pub fn is_on(&self, date: Date) -> bool {
        let week = (crate::life::season::number(date) + 3).div_euclid(7);
        let is_its_week = match self.every {
            Every::Week => true,
            Every::EvenWeek => week.rem_euclid(2) == 0,
            Every::OddWeek => week.rem_euclid(2) == 1,
        };
        is_its_week && date.weekday() == self.day
    }
}
