//! Tickets: computed one by one from the seed and the project, never kept.

use jiff::ToSpan as _;
use jiff::civil::Date;

use super::words::Words;
use super::{Company, Project};
use crate::life::season;
use crate::random::{Generator, Seed, whole};

/// Something that somebody is to look after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The project's key and a number, for instance `HER-142`.
    pub key: String,
    /// The number: tickets of a project are counted from 1 in the order in which they are opened.
    pub number: u32,
    /// What it is about, in the company's language.
    pub title: String,
    /// When it was opened: a weekday.
    pub opened: Date,
    /// When it is closed: a weekday, on which it is open no more.
    pub closed: Date,
    /// A number that stands for one of the team: `assignee` modulo how many they are.
    pub assignee: u32,
}

impl Ticket {
    /// Whether it is open on a date.
    #[must_use]
    pub fn is_open(&self, date: Date) -> bool {
        self.opened <= date && date < self.closed
    }
}

/// Nothing stays open for longer, in days.
const OPEN_DAYS_MAX: i32 = 84;
/// For how many days a ticket is open: the median, and the standard deviation of the logarithm. Most are done within two weeks
/// and a tail is not, as trackers of public projects show; the figures are our choice.
const OPEN_DAYS: f64 = 6.0;
const OPEN_SIGMA: f64 = 1.2;
/// Tickets of a project in a hundred days of work, at least and at most.
const PACE: (u32, u32) = (30, 160);

impl Company {
    /// The tickets of a project that are open on a date, the oldest first. At most about a hundred, and found in a time that does not
    /// depend on how many there were.
    pub fn tickets_at(&self, project: &Project, date: Date) -> impl Iterator<Item = Ticket> {
        let count = self.count_until(project, date);
        let before = date.saturating_sub(OPEN_DAYS_MAX.days());
        let first = self.count_until(project, before);
        let drawn: Vec<Ticket> = (first.max(1)..=count)
            .filter_map(|number| self.ticket(project, number))
            .filter(|ticket| ticket.is_open(date))
            .collect();
        drawn.into_iter()
    }

    /// A ticket by its number, which is at least 1; `None` where the project is over before it would be opened.
    #[must_use]
    pub fn ticket(&self, project: &Project, number: u32) -> Option<Ticket> {
        let seed = self.ticket_seed(project);
        let mut draw = Generator::new(seed.word(u64::from(number)));
        let place = i64::from(number.checked_sub(1)?) * 100 / i64::from(pace(seed));
        let opened = weekday(first_weekday(project).checked_add(i32::try_from(place).ok()?)?)?;
        if opened > project.end() {
            return None;
        }
        let days = draw.lognormal(OPEN_DAYS, OPEN_SIGMA).min(f64::from(OPEN_DAYS_MAX) - 3.0);
        let days = i32::try_from(whole(days)).unwrap_or(0).max(1);
        let closed = opened.saturating_add(days.days());
        // What would be closed on a weekend is closed on the Monday.
        let closed = match closed.weekday().to_monday_zero_offset() {
            offset @ 5.. => closed.saturating_add((7 - i32::from(offset)).days()),
            _ => closed,
        };
        let title = Words::of(self.language).ticket(&self.teams.get(project.team.0)?.role, &mut draw);
        let assignee = draw.below(u32::MAX);
        Some(Ticket { key: format!("{}-{number}", project.key), number, title, opened, closed, assignee })
    }

    /// How many tickets were opened until a date, itself included.
    #[must_use]
    pub fn count_until(&self, project: &Project, date: Date) -> u32 {
        let date = date.min(project.end());
        if date < project.begin() {
            return 0;
        }
        // Ticket n is opened on the weekday (n - 1) * 100 / pace of the project; the inverse of that, rounded up.
        let days = i64::from(weekdays_before(season::number(date) + 1) - first_weekday(project));
        let pace = i64::from(pace(self.ticket_seed(project)));
        u32::try_from((days * pace + 99).div_euclid(100)).unwrap_or(0)
    }

    fn ticket_seed(&self, project: &Project) -> Seed {
        self.own_seed().text("ticket").text(&project.key)
    }
}

/// Tickets in a hundred weekdays.
fn pace(seed: Seed) -> u32 {
    Generator::new(seed).between(PACE.0, PACE.1)
}

/// Of a project's first day, or the weekday after it.
fn first_weekday(project: &Project) -> i32 {
    weekdays_before(season::number(project.begin()))
}

/// How many weekdays there are from Monday, 29 December 1969, up to and without a day counted from 1970.
fn weekdays_before(day: i32) -> i32 {
    let days = day.saturating_add(3);
    days.div_euclid(7) * 5 + days.rem_euclid(7).min(5)
}

/// The weekday of that number.
fn weekday(number: i32) -> Option<Date> {
    let days = number.div_euclid(5).checked_mul(7)?.checked_add(number.rem_euclid(5))?;
    Date::constant(1969, 12, 29).checked_add(days.days()).ok()
}
