//! Invents employees for a first configuration: names, logins and roles, from a seed.

use std::collections::HashSet;

use rand_core::{Rng as _, SeedableRng as _};
use rand_xoshiro::SplitMix64;

/// First names that are common in many places of Europe and the Americas.
const FIRST: [&str; 40] = [
    "Anna", "Jonas", "Maria", "Lukas", "Laura", "Daniel", "Sofia", "Martin", "Elena", "Thomas", "Julia",
    "Peter", "Nina", "David", "Clara", "Marco", "Eva", "Simon", "Lena", "Paul", "Ines", "Adrian", "Carla",
    "Oliver", "Petra", "Viktor", "Hanna", "Felix", "Marta", "Erik", "Alice", "Robert", "Diana", "Henrik",
    "Irene", "Samuel", "Vera", "Tomas", "Rosa", "Leon",
];
/// Family names of the same kind.
const LAST: [&str; 40] = [
    "Keller",
    "Brandt",
    "Novak",
    "Moreau",
    "Silva",
    "Larsen",
    "Fischer",
    "Rossi",
    "Kowalski",
    "Bennett",
    "Lindqvist",
    "Weber",
    "Marin",
    "Hoffman",
    "Duarte",
    "Sommer",
    "Petrov",
    "Costa",
    "Berger",
    "Nilsen",
    "Vogel",
    "Santos",
    "Krause",
    "Mercer",
    "Janssen",
    "Horvat",
    "Leclerc",
    "Wagner",
    "Ferrari",
    "Olsen",
    "Baker",
    "Dietrich",
    "Meyer",
    "Lopes",
    "Winter",
    "Holm",
    "Carver",
    "Romero",
    "Schmidt",
    "Palmer",
];
/// What they do. Each speaks of a kind of work that leaves other files.
const ROLES: [&str; 8] = [
    "analyst",
    "developer",
    "system administrator",
    "accountant",
    "office assistant",
    "project manager",
    "research scientist",
    "operations engineer",
];
/// When they work: nobody keeps the same hours as everybody.
const WEEKS: [&str; 5] = [
    "mon-fri 08:30-17:30",
    "mon-fri 09:00-18:00",
    "mon-fri 07:30-16:00",
    "mon-thu 08:00-17:30, fri 08:00-14:00",
    "mon-fri 10:00-18:30",
];

/// An invented employee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    /// The name in the configuration.
    pub(crate) name: String,
    /// The name as people write it.
    pub(crate) full_name: String,
    /// The login.
    pub(crate) login: String,
    /// What the person does.
    pub(crate) role: &'static str,
    /// When the person works.
    pub(crate) week: &'static str,
}

/// Invents people until one wants no more; no two share a name or a login, while there are names left.
pub(crate) struct People {
    draw: SplitMix64,
    taken: HashSet<String>,
}

impl People {
    /// The people of this seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self { draw: SplitMix64::seed_from_u64(seed), taken: HashSet::new() }
    }

    fn pick<T: Copy>(&mut self, list: &[T], default: T) -> T {
        let place = self.draw.next_u64() % list.len().max(1) as u64;
        usize::try_from(place).ok().and_then(|place| list.get(place)).copied().unwrap_or(default)
    }

    /// The next person.
    pub(crate) fn invent(&mut self) -> Person {
        let mut number = 0_u32;
        loop {
            let (first, last) = (self.pick(&FIRST, FIRST[0]), self.pick(&LAST, LAST[0]));
            // After as many tries as there are names, a number keeps logins apart.
            number += 1;
            let suffix = if number > 200 { number.to_string() } else { String::new() };
            let login = format!("{}{}{suffix}", &first[..1], last).to_lowercase();
            if !self.taken.insert(login.clone()) {
                continue;
            }
            return Person {
                name: format!("{first}-{last}{suffix}").to_lowercase(),
                full_name: format!("{first} {last}"),
                login,
                role: self.pick(&ROLES, ROLES[0]),
                week: self.pick(&WEEKS, WEEKS[0]),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_shares_a_login_and_a_seed_gives_the_same_people() {
        let mut people = People::new(7);
        let all: Vec<Person> = (0..1500).map(|_| people.invent()).collect();
        let logins: HashSet<&str> = all.iter().map(|person| person.login.as_str()).collect();
        let names: HashSet<&str> = all.iter().map(|person| person.name.as_str()).collect();
        assert_eq!((logins.len(), names.len()), (1500, 1500));
        assert!(all.iter().all(|person| crate::config::units::is_login(&person.login)));
        assert!(all.iter().all(|person| person.week.parse::<verisim_realism::WorkWeek>().is_ok()));
        assert_eq!(People::new(7).invent(), all[0]);
    }
}
