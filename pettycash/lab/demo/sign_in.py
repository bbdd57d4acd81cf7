"""Signing in with one tap, as a persona of the demo: in development only.

The console's sign-in page shows the personas with what waits for each. Elsewhere the route is not
there, and production's image has not even this file.
"""

from dataclasses import dataclass

from flask import Blueprint, Flask, Response, request
from sqlalchemy import select

from pettycash.app import create_app
from pettycash.console import session as console
from pettycash.console.guard import guard
from pettycash.lab.seeds.personas import DEMO, PERSONAS
from pettycash.models.access import Company, Membership, User
from pettycash.runtime import db, process, settings
from pettycash.runtime.errors import NotFound
from pettycash.services.access.identity import people, sessions
from pettycash.services.access.identity.people import ActiveMember, ClientInfo
from pettycash.services.foundation import security_log
from pettycash.services.foundation.uow import Uow
from pettycash.services.reports import work
from pettycash.web.admission import client_info
from pettycash.web.door import BODY_MAX_BYTES, Entry

NAMES = tuple(name for name, each in PERSONAS.items() if each.company == DEMO and each.roles)


@dataclass(frozen=True, kw_only=True)
class Door:
    """A persona on the sign-in page."""

    username: str
    display_name: str
    waits: int
    """Things that wait for them, of those that were looked at."""


def app() -> Flask:
    """The API in development, for a WSGI server: with the demo's personas at the console's door."""
    process.log_as_json()
    application = create_app()
    install(application)
    process.refuse_poolers()
    return application


def install(application: Flask) -> None:
    """Let personas sign in by a button, where this is development."""
    if settings.current().environment != "development":
        return
    blp = guard(Blueprint("demo_sign_in", __name__, url_prefix="/console"))
    sign_in.operation = Entry(  # type: ignore[attr-defined]
        name="console.sign_in", locations=frozenset({"form"}), body_max_bytes=BODY_MAX_BYTES
    )
    blp.add_url_rule("/personas/", "sign_in", sign_in, methods=["POST"])
    application.register_blueprint(blp)
    application.jinja_env.globals["personas"] = doors


def doors() -> list[Door]:
    """The personas, and how much waits for each."""
    return [_door(member) for name in NAMES if (member := _member(name)) is not None]


def _door(member: ActiveMember) -> Door:
    actor = member.actor(ClientInfo())
    with (
        db.scope(company_id=actor.company_id, actor_id=actor.user_id, source="api"),
        db.transaction() as session,
    ):
        kinds = work.waiting(Uow.of(session, actor))
    return Door(
        username=member.user.username,
        display_name=member.user.display_name,
        waits=sum(kind.count for kind in kinds),
    )


def _member(username: str) -> ActiveMember | None:
    with db.system_transaction() as session:
        row = session.execute(
            select(User.id, Company.id)
            .join(Membership, Membership.user_id == User.id)
            .join(Company, Company.id == Membership.company_id)
            .where(User.username == username, Company.code == DEMO)
        ).one_or_none()
        if row is None:
            return None
        return people.active_member(
            session, user_id=row[0], company_id=row[1], now=session.info["now"]
        )


def sign_in() -> Response:
    """Begin a session of a persona."""
    username = request.form.get("username", "")
    member = _member(username) if username in NAMES else None
    if member is None:
        raise NotFound
    with db.system_transaction() as session:
        now = session.info["now"]
        tokens = sessions.start(
            session, member=member, client_info=client_info(), refreshable=False, now=now
        )
        security_log.record(
            session,
            event="auth.login",
            outcome="ok",
            detail={"persona": True},
            user_id=member.user.id,
            company_id=member.company.id,
            ip_address=client_info().ip_address,
        )
    return console.with_cookie(console.see(console.HOME), tokens.access_token)
