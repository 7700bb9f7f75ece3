//! Each tell alone, planted into a good root.

use std::io::Write as _;

use verisim_audit::{Verdict, judge_all};

use crate::root::{DAY, Dice, PEOPLE, Root, is_root, now, record, weight};

/// Plants something, and asserts that it is found, that it weighs, and that the score falls.
async fn planted(code: &str, least_db: f64, plant: impl FnOnce(&mut Root)) {
    let good = Root::good(7).make().report().await;
    let mut root = Root::good(7);
    plant(&mut root);
    let report = root.make().report().await;
    let found = weight(&report, code);
    assert!(found >= least_db, "{code}: {found} dB\n{report:#?}");
    assert!(weight(&good, code) < 2.0, "{code} is in the good root as well: {good:#?}");
    // A point is two decibans and more where nothing else weighs.
    assert!(report.score < good.score || least_db < 3.0, "{code}: {} and {}", report.score, good.score);
    let finding = report.findings.iter().find(|finding| finding.code == code).unwrap();
    assert!(
        !finding.see.is_empty() && !finding.mend.is_empty() && finding.of >= finding.affected,
        "{finding:?}"
    );
}

#[tokio::test]
async fn a_good_root_scores_ninety_or_more() {
    for seed in [1, 2, 3] {
        let report = Root::good(seed).make().report().await;
        assert!(report.score >= 90, "{seed}: {report:#?}");
        assert_eq!(report.verdict, Verdict::LivedIn, "{report:#?}");
        assert!(report.confidence > 0.4, "{report:#?}");
    }
}

#[tokio::test]
async fn tell_1_a_past_that_came_at_once_and_that_nothing_explains() {
    // Without packages that came with it, nothing says that the host was moved.
    planted("born_at_once", 8.0, |root| {
        root.files.retain(|path, _| !path.starts_with("usr/") && !path.starts_with("var/lib/"));
    })
    .await;
}

#[tokio::test]
async fn tell_1_a_restore_that_the_logs_tell_of_explains_it() {
    let mut root = Root::good(7);
    root.files.retain(|path, _| !path.starts_with("usr/") && !path.starts_with("var/lib/"));
    let line = format!(
        "{} files01 rsync[77]: sent 77 files to /home\n",
        verisim_core::Timestamp::from_second(now()).unwrap()
    );
    root.files.get_mut("var/log/syslog").unwrap().body.extend(line.bytes());
    let report = root.make().report().await;
    assert!(weight(&report, "born_at_once") < 2.0, "{report:#?}");
    assert!(report.findings.iter().any(|f| f.code == "born_at_once" && f.explained.is_some()), "{report:#?}");
    assert!(report.score >= 90, "{report:#?}");
}

/// What is judged as if the host had grown: a file is born when it was begun, as on a host of its own.
fn grown(root: &Root, evidence: &mut verisim_audit::Evidence) {
    for entry in &mut evidence.entries {
        let (mtime, ctime) = (entry.stat.mtime, entry.stat.ctime.unwrap());
        let nanos = i64::from(ctime.subsec_nanosecond());
        let born = mtime.as_nanosecond() - i128::from(nanos) - 1_000_000_000;
        entry.stat.btime = verisim_core::Timestamp::from_nanosecond(born).ok();
        entry.stat.ctime = Some(
            mtime.max(verisim_core::Timestamp::new(mtime.as_second(), ctime.subsec_nanosecond()).unwrap()),
        );
    }
    evidence.packages.arrived = vec![verisim_core::Timestamp::from_second(root.now - 300 * DAY).unwrap(); 60];
}

#[tokio::test]
async fn a_host_that_grew_has_none_of_the_tells_of_times() {
    let root = Root::good(5);
    let mut evidence = root.make().evidence().await;
    grown(&root, &mut evidence);
    let report = judge_all(&[evidence]).remove(0);
    assert!(report.findings.iter().all(|finding| finding.tell > 5), "{report:#?}");
    assert!(report.score >= 95, "{report:#?}");
}

