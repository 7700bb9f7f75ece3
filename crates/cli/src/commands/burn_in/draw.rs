//! What a past is made of: the files of the people who work on a decoy.

use jiff::SignedDuration;
use verisim_core::{
    Action, BurnDress, BurnFacts, BurnFate, BurnFile, BurnHow, BurnIn, BurnState, Digest, FileTimes,
    OwnerPolicy, Timestamp,
};
use verisim_engine::{Comings, Drawn, Member};
use verisim_realism::{Past, PastFile, World};

use crate::context::Context;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::here::Here;

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
    let until = context.now();
    let from =
        until.saturating_sub(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MIN);
    let drawing = std::sync::Arc::clone(&world);
    let past = tokio::task::spawn_blocking(move || verisim_realism::past(&drawing, index, days, until)).await;
    let Past { files, directories } =
        past.map_err(|error| CliError::new(Exit::Failed, format!("drawing the past broke off: {error}")))?;
    let mut files: Vec<BurnFile> = files.into_iter().filter_map(|file| file_of(&world, file)).collect();
    files.sort_by(|a, b| a.facts.dress.mtime.cmp(&b.facts.dress.mtime).then_with(|| a.path.cmp(&b.path)));
    let comings = directories
        .into_iter()
        .map(|dir| Comings { path: dir.path, first: dir.first, last: dir.last, read: dir.read })
        .collect();
    let burn = BurnIn {
        decoy: name.clone(),
        from,
        until,
        days,
        story: "its files were copied over from another machine".to_owned(),
        state: BurnState::Planting,
        files: 0,
        begun: 0,
        begun_at: context.now(),
        ended_at: None,
        notes: Vec::new(),
    };
    Ok(Drawn { burn, files, comings })
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
