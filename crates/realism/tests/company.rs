//! A company says the same of a date whenever it is asked, and its people are away when they are away.

#![allow(clippy::unwrap_used, reason = "what is not right in a test shall fail it")]

mod common;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use common::{at, decoy, persona};
use jiff::ToSpan as _;
use jiff::civil::{Date, Weekday, date};
use verisim_realism::company::{Outline, TeamIndex};
use verisim_realism::{
    Absence, Company, Content, Country, DayHabits, Language, Persona, Scene, Settings, Simulation, Slot,
    Start, Vacation, World,
};

fn company(seed: u64, country: Country) -> Company {
    Company::invent(seed, &Outline { country, language: country.language(), ..Outline::default() })
}

#[test]
fn a_seed_gives_the_same_company_and_another_seed_another_one() {
    for country in Country::ALL {
        let one = company(7, country);
        assert_eq!(one, company(7, country));
        assert_ne!(one.name, company(8, country).name);
        let keys: HashSet<&str> = one.projects.iter().map(|project| project.key.as_str()).collect();
        assert_eq!(keys.len(), one.projects.len());
        let names: HashSet<&str> = one.hosts.iter().map(|host| host.name.as_str()).collect();
        assert_eq!(names.len(), one.hosts.len());
        // The world checks what it is given: nothing of what is invented is a mistake.
        World::in_company(1, one, vec![persona(0)], vec![decoy(0, 0..1)], Settings::default()).unwrap();
    }
}

#[test]
fn every_team_has_a_project_on_any_day_of_twenty_years() {
    let company = company(3, Country::De);
    let mut phases = HashSet::new();
    for month in 0..240 {
        let day = date(2016, 1, 15).saturating_add(month.months());
        for team in (0..company.teams.len()).map(TeamIndex) {
            let projects: Vec<_> = company.projects_at(team, day).collect();
            assert!((1..=8).contains(&projects.len()), "{day}: {}", projects.len());
            assert!(projects.windows(2).all(|pair| pair[0].begin() >= pair[1].begin()));
            phases.extend(projects[0].phase_at(day).map(|phase| phase.kind));
        }
    }
    assert_eq!(phases.len(), 6, "{phases:?}");
    // Beyond all plans there is still something to speak of.
    assert!(company.projects_at(TeamIndex(0), date(1990, 1, 1)).next().is_some());
    assert!(company.projects_at(TeamIndex(0), date(2199, 1, 1)).next().is_some());
    assert!(company.projects_at(TeamIndex(99), date(2026, 1, 1)).next().is_none());
}

#[test]
fn tickets_are_the_same_from_whichever_day_they_are_looked_at() {
    let company = company(5, Country::Fr);
    let project = company.projects_at(TeamIndex(3), date(2026, 3, 2)).next().unwrap();
    let last = company.count_until(project, project.end());
    let all: Vec<_> = (1..=last).map(|number| company.ticket(project, number).unwrap()).collect();
    assert!(all.len() > 50, "{}", all.len());
    assert!(all.windows(2).all(|pair| pair[0].opened <= pair[1].opened));
    for ticket in &all {
        assert!(ticket.key.starts_with(&format!("{}-", project.key)) && ticket.opened < ticket.closed);
        for day in [ticket.opened, ticket.closed] {
            assert!(!matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday), "{ticket:?}");
        }
    }
    let mut day = project.begin();
    while day <= project.end().saturating_add(100.days()) {
        let open: Vec<u32> = company.tickets_at(project, day).map(|ticket| ticket.number).collect();
        let listed: Vec<u32> = all.iter().filter(|one| one.is_open(day)).map(|one| one.number).collect();
        assert_eq!(open, listed, "{day}");
        let until = all.iter().filter(|ticket| ticket.opened <= day).count();
        assert_eq!(company.count_until(project, day) as usize, until, "{day}");
        day = day.tomorrow().unwrap();
    }
    assert_eq!(company.ticket(project, 0), None);
    assert_eq!(company.ticket(project, u32::MAX), None);
    let titles: HashSet<&str> = all.iter().map(|ticket| ticket.title.as_str()).collect();
    assert!(titles.len() * 2 > all.len(), "{} titles of {} tickets", titles.len(), all.len());
}

