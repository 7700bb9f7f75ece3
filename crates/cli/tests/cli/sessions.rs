//! A session that lasts, as a user meets it: files do not wait for it, and the daemon's end does not either.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use verisim_testkit::sshd::{Sshd, SshdOptions};

use crate::sandbox::{Sandbox, eventually};

/// A mail server that greets, and then never comes to the end of an answer. Answers how many sessions are under way.
fn endless_server() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let under_way = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&under_way);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, count) = (stream.unwrap(), Arc::clone(&count));
            std::thread::spawn(move || {
                stream.write_all(b"220 mail01\r\n").unwrap();
                let mut line = String::new();
                BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                while stream.write_all(b"250-one more thing\r\n").is_ok() {
                    std::thread::sleep(Duration::from_millis(100));
                }
                count.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    (port, under_way)
}

/// A persona at a workstation who does nothing but talk to that server.
fn configure(sandbox: &Sandbox, sshd: &Sshd, smtp: u16) {
    for folder in ["etc", "home/mkeller", "tmp"] {
        fs::create_dir_all(sshd.root().join(folder)).unwrap();
    }
    fs::write(sshd.root().join("etc/passwd"), "mkeller:x:1004:1004::/home/mkeller:/bin/sh\n").unwrap();
    fs::create_dir_all(sandbox.path("mail01")).unwrap();
    let text = format!(
        "state = \"state\"\nseed = 7\n[life]\nbusy = true\npace = 10000\n\
         effects = {{ create = 0, edit = 0, append = 0, rename = 0, remove = 0, leave_alone = 0, traffic = 1 }}\n\
         traffic = {{ smtp = 1000 }}\n\
         [[decoy]]\nname = \"desk01\"\npersonas = [\"maria-keller\"]\nrole = \"workstation\"\n\
         connector = {{ ssh = {{ host = \"127.0.0.1\", port = {}, user = \"root\", identity = {:?}, known_hosts = {:?} }} }}\n\
         [[decoy]]\nname = \"mail01\"\nrole = \"mail-server\"\nservices = [\"smtp:{smtp}\"]\naddress = \"127.0.0.1\"\n\
         connector = {{ rootfs = {{ path = \"mail01\" }} }}\n\
         [[persona]]\nname = \"maria-keller\"\nfull_name = \"Maria Keller\"\nlogin = \"mkeller\"\nrole = \"assistant\"\n",
        sshd.port(),
        sshd.key(),
        sshd.known_hosts(),
    );
    sandbox.write("verisim.toml", &text);
}

#[test]
fn neither_a_file_nor_the_end_waits_for_a_session_that_lasts() {
    let Some(sshd) = Sshd::start(SshdOptions::default()) else { return };
    let (port, under_way) = endless_server();
    let sandbox = Sandbox::new();
    configure(&sandbox, &sshd, port);
    let daemon = sandbox.up();
    eventually("a session is under way", || under_way.load(Ordering::SeqCst) > 0);
    // The driver waits for fifteen seconds for one answer; by then the file would have waited, too.
    let before = under_way.load(Ordering::SeqCst);
    let path = sshd.root().join("tmp/a");
    let planted =
        sandbox.run_with_input(&["plant", "desk01", path.to_str().unwrap(), "--wait", "10s"], b"now\n");
    planted.exits(0);
    assert!(under_way.load(Ordering::SeqCst) >= before, "the session is still under way");
    assert_eq!(fs::read(&path).unwrap(), b"now\n");

    let (code, log) = daemon.terminate();
    assert_eq!(code, Some(0), "{log}");
    // What was under way is cut off, has taken place as far as it came, and is known to have.
    let jobs = sandbox.run(&["--json", "jobs", "--decoy", "desk01"]).exits(0).json();
    let states: Vec<&str> = jobs.iter().map(|job| job["state"].as_str().unwrap()).collect();
    assert!(!states.contains(&"RUNNING") && !states.contains(&"UNKNOWN"), "{states:?}");
    let events = sandbox.run(&["--json", "events", "--topic", "orchestrator.traffic.desk01"]).exits(0);
    let cut =
        |event: &serde_json::Value| event["success"] == true && event.to_string().contains("the daemon ends");
    assert!(events.json().iter().any(cut), "{}", events.stdout);
}
