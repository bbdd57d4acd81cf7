"""The simulator's own database: SQLite in its state folder, one writer at a time.

It is nobody else's: pettycash neither reads nor writes it.
"""

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pettycash.lab.simulators.mpesa.configuration import Configuration

_SCHEMA = """
CREATE TABLE IF NOT EXISTS movements (          -- money moved; it only grows
    id INTEGER PRIMARY KEY,
    originator_reference TEXT NOT NULL UNIQUE,
    conversation_id TEXT NOT NULL UNIQUE,
    receipt TEXT NOT NULL UNIQUE,
    amount_cents INTEGER NOT NULL CHECK (amount_cents > 0),
    fee_cents INTEGER NOT NULL CHECK (fee_cents >= 0),
    phone TEXT NOT NULL,
    shortcode TEXT NOT NULL,
    moved_at TEXT NOT NULL,
    moved_on TEXT NOT NULL                      -- the East African day, for the daily limit
);
CREATE INDEX IF NOT EXISTS movements_by_phone ON movements (phone, moved_on);
CREATE TRIGGER IF NOT EXISTS movements_never_change BEFORE UPDATE ON movements
    BEGIN SELECT RAISE(ABORT, 'money moved is not edited'); END;
CREATE TRIGGER IF NOT EXISTS movements_never_go BEFORE DELETE ON movements
    BEGIN SELECT RAISE(ABORT, 'money moved is not deleted'); END;

CREATE TABLE IF NOT EXISTS accounts (
    shortcode TEXT PRIMARY KEY,
    utility_cents INTEGER NOT NULL,
    working_cents INTEGER NOT NULL,
    charges_cents INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS payments (           -- requests that were accepted
    id INTEGER PRIMARY KEY,
    originator_reference TEXT NOT NULL UNIQUE,
    conversation_id TEXT NOT NULL UNIQUE,
    receipt TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,                       -- the TransactionStatus of section 6
    result_code TEXT,
    amount INTEGER NOT NULL,
    phone TEXT NOT NULL,
    shortcode TEXT NOT NULL,
    initiator TEXT NOT NULL,
    credential_is_right INTEGER NOT NULL,
    command TEXT NOT NULL,
    body TEXT NOT NULL,                         -- as received: a flat time-out notice repeats it
    scenario TEXT NOT NULL,
    initiated_at TEXT NOT NULL,
    finalised_at TEXT
);
CREATE TABLE IF NOT EXISTS queries (
    id INTEGER PRIMARY KEY,
    originator_id TEXT NOT NULL UNIQUE,
    conversation_id TEXT NOT NULL UNIQUE,
    initiator TEXT NOT NULL,
    credential_is_right INTEGER NOT NULL,
    body TEXT NOT NULL,
    scenario TEXT NOT NULL,
    asked_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS work (               -- owed to itself: survives a kill
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('settle', 'query')),
    key INTEGER NOT NULL,
    due_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS work_due ON work (due_at);
CREATE TABLE IF NOT EXISTS callbacks (
    id INTEGER PRIMARY KEY,
    originator_reference TEXT NOT NULL,
    purpose TEXT NOT NULL,
    url TEXT NOT NULL,
    body BLOB NOT NULL,
    content_type TEXT NOT NULL,
    due_at REAL NOT NULL,
    taken_by TEXT NOT NULL DEFAULT '',          -- the run of the simulator that sends it
    attempted_at TEXT,
    http_status INTEGER,
    error TEXT
);
CREATE INDEX IF NOT EXISTS callbacks_due ON callbacks (due_at) WHERE attempted_at IS NULL;
CREATE INDEX IF NOT EXISTS callbacks_by_reference ON callbacks (originator_reference);
CREATE TABLE IF NOT EXISTS requests (           -- what was received, credentials cut
    id INTEGER PRIMARY KEY,
    received_at TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    originator_reference TEXT NOT NULL,
    phone TEXT NOT NULL,
    scenario TEXT NOT NULL,
    status INTEGER NOT NULL,
    delivery TEXT NOT NULL,
    body TEXT NOT NULL,
    answer TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS requests_by_reference ON requests (originator_reference);
CREATE TABLE IF NOT EXISTS faults (             -- one-shot orders
    id INTEGER PRIMARY KEY,
    operation TEXT NOT NULL,
    scenario TEXT NOT NULL,
    originator_reference TEXT NOT NULL DEFAULT '',
    phone TEXT NOT NULL DEFAULT '',
    remaining INTEGER NOT NULL CHECK (remaining > 0)
);
CREATE TABLE IF NOT EXISTS sightings (          -- how often a fault met a reference
    originator_reference TEXT NOT NULL,
    fault TEXT NOT NULL,
    times INTEGER NOT NULL,
    PRIMARY KEY (originator_reference, fault)
);
CREATE TABLE IF NOT EXISTS tokens (
    consumer_key TEXT PRIMARY KEY,
    token TEXT NOT NULL,
    expires_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS switches (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class StateFolderTaken(Exception):
    """Another simulator uses this state folder."""


class SimulatorStore:
    """The database, and the lock that lets one process have the state folder."""

    def __init__(self, configuration: Configuration) -> None:
        folder: Path = configuration.state
        folder.mkdir(parents=True, exist_ok=True)
        self._lock_file = os.open(folder / "simulator.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock_file)
            raise StateFolderTaken(f"another simulator uses {folder}") from error
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(
            folder / "ledger.sqlite3", check_same_thread=False, isolation_level=None
        )
        self._connection.row_factory = sqlite3.Row
        # WAL with synchronous=NORMAL loses nothing when the process is killed, which is the crash
        # that this simulator has to outlive; a power cut may cost the last commits.
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)
        with self.unit() as db:
            for shortcode in configuration.shortcodes:
                db.execute(
                    "INSERT OR IGNORE INTO accounts (shortcode, utility_cents, working_cents)"
                    " VALUES (?, ?, ?)",
                    (
                        shortcode,
                        configuration.utility_balance * 100,
                        configuration.working_balance * 100,
                    ),
                )

    @contextmanager
    def unit(self) -> Iterator[sqlite3.Connection]:
        """One transaction: commits on a clean exit, rolls back on any exception."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def close(self) -> None:
        with self._lock:
            self._connection.close()
            os.close(self._lock_file)


def switch(db: sqlite3.Connection, name: str, default: str) -> str:
    row = db.execute("SELECT value FROM switches WHERE name = ?", (name,)).fetchone()
    return default if row is None else str(row["value"])


def set_switch(db: sqlite3.Connection, name: str, value: str | None) -> None:
    """Remember `value` under `name`; None forgets it."""
    db.execute("DELETE FROM switches WHERE name = ?", (name,))
    if value is not None:
        db.execute("INSERT INTO switches (name, value) VALUES (?, ?)", (name, value))
