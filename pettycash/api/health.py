"""Is it alive, is it ready, what has it done: for supervisors, balancers and Prometheus."""

import logging
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

import marshmallow as ma
from flask import Response
from flask.views import MethodView
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError

import pettycash
from pettycash.api import metrics
from pettycash.api.blueprints import Blueprint
from pettycash.models.access import Company
from pettycash.runtime import db
from pettycash.services.operations import heartbeats
from pettycash.services.reconciliation import invariants
from pettycash.web import problems
from pettycash.web.admission import operation
from pettycash.web.schemas.fields import Schema

logger = logging.getLogger(__name__)

MIGRATIONS = Path(pettycash.__file__).parent.parent / "migrations" / "versions"

blp = Blueprint("health", __name__, description="Alive, ready, and how it is doing.")


class LiveSchema(Schema):
    """The process answers."""

    status = ma.fields.String(required=True, validate=ma.validate.OneOf(["ok"]))


class CheckSchema(Schema):
    """One thing that must be well."""

    name = ma.fields.String(required=True)
    ok = ma.fields.Boolean(required=True)
    detail = ma.fields.String(required=True)


class ReadySchema(Schema):
    """Whether requests and background work can be served."""

    status = ma.fields.String(required=True, validate=ma.validate.OneOf(["ready", "not_ready"]))
    checks = ma.fields.List(ma.fields.Nested(CheckSchema), required=True)


READY_EXAMPLE = {
    "status": "ready",
    "checks": [
        {"name": "database", "ok": True, "detail": "reached"},
        {"name": "migrations", "ok": True, "detail": "at head"},
        {"name": "relay", "ok": True, "detail": "0 s ago"},
        {"name": "books", "ok": True, "detail": "hold"},
    ],
}


@blp.route("/healthz")
class Live(MethodView):
    @operation("health.live")
    @blp.response(200, LiveSchema, example={"status": "ok"})
    def get(self) -> dict[str, str]:
        """Tell that the process answers; looks at nothing else."""
        return {"status": "ok"}


@blp.route("/readyz")
class Ready(MethodView):
    @operation("health.ready")
    @blp.response(200, ReadySchema, example=READY_EXAMPLE)
    @blp.response(
        503,
        ReadySchema,
        description="Something is missing.",
        example={
            "status": "not_ready",
            "checks": [{"name": "relay", "ok": False, "detail": "never heard of"}],
        },
    )
    def get(self) -> tuple[dict[str, Any], int]:
        """Tell whether the database, its schema and every background part are well."""
        checks = readiness()
        well = all(each["ok"] for each in checks)
        return {"status": "ready" if well else "not_ready", "checks": checks}, 200 if well else 503


@blp.route("/metrics")
class Metrics(MethodView):
    @operation("health.metrics")
    @blp.response(
        200,
        {"type": "string"},
        content_type="text/plain",
        example="pettycash_http_requests_total 1.0",
    )
    def get(self) -> Response:
        """Give Prometheus' text format, all processes of the API together."""
        return Response(metrics.exposition(), content_type="text/plain; version=0.0.4")


@lru_cache(maxsize=1)
def head() -> str | None:
    """The newest migration that this program knows: its number begins the name of its file.

    Alembic knows it as well, but weighs 6 MB in each API and loads every migration to say it.
    """
    return max(
        (each.name[:4] for each in MIGRATIONS.glob("[0-9][0-9][0-9][0-9]_*.py")), default=None
    )


def readiness() -> list[dict[str, Any]]:
    """Every check; with the database away that is the only one.

    Of the books only the fast part of the audit is asked: one round trip for each company.
    """
    try:
        with db.transaction() as session:
            session.execute(text("SELECT 1"))
        with db.system_transaction() as session:
            at = session.execute(text("SELECT version_num FROM alembic_version")).scalar()
            parts = heartbeats.signs(session, now=session.info["now"])
            companies = list(session.execute(select(Company.id)).scalars())
        broken = _broken(companies)
    except SQLAlchemyError:
        logger.warning("not ready: the database does not answer", exc_info=True)
        return [{"name": "database", "ok": False, "detail": "does not answer"}]
    known = head()
    return [
        {
            "name": "database",
            "ok": problems.takes_writes(),
            "detail": "reached" if problems.takes_writes() else "takes no writes",
        },
        {
            "name": "migrations",
            "ok": at == known,
            "detail": "at head" if at == known else f"at {at}, this program knows {known}",
        },
        *(
            {
                "name": each.name,
                "ok": each.is_alive,
                "detail": (
                    "never heard of"
                    if each.age_seconds is None
                    else f"{max(0, round(each.age_seconds))} s ago"
                ),
            }
            for each in parts
        ),
        {
            "name": "books",
            "ok": not broken,
            "detail": ", ".join(sorted(broken)) if broken else "hold",
        },
    ]


def _broken(companies: Sequence[UUID]) -> set[str]:
    """Names of the checks that find something; whoever may ask this learns nothing else."""
    broken: set[str] = set()
    for company_id in companies:
        with db.scope(company_id=company_id), db.transaction() as session:
            broken.update(invariants.count_fast(session, now=session.info["now"]))
    return broken
