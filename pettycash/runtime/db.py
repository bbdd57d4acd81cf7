"""Sessions, units of work and their scope.

Two engines: `pettycash_app` sees one company at a time through row-level security,
`pettycash_system` sees the few tables that cross-company work needs (relay, login, callback
inbox, nightly run). A unit of work tells PostgreSQL for whom it acts before its first statement.
"""

import logging
import math
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Engine,
    Interval,
    bindparam,
    cast,
    create_engine,
    func,
    text,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from pettycash.runtime import connection_watchdog, pool, settings
from pettycash.runtime.crash_points import connections

logger = logging.getLogger(__name__)

T = TypeVar("T")
Row = TypeVar("Row", bound=DeclarativeBase)

APP_ROLE, SYSTEM_ROLE = "pettycash_app", "pettycash_system"
"""The roles that row security knows. A login of another name acts as one of them."""

_ACT_AS = """
    SELECT pg_backend_pid(), (
        SELECT set_config('role', rolname, false) FROM pg_roles
        WHERE rolname = %s AND rolname <> session_user AND pg_has_role(session_user, oid,
            CASE WHEN current_setting('server_version_num')::int >= 160000
                 THEN 'SET' ELSE 'MEMBER' END))
"""
"""Someone's own server may hand us an owner or a superuser, whom row security spares."""

WATCHDOG_SECONDS = 10.0
"""How much longer than the server lets a statement take we wait for its answer."""

AUTOCOMMIT_LOCK_MILLISECONDS = 250
"""How long an autocommit connection waits for a lock: only changes of the table block readers."""

RETRIABLE_SQLSTATES = frozenset({"40001", "40P01", "55P03"})
"""Serialization failure, deadlock, lock time-out: the whole unit of work may be run again."""


@dataclass(frozen=True, kw_only=True)
class Scope:
    """For whom a unit of work acts. Without a company the app role sees no business row."""

    company_id: UUID | None = None
    actor_id: UUID | None = None
    api_key_id: UUID | None = None
    request_id: str = ""
    source: str = ""


_scope: ContextVar[Scope] = ContextVar("pettycash_scope", default=Scope())  # noqa: B039
_open: ContextVar[dict[str, Session]] = ContextVar("pettycash_open_sessions")


@contextmanager
def scope(**changes: Any) -> Iterator[Scope]:
    """Act for a company (and person) until the block ends."""
    token = _scope.set(replace(_scope.get(), **changes))
    try:
        yield _scope.get()
    finally:
        _scope.reset(token)


def set_scope(**changes: Any) -> None:
    """Narrow the ambient scope for the rest of the request."""
    _scope.set(replace(_scope.get(), **changes))


def current_scope() -> Scope:
    """The ambient scope."""
    return _scope.get()


PREPARED: Mapping[str, bool] = {"prepared": True}
"""Execution options of a statement that every request runs: PostgreSQL plans it once for each
connection instead of each time, which costs more than running it. Its parameters need a type that
follows from where they stand, and its text must not depend on their values."""


def array(keys: Iterable[UUID]) -> str:
    """Keys as the text of a uuid[], for a statement that is PREPARED; psycopg2 sends a text[]."""
    return f"{{{','.join(map(str, keys))}}}"


class _Database:
    """One role's engine and session factory."""

    def __init__(self) -> None:
        self.engine: Engine | None = None
        self.factory: sessionmaker[Session] | None = None
        self._configured: tuple[Any, ...] | None = None

    def configure(
        self, url: str, *, role: str, pool_size: int, limits: Mapping[str, str], **more: Any
    ) -> None:
        """Build the engine; one that was configured alike is kept, with what it has open."""
        statement_seconds = settings.current().statement_timeout_seconds
        severable = connections.arguments()
        configured = (url, role, pool_size, limits, more, statement_seconds, severable)
        if self._configured == configured:
            return
        self.dispose()
        self.engine = create_engine(
            url,
            **more,
            hide_parameters=True,  # they may be personal, and errors go to the log
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_recycle=1800,
            pool_timeout=5,
            connect_args={
                "options": " ".join(f"-c {name}={value}" for name, value in limits.items()),
                "connect_timeout": 3,
                "keepalives_idle": 5,
                "keepalives_interval": 2,
                "keepalives_count": 3,
                "tcp_user_timeout": 10_000,
                "application_name": "pettycash",
            }
            | severable,
        )

        if statement_seconds:  # 0: the server waits for ever, so do we
            connection_watchdog.watch(self.engine, seconds=statement_seconds + WATCHDOG_SECONDS)

        pool.introduce(self.engine, greeting=_ACT_AS, parameters=(role,), limits=limits)
        pool.ping_idle(self.engine)
        pool.prepare_once(self.engine)
        self.factory = sessionmaker(self.engine, expire_on_commit=False)
        self._configured = configured

    def dispose(self, *, close: bool = True) -> None:
        if self.engine is not None:
            self.engine.dispose(close=close)


