//! What a command of the writer works with.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Params, Row, ToSql};
use verisim_core::Lane;

use crate::error::Outcome;
use crate::queue::{LaneId, Lanes, Queue};

/// What the writer keeps in memory beside the tables; all of it is undone with its transaction.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) queue: Queue,
    pub(crate) lanes: Lanes,
    pub(crate) numbers: Numbers,
    committed: Numbers,
    /// How many events each decoy has; `None` until they are needed, and after a roll-back.
    pub(crate) events_of: Option<HashMap<String, u64>>,
}

/// Positions that only rise.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Numbers {
    pub(crate) last_job: i64,
    pub(crate) last_lane: i64,
    pub(crate) last_event: i64,
    pub(crate) published: i64,
    /// Events up to here may be gone.
    pub(crate) pruned: i64,
    /// How many keys of pruned jobs are remembered.
    pub(crate) spent: i64,
}

impl State {
    pub(crate) fn commit(&mut self) {
        self.queue.commit();
        self.lanes.commit();
        self.committed = self.numbers;
    }

    pub(crate) fn roll_back(&mut self) {
        self.queue.roll_back();
        self.lanes.roll_back();
        self.numbers = self.committed;
        self.events_of = None;
    }
}

/// One transaction under way.
pub(crate) struct Tx<'a> {
    pub(crate) db: &'a Connection,
    pub(crate) state: &'a mut State,
}

impl Tx<'_> {
    /// Runs a statement; answers how many rows it changed.
    pub(crate) fn run(&self, sql: &str, params: impl Params) -> Outcome<usize> {
        Ok(self.db.prepare_cached(sql)?.execute(params)?)
    }

    /// The first row of a query.
    pub(crate) fn first<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Outcome<Option<T>> {
        Ok(self.db.prepare_cached(sql)?.query_row(params, read).optional()?)
    }

    /// Every row of a query that is bounded by itself.
    pub(crate) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Outcome<Vec<T>> {
        Ok(self.db.prepare_cached(sql)?.query_map(params, read)?.collect::<Result<_, _>>()?)
    }

    pub(crate) fn set_meta(&self, name: &str, value: impl ToSql) -> Outcome<()> {
        self.run("INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)", (name, value)).map(drop)
    }

    /// The row id of a lane, which is made if there is none.
    pub(crate) fn lane(&mut self, lane: &Lane) -> Outcome<LaneId> {
        if let Some(id) = self.state.lanes.id(lane) {
            return Ok(id);
        }
        let id = self.state.numbers.last_lane + 1;
        self.run("INSERT INTO lane (id, name) VALUES (?1, ?2)", (id, &*lane.0))?;
        self.state.numbers.last_lane = id;
        self.state.lanes.add(lane.clone(), id);
        Ok(id)
    }
}

/// How safe a command must be when it is answered. A group of commands is as safe as its safest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Safety {
    /// It only looks at what the writer has in memory.
    Look,
    /// It survives the death of the process, but need not survive the loss of power.
    Process,
    /// It survives the loss of power.
    Power,
}

/// A command of the writer. It may be run more than once: when a command of its group fails, the group is rolled back and
/// each is run again by itself.
pub(crate) trait Write: Send + 'static {
    type Answer: Send + 'static;
    const SAFETY: Safety;
    fn run(&self, tx: &mut Tx<'_>) -> Outcome<Self::Answer>;
}
