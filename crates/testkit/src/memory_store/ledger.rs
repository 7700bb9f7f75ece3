//! The ledger of the model.

use verisim_core::{Digest, FileClass, LedgerChange, LedgerEntry, OwnershipPolicy, PersonaName};

use super::{Frozen, State};

impl State {
    pub(super) fn apply(&mut self, change: LedgerChange, persona: Option<PersonaName>) {
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
            LedgerChange::Freeze { decoy, path, expected, found, evidence, at } => {
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