_app = _Database()
_system = _Database()
_autocommits = _Database()


def configure(app_url: str, system_url: str, *, pool_size: int = 10) -> None:
    """Build both engines, each acting as its role whatever name its login has.

    Limits come from the installed settings (security.md row 14)."""
    current = settings.current()
    limits = {
        "statement_timeout": f"{int(current.statement_timeout_seconds * 1000)}",
        "lock_timeout": f"{int(current.lock_timeout_seconds * 1000)}",
        "idle_in_transaction_session_timeout": (
            f"{int(current.idle_in_transaction_timeout_seconds * 1000)}"
        ),
        "timezone": "UTC",
    }
    _app.configure(app_url, role=APP_ROLE, pool_size=pool_size, limits=limits)
    _system.configure(system_url, role=SYSTEM_ROLE, pool_size=pool_size, limits=limits)
    _autocommits.configure(
        system_url,
        role=SYSTEM_ROLE,
        pool_size=pool_size,
        limits=limits | {"lock_timeout": f"{AUTOCOMMIT_LOCK_MILLISECONDS}"},
        isolation_level="AUTOCOMMIT",
    )


def dispose(*, close: bool = True) -> None:
    """Drop pooled connections; after a fork with close=False, as the sockets are the parent's."""
    _app.dispose(close=close)
    _system.dispose(close=close)
    _autocommits.dispose(close=close)


def refuse_poolers() -> None:
    """Connect once as each role and let go again, before a process begins its work.

    A database that is away is no pooler: it is looked at again at the first connection.

    Raises:
        pool.BehindPooler: our statements would run among those of others.
    """
    for database in (_app, _system):
        try:
            if database.engine is not None:
                database.engine.connect().close()
        except DBAPIError:
            logger.warning("the database is away", exc_info=True)
    dispose()


def engine(*, system: bool = False) -> Engine:
    """The engine of a role, for health checks and LISTEN/NOTIFY."""
    found = (_system if system else _app).engine
    if found is None:
        raise RuntimeError(
            "database is not configured: call pettycash.runtime.db.configure() first"
        )
    return found


_BEGIN_SCOPE = (
    "SELECT now(), set_config('app.company', %(company)s, true),"
    " set_config('app.actor', %(actor)s, true),"
    " set_config('app.request_id', %(request_id)s, true),"
    " set_config('app.source', %(source)s, true)"
)


def begin_scope(session: Session) -> None:
    """Tell PostgreSQL for whom this transaction acts, and read its clock: one round trip."""
    acting = _scope.get()
    # The first statement of every unit of work: planned once, and not compiled by anybody.
    now: datetime = (
        session.connection()
        .exec_driver_sql(
            _BEGIN_SCOPE,
            {
                "company": str(acting.company_id or ""),
                "actor": str(acting.actor_id or ""),
                "request_id": acting.request_id,
                "source": acting.source,
            },
            execution_options=PREPARED,
        )
        .scalar_one()
    )
    session.info["now"] = now + timedelta(seconds=settings.current().clock_shift_seconds)
    session.info["scope"] = acting


LONG_WORK_MEMORY = "64MB"
"""For each sort and hash of a long statement: a nightly million rows are not spilt to disk."""


def allow_long_statements(session: Session, *, seconds: float | None) -> None:
    """Allow the statements of this transaction more time than those of a request (row 14).

    None: no limit, for work that nobody waits for.
    """
    patience = math.inf if seconds is None else seconds + WATCHDOG_SECONDS
    connection_watchdog.wait_longer(session.connection(), seconds=patience)
    session.execute(
        text(
            "SELECT set_config('statement_timeout', :limit, true),"
            " set_config('work_mem', :memory, true)"
        ),
        {"limit": f"{int((seconds or 0) * 1000)}ms", "memory": LONG_WORK_MEMORY},
    )


_AFTER_COMMIT: list[Callable[[Session], None]] = []


def after_commit(hook: Callable[[Session], None]) -> None:
    """Register what runs after every commit, outside the transaction (NOTIFY, metrics)."""
    _AFTER_COMMIT.append(hook)


_SNAPSHOT: Mapping[str, Any] = {
    "isolation_level": "REPEATABLE READ",
    "postgresql_readonly": True,
}


