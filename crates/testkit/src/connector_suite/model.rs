//! Any sequence of calls, beside a model.

use std::collections::BTreeMap;
use std::time::Duration;

use verisim_core::{Digest, FileWrite, Move, MoveOutcome, Removal, RemoveOutcome, WriteOutcome};

use crate::decoy_under_test::{
    DecoyUnderTest, addition, answer, names_in, new_file, on_host, path, replacement, rounds, staging,
    write_one,
};

/// The calls of one run; each run begins with another seed.
const CALLS: usize = 400;
/// The least of them, over a line that is slow, and how long more may take.
const CALLS_LEAST: usize = 80;
/// See [`CALLS_LEAST`].
const CALLS_TIME_MAX: Duration = Duration::from_secs(8);

/// A small generator, so that a failing sequence is the same in every run (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }
}

/// A decoy that nobody else touches is a map from paths to contents, with the answers that follow from it.
pub async fn any_sequence_of_calls_agrees_with_a_model(decoy: &dyn DecoyUnderTest) {
    let connector = decoy.connector();
    let mut model: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut numbers = Numbers(20_261_122);
    for call in rounds(CALLS, CALLS_LEAST, CALLS_TIME_MAX) {
        let at = format!("/m/{}/{}", numbers.below(2), numbers.below(4));
        let body = format!("content {}", numbers.below(6)).into_bytes();
        let guess = format!("content {}", numbers.below(6)).into_bytes();
        // Half the time what is there is known.
        let old = match model.get(&at) {
            Some(there) if numbers.below(2) == 0 => there.clone(),
            _ => guess,
        };
        let is_old = model.get(&at) == Some(&old);
        match numbers.below(5) {
            0 => {
                let done = write_one(&*connector, new_file(&at, body.clone())).await.unwrap();
                assert_eq!(is_written(&done), !model.contains_key(&at), "create {at}, call {call}");
                model.entry(at).or_insert(body);
            }
            1 => {
                let file =
                    FileWrite { staging: staging(call as i64), ..replacement(&at, &old, body.clone()) };
                let done = write_one(&*connector, file).await.unwrap();
                assert_eq!(is_written(&done), is_old, "replace {at}, call {call}");
                if is_old {
                    model.insert(at, body);
                }
            }
            2 => {
                let done = write_one(&*connector, addition(&at, body.clone())).await.unwrap();
                assert_eq!(is_written(&done), model.contains_key(&at), "append {at}, call {call}");
                if let Some(there) = model.get_mut(&at) {
                    there.extend(body);
                }
            }
            3 => {
                let removal = Removal { path: path(&at), expected: Digest::of(&old), staging: staging(1) };
                let done = answer(connector.remove(&removal)).await.unwrap();
                let foreign = matches!(done, RemoveOutcome::Foreign(_));
                assert_eq!(foreign, model.contains_key(&at) && !is_old, "remove {at}, call {call}");
                if !foreign {
                    assert_eq!(done, RemoveOutcome::Gone { by_us: model.remove(&at).is_some() });
                }
            }
            _ => {
                let to = format!("/m/0/{}", numbers.below(4));
                if !model.keys().any(|there| there.starts_with("/m/0/")) {
                    continue;
                }
                let request = Move { from: path(&at), to: path(&to), expected: Digest::of(&old) };
                match answer(connector.rename(&request)).await.unwrap() {
                    MoveOutcome::Moved(_) => {
                        assert!(is_old && !model.contains_key(&to), "move {at} {to}, call {call}");
                        let content = model.remove(&at).unwrap();
                        model.insert(to, content);
                    }
                    MoveOutcome::Foreign(_) => assert!(!is_old, "move {at} {to}, call {call}"),
                    MoveOutcome::Occupied(_) => {
                        assert!(is_old && model.contains_key(&to), "move {at} {to}, call {call}");
                    }
                }
            }
        }
    }
    for (at, content) in &model {
        assert_eq!(&std::fs::read(on_host(decoy, at)).unwrap(), content, "{at}");
    }
    let there: usize =
        [0, 1].map(|n| on_host(decoy, &format!("/m/{n}"))).iter().map(|dir| names_in(dir).len()).sum();
    assert_eq!(there, model.len(), "no other trace is left");
}

fn is_written(outcome: &WriteOutcome) -> bool {
    matches!(outcome, WriteOutcome::Written(_))
}
