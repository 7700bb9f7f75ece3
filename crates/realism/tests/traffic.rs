//! Laws of the connections that are planned.

#![allow(clippy::unwrap_used, reason = "what is not right in a test shall fail it")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use common::{FILES, at, decoy, persona};
use jiff::SignedDuration;
use verisim_core::{Action, DriverCapabilities, Service, Traffic, TrafficProtocol, TrafficStyle};
use verisim_realism::{
    Cause, Content, DecoyProfile, PersonaIndex, Settings, Simulation, Step, TrafficWeights, World,
};

const DIALS: DriverCapabilities = DriverCapabilities { traffic: true, ..FILES };

/// Workstations of four people each, and servers; every fourth person has an account on a server.
fn company(workstations: usize, servers: usize, settings: Settings) -> Arc<World> {
    let people = workstations * 4;
    let mut decoys: Vec<DecoyProfile> = (0..workstations)
        .map(|number| {
            let mut desk = decoy(number, number * 4..number * 4 + 4);
            desk.role = "workstation".into();
            desk.capabilities = DIALS;
            desk
        })
        .collect();
    let offers: [&[&str]; 4] =
        [&["http", "https"], &["ssh", "smb"], &["mysql", "ssh"], &["smtp", "imap:1143"]];
    for number in 0..servers {
        let mut server =
            decoy(1000 + number, (0..people).filter(|who| who % 4 == 1 && who % servers == number));
        server.role = "server".into();
        server.services = offers[number % offers.len()].iter().map(|word| (*word).to_owned()).collect();
        server.capabilities = DIALS;
        decoys.push(server);
    }
    Arc::new(World::new(7, (0..people).map(persona).collect(), decoys, settings).unwrap())
}

fn weeks(world: &Arc<World>, days: i64) -> Vec<Step> {
    let from = at("2026-11-02T00:00:00Z");
    Simulation::new(world, from, from + SignedDuration::from_hours(24 * days), Content::Bodies).collect()
}

fn visits(steps: &[Step]) -> Vec<(PersonaIndex, &Step, &Traffic)> {
    let visit = |step: &Step| matches!(step.decision.why.cause, Cause::Visits(_));
    let mut all = Vec::new();
    for step in steps {
        if let Some(Action::Traffic(traffic)) = &step.action {
            all.push((step.decision.slot.persona, step, traffic));
        }
    }
    assert_eq!(all.len(), steps.iter().filter(|step| visit(step)).count());
    all
}

#[test]
fn inv_11_two_runs_with_one_seed_open_the_same_connections() {
    let run = || weeks(&company(6, 8, Settings::default()), 7);
    let first = run();
    assert!(visits(&first).len() > 30, "{}", visits(&first).len());
    assert_eq!(first, run());
}

#[test]
fn inv_9_connections_without_content_are_the_same_decisions() {
    let world = company(4, 4, Settings::default());
    let from = at("2026-11-02T00:00:00Z");
    let decisions = |content| {
        let steps = Simulation::new(&world, from, from + SignedDuration::from_hours(24 * 7), content);
        steps.map(|step| step.decision).collect::<Vec<_>>()
    };
    assert_eq!(decisions(Content::None), decisions(Content::Bodies));
}

#[test]
fn every_connection_goes_to_somebody_else_who_offers_it_in_working_hours() {
    let world = company(8, 8, Settings::default());
    let steps = weeks(&world, 21);
    let all = visits(&steps);
    let mut spoken = BTreeSet::new();
    for (persona, step, traffic) in &all {
        let source = world.decoy(step.decision.slot.decoy).unwrap();
        let to = world.decoy(world.decoy_named(&traffic.to).unwrap()).unwrap();
        assert_ne!(source.name, to.name);
        let service = Service { protocol: traffic.protocol, port: traffic.port.unwrap() };
        assert!(to.services.iter().any(|word| Service::parse(word) == Some(service)), "{to:?} {service:?}");
        assert_ne!(to.role, "workstation");
        assert!(world.works(*persona, step.decision.slot.at));
        spoken.insert(traffic.protocol);
        if traffic.protocol == TrafficProtocol::Ssh {
            let name = &world.persona(*persona).unwrap().name;
            assert!(to.personas.contains(name), "a session on a host without an account");
            assert_eq!(traffic.login.as_ref(), Some(&world.persona(*persona).unwrap().login));
            assert!(!traffic.asks.is_empty());
        }
        let is_web = matches!(traffic.protocol, TrafficProtocol::Http | TrafficProtocol::Https);
        let sits = source.role == "workstation";
        assert_eq!(traffic.style == TrafficStyle::Person, is_web && sits);
        assert!(traffic.asks.iter().map(|ask| u64::from(ask.pause_ms)).sum::<u64>() < 60_000);
    }
    assert!(spoken.len() >= 6, "{spoken:?}");
}

