//! Roots as they are filled today, and roots in which nobody ever lived.

use verisim_audit::Verdict;

use crate::root::{DAY, Dice, Root, is_root, now, weight};

const NAMES: [&str; 8] = ["notes", "todo", "report", "draft", "backup", "config", "script", "meeting"];

/// What fills decoys today: as root, whole seconds, eight names, one body, one file a minute. `days` back, or now.
fn filled(days: i64) -> Root {
    let mut root = Root::good(7);
    root.files.retain(|path, _| !path.starts_with("home/") && !path.starts_with("var/log/"));
    let mut dice = Dice::new(1);
    for n in 0..160_i64 {
        let login = ["mkeller", "jbrandt"][usize::try_from(n % 2).unwrap()];
        let path = format!("home/{login}/Documents/{}-{n}.txt", NAMES[usize::try_from(n).unwrap() % 8]);
        root.put(&path, b"This is a placeholder document.\nPlease update.\n", 0, root.now - 9, &mut dice);
        let back = if days == 0 { n * 60 } else { n * days * DAY / 160 };
        let planned = root.files.get_mut(&path).unwrap();
        planned.mtime = (root.now - 60 - back, 0);
        planned.atime = planned.mtime;
    }
    root.leave_folders = true;
    root
}

#[tokio::test]
async fn a_decoy_filled_in_one_go_scores_under_thirty() {
    if !is_root() {
        return;
    }
    for days in [0, 30] {
        let report = filled(days).make().report().await;
        assert!(report.score < 30, "{days}: {report:#?}");
        assert_eq!(report.verdict, Verdict::Decoy);
        for code in ["foreign_files_in_homes", "same_content", "few_names"] {
            assert!(weight(&report, code) > 2.0, "{code}: {report:#?}");
        }
    }
}

#[tokio::test]
async fn a_tree_of_documents_without_a_host_is_judged_too() {
    let root = filled(30);
    let made = root.make();
    // The folder of homes, and one home.
    for (dir, score) in [("home", 60), ("home/mkeller", 60)] {
        let evidence = crate::root::look(&made.path().join(dir), now()).await;
        let report = verisim_audit::judge_all(&[evidence]).remove(0);
        assert!(report.score < score, "{dir}: {report:#?}");
        assert_ne!(report.verdict, Verdict::Lifeless);
    }
}

#[tokio::test]
async fn a_root_in_which_nobody_ever_lived_is_lifeless_and_not_fake() {
    let mut root = Root::good(7);
    root.files.retain(|path, _| !path.starts_with("home/") && !path.starts_with("var/log/"));
    let report = root.make().report().await;
    assert_eq!(report.verdict, Verdict::Lifeless, "{report:#?}");
    assert!(report.score >= 85, "{report:#?}");
    let empty = tempfile::tempdir().unwrap();
    let report = verisim_audit::judge_all(&[crate::root::look(empty.path(), now()).await]).remove(0);
    assert_eq!(report.verdict, Verdict::Lifeless);
}