#[tokio::test]
async fn tell_2_whole_seconds() {
    let mut root = Root::good(7);
    root.personal().for_each(|(_, planned)| planned.mtime.1 = 0);
    let mut evidence = root.make().evidence().await;
    let times: Vec<_> = evidence.entries.iter().map(|entry| entry.stat.mtime).collect();
    grown(&root, &mut evidence);
    for (entry, mtime) in evidence.entries.iter_mut().zip(times) {
        assert_eq!(entry.stat.mtime, mtime);
    }
    let report = judge_all(&[evidence]).remove(0);
    assert!(weight(&report, "whole_seconds") >= 8.0, "{report:#?}");
}

#[tokio::test]
async fn tell_3_read_when_written() {
    // Alone, each of these would be explained by a move of the whole host; so the packages stay away.
    let mut root = Root::good(7);
    root.files.retain(|path, _| !path.starts_with("usr/") && !path.starts_with("var/lib/"));
    let without = root.make().report().await;
    root.personal().for_each(|(_, planned)| planned.atime = planned.mtime);
    let with = root.make().report().await;
    assert!(
        weight(&without, "read_when_written") < 0.5 && weight(&with, "read_when_written") >= 6.0,
        "{with:#?}"
    );
}

#[tokio::test]
async fn tell_4_folders_that_all_changed_now() {
    let mut root = Root::good(7);
    root.files.retain(|path, _| !path.starts_with("usr/") && !path.starts_with("var/lib/"));
    let without = root.make().report().await;
    root.leave_folders = true;
    let with = root.make().report().await;
    assert!(weight(&without, "folders_touched_at_once") < 0.5, "{without:#?}");
    assert!(weight(&with, "folders_touched_at_once") >= 5.0, "{with:#?}");
    // Set back, they claim to have changed before their files came.
    assert!(weight(&without, "folders_set_back") >= 4.0, "{without:#?}");
}

#[tokio::test]
async fn tell_5_inodes_in_another_order() {
    // Which numbers a file system hands out is its own business, so they are given here: in the order of births.
    let mut evidence = Root::good(7).make().evidence().await;
    let begin = verisim_core::Timestamp::from_second(now()).unwrap();
    let mut judged = |order: fn(&verisim_audit::Entry) -> (verisim_core::Timestamp, Vec<u8>)| {
        evidence.entries.sort_by_key(order);
        for (entry, place) in evidence.entries.iter_mut().zip(1_u64..) {
            entry.stat.inode = Some(place);
            entry.stat.btime = Some(begin + std::time::Duration::from_millis(place));
        }
        weight(&judge_all(&[evidence.clone()]).remove(0), "inodes_out_of_order")
    };
    assert!(judged(|entry| (entry.stat.mtime, Vec::new())) < 0.5);
    let by_name = judged(|entry| {
        let backwards = entry.path.as_bytes().iter().rev().copied().collect();
        (verisim_core::Timestamp::UNIX_EPOCH, backwards)
    });
    assert!(by_name > 2.0, "{by_name}");
}

#[tokio::test]
async fn tell_6_files_of_root_in_homes() {
    if is_root() {
        planted("foreign_files_in_homes", 12.0, |root| {
            root.personal().for_each(|(_, planned)| planned.uid = 0);
        })
        .await;
    }
}

#[tokio::test]
async fn tell_6_files_of_nobody_and_homes_of_nobody() {
    if is_root() {
        planted("files_of_nobody", 6.0, |root| root.personal().for_each(|(_, planned)| planned.uid = 4711))
            .await;
    }
    planted("homes_without_accounts", 6.0, |root| {
        let passwd = root.files.get_mut("etc/passwd").unwrap();
        let text = String::from_utf8(passwd.body.clone()).unwrap();
        passwd.body = text
            .lines()
            .filter(|line| !line.starts_with("jbrandt"))
            .flat_map(|line| [line, "\n"])
            .collect::<String>()
            .into_bytes();
    })
    .await;
    planted("accounts_without_homes", 1.0, |root| {
        root.files
            .get_mut("etc/passwd")
            .unwrap()
            .body
            .extend(b"nhorvat:x:1003:1003:Nina:/home/nhorvat:/bin/bash\n");
    })
    .await;
}

