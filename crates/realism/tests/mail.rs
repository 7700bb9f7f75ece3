//! Laws of the mail that is planned, read by a parser of somebody else.

#![allow(clippy::unwrap_used, reason = "what is not right in a test shall fail it")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use common::{FILES, at, decoy, persona};
use jiff::SignedDuration;
use mail_parser::{Address, HeaderValue, MessageParser};
use verisim_audit::{Evidence, Layout, Mailbox, judge_all, read};
use verisim_core::{Action, DriverCapabilities, Email};
use verisim_realism::{Cause, Change, Content, Language, Letter, Settings, Simulation, Step, Tone, World};

const MAILS: DriverCapabilities = DriverCapabilities { email: true, ..FILES };

/// Forty people of four languages on ten decoys; names and signatures that want care.
fn company(capabilities: DriverCapabilities) -> Arc<World> {
    let people = (0..40).map(|number| {
        let mut one = persona(number);
        one.language = Language::ALL[number % 4];
        one.full_name = match number % 5 {
            0 => format!("Jörg-Günther Weiß{number}"),
            1 => format!("O'Hara \"Annie\", Ann {number}"),
            2 => format!(
                "Łukasz Wiśniewski-Żółć mit einem sehr langen Namen, der umgebrochen werden muss {number}"
            ),
            _ => one.full_name,
        };
        let tones = [Tone::Terse, Tone::Plain, Tone::Friendly, Tone::Formal];
        one.character.tone = Some(tones[number / 4 % 4]);
        one.character.signature =
            (number % 3 == 0).then(|| format!("{}\nRaum 4.11 | Gebäude Süd", one.full_name));
        one.character.reply_latency = (number % 2 == 0).then(|| SignedDuration::from_mins(30));
        one.character.tools = if number % 7 == 0 { vec!["thunderbird".into()] } else { Vec::new() };
        one
    });
    let decoys = (0..10).map(|number| {
        let mut one = decoy(number, number * 4..number * 4 + 4);
        one.capabilities = capabilities;
        one
    });
    Arc::new(World::new(11, people.collect(), decoys.collect(), Settings::default()).unwrap())
}

fn days(world: &Arc<World>, days: i64) -> Vec<Step> {
    let from = at("2026-09-07T00:00:00Z");
    Simulation::new(world, from, from + SignedDuration::from_hours(24 * days), Content::Bodies).collect()
}

#[test]
#[ignore = "shows some mails to whoever wants to read them"]
fn show() {
    for (_, _, email) in mails(&days(&company(MAILS), 20)).iter().rev().take(25) {
        println!("{}\n~~~~~~~~", String::from_utf8_lossy(email.message.as_bytes()));
    }
}

fn mails(steps: &[Step]) -> Vec<(&Step, &Letter, &Email)> {
    let mail = |step: &Step| matches!(step.decision.why.cause, Cause::Writes | Cause::Answers);
    let mut all = Vec::new();
    for step in steps {
        if let (Some(Action::Email(email)), Change::Mail { letter }) = (&step.action, &step.decision.change) {
            all.push((step, &**letter, email));
        }
    }
    assert_eq!(all.len(), steps.iter().filter(|step| mail(step)).count());
    all
}

fn ids(value: &HeaderValue<'_>) -> Vec<String> {
    value.as_text_list().unwrap_or_default().iter().map(ToString::to_string).collect()
}

