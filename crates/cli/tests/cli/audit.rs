//! `verisim audit`: decoys, folders and simulations.

use std::fs;

use crate::sandbox::Sandbox;

/// A folder that was filled in one go, with one body, a minute apart.
fn filled(sandbox: &Sandbox) {
    for n in 0..60 {
        let name = ["notes", "todo", "report", "draft"][n % 4];
        let path = format!("files01/home/mkeller/{name}-{n}.txt");
        sandbox.write(&path, "This is a placeholder document.\n");
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000 + 60 * n as u64);
        let times = fs::FileTimes::new().set_modified(time).set_accessed(time);
        fs::File::options().write(true).open(sandbox.path(&path)).unwrap().set_times(times).unwrap();
    }
}

#[test]
fn an_audit_names_what_gives_a_decoy_away_and_fails_below_the_bar() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&["audit", "files01"]).exits(0);
    assert!(ran.stdout.contains("lifeless"), "{}", ran.stdout);

    filled(&sandbox);
    let ran = sandbox.run(&["audit", "files01"]).exits(6);
    for words in [
        "files01  ",
        " of 100",
        "taken for a decoy",
        " dB  ",
        "see      find /home",
        "mend ",
        "same_content (tell 8)",
    ] {
        assert!(ran.stdout.contains(words), "{words}: {}", ran.stdout);
    }
    sandbox.run(&["audit", "files01", "--min-score", "0"]).exits(0);
    // Without a name, all of them; and as a folder it is the same.
    let all = sandbox.run(&["audit", "--json", "--min-score", "0"]).exits(0).json();
    let dir = sandbox.path("files01");
    let folder =
        sandbox.run(&["audit", "--json", "--min-score", "0", "--dir", dir.to_str().unwrap()]).exits(0).json();
    assert_eq!((all.len(), folder.len()), (1, 1));
    assert_eq!((&all[0]["type"], &all[0]["score"]), (&"audit".into(), &folder[0]["score"]));
    assert!(all[0]["score"].as_u64().unwrap() < 50 && all[0]["verdict"] == "decoy", "{}", all[0]);
    let weights: Vec<f64> = all[0]["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["weight_db"].as_f64().unwrap())
        .collect();
    assert!(weights.len() > 3 && weights.is_sorted_by(|a, b| a >= b), "{weights:?}");
    let passed = sandbox.run(&["audit", "files01", "--exclude", "/home"]).exits(0);
    assert!(passed.stdout.contains("lifeless"), "{}", passed.stdout);
}

#[test]
fn an_audit_changes_nothing_on_a_decoy() {
    use std::os::unix::fs::MetadataExt as _;
    let sandbox = Sandbox::new();
    filled(&sandbox);
    let stats = || {
        let entries = fs::read_dir(sandbox.path("files01/home/mkeller")).unwrap();
        let stat = |entry: fs::DirEntry| {
            let meta = entry.metadata().unwrap();
            (entry.file_name(), meta.atime(), meta.atime_nsec(), meta.ctime(), meta.ctime_nsec())
        };
        let mut stats: Vec<_> = entries.map(|entry| stat(entry.unwrap())).collect();
        stats.sort();
        stats
    };
    let before = stats();
    sandbox.run(&["audit", "files01", "--min-score", "0"]).exits(0);
    assert_eq!(stats(), before, "neither contents nor times of reading");
}

#[test]
fn what_cannot_be_reached_is_told_and_the_others_are_judged() {
    let sandbox = Sandbox::new();
    let dir = sandbox.path("files01");
    let ran =
        sandbox.run(&["audit", "--json", "--dir", "/nonexistent/x", "--dir", dir.to_str().unwrap()]).exits(5);
    assert_eq!(ran.json().len(), 1);
    assert!(ran.stderr.contains("/nonexistent/x"), "{}", ran.stderr);
    sandbox.run(&["audit", "nobody01"]).exits(2);
    sandbox.run(&["audit", "--simulation", "/nonexistent/x"]).exits(1);
    sandbox.run(&["audit", "--min-score", "101"]).exits(2);
}

#[test]
fn a_simulation_is_judged_from_its_lines() {
    let sandbox = Sandbox::new();
    let flat: String = (0..600)
        .map(|n| format!("{{\"time\":\"2026-03-{:02}T{:02}:{:02}:00+01:00\",\"persona\":\"maria-keller\",\"decoy\":\"files01\",\"session\":1,\"kind\":\"plant\",\"path\":\"/a-{n}.txt\",\"bytes\":40,\"sha256\":\"{:064x}\"}}\n", 1 + n / 300, 8 + n / 60 % 5, n % 60, 1))
        .collect();
    sandbox.write("flat.jsonl", &flat);
    let file = sandbox.path("flat.jsonl");
    let ran = sandbox.run(&["audit", "--simulation", file.to_str().unwrap()]).exits(6);
    assert!(ran.stdout.contains("even_rate"), "{}", ran.stdout);
    let piped = sandbox.run_with_input(&["--json", "audit", "--simulation", "-"], flat.as_bytes()).exits(6);
    assert!(piped.json()[0]["score"].as_u64().unwrap() < 30, "{}", piped.stdout);
    // What this program prints itself is understood, line by line.
    let text = "state = \"state\"\nseed = 7\n\
         [[decoy]]\nname = \"files01\"\nconnector = { rootfs = { path = \"files01\" } }\npersonas = [\"maria-keller\"]\n\
         [[persona]]\nname = \"maria-keller\"\nfull_name = \"Maria Keller\"\nlogin = \"mkeller\"\n";
    sandbox.write("verisim.toml", text);
    let printed =
        sandbox.run(&["--json", "simulate", "--days", "20", "--from", "2026-03-02T00:00:00Z"]).exits(0);
    assert!(printed.stdout.lines().count() > 20, "{}", printed.stdout);
    let judge = ["--json", "audit", "--min-score", "0", "--simulation", "-"];
    let piped = sandbox.run_with_input(&judge, printed.stdout.as_bytes()).exits(0);
    let report = &piped.json()[0];
    assert_eq!(report["entries"].as_u64().unwrap(), printed.stdout.lines().count() as u64);
    assert!(report.get("left_out").is_none(), "{report}");
}
