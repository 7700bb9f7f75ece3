//! The table of fates, without anything going wrong but the intruder.

use std::fs;

use verisim_core::{
    Action, Body, ByteCount, Digest, DriverKind, EditFile, Effect, FailureKind, Fate, FileClass, Payload,
    TextEdit,
};

use super::little_engine::{
    LittleEngine, MakeDriver, append, edit, failure_of, intended_new, plant, remove, rename, tamper_of,
};
use crate::decoy_under_test::{DecoyUnderTest, names_in, new_file, on_host, path, put};

pub async fn inv_5_every_action_is_confirmed_by_what_is_there(
    decoy: &dyn DecoyUnderTest,
    make: MakeDriver<'_>,
) {
    let mut engine = LittleEngine::new(make(decoy.connector()));
    assert_eq!(engine.driver().kind(), DriverKind::File);
    let can = engine.driver().capabilities(engine.decoy());
    assert!(can.plant && can.append && can.edit && can.remove && !can.email && !can.traffic);
    let there = |at: &str| fs::read_to_string(on_host(decoy, at)).unwrap();

    let Payload::Plant(done) = engine.carry_out(plant("/n/a", "one\n", FileClass::Note)).await.unwrap()
    else {
        panic!("a plant leaves a plant")
    };
    assert_eq!((done.sha256, done.bytes, done.mode.bits()), (Digest::of(b"one\n"), 4, 0o600));
    assert_eq!(there("/n/a"), "one\n");
    let Payload::Edit(done) = engine.carry_out(edit("/n/a", "two\n")).await.unwrap() else {
        panic!("an edit leaves an edit")
    };
    assert_eq!((done.before, done.after), (Digest::of(b"one\n"), Digest::of(b"one\ntwo\n")));
    assert_eq!(done.body.unwrap().as_bytes(), b"one\ntwo\n");
    assert_eq!(there("/n/a"), "one\ntwo\n");
    engine.carry_out(plant("/n/log", "first\n", FileClass::CronLog)).await.unwrap();
    fs::write(on_host(decoy, "/n/log"), "first\nsomebody else\n").unwrap();
    let Payload::Append(done) = engine.carry_out(append("/n/log", "second\n")).await.unwrap() else {
        panic!("an addition leaves an addition")
    };
    assert_eq!((done.offset, done.bytes, done.sha256), (20, 7, Digest::of(b"second\n")));
    assert_eq!(there("/n/log"), "first\nsomebody else\nsecond\n");
    engine.carry_out(rename("/n/a", "/n/b")).await.unwrap();
    assert_eq!(there("/n/b"), "one\ntwo\n");
    engine.carry_out(edit("/n/b", "three\n")).await.unwrap();
    let Payload::Remove(done) = engine.carry_out(remove("/n/b")).await.unwrap() else {
        panic!("a removal leaves a removal")
    };
    assert_eq!(done.sha256, Some(Digest::of(b"one\ntwo\nthree\n")));
    assert_eq!(names_in(&on_host(decoy, "/n")), ["log"], "no other trace is left");
    let read = engine.driver().read_file(engine.decoy(), &path("/n/log"), ByteCount(5)).await.unwrap();
    assert_eq!(&read[..], b"first");
    engine.driver().plant_file(engine.decoy(), &new_file("/n/c", "x")).await.unwrap();
    assert_eq!(there("/n/c"), "x");
}

pub async fn whose_file_it_is_decides_what_may_be_done(decoy: &dyn DecoyUnderTest, make: MakeDriver<'_>) {
    let mut engine = LittleEngine::new(make(decoy.connector()));
    put(decoy, "/theirs", b"x");
    engine.carry_out(plant("/owned", "x", FileClass::Note)).await.unwrap();
    engine.carry_out(plant("/log", "x", FileClass::DaemonLog)).await.unwrap();
    engine.carry_out(plant("/frozen", "x", FileClass::Note)).await.unwrap();
    engine.freeze("/frozen");
    let (config, denied) = (FailureKind::Config, FailureKind::Denied);
    for (action, kind) in [
        (plant("/owned", "y", FileClass::Note), config),
        (append("/owned", "y"), config),
        (plant("/log", "y", FileClass::Note), config),
        (edit("/log", "y"), config),
        (rename("/log", "/log.1"), config),
        (remove("/log"), config),
        (edit("/theirs", "y"), config),
        (rename("/theirs", "/mine"), config),
        (remove("/theirs"), config),
        (append("/nothing", "y"), config),
        (plant("/frozen", "y", FileClass::Note), denied),
        (edit("/frozen", "y"), denied),
        (append("/frozen", "y"), denied),
        (rename("/frozen", "/f"), denied),
        (remove("/frozen"), denied),
    ] {
        let what = format!("{action:?}");
        let failure = failure_of(engine.carry_out(action).await);
        assert_eq!((failure.kind, failure.effect), (kind, Effect::NotApplied), "{what}");
    }
    for at in ["/theirs", "/owned", "/log", "/frozen"] {
        assert_eq!(fs::read(on_host(decoy, at)).unwrap(), b"x", "{at}");
    }
    // A log that the decoy brought may be added to.
    engine.carry_out(append("/theirs", "y")).await.unwrap();
    assert_eq!(fs::read(on_host(decoy, "/theirs")).unwrap(), b"xy");
}

