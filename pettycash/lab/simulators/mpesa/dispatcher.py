"""The thread that does what is due: late settlements, answers to queries, callbacks.

Everything owed stands in the database, so a killed simulator goes on where it was. A callback that
was sent but not yet written down as sent is sent again after a kill: clients have to expect 0, 1 or
many deliveries of a result (section 4).
"""

import secrets
import sqlite3
import sys
import threading
import time
import traceback

import requests

from pettycash.lab.simulators.mpesa import identifiers
from pettycash.lab.simulators.mpesa.configuration import Configuration
from pettycash.lab.simulators.mpesa.payments import SimulatedPayments
from pettycash.lab.simulators.mpesa.queries import Queries
from pettycash.lab.simulators.mpesa.store import SimulatorStore

_AT_ONCE_MAX = 64
_LOOK_SECONDS_MAX = 1.0
_BATCH_MAX = 200


class Dispatcher:
    """Runs from `start` to `stop`; `wake` tells it that something new may be due."""

    def __init__(
        self,
        configuration: Configuration,
        store: SimulatorStore,
        payments: SimulatedPayments,
        queries: Queries,
    ) -> None:
        self._configuration = configuration
        self._store = store
        self._payments = payments
        self._queries = queries
        self._places = threading.Semaphore(_AT_ONCE_MAX)
        self._run_id = secrets.token_hex(8)
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._news.set()

    def stop(self) -> None:
        """Stop taking work. What is on the wire is left to end or to be sent again next time."""
        self._stopping.set()
        self._news.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2)

    def deliver_now(self, callback_id: int) -> None:
        """Deliver one callback before returning, unless it is under way already."""
        with self._store.unit() as db:
            taken = db.execute(
                "UPDATE callbacks SET taken_by = ? WHERE id = ? AND taken_by <> ?",
                (self._run_id, callback_id, self._run_id),
            ).rowcount
        if taken:
            self._deliver(callback_id)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._news.clear()
            try:
                pause = self._round()
            except (sqlite3.Error, ValueError, KeyError, TypeError):
                traceback.print_exc(file=sys.stderr)
                pause = _LOOK_SECONDS_MAX
            self._news.wait(pause)

    def _round(self) -> float:
        """Do what is due; returns the seconds until something else will be."""
        now = time.time()
        with self._store.unit() as db:
            work = db.execute(
                "SELECT * FROM work WHERE due_at <= ? ORDER BY due_at LIMIT ?", (now, _BATCH_MAX)
            ).fetchall()
        for row in work:
            self._do(row)
        for callback_id in self._take_due(now):
            self._places.acquire()
            threading.Thread(
                target=self._deliver_in_place, args=(callback_id,), daemon=True
            ).start()
        return 0.0 if work else self._until_next()

    def _take_due(self, now: float) -> list[int]:
        with self._store.unit() as db:
            rows = db.execute(
                "UPDATE callbacks SET taken_by = ? WHERE id IN (SELECT id FROM callbacks"
                " WHERE attempted_at IS NULL AND taken_by <> ? AND due_at <= ?"
                " ORDER BY due_at LIMIT ?) RETURNING id",
                (self._run_id, self._run_id, now, _BATCH_MAX),
            ).fetchall()
        return sorted(row["id"] for row in rows)

    def _until_next(self) -> float:
        with self._store.unit() as db:
            row = db.execute(
                "SELECT MIN(due_at) AS next FROM (SELECT due_at FROM work UNION ALL"
                " SELECT due_at FROM callbacks WHERE attempted_at IS NULL AND taken_by <> ?)",
                (self._run_id,),
            ).fetchone()
        if row["next"] is None:
            return _LOOK_SECONDS_MAX
        return min(max(float(row["next"]) - time.time(), 0.005), _LOOK_SECONDS_MAX)

    def _do(self, row: sqlite3.Row) -> None:
        """One piece of work and its end in one transaction."""
        at = identifiers.now()
        with self._store.unit() as db:
            if row["kind"] == "settle":
                self._payments.settle(db, row["key"], at=at)
            else:
                self._queries.settle(db, row["key"], at=at)
            db.execute("DELETE FROM work WHERE id = ?", (row["id"],))

    def _deliver_in_place(self, callback_id: int) -> None:
        try:
            self._deliver(callback_id)
        finally:
            self._places.release()

    def _deliver(self, callback_id: int) -> None:
        """Post one callback once and write down what came of it. It is not tried again."""
        try:
            with self._store.unit() as db:
                row = db.execute(
                    "SELECT * FROM callbacks WHERE id = ? AND attempted_at IS NULL", (callback_id,)
                ).fetchone()
            if row is None:
                return
            status, error = self._post(row["url"], row["body"], row["content_type"])
            with self._store.unit() as db:
                db.execute(
                    "UPDATE callbacks SET attempted_at = ?, http_status = ?, error = ?"
                    " WHERE id = ?",
                    (identifiers.iso(identifiers.now()), status, error, callback_id),
                )
        except sqlite3.ProgrammingError:
            if not self._stopping.is_set():  # closed by a stop: the next start sends it
                raise

    def _post(self, url: str, body: bytes, content_type: str) -> tuple[int | None, str | None]:
        ca = self._configuration.callback_ca
        try:
            with requests.Session() as session:
                session.trust_env = False  # a proxy of the machine has no business here
                answer = session.post(
                    url,
                    data=body,
                    headers={"Content-Type": content_type, "User-Agent": "Apache-HttpClient"},
                    timeout=self._configuration.callback_timeout_seconds,
                    allow_redirects=False,
                    verify=str(ca) if ca else True,
                    stream=True,
                )
                answer.close()
        except requests.RequestException as error:
            return None, type(error).__name__
        return answer.status_code, None
