//! A decoy that was given a past: what its files, logins, logs and histories say of each other, told by the auditor; and what is
//! left of all that after an undo.

use std::fs;
use std::path::Path;

use serde_json::Value;
use verisim_testkit::RealEngine;

use crate::burn_in::{assert_same, tree};
use crate::host_root;
use crate::sandbox::Sandbox;

/// People of a small office, all of one country.
pub(crate) const PEOPLE: &str = "
[[persona]]
name = \"maria-keller\"
full_name = \"Maria Keller\"
login = \"mkeller\"
role = \"developer\"
time_zone = \"Europe/Berlin\"
[[persona]]
name = \"jo-brandt\"
full_name = \"Jo Brandt\"
login = \"jbrandt\"
role = \"administrator\"
time_zone = \"Europe/Berlin\"
[[persona]]
name = \"ines-duarte\"
full_name = \"Ines Duarte\"
login = \"iduarte\"
role = \"finance\"
time_zone = \"Europe/Berlin\"
[[persona]]
name = \"erik-holm\"
full_name = \"Erik Holm\"
login = \"eholm\"
role = \"analyst\"
time_zone = \"Europe/Berlin\"
";

/// The configuration of one decoy with these people.
pub(crate) fn configure(sandbox: &Sandbox, connector: &str) {
    let text = format!(
        "state = \"state\"\nseed = 7\n[[decoy]]\nname = \"files01\"\nrole = \"file-server\"\nconnector = {connector}\n\
         personas = [\"maria-keller\", \"jo-brandt\", \"ines-duarte\", \"erik-holm\"]\n{PEOPLE}"
    );
    sandbox.write("verisim.toml", &text);
}

fn site() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::remove_dir_all(sandbox.path("files01")).unwrap();
    host_root::make(&sandbox.path("files01"), "files01");
    configure(&sandbox, "{ rootfs = { path = \"files01\" } }");
    sandbox
}

/// The score of the decoy, and what contradicts itself there, after a look that exits with `code`.
fn strictly(sandbox: &Sandbox, code: i32) -> (u64, Value) {
    let told = sandbox.run(&["--json", "audit", "files01", "--strict"]).exits(code).json();
    let score = told[0]["score"].as_u64().unwrap();
    (score, told[1].clone())
}

fn count(told: &Value, key: &str) -> usize {
    told[key].as_array().map_or(usize::MAX, Vec::len)
}

/// Of a past on a directory: believed, without a contradiction, and gone as if it had never been.
#[test]
fn a_past_and_its_records_tell_one_story_and_go_without_a_trace() {
    let sandbox = site();
    let root = sandbox.path("files01");
    let before = tree(&root);
    sandbox.run(&["burn-in", "files01", "--days", "180"]).exits(0);
    let (score, told) = strictly(&sandbox, 0);
    assert!(score >= 90, "{score}");
    for key in ["outside_wtmp", "outside_logs", "unknown"] {
        assert_eq!(count(&told, key), 0, "{told}");
    }
    let seen = |key: &str| told[key].as_u64().unwrap();
    assert!(seen("edits_in_wtmp") > 60 && seen("names") > 150, "{told}");
    let after = tree(&root);
    for record in [
        "var/log/wtmp",
        "var/log/lastlog",
        "var/log/auth.log",
        "var/log/syslog",
        "home/mkeller/.bash_history",
    ] {
        assert!(after[record].5.as_ref().is_some_and(|body| body.len() > 100), "{record}");
    }
    for file in ["etc/passwd", "etc/shadow", "etc/group"] {
        let text = String::from_utf8_lossy(after[file].5.as_ref().unwrap()).into_owned();
        assert!(text.contains("mkeller:"), "{file}: {text}");
        assert_eq!((after[file].0, after[file].2), (before[file].0, before[file].2), "{file}");
    }
    sandbox.run(&["burn-in", "--undo", "files01"]).exits(0);
    assert_same(&before, &tree(&root));
}

