//! What is published about an action.

use verisim_core::{
    ActivityState, EventPayload, FailureKind, Job, NewEvent, Payload, Tamper, Timestamp, Topic, Work,
};

/// An event about an action's job, on the topic of its driver; `None` for a sync.
fn about(
    job: &Job,
    failure: Option<FailureKind>,
    detail: String,
    payload: EventPayload,
    now: Timestamp,
) -> Option<NewEvent> {
    let Work::Activity { decoy, action, persona, session, .. } = &job.work else { return None };
    Some(NewEvent {
        time: now,
        topic: Topic::activity(action.driver(), decoy),
        job: Some(job.id),
        decoy: Some(decoy.clone()),
        persona: persona.clone(),
        session: session.clone(),
        success: matches!(payload, EventPayload::Activity(_)),
        failure,
        detail,
        payload,
    })
}

/// An action was not confirmed, and its job is in the state `to` now.
pub(crate) fn not_done(
    job: &Job,
    to: ActivityState,
    failure: Option<FailureKind>,
    detail: String,
    now: Timestamp,
) -> Option<NewEvent> {
    let Work::Activity { action, .. } = &job.work else { return None };
    let payload = EventPayload::NotDone {
        action: action.name().into(),
        path: action.paths().0.cloned(),
        state: to.name().into(),
    };
    about(job, failure, detail, payload, now)
}

/// An action is confirmed.
pub(super) fn confirmed(job: &Job, payload: &Payload, now: Timestamp) -> Option<NewEvent> {
    let Work::Activity { why, .. } = &job.work else { return None };
    about(job, None, why.clone(), EventPayload::Activity(payload.clone()), now)
}

/// An action met foreign content.
pub(super) fn tampered(job: &Job, tamper: &Tamper, now: Timestamp) -> Option<NewEvent> {
    let Work::Activity { decoy, .. } = &job.work else { return None };
    let payload = EventPayload::Tampered {
        path: tamper.path.clone(),
        expected: tamper.expected,
        found: tamper.found.sha256,
    };
    let detail = format!("{} is not as it was left", tamper.path);
    about(job, None, detail, payload, now).map(|event| NewEvent { topic: Topic::tampered(decoy), ..event })
}
