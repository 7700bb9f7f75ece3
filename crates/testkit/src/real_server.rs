//! Servers that a decoy would run, for one test each: on a port of their own, with their files in a folder that goes with
//! them, and with their own logs to be asked what they saw. They stand on this machine, or in the network of a container.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "what a test prepares fails by panicking, and real servers are processes"
)]

use std::fs::{self, File};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tempfile::TempDir;

use crate::RealContainer;

/// The account and the password that the servers know.
pub const LOGIN: &str = "ann";
/// See [`LOGIN`].
pub const PASSWORD: &str = "correct \"horse\" \\ staple";
/// How often a server is looked for until it is given up, every 50 ms.
const TRIES: usize = 600;

/// Where a server stands.
#[derive(Debug, Clone)]
pub struct Place {
    /// The address that it listens on.
    pub address: IpAddr,
    /// The process whose network it is in; `None` for our own.
    network_of: Option<u32>,
}

impl Place {
    /// On this machine alone.
    #[must_use]
    pub fn here() -> Self {
        Self { address: [127, 0, 0, 1].into(), network_of: None }
    }

    /// In the network of a container, which has this address.
    #[must_use]
    pub fn in_container(container: &RealContainer<'_>, address: IpAddr) -> Self {
        Self { address, network_of: Some(container.pid()) }
    }

    /// The same command, in that network. Its process stays the same.
    #[must_use]
    pub fn enter(&self, command: Command) -> Command {
        let Some(pid) = self.network_of else { return command };
        let mut there = Command::new("nsenter");
        there.arg(format!("--net=/proc/{pid}/ns/net")).arg(command.get_program()).args(command.get_args());
        there
    }

    fn answers(&self, port: u16) -> bool {
        let at = SocketAddr::new(self.address, port);
        let Some(pid) = self.network_of else { return TcpStream::connect(at).is_ok() };
        let Ok(network) = File::open(format!("/proc/{pid}/ns/net")) else { return false };
        // On a thread of its own, which ends in that network.
        let look = || {
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(network.as_fd(), kind).is_ok() && TcpStream::connect(at).is_ok()
        };
        std::thread::scope(|scope| scope.spawn(look).join().unwrap())
    }
}

/// A running server. It ends when it is dropped.
#[derive(Debug)]
pub struct RealServer {
    held: TempDir,
    child: Child,
    port: u16,
    second_port: u16,
}

impl RealServer {
    /// An sshd that lets nobody in.
    #[must_use]
    pub fn sshd() -> Option<Self> {
        let program = program("sshd")?;
        Self::start("sshd", &Place::here(), |held, port, _| {
            Self::configure_sshd(held, &Place::here(), port, "");
            let mut command = Command::new(&program);
            command.args(["-D", "-f"]).arg(held.join("config")).arg("-E").arg(held.join("log"));
            command
        })
    }

    /// An sshd at a place that lets [`LOGIN`] in, with the key of [`RealServer::key`]. The account is there for it alone. Takes
    /// root.
    #[must_use]
    pub fn sshd_with_account(place: &Place) -> Option<Self> {
        let program = program("sshd").filter(|_| is_root("an sshd with an account"))?;
        Self::start("sshd", place, |held, port, _| {
            Self::configure_sshd(held, place, port, "AuthorizedKeysFile {held}/client.pub\n");
            run(Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(held.join("client")));
            let accounts = fs::read_to_string("/etc/passwd").unwrap();
            let account = format!("{LOGIN}:*:64123:65534:Ann:{}:/bin/sh\n", held.display());
            fs::write(held.join("passwd"), accounts + &account).unwrap();
            let mut command = Command::new("unshare");
            command
                .args(["--mount", "sh", "-c"])
                .arg(
                    "mount --bind \"$1/passwd\" /etc/passwd && exec \"$2\" -D -f \"$1/config\" -E \"$1/log\"",
                )
                .arg("sh")
                .arg(held)
                .arg(&program);
            command
        })
    }

