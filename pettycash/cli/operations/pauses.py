"""`pause` and `resume`: stop new releases and sends at once; two different people let them go on.

Without a company, account or store it is the whole installation. Pausing that must never wait for
anybody, so it takes the login name of whoever runs the command; everything else names a person with
a role that pauses (`--as`).
"""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.cli.composed import composed
from pettycash.cli.host import at_host, login_name
from pettycash.models.access import User
from pettycash.models.imprest import ProviderAccount, Store
from pettycash.models.operations import Pause, PauseScope, PlatformPause
from pettycash.runtime import db
from pettycash.services.access.identity import people, usernames
from pettycash.services.foundation.actors import Actor
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import pauses

Target = tuple[PauseScope, str | None]


def _targets(command: Callable[..., None]) -> Callable[..., None]:
    """The options of both commands."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
        click.option("--as", "username", help="Who acts: operator, treasury or cfo."),
        click.option("--store", help="Code of a store of that person's company."),
        click.option("--account", help="Code of a provider account of that person's company."),
        click.option("--company", is_flag=True, help="The company of that person."),
        click.option("--all", "everything", is_flag=True, help="The whole installation (default)."),
    ):
        command = option(command)
    return command


@click.command()
@_targets
@click.option("--reason", default="Paused on the host.", show_default=True)
@composed
def pause(*, reason: str, username: str | None, as_json: bool, **target: Any) -> None:
    """Stop new releases and sends at once; queries and callbacks go on."""
    where = _target(**target)
    if where is None:
        with at_host(), db.system_transaction() as session:
            by = login_name() if username is None else _pauser_name(session, username)
            _print(_platform(pauses.pause_everything(session, reason=reason, by=by)), as_json)
        return
    actor = _actor(username)
    with at_host(), db.scope(company_id=actor.company_id), db.transaction() as session:
        scope, object_id = _found(session, where)
        paused = pauses.pause(
            Uow.of(session, actor), scope=scope, object_id=object_id, reason=reason
        )
        session.flush()
        _print(_company(paused), as_json)


@click.command()
@_targets
@composed
def resume(*, username: str | None, as_json: bool, **target: Any) -> None:
    """Ask to resume; asked by a second person, it resumes."""
    if username is None:
        raise click.UsageError("say who asks with --as; two different people resume")
    where = _target(**target)
    if where is None:
        with at_host(), db.system_transaction() as session:
            by = _pauser_name(session, username)
            now = session.info["now"]
            _print(_platform(pauses.resume_everything(session, by=by, now=now)), as_json)
        return
    actor = _actor(username)
    with at_host(), db.scope(company_id=actor.company_id), db.transaction() as session:
        scope, object_id = _found(session, where)
        standing = pauses.open_pause(session, scope=scope, object_id=object_id)
        now = session.info["now"]
        resumed = pauses.resume(Uow(session, actor, now), pause_id=standing.id)
        _print(_company(resumed), as_json)


def _target(
    *, everything: bool, company: bool, account: str | None, store: str | None
) -> Target | None:
    """The scope that is meant; None is the whole installation."""
    named = [
        (PauseScope.COMPANY, None) if company else None,
        (PauseScope.PROVIDER_ACCOUNT, account) if account else None,
        (PauseScope.STORE, store) if store else None,
    ]
    chosen = [each for each in named if each is not None]
    if len(chosen) + everything > 1:
        raise click.UsageError("name one of --all, --company, --account, --store")
    return chosen[0] if chosen else None


def _found(session: Session, target: Target) -> tuple[PauseScope, UUID | None]:
    scope, code = target
    if scope is PauseScope.COMPANY:
        return scope, None
    model = Store if scope is PauseScope.STORE else ProviderAccount
    found = session.execute(select(model.id).where(model.code == code)).scalar_one_or_none()
    if found is None:
        raise click.ClickException(f"there is no {scope.value.replace('_', ' ')} {code}")
    return scope, found


def _actor(username: str | None) -> Actor:
    if username is None:
        raise click.UsageError("say who acts with --as")
    with at_host(), db.system_transaction() as session:
        return _pauser(session, username)


def _pauser(session: Session, username: str) -> Actor:
    """The person in the company in which they may pause."""
    user_id = session.execute(
        select(User.id).where(User.username == usernames.spelling(username), User.is_active)
    ).scalar_one_or_none()
    if user_id is None:
        raise pauses.NotAPauser(f"There is no active {username}.")
    for company in people.companies_of(session, user_id=user_id):
        member = people.active_member(
            session, user_id=user_id, company_id=company.id, now=session.info["now"]
        )
        if member is not None and member.has(*pauses.PAUSERS):
            return member.actor(people.ClientInfo())
    raise pauses.NotAPauser(f"{username} is no operator, treasury officer or cfo.")


def _pauser_name(session: Session, username: str) -> str:
    _pauser(session, username)
    return usernames.spelling(username)


def _platform(row: PlatformPause) -> dict[str, Any]:
    return {
        "scope": "all",
        "object_id": None,
        "reason": row.reason,
        "resume_requested_by": row.resume_requested_by,
        "is_paused": row.resumed_at is None,
    }


def _company(row: Pause) -> dict[str, Any]:
    return {
        "scope": row.scope.value,
        "object_id": str(row.object_id) if row.object_id else None,
        "reason": row.reason,
        "paused_by": "system" if row.paused_by is None else str(row.paused_by),
        "resume_requested_by": str(row.proposed_by) if row.proposed_by else None,
        "is_paused": row.decided_at is None,
    }


def _print(facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(facts))
        return
    what = "everything" if facts["scope"] == "all" else f"the {facts['scope'].replace('_', ' ')}"
    if not facts["is_paused"]:
        click.echo(f"{what} goes on")
    elif facts["resume_requested_by"] is not None:
        click.echo(f"{what} stays paused until a second person asks to resume too")
    else:
        click.echo(f"{what} is paused; to go on: bin/pettycash resume --as USERNAME, twice")
