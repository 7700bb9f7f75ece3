//! Records meet what is there: merged, added behind, set aside before, or left out; never over somebody else's.

use std::collections::BTreeMap;

use verisim_core::{DecoyPath, Digest, FileMode, Owner};
use verisim_realism::{Existing, How, RecordFile, Settings};

use crate::common::world;
use crate::sandbox::{Lived, existing, in_zone};

const UNTIL: &str = "2026-11-23T10:00:00Z";
const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nsvc:x:998:998::/srv:/usr/sbin/nologin\n";

fn lived(existing: &Existing) -> Lived {
    Lived::on(&world(1, 4, Settings::default()), 0, 60, UNTIL, existing)
}

fn file<'l>(lived: &'l Lived, path: &str) -> Option<&'l RecordFile> {
    let path = DecoyPath::new(path).unwrap();
    lived.records.files.iter().find(|file| file.path == path)
}

fn left_out(lived: &Lived, path: &str) -> Vec<String> {
    let path = DecoyPath::new(path).unwrap();
    lived.records.left_out.iter().filter(|out| out.path == path).map(|out| out.what.clone()).collect()
}

#[test]
fn accounts_are_added_behind_those_that_are_there() {
    let there = existing(
        &[("/etc/passwd", PASSWD.as_bytes()), ("/etc/group", b"root:x:0:\nsudo:x:27:svc\n")],
        "2026-01-05T00:00:00Z",
    );
    let lived = lived(&there);
    let passwd = file(&lived, "/etc/passwd").unwrap();
    assert_eq!(passwd.how, How::Rewrite(Digest::of(PASSWD.as_bytes())));
    let text = String::from_utf8(passwd.body.as_bytes().to_vec()).unwrap();
    assert!(text.starts_with(PASSWD), "{text}");
    assert_eq!(text.lines().count(), 6);
    let group = String::from_utf8(file(&lived, "/etc/group").unwrap().body.as_bytes().to_vec()).unwrap();
    assert!(group.contains("sudo:x:27:svc,user1\n"), "{group}");
    assert!(file(&lived, "/etc/shadow").is_none(), "a system without it does without it");
}

#[test]
fn an_account_that_does_not_fit_is_told_and_gets_no_records() {
    for line in [
        "user1:x:4711:4711::/home/user1:/bin/bash\n",
        "user1:x:1001:1001::/data/user1:/bin/bash\n",
        "somebody:x:1001:1001::/home/somebody:/bin/bash\n",
    ] {
        let text = format!("{PASSWD}{line}");
        let there = existing(&[("/etc/passwd", text.as_bytes())], "2026-01-05T00:00:00Z");
        let lived = lived(&there);
        let told = left_out(&lived, "/etc/passwd");
        assert!(told.len() == 1 && told[0].contains("persona-1") && told[0].contains("1001"), "{told:?}");
        let passwd = file(&lived, "/etc/passwd").unwrap().body.as_bytes().to_vec();
        assert!(passwd.starts_with(text.as_bytes()), "what is there stays");
        assert!(file(&lived, "/home/user1/.bash_history").is_none());
        let auth = String::from_utf8_lossy(file(&lived, "/var/log/auth.log.1").unwrap().body.as_bytes())
            .into_owned();
        assert!(!auth.contains("user1") && auth.contains("user2"));
    }
}

#[test]
fn a_people_s_account_that_is_there_keeps_its_shell_and_its_home() {
    let text = format!("{PASSWD}user2:x:1002:1002:Two:/home/user2:/bin/zsh\n");
    let there = existing(&[("/etc/passwd", text.as_bytes())], "2026-01-05T00:00:00Z");
    let lived = lived(&there);
    assert_eq!(left_out(&lived, "/etc/passwd"), [""; 0]);
    for name in [".bashrc", ".bash_history"] {
        assert!(file(&lived, &format!("/home/user2/{name}")).is_none(), "{name}");
        assert!(file(&lived, &format!("/home/user3/{name}")).is_some(), "{name}");
    }
    let auth =
        String::from_utf8_lossy(file(&lived, "/var/log/auth.log.1").unwrap().body.as_bytes()).into_owned();
    assert!(auth.contains("session opened for user user2(uid=1002)"));
}

