//! Jobs and decoys for tests, made without a planner.

use std::sync::Arc;

use verisim_core::{
    Action, ActivityState, Body, Decoy, DecoyName, DecoyPath, FileClass, FileMode, FileTimes, IdempotencyKey,
    InvalidName, InvalidPath, JobState, NewJob, OwnerPolicy, PlantFile, Schedule, Timestamp, Work,
};

/// A decoy of this name.
///
/// # Errors
/// When the name breaks the rules.
pub fn decoy(name: &str) -> Result<Arc<Decoy>, InvalidName> {
    let name = DecoyName::new(name)?;
    Ok(Arc::new(Decoy { name, services: Vec::new(), role: "test".into(), address: None }))
}

/// A note to plant.
///
/// # Errors
/// When the path breaks the rules.
pub fn plant(path: &str, content: &str) -> Result<Action, InvalidPath> {
    Ok(Action::Plant(PlantFile {
        path: DecoyPath::new(path)?,
        body: Body::from(content.to_owned()),
        class: FileClass::Note,
        mode: FileMode::new(0o644),
        owner: OwnerPolicy::Keep,
        times: FileTimes::Live,
    }))
}

/// A queued job for an action.
#[must_use]
pub fn action_job(
    key: &str,
    decoy: &DecoyName,
    action: Action,
    at: Timestamp,
    deadline: Option<Timestamp>,
) -> NewJob {
    NewJob {
        key: IdempotencyKey(key.into()),
        work: Work::Activity {
            decoy: decoy.clone(),
            action: Arc::new(action),
            persona: None,
            session: None,
            why: "a test".into(),
        },
        state: JobState::Activity(ActivityState::Queued),
        planned_at: at,
        schedule: Schedule::At(at),
        deadline,
    }
}