#[tokio::test]
async fn tell_7_modes_that_no_program_sets() {
    planted("open_private_keys", 6.0, |root| {
        root.files.get_mut("home/mkeller/.ssh/id_ed25519").unwrap().mode = 0o644;
    })
    .await;
    planted("open_histories", 4.0, |root| {
        root.files.get_mut("home/mkeller/.bash_history").unwrap().mode = 0o644;
    })
    .await;
    planted("open_to_all", 3.0, |root| root.personal().for_each(|(_, planned)| planned.mode = 0o666)).await;
    planted("scripts_that_cannot_run", 4.0, |root| {
        root.personal().for_each(|(_, planned)| planned.mode = 0o644);
    })
    .await;
    planted("texts_that_run", 3.0, |root| root.personal().for_each(|(_, planned)| planned.mode = 0o755))
        .await;
}

#[tokio::test]
async fn tell_8_one_body_few_names_one_list_one_size() {
    planted("same_content", 9.0, |root| {
        root.personal().for_each(|(_, planned)| planned.body = b"Lorem ipsum dolor sit amet\n".to_vec());
    })
    .await;
    planted("few_names", 3.0, |root| {
        let old: Vec<(String, _)> =
            root.personal().map(|(path, planned)| (path.clone(), planned.clone())).collect();
        root.files.retain(|path, _| !path.starts_with("home/") || path.contains("/."));
        for (number, (path, planned)) in old.into_iter().enumerate() {
            let dir = path.rsplit_once('/').unwrap().0;
            root.files
                .insert(format!("{dir}/{}-{number}.txt", ["notes", "todo", "report"][number % 3]), planned);
        }
    })
    .await;
    planted("same_names_in_homes", 5.0, |root| {
        let mine: Vec<(String, _)> = root
            .personal()
            .filter(|(path, _)| path.starts_with("home/mkeller/"))
            .map(|(path, planned)| (path.clone(), planned.clone()))
            .collect();
        root.files.retain(|path, _| !path.starts_with("home/jbrandt/") || path.contains("/."));
        for (path, mut planned) in mine {
            planned.body.extend(b"other\n");
            planned.uid = 1002;
            root.files.entry(path.replace("/mkeller/", "/jbrandt/")).or_insert(planned);
        }
    })
    .await;
    planted("one_size", 3.0, |root| {
        for (number, (_, planned)) in root.personal().enumerate() {
            planned.body = format!("{number:0100}\n").into_bytes();
        }
    })
    .await;
}

#[tokio::test]
async fn tell_8_two_hosts_with_the_same_files() {
    let (one, other) = (Root::good(7).make(), Root::good(8).make());
    let copy = Root::good(7).make();
    let different = judge_all(&[one.evidence().await, other.evidence().await]);
    let same = judge_all(&[one.evidence().await, copy.evidence().await]);
    for code in ["same_content_on_hosts", "same_names_on_hosts"] {
        assert!(weight(&different[0], code) < 1.0, "{different:#?}");
        assert!(weight(&same[0], code) >= 8.0 && weight(&same[1], code) >= 8.0, "{same:#?}");
    }
    assert!(weight(&same[0], "same_identity") > 10.0, "one machine id");
}

