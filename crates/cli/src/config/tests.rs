use std::path::Path;

use super::*;

fn mistakes(text: &str) -> Vec<Mistake> {
    match parse(text, Path::new("/nowhere/verisim.toml"), None) {
        Ok(config) => panic!("no mistake was found: {config:?}"),
        Err(ConfigError::Mistakes { mistakes, .. }) => mistakes,
        Err(ConfigError::Unreadable(error)) => panic!("{error:?}"),
    }
}

#[test]
fn references_and_places_are_checked_over_the_whole() {
    let found = mistakes(
        r#"
state = "/nowhere/decoys/files01/state"
seed = 1
[[decoy]]
name = "files01"
connector = { rootfs = { path = "decoys/files01" } }
personas = ["maria-kelle"]
[[decoy]]
name = "files01"
connector = { rootfs = { path = "/nowhere/decoys/files01/../files01" } }
[[persona]]
name = "maria-keller"
full_name = "Maria Keller"
login = "mkeller"
[[destination]]
name = "vault"
native = { path = "/nowhere/vault" }
[[capture]]
name = "cowrie"
path = "/nowhere/vault/cowrie"
complete = { quiet = "10m", sentinel = "done" }
destination = "vaults"
"#,
    );
    let at = |line: usize| {
        found.iter().filter(|m| m.line == line).map(|m| m.what.as_str()).collect::<Vec<_>>().join("; ")
    };
    assert!(at(6).contains("holds the state folder"), "{found:#?}");
    assert!(at(7).contains("no persona `maria-kelle`"), "{found:#?}");
    assert!(at(9).contains("second time"), "{found:#?}");
    assert!(at(10).contains("is the same folder as"), "{found:#?}");
    assert!(at(20).contains("lies inside the destination"), "{found:#?}");
    assert!(at(21).contains("more than one signal"), "{found:#?}");
}

#[test]
fn text_that_is_no_toml_does_not_hide_the_rest() {
    let found = mistakes("state = \"/nowhere/state\"\nseed = = 5\n[[decoy]]\nname = files01\nconector = 5\n");
    let lines: Vec<usize> = found.iter().map(|mistake| mistake.line).collect();
    assert!(lines.contains(&2) && lines.contains(&4) && lines.contains(&5), "{found:#?}");
}

/// What is wrong with a decoy of this root, in one line; empty where nothing is.
fn about_root(root: &str) -> String {
    let text = format!(
        "state = \"/nowhere/state\"\nseed = 1\n[[decoy]]\nname = \"d\"\nconnector = {{ rootfs = {{ path = {root:?} }} }}\n\
         [[destination]]\nname = \"v\"\nnative = {{ path = \"/nowhere/vault\" }}\n[[capture]]\nname = \"c\"\n\
         path = \"/nowhere/captures\"\ncomplete = {{ quiet = \"10m\" }}\ndestination = \"v\"\n"
    );
    match parse(&text, Path::new("/nowhere/verisim.toml"), None) {
        Ok(_) => String::new(),
        Err(ConfigError::Mistakes { mistakes, .. }) => {
            mistakes.iter().map(|mistake| format!("{}: {}", mistake.line, mistake.what)).collect()
        }
        Err(ConfigError::Unreadable(error)) => panic!("{error:?}"),
    }
}

