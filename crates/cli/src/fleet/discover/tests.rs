use proptest::prelude::*;

use super::*;

fn rule() -> NamingRule {
    NamingRule { enabled: true, prefix: String::new() }
}

/// A container that runs; `network` as an engine says it, a network of a person's making by its own name.
fn container(name: &str, network: &str, labels: &[(&str, &str)]) -> ContainerFacts {
    let own = !network.starts_with("container:");
    ContainerFacts {
        id: format!("id-of-{name}"),
        name: name.parse().unwrap(),
        state: ContainerState::Running,
        labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        network: network.to_owned(),
        networks: own.then(|| network.to_owned()).into_iter().collect(),
        addresses: own.then(|| (network.to_owned(), IpAddr::from([192, 0, 2, 7]))).into_iter().collect(),
    }
}

fn found(all: &[ContainerFacts]) -> Vec<(String, String)> {
    let findings = decoys_among(all, &rule());
    findings.decoys.values().map(|one| (one.name.to_string(), one.container.to_string())).collect()
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[test]
fn a_label_makes_a_decoy_and_says_who_works_there() {
    let labels =
        [(LABEL_DECOY, "files01"), (LABEL_PERSONAS, "ada, bob,ada,No Name"), (LABEL_ROLE, "file-server")];
    let all = [container("anything", "bridge", &labels), container("other", "bridge", &[])];
    let findings = decoys_among(&all, &NamingRule::default());
    let decoy = &findings.decoys[&"files01".parse().unwrap()];
    assert_eq!((findings.decoys.len(), decoy.container.as_str()), (1, "anything"));
    assert_eq!(decoy.personas.as_ref().unwrap().len(), 2);
    assert_eq!(decoy.role.as_deref(), Some("file-server"));
    assert!(!decoy.by_naming);
    assert_eq!(findings.remarks.len(), 1, "No Name is no name: {:?}", findings.remarks);
}

#[test]
fn files_go_to_the_container_that_says_so_else_to_that_of_ssh_else_to_the_only_one() {
    let decoy =
        |name: &str, more: &[(&str, &str)]| container(name, "lan", &[&[(LABEL_DECOY, "d")], more].concat());
    assert_eq!(found(&[decoy("a", &[]), decoy("d-ssh", &[])]), pairs(&[("d", "d-ssh")]));
    assert_eq!(found(&[decoy("a", &[(LABEL_SERVICE, "ssh")]), decoy("b", &[])]), pairs(&[("d", "a")]));
    assert_eq!(found(&[decoy("a", &[(LABEL_FILES, "true")]), decoy("d-ssh", &[])]), pairs(&[("d", "a")]));
    assert_eq!(
        found(&[decoy("a", &[(LABEL_FILES, "false")]), decoy("d-ssh", &[])]),
        pairs(&[("d", "d-ssh")])
    );
    for unclear in [
        [decoy("a", &[]), decoy("b", &[])],
        [decoy("a", &[(LABEL_FILES, "1")]), decoy("b", &[(LABEL_FILES, "1")])],
        [decoy("a", &[(LABEL_SERVICE, "ssh")]), decoy("d-ssh", &[])],
    ] {
        let findings = decoys_among(&unclear, &rule());
        assert!(findings.decoys.is_empty() && findings.remarks.len() == 1, "{findings:?}");
        assert!(findings.remarks[0].what.contains(LABEL_FILES), "{findings:?}");
    }
}

#[test]
fn a_label_says_where_others_reach_a_decoy() {
    let address = |text: &str| {
        let all = [container("a", "lan", &[(LABEL_DECOY, "d"), (LABEL_ADDRESS, text)])];
        let findings = decoys_among(&all, &rule());
        let decoy = &findings.decoys[&"d".parse().unwrap()];
        (decoy.address.unwrap().to_string(), findings.remarks.len())
    };
    assert_eq!(address("2001:db8::5"), ("2001:db8::5".to_owned(), 0));
    // What is none is told, and the engine's word holds.
    for text in ["web01.example", "0.0.0.0", "224.0.0.1", "", "192.0.2.1:80", "192.0.2.1\u{1b}[2J"] {
        assert_eq!(address(text), ("192.0.2.7".to_owned(), 1), "{text:?}");
    }
}

#[test]
fn containers_that_are_one_host_in_the_naming_of_decoys_are_one_decoy() {
    let mut all = vec![
        container("decky-01", "lan", &[]),
        container("decky-01-ssh", "container:id-of-decky-01", &[]),
        container("decky-01-http", "container:decky-01", &[]),
        container("decky-02", "lan", &[]),
        container("decky-02-ssh", "container:id-of-decky-02", &[]),
    ];
    let expected = pairs(&[("decky-01", "decky-01-ssh"), ("decky-02", "decky-02-ssh")]);
    assert_eq!(found(&all), expected);
    all.reverse();
    let findings = decoys_among(&all, &rule());
    let first = &findings.decoys[&"decky-01".parse().unwrap()];
    assert_eq!(first.services, ["http", "ssh"]);
    assert_eq!(first.address, Some(IpAddr::from([192, 0, 2, 7])), "that of the host whose network it is");
    assert!(first.by_naming && findings.remarks.is_empty());
    // What it offers beside may come and go; without the container for its files the decoy is not there.
    for (stopped, is_there) in [("decky-01-http", true), ("decky-01", true), ("decky-01-ssh", false)] {
        let mut all = all.clone();
        let one = all.iter_mut().find(|one| one.name.as_str() == stopped).unwrap();
        one.state = ContainerState::Stopped;
        let findings = decoys_among(&all, &rule());
        assert_eq!(findings.decoys.contains_key(&first.name), is_there, "{stopped}");
        assert_eq!(findings.asleep.contains(&first.name), !is_there, "{stopped}");
    }
}

#[test]
fn two_service_containers_on_one_network_of_a_persons_making_are_one_decoy() {
    let all = [container("web01-ssh", "lab", &[]), container("web01-http", "lab", &[])];
    assert_eq!(found(&all), pairs(&[("web01", "web01-ssh")]));
    assert!(
        decoys_among(&all, &NamingRule::default()).decoys.is_empty(),
        "names say nothing unless they may"
    );
    let prefix = NamingRule { enabled: true, prefix: "decky-".into() };
    assert!(decoys_among(&all, &prefix).decoys.is_empty());
}

#[test]
fn what_only_looks_alike_is_left_alone() {
    let ignored = [("verisim.ignore", "true")];
    for all in [
        vec![container("web-ssh", "lab", &[]), container("web", "lab", &[])],
        vec![container("web-ssh", "bridge", &[]), container("web-http", "bridge", &[])],
        vec![container("web-ssh", "lab", &[]), container("web-http", "other", &[])],
        vec![
            container("shop-ssh", "lab", &[]),
            container("shop-db", "lab", &[]),
            container("db-backup", "lab", &[]),
        ],
        vec![container("shop-http", "lab", &[]), container("shop-mysql", "lab", &[])],
        vec![container("vpn", "lab", &[]), container("media-web", "container:vpn", &[])],
        vec![container("a-ssh", "lab", &[]), container("database", "container:a-ssh", &[])],
        vec![container("Web-ssh", "lab", &[]), container("Web-http", "lab", &[])],
        vec![container("web01-ssh", "lab", &ignored), container("web01-http", "lab", &[])],
        vec![container("a-ssh", "host", &[]), container("a-http", "host", &[])],
        vec![container("-ssh".trim_start_matches('-'), "lab", &[]), container("x", "lab", &[])],
    ] {
        assert_eq!(found(&all), [], "{all:?}");
    }
}

#[test]
fn what_may_belong_to_two_decoys_is_told_and_not_guessed() {
    // Two hosts that people log in to, on one network interface.
    let all = [
        container("a", "lab", &[]),
        container("a-ssh", "container:a", &[]),
        container("b-ssh", "container:a", &[]),
        container("b-http", "container:a", &[]),
        container("c-ssh", "lab", &[]),
        container("c-smb", "lab", &[]),
    ];
    let findings = decoys_among(&all, &rule());
    assert_eq!(findings.decoys.keys().map(DecoyName::as_str).collect::<Vec<_>>(), ["c"]);
    let about: Vec<&str> = findings.remarks.iter().map(|remark| remark.about.as_str()).collect();
    assert_eq!(about, ["a", "b"]);
}

#[test]
fn a_label_wins_over_a_name() {
    let label = [(LABEL_DECOY, "real")];
    let all = [
        container("x-ssh", "lab", &label),
        container("x-http", "lab", &[]),
        container("y-ssh", "lab", &[]),
        container("y-http", "lab", &[(LABEL_DECOY, "y")]),
    ];
    assert_eq!(found(&all), pairs(&[("real", "x-ssh"), ("y", "y-http")]));
}

#[test]
fn what_is_hostile_is_bounded_and_shown_harmlessly() {
    let long = "x".repeat(100_000);
    let odd = ["", "Files 01", "a\u{1b}[2J\n", "a.b", "../..", "\u{202e}x", long.as_str()];
    let mut all: Vec<ContainerFacts> = odd
        .iter()
        .enumerate()
        .map(|(place, name)| {
            let labels =
                [(LABEL_DECOY, *name), (LABEL_ROLE, "\u{1b}]0;x\u{7}"), (LABEL_PERSONAS, "\u{1b}[2J")];
            container(&format!("c{place}"), "lab", &labels)
        })
        .collect();
    let good = [(LABEL_DECOY, "good"), (LABEL_ROLE, "\u{1b}]0;x\u{7}"), (LABEL_PERSONAS, "\u{1b}[2J")];
    all.push(container("good", "lab", &good));
    let findings = decoys_among(&all, &rule());
    assert_eq!(findings.decoys.len(), 1);
    assert_eq!(findings.decoys[&"good".parse().unwrap()].role, None);
    assert_eq!(findings.remarks.len(), odd.len() + 2);
    for remark in &findings.remarks {
        let text = format!("{}{}", remark.about, remark.what);
        assert!(
            text.len() < 1_000 && !text.chars().any(char::is_control) && !text.contains('\u{202e}'),
            "{text:?}"
        );
    }
    // Thousands of containers: in bounded time, and no more decoys than anybody can mean.
    let many: Vec<ContainerFacts> = (0..5_000)
        .map(|number| {
            container(&format!("d{number:04}-ssh"), "lab", &[(LABEL_DECOY, &format!("d{number:04}"))])
        })
        .chain((0..5_000).map(|number| container(&format!("a-{number}"), "lab", &[(LABEL_DECOY, "a b")])))
        .collect();
    let findings = decoys_among(&many, &rule());
    assert_eq!(findings.decoys.len(), DECOYS_MAX);
    assert_eq!(findings.remarks.len(), REMARKS_MAX + 1);
}

fn any_container() -> impl Strategy<Value = ContainerFacts> {
    let word = || prop::sample::select(vec!["a", "b", "a-b", "ssh", "http", "db", "x"]);
    let name = (word(), prop::option::of(word()), 0..3_u8);
    let network = prop::sample::select(vec![
        "bridge",
        "lab",
        "net",
        "container:a",
        "container:id-of-b",
        "container:gone",
    ]);
    let label = prop::option::of(prop::sample::select(vec!["a", "b", "d", "Bad Name", ""]));
    let state =
        prop::sample::select(vec![ContainerState::Running, ContainerState::Stopped, ContainerState::Paused]);
    (name, network, label, state).prop_map(|((first, second, number), network, label, state)| {
        let second = second.map_or_else(String::new, |word| format!("-{word}"));
        let number = if number == 0 { String::new() } else { number.to_string() };
        let labels: Vec<_> = label.into_iter().map(|label| (LABEL_DECOY, label)).collect();
        ContainerFacts { state, ..container(&format!("{first}{number}{second}"), network, &labels) }
    })
}

proptest! {
    /// Whatever the containers: their order does not matter, and no container's files are those of two decoys.
    #[test]
    fn the_order_of_containers_says_nothing_and_no_container_is_two_decoys(
        all in prop::collection::vec(any_container(), 0..12),
        shift in 0..12_usize,
    ) {
        let mut once = BTreeSet::new();
        let mut all: Vec<ContainerFacts> = all.into_iter().filter(|one| once.insert(one.name.clone())).collect();
        let findings = decoys_among(&all, &rule());
        let files: BTreeSet<_> = findings.decoys.values().map(|decoy| &decoy.id).collect();
        prop_assert_eq!(files.len(), findings.decoys.len());
        prop_assert!(findings.decoys.keys().all(|name| !findings.asleep.contains(name)));
        if !all.is_empty() {
            let by = shift % all.len();
            all.rotate_left(by);
        }
        prop_assert_eq!(decoys_among(&all, &rule()), findings);
    }
}
