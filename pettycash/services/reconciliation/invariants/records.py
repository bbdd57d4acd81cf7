"""I5: what was written once has only grown, and everything that guards it stands.

Rows that are gone are seen where something else still names them: a number in a row of numbers, a
source without its entry, a release without its attempt. An edit by a superuser of a text that
nothing else repeats is not seen here; that takes the hash chain (reliability.md §1).
"""

from pettycash.services.reconciliation.invariants.checks import Check, Invariant

APPEND_ONLY = (
    "approval_trail",
    "company_settings",
    "decisions",
    "journal_entries",
    "journal_sources",
    "payment_executions",
    "payment_reconciliations",
    "payment_transactions",
    "postings",
    "restores",
    "security_events",
    "standing_validations",
    "step_assignees",
)
"""Tables that nobody rewrites."""

SPOKEN = (
    "api_keys",
    "approval_steps",
    "cases",
    "changes",
    "companies",
    "memberships",
    "release_challenges",
    "replenishments",
    "variance_adjustments",
)
"""Tables that say who did something, and of what: it stays."""

GUARDS = (
    ("approval_rounds", "facts"),
    ("approval_rounds", "round_is_decided"),
    ("cases", "duties"),
    ("decisions", "duties"),
    ("idempotency_keys", "answers"),
    ("journal_entries", "entry_balances"),
    ("journal_sources", "entry_balances"),
    ("memberships", "contacts"),
    ("memberships", "contacts_begin"),
    ("outbox_messages", "own_lane"),
    ("payment_attempts", "facts"),
    ("payment_attempts", "where_approved"),
    ("payment_executions", "duties"),
    ("payment_executions", "limits"),
    ("payment_executions", "where_approved"),
    ("payment_reconciliations", "duties"),
    ("payments", "duties"),
    ("payments", "states"),
    ("payments", "success_is_posted"),
    ("postings", "entry_balances"),
    ("release_grants", "facts"),
    ("replenishments", "states"),
    ("requisition_lines", "lines_add_up"),
    ("role_assignments", "duties"),
    ("role_assignments", "ends"),
    ("requisitions", "facts"),
    ("standing_validations", "duties"),
    ("requisitions", "free_attachments"),
    ("requisitions", "lines_add_up"),
    ("requisitions", "states"),
    ("requisitions", "stays_approved"),
    ("users", "contacts"),
    ("users", "secrets"),
    ("api_keys", "word_stands_confirmed_at"),
    ("api_keys", "word_stands_created_at"),
    ("api_keys", "word_stands_revoked_at"),
    ("changes", "word_stands_decided_by"),
    ("ledger_periods", "word_stands_decided_by"),
    ("pauses", "word_stands_decided_by"),
    ("requisitions", "word_stands_requester_id"),
    ("variance_adjustments", "word_stands_decided_by"),
    *((table, "word_stands") for table in SPOKEN),
    *((table, "append_only") for table in APPEND_ONLY),
    *((table, "append_only_rows") for table in APPEND_ONLY),
)
"""Triggers without which a rule about money would only be a habit: table, trigger."""


def _texts(words: tuple[str, ...]) -> str:
    return ", ".join(f"('{word}')" for word in words)