#[test]
fn a_root_that_is_the_running_machine_or_ours_is_refused() {
    for root in
        ["/", "/etc", "/etc/", "/usr/../etc", "/proc", "/proc/self/root", "/proc/1/cwd", "/sys/kernel"]
    {
        assert!(about_root(root).contains("machine"), "{root}: {}", about_root(root));
    }
    for root in ["/dev", "/home", "/usr", "/var", "/root", "/tmp", "/boot", "/bin"] {
        assert!(about_root(root).starts_with("5: "), "{root}: {}", about_root(root));
    }
    for root in [
        "/nowhere",
        "/nowhere/state",
        "/nowhere/state/d",
        "/nowhere/vault",
        "/nowhere/captures",
        "/nowhere/captures/d",
    ] {
        assert!(!about_root(root).is_empty(), "{root}");
    }
    // The same folder under another name.
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("link");
    std::os::unix::fs::symlink("/etc", &link).unwrap();
    assert!(about_root(link.to_str().unwrap()).contains("/etc of this machine"));
    for root in [
        "/var/lib/docker/overlay2/abc/merged",
        "/var/lib/lxc/x/rootfs",
        "/srv/x",
        "/srv",
        "/mnt",
        "/opt/cowrie/honeyfs",
        "/usr/share/cowrie/honeyfs",
        "/home/ann/decoy",
        "/dev/shm/decoy",
        "files01",
        "/tmp/a",
        "/mnt/c$",
        "/srv/a~b",
    ] {
        assert_eq!(about_root(root), "", "{root}");
    }
}

#[test]
fn what_only_a_shell_would_expand_is_told_apart_from_a_folder() {
    for (root, said) in [
        ("~", "`~` is not expanded"),
        ("~/decoy", "`~` is not expanded"),
        ("$HOME/decoy", "`$HOME` is not expanded"),
        ("/srv/${name}", "`${name}` is not expanded"),
        ("", "blank"),
        (" ", "blank"),
        ("/srv/x ", "blank"),
    ] {
        let told = about_root(root);
        assert!(told.starts_with("5: ") && told.contains(said), "{root:?}: {told}");
    }
}

#[test]
fn a_whole_configuration_is_read() {
    let text = r#"
state = "state"
seed = 20261121
[life]
pace = 2
effects = { create = 10 }
[history]
keep = "30d"
[[decoy]]
name = "files01"
connector = { rootfs = { path = "/nowhere/files01" } }
services = ["ssh", "smb"]
role = "file-server"
address = "192.0.2.7"
personas = ["maria-keller"]
[[persona]]
name = "maria-keller"
full_name = "Maria Keller"
login = "mkeller"
uid = 1002
role = "analyst"
time_zone = "Europe/Berlin"
week = "mon-fri 08:30-17:30"
holidays = ["2026-12-25"]
[[destination]]
name = "vault"
native = { path = "/nowhere/nas" }
bandwidth = { mbit = 50, windows = [{ days = "mon-fri", from = "08:00", to = "18:00" }] }
[[capture]]
name = "cowrie"
path = "/nowhere/files01/var/downloads"
each = "directory"
complete = { quiet = "10m" }
destination = "vault"
cleanup = { enabled = true, min_passes = 3, min_age = "48h" }
"#;
    let config = parse(text, Path::new("/nowhere/verisim.toml"), None).unwrap();
    assert_eq!(config.state, Path::new("/nowhere/state"));
    assert_eq!(config.life.effects.create, 10);
    assert_eq!(config.personas[0].owner, Some(verisim_core::Owner { uid: 1002, gid: 1002 }));
    assert_eq!(config.destinations[0].bandwidth.as_ref().unwrap().bytes_per_second, 6_250_000);
    assert!(config.captures[0].cleanup.enabled);
    assert_eq!(config.captures[0].complete, Complete::Quiet(std::time::Duration::from_secs(600)));
    // Only captures, no decoy: a laboratory that never meets one.
    let text = "state = \"s\"\n[[destination]]\nname = \"v\"\nnative = { path = \"v\" }\n[[capture]]\nname = \"c\"\npath = \"c\"\ncomplete = { sentinel = \"done\" }\ndestination = \"v\"\n";
    assert!(parse(text, Path::new("/nowhere/verisim.toml"), None).is_ok());
}

/// What is wrong with the ways to these decoys, by the order of the decoys.
fn about_connectors(connectors: &[&str]) -> String {
    let decoys = connectors
        .iter()
        .enumerate()
        .map(|(number, connector)| format!("[[decoy]]\nname = \"d{number}\"\nconnector = {connector}\n"));
    let text = format!("state = \"/nowhere/state\"\nseed = 1\n{}", decoys.collect::<String>());
    match parse(&text, Path::new("/nowhere/verisim.toml"), None) {
        Ok(_) => String::new(),
        Err(ConfigError::Mistakes { mistakes, .. }) => {
            mistakes.iter().map(|mistake| format!("{}: {}\n", mistake.line, mistake.what)).collect()
        }
        Err(ConfigError::Unreadable(error)) => panic!("{error:?}"),
    }
}