pub async fn an_edit_that_does_not_fit_is_refused(decoy: &dyn DecoyUnderTest, make: MakeDriver<'_>) {
    let mut engine = LittleEngine::new(make(decoy.connector()));
    engine.carry_out(plant("/a", "one\n", FileClass::Note)).await.unwrap();
    let edits = vec![TextEdit::Delete { line: 7, count: 1 }];
    let failure =
        failure_of(engine.carry_out(Action::Edit(EditFile { path: path("/a"), edits, shared: false })).await);
    assert_eq!((failure.kind, failure.effect), (FailureKind::Config, Effect::NotApplied));
    assert_eq!(fs::read(on_host(decoy, "/a")).unwrap(), b"one\n");
}

/// What others write to as well is changed where it is told to be, whatever else is there, and stays theirs, too.
pub async fn a_shared_edit_changes_what_is_found(decoy: &dyn DecoyUnderTest, make: MakeDriver<'_>) {
    let mut engine = LittleEngine::new(make(decoy.connector()));
    let patch = |at: &str, offset: u64, text: &'static str| {
        let edits = vec![TextEdit::Patch { offset, bytes: Body::from(text.as_bytes()) }];
        Action::Edit(EditFile { path: path(at), edits, shared: true })
    };
    let host = put(decoy, "/table", b"0123456789");
    engine.carry_out(patch("/table", 2, "ab")).await.unwrap();
    assert_eq!(fs::read(&host).unwrap(), b"01ab456789");
    fs::write(&host, b"XXXXXXXXXXXXXX").unwrap();
    engine.carry_out(patch("/table", 4, "cd")).await.unwrap();
    assert_eq!(fs::read(&host).unwrap(), b"XXXXcdXXXXXXXX");
    engine.carry_out(plant("/owned", "x", FileClass::Note)).await.unwrap();
    for (at, kind) in [("/owned", FailureKind::Config), ("/nothing", FailureKind::Config)] {
        let failure = failure_of(engine.carry_out(patch(at, 0, "y")).await);
        assert_eq!((failure.kind, failure.effect), (kind, Effect::NotApplied), "{at}");
    }
    // Who takes away what we know of is told of.
    fs::remove_file(&host).unwrap();
    tamper_of(engine.carry_out(patch("/table", 0, "y")).await);
    assert!(!host.exists());
}

/// Not even by what is identical: without a mark it is somebody else's.
pub async fn a_plant_overwrites_nothing(decoy: &dyn DecoyUnderTest, make: MakeDriver<'_>) {
    let mut engine = LittleEngine::new(make(decoy.connector()));
    for (at, theirs) in [("/other", "theirs"), ("/same", "ours")] {
        let host = put(decoy, at, theirs.as_bytes());
        let tamper = tamper_of(engine.carry_out(plant(at, "ours", FileClass::Note)).await);
        assert_eq!((tamper.expected, tamper.found.sha256), (None, Some(Digest::of(theirs.as_bytes()))));
        assert_eq!(fs::read(host).unwrap(), theirs.as_bytes());
    }
    std::os::unix::fs::symlink("/nowhere", on_host(decoy, "/link")).unwrap();
    tamper_of(engine.carry_out(plant("/link", "ours", FileClass::Note)).await);
    assert!(fs::symlink_metadata(on_host(decoy, "/link")).unwrap().is_symlink());
}

/// With a mark, what is identical is ours; anything else is not, and nothing means that nothing happened.
pub async fn inv_4_a_plant_with_a_mark_is_recognised(decoy: &dyn DecoyUnderTest, make: MakeDriver<'_>) {
    let mut engine = LittleEngine::new(make(decoy.connector()));
    let prepared = engine.prepare(plant("/a", "ours", FileClass::Note)).await.unwrap();
    assert_eq!(intended_new(&prepared.intended), Some(Digest::of(b"ours")));
    let (task, intended) = (prepared.task.clone(), prepared.intended.clone());
    assert_eq!(engine.driver().probe(&task, &intended).await.unwrap(), Fate::NotApplied);
    let payload = engine.run(&prepared).await.unwrap();
    assert_eq!(engine.driver().probe(&task, &intended).await.unwrap(), Fate::Applied(payload));
    fs::write(on_host(decoy, "/a"), "theirs").unwrap();
    match engine.driver().probe(&task, &intended).await.unwrap() {
        Fate::Tampered(tamper) => assert_eq!(&tamper.found.head[..], b"theirs"),
        other => panic!("this is tampering, but: {other:?}"),
    }
}