    fn configure_sshd(held: &Path, place: &Place, port: u16, more: &str) {
        let _ = fs::create_dir_all("/run/sshd");
        run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(held.join("host")));
        let (address, folder) = (place.address, held.display().to_string());
        let text = format!(
            "Port {port}\nListenAddress {address}\nHostKey {folder}/host\nPidFile none\nUsePAM no\nUseDNS no\n\
             PasswordAuthentication no\nStrictModes no\nLogLevel VERBOSE\n{}",
            more.replace("{held}", &folder)
        );
        fs::write(held.join("config"), text).unwrap();
    }

    /// The private key that an sshd with an account lets in.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.held.path().join("client")
    }

    /// An nginx with a few pages, over HTTP and, at the second port, over TLS with a certificate of its own making. The log
    /// has method, path, status, referer and agent.
    #[must_use]
    pub fn nginx() -> Option<Self> {
        Self::nginx_at(&Place::here())
    }

    /// The same at a place.
    #[must_use]
    pub fn nginx_at(place: &Place) -> Option<Self> {
        let (program, _) = (program("nginx")?, program("openssl")?);
        let address = place.address;
        Self::start("nginx", place, |held, port, tls| {
            run(Command::new("openssl")
                .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
                .args(["-subj", "/CN=somebody else", "-days", "2", "-keyout"])
                .arg(held.join("key"))
                .arg("-out")
                .arg(held.join("cert")));
            let www = held.join("www");
            fs::create_dir(&www).unwrap();
            for (name, text) in PAGES {
                fs::write(www.join(name), text).unwrap();
            }
            let held = held.display();
            let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
            let text = format!(
                "daemon off; master_process off; {user} pid {held}/pid; error_log {held}/error;\nevents {{}}\n\
                 http {{ types {{ text/html html; text/css css; }} log_format told '$scheme $host $request $status \
                 \"$http_referer\" \"$http_user_agent\" $connection from $remote_addr at $msec';\n access_log {held}/log told;\n\
                 client_body_temp_path {held}/t1; proxy_temp_path {held}/t2; fastcgi_temp_path {held}/t3; \
                 uwsgi_temp_path {held}/t4; scgi_temp_path {held}/t5;\n server {{ listen {address}:{port}; listen \
                 {address}:{tls} ssl; ssl_certificate {held}/cert; ssl_certificate_key {held}/key; root {held}/www; \
                 location = /old {{ return 302 /about.html; }} location = /away {{ return 302 http://192.0.2.1/; }} \
                 location = /round {{ return 302 /round; }} }} }}\n"
            );
            fs::write(format!("{held}/config"), text).unwrap();
            let mut command = Command::new(&program);
            command.args(["-c", &format!("{held}/config"), "-p", &held.to_string()]);
            command
        })
    }

    /// A MariaDB that lets [`LOGIN`] in. Its general log has every login and query.
    #[must_use]
    pub fn mariadb() -> Option<Self> {
        Self::mariadb_at(&Place::here())
    }

    /// The same at a place.
    #[must_use]
    pub fn mariadb_at(place: &Place) -> Option<Self> {
        let (program, install) = (program("mariadbd")?, program("mariadb-install-db")?);
        let bind = format!("--bind-address={}", place.address);
        Self::start("mariadb", place, |held, port, _| {
            let user =
                if rustix::process::geteuid().is_root() { "--user=root" } else { "--skip-name-resolve" };
            let data = format!("--datadir={}/data", held.display());
            run(Command::new(&install).args([
                "--no-defaults",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                user,
                &data,
            ]));
            let held = held.display();
            let quoted = PASSWORD.replace('\\', "\\\\");
            let sql = format!("CREATE USER '{LOGIN}'@'%' IDENTIFIED BY '{quoted}';\n");
            fs::write(format!("{held}/init.sql"), sql).unwrap();
            let mut command = Command::new(&program);
            command.args(["--no-defaults", user, &data, &bind, "--skip-name-resolve"]).args([
                format!("--port={port}"),
                format!("--socket={held}/socket"),
                format!("--pid-file={held}/pid"),
                format!("--init-file={held}/init.sql"),
                "--general-log=1".to_owned(),
                format!("--general-log-file={held}/log"),
                "--innodb-buffer-pool-size=8M".to_owned(),
                "--innodb-flush-log-at-trx-commit=0".to_owned(),
            ]);
            command
        })
    }

    /// A dovecot that lets everybody in with [`PASSWORD`]. Takes root.
    #[must_use]
    pub fn dovecot() -> Option<Self> {
        let program = program("dovecot").filter(|_| is_root("dovecot"))?;
        Self::start("dovecot", &Place::here(), |held, port, _| {
            let held = held.display();
            fs::write(format!("{held}/users"), format!("{LOGIN}:{{PLAIN}}{PASSWORD}::::::\n")).unwrap();
            let text = format!(
                "base_dir = {held}/run\nstate_dir = {held}/state\nlog_path = {held}/log\nprotocols = imap\nssl = no\n\
                 disable_plaintext_auth = no\nmail_location = maildir:{held}/mail/%u\nmail_debug = no\n\
                 service imap-login {{\n chroot =\n inet_listener imap {{\n address = 127.0.0.1\n port = {port}\n }}\n \
                 inet_listener imaps {{\n port = 0\n }}\n}}\npassdb {{\n driver = passwd-file\n args = {held}/users\n}}\n\
                 userdb {{\n driver = static\n args = uid=nobody gid=nogroup home={held}/mail/%u\n}}\n\
                 first_valid_uid = 1\n"
            );
            fs::create_dir(format!("{held}/mail")).unwrap();
            fs::set_permissions(format!("{held}/mail"), fs::Permissions::from_mode(0o777)).unwrap();
            fs::write(format!("{held}/config"), text).unwrap();
            let mut command = Command::new(&program);
            command.args(["-F", "-c", &format!("{held}/config")]);
            command
        })
    }

    /// An exim that takes no mail. Its log names the commands of a session in which no mail came. Takes root.
    #[must_use]
    pub fn exim() -> Option<Self> {
        let program = program("exim4").filter(|_| is_root("exim"))?;
        Self::start("exim", &Place::here(), |held, port, _| {
            let held = held.display();
            for dir in ["spool", "logs"] {
                fs::create_dir(format!("{held}/{dir}")).unwrap();
                fs::set_permissions(format!("{held}/{dir}"), fs::Permissions::from_mode(0o777)).unwrap();
            }
            let text = format!(
                "primary_hostname = mail01\nlog_file_path = {held}/logs/%s\nspool_directory = {held}/spool\n\
                 daemon_smtp_ports = {port}\nlocal_interfaces = 127.0.0.1\nlog_selector = +smtp_no_mail +smtp_connection\n\
                 host_lookup =\npid_file_path = {held}/pid\ntls_advertise_hosts =\n"
            );
            fs::write(format!("{held}/config"), text).unwrap();
            let mut command = Command::new(&program);
            command.args(["-C", &format!("{held}/config"), "-bdf"]);
            command
        })
    }

    pub(crate) fn start(
        name: &str,
        place: &Place,
        prepare: impl FnOnce(&Path, u16, u16) -> Command,
    ) -> Option<Self> {
        let held = TempDir::with_prefix(format!("verisim-{name}-")).unwrap();
        fs::set_permissions(held.path(), fs::Permissions::from_mode(0o755)).unwrap();
        // Both are held until both are known, so that they differ.
        let free = [TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap()];
        let [port, second_port] = free.map(|listener| listener.local_addr().unwrap().port());
        let mut command = place.enter(prepare(held.path(), port, second_port));
        let out = File::create(held.path().join("output")).unwrap();
        let (stdout, stderr) = (out.try_clone().unwrap(), out);
        let child = command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).spawn().unwrap();
        let mut this = Self { held, child, port, second_port };
        for _ in 0..TRIES {
            if place.answers(port) {
                return Some(this);
            }
            if this.child.try_wait().unwrap().is_some() {
                break;
            }
            sleep(Duration::from_millis(50));
        }
        panic!("{name} did not come up: {}{}", this.text("output"), this.text("log"));
    }

    /// Its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its second port: TLS of nginx.
    #[must_use]
    pub const fn second_port(&self) -> u16 {
        self.second_port
    }

    /// The file of its log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        let exim = self.held.path().join("logs/main");
        if exim.exists() { exim } else { self.held.path().join("log") }
    }

    /// Its log, as soon as all of these words are in it.
    ///
    /// # Panics
    /// When they do not come.
    #[must_use]
    pub fn log_with(&self, words: &[&str]) -> String {
        let mut text = String::new();
        for _ in 0..TRIES {
            text = fs::read(self.log())
                .map(|log| String::from_utf8_lossy(&log).into_owned())
                .unwrap_or_default();
            if words.iter().all(|word| text.contains(word)) {
                return text;
            }
            sleep(Duration::from_millis(50));
        }
        panic!("not all of {words:?} in the log:\n{text}");
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.held.path().join(name)).unwrap_or_default()
    }
}

