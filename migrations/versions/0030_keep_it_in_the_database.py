"""Let the database keep what people decide: rounds, approved amounts, releases, duties, names.

Plain SQL of the application role could pay a requisition that no round had approved, raise what was
approved, release without a code or a role, and call a payment paid that nothing had paid.

Revision ID: 0030
"""

from importlib import import_module

import sqlalchemy as sa
from alembic import op

from migrations.security import load

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

CALLED = (
    "canonical_json",
    "facts_digest",
    "payment_digest",
    "duty_holders",
    "duty_conflict",
    "otp_floor",
    "round_stands",
)
"""Functions that triggers call, each after those that it calls itself."""

REPLACED = (
    "decision_duties",
    "execution_duties",
    "payment_duties",
    "reconciler_duties",
    "attempt_facts",
)

APPROVED = "status, approved_amount, approved_digest, amount, payee_name, payee_user_id, purpose"
TRIGGERS = (
    ("approval_rounds", "facts", "BEFORE INSERT OR UPDATE", "round_facts"),
    (
        "requisitions",
        "stays_approved",  # after `states`, which knows the steps
        f"BEFORE INSERT OR UPDATE OF {APPROVED}",
        "requisition_approval",
    ),
    ("release_grants", "facts", "BEFORE INSERT OR UPDATE", "grant_facts"),
    ("cases", "duties", "BEFORE INSERT OR UPDATE", "case_duties"),
    ("idempotency_keys", "answers", "BEFORE UPDATE", "answer_stands"),
    ("users", "secrets", "BEFORE UPDATE", "secret_is_logged"),
)

AT_COMMIT = (
    ("approval_rounds", "AFTER UPDATE OF status", "approved", "round_is_decided"),
    ("payments", "AFTER INSERT OR UPDATE OF status", "success", "success_is_posted"),
)
"""Table, when, the status that has to be true, and what looks."""

STANDS = (
    ("api_keys", "", "company_id, prefix, digest, scopes, expires_at, created_by, created_at"),
    ("api_keys", "created_at", "branch_id, department_id"),
    ("api_keys", "confirmed_at", "confirmed_at, confirmed_by"),
    ("api_keys", "revoked_at", "revoked_at, revoked_by"),
    ("cases", "", "resolved_by"),
    ("changes", "", "company_id, kind, object_id, payload, digest, reason, proposed_by, created_at"),
    ("changes", "decided_by", "status, decider_id, decided_by, decided_at, comment"),
    ("companies", "", "bootstrapped_at"),
    ("memberships", "", "company_id, user_id, created_at"),
    ("release_challenges", "", "payment_id, replenishment_id, executor_id"),
    ("replenishments", "", "requested_by, approved_by, approved_amount, funded_by, received_by"),
    ("requisitions", "requester_id", "client_id"),
    ("variance_adjustments", "", "adjusted_amount, initiated_by, decided_by"),
)  # fmt: skip
"""Table, since when, and what stands: whose word it is, and what it was. Without an instant each
column stands once it has a value, else all of them do once the column named first has one."""

DECIDED = {
    "changes": "status = 'proposed' OR decided_by IS NOT NULL",
    "variance_adjustments": "status = 'pending' OR decided_by IS NOT NULL",
}