#[test]
fn containers_are_read_and_every_mistake_in_them_is_told() {
    for good in [
        "{ docker = { container = \"files01-ssh\" } }",
        "{ docker = { container = \"a\", host = \"unix:///run/x.sock\", path = \"fast\", exec = true } }",
        "{ docker = { container = \"a\", host = \"tcp://10.0.0.1:2375\", path = \"portable\" } }",
        "{ docker = { container = \"a\", host = \"tcp://h:2376\", tls = { ca = \"ca.pem\", certificate = \"c.pem\", key = \"k.pem\" } } }",
    ] {
        assert_eq!(about_connectors(&[good]), "", "{good}");
    }
    for (bad, said) in [
        ("{ docker = { } }", "no `container`"),
        ("{ docker = { container = \"../x\" } }", "letter or digit"),
        ("{ docker = { container = \"a\", host = \"ssh://h\" } }", "unix:///path or tcp://host:port"),
        ("{ docker = { container = \"a\", path = \"quick\" } }", "neither"),
        (
            "{ docker = { container = \"a\", host = \"tcp://h:1\", path = \"fast\" } }",
            "a socket of this machine",
        ),
        (
            "{ docker = { container = \"a\", tls = { ca = \"a\", certificate = \"b\", key = \"c\" } } }",
            "reached by TCP",
        ),
        ("{ docker = { container = \"a\", host = \"tcp://h:1\", tls = { ca = \"a\" } } }", "no `key`"),
        ("{ docker = { container = \"a\", exec = \"yes\" } }", "`exec` is a string"),
        ("{ docker = { container = \"a\", contaner = \"b\" } }", "no key `contaner`"),
        ("{ docker = { container = \"a\" }, rootfs = { path = \"/nowhere/a\" } }", "more than one way"),
        ("{ }", "no way"),
    ] {
        let told = about_connectors(&[bad]);
        assert!(told.lines().any(|line| line.starts_with("5: ") && line.contains(said)), "{bad}: {told}");
    }
}

#[test]
fn two_decoys_do_not_share_a_container() {
    let on = |host: &str| format!("{{ docker = {{ container = \"a\", host = \"{host}\" }} }}");
    let plain = "{ docker = { container = \"a\" } }";
    let told = about_connectors(&[plain, &on("/var/run/docker.sock")]);
    assert_eq!(told, "8: the container `a` is the decoy `d0` already\n");
    assert_eq!(about_connectors(&[plain, &on("unix:///run/other.sock")]), "");
}

