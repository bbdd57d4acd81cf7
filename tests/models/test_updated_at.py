"""A row that changes says when it last did, whoever changed it."""

from tests.models.catalogue import connected, rows
from tests.servers import Database

CHANGING = """
    SELECT c.relname::text FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
        AND NOT c.relispartition AND (
            has_any_column_privilege('pettycash_app', c.oid, 'UPDATE')
            OR has_any_column_privilege('pettycash_system', c.oid, 'UPDATE'))
"""
WITH_COLUMN = """
    SELECT c.relname::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE a.attname = 'updated_at' AND c.relkind IN ('r', 'p')
"""
WITH_TRIGGER = """
    SELECT c.relname::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE t.tgfoid = 'set_updated_at'::regproc AND t.tgenabled = 'O'
"""

SAY_IT_THEMSELVES = {
    "auth_sessions": "each use and each rotation has a time of its own",
    "callbacks": "`processed_at`: what arrived is not changed",
    "counters": "a number in a series, taken by each row that is numbered",
    "heartbeats": "a time is all that they are",
    "idempotency_keys": "answered once, at the end of the request that `created_at` is of",
    "ledger_accounts": "the newest posting says when; the account is locked while it is written",
    "notices": "`claimed_at`, `sent_at` and `read_at`",
    "outbox_messages": "`due_at`, `handed_at`, `dead_lettered_at` and `completed_at`",
    "periodic_jobs": "`begun_at`",
    "rail_slots": "`held_until`, at each call of a rail",
    "sign_in_links": "`used_at`",
    "throttles": "counted at each request",
}
"""Tables that change and have no `updated_at`: machinery, and why none is missed."""


def test_each_table_that_changes_says_when(database: Database) -> None:
    with connected(database.owner_url) as owner:
        changing, columns, triggers = (
            {table for (table,) in rows(owner, query)}
            for query in (CHANGING, WITH_COLUMN, WITH_TRIGGER)
        )

    assert columns == triggers
    assert changing - columns == SAY_IT_THEMSELVES.keys()
    assert columns <= changing, "what never changes needs no time of its change"


def test_it_is_the_database_s_word(database: Database) -> None:
    with connected(database.owner_url) as owner:
        found = rows(
            owner,
            "UPDATE regions SET updated_at = '2000-01-01' RETURNING updated_at = now()",
        )

    assert set(found) == {(True,)}
