use proptest::prelude::*;

use super::*;

fn place() -> Place {
    Place { time_zone: Zone::utc(), country: Some(Country::De), language: Language::default() }
}

fn read(text: &str) -> Imported {
    parse(text.as_bytes(), &place()).unwrap()
}

#[test]
fn a_whole_entry_is_taken_as_it_stands() {
    let imported = read(
        r#"[{"name": "Jörg Weiß", "email": "J.Weiss@kesdale.internal", "role": "System administrator", "tone": "Casual",
            "mannerisms": ["says moin", "no capitals"], "language": "de", "signature": "Jörg\nIT",
            "active_hours": "07:00-15:30", "reply_latency": 900, "uses_llms_heavily": true}]"#,
    );
    assert_eq!(imported.remarks, Vec::<String>::new());
    let one = &imported.people[0];
    assert_eq!((one.name.as_str(), one.login.as_str(), one.owner.uid), ("joerg-weiss", "j.weiss", 1000));
    assert_eq!((one.language, one.country), (Language::German, Some(Country::De)));
    assert_eq!(one.week, "mon-fri 07:00-15:30".parse().unwrap());
    assert_eq!(one.character.tone, Some(Tone::Friendly));
    assert_eq!(one.character.mannerisms, ["says moin", "no capitals"]);
    assert_eq!(one.character.signature.as_deref(), Some("Jörg\nIT"));
    assert_eq!(one.character.reply_latency, Some(SignedDuration::from_mins(15)));
    assert!(one.character.uses_llms_heavily);
}

#[test]
fn a_bad_entry_costs_itself_alone_and_is_told_by_number_name_and_field() {
    let imported = read(
        r#"[{"name": "Good One"}, 7, {"role": "x"}, {"name": "Kai Lund", "language": "klingon"},
            {"name": "A B", "email": "nowhere"}, {"name": "C D", "active_hours": "25:00-26:00"},
            {"name": "E F", "reply_latency": "soon"}, {"name": "G H", "mannerisms": [1]},
            {"name": "I J", "uses_llms_heavily": "yes"}, {"name": "Good One"}, {"name": "漢字"},
            {"name": "K L", "signature": "\u001b[2J"}, {"name": "M\u0000N"},
            {"name": "Ann Bell", "tone": "sarcastic", "shoe_size": 44}, {"name": "Abe Bell", "active_hours": [22, 6]}]"#,
    );
    let names: Vec<&str> = imported.people.iter().map(|one| one.full_name.as_str()).collect();
    assert_eq!(names, ["Good One", "Ann Bell", "Abe Bell"]);
    let logins: Vec<&str> = imported.people.iter().map(|one| one.login.as_str()).collect();
    assert_eq!(logins, ["gone", "abell", "abell2"]);
    assert_eq!(imported.people[1].character.mannerisms, ["tone: sarcastic"]);
    let told = imported.remarks.join("\n");
    for said in [
        "entry 2 is left out: it is no object",
        "entry 3 is left out: `name`: it is missing",
        "entry 4 (Kai Lund) is left out: `language`: \"klingon\"",
        "entry 5 (A B) is left out: `email`:",
        "entry 6 (C D) is left out: `active_hours`:",
        "entry 7 (E F) is left out: `reply_latency`:",
        "entry 8 (G H) is left out: `mannerisms`:",
        "entry 9 (I J) is left out: `uses_llms_heavily`:",
        "entry 10 (Good One) is left out: `name`: there is somebody",
        "entry 11 (漢字) is left out: `name`:",
        "entry 12 (K L) is left out: `signature`:",
        "entry 13",
        "entry 14 (Ann Bell): `tone`:",
        "the field `shoe_size` is unknown and passed over, in 1 of the entries",
    ] {
        assert!(told.contains(said), "{said}\n{told}");
    }
    assert_eq!(imported.remarks.len(), 14, "{told}");
    assert!(!told.contains('\u{1b}') && !told.contains('\0'));
}