RECORDS = (
    Check(
        name="entries_keep_their_source",
        invariant=Invariant.I5,
        object_type="journal_entry",
        query="""
        SELECT coalesce(e.id, j.entry_id) AS object_id, e.source AS found, j.source AS expected
        FROM journal_sources j FULL JOIN journal_entries e ON e.id = j.entry_id
        WHERE (e.company_id, e.source) IS DISTINCT FROM (j.company_id, j.source)
        """,
    ),
    Check(
        name="releases_are_numbered_without_a_gap",
        invariant=Invariant.I5,
        object_type="payment",
        query="""
        SELECT payment_id AS object_id, count(*) AS found, max(attempt_number) AS expected
        FROM payment_executions GROUP BY payment_id HAVING count(*) <> max(attempt_number)
        """,
    ),
    Check(
        name="settings_are_numbered_without_a_gap",
        invariant=Invariant.I5,
        object_type="company",
        query="""
        SELECT company_id AS object_id, count(*) AS found, max(version) AS expected
        FROM company_settings GROUP BY company_id HAVING count(*) <> max(version)
        """,
    ),
    Check(
        name="approved_requisitions_have_their_trail",
        invariant=Invariant.I5,
        object_type="requisition",
        query="""
        SELECT r.id AS object_id, r.status
        FROM requisitions r
        WHERE r.status IN ('in_payment', 'paid', 'reviewed', 'closed_short') AND NOT EXISTS (
            SELECT FROM approval_trail a WHERE a.subject_id = r.id AND a.action = 'approved')
        """,
    ),
    Check(
        name="triggers_are_in_force",
        invariant=Invariant.I5,
        object_type="table",
        fast=True,
        query=f"""
        WITH wanted (relation, name) AS (VALUES {", ".join(str(guard) for guard in GUARDS)}),
        -- A row trigger is copied to each partition; a statement trigger is not needed there.
        everywhere AS (
            SELECT to_regclass(relation) AS relid, relation, name FROM wanted
            UNION ALL
            SELECT i.inhrelid, i.inhrelid::regclass::text, w.name
            FROM wanted w JOIN pg_inherits i ON i.inhparent = to_regclass(w.relation)
            WHERE w.name <> 'append_only')
        SELECT e.relation AS object_id, e.name AS trigger, g.tgenabled AS state
        FROM everywhere e LEFT JOIN pg_trigger g ON g.tgrelid = e.relid AND g.tgname = e.name
        WHERE g.tgenabled IS NULL OR g.tgenabled NOT IN ('O', 'A')
        """,  # noqa: S608 - names of this file
    ),
    # As good there as anywhere; but the month's own partition can't be made any more, and only a
    # clock that was wrong, or upkeep that did not run, brings them there.
    Check(
        name="months_hold_their_rows",
        invariant=Invariant.I5,
        object_type="table",
        query="SELECT relation AS object_id, counted AS found FROM rows_in_rest()",
    ),
    Check(
        name="privileges_are_narrow",
        invariant=Invariant.I5,
        object_type="table",
        fast=True,
        query=f"""
        WITH roles AS (SELECT rolname, oid, rolsuper OR rolbypassrls AS may_all
            FROM pg_roles WHERE rolname IN ('pettycash_app', 'pettycash_system')),
        records (name) AS (VALUES {_texts((*APPEND_ONLY, "holds"))})
        SELECT n.name AS object_id, r.rolname AS role, p.privilege
        FROM records n CROSS JOIN roles r
            CROSS JOIN (VALUES ('UPDATE'), ('DELETE'), ('TRUNCATE')) AS p (privilege)
        WHERE has_table_privilege(r.oid, to_regclass(n.name), p.privilege)
        UNION ALL
        SELECT 'ledger_accounts.' || c.name, r.rolname, 'UPDATE'
        FROM roles r CROSS JOIN (VALUES ('balance'), ('held'), ('sequence')) AS c (name)
        WHERE has_column_privilege(r.oid, 'ledger_accounts', c.name, 'UPDATE')
        UNION ALL
        SELECT c.relname, r.rolname, 'OWNER'
        FROM pg_class c JOIN roles r ON r.oid = c.relowner
        WHERE c.relnamespace = 'public'::regnamespace
        UNION ALL
        SELECT '*', rolname, 'SUPERUSER OR BYPASSRLS' FROM roles WHERE may_all
        """,  # noqa: S608 - names of this file
    ),
    Check(
        name="row_security_is_forced",
        invariant=Invariant.I5,
        object_type="table",
        fast=True,
        query="""
        SELECT c.relname AS object_id, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'company_id'
            AND NOT a.attisdropped
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
            AND NOT c.relispartition AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
        """,
    ),
)
"""Checks for deleted rows and guards that were taken away."""
