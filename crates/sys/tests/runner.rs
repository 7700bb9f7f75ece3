//! Tools as they really behave: they hang, shout, fork, ignore signals and leave children behind.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use verisim_core::CancellationToken;
use verisim_sys::{Ask, Ended, Input, Limits, Ran, Runner, Secrets, Taker, TimeOut};

fn runner() -> Runner {
    Runner::new(["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin"].map(PathBuf::from)).unwrap()
}

fn sh(script: &str) -> Ask {
    Ask::new("sh").args(["-c", script]).env("PATH", "/usr/bin:/bin")
}

async fn run(ask: Ask) -> Ran {
    runner().run(ask, &CancellationToken::new()).await.unwrap()
}

fn short() -> Limits {
    let blink = Duration::from_millis(300);
    Limits { start: blink * 3, idle: blink, total: None, grace: blink, kept_bytes: 100 }
}

/// Whether a process of this number runs; one that ended and was not waited for does not.
fn lives(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

async fn dies(pid: &str) {
    for _ in 0..400 {
        if !lives(pid) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!lives(pid), "{pid} lives on");
}

#[tokio::test]
async fn arguments_are_not_a_shell_s_and_the_environment_is_what_is_given() {
    let ran = run(Ask::new("printf").args(["%s|", "$(id)", "; a", "*", ""])).await;
    assert_eq!((ran.ended, ran.stdout.head.as_slice()), (Ended::Code(0), b"$(id)|; a|*||".as_slice()));
    let ran = run(Ask::new("env").env("ONE", "1")).await;
    assert_eq!(ran.stdout.head, b"LC_ALL=C\nONE=1\n");
    let ran = run(Ask::new("pwd")).await;
    assert_eq!(ran.stdout.head, b"/\n");
}

#[tokio::test]
async fn code_signal_and_absence_are_told_apart() {
    assert_eq!(run(sh("exit 23")).await.ended, Ended::Code(23));
    assert_eq!(run(sh("kill -TERM $$")).await.ended, Ended::Signal(15));
    assert_eq!(run(sh("exit 143")).await.ended, Ended::Code(143));
    assert_eq!(run(Ask::new("no-such-tool")).await.ended, Ended::Missing);
    assert_eq!(run(Ask::new("/etc/passwd")).await.ended, Ended::Missing);
}

#[tokio::test]
async fn defect_06_endless_output_is_bounded_and_secrets_are_masked() {
    let mut ask = sh(
        "echo begin; i=0; while [ $i -lt 3000 ]; do echo hunter2-$i; echo hunter2-$i >&2; i=$((i+1)); done; echo end",
    );
    ask.limits.kept_bytes = 1000;
    ask.secrets = Secrets::new([b"hunter2".to_vec()]);
    let ran = run(ask).await;
    assert_eq!(ran.ended, Ended::Code(0));
    assert!(ran.stdout.head.starts_with(b"begin\n[secret]-0\n"));
    assert!(ran.stdout.tail.ends_with(b"[secret]-2999\nend\n"));
    assert!(ran.stdout.omitted_bytes > 20_000);
    for printed in [&ran.stdout, &ran.stderr] {
        let text = String::from_utf8(printed.text()).unwrap();
        assert!(text.len() < 3_000 && !text.contains("hunter"), "{text}");
    }
}

#[tokio::test]
async fn what_it_reads_is_given_and_need_not_be_taken() {
    let mut ask = Ask::new("cat");
    ask.input = Input::Bytes(vec![b'x'; 5 << 20]);
    ask.limits.kept_bytes = 3 << 20;
    let ran = run(ask).await;
    assert_eq!((ran.ended, ran.stdout.head.len()), (Ended::Code(0), 5 << 20));
    let mut ask = Ask::new("true");
    ask.input = Input::Bytes(vec![b'x'; 5 << 20]);
    assert_eq!(run(ask).await.ended, Ended::Code(0));
    assert_eq!(run(Ask::new("cat")).await.ended, Ended::Code(0));
}

#[tokio::test]
async fn defect_05_silence_and_time_are_bounded_each_by_its_own() {
    let with = |script: &str, total: Option<Duration>| {
        let mut ask = sh(script);
        ask.limits = Limits { total, ..short() };
        ask
    };
    assert_eq!(run(with("sleep 60", None)).await.ended, Ended::TimedOut(TimeOut::Start));
    assert_eq!(run(with("echo x; sleep 60", None)).await.ended, Ended::TimedOut(TimeOut::Idle));
    let total = Some(Duration::from_millis(700));
    assert_eq!(
        run(with("while :; do echo x; sleep 0.05; done", total)).await.ended,
        Ended::TimedOut(TimeOut::Total)
    );
    // One that speaks up is not idle, on whichever output.
    let ran = run(with("for i in 1 2 3 4 5 6; do echo x >&2; sleep 0.15; done", None)).await;
    assert_eq!(ran.ended, Ended::Code(0));
}

#[tokio::test]
async fn defect_05_what_ignores_signals_and_what_it_left_behind_ends_too() {
    let dir = tempfile::tempdir().unwrap();
    let pids = dir.path().join("pids");
    let script = format!(
        "trap '' TERM HUP INT; sleep 300 & echo $! >> {0}; echo $$ >> {0}; echo up; wait; sleep 300",
        pids.display()
    );
    let mut ask = sh(&script);
    ask.limits = short();
    assert_eq!(run(ask).await.ended, Ended::TimedOut(TimeOut::Idle));
    let left: Vec<String> = std::fs::read_to_string(&pids).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(left.len(), 2);
    for pid in &left {
        dies(pid).await;
    }
    // It ended, and what it started holds its outputs: nobody waits ten minutes for that.
    let pids = dir.path().join("more");
    let begun = tokio::time::timeout(
        Duration::from_secs(20),
        run(sh(&format!("sleep 300 & echo $! > {}", pids.display()))),
    )
    .await;
    assert_eq!(begun.unwrap().ended, Ended::Code(0));
    dies(std::fs::read_to_string(&pids).unwrap().trim()).await;
}

#[tokio::test]
async fn cancelled_and_given_up_runs_leave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for given_up in [false, true] {
        let pids = dir.path().join(format!("pids-{given_up}"));
        let script = format!(
            "trap 'echo last words >&2; exit 3' TERM; sleep 300 & echo $! >> {0}; echo $$ >> {0}; wait",
            pids.display()
        );
        let cancel = CancellationToken::new();
        let runner = runner();
        let task = tokio::spawn({
            let cancel = cancel.clone();
            async move { runner.run(sh(&script), &cancel).await.unwrap() }
        });
        while std::fs::read_to_string(&pids).unwrap_or_default().lines().count() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if given_up {
            task.abort();
            assert!(task.await.is_err());
        } else {
            cancel.cancel();
            let ran = task.await.unwrap();
            assert_eq!(
                (ran.ended, ran.stderr.head.as_slice()),
                (Ended::Cancelled, b"last words\n".as_slice())
            );
        }
        for pid in std::fs::read_to_string(&pids).unwrap().lines() {
            dies(pid).await;
        }
    }
}