#[tokio::test]
async fn tell_9_stories_that_differ() {
    planted("logins_without_lines", 6.0, |root| {
        let log = &mut root.files.get_mut("var/log/auth.log").unwrap().body;
        let text = String::from_utf8(log.clone()).unwrap();
        let kept = text.lines().enumerate().filter(|(at, line)| !line.contains("opened") || at % 7 == 0);
        *log = kept.flat_map(|(_, line)| [line, "\n"]).collect::<String>().into_bytes();
    })
    .await;
    planted("lines_without_logins", 3.0, |root| {
        let wtmp = &mut root.files.get_mut("var/log/wtmp").unwrap().body;
        let (boot, end) = (wtmp[..384].to_vec(), record(1, "runlevel", "~~", root.now));
        *wtmp = [boot, end].concat();
    })
    .await;
    planted("lastlog_differs", 5.0, |root| root.files.get_mut("var/log/lastlog").unwrap().body.fill(0)).await;
    planted("nobody_ever_came", 5.0, |root| {
        for gone in ["var/log/auth.log", "var/log/lastlog"] {
            root.files.remove(gone);
        }
        let begin = root.now - 60 * DAY;
        root.files.get_mut("var/log/wtmp").unwrap().body = record(2, "reboot", "~", begin);
        root.files.retain(|path, _| !path.ends_with(".bash_history"));
    })
    .await;
    planted("edits_without_sessions", 3.0, |root| {
        let now = root.now;
        for (number, (_, planned)) in root.personal().enumerate() {
            planned.mtime.0 =
                (now - 50 * DAY) / DAY * DAY + i64::try_from(number % 49).unwrap() * DAY + 3600 * 2;
            planned.atime.0 = planned.mtime.0 + 9;
        }
    })
    .await;
    planted("commands_without_sessions", 5.0, |root| {
        let text: String =
            (0..40).map(|n| format!("#{}\nls\n", root.now - 40 * DAY + n * DAY / 2 + 7 * 3600 + 1)).collect();
        root.files.get_mut("home/mkeller/.bash_history").unwrap().body = text.into_bytes();
    })
    .await;
}

fn edit_log(root: &mut Root, log: &str, edit: impl Fn(Vec<String>) -> Vec<String>) {
    let body = &mut root.files.get_mut(log).unwrap().body;
    let lines = String::from_utf8(body.clone()).unwrap().lines().map(str::to_owned).collect();
    *body = edit(lines).join("\n").into_bytes();
    body.push(b'\n');
}

#[tokio::test]
async fn tell_10_logs_that_no_logger_wrote() {
    planted("wrong_host_name", 8.0, |root| {
        for log in ["var/log/auth.log", "var/log/syslog"] {
            edit_log(root, log, |lines| {
                lines.iter().map(|line| line.replace(" files01 ", " build-template ")).collect()
            });
        }
    })
    .await;
    planted("lines_out_of_order", 5.0, |root| {
        edit_log(root, "var/log/auth.log", |mut lines| {
            lines.reverse();
            lines
        });
    })
    .await;
    planted("one_time_for_many_lines", 5.0, |root| {
        edit_log(root, "var/log/auth.log", |lines| {
            let stamp = lines[0].split(' ').next().unwrap().to_owned();
            lines.iter().map(|line| format!("{stamp} {}", line.split_once(' ').unwrap().1)).collect()
        });
    })
    .await;
    planted("gz_that_is_none", 10.0, |root| {
        root.plain("var/log/syslog.2.gz", b"Nov  1 00:00:00 files01 x: y\n");
    })
    .await;
    planted("lines_of_the_future", 8.0, |root| {
        let line =
            format!("{} files01 x: y\n", verisim_core::Timestamp::from_second(root.now + 5 * DAY).unwrap());
        root.files.get_mut("var/log/syslog").unwrap().body.extend(line.bytes());
    })
    .await;
    planted("silence_in_a_log", 3.0, |root| {
        edit_log(root, "var/log/syslog", |lines| {
            lines
                .iter()
                .enumerate()
                .filter(|(at, _)| !(20..45).contains(at))
                .map(|(_, line)| line.clone())
                .collect()
        });
    })
    .await;
    planted("generations_overlap", 4.0, |root| {
        let copy = root.files["var/log/auth.log"].clone();
        root.files.insert("var/log/auth.log.1".into(), copy);
    })
    .await;
    planted("lines_of_no_form", 4.0, |root| {
        edit_log(root, "var/log/syslog", |lines| lines.iter().map(|line| format!("INFO {line}")).collect());
    })
    .await;
    planted("logs_fell_silent", 2.0, |root| {
        for log in ["var/log/syslog", "var/log/auth.log"] {
            edit_log(root, log, |mut lines| {
                lines.truncate(lines.len() / 3);
                lines
            });
        }
    })
    .await;
}

