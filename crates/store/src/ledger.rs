//! What is known to be on the decoys.

use rusqlite::{Connection, OptionalExtension, Row};
use verisim_core::{
    Body, DecoyName, DecoyPath, Digest, FileClass, LEDGER_BODY_BYTES_MAX, LedgerChange, LedgerEntry,
    OwnershipPolicy, PersonaName,
};

use crate::codes;
use crate::error::{Fault, Outcome};
use crate::tx::Tx;

/// A change whose numbers fit.
pub(crate) enum Change {
    Put(Box<LedgerEntry>, i64),
    Other(LedgerChange),
}

impl Change {
    pub(crate) fn new(change: LedgerChange) -> Outcome<Self> {
        Ok(match change {
            LedgerChange::Put(mut entry) => {
                entry.body = entry.body.filter(|body| body.as_bytes().len() <= LEDGER_BODY_BYTES_MAX);
                let size = codes::number(entry.size)?;
                Self::Put(entry, size)
            }
            other => Self::Other(other),
        })
    }

    pub(crate) fn store(&self, tx: &Tx<'_>) -> Outcome<()> {
        match self {
            Self::Put(entry, size) => put(tx, entry, *size),
            Self::Other(LedgerChange::Put(entry)) => put(tx, entry, codes::number(entry.size)?),
            Self::Other(LedgerChange::Remove { decoy, path }) => tx
                .run("DELETE FROM file WHERE decoy = ?1 AND path = ?2", (decoy.as_str(), path.as_bytes()))
                .map(drop),
            Self::Other(LedgerChange::Rename { decoy, from, to }) => tx
                .run(
                    "UPDATE OR REPLACE file SET path = ?3 WHERE decoy = ?1 AND path = ?2",
                    (decoy.as_str(), from.as_bytes(), to.as_bytes()),
                )
                .map(drop),
            Self::Other(LedgerChange::Freeze { decoy, path, persona, expected, found, evidence, at }) => {
                let kept = evidence.as_bytes();
                let kept = &kept[..kept.len().min(LEDGER_BODY_BYTES_MAX)];
                freeze(
                    tx,
                    (decoy, path, persona.as_ref()),
                    (expected.as_ref(), found.as_ref()),
                    kept,
                    codes::time(*at),
                )
            }
        }
    }
}

fn put(tx: &Tx<'_>, entry: &LedgerEntry, size: i64) -> Outcome<()> {
    tx.run(
        "INSERT INTO file (decoy, path, ownership, sha256, size, class, persona, edits, planted_at, changed_at, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT (decoy, path) DO UPDATE SET ownership = ?3, sha256 = ?4, size = ?5, class = ?6, persona = ?7,
         edits = ?8, planted_at = ?9, changed_at = ?10, body = ?11",
        (
            entry.decoy.as_str(),
            entry.path.as_bytes(),
            codes::ownership(entry.ownership),
            entry.sha256.as_bytes(),
            size,
            entry.class.wire(),
            entry.persona.as_ref().map(PersonaName::as_str),
            entry.edits,
            codes::time(entry.planted_at),
            codes::time(entry.changed_at),
            entry.body.as_ref().map(Body::as_bytes),
        ),
    )
    .map(drop)
}

/// Freezes a path and keeps what was found. A path that the ledger did not know gets an entry, so that nobody plans for it.
fn freeze(
    tx: &Tx<'_>,
    (decoy, path, persona): (&DecoyName, &DecoyPath, Option<&PersonaName>),
    (expected, found): (Option<&Digest>, Option<&Digest>),
    evidence: &[u8],
    at: i64,
) -> Outcome<()> {
    tx.run(
        "INSERT INTO evidence (decoy, path, at, expected, found, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (
            decoy.as_str(),
            path.as_bytes(),
            at,
            expected.map(Digest::as_bytes),
            found.map(Digest::as_bytes),
            evidence,
        ),
    )?;
    let hash = expected.or(found).copied().unwrap_or_else(|| Digest::of(evidence));
    tx.run(
        "INSERT INTO file (decoy, path, ownership, sha256, size, class, edits, planted_at, changed_at, persona)
         VALUES (?1, ?2, ?3, ?4, 0, ?5, 0, ?6, ?6, ?7)
         ON CONFLICT (decoy, path) DO UPDATE SET ownership = ?3",
        (
            decoy.as_str(),
            path.as_bytes(),
            codes::ownership(OwnershipPolicy::HandsOff),
            hash.as_bytes(),
            FileClass::Manual.wire(),
            at,
            persona.map(PersonaName::as_str),
        ),
    )
    .map(drop)
}

/// Everything but the body, which a query of one path reads as the last column.
const COLUMNS: &str = "decoy, path, ownership, sha256, size, class, persona, edits, planted_at, changed_at";

fn entry(row: &Row<'_>) -> Outcome<LedgerEntry> {
    let text = |column: usize| -> Outcome<&str> { row.get_ref(column)?.as_str().map_err(Fault::invalid) };
    let persona = row.get_ref(6)?.as_str_or_null().map_err(Fault::invalid)?;
    Ok(LedgerEntry {
        decoy: DecoyName::new(text(0)?).map_err(Fault::invalid)?,
        path: DecoyPath::new(row.get_ref(1)?.as_blob().map_err(Fault::invalid)?).map_err(Fault::invalid)?,
        ownership: codes::parse_ownership(text(2)?)?,
        sha256: Digest::from_bytes(row.get(3)?),
        size: u64::try_from(row.get::<_, i64>(4)?).map_err(Fault::invalid)?,
        class: FileClass::of_wire(text(5)?),
        persona: persona.map(PersonaName::new).transpose().map_err(Fault::invalid)?,
        edits: row.get(7)?,
        body: None,
        planted_at: codes::parse_time(row.get(8)?)?,
        changed_at: codes::parse_time(row.get(9)?)?,
    })
}

pub(crate) fn find(db: &Connection, paths: &[(DecoyName, DecoyPath)]) -> Outcome<Vec<Option<LedgerEntry>>> {
    let mut select =
        db.prepare_cached(&format!("SELECT {COLUMNS}, body FROM file WHERE decoy = ?1 AND path = ?2"))?;
    let mut one = |(decoy, path): &(DecoyName, DecoyPath)| {
        let read = |row: &Row<'_>| Ok((entry(row), row.get::<_, Option<Vec<u8>>>(10)?));
        let found = select.query_row((decoy.as_str(), path.as_bytes()), read).optional()?;
        found.map(|(entry, body)| Ok(LedgerEntry { body: body.map(Body::from), ..entry? })).transpose()
    };
    paths.iter().map(&mut one).collect()
}

pub(crate) fn scan(
    db: &Connection,
    after: Option<&(DecoyName, DecoyPath)>,
    limit: usize,
) -> Outcome<Vec<LedgerEntry>> {
    let mut select = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM file WHERE (decoy, path) > (?1, ?2) ORDER BY decoy, path LIMIT ?3"
    ))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let after = after.map_or(("", [].as_slice()), |(decoy, path)| (decoy.as_str(), path.as_bytes()));
    let mut rows = select.query((after.0, after.1, limit))?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.push(entry(row)?);
    }
    Ok(entries)
}
