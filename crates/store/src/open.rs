//! Opening: the lock, the checks that change nothing, the upgrade, and the state in memory.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use verisim_core::{Lane, StoreError, StoreResult};

use crate::error::{Fault, Outcome};
use crate::presence::{Presence, folder_of};
use crate::queue::Entry;
use crate::schema::{APPLICATION_ID, MIGRATIONS};
use crate::tx::State;
use crate::writer::{CHECKPOINT_PAGES, file_bytes, wal_path};

/// How long a connection waits for another one's lock.
const BUSY: Duration = Duration::from_secs(5);
/// Up to this size every page is checked at the start, which takes a tenth of a second; beyond it, see [`check`].
const CHECKED_BYTES_MAX: u64 = 64 << 20;
/// The tables that grow with the fleet and not with its history.
const SMALL_TABLES: [&str; 4] = ["meta", "lane", "decoy", "capture"];
/// For us alone.
pub(crate) const PRIVATE: u32 = 0o600;

/// What opening gives the writer.
pub(crate) struct Opened {
    pub(crate) db: Connection,
    pub(crate) state: State,
    pub(crate) presence: Presence,
    pub(crate) secret: [u8; 32],
    pub(crate) place: Place,
}

pub(crate) fn open(path: &Path) -> StoreResult<Opened> {
    let mut presence = Presence::lock(path)?;
    let place = Place::File(path.to_owned());
    inspect(&place, path, MIGRATIONS.len())?;
    make_private(path).map_err(|error| unusable(path, &error))?;
    let db = connect(&place, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)
        .and_then(|db| prepare(&db).map(|()| db))
        .map_err(|fault| fault.at(path))?;
    upgrade(&db, path, MIGRATIONS)?;
    let load = || {
        let secret = secret(&db)?;
        touch(&db)?;
        Ok((load_state(&db)?, secret))
    };
    let (state, secret) = load().map_err(|fault: Fault| fault.at(path))?;
    presence.watch(path)?;
    Ok(Opened { db, state, presence, secret, place })
}

/// Opens to look: nothing on the disk is made or changed, and the folder may be one that cannot be written. Where there is
/// no store, an empty one in memory answers.
pub(crate) fn look(path: &Path) -> StoreResult<Opened> {
    let presence = Presence::lock_to_look(path)?;
    if file_bytes(path) == 0 {
        return empty(path);
    }
    // Without a log nobody changed the file since it was closed, and nobody can while the lock is held: SQLite need not
    // make files of its own beside it, which it otherwise does even to read.
    let place = match file_bytes(&wal_path(path)) {
        0 => Place::Immutable(path.to_owned()),
        _ => Place::File(path.to_owned()),
    };
    inspect(&place, path, MIGRATIONS.len())?;
    let load = || {
        let db = connect(&place, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let version: i64 = db.query_row("PRAGMA user_version", (), |row| row.get(0))?;
        if usize::try_from(version) != Ok(MIGRATIONS.len()) {
            return Err(Fault::invalid(format_args!(
                "it has schema {version} and must be brought to {}; `verisim up` does that, after a backup",
                MIGRATIONS.len()
            )));
        }
        let secret = db.query_row("SELECT value FROM meta WHERE name = 'secret'", (), |row| row.get(0))?;
        Ok((load_state(&db)?, secret, db))
    };
    let (state, secret, db) = load().map_err(|fault: Fault| fault.at(path))?;
    Ok(Opened { db, state, presence, secret, place })
}

/// A store in memory with nothing in it.
fn empty(path: &Path) -> StoreResult<Opened> {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let place = Place::Memory(MADE.fetch_add(1, Ordering::Relaxed));
    let db = connect(&place, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)
        .map_err(|fault| fault.at(path))?;
    upgrade(&db, path, MIGRATIONS)?;
    let load = || Ok((load_state(&db)?, secret(&db)?));
    let (state, secret) = load().map_err(|fault: Fault| fault.at(path))?;
    Ok(Opened { db, state, presence: Presence::default(), secret, place })
}

/// Where the connections of a store go.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// A file.
    File(PathBuf),
    /// A file that nobody writes: read without locks and without a log.
    Immutable(PathBuf),
    /// The memory of this process; the number tells it from others there.
    Memory(u64),
}

