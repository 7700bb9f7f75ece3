//! What a past is made of: the files of the people who work on a decoy, and the system's records of them.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use jiff::SignedDuration;
use verisim_core::{
    Action, BurnBefore, BurnDress, BurnFacts, BurnFate, BurnFile, BurnHow, BurnIn, BurnState, DecoyPath,
    Digest, FileTimes, OwnerPolicy, Timestamp, printable,
};
use verisim_engine::{Comings, Drawn, Member};
use verisim_realism::{How, Past, PastFile, RecordFile, Records, Story, StoryKind, World};

use super::existing::{self, Found};
use crate::context::Context;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::here::Here;
use crate::render::time;

/// How many reasons are told for what was left out.
const NOTES_MAX: usize = 12;
/// How long planting takes at the least, and how many files it plants in a second, slowly reckoned: so long the story lasts.
const TOOK_LEAST_SECONDS: i64 = 5;
const FILES_PER_SECOND: i64 = 150;
/// How long after the end of its story the last line of a log may be.
const STORY_ENDS_AFTER: SignedDuration = SignedDuration::from_secs(100);

/// Draws the past of a decoy up to now: a pure function of the world and what was read of the decoy.
pub(super) async fn drawn(context: &Context, here: &Here, member: &Member, days: u32) -> CliResult<Drawn> {
    let name = &member.decoy.name;
    let nobody = || {
        CliError::new(Exit::Usage, format!("nobody works on {name}, so nobody has a past there"))
            .hint("give it `personas` in the configuration")
    };
    let owners = here.owners().await?;
    let world = here.wired.world_of(&owners)?.filter(|_| here.wired.has_people()).ok_or_else(nobody)?;
    let index = world.decoy_named(name).ok_or_else(nobody)?;
    if here.wired.config.decoys.iter().any(|decoy| decoy.name == *name && decoy.personas.is_empty()) {
        return Err(nobody());
    }
    let Found { existing, before } = existing::read(here, member, &world, index).await?;
    let until = context.now();
    let from =
        until.saturating_sub(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MIN);
    let drawing = Arc::clone(&world);
    let draw = move || {
        let past = verisim_realism::past(&drawing, index, days, until);
        let files = i64::try_from(past.files.len()).unwrap_or(i64::MAX);
        let took = SignedDuration::from_secs(TOOK_LEAST_SECONDS + files / FILES_PER_SECOND);
        let story = Story::of(&drawing, index, until, took);
        let records = verisim_realism::records(&drawing, index, &existing, from, until, &story);
        (past, records, story)
    };
    let (past, records, story) = tokio::task::spawn_blocking(draw)
        .await
        .map_err(|error| CliError::new(Exit::Failed, format!("drawing the past broke off: {error}")))?;
    let burn = BurnIn {
        decoy: name.clone(),
        from,
        until,
        days,
        story: told(&story),
        state: BurnState::Planting,
        files: 0,
        begun: 0,
        begun_at: context.now(),
        ended_at: None,
        notes: notes(&records, &story),
        keeping: records.keeping.clone(),
    };
    Ok(joined(&world, burn, past, records, &before))
}

/// The story in words.
fn told(story: &Story) -> String {
    let what = match story.kind {
        StoryKind::Restored => "its homes and logs were brought back from a backup",
        StoryKind::Migrated => "it replaces an older host of its name, whose files were copied over",
    };
    format!("{what}, {}", time::utc(story.at))
}

fn notes(records: &Records, story: &Story) -> Vec<String> {
    let ends = story.at.saturating_add(story.took + STORY_ENDS_AFTER).unwrap_or(story.at);
    let ends = format!("the last lines of its logs are of {}: expose it after that", time::utc(ends));
    let out = records.left_out.iter().take(NOTES_MAX);
    let out = out.map(|out| format!("{}: {}", out.path, printable(&out.what)));
    let more = records.left_out.len().saturating_sub(NOTES_MAX);
    let more = (more > 0).then(|| format!("{more} more records were left out"));
    std::iter::once(ends).chain(out).chain(more).collect()
}

