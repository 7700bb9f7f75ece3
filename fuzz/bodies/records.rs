//! Any bytes as whatever a host keeps: nothing panics, what comes out is bounded by what went in, and can be judged.

use verisim_audit::{Evidence, Layout, Mailbox, NamedDocument, NamedHistory, NamedLog, judge_all, read};
use verisim_core::{DecoyPath, Timestamp};

/// Fails by panicking.
pub(crate) fn check(input: &[u8]) {
    let Some((seed, bytes)) = input.split_first() else { return };
    let taken = Timestamp::from_second(1_795_000_000 + i64::from(*seed) * 86_400).unwrap_or(Timestamp::MAX);
    let unzipped = match read::gunzip(bytes, 10_000) {
        read::Unzipped::Whole(out) | read::Unzipped::Damaged(out) => out,
        read::Unzipped::Not => Vec::new(),
    };
    assert!(unzipped.len() <= 10_000);
    assert!(
        read::dpkg_list(bytes).chain(unzipped.split(|c| *c == b'\n')).count()
            <= bytes.len() + unzipped.len() + 1
    );
    assert!(read::apk_files(bytes).len() <= bytes.len());

    let mut evidence =
        Evidence::new("fuzz", taken, if seed.is_multiple_of(2) { Layout::Host } else { Layout::Tree });
    evidence.accounts = Some(read::passwd(bytes));
    evidence.wtmp = Some(read::utmp(bytes));
    evidence.lastlog = Some(read::lastlog(bytes));
    evidence.processes = Some(read::processes(bytes));
    let Ok(path) = DecoyPath::new("/var/log/auth.log") else { return };
    for zone in ["UTC", "Europe/Berlin"] {
        let log = read::log(bytes, taken, zone);
        assert!(log.lines.len() + log.strange <= bytes.len());
        evidence.logs.push(NamedLog { path: path.clone(), mtime: taken, log: Some(log), is_cut: false });
    }
    evidence.histories.push(NamedHistory { path: path.clone(), history: read::history(bytes) });
    let messages = read::mbox(bytes).into_iter().chain([read::message(bytes)]);
    let messages = messages.map(|message| (Some(taken), String::new(), message)).collect();
    evidence.mailboxes.push(Mailbox {
        path: path.clone(),
        is_maildir: seed.is_multiple_of(3),
        missing: Vec::new(),
        messages,
    });
    if let Some(document) = read::document(bytes) {
        evidence.documents.push(NamedDocument { path, mtime: taken, document });
    }
    for report in judge_all(&[evidence]) {
        assert!(report.score <= 100 && (0.0..=1.0).contains(&report.confidence));
        assert!(report.findings.iter().all(|finding| finding.weight_db.is_finite()), "{report:?}");
    }
}