impl Drop for RealServer {
    fn drop(&mut self) {
        // Some have children, and end them when they are asked to end.
        if let Ok(Some(pid)) = i32::try_from(self.child.id()).map(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        for _ in 0..60 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A few pages, linked, with what belongs to them, and with links that a visitor leaves alone.
const PAGES: [(&str, &str); 5] = [
    (
        "index.html",
        "<html><head><link rel=stylesheet href=\"/style.css\"></head><body><a href=\"about.html\">About</a> \
         <a href=\"/logout.html\">Log out</a> <a href=\"http://192.0.2.1/\">Elsewhere</a></body></html>\n",
    ),
    ("about.html", "<html><body><a href=\"/team.html\">Team</a></body></html>\n"),
    ("team.html", "<html><body>We.</body></html>\n"),
    ("logout.html", "<html><body>Gone.</body></html>\n"),
    ("style.css", "body { color: black }\n"),
];

pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let places = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"];
    let found = places.iter().map(|place| Path::new(place).join(name)).find(|path| path.exists());
    if found.is_none() {
        skip(&format!("{name} is not installed"));
    }
    found
}

fn is_root(name: &str) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        skip(&format!("{name} takes root"));
    }
    is_root
}

/// Says that something is not checked here, and why; in continuous integration that is an error.
#[expect(clippy::print_stderr, reason = "a check that does not run says so")]
pub fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{why}");
    eprintln!("NOT CHECKED: {why}");
}

pub(crate) fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
