use std::path::Path;

use super::*;

/// What decides over evidence is asked for, and has no convenient default: where it goes, when it is complete, and that it may go.
#[test]
fn defect_16_what_is_safe_is_never_guessed() {
    let about = |capture: &str| {
        let text = format!(
            "state = \"/nowhere/s\"\n[[destination]]\nname = \"v\"\nnative = {{ path = \"/nowhere/v\" }}\n[[capture]]\nname = \"c\"\n{capture}"
        );
        parse(&text, Path::new("/nowhere/verisim.toml"), None)
    };
    let whole =
        [("path", "\"/nowhere/c\""), ("complete", "{ sentinel = \"done\" }"), ("destination", "\"v\"")];
    let without = |left_out: &str| -> String {
        whole
            .iter()
            .filter(|(key, _)| *key != left_out)
            .map(|(key, value)| format!("{key} = {value}\n"))
            .collect()
    };
    assert!(!about(&without("")).unwrap().captures[0].cleanup.enabled);
    for (key, _) in whole {
        let Err(ConfigError::Mistakes { mistakes, .. }) = about(&without(key)) else {
            panic!("{key} was guessed")
        };
        assert!(mistakes.iter().any(|mistake| mistake.what.contains(key)), "{key}: {mistakes:#?}");
    }
}

/// 1 Mbit/s is 125,000 bytes a second, no 4.9 % more; and a window may run over midnight.
#[test]
fn defect_17_a_bandwidth_is_what_it_says_and_its_window_goes_over_midnight() {
    let text = "state = \"/nowhere/s\"\n[[destination]]\nname = \"v\"\nnative = { path = \"/nowhere/v\" }\n\
                bandwidth = { mbit = 1, windows = [{ days = \"mon-fri\", from = \"22:00\", to = \"06:00\" }] }\n";
    let config = parse(text, Path::new("/nowhere/verisim.toml"), None).unwrap();
    let bandwidth = config.destinations[0].bandwidth.as_ref().unwrap();
    // 2026-11-23 is a Monday.
    for (at, limited) in [
        ("2026-11-23T21:59:59Z", false),
        ("2026-11-23T22:00:00Z", true),
        ("2026-11-24T05:59:59Z", true),
        ("2026-11-24T06:00:00Z", false),
        ("2026-11-28T05:00:00Z", true),
        ("2026-11-28T23:00:00Z", false),
    ] {
        let found = bandwidth.at(at.parse().unwrap()).map(|limit| limit.bytes_per_second);
        assert_eq!(found, limited.then_some(125_000), "{at}");
    }
}

/// A window that ends when it begins may mean all or nothing: it is asked for, and the whole day has words of its own.
#[test]
fn a_window_that_ends_when_it_begins_is_a_mistake() {
    let about = |from: &str, to: &str| {
        let text = format!(
            "state = \"/nowhere/s\"\n[[destination]]\nname = \"v\"\nnative = {{ path = \"/nowhere/v\" }}\n\
             bandwidth = {{ mbit = 1, windows = [{{ days = \"mon-fri\", from = \"{from}\", to = \"{to}\" }}] }}\n"
        );
        parse(&text, Path::new("/nowhere/verisim.toml"), None)
    };
    for (from, to) in [("07:00", "07:00"), ("7:00", "07:00"), ("00:00", "00:00")] {
        let Err(ConfigError::Mistakes { mistakes, .. }) = about(from, to) else { panic!("{from}-{to}") };
        assert_eq!(mistakes.len(), 1, "{mistakes:#?}");
        assert!(mistakes[0].what.contains(&format!("begins and ends at {from}")), "{mistakes:#?}");
        assert!(format!("{mistakes:?}").contains("24:00"), "{mistakes:#?}");
    }
    for (from, to) in [("00:00", "24:00"), ("07:00", "07:01"), ("07:00", "06:59")] {
        about(from, to).unwrap();
    }
}

