"""Measure only what people decide against the approved amount, never what has happened.

A failed payment that is proven paid after all takes a requisition above its approval. What the rail
goes on saying of the payment that was made instead (accepted, in doubt, failed) must still be
recorded; until now only its success could be.

Revision ID: 0011
"""

from importlib import import_module

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

ONLY_LATE_PROOF = """
    IF TG_OP = 'UPDATE' AND NEW.status = 'success' AND OLD.status = 'failed' THEN
        RETURN NEW;
    END IF;
"""

EVERY_FACT = """
    IF TG_OP = 'UPDATE' AND NEW.amount = OLD.amount
       AND (NEW.status = OLD.status OR NEW.status NOT IN ('scheduled', 'executing')) THEN
        RETURN NEW;
    END IF;
"""


def upgrade() -> None:
    _replace(_duties().replace(ONLY_LATE_PROOF, EVERY_FACT))


def downgrade() -> None:
    _replace(_duties())


def _duties() -> str:
    duties: str = import_module("migrations.versions.0007_keep_duties_apart").PAYMENT_DUTIES
    assert duties.count(ONLY_LATE_PROOF) == 1, "0007 never changes"
    return duties


def _replace(body: str) -> None:
    op.execute(
        f"""CREATE OR REPLACE FUNCTION payment_duties() RETURNS trigger LANGUAGE plpgsql
            SECURITY DEFINER SET search_path = public, pg_temp AS $body$ {body} $body$"""
    )
