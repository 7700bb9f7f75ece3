//! The pasts of decoys.

use std::ops::Range;

use rusqlite::{Connection, OptionalExtension, Row};
use verisim_core::{
    Body, BurnBefore, BurnDirectory, BurnDress, BurnFate, BurnFile, BurnIn, BurnPlan, BurnStep, DecoyName,
    DecoyPath,
};

use crate::error::{Fault, Outcome};
use crate::events::NewEvents;
use crate::ledger::Change;
use crate::tx::{Safety, Tx, Write};
use crate::wire;

/// A plan, encoded.
pub(crate) struct Begin {
    decoy: DecoyName,
    burn: String,
    files: Vec<FileRow>,
    directories: Vec<(DecoyPath, String)>,
}

struct FileRow {
    number: u32,
    path: DecoyPath,
    fate: BurnFate,
    facts: String,
    before: Option<(String, Body)>,
    body: Option<Body>,
}

impl Begin {
    pub(crate) fn new(plan: BurnPlan) -> Outcome<Self> {
        let file = |file: BurnFile| {
            let before =
                file.before.map(|before| Ok::<_, Fault>((wire::encode(&before.dress)?, before.body)));
            Ok(FileRow {
                number: file.number,
                path: file.path,
                fate: file.fate,
                facts: wire::encode(&file.facts)?,
                before: before.transpose()?,
                body: file.body,
            })
        };
        Ok(Self {
            decoy: plan.burn.decoy.clone(),
            burn: wire::encode(&plan.burn)?,
            files: plan.files.into_iter().map(file).collect::<Outcome<_>>()?,
            directories: encoded(&plan.directories)?,
        })
    }
}

fn encoded(directories: &[BurnDirectory]) -> Outcome<Vec<(DecoyPath, String)>> {
    directories.iter().map(|directory| Ok((directory.path.clone(), wire::encode(directory)?))).collect()
}

fn put_directories(tx: &Tx<'_>, decoy: &str, directories: &[(DecoyPath, String)]) -> Outcome<()> {
    for (path, directory) in directories {
        tx.run(
            "INSERT OR REPLACE INTO burn_directory (decoy, path, directory) VALUES (?1, ?2, ?3)",
            (decoy, path.as_bytes(), directory),
        )?;
    }
    Ok(())
}

impl Write for Begin {
    type Answer = ();
    const SAFETY: Safety = Safety::Power;

    fn run(&self, tx: &mut Tx<'_>) -> Outcome<()> {
        let decoy = self.decoy.as_str();
        if tx.first("SELECT 1 FROM burn_in WHERE decoy = ?1", [decoy], |_| Ok(()))?.is_some() {
            return Err(Fault::invalid(format_args!("{decoy} has a past already")));
        }
        tx.run("INSERT INTO burn_in (decoy, burn) VALUES (?1, ?2)", (decoy, &self.burn))?;
        for file in &self.files {
            tx.run(
                "INSERT INTO burn_file (decoy, number, path, fate, facts, before_dress, before_body, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                (
                    decoy,
                    file.number,
                    file.path.as_bytes(),
                    file.fate.name(),
                    &file.facts,
                    file.before.as_ref().map(|(dress, _)| dress),
                    file.before.as_ref().map(|(_, body)| body.as_bytes()),
                    file.body.as_ref().map(Body::as_bytes),
                ),
            )?;
        }
        put_directories(tx, decoy, &self.directories)
    }
}

/// A step, encoded.
pub(crate) struct Step {
    decoy: DecoyName,
    burn: Option<String>,
    fates: Vec<(u32, BurnFate)>,
    directories: Vec<(DecoyPath, String)>,
    ledger: Vec<Change>,
    events: NewEvents,
}

impl Step {
    pub(crate) fn new(step: BurnStep) -> Outcome<Self> {
        Ok(Self {
            decoy: step.decoy,
            burn: step.burn.as_ref().map(wire::encode).transpose()?,
            fates: step.fates,
            directories: encoded(&step.directories)?,
            ledger: step.ledger.into_iter().map(Change::new).collect::<Outcome<_>>()?,
            events: NewEvents::new(&step.events)?,
        })
    }
}

impl Write for Step {
    type Answer = ();
    const SAFETY: Safety = Safety::Power;