impl Place {
    /// What SQLite calls it.
    fn uri(&self) -> OsString {
        let (path, query) = match self {
            Self::File(path) => return path.clone().into(),
            Self::Immutable(path) => (path, "?immutable=1"),
            Self::Memory(number) => return format!("file:/verisim-{number}?vfs=memdb").into(),
        };
        let mut uri = OsString::from("file:");
        for byte in path.as_os_str().as_bytes() {
            match byte {
                b'/' | b'.' | b'-' | b'_' | b'~' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => {
                    uri.push(OsStr::from_bytes(&[*byte]));
                }
                _ => uri.push(format!("%{byte:02x}")),
            }
        }
        uri.push(query);
        uri
    }
}

pub(crate) fn unusable(path: &Path, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Io { path: path.to_owned(), detail: error.to_string() }
}

pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Has the database file, and what SQLite keeps beside it, for us alone, whatever the process masks: SQLite makes its other
/// files with the mode of the database. Before the first connection, since closing a descriptor would end its locks.
fn make_private(path: &Path) -> std::io::Result<()> {
    File::options().create(true).truncate(false).write(true).mode(PRIVATE).open(path)?;
    for file in [path.to_owned(), wal_path(path), beside(path, "-shm")] {
        match std::fs::set_permissions(&file, Permissions::from_mode(PRIVATE)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn connect(place: &Place, flags: OpenFlags) -> Outcome<Connection> {
    let flags = match place {
        Place::File(_) => flags,
        Place::Immutable(_) | Place::Memory(_) => flags | OpenFlags::SQLITE_OPEN_URI,
    };
    let db = Connection::open_with_flags(place.uri(), flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(BUSY)?;
    // Without this a statement is prepared anew whenever a bound value could tell whether a partial index fits.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.set_prepared_statement_cache_capacity(128);
    // Cells are checked when a page is read, so that damage is an error and not a wrong answer.
    db.execute_batch("PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;")?;
    Ok(db)
}

/// A connection that can only read.
pub(crate) fn connect_reader(place: &Place) -> Outcome<Connection> {
    let db = connect(place, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    db.execute_batch("PRAGMA query_only=ON; PRAGMA cache_size=-1024;")?;
    Ok(db)
}

fn prepare(db: &Connection) -> Outcome<()> {
    db.execute_batch(&format!(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-8192;
         PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES};"
    ))?;
    Ok(())
}

/// Refuses what is not ours, damaged, or newer, through a connection that cannot write.
fn inspect(place: &Place, path: &Path, supported: usize) -> StoreResult<()> {
    if file_bytes(path) == 0 {
        return Ok(());
    }
    let corrupt = |detail: String| StoreError::Corrupt { path: path.to_owned(), detail };
    let look = || {
        let db = connect(place, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let number = |sql: &str| db.query_row(sql, (), |row| row.get::<_, i64>(0));
        let found = number("PRAGMA user_version")?;
        let application = number("PRAGMA application_id")?;
        let tables = number("SELECT count(*) FROM sqlite_schema")?;
        Ok((found, application, tables, check(&db, path, application == APPLICATION_ID && found > 0)?))
    };
    let (found, application, tables, check) = look().map_err(|fault: Fault| fault.at(path))?;
    if tables > 0 && application != APPLICATION_ID {
        return Err(corrupt("it is a database of another program".into()));
    }
    let supported = i64::try_from(supported).unwrap_or(i64::MAX);
    if found > supported {
        return Err(StoreError::Newer { path: path.to_owned(), found, supported });
    }
    if check == "ok" { Ok(()) } else { Err(corrupt(check)) }
}

/// Up to a size every page; beyond it what costs the same whatever history there is: every page of the tables that no history
/// swells, besides what SQLite looks at whenever it opens, the length of the file among it. The rest is checked page by
/// page when it is read.
fn check(db: &Connection, path: &Path, is_ours: bool) -> Outcome<String> {
    let checked = |sql: &str| Ok(db.query_row(sql, (), |row| row.get::<_, String>(0))?);
    if file_bytes(path) <= CHECKED_BYTES_MAX {
        return checked("PRAGMA quick_check(1)");
    }
    for table in SMALL_TABLES.iter().filter(|_| is_ours) {
        let found = checked(&format!("PRAGMA quick_check({table})"))?;
        if found != "ok" {
            return Ok(found);
        }
    }
    Ok("ok".into())
}

/// Brings the tables to the newest version, in one transaction. An existing store is copied beside itself first.
fn upgrade(db: &Connection, path: &Path, migrations: &[&str]) -> StoreResult<()> {
    let run = || {
        let found: i64 = db.query_row("PRAGMA user_version", (), |row| row.get(0))?;
        let known = usize::try_from(found).map_err(Fault::invalid)?;
        let Some(missing) = migrations.get(known..).filter(|missing| !missing.is_empty()) else {
            return Ok(());
        };
        if known > 0 {
            back_up(db, path, found)?;
        }
        db.execute_batch("BEGIN IMMEDIATE")?;
        for sql in missing {
            db.execute_batch(sql)?;
        }
        db.execute_batch(&format!(
            "PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={}; COMMIT;",
            migrations.len()
        ))?;
        Ok(())
    };
    run().map_err(|fault: Fault| {
        if !db.is_autocommit() {
            // The error that led here is the one to tell.
            let _ = db.execute_batch("ROLLBACK");
        }
        fault.at(path)
    })
}

/// Copies the store to `<path>.v<version>.bak`, whole and flushed, or not at all.
fn back_up(db: &Connection, path: &Path, version: i64) -> Outcome<()> {
    let (copy, partial) = (beside(path, &format!(".v{version}.bak")), beside(path, ".bak.partial"));
    let io =
        |error: std::io::Error| Fault::invalid(format_args!("the backup before the upgrade failed: {error}"));
    match std::fs::remove_file(&partial) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    // An empty file is taken for a new database, and keeps its mode.
    File::options().create_new(true).write(true).mode(PRIVATE).open(&partial).map_err(io)?;
    let name = partial.to_str().ok_or_else(|| Fault::invalid("the store's path is not UTF-8"))?;
    db.execute("VACUUM INTO ?1", [name])?;
    File::open(&partial).and_then(|file| file.sync_all()).map_err(io)?;
    std::fs::rename(&partial, &copy).map_err(io)?;
    File::open(folder_of(path)).and_then(|dir| dir.sync_all()).map_err(io)
}

/// The secret of this store, made when there is none.
fn secret(db: &Connection) -> Outcome<[u8; 32]> {
    let mut fresh = [0; 32];
    let mut filled = 0;
    while filled < fresh.len() {
        filled += rustix::rand::getrandom(&mut fresh[filled..], rustix::rand::GetRandomFlags::empty())
            .map_err(|error| Fault::invalid(format_args!("no randomness: {error}")))?;
    }
    db.execute("INSERT OR IGNORE INTO meta (name, value) VALUES ('secret', ?1)", [fresh])?;
    Ok(db.query_row("SELECT value FROM meta WHERE name = 'secret'", (), |row| row.get(0))?)
}

/// Writes once, durably: a store that cannot be written is found at the start, and the log has begun, which costs a flush
/// of its own, before the first job comes.
fn touch(db: &Connection) -> Outcome<()> {
    db.execute(
        "INSERT INTO meta (name, value) VALUES ('starts', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1",
        (),
    )?;
    Ok(())
}

/// Reads what the writer keeps in memory.
fn load_state(db: &Connection) -> Outcome<State> {
    let mut state = State::default();
    let number = |sql: &str| db.query_row(sql, (), |row| row.get::<_, i64>(0));
    let meta = |name: &str| {
        db.query_row("SELECT coalesce(max(value), 0) FROM meta WHERE name = ?1", [name], |row| row.get(0))
    };
    let numbers = &mut state.numbers;
    numbers.last_job = number("SELECT coalesce(max(id), 0) FROM work")?.max(meta("last_job")?);
    numbers.last_event = number("SELECT coalesce(max(id), 0) FROM event")?.max(meta("last_event")?);
    numbers.last_lane = number("SELECT coalesce(max(id), 0) FROM lane")?;
    numbers.published = meta("published")?;
    numbers.pruned = meta("pruned")?;
    numbers.spent = number("SELECT count(*) FROM spent")?;
    let mut lanes = db.prepare("SELECT id, name FROM lane")?;
    for row in lanes.query_map((), |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))? {
        let (id, name) = row?;
        state.lanes.load(Lane(name.into()), id);
    }
    let mut jobs = db.prepare(
        "SELECT id, lane, order_a, order_b, state, due_at, lease_until FROM job WHERE state < 100 ORDER BY id",
    )?;
    let mut rows = jobs.query(())?;
    while let Some(row) = rows.next()? {
        let lane = row.get(1)?;
        let entry = Entry {
            kind: state.lanes.kind(lane)?,
            lane,
            order: [row.get(2)?, row.get(3)?],
            state: row.get(4)?,
            due_at: row.get(5)?,
            lease_until: row.get(6)?,
        };
        state.queue.set(row.get(0)?, Some(entry));
    }
    state.commit();
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(path: &Path) -> (i64, Vec<String>) {
        let db = Connection::open(path).unwrap();
        let mut names =
            db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").unwrap();
        let names = names.query_map((), |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
        (db.query_row("PRAGMA user_version", (), |row| row.get(0)).unwrap(), names)
    }

    fn made(path: &Path, migrations: &[&str]) -> StoreResult<()> {
        let db = Connection::open(path).unwrap();
        prepare(&db).unwrap();
        upgrade(&db, path, migrations)
    }

    #[test]
    fn an_older_store_is_copied_and_then_upgraded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.db");
        let steps = ["CREATE TABLE one (a)", "CREATE TABLE two (a)", "CREATE TABLE three (a)"];
        made(&path, &steps[..1]).unwrap();
        Connection::open(&path).unwrap().execute_batch("INSERT INTO one VALUES (7)").unwrap();
        made(&path, &steps[..1]).unwrap();
        let backup = dir.path().join("store.db.v1.bak");
        assert!(!backup.exists(), "where nothing is to be done, nothing is copied");
        made(&path, &steps).unwrap();
        assert_eq!(version(&path), (3, vec!["one".into(), "three".into(), "two".into()]));
        assert_eq!(version(&backup), (1, vec!["one".into()]));
        let kept: i64 =
            Connection::open(&backup).unwrap().query_row("SELECT a FROM one", (), |r| r.get(0)).unwrap();
        assert_eq!(kept, 7);
        let place = Place::File(path.clone());
        assert!(inspect(&place, &path, 3).is_ok());
        assert!(matches!(inspect(&place, &path, 2), Err(StoreError::Newer { found: 3, supported: 2, .. })));
    }

    #[test]
    fn an_upgrade_that_fails_leaves_the_old_store() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.db");
        made(&path, &["CREATE TABLE one (a)"]).unwrap();
        let broken = ["CREATE TABLE one (a)", "CREATE TABLE two (a)", "CREATE TABLE one (a)"];
        assert!(made(&path, &broken).is_err());
        assert_eq!(version(&path), (1, vec!["one".into()]));
    }
}