#[test]
fn hosts_are_read_and_every_mistake_in_them_is_told() {
    for good in [
        "{ ssh = { host = \"files01\" } }",
        "{ ssh = { host = \"2001:db8::1\", port = 2222, user = \"root\", identity = \"keys/decoys\", known_hosts = \"known\" } }",
        "{ ssh = { host = \"a\", path = \"exec\" } }",
        "{ ssh = { host = \"a\", path = \"sftp\", exec = true } }",
        "{ ssh = { host = \"a\", password = { env = \"A_PASSWORD\" }, passphrase = { file = \"a.passphrase\" } } }",
    ] {
        assert_eq!(about_connectors(&[good]), "", "{good}");
    }
    for (bad, said) in [
        ("{ ssh = { } }", "no `host`"),
        ("{ ssh = { host = \"\" } }", "no name of a host"),
        ("{ ssh = { host = \"-oProxyCommand=x\" } }", "no name of a host"),
        ("{ ssh = { host = \"root@files01\" } }", "user = \"root\""),
        ("{ ssh = { host = \"a\", port = 0 } }", "out of range"),
        ("{ ssh = { host = \"a\", port = \"22\" } }", "`port` is a string"),
        ("{ ssh = { host = \"a\", user = \"a b\" } }", "cannot be a user"),
        ("{ ssh = { host = \"a\", identity = \"~/.ssh/id\" } }", "not expanded"),
        ("{ ssh = { host = \"a\", path = \"scp\" } }", "neither"),
        ("{ ssh = { host = \"a\", path = \"exec\", exec = false } }", "forbids them"),
        ("{ ssh = { host = \"a\", password = \"hunter2\" } }", "does not belong into this file"),
        ("{ ssh = { host = \"a\", passphrase = { } } }", "one place"),
        ("{ ssh = { host = \"a\", pasword = \"hunter2\" } }", "no key `pasword`"),
        ("{ ssh = { host = \"a\" }, docker = { container = \"a\" } }", "more than one way"),
    ] {
        let told = about_connectors(&[bad]);
        assert!(told.lines().any(|line| line.starts_with("5: ") && line.contains(said)), "{bad}: {told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
    let on = |port: u16| format!("{{ ssh = {{ host = \"a\", port = {port} }} }}");
    let told = about_connectors(&[&on(22), "{ ssh = { host = \"A\", port = 22 } }"]);
    assert_eq!(told, "8: the host `A` is the decoy `d0` already\n");
    assert_eq!(about_connectors(&[&on(22), &on(2222)]), "");
}

/// What is wrong with a decoy and a persona of which these are lines, each line with its number.
fn about_lines(decoy: &str, persona: &str, more: &str) -> String {
    let text = format!(
        "state = \"/nowhere/state\"\nseed = 1\n[[decoy]]\nname = \"d\"\nconnector = {{ rootfs = {{ path = \"/nowhere/d\" }} }}\n\
         {decoy}\n[[persona]]\nname = \"ann\"\nfull_name = \"Ann\"\nlogin = \"ann\"\n{persona}\n{more}\n"
    );
    match parse(&text, Path::new("/nowhere/verisim.toml"), None) {
        Ok(_) => String::new(),
        Err(ConfigError::Mistakes { mistakes, .. }) => {
            let line = |mistake: &Mistake| format!("{}: {}; {}\n", mistake.line, mistake.what, mistake.mend);
            mistakes.iter().map(line).collect()
        }
        Err(ConfigError::Unreadable(error)) => panic!("{error:?}"),
    }
}

#[test]
fn what_decoys_offer_is_read_and_every_slip_told() {
    for good in [
        "services = [\"ssh\", \"http:8080\", \"mysql\", \"mariadb:3307\", \"tcp:9000\", \"smb\", \"imap\", \"smtp\"]",
        "services = [\"telnet\", \"ftp\", \"imaps\", \"sip:5060\", \"something-of-our-own\"]\naddress = \"2001:db8::1\"",
        "services = []",
    ] {
        assert_eq!(about_lines(good, "", ""), "", "{good}");
    }
    for (bad, said) in [
        ("services = [\"htpp\"]", "did you mean \"http\""),
        ("services = [\"SSH\"]", "did you mean \"ssh\""),
        ("services = [\"tcp\"]", "tcp:9000"),
        ("services = [\"http:\"]", "no port"),
        ("services = [\"http:0\"]", "no port"),
        ("services = [\"http:99999\"]", "no port"),
        ("services = [\"my web server\"]", "cannot name a service"),
        ("services = [22]", "list of texts"),
        ("address = \"web01.example\"", "a name is not looked up"),
        ("address = \"0.0.0.0\"", "not the address of one host"),
        ("services = [\"http\", \"web:80\"]\naddress = \"192.0.2.1\"", "what `d` offers already"),
    ] {
        let told = about_lines(bad, "", "");
        assert!(told.lines().any(|line| line.starts_with("6: ") && line.contains(said)), "{bad}: {told}");
    }
}

#[test]
fn inv_8_a_password_is_taken_from_elsewhere_and_one_that_stands_here_is_not_shown() {
    for good in ["password = { env = \"ANN_PASSWORD\" }", "password = { file = \"ann.password\" }"] {
        assert_eq!(about_lines("", good, ""), "", "{good}");
    }
    for (bad, said) in [
        ("password = \"hunter2\"", "does not belong into this file"),
        ("password = { env = \"hunter2!\" }", "not the name of a variable"),
        ("password = { }", "one place"),
        ("password = { env = \"A\", file = \"b\" }", "one place"),
        ("password = { fil = \"hunter2\" }", "did you mean `file`"),
        ("password = { file = \"~/x\" }", "not expanded"),
        ("password = 5", "`password` is an integer"),
        ("ssh_passphrase = \"hunter2\"", "does not belong into this file"),
    ] {
        let told = about_lines("", bad, "");
        assert!(told.lines().any(|line| line.starts_with("11: ") && line.contains(said)), "{bad}: {told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn traffic_is_weighed_and_can_be_switched_off() {
    let life = |more: &str| {
        let text = format!("state = \"/nowhere/state\"\nseed = 1\n{more}\n");
        parse(&text, Path::new("/nowhere/verisim.toml"), None).unwrap().life
    };
    let usual = life("");
    assert!(usual.effects.traffic > 0);
    assert_eq!(life("[life.traffic]\nenabled = false").effects.traffic, 0);
    let weighed = life("[life.traffic]\nssh = 0\nmysql = 99");
    assert_eq!(
        (weighed.traffic.ssh, weighed.traffic.mysql, weighed.traffic.http),
        (0, 99, usual.traffic.http)
    );
    for (bad, said) in [
        ("[life.traffic]\nhtttp = 5", "did you mean `http`"),
        ("[life.traffic]\nhttp = -5", "out of range"),
        ("[life.traffic]\nenabled = \"no\"", "without quotes"),
    ] {
        let told = about_lines("", "", bad);
        assert!(told.lines().any(|line| line.starts_with("13: ") && line.contains(said)), "{bad}: {told}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "([a-z_]{1,9} ?= ?(\"[a-z/]{0,5}\"|[0-9]{1,3}|\\{|\\[|\\]|\\})\n|\\[\\[?(decoy|persona|capture|destination|life)\\]\\]?\n){0,12}|.{0,80}") {
        let _ = parse(&text, Path::new("/nowhere/verisim.toml"), None);
    }
}

#[test]
fn how_decoys_are_found_is_read_and_checked() {
    let load = |text: &str| {
        parse(&format!("state = \"/nowhere\"\n{text}"), Path::new("/nowhere/verisim.toml"), None)
    };
    let bare = load("").unwrap().discover;
    assert!(bare.docker && bare.naming.enabled && !bare.is_asked_for);
    let capture = "[[destination]]\nname = \"v\"\nnative = { path = \"/v\" }\n\
                   [[capture]]\nname = \"c\"\npath = \"/c\"\ncomplete = { quiet = \"1m\" }\ndestination = \"v\"\n";
    let evidence = load(capture).unwrap().discover;
    assert!(evidence.docker && !evidence.naming.enabled, "a laboratory has no decoys by their names");
    let full = load(
        "[discover]\ndocker = true\nprefix = \"decky-\"\nhost = \"tcp://192.0.2.1:2375\"\npeople = 3\ntime_zone = \"Europe/Berlin\"",
    );
    let full = full.unwrap().discover;
    assert!(full.is_asked_for && full.has_host && full.naming.enabled && full.people == 3);
    assert_eq!(full.naming.prefix.as_str(), "decky-");
    assert_eq!(full.host.to_string(), "tcp://192.0.2.1:2375");
    let found = mistakes(
        "state = \"/nowhere\"\n[discover]\ndocker = \"yes\"\nprefix = \"No_\"\nhost = \"x\"\npeople = 99\npersonas = [\"nobody\"]\nhots = 1",
    );
    let lines: Vec<usize> = found.iter().map(|mistake| mistake.line).collect();
    assert_eq!(lines, [3, 4, 5, 6, 7, 8], "{found:?}");
}
