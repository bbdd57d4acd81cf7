"""Take an Idempotency-Key in one statement: waiting for its first user is bounded by the function.

Revision ID: 0013
"""

from alembic import op

from migrations.security import APP

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TAKE = """
DECLARE
    taken uuid;
BEGIN
    INSERT INTO idempotency_keys AS kept
        (id, company_id, principal, method, route, key, fingerprint, headers)
    VALUES (p_id, current_company(), p_principal, p_method, p_route, p_key, p_fingerprint, '{}')
    ON CONFLICT (company_id, principal, method, route, key) DO UPDATE
        -- Only one that is too old to be kept is taken over.
        SET fingerprint = p_fingerprint, status = NULL, body = NULL, headers = '{}',
            created_at = p_now
        WHERE kept.created_at < p_kept_since
    RETURNING kept.id INTO taken;
    RETURN taken;
END
"""


def upgrade() -> None:
    # With the caller's eyes: a key of another company is none at all.
    op.execute(
        f"""
        CREATE FUNCTION idempotency_take(
            p_id uuid, p_principal text, p_method text, p_route text, p_key text,
            p_fingerprint bytea, p_now timestamptz, p_kept_since timestamptz
        ) RETURNS uuid LANGUAGE plpgsql SECURITY INVOKER
        SET search_path = public, pg_temp SET lock_timeout = '200ms'
        AS $body$ {TAKE} $body$
        """
    )
    op.execute("REVOKE ALL ON FUNCTION idempotency_take FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION idempotency_take TO {APP}")


def downgrade() -> None:
    op.execute("DROP FUNCTION idempotency_take")