/// Runs this test alone in a process that ignores SIGTERM, and so does what it starts: what was started by mistake leaves its
/// file before it is killed.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test runs itself as the process that ignores a signal")]
async fn what_is_cancelled_before_it_begins_is_not_started() {
    const FOLDER: &str = "VERISIM_TEST_FOLDER";
    let Some(dir) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        let dir = tempfile::tempdir().unwrap();
        let ended = std::process::Command::new("sh")
            .args([
                "-c",
                "trap '' TERM; exec \"$0\" --exact what_is_cancelled_before_it_begins_is_not_started",
            ])
            .arg(std::env::current_exe().unwrap())
            .env(FOLDER, dir.path())
            .status();
        assert!(ended.unwrap().success());
        return;
    };
    let leaving = |name: usize| sh(&format!("touch {}", dir.join(name.to_string()).display()));
    let begun = || std::fs::read_dir(&dir).unwrap().count();
    let runner = runner();
    let cancel = CancellationToken::new();
    assert_eq!(runner.run(leaving(0), &cancel).await.unwrap().ended, Ended::Code(0));
    cancel.cancel();
    assert_eq!(runner.run(leaving(1), &cancel).await.unwrap().ended, Ended::Cancelled);
    assert_eq!(begun(), 1);
    // Those that wait while others are started.
    const MANY: usize = 100;
    let cancel = CancellationToken::new();
    let runs = (1..=MANY).map(|number| {
        let (runner, cancel, ask) = (runner.clone(), cancel.clone(), leaving(number));
        tokio::spawn(async move { runner.run(ask, &cancel).await.unwrap().ended })
    });
    let runs: Vec<_> = runs.collect();
    tokio::task::yield_now().await;
    cancel.cancel();
    for run in runs {
        assert_eq!(run.await.unwrap(), Ended::Cancelled);
    }
    assert!(begun() < MANY, "{} of {MANY} were started", begun() - 1);
}

#[tokio::test]
async fn who_reads_along_may_refuse() {
    struct Some1M(usize);
    #[async_trait::async_trait]
    impl Taker for Some1M {
        async fn take(&mut self, piece: &[u8]) -> ControlFlow<()> {
            self.0 += piece.len();
            if self.0 > 1_000_000 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }
    let mut taker = Some1M(0);
    let ran = runner().stream(Ask::new("yes"), &CancellationToken::new(), &mut taker).await.unwrap();
    assert_eq!(ran.ended, Ended::Refused);
    assert!(taker.0 > 1_000_000 && taker.0 < 2_000_000);
}

/// What runs ends with us, also when we are killed and can do nothing about it.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test runs itself as the process that is killed")]
async fn inv_12_a_tool_does_not_outlive_us_when_we_are_killed() {
    const PID_FILE: &str = "VERISIM_TEST_PID_FILE";
    if let Some(pid_file) = std::env::var_os(PID_FILE) {
        let script = format!("trap '' HUP TERM; echo $$ > {}; sleep 300; echo never", pid_file.display());
        run(sh(&script)).await;
        return;
    }
    if runner().find("setpriv").is_none() {
        assert!(std::env::var_os("CI").is_none(), "continuous integration has util-linux");
        eprintln!("NOT CHECKED: setpriv (util-linux) is not on this machine");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let pid_file = dir.path().join("pid");
    let mut us = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "inv_12_a_tool_does_not_outlive_us_when_we_are_killed"])
        .env(PID_FILE, &pid_file)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let pid = loop {
        let pid = std::fs::read_to_string(&pid_file).unwrap_or_default();
        if pid.ends_with('\n') {
            break pid.trim().to_owned();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert!(lives(&pid));
    us.kill().unwrap();
    us.wait().unwrap();
    dies(&pid).await;
}
