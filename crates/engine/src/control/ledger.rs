//! What a person can learn of the ledger, and decide about it.

use std::sync::PoisonError;

use verisim_core::{
    Action, Amend, Amendment, ByteCount, ByteRange, CancellationToken, DecoyName, DecoyPath, Digest,
    EventPayload, Failure, FailureKind, FileKind, LEDGER_BODY_BYTES_MAX, LedgerChange, LedgerEntry, NewEvent,
    OwnershipPolicy, Recorded, StatRequest, Topic, Work,
};

use super::operator::{Asked, Operator};
use super::protocol::{Refusal, RefusalKind, Release};
use super::view::LedgerView;
use crate::Member;
use crate::contact::{NoContact, contact};
use crate::shared::not_under_way;

/// The most entries of one answer.
const ENTRIES_MAX: usize = 1_000;
/// How many entries or jobs are read in one go.
const PAGE: usize = 1_000;

impl Operator {
    /// What is known to be on a decoy, in the order of the paths, from after `after` on; with `frozen`, only what waits
    /// for a person.
    ///
    /// # Errors
    /// When there is no such decoy, or the store cannot be read.
    pub async fn ledger(
        &self,
        decoy: &DecoyName,
        frozen: bool,
        after: Option<&DecoyPath>,
        limit: usize,
    ) -> Asked<Vec<LedgerView>> {
        self.member(decoy)?;
        let limit = limit.min(ENTRIES_MAX);
        let wanted = |entry: &LedgerEntry| match entry.ownership {
            OwnershipPolicy::HandsOff => true,
            OwnershipPolicy::Owned | OwnershipPolicy::Append => !frozen,
            // It left the ledger; that its name is remembered is the planner's business.
            OwnershipPolicy::Foreign => false,
        };
        let mut found = Vec::new();
        let mut after = after.cloned().unwrap_or_else(DecoyPath::root);
        while found.len() < limit {
            let page = self.shared().store.ledger_scan(Some((decoy.clone(), after.clone())), PAGE).await?;
            let ours: Vec<LedgerEntry> = page.into_iter().take_while(|entry| entry.decoy == *decoy).collect();
            let Some(last) = ours.last() else { break };
            after = last.path.clone();
            found.extend(ours.into_iter().filter(wanted).map(LedgerView::of));
        }
        found.truncate(limit);
        Ok(found)
    }

    /// Decides about a path: what stands there becomes ours, or stays somebody else's for good. Answers what the ledger says
    /// of it afterwards; `None` when nothing.
    ///
    /// # Errors
    /// When the ledger does not know the path, an action on it is under way, what stands there cannot become ours, or
    /// decoy or store do not answer.
    pub async fn release(
        &self,
        decoy: &DecoyName,
        path: &DecoyPath,
        decision: Release,
    ) -> Asked<Option<LedgerView>> {
        let member = self.member(decoy)?;
        let shared = self.shared();
        let known = shared.store.ledger(&[(decoy.clone(), path.clone())]).await?.pop().flatten();
        let known = known.ok_or_else(|| {
            let message =
                format!("nothing is known of {path} on {decoy}: `verisim ledger {decoy}` lists what is");
            Refusal::new(RefusalKind::NotFound, message)
        })?;
        let change = match decision {
            Release::Adopt => LedgerChange::Put(Box::new(self.adopted(&member, known).await?)),
            Release::Forget => self.forgotten(&member, known).await,
        };
        let (after, sha256) = match &change {
            LedgerChange::Put(entry) if decision == Release::Adopt => {
                (Some(LedgerView::of((**entry).clone())), Some(entry.sha256))
            }
            _ => (None, None),
        };
        let payload = EventPayload::Released { path: path.clone(), decision: decision.name().into(), sha256 };
        let amendment = Amendment {
            decoy: decoy.clone(),
            change: Amend::Path(change.clone()),
            events: vec![self.decided(decoy, Topic::released(decoy), payload)],
        };
        if shared.store.amend(amendment).await? == Recorded::Stale {
            let message =
                format!("an action on {path} is under way, or its fate is open; ask again in a few seconds");
            return Err(Refusal::new(RefusalKind::WrongState, message));
        }
        shared.tell_planner(std::iter::once(&change));
        self.handle().wake();
        Ok(after)
    }

    /// An event about a person's decision.
    fn decided(&self, decoy: &DecoyName, topic: Topic, payload: EventPayload) -> NewEvent {
        NewEvent::of_decoy(decoy, topic, "by the operator".into(), payload, self.shared().now())
    }

    /// The entry of what stands under a path now.
    async fn adopted(&self, member: &Member, known: LedgerEntry) -> Asked<LedgerEntry> {
        let path = &known.path;
        self.meet(member).await?.map_err(|failure| unreachable(&failure))?;
        let connector = &member.connector;
        let limit = connector.capabilities().file_bytes_max;
        let stat =
            connector.stat(path, StatRequest::Hash(limit)).await.map_err(|failure| unreachable(&failure))?;
        let no = |what: &str| Refusal::new(RefusalKind::WrongState, format!("{path} {what}"));
        let stat =
            stat.ok_or_else(|| no("is not there: nothing can be adopted, it can only be forgotten"))?;
        if stat.kind != FileKind::Regular {
            return Err(no("is no regular file: it can only be forgotten"));
        }
        let sha256 =
            stat.sha256.ok_or_else(|| no("is larger than any file of ours: it can only be forgotten"))?;
        let ownership = known.class.ownership();
        let keeps_body = ownership == OwnershipPolicy::Owned && stat.size <= LEDGER_BODY_BYTES_MAX as u64;
        let body = match keeps_body {
            true => {
                let all = ByteRange::first(ByteCount(stat.size.saturating_add(1)));
                let body = connector.read(path, all).await.map_err(|failure| unreachable(&failure))?;
                if Digest::of(&body) != sha256 {
                    return Err(no("changes at this moment; ask again"));
                }
                Some(body.into())
            }
            false => None,
        };
        let changed_at = self.shared().now();
        Ok(LedgerEntry { ownership, sha256, size: stat.size, body, changed_at, ..known })
    }