#[test]
fn lines_that_are_there_stay_and_ours_go_where_the_order_stays_right() {
    let line = |time: &str| format!("{time} host-0 sshd[712]: Server listening on 0.0.0.0 port 22.\n");
    let with = |time: &str| existing(&[("/var/log/auth.log", line(time).as_bytes())], UNTIL);
    // Theirs are older than everything of ours: ours follow, in one piece.
    let older = lived(&with("2026-03-01T00:00:00+00:00"));
    assert_eq!(file(&older, "/var/log/auth.log").unwrap().how, How::AppendTo);
    assert!(file(&older, "/var/log/auth.log.1").is_none());
    // Theirs are newer: ours were set aside before.
    let newer = lived(&with("2026-11-23T12:00:00+00:00"));
    assert!(file(&newer, "/var/log/auth.log").is_none(), "theirs is left alone");
    let last = file(&newer, "/var/log/auth.log.1").unwrap();
    assert!(last.how == How::New && last.mtime.to_string().starts_with("2026-11-23T10:0"), "{}", last.mtime);
    // They overlap: hands off, and told.
    let mixed = lived(&with("2026-11-10T12:00:00+00:00"));
    assert!(file(&mixed, "/var/log/auth.log").is_none() && file(&mixed, "/var/log/auth.log.1").is_none());
    assert_eq!(left_out(&mixed, "/var/log/auth.log").len(), 1);
    assert!(file(&mixed, "/var/log/syslog").is_some(), "the others are not touched by that");
}

#[test]
fn generations_that_are_there_are_never_replaced() {
    let mut there = Existing::default();
    there.present.insert(DecoyPath::new("/var/log/auth.log.2.gz").unwrap());
    let lived = lived(&there);
    assert!(lived.records.files.iter().all(|file| !file.path.to_string().starts_with("/var/log/auth.log")));
    assert_eq!(left_out(&lived, "/var/log/auth.log").len(), 1);
}

#[test]
fn empty_records_of_an_image_are_filled_and_keep_their_owner() {
    let files: BTreeMap<&str, u32> =
        BTreeMap::from([("/var/log/wtmp", 0o664), ("/var/log/btmp", 0o660), ("/var/log/lastlog", 0o664)]);
    let mut there = existing(&[], UNTIL);
    for (path, mode) in &files {
        let file = verisim_realism::ExistingFile {
            body: Vec::new().into(),
            is_whole: true,
            mtime: "2026-05-20T00:00:00Z".parse().unwrap(),
            mode: FileMode::new(*mode),
            owner: Owner { uid: 0, gid: 43 },
        };
        there.files.insert(DecoyPath::new(path).unwrap(), file);
    }
    let lived = Lived::on(&in_zone("UTC", 7, 8), 0, 200, UNTIL, &there);
    for (path, mode) in files {
        let made = file(&lived, path).unwrap();
        assert_ne!(made.how, How::New, "{path}");
        assert_eq!((made.mode.bits(), made.owner), (mode, Owner { uid: 0, gid: 43 }), "{path}");
    }
}

