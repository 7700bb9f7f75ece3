//! The ledger of the model.

use verisim_core::{
    Amend, Amendment, Digest, FileClass, LedgerChange, LedgerEntry, OwnershipPolicy, Recorded, Work,
};

use super::{Frozen, Row, State};

impl State {
    pub(super) fn amend(&mut self, amendment: Amendment) -> Recorded {
        let Amendment { decoy, change, events } = amendment;
        let path = match &change {
            Amend::Path(LedgerChange::Put(entry)) => Some(&entry.path),
            Amend::Path(LedgerChange::Remove { path, .. } | LedgerChange::Freeze { path, .. }) => Some(path),
            Amend::Path(LedgerChange::Rename { from, .. }) => Some(from),
            Amend::Root(_) | Amend::Forget => None,
        };
        let concerns = |row: &Row| match &row.job.work {
            Work::Activity { decoy: of, action, .. } => {
                let (first, second) = action.paths();
                *of == decoy && path.is_none_or(|path| first == Some(path) || second == Some(path))
            }
            Work::Sync(_) => false,
        };
        let is_under_way = |row: &Row| row.lease.is_some() || (path.is_some() && row.job.intended.is_some());
        let rows = self.open.iter().filter_map(|id| self.jobs.get(id));
        let busy = rows.filter(|row| concerns(row)).any(is_under_way);
        match change {
            Amend::Root(identity) => drop(self.roots.insert(decoy, identity)),
            _ if busy => return Recorded::Stale,
            Amend::Path(change) => self.apply(change),
            Amend::Forget => {
                self.ledger.retain(|(of, _), _| *of != decoy);
                self.roots.remove(&decoy);
                self.burns.remove(&decoy);
            }
        }
        self.append(events);
        Recorded::Committed
    }

    pub(super) fn apply(&mut self, change: LedgerChange) {
        match change {
            LedgerChange::Put(entry) => {
                self.ledger.insert((entry.decoy.clone(), entry.path.clone()), *entry);
            }
            LedgerChange::Remove { decoy, path } => {
                self.ledger.remove(&(decoy, path));
            }
            LedgerChange::Rename { decoy, from, to } => {
                if let Some(mut entry) = self.ledger.remove(&(decoy.clone(), from)) {
                    entry.path = to.clone();
                    self.ledger.insert((decoy, to), entry);
                }
            }
            LedgerChange::Freeze { decoy, path, persona, expected, found, evidence, at } => {
                self.frozen.push(Frozen {
                    decoy: decoy.clone(),
                    path: path.clone(),
                    evidence: evidence.0.clone(),
                });
                let entry = self.ledger.entry((decoy.clone(), path.clone())).or_insert_with(|| LedgerEntry {
                    decoy,
                    path,
                    ownership: OwnershipPolicy::HandsOff,
                    sha256: expected.or(found).unwrap_or_else(|| Digest::of(evidence.as_bytes())),
                    size: 0,
                    class: FileClass::Manual,
                    persona,
                    edits: 0,
                    body: None,
                    planted_at: at,
                    changed_at: at,
                });
                entry.ownership = OwnershipPolicy::HandsOff;
            }
        }
    }
}