#[test]
fn every_mail_is_read_by_a_parser_as_it_was_meant() {
    let world = company(MAILS);
    let steps = days(&world, 60);
    let mails = mails(&steps);
    assert!(mails.len() > 400, "{}", mails.len());
    let mut seen: BTreeMap<String, (String, jiff::Timestamp)> = BTreeMap::new();
    for (step, letter, email) in &mails {
        let raw = email.message.as_bytes();
        let shown = String::from_utf8_lossy(raw);
        for line in raw.split(|byte| *byte == b'\n') {
            assert!(line.len() <= 998 && (line.is_empty() || line.ends_with(b"\r")), "{shown}");
        }
        let header = shown.split("\r\n\r\n").next().unwrap();
        assert!(header.is_ascii() && header.split("\r\n").all(|line| line.len() <= 200), "{header}");
        let message = MessageParser::new().parse(raw).unwrap();
        let slot = step.decision.slot;
        let who = world.persona(slot.persona).unwrap();
        let from = message.from().and_then(Address::first).unwrap();
        assert_eq!(from.name(), Some(who.full_name.as_str()), "{shown}");
        assert!(from.address().unwrap().ends_with(&format!("@{}", world.company().domain)), "{shown}");
        assert_eq!(message.message_id(), Some(email.message_id.as_str()), "{shown}");
        assert_eq!(message.subject().unwrap().trim(), letter.subject(&world).trim(), "{shown}");
        assert_eq!(message.date().unwrap().to_timestamp(), slot.at.as_second(), "{shown}");
        let offset = who.time_zone.offset_seconds(slot.at);
        let date = header.lines().find_map(|line| line.strip_prefix("Date: ")).unwrap();
        assert!(
            date.ends_with(&format!("{:02}{:02}", offset.abs() / 3600, offset.abs() / 60 % 60)),
            "{date}"
        );
        let readers: Vec<&str> = message.to().unwrap().iter().filter_map(|one| one.name()).collect();
        let meant: Vec<&str> =
            letter.readers().iter().map(|one| world.persona(*one).unwrap().full_name.as_str()).collect();
        assert_eq!(readers, meant, "{shown}");
        assert!(!letter.readers().contains(&slot.persona), "nobody writes to themselves: {shown}");
        let text = message.body_text(0).unwrap();
        assert!(text.trim().len() > 10 && !text.contains(['{', '}', '\u{fffd}']), "{text}");
        // What is answered was sent before, to whoever answers it.
        let (answered, references) = (ids(message.in_reply_to()), ids(message.references()));
        match letter.answers() {
            None => assert!(answered.is_empty() && references.is_empty(), "{shown}"),
            Some(before) => {
                let (subject, sent) = seen.get(&answered[0]).unwrap();
                assert!(*sent < slot.at && before.readers().contains(&slot.persona), "{shown}");
                assert_eq!(references.last(), answered.first(), "{shown}");
                assert!(references.iter().all(|id| seen.contains_key(id)), "{shown}");
                let topic = |subject: &str| subject.split_once(": ").map(|(_, rest)| rest.to_owned());
                let own = topic(message.subject().unwrap()).unwrap();
                assert!(
                    subject.trim() == own.trim() || topic(subject).as_deref() == Some(own.trim()),
                    "{shown}"
                );
            }
        }
        let subject = message.subject().unwrap().to_owned();
        let is_new = seen.insert(email.message_id.clone(), (subject, slot.at)).is_none();
        assert!(is_new, "an id twice: {shown}");
    }
}

#[test]
fn mail_is_answered_and_threads_branch_and_end() {
    let world = company(MAILS);
    let steps = days(&world, 90);
    let mails = mails(&steps);
    let answers = mails.iter().filter(|(_, letter, _)| letter.answers().is_some()).count();
    let share = answers as f64 / mails.len() as f64;
    assert!((0.25..0.75).contains(&share), "{answers} of {}", mails.len());
    let mut by_parent: BTreeMap<String, usize> = BTreeMap::new();
    let mut deepest = 0;
    for (_, letter, _) in &mails {
        let mut depth = 0;
        let mut before = letter.answers();
        if let Some(parent) = before {
            *by_parent.entry(parent.message_id(&world)).or_default() += 1;
        }
        while let Some(one) = before {
            (depth, before) = (depth + 1, one.answers());
        }
        deepest = deepest.max(depth);
    }
    assert!((3..=8).contains(&deepest), "{deepest}");
    assert!(by_parent.values().any(|count| *count > 1), "no thread branches");
    // Programs differ, and each person keeps to one.
    let mut programs: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
    for (step, _, email) in &mails {
        let text = String::from_utf8_lossy(email.message.as_bytes()).into_owned();
        let names =
            text.split("\r\n\r\n").next().unwrap().split("\r\n").filter_map(|line| line.split_once(':'));
        let first = names.map(|(name, _)| name.to_owned()).next().unwrap();
        programs.entry(step.decision.slot.persona.0).or_default().insert(first);
    }
    assert!(programs.values().all(|one| one.len() == 1), "{programs:?}");
    assert!(programs.values().flatten().collect::<BTreeSet<_>>().len() >= 3, "{programs:?}");
}

