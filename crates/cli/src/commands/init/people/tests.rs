use std::path::Path;

use super::*;
use crate::config;

fn staff(seed: u64, country: Country, languages: &[Language], count: u32) -> Staff {
    let outline = Outline {
        country,
        language: languages.first().copied().unwrap_or_else(|| country.language()),
        from: jiff::civil::date(2025, 9, 1),
        until: jiff::civil::date(2027, 9, 1),
    };
    let mut company = Company::invent(seed, &outline);
    let people = company.hire(count, languages);
    company.keep_teams_of(&people);
    Staff { company: Some(company), people }
}

#[test]
fn a_company_that_is_written_is_read_as_it_was() {
    for (seed, country) in (30..).zip(Country::ALL) {
        let all = [Language::English, Language::German, Language::French, Language::Spanish];
        let languages = if seed % 2 == 0 { &all[..] } else { &[] };
        let staff = staff(seed, country, languages, 25);
        let mut text = format!("state = \"/nowhere/state\"\nseed = {seed}\n");
        staff.write(&mut text);
        write(&mut text, &staff.people);
        let config = match config::parse(&text, Path::new("/nowhere/verisim.toml"), None) {
            Ok(config) => config,
            Err(error) => panic!("{error:?}\n{text}"),
        };
        assert_eq!(config.company, staff.company, "{country}");
        assert_eq!(config.personas.len(), 25);
        for (read, written) in config.personas.iter().zip(&staff.people) {
            let read = read.persona(read.owner.unwrap()).unwrap();
            assert_eq!(&read, written);
        }
    }
}

#[test]
fn everybody_who_is_known_works_somewhere() {
    let staff = staff(3, Country::De, &[], 23);
    let mut hiring = staff.hiring(3, "UTC", 4);
    let seated: std::collections::HashSet<PersonaName> = (0..4).flat_map(|_| hiring.team(2)).collect();
    assert_eq!(seated.len(), 23);
    assert_eq!(hiring.everybody().len(), 23);
    // Where fewer are known than a decoy wants, nobody is there twice.
    let mut hiring = staff.hiring(3, "UTC", 30);
    assert_eq!(hiring.team(20).len(), 20);
    assert!(Staff::default().hiring(3, "UTC", 1).team(3).len() == 3);
}

#[test]
fn every_mistake_of_a_company_is_told_with_its_line() {
    let text = r#"state = "/nowhere/state"
seed = 1
[[decoy]]
name = "git01"
connector = { rootfs = { path = "/nowhere/git01" } }
[company]
name = ""
country = "UK"
[[company.site]]
city = "Hannover"
country = "DE"
[[company.team]]
name = "Plattform"
site = "Hanover"
[[company.project]]
name = "Heron"
key = "her"
team = "Platform"
phases = ["build 2026-03-02/2026-06-12", "test 2026-06-01/2026-07-01", "party"]
[[company.meeting]]
title = "Jour fixe"
team = "Plattform"
day = "monday"
at = "25:00"
every = "month"
[[company.host]]
name = "git01"
address = "0.0.0.0"
[[persona]]
name = "a-b"
full_name = "A B"
login = "ab"
team = "Vertrieb"
vacations = ["2026-07-20"]
lunch = "22:00"
email = "a b"
signature = "\u001b[2J"
language = "klingon"
"#;
    let Err(config::ConfigError::Mistakes { mistakes, .. }) =
        config::parse(text, Path::new("/nowhere/verisim.toml"), None)
    else {
        panic!("what is wrong was taken")
    };
    let lines: Vec<usize> = mistakes.iter().map(|mistake| mistake.line).collect();
    assert_eq!(lines, [7, 8, 14, 17, 18, 19, 19, 23, 24, 25, 27, 28, 33, 34, 35, 36, 37, 38], "{mistakes:?}");
    let near = |line| mistakes.iter().find(|mistake| mistake.line == line).map(|one| one.mend.as_str());
    assert_eq!(near(14), Some("did you mean \"Hannover\"?"));
    assert_eq!(near(18), Some("did you mean \"Plattform\"?"));
}
