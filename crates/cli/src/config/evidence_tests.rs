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
