//! The way to the engine breaks at every step of every deed.

use std::path::Path;

use verisim_connect::Reach;
use verisim_core::{Connector as _, FailureKind};
use verisim_testkit::RealEngine;

use crate::effects::{DEEDS, Deed, Trial};
use crate::injection::{Injection, Point, Way};
use crate::unseen::in_network_of;

/// In the middle of an archive, and beyond the end of any other request.
const LATE: Point = Point::Sending(150_000);
/// Where each of the last requests of a deed is cut, which are its effect and its confirmation.
const POINTS: [Point; 5] = [Point::AtOnce, Point::Sending(40), LATE, Point::Answering, Point::HalfAnswered];
/// Where the questions before are: they are all alike.
const FEWER_POINTS: [Point; 2] = [Point::AtOnce, Point::HalfAnswered];

/// What became of the injections into one deed.
#[derive(Debug, Default)]
struct Tally {
    hits: usize,
    torn: usize,
    /// How many must be hit at least: all but the late ones.
    due: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_4_a_way_that_breaks_at_any_step_is_told_truly_and_mended() {
    let Some(engine) = RealEngine::start() else { return };
    let container = engine.container("decoy", &[]);
    let listener = in_network_of(container.pid());
    let (to, root) = (listener.local_addr().unwrap(), container.root());
    for reach in [Reach::Fast, Reach::Portable] {
        for deed in DEEDS {
            let trial = |name: String| Trial { deed, at: format!("/{deed:?}/{reach:?}/{name}/a"), to };
            let counted = trial("count".into());
            counted.prepare(&root);
            let way = Way::start(&engine, None);
            counted.act(&way.connector(reach)).await.unwrap();
            let steps = way.connections();
            drop(way);
            assert!(steps >= 2, "{deed:?} {reach:?} asks the engine at least twice: {steps}");
            let mut tally = Tally::default();
            for step in 0..steps {
                let points = if step + 3 < steps { &FEWER_POINTS[..] } else { &POINTS };
                for (number, &point) in points.iter().enumerate() {
                    tally.due += usize::from(point != LATE);
                    let trial = trial(format!("{step}-{number}"));
                    cut(&engine, &root, reach, &trial, Injection { step, point, blow: None }, &mut tally)
                        .await;
                }
            }
            assert!(tally.hits >= tally.due, "{deed:?} {reach:?}, {steps} steps: {tally:?}");
            let may_tear = reach == Reach::Portable && matches!(deed, Deed::Plant | Deed::Edit);
            assert_eq!(tally.torn > 0, may_tear, "{deed:?} {reach:?}: {tally:?}");
        }
    }
}

async fn cut(
    engine: &RealEngine,
    root: &Path,
    reach: Reach,
    trial: &Trial,
    injection: Injection,
    tally: &mut Tally,
) {
    let what = format!("{reach:?}, {:?}, step {}, {:?}", trial.deed, injection.step, injection.point);
    trial.prepare(root);
    let way = Way::start(engine, Some(injection));
    let connector = way.connector(reach);
    let outcome = trial.act(&connector).await;
    if !way.was_hit() {
        assert!(outcome.is_ok(), "{what}: {outcome:?}");
        return;
    }
    tally.hits += 1;
    let Err(failure) = outcome else { panic!("{what}: it should have failed") };
    assert_eq!(failure.kind, FailureKind::Network, "{what}: {failure}");
    if reach == Reach::Portable {
        // The engine holds the container until whatever it began is over, and only then tells of it.
        engine.docker(&["inspect", "decoy"]);
    }
    let is_atomic = connector.capabilities().atomic_replace;
    tally.torn += usize::from(trial.judge(&what, root, failure.effect, is_atomic));
    drop(way);
    let way = Way::start(engine, None);
    trial.make_good(&way.connector(reach), root, failure.effect).await;
}