#[tokio::test]
async fn a_rotated_log_that_is_gzip_is_read_and_no_tell() {
    let mut root = Root::good(7);
    let body = root.files["var/log/auth.log"].body.clone();
    let lines: Vec<&[u8]> = body.split_inclusive(|c| *c == b'\n').collect();
    let (old, new) = lines.split_at(lines.len() / 2);
    let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    zip.write_all(&old.concat()).unwrap();
    root.plain("var/log/auth.log.2.gz", &zip.finish().unwrap());
    root.files.get_mut("var/log/auth.log").unwrap().body = new.concat();
    let made = root.make();
    let evidence = made.evidence().await;
    let lines: usize =
        evidence.logs.iter().filter_map(|log| log.log.as_ref()).map(|log| log.lines.len()).sum();
    assert!(lines > body.iter().filter(|c| **c == b'\n').count());
    let report = judge_all(&[evidence]).remove(0);
    assert!(report.findings.iter().all(|finding| finding.tell != 10) && report.score >= 90, "{report:#?}");
}

#[tokio::test]
async fn tell_11_processes_from_nowhere() {
    let mut evidence = Root::good(7).make().evidence().await;
    let ps = b"1 0 /sbin/init\n2 0 [kthreadd]\n700 1 sshd\n900 0 sh -c echo bG9yZW0= | base64 -d > /home/mkeller/notes.txt\n";
    evidence.processes = Some(verisim_audit::read::processes(ps));
    let report = judge_all(&[evidence.clone()]).remove(0);
    assert!(weight(&report, "processes_from_nowhere") >= 8.0, "{report:#?}");
    evidence.processes.as_mut().unwrap().truncate(3);
    assert_eq!(weight(&judge_all(&[evidence]).remove(0), "processes_from_nowhere"), 0.0);
}

#[tokio::test]
async fn tell_12_hosts_that_connect_and_never_log_in() {
    planted("connections_without_logins", 1.5, |root| {
        let begin = root.now - 50 * DAY;
        let extra = (0..400).map(|n| {
            (
                begin + n * DAY / 9,
                format!("sshd[{}]: Connection closed by 10.0.0.77 port 4{n} [preauth]", 9000 + n),
            )
        });
        let mut lines: Vec<String> = String::from_utf8(root.files["var/log/auth.log"].body.clone())
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect();
        lines.extend(extra.map(|(at, line)| {
            format!("{} files01 {line}", verisim_core::Timestamp::from_second(at).unwrap())
        }));
        lines.sort();
        root.files.get_mut("var/log/auth.log").unwrap().body =
            lines.iter().flat_map(|line| [line, "\n"]).collect::<String>().into_bytes();
    })
    .await;
    planted("sessions_without_end", 2.0, |root| {
        edit_log(root, "var/log/auth.log", |lines| {
            lines.into_iter().filter(|line| !line.contains("session closed")).collect()
        });
    })
    .await;
}

#[tokio::test]
async fn tell_13_nights_the_future_and_time_that_goes_back() {
    planted("files_of_the_future", 10.0, |root| {
        let now = root.now;
        root.personal().take(2).for_each(|(_, planned)| planned.mtime.0 = now + 3 * DAY);
    })
    .await;
    planted("work_at_all_hours", 3.0, |root| {
        for (number, (_, planned)) in root.personal().enumerate() {
            planned.mtime.0 =
                planned.mtime.0 / DAY * DAY - DAY + i64::try_from(number * 7 % 24).unwrap() * 3600 + 60;
        }
    })
    .await;
    planted("commands_that_go_back", 3.0, |root| {
        let text: String = (0..80)
            .map(|n| format!("#{}\nls\n", root.now - if n % 2 == 0 { 20 } else { 40 } * DAY))
            .collect();
        root.files.get_mut("home/mkeller/.bash_history").unwrap().body = text.into_bytes();
    })
    .await;
}

