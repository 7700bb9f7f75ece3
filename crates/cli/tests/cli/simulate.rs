//! `verisim simulate`: sessions as lines and as pictures, of people who are invented.

use std::collections::HashMap;
use std::fs;

use crate::sandbox::{Sandbox, command, finish};

fn run(sandbox: &Sandbox, args: &[&str]) -> crate::sandbox::Ran {
    let mut verisim = command(env!("CARGO_BIN_EXE_verisim"));
    verisim.args(args).current_dir(sandbox.path(""));
    finish(verisim)
}

const COMPANY: [&str; 9] =
    ["simulate", "--personas", "12", "--seed", "5", "--days", "30", "--from", "2026-03-02T00:00:00Z"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    COMPANY.iter().copied().chain(more.iter().copied()).collect()
}

#[test]
fn sessions_are_told_from_login_to_logout_in_the_personas_own_time() {
    let sandbox = Sandbox::new();
    fs::remove_file(sandbox.path("verisim.toml")).unwrap();
    let lines = run(&sandbox, &with(&["--json"])).exits(0).json();
    let mut open: HashMap<(String, String), String> = HashMap::new();
    let (mut offsets, mut hashed) = (std::collections::HashSet::new(), 0);
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let mut begun = std::collections::HashSet::new();
    let (mut sent, mut answers) = (std::collections::HashSet::new(), 0);
    for line in &lines {
        let (persona, session, time) = (text(&line["persona"]), text(&line["session"]), text(&line["time"]));
        assert!(time.parse::<jiff::Timestamp>().is_ok(), "{time}");
        offsets.insert(time[29..].to_owned());
        let key = (persona.clone(), session);
        match line["kind"].as_str().unwrap() {
            "login" => {
                begun.insert(persona);
                assert_eq!(open.insert(key, text(&line["decoy"])), None);
            }
            "logout" => assert!(open.remove(&key).is_some() || !begun.contains(&persona)),
            kind @ ("plant" | "edit" | "remove" | "traffic" | "email") => {
                assert!(
                    open.get(&key).is_some_and(|decoy| *decoy == line["decoy"]) || !begun.contains(&persona)
                );
                assert_eq!(line["path"].is_string(), !matches!(kind, "traffic" | "email"), "{line}");
                if kind == "email" {
                    assert!(line["message_id"].as_str().unwrap().contains('@'), "{line}");
                    assert!(!line["recipients"].as_array().unwrap().is_empty(), "{line}");
                    if let Some(answered) = line["in_reply_to"].as_str() {
                        assert!(sent.contains(answered), "what is answered was sent before: {line}");
                        answers += 1;
                    }
                    assert!(sent.insert(text(&line["message_id"])), "{line}");
                }
                if kind == "plant" {
                    assert_eq!(line["sha256"].as_str().unwrap().len(), 64);
                    assert!(line["class"].is_string() && line["bytes"].as_u64().is_some());
                    hashed += 1;
                }
            }
            other => panic!("{other}"),
        }
        assert!(line["why"].as_str().is_some_and(|why| !why.is_empty()));
    }
    assert!(hashed > 100 && offsets.len() >= 3, "{hashed} {offsets:?}");
    assert!(sent.len() > 20 && answers > 3, "{} mails, {answers} of them answers", sent.len());
    // Without the contents the same is decided.
    let bare = run(&sandbox, &with(&["--json", "--no-bodies"])).exits(0).json();
    assert_eq!(bare.len(), lines.len());
    for (bare, whole) in bare.iter().zip(&lines) {
        assert!(bare.get("sha256").is_none() && bare.get("bytes").is_none());
        assert_eq!(
            (&bare["time"], &bare["path"], &bare["kind"]),
            (&whole["time"], &whole["path"], &whole["kind"])
        );
    }
}

#[test]
fn pictures_are_one_page_that_needs_nothing_else() {
    let sandbox = Sandbox::new();
    fs::remove_file(sandbox.path("verisim.toml")).unwrap();
    let ran = run(&sandbox, &with(&["--out", "pictures"])).exits(0);
    assert_eq!(ran.stdout, "", "whoever wants pictures alone is not told everything besides");
    let page = fs::read_to_string(sandbox.path("pictures/index.html")).unwrap();
    for name in ["heat", "day-1", "day-2", "gaps", "ages", "sizes", "map"] {
        let svg = fs::read_to_string(sandbox.path(&format!("pictures/{name}.svg"))).unwrap();
        let (_, svg) = svg.split_once('\n').unwrap();
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n") && page.contains(svg), "{name}");
    }
    assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("href="));
}
