//! Connections between decoys, as the network and the servers on the other side see them.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use verisim_testkit::{LOGIN, PASSWORD, Place, RealContainer, RealEngine, RealServer};

use crate::sandbox::{Sandbox, command, eventually, finish};

const DESK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 10));
const WEB: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 20));

/// What the servers of the visited decoy are.
struct Servers {
    sshd: RealServer,
    nginx: RealServer,
    mariadb: RealServer,
}

impl Servers {
    fn at(place: &Place) -> Option<Self> {
        let (sshd, nginx) = (RealServer::sshd_with_account(place)?, RealServer::nginx_at(place)?);
        Some(Self { sshd, nginx, mariadb: RealServer::mariadb_at(place)? })
    }

    fn ports(&self) -> [u16; 4] {
        [self.sshd.port(), self.nginx.port(), self.nginx.second_port(), self.mariadb.port()]
    }
}

/// What is spoken, in the order of the ports of the servers.
const SPOKEN: [&str; 4] = ["ssh", "http", "https", "mysql"];

/// A persona at a workstation who does nothing but visit the other decoy, all day and all night, and speaks one protocol.
fn configure(sandbox: &Sandbox, engine: &RealEngine, servers: &Servers, spoken: &str) {
    let socket = engine.socket();
    let [ssh, http, https, mysql] = servers.ports();
    let decoy = |name: &str, more: &str| {
        format!(
            "[[decoy]]\nname = \"{name}\"\npersonas = [\"ann\"]\nconnector = {{ docker = {{ container = \"{name}-ssh\", host = \
             \"unix://{}\" }} }}\n{more}\n",
            socket.display()
        )
    };
    let weights = SPOKEN.map(|protocol| format!("{protocol} = {}", u8::from(protocol == spoken))).join(", ");
    let text = format!(
        "state = \"state\"\nseed = 7\n[life]\nbusy = true\npace = 10000\n\
         effects = {{ create = 0, edit = 0, append = 0, rename = 0, remove = 0, leave_alone = 0, traffic = 1 }}\n\
         traffic = {{ {weights} }}\n{}{}[[persona]]\nname = \"ann\"\nfull_name = \"Ann Example\"\nlogin = \"{LOGIN}\"\nrole = \"developer\"\n\
         password = {{ file = \"ann.password\" }}\nssh_key = {:?}\n",
        decoy("desk01", "role = \"workstation\""),
        decoy(
            "web01",
            &format!(
                "services = [\"ssh:{ssh}\", \"http:{http}\", \"https:{https}\", \"mysql:{mysql}\"]\naddress = \"{WEB}\"\nrole = \"server\""
            )
        ),
        servers.sshd.key(),
    );
    sandbox.write("verisim.toml", &text);
    sandbox.write("ann.password", PASSWORD);
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(sandbox.path("ann.password"), private).unwrap();
}

/// Every first packet of a connection that is seen in the network of a container, one line each.
struct Sniffer {
    tcpdump: Child,
    log: std::path::PathBuf,
}

impl Sniffer {
    fn listen(at: &RealContainer<'_>, folder: &Path) -> Self {
        let (log, said) = (folder.join("packets"), folder.join("sniffer"));
        let mut tcpdump = command("nsenter");
        tcpdump.arg(format!("--net=/proc/{}/ns/net", at.pid()));
        tcpdump.args(["tcpdump", "-nn", "-l", "-i", "eth0", "-Z", "root"]);
        tcpdump.arg("tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn");
        tcpdump.stdin(Stdio::null()).stdout(std::fs::File::create(&log).unwrap());
        let tcpdump = tcpdump.stderr(std::fs::File::create(&said).unwrap()).spawn().unwrap();
        let this = Self { tcpdump, log };
        eventually("packets are listened for", || {
            std::fs::read_to_string(&said).unwrap_or_default().contains("listening on")
        });
        this
    }

    /// Who spoke to which port.
    fn seen(&self) -> BTreeSet<(IpAddr, u16)> {
        let text = std::fs::read_to_string(&self.log).unwrap();
        text.lines().filter_map(first_packet).collect()
    }
}

impl Drop for Sniffer {
    fn drop(&mut self) {
        let _ = self.tcpdump.kill();
        let _ = self.tcpdump.wait();
    }
}

/// `09:00:00.000000 IP 192.0.2.10.39222 > 192.0.2.20.80: Flags [S], ..`
fn first_packet(line: &str) -> Option<(IpAddr, u16)> {
    let (from, rest) = line.split_once(" IP ")?.1.split_once(" > ")?;
    let to = rest.split_once(':')?.0;
    Some((from.rsplit_once('.')?.0.parse().ok()?, to.rsplit_once('.')?.1.parse().ok()?))
}

/// The processes that are seen from inside a container, until told to stop.
fn watch_processes(container: &RealContainer<'_>, stop: &AtomicBool) -> BTreeSet<String> {
    let proc = container.root().join("proc");
    let mut seen = BTreeSet::new();
    while !stop.load(Ordering::Relaxed) {
        let names = std::fs::read_dir(&proc).unwrap().flatten();
        let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
        seen.extend(names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())));
        std::thread::sleep(Duration::from_millis(1));
    }
    seen
}