#[tokio::test]
async fn tell_14_everything_is_new_or_of_one_age() {
    // On a host that is itself of this moment it is explained in part; on one that was there before, it is not.
    let mut root = Root::good(7);
    let now = root.now;
    for (number, (_, planned)) in root.personal().enumerate() {
        planned.mtime.0 = now - 7200 + i64::try_from(number * number % 6000).unwrap();
    }
    let mut evidence = root.make().evidence().await;
    let new = judge_all(&[evidence.clone()]).remove(0);
    evidence.packages.arrived = vec![verisim_core::Timestamp::from_second(now - 200 * DAY).unwrap(); 60];
    let old = judge_all(&[evidence]).remove(0);
    assert!(weight(&old, "everything_is_new") >= 8.0 && weight(&new, "everything_is_new") >= 3.0, "{old:#?}");
    assert!(weight(&new, "everything_is_new") < weight(&old, "everything_is_new"));
    let mut root = Root::good(7);
    root.files.retain(|path, _| !path.starts_with("usr/") && !path.starts_with("var/lib/"));
    for (number, (_, planned)) in root.personal().enumerate() {
        planned.mtime.0 = now - 90 * DAY + i64::try_from(number * number % 6000).unwrap();
    }
    assert!(weight(&root.make().report().await, "everything_of_one_age") >= 4.0);
}

#[tokio::test]
async fn tell_15_one_edit_a_minute() {
    planted("even_rate", 7.0, |root| {
        let begin = root.now - 100 * DAY;
        let mut dice = Dice::new(3);
        for (number, (_, planned)) in root.personal().enumerate() {
            let (day, minute) = (number / 60, number % 60);
            let at = begin / DAY * DAY + i64::try_from(day).unwrap() * DAY + 9 * 3600;
            planned.mtime.0 =
                at + i64::try_from(minute * 60).unwrap() + i64::try_from(dice.below(5)).unwrap();
        }
    })
    .await;
}

fn mail(n: i64, subject: &str, id: &str, references: &str, at: i64) -> Vec<u8> {
    let date = verisim_core::Timestamp::from_second(at).unwrap().strftime("%a, %d %b %Y %H:%M:%S +0000");
    format!("From: a@example.org\nDate: {date}\nSubject: {subject}\nMessage-ID: <{id}>\n{references}User-Agent: Mozilla Thunderbird\n\nText {n}\n").into_bytes()
}

/// A mailbox; `threads` is whether answers are answered.
fn put_mail(root: &mut Root, has_threads: bool, subjects: usize, folder: &str, step: i64) {
    let mut dice = Dice::new(11);
    let mut before: Vec<String> = Vec::new();
    for n in 0..40_i64 {
        let at =
            root.now - 40 * DAY + n * step + i64::try_from(dice.below(1 + step.unsigned_abs() / 2)).unwrap();
        let id = format!("{n:08x}-0000-4000-8000-{n:012x}@example.org");
        let begins = n % 4 == 0;
        if begins {
            before.clear();
        }
        let kept = if has_threads { before.len() } else { 1.min(before.len()) };
        let chain: String = before[..kept].iter().map(|id| format!(" <{id}>")).collect();
        let references = if chain.is_empty() { String::new() } else { format!("References:{chain}\n") };
        let subject = format!(
            "{} topic",
            ["first", "second", "third", "budget", "move", "printer", "lunch", "audit", "keys", "stock"]
                [usize::try_from(n / 4).unwrap() % subjects]
        );
        let body = mail(n, &subject, &id, &references, at);
        before.push(id);
        root.put(
            &format!("home/mkeller/Maildir/{folder}{at}.M{n}P{n}.files01:2,S"),
            &body,
            PEOPLE[0].2,
            at + 2,
            &mut dice,
        );
    }
    for part in ["new", "tmp"] {
        if folder == "cur/" {
            root.put(
                &format!("home/mkeller/Maildir/{part}/.keep"),
                b"",
                PEOPLE[0].2,
                root.now - DAY,
                &mut dice,
            );
        }
    }
}