/// Every mistake of every window is told at once, each where it stands.
#[test]
fn all_that_is_wrong_with_the_windows_of_a_bandwidth_is_told() {
    let text = "state = \"/nowhere/s\"\n[[destination]]\nname = \"v\"\nnative = { path = \"/nowhere/v\" }\n\
                [destination.bandwidth]\nwindows = [\n\
                { days = \"mo-fr\", from = \"8 am\", to = \"25:00\", zone = \"x\" },\n\
                { days = \"sat\", to = \"noon\" },\n]\n";
    let Err(ConfigError::Mistakes { mistakes, .. }) = parse(text, Path::new("/nowhere/verisim.toml"), None)
    else {
        panic!("nothing is wrong")
    };
    let found: Vec<(usize, &str)> =
        mistakes.iter().map(|mistake| (mistake.line, mistake.what.as_str())).collect();
    for (line, word) in [
        (5, "`mbit`"),
        (7, "`days`: \"mo-fr\""),
        (7, "`from`: \"8 am\""),
        (7, "`to`: \"25:00\""),
        (7, "`zone`"),
        (8, "has no `from`"),
        (8, "`to`: \"noon\""),
    ] {
        assert!(found.iter().any(|(at, what)| *at == line && what.contains(word)), "{word}: {mistakes:#?}");
    }
    assert_eq!(found.len(), 7, "{mistakes:#?}");
}

/// A capture without a destination is shown one that is declared.
#[test]
fn a_missing_destination_is_one_that_there_is() {
    let about = |destination: &str| {
        let text = format!(
            "state = \"/nowhere/s\"\n{destination}[[capture]]\nname = \"c\"\npath = \"/nowhere/c\"\n\
             complete = {{ sentinel = \"done\" }}\n"
        );
        let Err(ConfigError::Mistakes { mistakes, .. }) =
            parse(&text, Path::new("/nowhere/verisim.toml"), None)
        else {
            panic!("nothing is wrong")
        };
        mistakes
    };
    let declared = about("[[destination]]\nname = \"nas\"\nnative = { path = \"/nowhere/v\" }\n");
    assert!(declared.len() == 1 && declared[0].mend.ends_with("destination = \"nas\""), "{declared:#?}");
    let without = about("");
    assert!(without.len() == 1 && without[0].mend.contains("vault"), "{without:#?}");
}

/// A heading with a bracket too few is one mistake, and no further ones follow from it.
#[test]
fn a_heading_that_is_not_closed_is_one_mistake() {
    for heading in ["[[destination]", "[destination]]", "[[destination"] {
        let text = format!(
            "state = \"/nowhere/s\"\n{heading}\nname = \"v\"\nnative = {{ path = \"/nowhere/v\" }}\n\
             [[capture]]\nname = \"c\"\npath = \"/nowhere/c\"\ncomplete = {{ sentinel = \"done\" }}\n\
             destination = \"v\"\n"
        );
        let Err(ConfigError::Mistakes { mistakes, .. }) =
            parse(&text, Path::new("/nowhere/verisim.toml"), None)
        else {
            panic!("nothing is wrong")
        };
        assert!(mistakes.len() == 1 && mistakes[0].line == 2, "{heading}: {mistakes:#?}");
    }
}

/// An audit says how often, and of how much; a share that is no whole part of all is rounded so that nobody waits longer.
#[test]
fn an_audit_is_read_as_rounds() {
    let about = |audit: &str| {
        let text = format!(
            "state = \"/nowhere/s\"\n[[destination]]\nname = \"v\"\nnative = {{ path = \"/nowhere/v\" }}\n[[capture]]\nname = \"c\"\n\
             path = \"/nowhere/c\"\ncomplete = {{ sentinel = \"done\" }}\ndestination = \"v\"\n{audit}"
        );
        parse(&text, Path::new("/nowhere/verisim.toml"), None)
    };
    assert_eq!(about("").unwrap().captures[0].audit, None);
    for (text, seconds, rounds) in [
        ("audit = { every = \"7d\", share = 0.1 }", 604_800, 10),
        ("audit = { every = \"2h\", share = 0.3 }", 7200, 4),
        ("audit = { every = \"24h\", share = 1 }", 86_400, 1),
        ("audit = { every = \"24h\" }", 86_400, 10),
    ] {
        let audit = about(text).unwrap().captures[0].audit.unwrap();
        assert_eq!((audit.every.as_secs(), audit.rounds), (seconds, rounds), "{text}");
    }
    for text in [
        "audit = { share = 0.1 }",
        "audit = { every = \"5m\" }",
        "audit = { every = \"7d\", share = 0 }",
        "audit = { every = \"7d\", share = 2 }",
        "audit = { every = \"7d\", of = 1 }",
    ] {
        assert!(matches!(about(text), Err(ConfigError::Mistakes { .. })), "{text}");
    }
}
