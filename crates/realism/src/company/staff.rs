//! Who works in which team, and what can be wrong with a company.

use std::collections::HashSet;

use super::{Company, TeamIndex};
use crate::PersonaIndex;
use crate::mistake::Mistake;
use crate::persona::{DecoyProfile, Persona, Role};
use crate::random::Seed;

/// Who works in which team.
#[derive(Debug, Default)]
pub(crate) struct Staff {
    /// By persona.
    teams: Vec<Option<TeamIndex>>,
    /// By team.
    members: Vec<Vec<PersonaIndex>>,
}

impl Staff {
    /// Everybody to the team that is named, else to one of those with the persona's role, by lot; a lot that does not depend on
    /// who else there is.
    pub(crate) fn of(company: &Company, personas: &[Persona]) -> Self {
        let seed = company.own_seed().text("staff");
        let teams: Vec<_> = personas.iter().map(|persona| place(company, seed, persona)).collect();
        let mut members = vec![Vec::new(); company.teams.len()];
        for (team, persona) in teams.iter().zip(0..) {
            if let Some(all) = team.and_then(|team| members.get_mut(team.0)) {
                all.push(PersonaIndex(persona));
            }
        }
        Self { teams, members }
    }

    pub(crate) fn team(&self, persona: u32) -> Option<TeamIndex> {
        self.teams.get(persona as usize).copied().flatten()
    }

    /// Everybody in the persona's team.
    pub(crate) fn mates(&self, persona: u32) -> &[PersonaIndex] {
        self.team(persona).and_then(|team| self.members.get(team.0)).map_or(&[], Vec::as_slice)
    }
}

fn place(company: &Company, seed: Seed, persona: &Persona) -> Option<TeamIndex> {
    if let Some(name) = &persona.team {
        return company.teams.iter().position(|team| team.name == *name).map(TeamIndex);
    }
    let role = Role::of(&persona.role);
    let lot = |place: &usize| {
        let name = company.teams.get(*place).map_or("", |team| &team.name);
        seed.text(persona.name.as_str()).text(name).number()
    };
    let of_role = |place: &usize| company.teams.get(*place).is_some_and(|team| Role::of(&team.role) == role);
    let all = 0..company.teams.len();
    all.clone().filter(of_role).max_by_key(lot).or_else(|| all.max_by_key(lot)).map(TeamIndex)
}

/// Notes everything that refers to something else and does not find it.
pub(crate) fn check(
    company: &Company,
    personas: &[Persona],
    decoys: &[DecoyProfile],
    found: &mut Vec<Mistake>,
) {
    let mut note = |what: String, reason| found.push(Mistake::Company { what, reason });
    if company.sites.is_empty() {
        note(company.name.clone(), "it has no site");
    }
    for team in company.teams.iter().filter(|team| team.site >= company.sites.len()) {
        note(team.name.clone(), "its site does not exist");
    }
    let mut keys = HashSet::new();
    for project in &company.projects {
        let name = || project.code_name.clone();
        if company.team(project.team).is_none() {
            note(name(), "its team does not exist");
        }
        if !is_key(&project.key) || !keys.insert(&project.key) {
            note(name(), "its key is not 2 to 10 capitals and digits, a letter first, or is another's too");
        }
        let in_order = project.phases.iter().all(|phase| phase.from <= phase.to)
            && project.phases.windows(2).all(|pair| pair[0].to < pair[1].from);
        if project.phases.is_empty() || !in_order {
            note(name(), "its phases are none, or not one after the other");
        }
    }
    for meeting in &company.meetings {
        if company.team(meeting.team).is_none() || meeting.at_minute >= 1440 {
            note(meeting.title.clone(), "its team or its time of day does not exist");
        }
    }
    let decoys: HashSet<&str> = decoys.iter().map(|decoy| decoy.name.as_str()).collect();
    for host in company.hosts.iter().filter(|host| decoys.contains(host.name.as_str())) {
        note(host.name.clone(), "a host that is only spoken of has the name of a decoy");
    }
    for persona in personas {
        let team = persona.team.as_deref();
        if team.is_some_and(|name| company.teams.iter().all(|team| team.name != name)) {
            found.push(Mistake::Persona {
                persona: persona.name.clone(),
                field: "team",
                reason: "the company has no team of this name",
            });
        }
    }
}

/// Whether a text can be what tickets begin with.
#[must_use]
pub(super) fn is_key(text: &str) -> bool {
    (2..=10).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        && text.as_bytes()[0].is_ascii_uppercase()
}
