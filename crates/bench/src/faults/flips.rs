//! Bits that are flipped at the destination, in captures that were verified once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Instant;

use super::CALM_MAX;
use super::home::{Home, SMALL};
use super::watch;
use crate::measure::Error;
use crate::push::Noise;

/// The file that is damaged.
pub(super) const FILE: &str = "image.raw";

/// When which capture was damaged.
pub(super) type Flipped = BTreeMap<String, Instant>;

/// Makes so many captures and flips a bit in each as soon as it was verified once. Of every second one a person asks at once;
/// the others are left to the pass that is due. Waits until all is right again.
pub(super) fn run(home: &mut Home, random: &mut Noise, flips: u32) -> Result<Flipped, Error> {
    let mut open = BTreeSet::new();
    for number in 0..flips {
        let name = format!("flip-{number:05}");
        home.capture(&name, SMALL, random)?;
        open.insert(name);
    }
    let (mut flipped, mut since) = (Flipped::new(), Instant::now());
    while !open.is_empty() {
        if since.elapsed() > CALM_MAX {
            return Err(format!("{} captures never came home:\n{}", open.len(), home.list()?).into());
        }
        let fates = home.watch.fates();
        let verified = home.jobs("verified")?;
        for name in open.clone() {
            let (Some(id), true) = (verified.get(&name), fates[&name].sealed.is_some()) else { continue };
            flip(home, &name, random)?;
            flipped.insert(name.clone(), Instant::now());
            open.remove(&name);
            since = Instant::now();
            if flipped.len() % 2 == 0 {
                told_to_a_person(home, &name, *id)?;
            }
        }
        home.pause(300)?;
    }
    let begun = Instant::now();
    while !all_right(home, &flipped)? {
        if begun.elapsed() > CALM_MAX {
            return Err(format!("damage was not mended:\n{}", home.list()?).into());
        }
        home.pause(1_000)?;
    }
    Ok(flipped)
}

/// As a disk does it: size and times stay what they are.
fn flip(home: &Home, name: &str, random: &mut Noise) -> Result<(), Error> {
    let at = home.far.of(name).join(FILE);
    let times = fs::metadata(&at)?.modified()?;
    let mut content = fs::read(&at)?;
    let bit = random.below(content.len() as u64 * 8);
    content[usize::try_from(bit / 8)?] ^= 1 << (bit % 8);
    let file = fs::File::options().write(true).open(&at)?;
    std::os::unix::fs::FileExt::write_all_at(&file, &content, 0)?;
    Ok(file.set_modified(times)?)
}

fn told_to_a_person(home: &Home, name: &str, id: u64) -> Result<(), Error> {
    let verdict = home.ask(&["sync", "verify", &id.to_string()])?;
    let said = [verdict.stdout, verdict.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let is_told = verdict.status.code() == Some(6) && said.contains(FILE);
    if is_told { Ok(()) } else { Err(format!("of {name} it said ({}): {said}", verdict.status).into()) }
}

fn all_right(home: &Home, flipped: &Flipped) -> Result<bool, Error> {
    let fates = home.watch.fates();
    for name in flipped.keys() {
        if watch::hashes(&home.far.of(name))? != fates[name].files {
            return Ok(false);
        }
    }
    Ok(true)
}
