//! Decoys that are containers of a real engine.

use verisim_testkit::RealEngine;

use crate::sandbox::Sandbox;

fn configure(sandbox: &Sandbox, engine: &RealEngine, decoys: &[(&str, &str)]) {
    let host = engine.socket();
    let mut text = "state = \"state\"\nseed = 7\n".to_owned();
    for (name, more) in decoys {
        text += &format!(
            "[[decoy]]\nname = \"{name}\"\npersonas = [\"maria-keller\"]\n\
             connector = {{ docker = {{ container = \"{name}-ssh\", host = \"unix://{}\"{more} }} }}\n",
            host.display()
        );
    }
    text += "[[persona]]\nname = \"maria-keller\"\nfull_name = \"Maria Keller\"\nlogin = \"mkeller\"\n";
    sandbox.write("verisim.toml", &text);
}

#[test]
fn doctor_says_of_each_container_what_is_to_be_known() {
    let Some(engine) = RealEngine::start() else { return };
    let sandbox = Sandbox::new();
    let has_user = engine.container("files01-ssh", &[]);
    std::fs::write(has_user.root().join("etc/passwd"), "mkeller:x:1004:1004::/home/mkeller:/bin/sh\n")
        .unwrap();
    let _lacks_user = engine.container("files02-ssh", &[]);
    let stopped = engine.container("files03-ssh", &[]);
    stopped.change(&["stop"]);
    let decoys = [("files01", ""), ("files02", ", path = \"portable\""), ("files03", "")];
    configure(&sandbox, &engine, &decoys);

    let findings = sandbox.run(&["--json", "doctor"]).exits(5).json();
    let of = |subject: &str, check: &str| {
        let subject = if subject.starts_with("engine") { subject.into() } else { format!("decoy {subject}") };
        let found = findings.iter().find(|found| found["subject"] == *subject && found["check"] == check);
        found.unwrap_or_else(|| panic!("{subject} {check}: {findings:#?}"))
    };
    let engine_name = format!("engine unix://{}", engine.socket().display());
    let version = engine.docker(&["version", "--format", "{{.Server.Version}}"]);
    assert!(of(&engine_name, "reachable")["found"].as_str().unwrap().contains(&version));

    assert_eq!(of("files01", "reachable")["severity"], "good");
    assert!(of("files01", "path")["found"].as_str().unwrap().starts_with("path fast"));
    assert_eq!(of("files01", "capabilities")["capabilities"]["dial"], true);
    assert_eq!(of("files01", "clock")["severity"], "good");
    assert!(of("files01", "clock")["clock_ahead_ms"].as_i64().unwrap().abs() < 5_000);
    assert_eq!(of("files01", "users")["severity"], "good");

    assert!(of("files02", "path")["found"].as_str().unwrap().contains("the configuration says so"));
    assert!(!of("files02", "path")["mend"].as_str().unwrap().is_empty());
    assert_eq!(of("files02", "capabilities")["capabilities"]["append"], false);
    assert!(of("files02", "users")["found"].as_str().unwrap().contains("no /etc/passwd"));
    let lacks =
        findings.iter().find(|it| it["subject"] == "decoy files02" && it["missing_login"] == "mkeller");
    assert!(lacks.unwrap()["mend"].as_str().unwrap().contains("mkeller:x:1004:1004"), "{lacks:?}");

    let away = of("files03", "reachable");
    assert_eq!(away["severity"], "bad");
    assert!(away["mend"].as_str().unwrap().contains("docker start files03-ssh"), "{away}");

    // The same for people, and with the engine away.
    let text = sandbox.run(&["doctor"]).exits(5).stdout;
    for words in
        ["decoy files01", "path portable", "cannot append", "mend: start it (docker start files03-ssh"]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
    configure(&sandbox, &engine, &decoys[..1]);
    let hidden = engine.folder().join("hidden.sock");
    std::fs::rename(engine.socket(), &hidden).unwrap();
    let text = sandbox.run(&["doctor"]).exits(5).stdout;
    std::fs::rename(&hidden, engine.socket()).unwrap();
    assert!(text.contains("start the engine"), "{text}");
}
