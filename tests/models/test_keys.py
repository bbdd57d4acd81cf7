"""Keys know the company: what refers, refers within it, and what is unique is unique in it."""

import re

from pettycash.models.base import Numbered
from tests.models.catalogue import connected, rows
from tests.servers import Database

OF_A_COMPANY = """
    SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
        AND NOT c.relispartition AND a.attname = 'company_id' AND NOT a.attisdropped
"""
FOREIGN_KEYS = """
    SELECT c.relname::text, f.relname::text, ARRAY(
        SELECT a.attname::text FROM unnest(k.conkey) AS n
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = n)
    FROM pg_constraint k
    JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class f ON f.oid = k.confrelid
    WHERE k.contype = 'f' AND k.conparentid = 0 AND NOT c.relispartition
"""
UNIQUE_KEYS = """
    SELECT c.relname::text, i.relname::text, ARRAY(
        SELECT a.attname::text FROM unnest(x.indkey::int2[]) AS n
        JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = n)
    FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
    WHERE x.indisunique AND c.relnamespace = 'public'::regnamespace AND NOT c.relispartition
"""

OF_EVERYBODY = {"companies", "users"}
"""Tables that all companies refer to: the tenants themselves, and people, who may be in several."""

OF_THE_INSTALLATION = {
    "uq_api_keys_digest": "a key says of which company its bearer is",
    "uq_api_keys_prefix": "a key says of which company its bearer is",
    "uq_approval_rounds_open": "a subject is of one company: the key of its kind says so",
    "uq_approval_rounds_subject_id_number": "a subject is of one company, as above",
    "uq_auth_sessions_access_digest": "a token says of which company its bearer is",
    "uq_auth_sessions_refresh_digest": "a token says of which company its bearer is",
    "uq_callbacks_lost": "its attempt was lost in a restore, and may not be found again",
    "uq_journal_sources_entry_id": "an entry has one source; the entry may lie in any partition",
    "uq_release_challenges_live": "a subject is of one company: the key of its kind says so",
    "uq_sign_in_links_digest": "a link says of which company its bearer is",
}
"""Unique keys without a company, by what they are for."""

LISTED = {
    "auth_sessions",
    "outbox_messages",
    "pauses",
    "reconciliation_items",
    "role_assignments",
    "variance_adjustments",
}
"""Tables whose pages are read in the order of (company_id, id), and that nothing refers to."""


def test_a_number_is_of_one_row_of_a_company(database: Database) -> None:
    numbered = {each.__tablename__: each.prefix for each in Numbered.__subclasses__()}
    with connected(database.owner_url) as owner:
        unique = {
            table
            for table, _, columns in rows(owner, UNIQUE_KEYS)
            if columns == ["company_id", "number"]
        }

    assert numbered.keys() <= unique
    assert len(set(numbered.values())) == len(numbered), "two series begin alike"
    assert all(re.fullmatch("[A-Z]{3}", prefix) for prefix in numbered.values()), "as paths have it"


def test_what_refers_to_a_row_of_a_company_says_which(database: Database) -> None:
    with connected(database.owner_url) as owner:
        outside = {
            (table, target)
            for table, target, columns in rows(owner, FOREIGN_KEYS)
            if "company_id" not in columns
        }

    assert {target for _, target in outside} == OF_EVERYBODY - {"companies"}
    assert outside == {("memberships", "users"), ("security_events", "users")}


def test_what_is_unique_is_so_within_a_company(database: Database) -> None:
    """By itself, or by what it belongs to, which a foreign key binds to the company
    (docs/adr/0013-keys-of-one-column.md)."""
    with connected(database.owner_url) as owner:
        tenanted = {table for (table,) in rows(owner, OF_A_COMPANY)}
        bound = {
            (table, column)
            for table, _, columns in rows(owner, FOREIGN_KEYS)
            if "company_id" in columns
            for column in columns
        }
        elsewhere = {
            index
            for table, index, columns in rows(owner, UNIQUE_KEYS)
            if table in tenanted
            and "id" not in columns
            and not any((table, column) in bound for column in columns)
        }

    assert elsewhere == OF_THE_INSTALLATION.keys()


def test_no_row_has_a_second_key_that_nothing_refers_to(database: Database) -> None:
    """(company_id, id) is what composite foreign keys lead to; without one it must serve lists."""
    with connected(database.owner_url) as owner:
        targets = {target for _, target, columns in rows(owner, FOREIGN_KEYS) if len(columns) > 1}
        idle = {
            table
            for table, _, columns in rows(owner, UNIQUE_KEYS)
            if set(columns) == {"company_id", "id"} and table not in targets
        }

    assert idle == LISTED
