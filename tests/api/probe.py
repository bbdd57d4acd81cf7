"""Views that do as little as a view can, to look at what the foundation adds to every one."""

import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

import marshmallow as ma
from flask import Flask, request
from flask.views import MethodView
from sqlalchemy import func, select, true
from sqlalchemy.orm import Session

from pettycash.api.blueprints import Blueprint
from pettycash.models.access import Department
from pettycash.models.base import new_id
from pettycash.runtime import db, errors
from pettycash.runtime.money import Currency
from pettycash.services.foundation.listings import Filter, Find, Listing, days, page
from pettycash.services.foundation.uow import Uow
from pettycash.web.admission import current_actor, operation
from pettycash.web.etags import Expected, set_etag
from pettycash.web.idempotency import idempotent, refuse_and_store
from pettycash.web.pages import page_of, query_of
from pettycash.web.schemas.fields import Amount, Choice, Metadata, Schema, Text


class ProbeRefused(errors.RuleViolation):
    """A refusal of the probe's."""

    code = "probe.refused"


class LineSchema(Schema):
    amount = Amount(required=True)


class ProbeSchema(Schema):
    id = ma.fields.UUID(dump_only=True)
    code = Text(required=True, longest=60)
    name = Text(longest=60)
    amount = Amount()
    currency = Choice(Currency)
    lines = ma.fields.List(ma.fields.Nested(LineSchema))
    metadata = Metadata(attribute="client_metadata")


DEPARTMENTS = Listing(
    name="probe.list",
    query=select(Department),
    filters={
        "name": Filter(kind=str, where=lambda _value, _reader: true(), longest=60),
        **days(Department.created_at),
    },
    find=Find(words=(Department.code, Department.name)),
    orders={"name": (Department.name, Department.id.desc())},
)


class Gate:
    """Lets a test hold a view in the middle of its transaction."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.may_go_on = threading.Event()


class Probe:
    """The blueprint and what its views do; registered on one application."""

    def __init__(self, application: Flask) -> None:
        self.reset()
        application.register_blueprint(self._blueprint())

    def reset(self) -> None:
        """Forget what other tests did."""
        self.gates: dict[str, Gate] = {}
        self.runs: list[str] = []
        self.before: Callable[[Session], None] | None = None

    def _enter(self, body: dict[str, Any]) -> None:
        self.runs.append(body["code"])
        gate = self.gates.get(body["code"])
        if gate is not None:
            gate.entered.set()
            assert gate.may_go_on.wait(20)

    def _make(self, body: dict[str, Any]) -> dict[str, Any]:
        with db.transaction() as session:
            if self.before is not None:
                self.before(session)
            made = Department(
                id=new_id(),
                company_id=current_actor().company_id,
                code=body["code"],
                name=body.get("name", "unnamed"),
            )
            session.add(made)
            session.flush()
            self._enter(body)
            return body | {"id": made.id}

    def _blueprint(self) -> Blueprint:
        blp = Blueprint("probe", __name__, url_prefix="/api/probe")
        probe = self

        @blp.route("/")
        class Things(MethodView):
            @operation("departments.list")
            @blp.arguments(query_of(DEPARTMENTS), location="query")
            @blp.response(200, page_of(ProbeSchema))
            def get(self, arguments: dict[str, Any]) -> Any:
                with db.transaction() as session:
                    return page(Uow.of(session, current_actor()), DEPARTMENTS, arguments)

            @operation("auth.me")
            @idempotent(required=True)
            @blp.arguments(ProbeSchema)
            @blp.response(201, ProbeSchema)
            def post(self, body: dict[str, Any]) -> Any:
                return probe._make(body)

        @blp.route("/optional/")
        class Optional(MethodView):
            @operation("auth.me")
            @idempotent()
            @blp.arguments(ProbeSchema)
            @blp.response(201, ProbeSchema)
            def post(self, body: dict[str, Any]) -> Any:
                return probe._make(body)

        @blp.route("/remembered/")
        class RememberedRefusal(MethodView):
            @operation("auth.me")
            @idempotent(required=True)
            @blp.arguments(ProbeSchema)
            @blp.response(201, ProbeSchema)
            def post(self, body: dict[str, Any]) -> Any:
                probe._make(body)
                raise refuse_and_store(ProbeRefused())

        @blp.route("/refused/")
        class Refused(MethodView):
            @operation("auth.me")
            @idempotent(required=True)
            @blp.arguments(ProbeSchema)
            @blp.response(201, ProbeSchema)
            def post(self, body: dict[str, Any]) -> Any:
                probe._make(body)
                raise ProbeRefused

        @blp.route("/bare/")
        class Bare(MethodView):
            @operation("auth.me")
            @blp.response(204)
            def post(self) -> None:
                probe.runs.append("bare")

            @operation("auth.me")
            @blp.response(200)
            def get(self) -> dict[str, str]:
                return {}

        @blp.route("/files/")
        class Files(MethodView):
            @operation("auth.me", uploads=True)
            @idempotent()
            @blp.arguments(_FileSchema, location="files")
            @blp.response(200)
            def post(self, files: dict[str, Any]) -> dict[str, int]:
                probe.runs.append("file")
                return {"size": len(files["file"].read())}

        @blp.route("/<uuid:department_id>/")
        class Thing(MethodView):
            @operation("departments.get")
            @blp.response(200, ProbeSchema)
            def get(self, department_id: UUID) -> Any:
                with db.transaction() as session:
                    found = session.get_one(Department, department_id)
                    set_etag(found.version)
                    return found

            @operation("auth.me")
            @blp.arguments(ProbeSchema)
            @blp.response(200, ProbeSchema)
            def patch(self, body: dict[str, Any], department_id: UUID) -> Any:
                with db.transaction() as session:
                    found = db.lock(session, Department, department_id)
                    assert found is not None
                    Expected(request.if_match).check(found.version)
                    found.name = body["name"]
                    found.version += 1
                    set_etag(found.version)
                    return found

        return blp


class _FileSchema(Schema):
    file = ma.fields.Raw(required=True, metadata={"type": "string", "format": "binary"})


def departments(session: Session, code: str) -> int:
    """How many departments of the session's company have a code that begins so."""
    return session.execute(
        select(func.count()).select_from(Department).where(Department.code.startswith(code))
    ).scalar_one()
