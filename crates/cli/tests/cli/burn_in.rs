//! `verisim burn-in`: a past, its end, and what is refused.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use std::time::Duration;

use verisim_testkit::RealEngine;

use crate::hosts::Site;
use crate::sandbox::Sandbox;

/// Mode, owner, access and change to the nanosecond, content.
pub(crate) type Entry = (u32, u32, u32, (i64, i64), (i64, i64), Option<Vec<u8>>);

/// Everything of a tree but what nobody can set. Looking moves no time.
pub(crate) fn tree(root: &Path) -> BTreeMap<String, Entry> {
    fn walk(at: &Path, root: &Path, out: &mut BTreeMap<String, Entry>) {
        let meta = fs::symlink_metadata(at).unwrap();
        let body = meta.is_file().then(|| fs::read(at).unwrap());
        let mtime = (meta.mtime(), meta.mtime_nsec());
        // To follow a link moves its access time, whoever does it.
        let atime = if meta.is_symlink() { mtime } else { (meta.atime(), meta.atime_nsec()) };
        let key = at.strip_prefix(root).unwrap().display().to_string();
        out.insert(key, (meta.mode(), meta.uid(), meta.gid(), atime, mtime, body));
        if meta.is_dir() {
            let names: Vec<_> = fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path()).collect();
            names.iter().for_each(|name| walk(name, root, out));
        }
        if meta.is_dir() || meta.is_file() {
            set_times(at, atime, mtime);
        }
    }
    let mut out = BTreeMap::new();
    walk(root, root, &mut out);
    out
}

fn set_times(at: &Path, atime: (i64, i64), mtime: (i64, i64)) {
    let spec = |(tv_sec, tv_nsec): (i64, i64)| rustix::fs::Timespec { tv_sec, tv_nsec };
    let times = rustix::fs::Timestamps { last_access: spec(atime), last_modification: spec(mtime) };
    rustix::fs::utimensat(rustix::fs::CWD, at, &times, rustix::fs::AtFlags::empty()).unwrap();
}

/// That two trees are the same; else what differs, by name.
pub(crate) fn assert_same(before: &BTreeMap<String, Entry>, after: &BTreeMap<String, Entry>) {
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differ: Vec<_> = names.into_iter().filter(|at| before.get(*at) != after.get(*at)).collect();
    assert!(differ.is_empty(), "{differ:?}");
}

/// Lets everything there be some years old.
fn age(root: &Path) {
    for (number, at) in (0_i64..).zip(tree(root).keys()) {
        set_times(
            &root.join(at),
            (1_700_000_500 + number, 7),
            (1_700_000_000 + number, 123_456_789 + number),
        );
    }
}

const PEOPLE: &str = "[[persona]]\nname = \"maria-keller\"\nfull_name = \"Maria Keller\"\nlogin = \"mkeller\"\nrole = \"developer\"\n\
     [[persona]]\nname = \"jo-brandt\"\nfull_name = \"Jo Brandt\"\nlogin = \"jbrandt\"\nrole = \"administrator\"\n";

fn configure(sandbox: &Sandbox, connector: &str) {
    let text = format!(
        "state = \"state\"\nseed = 7\n[[decoy]]\nname = \"files01\"\nrole = \"file-server\"\nconnector = {connector}\n\
         personas = [\"maria-keller\", \"jo-brandt\"]\n{PEOPLE}"
    );
    sandbox.write("verisim.toml", &text);
}

fn site() -> Sandbox {
    let sandbox = Sandbox::new();
    configure(&sandbox, "{ rootfs = { path = \"files01\" } }");
    age(&sandbox.path("files01"));
    sandbox
}

/// The paths of files that are there and were not before.
fn new_files(before: &BTreeMap<String, Entry>, after: &BTreeMap<String, Entry>) -> Vec<String> {
    let is_new = |(at, entry): &(&String, &Entry)| entry.5.is_some() && !before.contains_key(*at);
    after.iter().filter(is_new).map(|(at, _)| at.clone()).collect()
}