    fn run(&self, tx: &mut Tx<'_>) -> Outcome<()> {
        let decoy = self.decoy.as_str();
        if tx.first("SELECT 1 FROM burn_in WHERE decoy = ?1", [decoy], |_| Ok(()))?.is_none() {
            return Err(Fault::invalid(format_args!("{decoy} has no burn-in")));
        }
        for (number, fate) in &self.fates {
            tx.run(
                "UPDATE burn_file SET fate = ?3, body = iif(?3 = 'planned', body, NULL)
                 WHERE decoy = ?1 AND number = ?2",
                (decoy, number, fate.name()),
            )?;
        }
        put_directories(tx, decoy, &self.directories)?;
        match &self.burn {
            Some(burn) => drop(tx.run("UPDATE burn_in SET burn = ?2 WHERE decoy = ?1", (decoy, burn))?),
            None => forget(tx, decoy)?,
        }
        for change in &self.ledger {
            change.store(tx)?;
        }
        self.events.store(tx).map(drop)
    }
}

/// Forgets the past of a decoy, with what was there before it.
pub(crate) fn forget(tx: &Tx<'_>, decoy: &str) -> Outcome<()> {
    for table in ["burn_in", "burn_file", "burn_directory"] {
        tx.run(&format!("DELETE FROM {table} WHERE decoy = ?1"), [decoy])?;
    }
    Ok(())
}

pub(crate) fn all(db: &Connection) -> Outcome<Vec<BurnIn>> {
    let mut select = db.prepare_cached("SELECT burn FROM burn_in ORDER BY decoy")?;
    let rows = select.query_map((), |row| row.get::<_, String>(0))?;
    rows.map(|text| wire::decode(&text?)).collect()
}

pub(crate) fn files(db: &Connection, decoy: &DecoyName, numbers: &Range<u32>) -> Outcome<Vec<BurnFile>> {
    let mut select = db.prepare_cached(
        "SELECT number, path, fate, facts, before_dress, before_body, body FROM burn_file
         WHERE decoy = ?1 AND number >= ?2 AND number < ?3 ORDER BY number",
    )?;
    let mut rows = select.query((decoy.as_str(), numbers.start, numbers.end))?;
    let mut files = Vec::new();
    while let Some(row) = rows.next()? {
        files.push(file(row)?);
    }
    Ok(files)
}

pub(crate) fn file_at(db: &Connection, decoy: &DecoyName, path: &DecoyPath) -> Outcome<Option<BurnFile>> {
    let mut select = db.prepare_cached(
        "SELECT number, path, fate, facts, NULL, NULL, NULL FROM burn_file
         WHERE decoy = ?1 AND path = ?2 ORDER BY number LIMIT 1",
    )?;
    select.query_row((decoy.as_str(), path.as_bytes()), |row| Ok(file(row))).optional()?.transpose()
}

fn file(row: &Row<'_>) -> Outcome<BurnFile> {
    let fate: String = row.get(2)?;
    let fate = BurnFate::ALL.into_iter().find(|known| known.name() == fate);
    let dress: Option<String> = row.get(4)?;
    let dress: Option<BurnDress> = dress.map(|text| wire::decode(&text)).transpose()?;
    let before: Option<Vec<u8>> = row.get(5)?;
    Ok(BurnFile {
        number: row.get(0)?,
        path: DecoyPath::new(row.get_ref(1)?.as_blob().map_err(Fault::invalid)?).map_err(Fault::invalid)?,
        facts: wire::decode(row.get_ref(3)?.as_str().map_err(Fault::invalid)?)?,
        body: row.get::<_, Option<Vec<u8>>>(6)?.map(Body::from),
        before: dress.zip(before).map(|(dress, body)| BurnBefore { body: Body::from(body), dress }),
        fate: fate.ok_or_else(|| Fault::invalid("a file of a past has an unknown fate"))?,
    })
}

pub(crate) fn directories(db: &Connection, decoy: &DecoyName) -> Outcome<Vec<BurnDirectory>> {
    let mut select =
        db.prepare_cached("SELECT directory FROM burn_directory WHERE decoy = ?1 ORDER BY path")?;
    let rows = select.query_map([decoy.as_str()], |row| row.get::<_, String>(0))?;
    rows.map(|text| wire::decode(&text?)).collect()
}