#[test]
fn a_letter_asks_for_a_median_answer_of_the_persona() {
    let world = company(MAILS);
    let steps = days(&world, 200);
    let mut waits: Vec<f64> = Vec::new();
    for (step, letter, _) in mails(&steps) {
        if let Some(before) = letter.answers() {
            waits.push(step.decision.slot.at.duration_since(before.slot().at).as_secs_f64() / 3600.0);
        }
    }
    waits.sort_by(f64::total_cmp);
    let median = waits[waits.len() / 2];
    // Nobody answers before they sit there again; most do within the next working days.
    assert!((0.5..60.0).contains(&median), "{median} h of {}", waits.len());
    assert!(waits.iter().all(|wait| *wait > 0.0 && *wait < 7.0 * 24.0), "{:?}", waits.last());
}

#[test]
fn where_no_mail_can_be_sent_none_is_and_files_stay_as_they_are() {
    let (with, without) = (days(&company(MAILS), 30), days(&company(FILES), 30));
    assert!(mails(&without).is_empty());
    let files = |steps: &[Step]| {
        let all = steps.iter().filter(|step| !matches!(step.decision.change, Change::Mail { .. }));
        all.map(|step| (step.decision.slot.at, step.action.clone())).collect::<Vec<_>>()
    };
    assert_eq!(files(&with), files(&without), "mail moves nothing else");
}

/// The auditor knows nothing of how it was made.
#[test]
fn the_auditor_finds_nothing_in_a_mailbox() {
    let world = company(MAILS);
    let steps = days(&world, 150);
    let all = mails(&steps);
    let mut looked_at = 0;
    for reader in 0..40 {
        let reader = verisim_realism::PersonaIndex(reader);
        let mine = all.iter().filter(|(_, letter, _)| letter.readers().contains(&reader));
        let messages: Vec<_> = mine
            .map(|(step, _, email)| {
                let at = step.decision.slot.at + SignedDuration::from_secs(2);
                let name = format!("{}.M1P1.host-0:2,S", at.as_second());
                (Some(at), name, read::message(email.message.as_bytes()))
            })
            .collect();
        if messages.len() < 25 {
            continue;
        }
        looked_at += 1;
        let mut evidence = Evidence::new("mail", at("2027-02-10T00:00:00Z"), Layout::Host);
        let path = verisim_core::DecoyPath::new("/home/user/Maildir").unwrap();
        evidence.mailboxes = vec![Mailbox { path, is_maildir: true, missing: Vec::new(), messages }];
        let reports = judge_all(std::slice::from_ref(&evidence));
        let found = reports.iter().flat_map(|report| &report.findings);
        let found: Vec<_> = found.filter(|one| one.tell == 16 && one.weight_db > 1.0).collect();
        assert!(found.is_empty(), "{found:#?}");
    }
    assert!(looked_at >= 10, "{looked_at}");
}

/// What a mail, a note and a list speak of is the same company's.
#[test]
fn mails_speak_of_tickets_that_notes_speak_of() {
    let world = company(MAILS);
    let steps = days(&world, 40);
    let keys: Vec<String> =
        world.company().projects.iter().map(|project| format!("{}-", project.key)).collect();
    let tickets = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        words
            .filter(|word| keys.iter().any(|key| word.starts_with(key.as_str())))
            .map(str::to_owned)
            .collect()
    };
    let (mut mailed, mut noted) = (BTreeSet::new(), BTreeSet::new());
    for step in &steps {
        match &step.action {
            Some(Action::Email(email)) => {
                let message = MessageParser::new().parse(email.message.as_bytes()).unwrap();
                mailed.extend(tickets(message.subject().unwrap_or_default()));
                mailed.extend(tickets(&message.body_text(0).unwrap_or_default()));
            }
            Some(Action::Plant(plant)) => {
                noted.extend(tickets(&String::from_utf8_lossy(plant.body.as_bytes())));
            }
            _ => {}
        }
    }
    let both = mailed.intersection(&noted).count();
    assert!(
        both * 3 > mailed.len(),
        "{both} of {} tickets in mails and {} in notes",
        mailed.len(),
        noted.len()
    );
}