/// What a past of a decoy must look like, whichever way leads there.
fn check_past(before: &BTreeMap<String, Entry>, after: &BTreeMap<String, Entry>, days: i64, exact: bool) {
    let new = new_files(before, after);
    assert!(new.len() > 10, "{new:?}");
    let until = new.iter().map(|at| after[at].4.0).max().unwrap();
    let mut whole = 0;
    for at in &new {
        let (_, _, _, atime, mtime, _) = &after[at];
        assert!(mtime <= atime, "{at} was read before it was written");
        // Logs, accounts and keys reach back further than people's files, and set-aside logs bear whole seconds.
        if at.starts_with("home/") && !at.contains("/.") {
            assert!(mtime.0 > until - (days + 1) * 86_400, "{at} is older than its past");
            whole += i64::from(mtime.1 == 0);
        }
    }
    assert!(!exact || whole == 0, "{whole} files bear whole seconds");
    for (at, entry) in after.iter().filter(|(_, entry)| entry.5.is_none()) {
        match before.get(at) {
            Some(was) => assert!(entry.4 >= was.4 || !exact && entry.4.0 >= was.4.0, "{at} became older"),
            None => assert!(entry.4.0 <= until && entry.4 <= entry.3, "{at:?} was read before it changed"),
        }
    }
    for (at, was) in before.iter().filter(|(_, entry)| entry.5.is_some()) {
        assert!(after.contains_key(at), "{at} is gone");
        assert_eq!(after[at].1, was.1, "{at}");
    }
}

#[test]
fn a_past_comes_with_its_times_and_goes_without_a_trace() {
    let sandbox = site();
    let root = sandbox.path("files01");
    let before = tree(&root);
    let said = sandbox.run(&["--json", "burn-in", "files01", "--days", "90"]).exits(0).json();
    assert_eq!((said[0]["type"].as_str(), said[0]["days"].as_u64()), (Some("burn_in"), Some(90)));
    let after = tree(&root);
    check_past(&before, &after, 90, true);
    let again = sandbox.run(&["burn-in", "files01"]).exits(2);
    assert!(
        again.stderr.contains("has a past already") && again.stderr.contains("--undo files01"),
        "{}",
        again.stderr
    );
    assert_eq!(tree(&root), after);
    let told = sandbox.run(&["burn-in", "--undo", "files01"]).exits(0);
    assert!(told.stderr.contains("change and birth times"), "{}", told.stderr);
    assert_eq!(tree(&root), before);
    let nothing = sandbox.run(&["burn-in", "--undo", "files01"]).exits(2);
    assert!(nothing.stderr.contains("was given no past"), "{}", nothing.stderr);
    // What was taken back may be given again.
    sandbox.run(&["burn-in", "files01", "--days", "30"]).exits(0);
}

/// INV-12: killed at any instant, of a past and of its undo, the next call goes on, and an undo is exact all the same.
#[test]
fn inv_12_a_past_that_is_killed_goes_on_where_it_was() {
    let sandbox = site();
    let root = sandbox.path("files01");
    let before = tree(&root);
    let mut kills = 0;
    for round in 0..3_u64 {
        for args in [&["burn-in", "files01", "--days", "400"][..], &["burn-in", "--undo", "files01"]] {
            for attempt in 0..200_u64 {
                let mut child = sandbox.verisim(args).stderr(std::process::Stdio::null()).spawn().unwrap();
                // Odd steps, so that rounds meet other instants.
                std::thread::sleep(Duration::from_millis(40 + (attempt * 37 + round * 17) % 400));
                if child.try_wait().unwrap().is_some() {
                    break;
                }
                child.kill().unwrap();
                child.wait().unwrap();
                kills += 1;
                if attempt > 8 {
                    break;
                }
            }
            let ended = sandbox.run(args);
            assert!(matches!(ended.code, Some(0 | 2)), "{}", ended.stderr);
        }
        assert_eq!(tree(&root), before, "round {round}");
    }
    assert!(kills > 5, "only {kills} kills");
    // Killed and gone on with, it is what it would have been: every file that the ledger knows, and nothing else.
    let mut child = sandbox.verisim(&["burn-in", "files01", "--days", "400"]).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(150));
    let _ = child.kill();
    child.wait().unwrap();
    let code = sandbox.run(&["burn-in", "files01"]).code;
    assert!(matches!(code, Some(0 | 2)));
    let after = tree(&root);
    let known: Vec<_> = sandbox.run(&["--json", "ledger", "files01"]).exits(0).json();
    for entry in &known {
        let at = entry["path"].as_str().unwrap().trim_start_matches('/');
        let size = after[at].5.as_ref().map(Vec::len).unwrap();
        assert_eq!(entry["size"].as_u64(), Some(size as u64), "{at}");
    }
    assert!(after.keys().all(|at| !at.contains("goutputstream")), "a staging name stayed");
}

