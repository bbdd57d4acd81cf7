"""`users`: people and their logins, by whoever runs the host. Roles take two people: the API."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import click
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from pettycash.cli import tables
from pettycash.cli.access import companies
from pettycash.cli.composed import composed
from pettycash.cli.host import at_host, login_name
from pettycash.models.access import Membership, RoleAssignment, User
from pettycash.services.access import people
from pettycash.services.access.identity import sessions, totp, usernames
from pettycash.services.approvals import indispensable
from pettycash.services.foundation import security_log

company_option = click.option("--company", "code", help="Code of the company, where there are two.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group()
def users() -> None:
    """People and their logins."""


@users.command("list")
@company_option
@json_option
@composed
def show(code: str | None, as_json: bool) -> None:
    """List the people of a company, with the roles that they hold now."""
    with _in_company(code) as session:
        found = _people(session)
    if as_json:
        click.echo(json.dumps({"users": found}, indent=2))
        return
    tables.show(
        "People",
        ("username", "name", "roles", "active", "second factor"),
        (
            (
                each["username"],
                each["display_name"],
                ", ".join(each["roles"]),
                "yes" if each["is_active"] else "no",
                "yes" if each["mfa_enrolled"] else "no",
            )
            for each in found
        ),
    )


@users.command()
@click.argument("username")
@click.option("--name", "display_name", required=True, help="As others read it.")
@click.option("--email", required=True)
@click.option("--phone", help="Codes go there too, by SMS.")
@company_option
@json_option
@composed
def create(
    *,
    username: str,
    display_name: str,
    email: str,
    phone: str | None,
    code: str | None,
    as_json: bool,
) -> None:
    """Admit somebody, without any role; a link to set a password with goes to their address."""
    with _in_company(code) as session:
        made = people.admit(
            session,
            username=username,
            display_name=display_name,
            email=email,
            phone=phone,
            places={},
            actor=None,
        )
    if as_json:
        click.echo(json.dumps({"username": made.user.username, "link_sent_to": email}))
        return
    click.echo(f"{made.user.username} sets a password by the link that is sent to {email}")


@users.command()
@click.argument("username")
@company_option
@composed
def deactivate(username: str, code: str | None) -> None:
    """Sign somebody out for good, in one company, and say what only they could do."""
    with _in_company(code) as session:
        person = people.find(session, user_id=_id_of(session, username), lock=True)
        people.update(
            session,
            person,
            values={"is_active": False},
            actor=None,
            now=session.info["now"],
        )
        session.flush()  # roles are read of those who are active
        missed = indispensable.of_person(session, user_id=person.user.id, now=session.info["now"])
    click.echo(f"{username} is out")
    for each in missed:
        click.echo(f"warning: {each.detail} ({each.code})", err=True)


@users.command("reset-mfa")
@click.argument("username")
@company_option
@composed
def reset_mfa(username: str, code: str | None) -> None:
    """Take somebody's authenticator away, so that they enrol a new one.

    Of those who release money two administrators do that, unless they work in two companies.
    """
    with _in_company(code) as session:
        user_id, now = _id_of(session, username), session.info["now"]
        if not people.works_elsewhere(session, user_id=user_id):
            people.check_reset_alone(session, user_id=user_id, now=now)
        totp.reset(session, user_id=user_id, actor_id=None, now=now)
        _log_event(session, "auth.mfa_reset", user_id)
    click.echo(f"{username} enrols anew at the next sign-in")


@users.command("send-link")
@click.argument("username")
@company_option
@composed
def send_link(username: str, code: str | None) -> None:
    """Send somebody who forgot their password a link to set another one, to their own address."""
    with _in_company(code) as session:
        people.send_link(session, user_id=_id_of(session, username), actor=None)
    click.echo(f"{username} gets a link; earlier ones are worthless now")


@contextmanager
def _in_company(code: str | None) -> Iterator[Session]:
    place = companies.chosen(code)
    with at_host(), companies.within(place, source="cli") as session:
        yield session


def _id_of(session: Session, username: str) -> UUID:
    found = session.execute(
        select(User.id).where(User.username == usernames.spelling(username))
    ).scalar_one_or_none()
    if found is None:
        raise totp.UserNotFound(f"there is no user {username} in the company")
    return found


def _people(session: Session) -> list[dict[str, Any]]:
    now = session.info["now"]
    roles: dict[UUID, list[str]] = {}
    for user_id, role in session.execute(
        select(RoleAssignment.user_id, RoleAssignment.role)
        .where(
            RoleAssignment.valid_from <= now,
            or_(RoleAssignment.valid_until.is_(None), RoleAssignment.valid_until > now),
        )
        .order_by(RoleAssignment.id)
    ):
        roles.setdefault(user_id, []).append(role.value)
    rows = session.execute(
        select(User, Membership)
        .join(Membership, Membership.user_id == User.id)
        .order_by(User.username)
    )
    return [
        {
            "id": str(user.id),
            "username": user.username,
            "display_name": user.display_name,
            "roles": list(dict.fromkeys(roles.get(user.id, []))),
            "is_active": user.is_active and member.is_active,
            "mfa_enrolled": user.totp_enrolled_at is not None,
            "must_change_password": sessions.has_temporary_password(user.password_changed_at),
        }
        for user, member in rows
    ]


def _log_event(session: Session, event: str, user_id: UUID) -> None:
    security_log.record(
        session,
        event=event,
        outcome="ok",
        detail={"subject_id": str(user_id), "by": login_name()},
    )