#[test]
fn meetings_come_again_in_their_weeks_and_not_on_holidays() {
    let company = company(11, Country::De);
    let days = date(2026, 1, 1).series(1.day()).take(365);
    let mut count = vec![0; company.meetings.len()];
    for day in days {
        for team in (0..company.teams.len()).map(TeamIndex) {
            for meeting in company.meetings_on(team, day) {
                assert_eq!((meeting.team, meeting.day), (team, day.weekday()));
                assert_eq!(Country::De.holiday(day), None);
                count[company.meetings.iter().position(|one| one == meeting).unwrap()] += 1;
            }
        }
    }
    // 52 or 26 of them, less those on the year's holidays.
    assert!(count.iter().all(|count| (22..=27).contains(count) || (46..=53).contains(count)), "{count:?}");
}

fn german(number: usize, role: &str) -> Persona {
    let mut persona = persona(number);
    role.clone_into(&mut persona.role);
    persona.country = Some(Country::De);
    persona.time_zone = "Europe/Berlin".parse().unwrap();
    persona.holidays = Arc::new(BTreeSet::from([date(2026, 6, 5)]));
    persona.vacations = vec![Vacation { from: date(2026, 9, 7), to: date(2026, 9, 18) }];
    persona
}

fn slot(scene: &Scene) -> &Slot {
    match scene {
        Scene::Login(slot) | Scene::Logout(slot) => slot,
        Scene::Effect(step, _) => &step.decision.slot,
    }
}