/// Whatever an intruder did to a file of ours, the next edit says so and leaves it.
pub async fn an_edit_is_a_tripwire(decoy: &dyn DecoyUnderTest, make: MakeDriver<'_>) {
    let mut engine = LittleEngine::new(make(decoy.connector()));
    for name in ["changed", "gone", "dir", "link", "parent/gone"] {
        engine.carry_out(plant(&format!("/t/{name}"), "ours", FileClass::Draft)).await.unwrap();
    }
    let host = on_host(decoy, "/t");
    fs::write(host.join("changed"), "theirs").unwrap();
    for name in ["gone", "dir", "link"] {
        fs::remove_file(host.join(name)).unwrap();
    }
    fs::remove_dir_all(host.join("parent")).unwrap();
    fs::create_dir(host.join("dir")).unwrap();
    std::os::unix::fs::symlink("changed", host.join("link")).unwrap();
    for (name, found) in [
        ("changed", Some(Digest::of(b"theirs"))),
        ("gone", None),
        ("dir", None),
        ("link", None),
        ("parent/gone", None),
    ] {
        let tamper = tamper_of(engine.carry_out(edit(&format!("/t/{name}"), "more")).await);
        assert_eq!(tamper.expected, Some(Digest::of(b"ours")), "{name}");
        assert_eq!(
            (tamper.found.sha256, tamper.found.stat.is_some()),
            (found, !name.contains("gone")),
            "{name}"
        );
    }
    assert_eq!(fs::read(host.join("changed")).unwrap(), b"theirs");
    assert_eq!(names_in(&host), ["changed", "dir", "link"]);
    // A log that went is noticed too, and not made anew.
    engine.carry_out(plant("/log", "x\n", FileClass::CronLog)).await.unwrap();
    fs::remove_file(on_host(decoy, "/log")).unwrap();
    assert!(tamper_of(engine.carry_out(append("/log", "y\n")).await).found.stat.is_none());
}

pub async fn what_moves_or_goes_is_what_we_left(decoy: &dyn DecoyUnderTest, make: MakeDriver<'_>) {
    let mut engine = LittleEngine::new(make(decoy.connector()));
    for name in ["/changed", "/a", "/gone", "/moved-away"] {
        engine.carry_out(plant(name, "ours", FileClass::Scratch)).await.unwrap();
    }
    put(decoy, "/changed", b"theirs");
    put(decoy, "/taken", b"theirs");
    for name in ["/gone", "/moved-away"] {
        fs::remove_file(on_host(decoy, name)).unwrap();
    }
    for action in [remove("/changed"), rename("/changed", "/new"), rename("/moved-away", "/new")] {
        let tamper = tamper_of(engine.carry_out(action).await);
        assert_eq!(tamper.expected, Some(Digest::of(b"ours")));
    }
    let tamper = tamper_of(engine.carry_out(rename("/a", "/taken")).await);
    assert_eq!((tamper.path, tamper.expected), (path("/taken"), None));
    // Gone is gone, whoever did it, and that is said.
    match engine.carry_out(remove("/gone")).await.unwrap() {
        Payload::Remove(removed) => assert_eq!(removed.sha256, None),
        other => panic!("{other:?}"),
    }
    assert_eq!(names_in(decoy.host_root()), ["a", "changed", "taken"]);
}

pub async fn writes_travel_together_and_are_judged_one_by_one(
    decoy: &dyn DecoyUnderTest,
    make: MakeDriver<'_>,
) {
    let mut engine = LittleEngine::new(make(decoy.connector()));
    engine.carry_out(plant("/e", "e\n", FileClass::Note)).await.unwrap();
    engine.carry_out(plant("/m", "m\n", FileClass::Note)).await.unwrap();
    put(decoy, "/b", b"theirs");
    let mut tasks = Vec::new();
    for action in [
        plant("/a", "a", FileClass::Note),
        plant("/b", "b", FileClass::Note),
        edit("/e", "more\n"),
        rename("/m", "/m2"),
        plant("/c", "c", FileClass::Note),
    ] {
        tasks.push(engine.task(action));
    }
    let prepared: Vec<_> = engine.driver().prepare(tasks).await.into_iter().map(|one| one.unwrap()).collect();
    let results = engine.driver().run(&prepared).await;
    let done: Vec<bool> = results.iter().map(Result::is_ok).collect();
    assert_eq!(done, [true, false, true, true, true]);
    assert_eq!(names_in(decoy.host_root()), ["a", "b", "c", "e", "m2"]);
    assert!(engine.driver().run(&[]).await.is_empty());
}

pub async fn a_decoy_that_is_not_of_the_fleet_is_not_found(decoy: &dyn DecoyUnderTest, make: MakeDriver<'_>) {
    let mut engine = LittleEngine::new(make(decoy.connector()));
    let mut task = engine.task(plant("/a", "a", FileClass::Note));
    let stranger = verisim_core::DecoyName::new("stranger").unwrap();
    task.decoy = std::sync::Arc::new(verisim_core::Decoy { name: stranger, ..(*task.decoy).clone() });
    assert!(!engine.driver().capabilities(&task.decoy).plant);
    let failure = failure_of(engine.driver().prepare(vec![task]).await.remove(0));
    assert_eq!((failure.kind, failure.effect), (FailureKind::NotFound, Effect::NotApplied));
}