@contextmanager
def _unit_of_work(
    role: str, database: _Database, options: Mapping[str, Any] = MappingProxyType({})
) -> Iterator[Session]:
    sessions = _open.get({})
    already = sessions.get(role)
    if already is not None:
        yield already
        return
    if database.factory is None:
        raise RuntimeError(
            "database is not configured: call pettycash.runtime.db.configure() first"
        )
    with database.factory() as session:
        token = _open.set({**sessions, role: session})
        try:
            with session.begin():
                if options:
                    session.connection(execution_options=dict(options))
                begin_scope(session)
                yield session
        finally:
            _open.reset(token)
        for hook in _AFTER_COMMIT:
            hook(session)


@contextmanager
def transaction() -> Iterator[Session]:
    """One unit of work as the application role: commits on a clean exit, else rolls back.

    Joins the one that is open: the Idempotency-Key decorator opens it round the whole view.
    """
    with _unit_of_work("app", _app) as session:
        yield session


@contextmanager
def snapshot() -> Iterator[Session]:
    """One unit of work that only reads: all of its statements see one instant.

    For whoever compares what several statements say; elsewhere each statement sees what was
    committed before it. It locks nothing, nobody waits for it, and it is never asked to run again.
    """
    with _unit_of_work("app", _app, _SNAPSHOT) as session:
        yield session


@contextmanager
def system_transaction() -> Iterator[Session]:
    """One unit of work as the system role, across companies (named tables only)."""
    with _unit_of_work("system", _system) as session:
        yield session


@contextmanager
def system_autocommit() -> Iterator[Session]:
    """A session on an autocommit connection as the system role: no transaction is opened.

    For what every request asks first; `instant()` gives its statement a clock.
    """
    if _autocommits.factory is None:
        raise RuntimeError(
            "database is not configured: call pettycash.runtime.db.configure() first"
        )
    with _autocommits.factory() as session:
        yield session


def instant() -> ColumnElement[datetime]:
    """PostgreSQL's clock as a column, for a statement that is run with `shift()`."""
    return func.now() + bindparam("clock_shift", type_=Interval)


def wall_clock() -> ColumnElement[datetime]:
    """The same clock while the statement runs, however long ago its transaction began."""
    return func.clock_timestamp() + cast(bindparam("clock_shift"), Interval)


def shift() -> dict[str, timedelta]:
    """The parameter of both clocks: they go as far ahead as `session.info["now"]`."""
    return {"clock_shift": timedelta(seconds=settings.current().clock_shift_seconds)}


@contextmanager
def joined(session: Session) -> Iterator[Session]:
    """Make a session that somebody else commits the ambient one (tests, tools)."""
    token = _open.set({**_open.get({}), "app": session})
    try:
        yield session
    finally:
        _open.reset(token)


def in_transaction(work: Callable[[Session], T], *, attempts: int = 5) -> T:
    """Run a function in a unit of work, again where PostgreSQL asks for it.

    Retries SQLSTATE 40001, 40P01 and 55P03 only, with jitter. The function must not talk to the
    network: it may run several times.
    """
    for attempt in range(1, attempts + 1):
        try:
            with transaction() as session:
                return work(session)
        except DBAPIError as error:
            joined_to_outer = "app" in _open.get({})
            if joined_to_outer or attempt == attempts or sqlstate(error) not in RETRIABLE_SQLSTATES:
                raise
            time.sleep(random.uniform(0, 0.05 * 2**attempt))
    raise AssertionError("unreachable")


def sqlstate(error: BaseException) -> str | None:
    """The five-letter SQLSTATE of a database error, if it has one."""
    original = getattr(error, "orig", error)
    found = getattr(original, "pgcode", None)
    return str(found) if found is not None else None


def constraint(error: BaseException) -> str | None:
    """The name of the constraint that a database error reports."""
    diagnostics = getattr(getattr(error, "orig", None), "diag", None)
    name = getattr(diagnostics, "constraint_name", None)
    return str(name) if name is not None else None


def get_cached(session: Session, model: type[Row], key: UUID | None) -> Row:
    """Get a row that a unit of work asks for more than once; it is kept until the unit ends.

    A session forgets rows that nothing refers to, and would read them again each time.

    Raises:
        sqlalchemy.exc.NoResultFound: there is none.
    """
    row = session.get_one(model, key, execution_options=PREPARED)
    session.info.setdefault("cached", set()).add(row)
    return row


def lock(session: Session, model: type[Row], key: UUID) -> Row | None:
    """SELECT ... FOR NO KEY UPDATE, re-reading a row that the session already holds.

    The lesser lock, since keys never change: who refers to the row by a foreign key need not wait.
    Without populate_existing, a row loaded earlier in the same session keeps its old values
    although the lock was taken: the check would run on stale data.
    """
    return session.get(
        model,
        key,
        with_for_update={"key_share": True},
        populate_existing=True,
        execution_options=PREPARED,
    )