fn active_days(world: &Arc<World>) -> Vec<BTreeSet<Date>> {
    let mut days = vec![BTreeSet::new(); world.personas().len()];
    let (from, until) = (at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
    for scene in Simulation::scenes(world, from, until, Content::None) {
        let slot = slot(&scene);
        let who = world.persona(slot.persona).unwrap();
        days[slot.persona.0 as usize].insert(who.time_zone.local(slot.at).date());
    }
    days
}

#[test]
fn nothing_is_planned_on_public_holidays_vacations_and_sick_days() {
    let roles = ["developer", "administrator", "analyst", "finance", "scientist", "manager"];
    let people = |country: bool| {
        let all = roles.iter().enumerate().map(|(number, role)| german(number, role));
        let all = all.map(|mut one| {
            one.country = one.country.filter(|_| country);
            one
        });
        let decoys = vec![decoy(0, 0..roles.len())];
        Arc::new(World::new(4, all.collect(), decoys, Settings::default()).unwrap())
    };
    let world = people(true);
    let mut reasons = HashSet::new();
    for (number, active) in (0..).zip(active_days(&world)) {
        assert!(active.len() > 40, "{}", active.len());
        let index = verisim_realism::PersonaIndex(number);
        for day in date(2026, 1, 1).series(1.day()).take(365) {
            let Some(absence) = world.absence(index, day) else { continue };
            // Somebody may fall ill after midnight, in the middle of the work.
            let is_surprise =
                absence == Absence::Sick && world.absence(index, day.yesterday().unwrap()).is_none();
            assert!(is_surprise || !active.contains(&day), "persona {number} is away on {day}: {absence:?}");
            reasons.insert(std::mem::discriminant(&absence));
        }
        assert_eq!(
            world.absence(index, date(2026, 12, 25)),
            Some(Absence::Holiday(Some("1. Weihnachtstag")))
        );
        assert_eq!(world.absence(index, date(2026, 6, 5)), Some(Absence::Holiday(None)));
        assert_eq!(world.absence(index, date(2026, 9, 11)), Some(Absence::Vacation));
        assert!(!world.works(index, at("2026-12-25T10:00:00Z")));
    }
    assert_eq!(reasons.len(), 3);
    // The same people without a country are at work on some of those days: the silence is the calendar's.
    let busy = active_days(&people(false));
    let on_holidays = busy.iter().flatten().filter(|day| Country::De.holiday(**day).is_some()).count();
    assert!(on_holidays > 5, "{on_holidays}");
}

/// The mean minute of the day at which somebody begins, over days in the office.
fn mean_start(start: Start) -> f64 {
    let mut worker = german(0, "analyst");
    worker.habits = DayHabits { start, ..DayHabits::default() };
    let world = Arc::new(World::new(9, vec![worker], vec![decoy(0, 0..1)], Settings::default()).unwrap());
    let mut first = std::collections::BTreeMap::new();
    for scene in
        Simulation::scenes(&world, at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"), Content::None)
    {
        let local = world.personas().next().unwrap().time_zone.local(slot(&scene).at);
        let minute = f64::from(local.hour()) * 60.0 + f64::from(local.minute());
        first.entry(local.date()).or_insert(minute);
    }
    first.values().sum::<f64>() / f64::from(u32::try_from(first.len()).unwrap())
}

#[test]
fn who_comes_early_is_there_before_who_comes_late() {
    let (early, late) = (mean_start(Start::Early), mean_start(Start::Late));
    assert!(early + 30.0 < late, "{early} {late}");
}

#[test]
fn a_company_that_does_not_fit_is_told_as_a_whole() {
    let mut broken = company(2, Country::Us);
    broken.sites.clear();
    broken.projects[0].key = "x".to_owned();
    broken.meetings[0].team = TeamIndex(400);
    "host-0".clone_into(&mut broken.hosts[0].name);
    let mut stranger = persona(0);
    stranger.team = Some("nowhere".to_owned());
    stranger.habits.lunch = Some(0);
    let mistakes =
        World::in_company(1, broken, vec![stranger], vec![decoy(0, 0..1)], Settings::default()).unwrap_err();
    let text = mistakes.to_string();
    for said in ["no site", "its key", "its team", "name of a decoy", "no team of this name", "lunch"] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[test]
fn an_invented_company_speaks_as_its_people_do() {
    let mut people: Vec<Persona> = (0..3).map(persona).collect();
    people[0].language = Language::Spanish;
    people[2].language = Language::Spanish;
    let world = World::new(1, people, vec![decoy(0, 0..3)], Settings::default()).unwrap();
    assert_eq!(world.company().language, Language::Spanish);
    assert_eq!(world.company().sites[0].country, Country::Es);
    let team = world.team(verisim_realism::PersonaIndex(0)).unwrap();
    assert_eq!(world.company().team(team).unwrap().role, "developer");
}

#[test]
fn people_are_hired_with_names_of_their_language_and_nobody_shares_one() {
    for language in Language::ALL {
        let company = company(21, Country::Ch);
        let people = company.hire(300, &[language]);
        assert_eq!(people.len(), 300);
        assert_eq!(company.hire(10, &[language]), people[..10]);
        let unique = |of: &dyn Fn(&Persona) -> String| people.iter().map(of).collect::<HashSet<_>>().len();
        assert_eq!(unique(&|one| one.login.clone()), 300);
        assert_eq!(unique(&|one| one.name.to_string()), 300);
        assert_eq!(unique(&|one| one.character.email.clone().unwrap()), 300);
        assert!(unique(&|one| one.full_name.clone()) > 250);
        assert!(people.iter().zip(1000..).all(|(one, uid)| one.owner.uid == uid && one.language == language));
        let spaces = if language == Language::Spanish { 2 } else { 1 };
        assert!(people.iter().all(|one| one.full_name.matches(' ').count() == spaces), "{language}");
        assert!(unique(&|one| one.role.clone()) >= 7);
        // The world takes all of them, teams included.
        World::in_company(1, company, people, Vec::new(), Settings::default()).unwrap();
    }
    let mixed = company(3, Country::De).hire(60, &[]);
    assert!(mixed.iter().all(|one| one.language == Language::German && one.country == Some(Country::De)));
}
