//! Logs of a past are rotated as logrotate does it.

#![allow(clippy::unwrap_used, reason = "what is not right in a test shall fail it")]

mod common;

use std::collections::BTreeMap;
use std::io::Read as _;

use common::at;
use verisim_core::{Action, FileTimes};
use verisim_realism::{DecoyIndex, Settings, past};

#[test]
fn logs_of_a_past_are_rotated_week_by_week_and_compressed_from_the_second_on() {
    let world = common::world(6, 4, Settings::default());
    let mut compressed = 0;
    for decoy in 0..6 {
        let past = past(&world, DecoyIndex(decoy), 150, at("2026-11-20T12:00:00Z"));
        let mut logs: BTreeMap<String, Vec<(u32, i64, String)>> = BTreeMap::new();
        for file in past.files {
            let Action::Plant(plant) = file.action else { panic!("a past is planted") };
            let path = plant.path.to_string();
            // What programs leave in a folder for scratch has letters at its end.
            if path.contains("/tmp/") {
                continue;
            }
            let Some((log, number)) = path.split_once(".log.") else { continue };
            let FileTimes::Past { mtime, .. } = plant.times else { panic!("{path}: a past has times") };
            let mut text = String::new();
            let number = match number.strip_suffix(".gz") {
                None => {
                    text = String::from_utf8(plant.body.as_bytes().to_vec()).unwrap();
                    number
                }
                Some(number) => {
                    compressed += 1;
                    let mut gz = flate2::read::GzDecoder::new(plant.body.as_bytes());
                    gz.read_to_string(&mut text).unwrap();
                    assert!(gz.header().unwrap().filename().is_none() && gz.header().unwrap().mtime() == 0);
                    number
                }
            };
            let number: u32 = number.parse().unwrap_or_else(|_| panic!("{path}: no number"));
            assert_eq!(number > 1, path.ends_with(".gz"), "{path}");
            assert!(number <= 4 && !text.is_empty(), "{path}");
            logs.entry(log.to_owned()).or_default().push((number, mtime.as_second(), text));
        }
        for (log, mut all) in logs {
            all.sort();
            assert!(all.iter().zip(1..).all(|((number, ..), place)| *number == place), "{log}: a gap");
            assert!(all.windows(2).all(|pair| pair[0].1 > pair[1].1), "{log}: older ones are older");
        }
    }
    assert!(compressed > 3, "{compressed}");
}