#[test]
fn what_somebody_changed_is_left_and_named() {
    let sandbox = site();
    let root = sandbox.path("files01");
    let before = tree(&root);
    sandbox.run(&["burn-in", "files01", "--days", "60"]).exits(0);
    let new = new_files(&before, &tree(&root));
    fs::write(root.join(&new[0]), "theirs").unwrap();
    let beside = root.join(&new[1]).parent().unwrap().join("theirs");
    fs::write(&beside, "theirs").unwrap();
    let told = sandbox.run(&["--json", "burn-in", "--undo", "files01"]).exits(6).json();
    assert_eq!(told[0]["left"][0].as_str().unwrap().trim_start_matches('/'), new[0]);
    let after = tree(&root);
    assert_eq!(after[&new[0]].5.as_deref(), Some(&b"theirs"[..]));
    assert!(beside.exists());
    assert_eq!(new_files(&before, &after).len(), 2);
    for (at, was) in before.iter().filter(|(at, _)| after[*at].5.is_some() || !at.starts_with("home")) {
        assert_eq!(&after[at], was, "{at}");
    }
}

#[test]
fn a_decoy_that_lives_gets_no_past() {
    let sandbox = site();
    sandbox.write("body", "mine\n");
    let body = sandbox.path("body");
    sandbox.run(&["plant", "files01", "/tmp/mine", body.to_str().unwrap()]).exits(0);
    let root = sandbox.path("files01");
    let before = tree(&root);
    let refused = sandbox.run(&["burn-in", "files01"]).exits(2);
    assert!(
        refused.stderr.contains("lives already") && refused.stderr.contains("decoy accept"),
        "{}",
        refused.stderr
    );
    assert_eq!(tree(&root), before);
    // Removing it does not make the decoy unseen.
    sandbox.run(&["rm", "files01", "/tmp/mine"]).exits(0);
    sandbox.run(&["burn-in", "files01"]).exits(2);
    sandbox.run(&["burn-in", "nobody"]).exits(2);
}

#[test]
fn a_daemon_that_runs_is_not_worked_beside() {
    let sandbox = site();
    let daemon = sandbox.up();
    let refused = sandbox.run(&["burn-in", "files01"]).exits(2);
    assert!(
        refused.stderr.contains("a daemon runs") && refused.stderr.contains("stop it"),
        "{}",
        refused.stderr
    );
    drop(daemon);
}

#[test]
fn a_name_that_is_taken_stays_as_it_is() {
    let sandbox = site();
    let root = sandbox.path("files01");
    let before = tree(&root);
    sandbox.run(&["burn-in", "files01", "--days", "60"]).exits(0);
    let new = new_files(&before, &tree(&root));
    sandbox.run(&["burn-in", "--undo", "files01"]).exits(0);
    // A link that leads out of the decoy in the place of a folder of people.
    let outside = sandbox.path("outside");
    fs::create_dir(&outside).unwrap();
    age(&outside);
    let was = tree(&outside);
    let folder = new.iter().find_map(|at| at.strip_prefix("home/mkeller/")?.split_once('/')).unwrap().0;
    symlink(&outside, root.join("home/mkeller").join(folder)).unwrap();
    let told = sandbox.run(&["--json", "burn-in", "files01", "--days", "60"]).exits(0).json();
    assert!(told[0]["notes"].to_string().contains(folder), "{told:?}");
    assert_eq!(tree(&outside), was);
    sandbox.run(&["burn-in", "--undo", "files01"]).exits(0);
    assert_eq!(tree(&outside), was);
    assert!(new_files(&before, &tree(&root)).is_empty());
}

#[test]
fn a_container_gets_a_past_and_loses_it() {
    let Some(engine) = RealEngine::start() else { return };
    let sandbox = Sandbox::new();
    let container = engine.container("files01-ssh", &[]);
    let root = container.root();
    fs::create_dir_all(root.join("home/mkeller")).unwrap();
    fs::create_dir_all(root.join("etc")).unwrap();
    fs::write(
        root.join("etc/passwd"),
        "root:x:0:0::/root:/bin/sh\nmkeller:x:1004:1004::/home/mkeller:/bin/sh\n",
    )
    .unwrap();
    let host = engine.socket();
    configure(
        &sandbox,
        &format!("{{ docker = {{ container = \"files01-ssh\", host = \"unix://{}\" }} }}", host.display()),
    );
    // What the engine itself mounts inside changes by itself.
    let seen = |root: &Path| {
        let mut all = tree(&root.join("home"));
        all.extend(tree(&root.join("etc")).into_iter().map(|(at, entry)| (format!("etc/{at}"), entry)));
        all
    };
    age(&root.join("home"));
    let before = seen(&root);
    sandbox.run(&["burn-in", "files01", "--days", "60"]).exits(0);
    check_past(&before, &seen(&root), 60, true);
    sandbox.run(&["burn-in", "--undo", "files01"]).exits(0);
    assert_eq!(seen(&root), before);
    // The portable way can take nothing back, and says so before it begins.
    configure(
        &sandbox,
        &format!(
            "{{ docker = {{ container = \"files01-ssh\", path = \"portable\", host = \"unix://{}\" }} }}",
            host.display()
        ),
    );
    let refused = sandbox.run(&["burn-in", "files01"]).exits(2);
    assert!(refused.stderr.contains("--no-undo"), "{}", refused.stderr);
    sandbox.run(&["burn-in", "files01", "--days", "30", "--no-undo"]).exits(0);
    assert!(new_files(&before, &seen(&root)).len() > 5);
}

