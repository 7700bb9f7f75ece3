//! Decoys that are hosts behind a real sshd.

use std::fs;

use verisim_testkit::sshd::{Sshd, SshdOptions};

use crate::sandbox::{Ran, Sandbox, finish};

/// A configuration with one decoy behind this sshd, named as the user's own configuration of SSH calls it.
pub(crate) struct Site {
    sandbox: Sandbox,
    pub(crate) sshd: Sshd,
}

impl Site {
    pub(crate) fn new() -> Option<Self> {
        let sshd = Sshd::start(SshdOptions { locked_in: true, ..SshdOptions::default() })?;
        let sandbox = Sandbox::new();
        for folder in ["etc", "home/mkeller", "tmp"] {
            fs::create_dir_all(sshd.root().join(folder)).unwrap();
        }
        let passwd = "root:x:0:0::/root:/bin/sh\nmkeller:x:1004:1004::/home/mkeller:/bin/sh\n";
        fs::write(sshd.root().join("etc/passwd"), passwd).unwrap();
        let site = Self { sandbox, sshd };
        site.user_says("files01");
        site.configure("host = \"files01\"");
        Some(site)
    }

    /// The user's own configuration.
    fn user_says(&self, host: &str) {
        let (port, key) = (self.sshd.port(), self.sshd.key());
        let text = format!(
            "Host {host}\n  HostName 127.0.0.1\n  Port {port}\n  User root\n  IdentityFile {}\n  GlobalKnownHostsFile none\n",
            key.display()
        );
        self.sandbox.write("home/.ssh/config", &text);
    }

    fn configure(&self, ssh: &str) {
        let text = format!(
            "state = \"state\"\nseed = 7\n[life]\nbusy = true\npace = 50\n[[decoy]]\nname = \"files01\"\n\
             connector = {{ ssh = {{ {ssh} }} }}\npersonas = [\"maria-keller\"]\n\
             [[persona]]\nname = \"maria-keller\"\nfull_name = \"Maria Keller\"\nlogin = \"mkeller\"\n"
        );
        self.sandbox.write("verisim.toml", &text);
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        let mut command = self.sandbox.verisim(args);
        command.env("HOME", self.sandbox.path("home")).env_remove("SSH_AUTH_SOCK");
        finish(command)
    }

    fn plant(&self, path: &str) -> Ran {
        self.sandbox.write("body", "planted\n");
        let body = self.sandbox.path("body");
        self.run(&["plant", "files01", path, body.to_str().unwrap()])
    }
}

