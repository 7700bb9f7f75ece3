//! Changes of what is known of a decoy that no job makes.

use rusqlite::{Connection, OptionalExtension};
use verisim_core::{Amend, Amendment, DecoyName, Lane, LedgerChange, OrderKey, Recorded};

use crate::error::Outcome;
use crate::events::NewEvents;
use crate::ledger::Change;
use crate::queue::order_hash;
use crate::tx::{Safety, Tx, Write};

/// An amendment, encoded.
pub(crate) struct Amending {
    decoy: DecoyName,
    what: What,
    events: NewEvents,
}

enum What {
    Path { change: Change, order: Option<i64> },
    Root(String),
    Forget,
}

impl Amending {
    pub(crate) fn new(amendment: Amendment) -> Outcome<Self> {
        let what = match amendment.change {
            Amend::Root(identity) => What::Root(identity),
            Amend::Forget => What::Forget,
            Amend::Path(change) => {
                let path = match &change {
                    LedgerChange::Put(entry) => &entry.path,
                    LedgerChange::Remove { path, .. } | LedgerChange::Freeze { path, .. } => path,
                    LedgerChange::Rename { from, .. } => from,
                };
                let order = Some(order_hash(&OrderKey(path.as_bytes().into())));
                What::Path { change: Change::new(change)?, order }
            }
        };
        Ok(Self { decoy: amendment.decoy, what, events: NewEvents::new(&amendment.events)? })
    }

    /// Whether an action is under way: on the path with this order, where an open fate counts too, or on any.
    fn is_busy(&self, tx: &Tx<'_>, order: Option<i64>) -> Outcome<bool> {
        // A lane that there is not never had a job.
        let lanes = Lane::all_of_decoy(&self.decoy).map(|lane| tx.state.lanes.id(&lane));
        let busy = tx.first(
            "SELECT 1 FROM job WHERE state < 100 AND lane IN (?1, ?2)
             AND (?3 IS NULL OR order_a = ?3 OR order_b = ?3)
             AND (lease_until IS NOT NULL OR (?3 IS NOT NULL AND intended IS NOT NULL)) LIMIT 1",
            (lanes[0], lanes[1], order),
            |_| Ok(()),
        )?;
        Ok(busy.is_some())
    }
}

impl Write for Amending {
    type Answer = Recorded;
    const SAFETY: Safety = Safety::Power;

    fn run(&self, tx: &mut Tx<'_>) -> Outcome<Recorded> {
        let decoy = self.decoy.as_str();
        match &self.what {
            What::Path { order, .. } if self.is_busy(tx, *order)? => return Ok(Recorded::Stale),
            What::Forget if self.is_busy(tx, None)? => return Ok(Recorded::Stale),
            What::Path { change, .. } => change.store(tx)?,
            What::Root(identity) => {
                tx.run("INSERT OR REPLACE INTO root (decoy, identity) VALUES (?1, ?2)", (decoy, identity))?;
            }
            What::Forget => {
                tx.run("DELETE FROM file WHERE decoy = ?1", [decoy])?;
                tx.run("DELETE FROM root WHERE decoy = ?1", [decoy])?;
                crate::burn::forget(tx, decoy)?;
            }
        }
        self.events.store(tx)?;
        Ok(Recorded::Committed)
    }
}

/// What the root of a decoy was known by last.
pub(crate) fn root_identity(db: &Connection, decoy: &DecoyName) -> Outcome<Option<String>> {
    let mut select = db.prepare_cached("SELECT identity FROM root WHERE decoy = ?1")?;
    Ok(select.query_row([decoy.as_str()], |row| row.get(0)).optional()?)
}