#[tokio::test]
async fn tell_16_mail_that_nobody_wrote() {
    let mut root = Root::good(7);
    put_mail(&mut root, true, 10, "cur/", 80_000);
    let good = root.make().report().await;
    assert!(good.findings.iter().all(|finding| finding.tell != 16), "{good:#?}");
    planted("few_subjects", 2.0, |root| put_mail(root, true, 1, "cur/", 80_000)).await;
    planted("threads_one_step_deep", 3.0, |root| put_mail(root, false, 10, "cur/", 80_000)).await;
    planted("no_maildir", 6.0, |root| put_mail(root, true, 10, "", 80_000)).await;
    planted("mail_of_one_second", 5.0, |root| put_mail(root, true, 10, "cur/", 0)).await;
    planted("arrives_far_from_its_date", 5.0, |root| {
        put_mail(root, true, 10, "cur/", 80_000);
        let now = root.now;
        root.files
            .iter_mut()
            .filter(|(path, _)| path.contains("Maildir/cur"))
            .for_each(|(_, mail)| mail.mtime.0 = now - 100);
    })
    .await;
    planted("ids_of_another_program", 4.0, |root| {
        put_mail(root, true, 10, "cur/", 80_000);
        for (_, mail) in root.files.iter_mut().filter(|(path, _)| path.contains("Maildir/cur")) {
            mail.body = String::from_utf8(mail.body.clone()).unwrap().replace("-4000-8000-", "").into_bytes();
        }
    })
    .await;
    planted("ids_used_twice", 5.0, |root| {
        put_mail(root, true, 10, "cur/", 80_000);
        for (_, mail) in root.files.iter_mut().filter(|(path, _)| path.contains("Maildir/cur")) {
            let text = String::from_utf8(mail.body.clone()).unwrap();
            let line = |line: &str| {
                if line.starts_with("Message-ID") {
                    "Message-ID: <1234567.8@x>\n".to_owned()
                } else {
                    format!("{line}\n")
                }
            };
            mail.body = text.lines().map(line).collect::<String>().into_bytes();
        }
    })
    .await;
}

#[tokio::test]
async fn tell_17_containers_and_what_honeypots_ship() {
    planted("container_file", 1.5, |root| root.plain(".dockerenv", b"")).await;
    planted("host_name_of_a_container", 3.0, |root| {
        root.plain("etc/hostname", b"3f1c9a77b2d0\n");
        for log in ["var/log/auth.log", "var/log/syslog"] {
            edit_log(root, log, |lines| {
                lines.iter().map(|line| line.replace(" files01 ", " 3f1c9a77b2d0 ")).collect()
            });
        }
    })
    .await;
    planted("defaults_of_a_honeypot", 10.0, |root| {
        root.files
            .get_mut("etc/passwd")
            .unwrap()
            .body
            .extend(b"phil:x:1000:1000:Phil California,,,:/home/phil:/bin/bash\n");
    })
    .await;
    planted("started_without_a_line", 4.0, |root| {
        let boot = record(2, "reboot", "~", root.now - 2 * DAY);
        root.files.get_mut("var/log/wtmp").unwrap().body.extend(boot);
    })
    .await;
}

fn pdf(author: &str, program: &str, created: &str) -> Vec<u8> {
    format!("%PDF-1.7\n<</Author({author})/Producer({program})/CreationDate(D:{created}Z)>>\n").into_bytes()
}