def upgrade() -> None:
    op.add_column("release_grants", sa.Column("subject_kind", sa.Text(), nullable=True))
    op.add_column("release_grants", sa.Column("subject_id", sa.Uuid(), nullable=True))
    op.add_column("release_grants", sa.Column("subject_digest", sa.LargeBinary(), nullable=True))
    # What was verified and not spent yet is for the payment as it stands.
    op.execute(
        """UPDATE release_grants g SET subject_kind = 'payment', subject_id = p.id,
               subject_digest = p.digest
           FROM release_challenges c JOIN payments p ON p.id = c.payment_id
           WHERE c.id = g.challenge_id AND g.spent_at IS NULL"""
    )
    for table, names in DECIDED.items():
        op.create_check_constraint(op.f(f"ck_{table}_decided"), table, names)

    op.execute("REVOKE UPDATE ON idempotency_keys FROM pettycash_app")
    op.execute("GRANT UPDATE (status, headers, body) ON idempotency_keys TO pettycash_app")
    load(*CALLED, *REPLACED, "idempotency_take")
    for table, name, when, function in TRIGGERS:
        load(function)
        op.execute(
            f"CREATE TRIGGER {name} {when} ON {table} FOR EACH ROW EXECUTE FUNCTION {function}()"
        )
    load("word_stands")
    for table, since, columns in STANDS:
        op.execute(
            f"""CREATE TRIGGER {_stands(since)} BEFORE UPDATE OF {columns} ON {table}
                FOR EACH ROW EXECUTE FUNCTION word_stands('{since}', {columns})"""
        )
    for table, when, status, function in AT_COMMIT:
        load(function)
        op.execute(
            f"""CREATE CONSTRAINT TRIGGER {function} {when} ON {table}
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.status = '{status}')
                EXECUTE FUNCTION {function}()"""
        )
    _attempts_are_facts("BEFORE INSERT OR UPDATE")


def downgrade() -> None:
    _attempts_are_facts("BEFORE UPDATE")
    for table, since, _ in STANDS:
        op.execute(f"DROP TRIGGER {_stands(since)} ON {table}")
    op.execute("DROP FUNCTION word_stands")
    for table, _, _, function in AT_COMMIT:
        op.execute(f"DROP TRIGGER {function} ON {table}")
        op.execute(f"DROP FUNCTION {function}")
    for table, name, _, function in reversed(TRIGGERS):
        op.execute(f"DROP TRIGGER {name} ON {table}")
        op.execute(f"DROP FUNCTION {function}")
    _bring_back_functions()
    for function in reversed(CALLED):
        op.execute(f"DROP FUNCTION {function}")
    op.execute("REVOKE UPDATE (status, headers, body) ON idempotency_keys FROM pettycash_app")
    op.execute("GRANT UPDATE ON idempotency_keys TO pettycash_app")

    for table in DECIDED:
        op.drop_constraint(op.f(f"ck_{table}_decided"), table, type_="check")
    for column in ("subject_digest", "subject_id", "subject_kind"):
        op.drop_column("release_grants", column)


def _stands(since: str) -> str:
    return f"word_stands_{since}".removesuffix("_")


def _attempts_are_facts(when: str) -> None:
    op.execute("DROP TRIGGER facts ON payment_attempts")
    op.execute(
        f"""CREATE TRIGGER facts {when} ON payment_attempts FOR EACH ROW
            EXECUTE FUNCTION attempt_facts()"""
    )


def _bring_back_functions() -> None:
    """As 0007, 0011, 0013, 0016 and 0018 have left them."""
    duties = import_module("migrations.versions.0007_keep_duties_apart")
    facts = import_module("migrations.versions.0011_measure_decisions_not_facts")
    bodies = {
        "decision_duties": duties.DECISION_DUTIES,
        "execution_duties": duties.EXECUTION_DUTIES,
        "payment_duties": duties.PAYMENT_DUTIES.replace(facts.ONLY_LATE_PROOF, facts.EVERY_FACT),
        "reconciler_duties": duties.RECONCILER_DUTIES,
        "attempt_facts": duties.ATTEMPT_FACTS,
    }
    for name in REPLACED:
        body = bodies[name].replace("FOR UPDATE", "FOR NO KEY UPDATE")
        op.execute(
            f"""CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql
                SECURITY DEFINER SET search_path = public, pg_temp
                SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
                AS $body$ {body} $body$"""
        )
    take = import_module("migrations.versions.0013_take_keys_at_once").TAKE
    op.execute(
        f"""CREATE OR REPLACE FUNCTION idempotency_take(
                p_id uuid, p_principal text, p_method text, p_route text, p_key text,
                p_fingerprint bytea, p_now timestamptz, p_kept_since timestamptz
            ) RETURNS uuid LANGUAGE plpgsql SECURITY INVOKER
            SET search_path = public, pg_temp SET lock_timeout = '200ms'
            AS $body$ {take} $body$"""
    )