/// The look finds what does not hang together: it would not say so of ours otherwise.
#[test]
fn a_record_that_was_tampered_with_is_a_contradiction() {
    let sandbox = site();
    let root = sandbox.path("files01");
    sandbox.run(&["burn-in", "files01", "--days", "120"]).exits(0);
    strictly(&sandbox, 0);
    // A name in a history that was never there.
    let history = root.join("home/mkeller/.bash_history");
    let was = fs::read(&history).unwrap();
    let text = String::from_utf8_lossy(&was).into_owned() + "vim /home/mkeller/nowhere/never-was.txt\n";
    fs::write(&history, text).unwrap();
    let (_, told) = strictly(&sandbox, 6);
    assert!(told["unknown"].to_string().contains("never-was"), "{told}");
    fs::write(&history, was).unwrap();
    // An edit of which no session knows: a file of last week at three in the night from Saturday to Sunday.
    let file = newest_of(&root.join("home/mkeller"));
    let days = u64::try_from(crate::sandbox::now().as_second()).unwrap() / 86_400;
    let sunday = days - (days + 4) % 7 - 7;
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(sunday * 86_400 + 3 * 3600 + 1234);
    let times =
        fs::FileTimes::new().set_accessed(at).set_modified(at + std::time::Duration::from_nanos(123_456));
    fs::File::open(&file).unwrap().set_times(times).unwrap();
    let (_, told) = strictly(&sandbox, 6);
    assert_eq!(count(&told, "outside_wtmp"), 1, "{told}");
    // Logins that were wiped leave every edit alone.
    for log in ["wtmp", "wtmp.1"] {
        let path = root.join("var/log").join(log);
        if path.exists() {
            fs::write(path, b"").unwrap();
        }
    }
    let told = sandbox.run(&["--json", "audit", "files01", "--strict"]);
    assert!(matches!(told.code, Some(0 | 6)), "{}", told.stderr);
}

/// A file below a home that is no hidden one.
fn newest_of(home: &Path) -> std::path::PathBuf {
    let mut waits = vec![home.to_owned()];
    let mut all = Vec::new();
    while let Some(at) = waits.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            match entry.file_type().unwrap().is_dir() {
                true => waits.push(entry.path()),
                false => all.push((entry.metadata().unwrap().modified().unwrap(), entry.path())),
            }
        }
    }
    all.sort();
    all.pop().unwrap().1
}

/// The same on a container, whose root is a host's.
#[test]
fn a_container_with_records_tells_one_story_and_loses_it() {
    let Some(engine) = RealEngine::start() else { return };
    let sandbox = Sandbox::new();
    let container = engine.container("files01-ssh", &[]);
    let root = container.root();
    let folders = ["etc", "home", "root", "var"];
    for folder in folders {
        let _ = fs::remove_dir_all(root.join(folder));
    }
    let made = sandbox.path("made");
    fs::create_dir(&made).unwrap();
    host_root::make(&made, "files01");
    for folder in folders {
        let copied =
            crate::sandbox::command("cp").arg("-a").arg(made.join(folder)).arg(&root).status().unwrap();
        assert!(copied.success());
    }
    let host = engine.socket();
    configure(
        &sandbox,
        &format!("{{ docker = {{ container = \"files01-ssh\", host = \"unix://{}\" }} }}", host.display()),
    );
    // What the engine itself mounts inside changes by itself.
    let seen = || {
        let all = folders.iter().flat_map(|folder| {
            tree(&root.join(folder)).into_iter().map(move |(at, entry)| (format!("{folder}/{at}"), entry))
        });
        all.filter(|(at, _)| {
            !["etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab"].contains(&at.as_str())
        })
        .collect::<std::collections::BTreeMap<_, _>>()
    };
    let before = seen();
    sandbox.run(&["burn-in", "files01", "--days", "120"]).exits(0);
    let (score, told) = strictly(&sandbox, 0);
    assert!(score >= 85 && told["edits_in_wtmp"].as_u64().unwrap() > 40, "{score} {told}");
    assert!(seen()["var/log/wtmp"].5.as_ref().is_some_and(|body| !body.is_empty()));
    sandbox.run(&["burn-in", "--undo", "files01"]).exits(0);
    assert_same(&before, &seen());
}