fn put_documents(root: &mut Root, make: impl Fn(i64, &str, &str) -> Vec<u8>) {
    let mut dice = Dice::new(21);
    for n in 0..8_i64 {
        let (login, name, uid) = PEOPLE[usize::try_from(n % 2).unwrap()];
        let at = root.now - (20 + n * 17) * DAY;
        let begun =
            verisim_core::Timestamp::from_second(at - 3000 - n).unwrap().strftime("%Y%m%d%H%M%S").to_string();
        let body = make(n, name, &begun);
        root.put(
            &format!(
                "home/{login}/Documents/offer-{}.pdf",
                ["north", "south", "east", "west"][usize::try_from(n / 2).unwrap()]
            ),
            &body,
            uid,
            at,
            &mut dice,
        );
    }
}

#[tokio::test]
async fn tell_18_documents_of_nobody() {
    let mut root = Root::good(7);
    put_documents(&mut root, |n, name, begun| pdf(name, &format!("LibreOffice 7.{n}"), begun));
    let good = root.make().report().await;
    assert!(good.findings.iter().all(|finding| finding.tell != 18), "{good:#?}");
    planted("made_by_a_library", 6.0, |root| {
        put_documents(root, |_, _, begun| pdf("anonymous", "ReportLab PDF Library", begun));
    })
    .await;
    planted("authors_of_nobody", 3.0, |root| {
        put_documents(root, |_, _, begun| pdf("Jane Template", "LibreOffice", begun));
    })
    .await;
    planted("older_than_their_content", 4.0, |root| {
        let later =
            verisim_core::Timestamp::from_second(root.now).unwrap().strftime("%Y%m%d%H%M%S").to_string();
        put_documents(root, move |n, name, _| pdf(name, &format!("LibreOffice 7.{n}"), &later));
    })
    .await;
    planted("documents_of_one_moment", 4.0, |root| {
        put_documents(root, |n, name, _| pdf(name, &format!("LibreOffice 7.{n}"), "20200101101010"));
    })
    .await;
}

#[tokio::test]
async fn tell_17_what_only_commands_tell() {
    let root = Root::good(7);
    let mut evidence = root.make().evidence().await;
    let begin = root.now / DAY * DAY - 60 * DAY;
    let at = |seconds| verisim_core::Timestamp::from_second(seconds).ok();
    evidence.host.started = at(begin + 20);
    evidence.host.root_kind = Some("ext2/ext3".into());
    let good = judge_all(&[evidence.clone()]).remove(0);
    assert!(good.findings.iter().all(|finding| finding.tell != 17), "{good:#?}");
    evidence.host.started = at(root.now - DAY);
    evidence.host.root_kind = Some("overlayfs".into());
    let report = judge_all(&[evidence]).remove(0);
    assert!(weight(&report, "uptime_and_records_differ") >= 4.0, "{report:#?}");
    assert!(weight(&report, "overlay_root") >= 1.0, "{report:#?}");
}

/// Every finding that a check can have is planted somewhere above, or for a simulation.
#[test]
fn no_tell_is_without_a_test() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = |dir: &str| -> String {
        let mut files: Vec<_> =
            std::fs::read_dir(here.join(dir)).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        files
            .into_iter()
            .filter(|path| path.is_file())
            .map(|path| std::fs::read_to_string(path).unwrap())
            .collect()
    };
    let tests = text("tests/audit");
    let mut codes = std::collections::BTreeSet::new();
    for source in [text("src/checks"), text("src/simulation"), text("src")] {
        for finding in source.split("Finding::new(").skip(1) {
            let mut words = finding.split(',').map(str::trim);
            if let (Some(tell), Some(code)) = (words.next(), words.next())
                && tell.parse::<u8>().is_ok()
                && code.starts_with('"')
            {
                codes.insert(code.to_owned());
            }
        }
    }
    assert!(codes.len() > 55, "{codes:?}");
    let untested: Vec<&String> = codes.iter().filter(|code| !tests.contains(code.as_str())).collect();
    assert!(untested.is_empty(), "{untested:?}");
}
