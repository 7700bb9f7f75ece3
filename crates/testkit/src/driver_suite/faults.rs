//! Answers that are lost, and processes that are killed: neither may look like tampering, and nothing is done twice.

use std::fs;

use verisim_core::{Digest, Fate, FileClass, Intended};

use super::little_engine::{LittleEngine, MakeDriver, append, edit, plant, remove, rename};
use crate::decoy_under_test::{DecoyUnderTest, names_in, on_host};
use crate::doubles::{FaultyConnector, Phase};

/// One life of some files, with the answer to every single call lost once, before and after its effect.
pub async fn inv_4_an_answer_lost_at_any_call_is_neither_repeated_nor_tampering(
    decoy: &dyn DecoyUnderTest,
    make: MakeDriver<'_>,
) {
    for phase in [Phase::Before, Phase::After] {
        let mut step = 0;
        loop {
            let faulty = FaultyConnector::new(decoy.connector(), step, phase);
            let mut engine = LittleEngine::new(make(faulty.clone()));
            for action in [
                plant("/f/a", "one\n", FileClass::Note),
                plant("/f/log", "first\n", FileClass::CronLog),
                edit("/f/a", "two\n"),
                append("/f/log", "second\n"),
                rename("/f/a", "/f/b"),
                edit("/f/b", "three\n"),
                append("/f/log", "third\n"),
                plant("/f/scratch", "x", FileClass::Scratch),
                remove("/f/scratch"),
            ] {
                let what = format!("{action:?}, fault {phase:?} call {step}");
                engine.carry_out(action).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
            }
            assert_eq!(fs::read(on_host(decoy, "/f/b")).unwrap(), b"one\ntwo\nthree\n");
            assert_eq!(fs::read(on_host(decoy, "/f/log")).unwrap(), b"first\nsecond\nthird\n");
            assert_eq!(names_in(&on_host(decoy, "/f")), ["b", "log"], "fault {phase:?} call {step}");
            fs::remove_dir_all(on_host(decoy, "/f")).unwrap();
            if !faulty.was_hit() {
                break;
            }
            step += 1;
        }
        assert!(step >= 12, "the fault was injected into {step} calls only");
    }
}

/// Killed in the middle of the one write: the line is completed, not written twice and not left torn.
pub async fn inv_4_a_torn_addition_is_completed(decoy: &dyn DecoyUnderTest, make: MakeDriver<'_>) {
    let mut engine = LittleEngine::new(make(decoy.connector()));
    engine.carry_out(plant("/log", "first\n", FileClass::CronLog)).await.unwrap();
    let prepared = engine.prepare(append("/log", "second line\n")).await.unwrap();
    fs::write(on_host(decoy, "/log"), "first\nsecond").unwrap();
    let fate = engine.driver().probe(&prepared.task, &prepared.intended).await.unwrap();
    assert!(matches!(fate, Fate::Applied(_)), "{fate:?}");
    assert_eq!(fs::read(on_host(decoy, "/log")).unwrap(), b"first\nsecond line\n");
    // What others added meanwhile is not ours, and not the beginning of it.
    let prepared = engine.prepare(append("/log", "third\n")).await.unwrap();
    fs::write(on_host(decoy, "/log"), "first\nsecond line\nsomebody\n").unwrap();
    let fate = engine.driver().probe(&prepared.task, &prepared.intended).await.unwrap();
    assert_eq!(fate, Fate::NotApplied);
}

/// Every state in which a killed edit can leave a directory.
pub async fn inv_4_what_a_killed_edit_left_is_settled(decoy: &dyn DecoyUnderTest, make: MakeDriver<'_>) {
    let (old, new, theirs) = ("old\n", "old\nnew\n", "theirs\n");
    for (at_name, staged, applied, afterwards) in [
        (old, None, Some(false), old),
        // Before the exchange, after it, and after the displaced file went.
        (old, Some(new), Some(false), old),
        (new, Some(old), Some(true), new),
        (new, None, Some(true), new),
        // The displaced content was foreign: after the exchange, and after half of putting it back.
        (new, Some(theirs), None, theirs),
        (theirs, Some(new), None, theirs),
    ] {
        let mut engine = LittleEngine::new(make(decoy.connector()));
        engine.carry_out(plant("/k/a", old, FileClass::Note)).await.unwrap();
        let prepared = engine.prepare(edit("/k/a", "new\n")).await.unwrap();
        let expected = Intended::Replace { old: Digest::of(old.as_bytes()), new: Digest::of(new.as_bytes()) };
        assert_eq!(prepared.intended, expected);
        let host = on_host(decoy, "/k");
        fs::write(host.join("a"), at_name).unwrap();
        if let Some(staged) = staged {
            let name = String::from_utf8(engine.staging().file_name()).unwrap();
            fs::write(host.join(name), staged).unwrap();
        }
        let fate = engine.driver().probe(&prepared.task, &prepared.intended).await.unwrap();
        let found = match &fate {
            Fate::Applied(_) => Some(true),
            Fate::NotApplied => Some(false),
            Fate::Tampered(_) | Fate::Unknowable => None,
        };
        assert_eq!(found, applied, "{at_name:?} {staged:?}: {fate:?}");
        assert_eq!(fs::read(host.join("a")).unwrap(), afterwards.as_bytes());
        assert_eq!(names_in(&host), ["a"]);
        fs::remove_dir_all(&host).unwrap();
    }
}