#[test]
fn a_host_is_trusted_and_then_lived_in() {
    let Some(site) = Site::new() else { return };
    // Nobody has vouched for it: nothing is written, and the message names the command that mends it.
    let ran = site.plant("/tmp/a").exits(5);
    assert!(ran.stderr.contains("verisim decoy trust files01"), "{}", ran.stderr);
    let ran = site.run(&["doctor"]).exits(5);
    let told: Vec<&str> = ran.stdout.lines().filter(|line| line.contains("SHA256:")).collect();
    let shown = told.first().and_then(|line| line.split("it shows ").nth(1)).unwrap_or_default().trim();
    assert!(
        ran.stdout.contains(&format!("verisim decoy trust files01 --fingerprint {shown}")),
        "what was seen, and the one command that accepts that: {}",
        ran.stdout
    );
    assert!(!ran.stdout.contains("ssh-copy-id"), "nothing else: {}", ran.stdout);
    let ran = site.run(&["--json", "decoy", "trust", "files01"]).exits(1);
    let line = &ran.json()[0];
    assert_eq!((&line["verdict"], &line["accepted"]), (&"unknown".into(), &false.into()));
    let fingerprint = line["fingerprint"].as_str().unwrap().to_owned();
    assert!(ran.stderr.contains(&format!("--fingerprint {fingerprint}")), "{}", ran.stderr);
    let other = format!("SHA256:{}", "A".repeat(43));
    site.run(&["decoy", "trust", "files01", "--fingerprint", &other]).exits(6);
    for slip in ["SHA256:another", "MD5:aa:bb", ""] {
        site.run(&["decoy", "trust", "files01", "--fingerprint", slip]).exits(2);
    }
    assert!(!site.sandbox.path("home/.ssh/known_hosts").exists());
    site.run(&["decoy", "trust", "files01", "--fingerprint", &fingerprint]).exits(0);
    let ran = site.run(&["--json", "decoy", "trust", "files01"]).exits(0);
    assert_eq!(ran.json()[0]["verdict"], "known");

    site.plant("/tmp/a").exits(0);
    assert_eq!(fs::read(site.sshd.root().join("tmp/a")).unwrap(), b"planted\n");
    assert_eq!(site.run(&["read", "files01", "/tmp/a"]).exits(0).stdout, "planted\n");
    site.run(&["rm", "files01", "/tmp/a"]).exits(0);
    assert!(!site.sshd.root().join("tmp/a").exists());
    assert!(!site.run(&["plan"]).exits(0).stdout.is_empty());
    let text = site.run(&["doctor"]).exits(0).stdout;
    for words in ["path sftp: over SFTP", "write exec = true beside `host`", "maria-keller has the account"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn a_host_key_that_changed_is_refused_until_a_person_accepts_it() {
    let Some(site) = Site::new() else { return };
    let known = site.sandbox.path("home/.ssh/known_hosts");
    let other = fs::read_to_string(site.sshd.stranger().with_extension("pub")).unwrap();
    let stays = format!("another.lan {other}");
    fs::write(&known, format!("{stays}[127.0.0.1]:{} {other}", site.sshd.port())).unwrap();
    let ran = site.plant("/tmp/a").exits(5);
    assert!(
        ran.stderr.contains("CHANGED") && ran.stderr.contains("verisim decoy trust files01"),
        "{}",
        ran.stderr
    );
    assert!(!site.sshd.root().join("tmp/a").exists());
    let ran = site.run(&["--json", "decoy", "trust", "files01"]).exits(1);
    let line = &ran.json()[0];
    assert_eq!(line["verdict"], "changed");
    assert_eq!(line["on_file"][0]["line"], 2);
    assert_ne!(line["on_file"][0]["fingerprint"], line["fingerprint"]);
    let ran = site.run(&["decoy", "trust", "files01", "--yes"]).exits(0);
    assert!(ran.stderr.contains("ANOTHER") && ran.stderr.contains("on file"), "{}", ran.stderr);
    assert_eq!(
        fs::read_to_string(&known).unwrap(),
        format!("{stays}{}", site.sshd.known_line().replace(" test", ""))
    );
    site.plant("/tmp/a").exits(0);
}

#[test]
fn what_the_file_says_goes_before_the_users_own_configuration() {
    let Some(site) = Site::new() else { return };
    site.user_says("other");
    let (port, key, known) = (site.sshd.port(), site.sshd.key(), site.sshd.known_hosts());
    let way = format!(
        "host = \"127.0.0.1\", port = {port}, user = \"root\", identity = \"{}\", known_hosts = \"{}\"",
        key.display(),
        known.display()
    );
    site.configure(&way);
    site.plant("/tmp/a").exits(0);
    // What `doctor` tells people to type leads to where we go.
    let stranger = site.sshd.stranger();
    site.configure(&way.replace(key.to_str().unwrap(), stranger.to_str().unwrap()));
    let ran = site.run(&["doctor"]).exits(5);
    let words = format!("ssh-copy-id -p {port} -i {} root@127.0.0.1", stranger.display());
    assert!(ran.stdout.contains(&words) && !ran.stdout.contains("decoy trust"), "{}", ran.stdout);
    // A secret that is not where it should be is told, and nothing is tried without it.
    site.configure(&format!("{way}, password = {{ env = \"NO_SUCH_VARIABLE\" }}"));
    let ran = site.plant("/tmp/b");
    assert_ne!(ran.code, Some(0));
    assert!(ran.stderr.contains("NO_SUCH_VARIABLE is not set"), "{}", ran.stderr);
    site.sandbox.write("home/.ssh/config", "Host files01\n  Port many\n");
    site.configure("host = \"files01\"");
    let ran = site.run(&["decoy", "trust", "files01"]).exits(3);
    assert!(ran.stderr.contains("config line 2"), "{}", ran.stderr);
    let ran = site.run(&["decoy", "trust", "files02"]).exits(2);
    assert!(ran.stderr.contains("files02"), "{}", ran.stderr);
}

/// They are offered, as comments, and nobody knocks there.
#[test]
fn init_offers_the_hosts_that_ssh_knows() {
    let sandbox = Sandbox::new();
    let door = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    door.set_nonblocking(true).unwrap();
    let port = door.local_addr().unwrap().port();
    let text = format!(
        "Host files01 *.lan !bad\n HostName 127.0.0.1\n Port {port}\nHost -odd\nHost *\n User root\n"
    );
    sandbox.write("home/.ssh/config", &text);
    fs::remove_file(sandbox.path("verisim.toml")).unwrap();
    let mut init =
        sandbox.verisim(&["--docker-host", "unix:///nowhere/docker.sock", "--state", "state", "init"]);
    init.env("HOME", sandbox.path("home"));
    finish(init).exits(0);
    let written = fs::read_to_string(sandbox.path("verisim.toml")).unwrap();
    assert!(written.contains("# connector = { ssh = { host = \"files01\" } }"), "{written}");
    assert!(!written.contains(".lan") && !written.contains("bad") && !written.contains("-odd"), "{written}");
    assert!(door.accept().is_err(), "nobody knocked");
}

/// A key that cannot be opened is told before a persona stands in front of a decoy with it.
#[test]
fn doctor_says_whether_the_key_of_a_persona_opens() {
    let sandbox = Sandbox::new();
    let key = sandbox.path("key");
    let mut made = crate::sandbox::command("ssh-keygen");
    made.args(["-q", "-t", "ed25519", "-N", "open sesame", "-f"]).arg(&key);
    assert!(made.status().unwrap().success());
    let root = sandbox.path("root");
    fs::create_dir_all(&root).unwrap();
    let doctor = |more: &str, passphrase: &str| {
        let text = format!(
            "state = \"state\"\nseed = 7\n[[decoy]]\nname = \"files01\"\npersonas = [\"ann\"]\n\
             connector = {{ rootfs = {{ path = {root:?} }} }}\n\
             [[persona]]\nname = \"ann\"\nfull_name = \"Ann\"\nlogin = \"ann\"\nssh_key = \"key\"\n{more}\n"
        );
        sandbox.write("verisim.toml", &text);
        let mut verisim = sandbox.verisim(&["doctor"]);
        verisim.env("ANN_KEY", passphrase);
        finish(verisim).stdout
    };
    let text = doctor("", "");
    assert!(
        text.contains("it is encrypted") && text.contains("ssh_passphrase = { env = \"NAME\" }"),
        "{text}"
    );
    let text = doctor("ssh_passphrase = { env = \"ANN_KEY\" }", "close sesame");
    assert!(text.contains("does not open it") && !text.contains("sesame"), "{text}");
    let text = doctor("ssh_passphrase = { env = \"ANN_KEY\" }", "open sesame");
    assert!(text.contains("its SSH key is there") && !text.contains("sesame"), "{text}");
    let config = fs::read_to_string(sandbox.path("verisim.toml")).unwrap();
    sandbox.write("verisim.toml", &config.replace("ssh_key = \"key\"\n", ""));
    let ran = finish(sandbox.verisim(&["doctor"])).exits(3);
    assert!(ran.stderr.contains("without an `ssh_key`"), "{}", ran.stderr);
}
