//! The tables, and how an older file becomes a newer one.

/// Written into the file's header, so that another program's database is not taken for ours: "VSIM".
pub(crate) const APPLICATION_ID: i64 = 0x5653_494d;

/// One entry per schema version, from 1. An entry that was ever released is never changed.
pub(crate) const MIGRATIONS: &[&str] = &[V1, V2, V3];

/// What the root of a decoy is known again by.
const V2: &str = "
    CREATE TABLE root (decoy TEXT PRIMARY KEY, identity TEXT NOT NULL) STRICT, WITHOUT ROWID;
";

/// The pasts of decoys. What the files were before stays as long as the past can be undone.
const V3: &str = "
    CREATE TABLE burn_in (decoy TEXT PRIMARY KEY, burn TEXT NOT NULL) STRICT, WITHOUT ROWID;

    CREATE TABLE burn_file (
        id INTEGER PRIMARY KEY,
        decoy TEXT NOT NULL,
        number INTEGER NOT NULL,
        path BLOB NOT NULL,
        fate TEXT NOT NULL,
        facts TEXT NOT NULL,
        before_dress TEXT,
        before_body BLOB,
        body BLOB,
        UNIQUE (decoy, number)
    ) STRICT;
    CREATE INDEX burn_file_path ON burn_file (decoy, path);

    CREATE TABLE burn_directory (
        decoy TEXT NOT NULL,
        path BLOB NOT NULL,
        directory TEXT NOT NULL,
        PRIMARY KEY (decoy, path)
    ) STRICT, WITHOUT ROWID;
";

/// What the tables hold. Times are nanoseconds since the epoch; JSON is versioned, see `wire`; codes are those of `codes`.
const V1: &str = "
    -- Single values, by name.
    CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;

    -- Decoys and destinations that ever had a job.
    CREATE TABLE lane (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

    -- The part of a job that changes. A lease is there when lease_until is. order_a and order_b are hashes of order keys.
    CREATE TABLE job (
        id INTEGER PRIMARY KEY,
        kind INTEGER NOT NULL,
        lane INTEGER NOT NULL,
        order_a INTEGER,
        order_b INTEGER,
        state INTEGER NOT NULL,
        due_at INTEGER,
        fence INTEGER NOT NULL DEFAULT 0,
        lease_until INTEGER,
        lease_worker TEXT,
        attempts INTEGER NOT NULL DEFAULT 0,
        failures INTEGER NOT NULL DEFAULT 0,
        mismatches INTEGER NOT NULL DEFAULT 0,
        blocks INTEGER NOT NULL DEFAULT 0,
        leases_lost INTEGER NOT NULL DEFAULT 0,
        updated_at INTEGER NOT NULL,
        failure_kind TEXT,
        failure_detail TEXT,
        intended TEXT,
        progress TEXT
    ) STRICT;
    -- Jobs that are not final, for the start; it stays small, whatever history there is.
    CREATE INDEX job_open ON job (id) WHERE state < 100;

    -- The part of a job that never changes.
    CREATE TABLE work (
        id INTEGER PRIMARY KEY,
        key TEXT NOT NULL UNIQUE,
        planned_at INTEGER NOT NULL,
        deadline INTEGER,
        created_at INTEGER NOT NULL,
        work TEXT NOT NULL
    ) STRICT;

    -- Keys of jobs that were pruned, until a replay of them is impossible; for captures, for ever.
    CREATE TABLE spent (key TEXT PRIMARY KEY, job INTEGER NOT NULL, until INTEGER) STRICT, WITHOUT ROWID;
    CREATE INDEX spent_until ON spent (until) WHERE until IS NOT NULL;

    -- What a tool printed, per attempt.
    CREATE TABLE attempt (
        job INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        at INTEGER NOT NULL,
        output TEXT NOT NULL,
        PRIMARY KEY (job, attempt, at)
    ) STRICT, WITHOUT ROWID;

    -- Append-only; the id is the outbox position.
    CREATE TABLE event (
        id INTEGER PRIMARY KEY,
        time INTEGER NOT NULL,
        decoy TEXT,
        topic TEXT NOT NULL,
        event TEXT NOT NULL
    ) STRICT;
    CREATE INDEX event_decoy ON event (decoy, id) WHERE decoy IS NOT NULL;

    -- The ledger. The body stands last, so that a scan does not read it.
    CREATE TABLE file (
        id INTEGER PRIMARY KEY,
        decoy TEXT NOT NULL,
        path BLOB NOT NULL,
        ownership TEXT NOT NULL,
        sha256 BLOB NOT NULL,
        size INTEGER NOT NULL,
        class TEXT NOT NULL,
        persona TEXT,
        edits INTEGER NOT NULL,
        planted_at INTEGER NOT NULL,
        changed_at INTEGER NOT NULL,
        body BLOB,
        UNIQUE (decoy, path)
    ) STRICT;

    -- Foreign content that was found under a path of ours.
    CREATE TABLE evidence (
        id INTEGER PRIMARY KEY,
        decoy TEXT NOT NULL,
        path BLOB NOT NULL,
        at INTEGER NOT NULL,
        expected BLOB,
        found BLOB,
        body BLOB NOT NULL
    ) STRICT;

    CREATE TABLE decoy (name TEXT PRIMARY KEY, decoy TEXT NOT NULL) STRICT, WITHOUT ROWID;

    -- The newest generation of every capture that ever became a job; outlives the job. The path of a rule's own folder is
    -- empty, which no relative path is.
    CREATE TABLE capture (
        rule TEXT NOT NULL,
        path BLOB NOT NULL,
        generation INTEGER NOT NULL,
        job INTEGER NOT NULL,
        capture TEXT NOT NULL,
        PRIMARY KEY (rule, path)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE manifest (
        id INTEGER PRIMARY KEY,
        job INTEGER NOT NULL,
        piece INTEGER NOT NULL,
        bytes BLOB NOT NULL,
        UNIQUE (job, piece)
    ) STRICT;
";
