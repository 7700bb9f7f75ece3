//! What the ledger learns from a confirmed action.

use verisim_core::{
    Action, Body, DecoyName, EditPayload, FileClass, LEDGER_BODY_BYTES_MAX, LedgerChange, LedgerEntry,
    OwnershipPolicy, Payload, PersonaName, PlantPayload, Tamper, Timestamp,
};

/// Whose action it was, and where.
pub(super) struct Scene<'a> {
    pub(super) decoy: &'a DecoyName,
    pub(super) persona: Option<&'a PersonaName>,
    pub(super) known: Option<&'a LedgerEntry>,
    pub(super) now: Timestamp,
}

/// What a confirmed action changes.
pub(super) fn learnt(action: &Action, payload: &Payload, scene: &Scene<'_>) -> Vec<LedgerChange> {
    let decoy = || scene.decoy.clone();
    match payload {
        Payload::Traffic(_) | Payload::Email(_) => Vec::new(),
        Payload::Plant(planted) => vec![put(scene.planted(action, planted))],
        Payload::Edit(edited) => vec![put(scene.edited(action, edited))],
        Payload::Append(added) => {
            let class = match action {
                Action::Append(append) => append.class,
                _ => FileClass::DaemonLog,
            };
            let mut entry = scene.base(&added.path, class, OwnershipPolicy::Append);
            entry.sha256 = added.sha256;
            entry.size = added.offset.saturating_add(added.bytes);
            entry.edits = entry.edits.saturating_add(1);
            entry.body = None;
            vec![put(entry)]
        }
        Payload::Move(moved) => {
            vec![LedgerChange::Rename { decoy: decoy(), from: moved.from.clone(), to: moved.to.clone() }]
        }
        Payload::Remove(removed) => {
            vec![LedgerChange::Remove { decoy: decoy(), path: removed.path.clone() }]
        }
    }
}

/// A path that was tampered with is nobody's of ours any more.
pub(super) fn frozen(
    tamper: &Tamper,
    decoy: &DecoyName,
    persona: Option<&PersonaName>,
    now: Timestamp,
) -> LedgerChange {
    LedgerChange::Freeze {
        decoy: decoy.clone(),
        path: tamper.path.clone(),
        persona: persona.cloned(),
        expected: tamper.expected,
        found: tamper.found.sha256,
        evidence: Body(tamper.found.head.clone()),
        at: now,
    }
}

fn put(entry: LedgerEntry) -> LedgerChange {
    LedgerChange::Put(Box::new(entry))
}

impl Scene<'_> {
    /// The entry as it was, or a new one, changed now.
    fn base(
        &self,
        path: &verisim_core::DecoyPath,
        class: FileClass,
        ownership: OwnershipPolicy,
    ) -> LedgerEntry {
        let fresh = || LedgerEntry {
            decoy: self.decoy.clone(),
            path: path.clone(),
            ownership,
            sha256: verisim_core::Digest::of(b""),
            size: 0,
            class,
            persona: self.persona.cloned(),
            edits: 0,
            body: None,
            planted_at: self.now,
            changed_at: self.now,
        };
        let mut entry = self.known.cloned().unwrap_or_else(fresh);
        entry.path = path.clone();
        entry.changed_at = self.now;
        entry
    }

    fn planted(&self, action: &Action, planted: &PlantPayload) -> LedgerEntry {
        let ownership = planted.class.ownership();
        let body = match action {
            Action::Plant(plant) => Some(&plant.body),
            _ => None,
        };
        let ours_alone = matches!(ownership, OwnershipPolicy::Owned);
        let body = body.filter(|body| ours_alone && body.as_bytes().len() <= LEDGER_BODY_BYTES_MAX);
        LedgerEntry {
            decoy: self.decoy.clone(),
            path: planted.path.clone(),
            ownership,
            sha256: planted.sha256,
            size: planted.bytes,
            class: planted.class,
            persona: self.persona.cloned(),
            edits: 0,
            body: body.cloned(),
            planted_at: self.now,
            changed_at: self.now,
        }
    }

    fn edited(&self, action: &Action, edited: &EditPayload) -> LedgerEntry {
        let is_shared = matches!(action, Action::Edit(edit) if edit.shared);
        let (class, ownership) = match is_shared {
            true => (FileClass::Record, OwnershipPolicy::Append),
            false => (FileClass::Manual, OwnershipPolicy::Owned),
        };
        let mut entry = self.base(&edited.path, class, ownership);
        entry.sha256 = edited.after;
        entry.size = edited.bytes;
        entry.edits = entry.edits.saturating_add(1);
        entry.body = edited
            .body
            .as_ref()
            .filter(|body| !is_shared && body.as_bytes().len() <= LEDGER_BODY_BYTES_MAX)
            .cloned();
        entry
    }
}