#[test]
fn nothing_is_dialled_where_it_cannot_be_or_where_nobody_has_an_address() {
    let desk = |change: fn(&mut DecoyProfile)| {
        let mut decoys = vec![decoy(0, 0..4), decoy(1, 4..8)];
        decoys.iter_mut().for_each(|decoy| {
            (decoy.capabilities, decoy.services) = (DIALS, vec!["http".into(), "gopher".into()]);
            change(decoy);
        });
        let world = World::new(7, (0..8).map(persona).collect(), decoys, Settings::default()).unwrap();
        visits(&weeks(&Arc::new(world), 14)).len()
    };
    assert!(desk(|_| {}) > 0);
    assert_eq!(desk(|decoy| decoy.capabilities = FILES), 0);
    assert_eq!(desk(|decoy| decoy.has_address = false), 0);
    assert_eq!(desk(|decoy| decoy.services = vec!["gopher".into()]), 0);
}

#[test]
fn people_have_favourites_and_stay_with_them_for_a_session() {
    let settings = Settings {
        traffic: TrafficWeights { http: 1, https: 0, ssh: 0, mysql: 0, smtp: 0, imap: 0, smb: 0, tcp: 0 },
        ..Settings::default()
    };
    let world = company(10, 40, settings);
    let steps = weeks(&world, 60);
    let mut by_person: BTreeMap<PersonaIndex, BTreeMap<String, usize>> = BTreeMap::new();
    let mut by_session: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for (persona, step, traffic) in visits(&steps) {
        let to = traffic.to.to_string();
        *by_person.entry(persona).or_default().entry(to.clone()).or_default() += 1;
        by_session.entry((persona, step.decision.slot.session)).or_default().push(to);
    }
    let mut everybody = BTreeSet::new();
    let (mut firsts, mut total) = (0, 0);
    for places in by_person.values() {
        assert!(places.len() <= 12, "somebody goes everywhere: {places:?}");
        firsts += places.values().max().unwrap();
        total += places.values().sum::<usize>();
        everybody.extend(places.keys().cloned());
    }
    let share = firsts as f64 / total as f64;
    assert!((0.3..0.8).contains(&share), "the favourite has {share:.2}");
    assert!(everybody.len() >= 8, "they all go to the same: {everybody:?}");
    let pairs = by_session.values().flat_map(|places| places.windows(2));
    let (same, all) =
        pairs.fold((0, 0), |(same, all), pair| (same + usize::from(pair[0] == pair[1]), all + 1));
    assert!(all > 50 && same * 2 > all, "{same} of {all} stay in a session");
}

#[test]
fn a_server_more_leaves_most_favourites_as_they_are() {
    let favourites = |servers: usize| {
        let settings = Settings {
            traffic: TrafficWeights {
                ssh: 0,
                mysql: 0,
                smtp: 0,
                imap: 0,
                smb: 0,
                tcp: 0,
                ..TrafficWeights::default()
            },
            ..Settings::default()
        };
        let world = company(10, servers, settings);
        let steps = weeks(&world, 30);
        let mut all = BTreeMap::<PersonaIndex, BTreeMap<String, usize>>::new();
        for (persona, _, traffic) in visits(&steps) {
            *all.entry(persona).or_default().entry(traffic.to.to_string()).or_default() += 1;
        }
        let first =
            |places: BTreeMap<String, usize>| places.into_iter().max_by_key(|place| place.1).unwrap().0;
        all.into_iter().map(|(persona, places)| (persona, first(places))).collect::<BTreeMap<_, _>>()
    };
    // Nobody has an account on the 41st: what changes is the ring alone.
    let (before, after) = (favourites(40), favourites(41));
    let same = before.iter().filter(|(persona, place)| after.get(persona) == Some(*place)).count();
    assert!(same * 10 > before.len() * 5, "{same} of {}", before.len());
}
