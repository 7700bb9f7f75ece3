//! A few connections that only read, each used by one blocking thread at a time.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;
use verisim_core::{StoreError, StoreResult};

use crate::error::Outcome;
use crate::open::{Place, connect_reader};

/// Readers at once; further ones wait.
const READERS: usize = 4;

#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    place: Place,
    places: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(crate) fn new(path: PathBuf, place: Place) -> Arc<Self> {
        Arc::new(Self { path, place, places: Arc::new(Semaphore::new(READERS)), idle: Mutex::default() })
    }

    /// Runs a question in a blocking thread, in one snapshot.
    pub(crate) async fn ask<T, F>(self: &Arc<Self>, question: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Outcome<T> + Send + 'static,
    {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let readers = Arc::clone(self);
        let asked = tokio::task::spawn_blocking(move || {
            let answer = readers.run(question).map_err(|fault| fault.at(&readers.path));
            drop(place);
            answer
        });
        asked.await.map_err(|_| StoreError::Closed)?
    }

    fn run<T>(&self, question: impl FnOnce(&Connection) -> Outcome<T>) -> Outcome<T> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let db = idle.map_or_else(|| connect_reader(&self.place), Ok)?;
        db.prepare_cached("BEGIN")?.execute(())?;
        let answer = question(&db);
        // A connection that cannot end its transaction is not used again: dropping it ends the snapshot.
        if db.prepare_cached("COMMIT").and_then(|mut commit| commit.execute(())).is_ok() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(db);
        }
        answer
    }
}