    /// What is remembered of a path that is given up. Its name stays taken while something stands there, or while nobody
    /// can say: else it would be planned for again, and found foreign again.
    async fn forgotten(&self, member: &Member, known: LedgerEntry) -> LedgerChange {
        let is_gone = matches!(self.meet(member).await, Ok(Ok(())))
            && matches!(member.connector.stat(&known.path, StatRequest::Plain).await, Ok(None));
        if is_gone {
            return LedgerChange::Remove { decoy: known.decoy, path: known.path };
        }
        let changed_at = self.shared().now();
        let ownership = OwnershipPolicy::Foreign;
        LedgerChange::Put(Box::new(LedgerEntry { ownership, body: None, changed_at, ..known }))
    }

    /// The decoy is the one that we know; else what answers in its place. One that was recognised is not asked again: what
    /// runs there relies on it.
    async fn meet(&self, member: &Member) -> Asked<Result<(), Failure>> {
        if self.shared().is_admitted(&member.decoy.name) {
            return Ok(Ok(()));
        }
        match contact(self.shared(), &CancellationToken::new(), member).await {
            Ok(_) => Ok(Ok(())),
            Err(NoContact::Stranger(failure)) => Ok(Err(failure)),
            Err(NoContact::Failed(failure)) => Err(unreachable(&failure)),
            Err(NoContact::Store(error)) => Err(error.into()),
            Err(NoContact::Cancelled) => Err(Refusal::new(RefusalKind::TimeUp, "it was stopped")),
        }
    }

    /// Takes the root that a decoy has now for its root: what was known of the former one is forgotten, what was planned
    /// for files of it is cancelled, and life starts anew. Answers how many paths were forgotten.
    ///
    /// # Errors
    /// When there is no such decoy, its root is the one that is known, it cannot be asked, an action on it is under way,
    /// or the store cannot be used.
    pub async fn accept_root(&self, decoy: &DecoyName) -> Asked<u64> {
        let member = self.member(decoy)?;
        if self.meet(&member).await?.is_ok() {
            let message = format!("the root of {decoy} is the one that is known; there is nothing to accept");
            return Err(Refusal::new(RefusalKind::WrongState, message));
        }
        self.cancel_changes(decoy).await?;
        let shared = self.shared();
        let mut forgotten = Vec::new();
        let mut after = DecoyPath::root();
        loop {
            let page = shared.store.ledger_scan(Some((decoy.clone(), after)), PAGE).await?;
            let ours = page.into_iter().take_while(|entry| entry.decoy == *decoy);
            let before = forgotten.len();
            forgotten.extend(ours.map(|entry| LedgerChange::Remove { decoy: entry.decoy, path: entry.path }));
            match forgotten.last() {
                Some(LedgerChange::Remove { path, .. }) if forgotten.len() > before => after = path.clone(),
                _ => break,
            }
        }
        let count = u64::try_from(forgotten.len()).unwrap_or(u64::MAX);
        let payload = EventPayload::RootAccepted { forgotten: count };
        let events = vec![self.decided(decoy, Topic::accepted(decoy), payload)];
        let amendment = Amendment { decoy: decoy.clone(), change: Amend::Forget, events };
        if shared.store.amend(amendment).await? == Recorded::Stale {
            let message = format!("an action on {decoy} is under way; ask again in a few seconds");
            return Err(Refusal::new(RefusalKind::WrongState, message));
        }
        shared.tell_planner(forgotten.iter());
        if let Some(planner) = shared.planner.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            planner.stop_keeping(decoy);
        }
        self.handle().recall(decoy);
        Ok(count)
    }

    /// Cancels what was to change files of a root that is gone; new files are for the next one as well.
    async fn cancel_changes(&self, decoy: &DecoyName) -> Asked<()> {
        let mut before = None;
        loop {
            let filter = not_under_way(decoy, before, PAGE);
            let page = self.shared().store.jobs(filter).await?;
            let Some(last) = page.last() else { return Ok(()) };
            before = Some(last.id);
            for job in &page {
                if matches!(&job.work, Work::Activity { action, .. } if matches!(**action, Action::Plant(_)))
                {
                    continue;
                }
                match self.cancel(job.id).await {
                    Err(refusal) if refusal.kind != RefusalKind::WrongState => return Err(refusal),
                    _ => {}
                }
            }
        }
    }
}

/// A decoy that cannot be asked, or refuses.
fn unreachable(failure: &Failure) -> Refusal {
    let kind = match failure.kind {
        FailureKind::Denied => RefusalKind::WrongState,
        _ => RefusalKind::Decoy,
    };
    Refusal { kind, message: failure.to_string(), failure: Some(failure.kind) }
}
