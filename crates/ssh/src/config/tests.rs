use std::path::PathBuf;

use super::*;

fn load(text: &str) -> (ClientConfig, tempfile::TempDir) {
    let home = tempfile::tempdir().unwrap();
    let ssh = home.path().join(".ssh");
    std::fs::create_dir(&ssh).unwrap();
    std::fs::write(ssh.join("config"), text).unwrap();
    let config = ClientConfig::load(&ssh.join("config"), home.path(), "me").unwrap();
    (config, home)
}

#[test]
fn the_first_value_counts_and_identities_add_up() {
    let (config, home) = load(
        "Host web\n  HostName %h.lan\n  Port 2222\n  IdentityFile ~/.ssh/%r-key\nHost *.dmz !bad.dmz\n User dmz\n\
         Host *\n\tUser=ann\n  Port 22\n  IdentityFile \"/keys/a b\"\n  IdentitiesOnly yes\n  ConnectTimeout 7\n  \
         UserKnownHostsFile ~/known /etc/known\n GlobalKnownHostsFile none\n  Ciphers whatever\n HostKeyAlias other\n",
    );
    let web = config.target("web").unwrap();
    assert_eq!((web.host.as_str(), web.port, web.user.as_str()), ("web.lan", 2222, "ann"));
    let keys: [PathBuf; 2] = [home.path().join(".ssh/ann-key"), "/keys/a b".into()];
    assert_eq!(web.identities, keys);
    assert!(web.identities_only);
    assert_eq!(web.connect_time_max, Duration::from_secs(7));
    assert_eq!(web.known_hosts, [home.path().join("known"), "/etc/known".into()]);
    assert_eq!(web.known_as(), "other");
    assert_eq!(config.target("a.dmz").unwrap().user, "dmz");
    assert_eq!(config.target("bad.dmz").unwrap().user, "ann");
    assert_eq!(config.hosts(), ["web"]);
}

#[test]
fn hosts_on_the_way_are_chained() {
    let (config, _home) = load(
        "Host inner\n ProxyJump jo@middle:2200,[::1]:23\nHost middle\n User m\n ProxyJump outer\nHost outer\n User o\n\
         Host loop\n ProxyJump loop\nHost direct\n ProxyJump none\n",
    );
    let inner = config.target("inner").unwrap();
    let way: Vec<_> =
        inner.jumps.iter().map(|hop| format!("{}@{}:{}", hop.user, hop.host, hop.port)).collect();
    assert_eq!(way, ["o@outer:22", "jo@middle:2200", "me@::1:23"]);
    assert!(inner.jumps.iter().all(|hop| hop.jumps.is_empty()));
    assert!(config.target("direct").unwrap().jumps.is_empty());
    assert!(config.target("loop").is_err());
}

#[test]
fn included_files_count_where_they_stand() {
    let (_, home) = load("");
    let ssh = home.path().join(".ssh");
    std::fs::create_dir(ssh.join("conf.d")).unwrap();
    std::fs::write(ssh.join("conf.d/1"), "Host a\n User one\nHost *\n Port 1\n").unwrap();
    std::fs::write(ssh.join("conf.d/2"), "Host a\n User two\n").unwrap();
    std::fs::write(ssh.join("config"), "Host a b\n Include conf.d/*\nInclude nowhere\nHost *\n User me2\n")
        .unwrap();
    let config = ClientConfig::load(&ssh.join("config"), home.path(), "me").unwrap();
    let seen = |name| config.target(name).map(|target| (target.user, target.port)).unwrap();
    assert_eq!(seen("a"), ("one".into(), 1));
    assert_eq!(seen("b"), ("me2".into(), 1));
    assert_eq!(seen("c"), ("me2".into(), 22), "the block around it counts too");
}

#[test]
fn what_is_left_out_is_said() {
    let (config, _home) = load(
        "Match exec true\n User evil\nHost x\n ProxyCommand nc %h %p\n StrictHostKeyChecking no\n User ann\n",
    );
    let target = config.target("x").unwrap();
    assert_eq!((target.user.as_str(), target.host_keys), ("ann", HostKeyPolicy::Strict));
    assert_eq!(config.warnings().len(), 3);
    assert!(config.warnings()[0].ends_with("config line 1: a Match block is left out"));
}

#[test]
fn what_makes_no_sense_is_an_error_with_its_line() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("config");
    for (text, line) in [("\nPort\n", 2), ("Host \"a\n", 1)] {
        std::fs::write(&file, text).unwrap();
        assert_eq!(ClientConfig::load(&file, home.path(), "me").unwrap_err().line, line, "{text}");
    }
    std::fs::write(&file, "Include config\n").unwrap();
    let looped = format!("Include {}\n", file.display());
    std::fs::write(&file, looped).unwrap();
    assert!(ClientConfig::load(&file, home.path(), "me").is_err(), "files that include each other end");
    std::fs::write(&file, "Host *\n Port many\n").unwrap();
    let config = ClientConfig::load(&file, home.path(), "me").unwrap();
    assert_eq!(config.target("x").unwrap_err().line, 2);
    assert!(ClientConfig::load(&home.path().join("none"), home.path(), "me").is_ok());
}

#[test]
fn an_agent_is_offered_unless_the_host_says_otherwise() {
    let (config, home) = load(
        "Host none\n IdentityAgent none\nHost own\n IdentityAgent ~/agent\nHost usual\n IdentityAgent SSH_AUTH_SOCK\n\
         Host way\n ProxyJump own\n",
    );
    let agent = |config: &ClientConfig, name| config.target(name).unwrap().agent;
    assert_eq!(agent(&config, "usual"), None, "there is none to offer");
    let config = config.with_agent(Some("/run/agent".into()));
    for (name, expected) in [
        ("none", None),
        ("own", Some(home.path().join("agent"))),
        ("usual", Some("/run/agent".into())),
        ("unsaid", Some("/run/agent".into())),
    ] {
        assert_eq!(agent(&config, name), expected, "{name}");
    }
    assert_eq!(config.target("way").unwrap().jumps[0].agent, Some(home.path().join("agent")));
}
