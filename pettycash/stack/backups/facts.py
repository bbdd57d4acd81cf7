"""What a database adds up to: rows of each table, trial balance, open holds, counters.

Plain SQL about tables that are as old as the books, since a backup may be older than the program
that restores it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, text

ROWS, BALANCES, HOLDS, COUNTERS = "rows", "trial balance", "open holds", "counters"
SECTIONS = (ROWS, BALANCES, HOLDS, COUNTERS)

Facts = Mapping[str, Mapping[str, str]]
"""Section → what → its figures, as text: the same text is the same to the shilling."""

_TABLES = text(
    """SELECT c.relname FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
        AND NOT c.relispartition
    ORDER BY c.relname"""
)

_BLIND = text(
    """SELECT c.relname FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
        AND row_security_active(c.oid)
        AND NOT EXISTS (
            SELECT FROM pg_policy p, unnest(p.polroles) AS role
            WHERE p.polrelid = c.oid AND p.polname = 'owner_sees_all'
                AND role <> 0 AND pg_has_role(current_user, role, 'USAGE'))
    ORDER BY c.relname"""
)

_QUERIES = {
    BALANCES: """
        SELECT concat_ws(' ', c.code, a.code, a.currency) AS what,
            concat('debit ', coalesce(p.debit, 0.00), ', credit ', coalesce(p.credit, 0.00),
                ', balance ', a.balance, ', held ', a.held) AS figures
        FROM ledger_accounts a
        JOIN companies c ON c.id = a.company_id
        LEFT JOIN (
            SELECT account_id, coalesce(sum(amount) FILTER (WHERE side = 'debit'), 0.00) AS debit,
                coalesce(sum(amount) FILTER (WHERE side = 'credit'), 0.00) AS credit
            FROM postings GROUP BY account_id
        ) p ON p.account_id = a.id
        ORDER BY what""",
    HOLDS: """
        SELECT concat_ws(' ', c.code, a.currency) AS what,
            concat(count(*), ' of ', sum(h.amount), ', fees ', sum(h.expected_fee)) AS figures
        FROM holds h
        JOIN ledger_accounts a ON a.company_id = h.company_id AND a.id = h.account_id
        JOIN companies c ON c.id = h.company_id
        WHERE h.state = 'open' GROUP BY c.code, a.currency ORDER BY what""",
    COUNTERS: """
        SELECT concat_ws(' ', c.code, concat(n.kind, '-', n.year)) AS what, n.last::text AS figures
        FROM counters n JOIN companies c ON c.id = n.company_id ORDER BY what""",
}


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One fact, in the backup and in what was restored from it."""

    section: str
    what: str
    old: str
    new: str

    @property
    def is_equal(self) -> bool:
        return self.old == self.new


def read(connection: Connection) -> Facts:
    """Everything, within the transaction that is open: of one snapshot where it is repeatable."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    rows = {
        table: str(connection.execute(text(f"SELECT count(*) FROM {quote(table)}")).scalar_one())  # noqa: S608 - a table's own name, quoted
        for table in connection.execute(_TABLES).scalars().all()
    }
    return {ROWS: rows} | {
        section: {row.what: row.figures for row in connection.execute(text(query))}
        for section, query in _QUERIES.items()
    }


def unseen(connection: Connection) -> list[str]:
    """Tables of which this role may not see every row: a dump would quietly leave them out."""
    return list(connection.execute(_BLIND).scalars())


def compare(old: Facts, new: Facts, *sections: str) -> Iterator[Compared]:
    """Each fact of both, side by side; of some sections, or all."""
    for section in sections or dict.fromkeys([*old, *new]):
        before, after = old.get(section, {}), new.get(section, {})
        for what in sorted({*before, *after}):
            yield Compared(
                section=section,
                what=what,
                old=before.get(what, "-"),
                new=after.get(what, "-"),
            )