#[test]
fn what_is_no_list_is_refused_as_a_whole_and_a_long_one_is_bounded() {
    for bad in ["", "{}", "null", "[", "[{]", "[1] 2"] {
        assert!(parse(bad.as_bytes(), &place()).is_err(), "{bad:?}");
    }
    assert!(parse(&[0xff, 0xfe], &place()).is_err());
    assert!(parse("[".repeat(100_000).as_bytes(), &place()).is_err());
    let many: Vec<String> =
        (0..ENTRIES_MAX + 3).map(|number| format!("{{\"name\": \"P{number} Q\"}}")).collect();
    let imported = read(&format!("[{}]", many.join(",")));
    assert_eq!(imported.people.len(), ENTRIES_MAX);
    assert!(imported.remarks.iter().any(|remark| remark.starts_with("3 more than")));
    let logins: HashSet<&str> = imported.people.iter().map(|one| one.login.as_str()).collect();
    assert_eq!(logins.len(), ENTRIES_MAX);
}

/// Any JSON of some depth, with the fields that are read among the keys.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "[0-9]{1,3}:[0-9]{2}-[0-9]{1,2}:[0-9]{2}".prop_map(Value::from),
        "[a-z]{1,8}@[a-z.]{1,8}".prop_map(Value::from),
        "[A-Z][a-zäéñß]{1,6} [A-Z][a-z'-]{1,9}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 40, 8, |inner| {
        let key = prop_oneof![
            proptest::sample::select(FIELDS.to_vec()).prop_map(str::to_owned),
            ".{0,6}".prop_map(|key| key)
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(key, inner, 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes, &place());
    }

    #[test]
    fn whatever_an_entry_holds_the_good_one_beside_it_is_kept_and_all_is_written_so_that_it_loads(entry in json()) {
        let list = Value::from(vec![entry, serde_json::json!({"name": "Zoe Quist Zweite"})]);
        let imported = parse(list.to_string().as_bytes(), &place()).unwrap();
        prop_assert!(imported.people.iter().any(|one| one.full_name == "Zoe Quist Zweite"));
        prop_assert!(!imported.remarks.iter().any(|remark| remark.chars().any(char::is_control)), "{:?}", imported.remarks);
        let mut text = "state = \"/nowhere/state\"\nseed = 1\n".to_owned();
        super::super::people::write(&mut text, &imported.people);
        let file = Path::new("/nowhere/verisim.toml");
        let config = match crate::config::parse(&text, file, None) {
            Ok(config) => config,
            Err(error) => return Err(TestCaseError::fail(format!("{error:?}\n{text}"))),
        };
        prop_assert_eq!(config.personas.len(), imported.people.len());
    }
}

#[test]
fn all_that_is_wrong_with_an_entry_is_told_at_once() {
    let imported = read(
        r#"[{"name": "Ben Cole", "email": 7, "active_hours": "nine", "reply_latency": "soon", "uses_llms_heavily": "no"},
            {"email": "nowhere", "language": "klingon"}]"#,
    );
    assert!(imported.people.is_empty());
    assert_eq!(imported.remarks.len(), 2, "{:?}", imported.remarks);
    let (first, second) = (&imported.remarks[0], &imported.remarks[1]);
    for field in
        ["`email`: it is no text; ", "`active_hours`: ", "; `reply_latency`: ", "; `uses_llms_heavily`: "]
    {
        assert!(first.contains(field), "{field}\n{first}");
    }
    for field in ["left out: `name`: it is missing; ", "`email`: ", "; `language`: "] {
        assert!(second.contains(field), "{field}\n{second}");
    }
}

#[test]
fn lines_of_another_system_are_taken_and_names_that_turn_the_text_around_them_are_not() {
    let imported = read(
        "\u{feff}[{\"name\": \"Ann Bell\", \"signature\": \"Regards\\r\\nAnn\"}, {\"name\": \"\\u202eevil Bell\"}]",
    );
    assert_eq!(imported.people.len(), 1, "{:?}", imported.remarks);
    assert_eq!(imported.people[0].character.signature.as_deref(), Some("Regards\nAnn"));
    assert!(
        imported.remarks[0].contains("`name`: write 1 to 200 printable characters"),
        "{:?}",
        imported.remarks
    );
}