#[test]
fn a_host_over_ssh_gets_a_past_and_loses_it() {
    let Some(site) = Site::new() else { return };
    let said = site.run(&["--json", "decoy", "trust", "files01"]).json();
    site.run(&["decoy", "trust", "files01", "--fingerprint", said[0]["fingerprint"].as_str().unwrap()])
        .exits(0);
    let root = site.sshd.root();
    let whole = |all: &BTreeMap<String, Entry>| -> Vec<_> {
        // SFTP sets times to the second.
        let told = |(at, entry): (&String, &Entry)| {
            let (mode, uid, gid, _, mtime, body) = entry;
            (at.clone(), *mode, *uid, *gid, mtime.0, body.clone())
        };
        all.iter().map(told).collect()
    };
    age(&root);
    let before = tree(&root);
    site.run(&["burn-in", "files01", "--days", "200"]).exits(0);
    check_past(&before, &tree(&root), 200, false);
    site.run(&["burn-in", "--undo", "files01"]).exits(0);
    assert_eq!(whole(&tree(&root)), whole(&before));
}

#[test]
fn why_tells_of_plans_of_a_past_and_of_what_is_nobodys() {
    let sandbox = site();
    let root = sandbox.path("files01");
    let before = tree(&root);
    let nothing = sandbox.run(&["why", "/home/mkeller/none"]).exits(0);
    assert!(nothing.stdout.contains("nobody of ours put it there"), "{}", nothing.stdout);
    sandbox.run(&["burn-in", "files01", "--days", "60"]).exits(0);
    let new = new_files(&before, &tree(&root));
    let asked = format!("/{}", new.iter().find(|at| at.starts_with("home/mkeller/")).unwrap());
    let told = sandbox.run(&["why", &asked]).exits(0).stdout;
    for words in
        ["the past of this decoy put it there", "maria-keller, session 20", "why: ", "past of 60 days"]
    {
        assert!(told.contains(words), "{words}: {told}");
    }
    let line = &sandbox.run(&["--json", "why", &asked, "--decoy", "files01"]).exits(0).json()[0];
    assert_eq!((&line["ours"], &line["past"]["persona"]), (&true.into(), &"maria-keller".into()));
    assert_eq!(line["known"]["path"].as_str(), Some(asked.as_str()));
    let foreign = sandbox.run(&["why", "/home/mkeller/theirs"]).exits(0).stdout;
    assert!(foreign.contains("nobody of ours") && foreign.contains("was given a past"), "{foreign}");
    let line = &sandbox.run(&["--json", "why", "/etc/nothing"]).exits(0).json()[0];
    assert_eq!(line["ours"], false);
    // What a person did is told from the events.
    sandbox.write("body", "mine\n");
    sandbox.run(&["plant", "files01", "/tmp/mine", sandbox.path("body").to_str().unwrap()]).exits(0);
    let told = sandbox.run(&["why", "/tmp/mine"]).exits(0).stdout;
    assert!(told.contains("event ") && told.contains("manual"), "{told}");
    let events = sandbox.run(&["--json", "events"]).exits(0).json();
    let planted = events.iter().find(|event| event["payload"]["activity"]["path"] == "/tmp/mine").unwrap();
    let told = sandbox.run(&["why", &planted["id"].to_string()]).exits(0).stdout;
    assert!(told.contains("/tmp/mine on files01"), "{told}");
    sandbox.run(&["why", "999999"]).exits(2);
    sandbox.run(&["why", "/x", "--decoy", "nobody"]).exits(2);
}
