//! Near duplicates: shingles of five words, candidates by `MinHash` in bands (Broder, 1997), decided by the whole sets.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use verisim_core::DecoyPath;

/// Hashes of a text, in bands of two: of two texts with a similarity of 0.8, 1 in 3,000 pairs is missed.
const BANDS: usize = 8;
const WORDS: usize = 5;
/// From here on two texts are near duplicates (Jaccard).
const SIMILAR: f64 = 0.8;

/// Texts that have a near duplicate, each with one of its likes.
pub(crate) fn duplicates(texts: &[(DecoyPath, String)]) -> Vec<(DecoyPath, DecoyPath)> {
    let mut seen: HashMap<(usize, u64, u64), Vec<usize>> = HashMap::new();
    let sets: Vec<HashSet<u64>> = texts.iter().map(|(_, text)| shingles(text)).collect();
    let mut found: HashMap<usize, usize> = HashMap::new();
    for (place, set) in sets.iter().enumerate() {
        for band in 0..BANDS {
            let key = (band, least(set, 2 * band), least(set, 2 * band + 1));
            let others = seen.entry(key).or_default();
            for other in others.iter() {
                if similarity(set, &sets[*other]) > SIMILAR {
                    found.insert(place, *other);
                    found.insert(*other, place);
                }
            }
            // Where many texts fall together, one of them stands for those that come later.
            if others.len() < 64 {
                others.push(place);
            }
        }
    }
    found.into_iter().map(|(one, other)| (texts[one].0.clone(), texts[other].0.clone())).collect()
}

fn shingles(text: &str) -> HashSet<u64> {
    let hasher = BuildHasherDefault::<DefaultHasher>::new();
    let words: Vec<&str> = text.split_whitespace().collect();
    // A text of fewer words is one shingle.
    words.windows(WORDS.min(words.len().max(1))).map(|shingle| hasher.hash_one(shingle)).collect()
}

fn least(set: &HashSet<u64>, number: usize) -> u64 {
    let salt = (number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    set.iter()
        .map(|hash| (hash ^ salt).wrapping_mul(0xD6E8_FEB8_6659_FD93).rotate_left(29) ^ salt)
        .min()
        .unwrap_or(0)
}

fn similarity(one: &HashSet<u64>, other: &HashSet<u64>) -> f64 {
    let both = one.intersection(other).count();
    both as f64 / (one.len() + other.len() - both).max(1) as f64
}
