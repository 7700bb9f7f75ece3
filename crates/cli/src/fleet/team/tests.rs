use super::*;

fn base(text: &str) -> Config {
    let text = format!("state = \"/nowhere/state\"\nseed = 7\n{text}");
    crate::config::parse(&text, std::path::Path::new("/nowhere/verisim.toml"), None).unwrap()
}

fn found(name: &str) -> FoundDecoy {
    FoundDecoy {
        name: name.parse().unwrap(),
        container: format!("{name}-ssh").parse().unwrap(),
        id: format!("0123456789abcdef-{name}"),
        containers: Vec::new(),
        services: vec!["ssh".into(), "http".into()],
        role: None,
        personas: None,
        address: None,
        by_naming: true,
    }
}

const ADA: &str = "[[persona]]\nname = \"ada\"\nfull_name = \"Ada\"\nlogin = \"ada\"\n";

#[test]
fn the_people_of_a_decoy_do_not_depend_on_who_else_there_is() {
    let base = base("");
    let alone = with_found(&base, [&found("decky-01")]).0;
    let many: Vec<FoundDecoy> = (0..40).rev().map(|number| found(&format!("decky-{number:02}"))).collect();
    let all = with_found(&base, &many).0;
    assert_eq!((alone.decoys.len(), alone.personas.len(), all.decoys.len()), (1, 2, 40));
    let team = &all.decoys.iter().find(|decoy| decoy.name.as_str() == "decky-01").unwrap().personas;
    assert_eq!(*team, alone.decoys[0].personas);
    assert!(alone.personas.iter().all(|persona| {
        all.personas.iter().any(|other| other.name == persona.name && other.login == persona.login)
    }));
    // A small company, of which everybody works somewhere; nobody is in it twice.
    let names: HashSet<&PersonaName> = all.personas.iter().map(|persona| &persona.name).collect();
    assert_eq!(names.len(), all.personas.len());
    assert!((COMPANY / 2..=COMPANY).contains(&names.len()));
    assert_eq!(alone.decoys[0].role, "web-server");
    let other_seed = Config { seed: 8, ..base };
    assert_ne!(with_found(&other_seed, [&found("decky-01")]).0.decoys[0].personas, *team);
}

#[test]
fn what_is_declared_wins() {
    let declared = |name: &str, container: &str| {
        format!(
            "[[decoy]]\nname = \"{name}\"\nconnector = {{ docker = {{ container = \"{container}\" }} }}\n"
        )
    };
    for (name, container) in [("decky-01", "other"), ("files", "decky-01-ssh"), ("files", "0123456789abcdef")]
    {
        let base = base(&declared(name, container));
        let (config, remarks) = with_found(&base, [&found("decky-01"), &found("decky-02")]);
        let names: Vec<&str> = config.decoys.iter().map(|decoy| decoy.name.as_str()).collect();
        // The ids of both begin alike here, so that the prefix is that of both.
        let expected: &[&str] = if container.starts_with("0123") { &[name] } else { &[name, "decky-02"] };
        assert_eq!((names.as_slice(), remarks.len()), (expected, 0), "{name} {container}");
    }
}

#[test]
fn a_label_names_who_works_there_else_the_configuration_does() {
    let labelled =
        FoundDecoy { personas: Some(vec!["ada".parse().unwrap(), "zoe".parse().unwrap()]), ..found("a") };
    let (config, remarks) = with_found(&base(ADA), [&labelled]);
    assert_eq!(config.decoys[0].personas, ["ada".parse().unwrap()]);
    assert_eq!((config.personas.len(), remarks.len()), (1, 1));
    let team = format!("[discover]\npersonas = [\"ada\"]\n{ADA}");
    let (config, _) = with_found(&base(&team), [&found("a")]);
    assert_eq!((config.decoys[0].personas.len(), config.personas.len()), (1, 1));
}

#[test]
fn nobody_who_is_invented_takes_the_login_of_somebody_who_is_configured() {
    let taken = company(&base(""));
    let first = &taken[0];
    let text =
        format!("[[persona]]\nname = \"somebody\"\nfull_name = \"Somebody\"\nlogin = \"{}\"\n", first.login);
    let company = company(&base(&text));
    assert_eq!(company.len(), COMPANY);
    assert!(company.iter().all(|persona| persona.login != first.login));
}

#[test]
fn people_whom_nobody_knows_are_told_with_those_who_are_known() {
    let decoy = |label: &[&str]| FoundDecoy {
        personas: Some(label.iter().map(|name| name.parse().unwrap()).collect()),
        ..found("decky-01")
    };
    let told = |base: &Config, label: &[&str]| {
        let (config, remarks) = with_found(base, [&decoy(label)]);
        let what: Vec<String> = remarks.into_iter().map(|remark| remark.what).collect();
        (config.decoys[0].personas.len(), what.join("\n"))
    };
    let (count, what) = told(&base(ADA), &["aad", "bob"]);
    assert_eq!(count, 0);
    for words in ["nobody works there", "names aad, bob", "knows ada"] {
        assert!(what.contains(words), "{words}: {what}");
    }
    let (count, what) = told(&base(ADA), &["ada", "bob"]);
    assert!(count == 1 && what.contains("the others work there"), "{what}");
    assert!(told(&base(""), &["bob"]).1.contains("knows nobody"));
    assert_eq!(told(&base(ADA), &["ada"]), (1, String::new()));
}