#[test]
fn the_story_stands_in_log_and_history_when_the_files_came() {
    for (number, login) in [(0, "user1"), (1, "root")] {
        // Of the second decoy's people nobody is an administrator.
        let world = match number {
            0 => world(1, 4, Settings::default()),
            _ => {
                let people = [0, 2, 3].map(crate::common::persona);
                let decoy = crate::common::decoy(0, [0, 2, 3].into_iter());
                std::sync::Arc::new(
                    verisim_realism::World::new(5, people.to_vec(), vec![decoy], Settings::default())
                        .unwrap(),
                )
            }
        };
        let lived = Lived::on(&world, 0, 60, UNTIL, &Existing::default());
        let home = if login == "root" { "/root".to_owned() } else { format!("/home/{login}") };
        let history = file(&lived, &format!("{home}/.bash_history")).unwrap();
        let text = String::from_utf8_lossy(history.body.as_bytes()).into_owned();
        assert!(text.contains("rsync -") && text.contains(" /home/\n"), "{text}");
        assert!(history.mtime >= lived.story.at);
        let auth = file(&lived, "/var/log/auth.log").unwrap();
        let text = String::from_utf8_lossy(auth.body.as_bytes()).into_owned();
        if login == "root" {
            assert!(text.contains("session opened for user root(uid=0)"), "{text}");
        } else {
            let line = text.lines().find(|line| line.contains("COMMAND=/usr/bin/rsync")).unwrap();
            let at: jiff::Timestamp = line.split(' ').next().unwrap().parse().unwrap();
            assert!((at.as_second() - lived.story.at.as_second()).abs() < 5, "{line}");
            // It ran while the files came.
            let closed =
                text.lines().filter(|line| line.contains("sudo: pam_unix(sudo:session): session closed"));
            let closed = closed.filter_map(|line| line.split(' ').next()?.parse::<jiff::Timestamp>().ok());
            let ended = closed.filter(|closed| *closed > at).min().unwrap();
            assert!(ended > lived.story.at + lived.story.took * 3 / 4, "{ended}");
        }
    }
}

#[test]
fn a_table_that_cannot_be_read_is_never_rewritten() {
    let bad: [&[u8]; 1] = [b"root:x:0:0:root:/root:/bin/bash\nj\xf6rg:x:500:500::/home/j:/bin/sh\n"];
    for body in bad {
        let lived = lived(&existing(&[("/etc/passwd", body)], UNTIL));
        assert!(file(&lived, "/etc/passwd").is_none() && file(&lived, "/etc/group").is_none());
        assert_eq!(left_out(&lived, "/etc/passwd").len(), 1);
    }
    let mut there = existing(&[("/etc/passwd", PASSWD.as_bytes())], UNTIL);
    there.files.values_mut().for_each(|file| file.is_whole = false);
    assert!(file(&lived(&there), "/etc/passwd").is_none());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 24, ..Default::default() })]

    /// A decoy is hostile: whatever its files hold, nothing panics, and what is there stays in front.
    #[test]
    fn inv_7_no_content_of_a_decoy_is_too_strange(
        bodies in proptest::collection::vec("([a-z]{1,5}:x:[0-9]{1,20}:[0-9]{1,20}:[^\n]{0,6}:/[a-z]{0,4}:/bin/bash\n|(\\*|[0-9]{1,2}|\\*/[0-9]{1,3})( (\\*|[0-9,-]{1,5})){4} root [^\n]{0,9}\n|[A-Z][a-z]{2} [ 0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} h s\\[1\\]: x\n|rotate [0-9]{1,12}\n|daily\n|.{0,30}\n){0,12}", 12),
        raw in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..900),
    ) {
        let paths = [
            "/etc/passwd", "/etc/group", "/etc/shadow", "/etc/subuid", "/etc/crontab", "/etc/os-release", "/etc/logrotate.d/rsyslog",
            "/etc/hostname", "/var/log/auth.log", "/var/log/syslog", "/etc/skel/.bashrc", "/etc/rsyslog.conf",
        ];
        let mut files: Vec<(&str, &[u8])> = paths.iter().zip(&bodies).map(|(path, body)| (*path, body.as_bytes())).collect();
        files.extend([("/var/log/wtmp", raw.as_slice()), ("/var/log/lastlog", &raw), ("/var/log/btmp", &raw)]);
        let mut there = existing(&files, UNTIL);
        there.kernel = Some(bodies[0].clone());
        there.present.insert(DecoyPath::new("/usr/sbin/cron").unwrap());
        let lived = Lived::on(&world(1, 3, Settings::default()), 0, 10, UNTIL, &there);
        for made in &lived.records.files {
            if let Some(old) = there.files.get(&made.path) {
                proptest::prop_assert!(made.how != How::New);
                let is_table = made.path.to_string() == "/etc/passwd";
                proptest::prop_assert!(!is_table || made.body.as_bytes().starts_with(old.body.as_bytes()));
            }
        }
    }
}