/// Files and records in one order of time, each path once.
fn joined(
    world: &World,
    burn: BurnIn,
    past: Past,
    records: Records,
    before: &BTreeMap<DecoyPath, BurnBefore>,
) -> Drawn {
    let mut comings: Vec<Comings> = past
        .directories
        .into_iter()
        .map(|dir| Comings { path: dir.path, first: dir.first, last: dir.last, read: dir.read })
        .collect();
    let mut burn = burn;
    let mut files = Vec::with_capacity(past.files.len() + records.files.len());
    for record in records.files {
        let path = record.path.clone();
        came(&mut comings, &record, &burn);
        match record_of(record, burn.from, before) {
            Some(file) => files.push(file),
            None => burn.notes.push(format!("{path}: it could not be read whole, and is left as it is")),
        }
    }
    files.extend(past.files.into_iter().filter_map(|file| file_of(world, file)));
    let mut taken = HashSet::new();
    files.retain(|file| taken.insert(file.path.clone()));
    files.sort_by(|a, b| a.facts.dress.mtime.cmp(&b.facts.dress.mtime).then_with(|| a.path.cmp(&b.path)));
    Drawn { burn, files, comings }
}

/// When a new record came into its directory. A log that is set aside did when that happened; what grows where it is was there
/// from the beginning.
fn came(comings: &mut Vec<Comings>, record: &RecordFile, burn: &BurnIn) {
    let (How::New, Some(dir)) = (record.how, record.path.parent()) else { return };
    let name = record.path.file_name().unwrap_or_default();
    let is_set_aside = name
        .split(|byte| *byte == b'.')
        .any(|part| !part.is_empty() && part.len() <= 8 && part.iter().all(u8::is_ascii_digit));
    let at = if is_set_aside { record.mtime.max(burn.from) } else { burn.from };
    match comings.iter_mut().find(|known| known.path == dir) {
        Some(known) => {
            known.first = known.first.min(at);
            known.last = known.last.max(at);
            known.read = known.read.max(known.last);
        }
        None => comings.push(Comings { path: dir, first: at, last: at, read: record.atime.max(at) }),
    }
}

/// `None` where what is there was not read whole, so that it could not be put back.
fn record_of(
    record: RecordFile,
    from: Timestamp,
    before: &BTreeMap<DecoyPath, BurnBefore>,
) -> Option<BurnFile> {
    let before = before.get(&record.path).cloned();
    let bytes = record.body.as_bytes();
    let (how, sha256, size, before) = match (record.how, before) {
        (How::New, _) => (BurnHow::New, Digest::of(bytes), bytes.len(), None),
        (How::AppendTo, Some(before)) => {
            let whole = [before.body.as_bytes(), bytes].concat();
            (BurnHow::Append, Digest::of(&whole), whole.len(), Some(before))
        }
        (How::Rewrite(expected), Some(before)) if Digest::of(before.body.as_bytes()) == expected => {
            (BurnHow::Rewrite, Digest::of(bytes), bytes.len(), Some(before))
        }
        (How::AppendTo | How::Rewrite(_), _) => return None,
    };
    let dress =
        BurnDress { mode: record.mode, owner: record.owner, mtime: record.mtime, atime: record.atime };
    let facts = BurnFacts {
        how,
        sha256,
        size: size as u64,
        dress,
        class: None,
        persona: None,
        session: None,
        born_at: from.min(record.mtime),
        edits: 0,
        why: record.why,
    };
    Some(BurnFile {
        number: 0,
        path: record.path,
        facts,
        body: Some(record.body),
        before,
        fate: BurnFate::Planned,
    })
}

fn file_of(world: &World, file: PastFile) -> Option<BurnFile> {
    let Action::Plant(plant) = file.action else { return None };
    let slot = &file.decision.slot;
    let persona = world.persona(slot.persona)?;
    let FileTimes::Past { mtime, atime } = plant.times else { return None };
    let owner = match plant.owner {
        OwnerPolicy::Set(owner) => owner,
        OwnerPolicy::Keep => persona.owner,
    };
    let bytes = plant.body.as_bytes();
    let facts = BurnFacts {
        how: BurnHow::New,
        sha256: Digest::of(bytes),
        size: bytes.len() as u64,
        dress: BurnDress { mode: plant.mode, owner, mtime, atime },
        class: Some(plant.class),
        persona: Some(persona.name.clone()),
        session: Some(slot.session.id()),
        born_at: file.born,
        edits: file.edits,
        why: file.decision.why.to_string(),
    };
    let (path, body) = (plant.path, Some(plant.body));
    Some(BurnFile { number: 0, path, facts, body, before: None, fate: BurnFate::Planned })
}