struct Stop<'s>(&'s AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The sessions that were recorded, as the decoy's events tell them.
fn sessions(sandbox: &Sandbox) -> Vec<Value> {
    let ran = sandbox.run(&["--json", "events", "--topic", "orchestrator.traffic.desk01"]).exits(0);
    ran.json().into_iter().filter(|event| event["success"] == true).collect()
}

fn has(sessions: &[Value], protocol: &str) -> bool {
    sessions.iter().any(|event| event["payload"]["activity"]["protocol"] == protocol)
}

/// Sessions begin every half minute or so.
fn wait_for(sandbox: &Sandbox, protocol: &str) {
    for _ in 0..600 {
        if has(&sessions(sandbox), protocol) {
            return;
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    let told = sandbox.run(&["events"]).stdout;
    let jobs = sandbox.run(&["jobs", "-v"]).stdout;
    panic!("{protocol} was not spoken:\n{told}\n{jobs}");
}

#[test]
fn sessions_leave_from_the_decoy_and_stand_in_the_logs_of_the_other_side() {
    let Some(engine) = RealEngine::start() else { return };
    let desk = engine.container("desk01-ssh", &[]);
    let web = engine.container("web01-ssh", &[]);
    desk.connect(DESK, &web, WEB);
    let Some(servers) = Servers::at(&Place::in_container(&web, WEB)) else { return };
    let sandbox = Sandbox::new();
    configure(&sandbox, &engine, &servers, "ssh");
    let findings = sandbox.run(&["--json", "doctor"]).json();
    let told = |check: &str| findings.iter().any(|it| it["check"] == check && it["severity"] == "good");
    assert!(told("traffic") && told("secrets"), "{findings:#?}");
    let sniffer = Sniffer::listen(&web, engine.folder());

    let stop = AtomicBool::new(false);
    let processes = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| watch_processes(&desk, &stop));
        // Also when the test fails in between.
        let stopping = Stop(&stop);
        for protocol in SPOKEN {
            configure(&sandbox, &engine, &servers, protocol);
            let daemon = sandbox.up();
            wait_for(&sandbox, protocol);
            let (code, log) = daemon.terminate();
            assert_eq!(code, Some(0), "{log}");
        }
        drop(stopping);
        watcher.join().unwrap()
    });
    assert_eq!(processes, BTreeSet::from(["1".to_owned()]), "nothing was started inside the decoy");

    let packets = sniffer.seen();
    let ports: BTreeSet<u16> = servers.ports().into();
    let expected: BTreeSet<(IpAddr, u16)> = ports.iter().map(|port| (DESK, *port)).collect();
    assert_eq!(packets, expected, "every session comes from the decoy, and goes nowhere else");

    // What is recorded agrees with what the servers wrote down.
    let sessions = sessions(&sandbox);
    for event in &sessions {
        assert_eq!(event["persona"], "ann", "{event}");
        assert!(event["session"].is_string(), "{event}");
    }
    let ssh = servers
        .sshd
        .log_with(&[&format!("Accepted publickey for {LOGIN} from {DESK}"), "Disconnected from user"]);
    assert!(!ssh.contains("Failed"), "{ssh}");
    let web_log = servers.nginx.log_with(&[&format!("from {DESK}"), "Mozilla/5.0", "https web01"]);
    pages_agree(&web_log, &sessions);
    let mysql =
        servers.mariadb.log_with(&[&format!("Connect\t{LOGIN}@{DESK}"), "select @@version_comment", "Quit"]);
    assert!(!mysql.contains("Access denied"), "{mysql}");
    // The daemon was ended while sessions were under way: they said goodbye, and what became of them is known.
    let unknown = sandbox.run(&["--json", "jobs", "--in", "unknown"]).exits(0).stdout;
    assert_eq!(unknown, "");
    // The same, for people.
    let text = sandbox.run(&["events", "--topic", "orchestrator.traffic.desk01"]).exits(0).stdout;
    assert!(text.contains("visits  web01:") && text.contains("as ann"), "{text}");
    let plan = sandbox.run(&["plan", "--decoy", "desk01", "-n", "5"]).exits(0).stdout;
    assert!(plan.contains("traffic to web01 port"), "{plan}");
    let everything = finish({
        let mut grep = command("grep");
        grep.args(["-rlF", PASSWORD]).arg(sandbox.path("state"));
        grep
    });
    assert_eq!(everything.stdout, "", "INV-8: the password is kept nowhere");
}

/// Every page that the server saw was asked for in a recorded session, at a time when that session was under way.
fn pages_agree(log: &str, sessions: &[Value]) {
    let mut matched = 0;
    for line in log.lines() {
        let path = line.split(' ').nth(3).unwrap();
        let at: f64 = line.rsplit_once(" at ").unwrap().1.trim().parse().unwrap();
        let during = |event: &&Value| {
            let ended: jiff::Timestamp = event["time"].as_str().unwrap().parse().unwrap();
            let ended = ended.as_millisecond() as f64 / 1e3;
            let lasted = event["payload"]["activity"]["duration_ms"].as_f64().unwrap() / 1e3;
            // An event is written down a little after its session; how much depends on how busy the machine is.
            (ended - lasted - 30.0..=ended + 1.0).contains(&at)
        };
        let says = |event: &&Value| event.to_string().contains(&format!("GET {path}: "));
        matched += usize::from(sessions.iter().filter(during).any(|event| says(&event)));
    }
    let lines = log.lines().count();
    assert!(lines > 0 && matched == lines, "{matched} of {lines}: {log}\n{sessions:#?}");
}
