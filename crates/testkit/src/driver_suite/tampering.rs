//! An intruder who writes between our look and our exchange.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use verisim_core::{ActivityError, FileClass};

use super::little_engine::{LittleEngine, MakeDriver, edit, plant, tamper_of};
use crate::decoy_under_test::{DecoyUnderTest, names_in, on_host};

/// How many times the two meet.
const ROUNDS: u32 = 400;

/// Saves as an editor does: a file beside it, and a rename.
pub async fn tampering_by_renaming_is_noticed_at_any_instant(
    decoy: &dyn DecoyUnderTest,
    make: MakeDriver<'_>,
) {
    meet(decoy, make, 0, |at, content| {
        let beside = at.with_extension("intruder");
        fs::write(&beside, content).unwrap();
        let file = fs::File::open(&beside).unwrap();
        fs::rename(&beside, at).unwrap();
        file
    })
    .await;
}

/// Opens the file that is there and writes over it, as `cat >` does. If that file has lost its name once both are done, the
/// intruder had it open across the exchange, and wrote to a file without a name, as beside any editor.
pub async fn tampering_in_place_is_noticed_at_any_instant(decoy: &dyn DecoyUnderTest, make: MakeDriver<'_>) {
    meet(decoy, make, ROUNDS / 4, |at, content| {
        let mut file = fs::OpenOptions::new().write(true).truncate(true).open(at).unwrap();
        file.write_all(content.as_bytes()).unwrap();
        file
    })
    .await;
}

/// Round by round, an edit of ours and a write of the intruder's begin at nearly the same time. At most `nameless_max` of
/// the writes may end in a file that has lost its name.
async fn meet(
    decoy: &dyn DecoyUnderTest,
    make: MakeDriver<'_>,
    nameless_max: u32,
    intrude: impl Fn(&Path, &str) -> fs::File + Send + 'static,
) {
    let mut engine = LittleEngine::new(make(decoy.connector()));
    let host = on_host(decoy, "/v");
    let (start, started) = mpsc::channel::<(std::path::PathBuf, String, Duration)>();
    let (finish, finished) = mpsc::channel::<fs::File>();
    let intruder = std::thread::spawn(move || {
        for (at, content, delay) in started {
            let spin = std::hint::black_box(u64::try_from(delay.as_nanos()).unwrap());
            for turn in 0..spin {
                std::hint::black_box(turn);
            }
            finish.send(intrude(&at, &content)).unwrap();
        }
    });
    let (mut edits_done, mut noticed, mut nameless) = (0, 0, 0);
    for round in 0..ROUNDS {
        let at = format!("/v/{round}");
        engine.carry_out(plant(&at, "ours\n", FileClass::Note)).await.unwrap();
        let theirs = format!("intruder {round}\n");
        let prepared = engine.prepare(edit(&at, "more\n")).await.unwrap();
        // Sooner and later in turns, so that every instant of the edit is met.
        let delay = Duration::from_nanos(u64::from(round % 40) * 1_500);
        start.send((on_host(decoy, &at), theirs.clone(), delay)).unwrap();
        let result = engine.run(&prepared).await;
        let written = finished.recv().unwrap();
        match result {
            Ok(_) => edits_done += 1,
            Err(ActivityError::Tampered(_)) => noticed += 1,
            Err(ActivityError::Failed(failure)) => panic!("round {round}: {failure:?}"),
        }
        if written.metadata().unwrap().nlink() == 0 {
            nameless += 1;
            assert!(nameless <= nameless_max, "round {round}: what the intruder wrote is lost");
            continue;
        }
        let there = fs::read_to_string(on_host(decoy, &at)).unwrap();
        assert_eq!(there, theirs, "round {round}: what the intruder wrote last is what is there");
        // If not now, then the next time.
        tamper_of(engine.carry_out(edit(&at, "more\n")).await);
    }
    drop(start);
    intruder.join().unwrap();
    assert_eq!(edits_done + noticed, ROUNDS);
    assert!(noticed > 0, "the two never met: {edits_done} edits were done");
    let left = names_in(&host).into_iter().filter(|name| name.starts_with(".goutputstream")).count();
    assert_eq!(left, 0, "no staging name is left");
}
