//! The first contact with a decoy after a start, and after every silence: is what answers the decoy that we know?
//!
//! A root whose mount is missing is an empty directory. Taken for the decoy it would make every known path look tampered
//! with, one after the other. So the store remembers what the root is known by, and a root that is known by something else
//! is only worked on when what we left on the decoy is there.

use verisim_core::{
    Amend, Amendment, ByteCount, CancellationToken, Connector, DecoyName, DecoyPath, Effect, EventPayload,
    Failure, FailureKind, FileKind, HostFacts, LedgerEntry, NewEvent, OwnershipPolicy, StatRequest,
    StoreError, Topic,
};

use crate::Member;
use crate::shared::Shared;

/// How many known paths are looked at when a root is known by something else than before.
const SAMPLE_MAX: usize = 32;
/// Out of how many, the first of the decoy, they are taken.
const SAMPLED_FROM: usize = 1_024;
const OPERATION: &str = "engine.contact";

/// Why a decoy is not worked on.
#[derive(Debug, Clone)]
pub(crate) enum NoContact {
    /// It cannot be asked.
    Failed(Failure),
    /// It answers, and is not the decoy that we know: what was found, and what a person can do.
    Stranger(Failure),
    /// The store cannot say what it was known by.
    Store(StoreError),
    /// Somebody stopped us.
    Cancelled,
}

impl From<StoreError> for NoContact {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Asks a decoy who it is. Once it is known to be the one it was, it is taken so until it falls silent.
pub(crate) async fn contact(
    shared: &Shared,
    cancel: &CancellationToken,
    member: &Member,
) -> Result<HostFacts, NoContact> {
    match shared.bounded(cancel, recognise(shared, member)).await {
        Ok(Ok(facts)) => {
            shared.admit(&member.decoy.name);
            Ok(facts)
        }
        Ok(Err(no)) => Err(no),
        Err(reason) => {
            Err(reason.failure(OPERATION, Effect::NotApplied).map_or(NoContact::Cancelled, NoContact::Failed))
        }
    }
}

/// A decoy's first contact, by whoever needs it first: the others wait for the answer, and take it for theirs.
#[derive(Debug, Default)]
pub(crate) struct Meeting {
    /// Why there was no contact the last time.
    no: Option<NoContact>,
}

/// As [`contact`], for work that begins together with other work on a decoy that is not known yet. `None` when somebody else
/// has made its acquaintance meanwhile.
pub(crate) async fn meet(
    shared: &Shared,
    cancel: &CancellationToken,
    member: &Member,
) -> Option<Result<HostFacts, NoContact>> {
    let name = &member.decoy.name;
    let meeting = shared.meeting(name);
    let mut meeting = match meeting.try_lock() {
        Ok(first) => first,
        Err(_) => {
            let Ok(later) = shared.bounded(cancel, meeting.lock()).await else {
                return Some(Err(NoContact::Cancelled));
            };
            if shared.is_admitted(name) {
                return None;
            }
            if let Some(no) = &later.no {
                return Some(Err(no.clone()));
            }
            later
        }
    };
    let met = contact(shared, cancel, member).await;
    meeting.no = met.as_ref().err().filter(|no| !matches!(no, NoContact::Cancelled)).cloned();
    Some(met)
}

async fn recognise(shared: &Shared, member: &Member) -> Result<HostFacts, NoContact> {
    let name = &member.decoy.name;
    let facts = member.connector.probe().await.map_err(NoContact::Failed)?;
    let Some(identity) = facts.identity.clone() else { return Ok(facts) };
    let remembered = shared.store.root_identity(name).await?;
    if remembered.as_ref() == Some(&identity) {
        return Ok(facts);
    }
    let census = take_census(shared, member).await?;
    if !census.is_ours() {
        return Err(NoContact::Stranger(census.refusal(name)));
    }
    let detail = format!(
        "its root is another directory than before, with {} of {} known paths as they were left: it is taken for the \
         same decoy",
        census.intact, census.looked
    );
    let payload = EventPayload::Reachable { reachable: true };
    let event = NewEvent::of_decoy(name, Topic::reachable(name), detail, payload, shared.now());
    let events = remembered.map(|_| event).into_iter().collect();
    let change = Amendment { decoy: name.clone(), change: Amend::Root(identity), events };
    shared.store.amend(change).await?;
    Ok(facts)
}

/// How much of what is known to be on a decoy is there.
struct Census {
    looked: usize,
    intact: usize,
}

impl Census {
    /// Where nothing is known there is nothing to lose.
    const fn is_ours(&self) -> bool {
        self.looked == 0 || self.intact * 2 > self.looked
    }

    fn refusal(&self, decoy: &DecoyName) -> Failure {
        let detail = format!(
            "its root is not the one that was worked on: of {} known paths that were looked at, {} are as they were \
             left; nothing is done there. If its mount is missing, mount it, and it goes on by itself; if it was \
             replaced on purpose: verisim decoy accept {decoy}",
            self.looked, self.intact
        );
        Failure::new(FailureKind::NotFound, OPERATION, detail)
    }
}

/// Looks at some known paths, spread over the first so many of the decoy.
async fn take_census(shared: &Shared, member: &Member) -> Result<Census, NoContact> {
    let name = &member.decoy.name;
    let page = shared.store.ledger_scan(Some((name.clone(), DecoyPath::root())), SAMPLED_FROM).await?;
    let ours = |entry: &LedgerEntry| {
        entry.decoy == *name && matches!(entry.ownership, OwnershipPolicy::Owned | OwnershipPolicy::Append)
    };
    let known: Vec<LedgerEntry> = page.into_iter().filter(ours).collect();
    let step = known.len().div_ceil(SAMPLE_MAX).max(1);
    let mut census = Census { looked: 0, intact: 0 };
    for entry in known.iter().step_by(step) {
        census.looked += 1;
        if is_intact(member.connector.as_ref(), entry).await? {
            census.intact += 1;
        }
    }
    Ok(census)
}

/// Whether a path is as we left it; one that others write too, whether it is there and no shorter.
async fn is_intact(connector: &dyn Connector, entry: &LedgerEntry) -> Result<bool, NoContact> {
    let owned = entry.ownership == OwnershipPolicy::Owned;
    let request = if owned { StatRequest::Hash(ByteCount(entry.size)) } else { StatRequest::Plain };
    match connector.stat(&entry.path, request).await {
        Ok(Some(stat)) if owned => Ok(stat.sha256 == Some(entry.sha256)),
        Ok(stat) => Ok(stat.is_some_and(|stat| stat.kind == FileKind::Regular && stat.size >= entry.size)),
        Err(failure) if failure.kind == FailureKind::Denied => Ok(false),
        Err(failure) => Err(NoContact::Failed(failure)),
    }
}
