"""`security`: the security log, of all companies and of none."""

import json
from datetime import datetime
from typing import Any

import click
from sqlalchemy import select

from pettycash.cli import tables
from pettycash.cli.composed import composed
from pettycash.models.access import Company, SecurityEvent, User
from pettycash.runtime import db
from pettycash.services.access.identity import usernames


@click.group()
def security() -> None:
    """The security log."""


@security.command()
@click.option("--company", "code", help="Code of one company (default: all, and events of none).")
@click.option("--user", "username", help="Of one person.")
@click.option("--event", help="Of one kind, such as auth.login.")
@click.option("--outcome", type=click.Choice(["ok", "refused", "failed"]))
@click.option("--request-id", help="Of one request.")
@click.option("--since", type=click.DateTime(), help="From this instant on, in UTC.")
@click.option(
    "-n", "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True,
    help="How many of the newest.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@composed
def events(
    *,
    code: str | None,
    username: str | None,
    event: str | None,
    outcome: str | None,
    request_id: str | None,
    since: datetime | None,
    limit: int,
    as_json: bool,
) -> None:
    """The newest security events, the newest first."""
    query = (
        select(SecurityEvent, User.username, Company.code)
        .outerjoin(User, User.id == SecurityEvent.user_id)
        .outerjoin(Company, Company.id == SecurityEvent.company_id)
        .order_by(SecurityEvent.id.desc())
        .limit(limit)
    )
    if code is not None:
        query = query.where(Company.code == code)
    if username is not None:
        query = query.where(User.username == usernames.spelling(username))
    if event is not None:
        query = query.where(SecurityEvent.event == event)
    if outcome is not None:
        query = query.where(SecurityEvent.outcome == outcome)
    if request_id is not None:
        query = query.where(SecurityEvent.request_id == request_id)
    if since is not None:
        query = query.where(SecurityEvent.created_at >= since)
    with db.scope(source="cli"), db.system_transaction() as session:
        found = [_facts(*row) for row in session.execute(query)]
    if as_json:
        click.echo(json.dumps({"events": found}, indent=2))
        return
    columns = (
        "created_at",
        "company",
        "event",
        "outcome",
        "user",
        "address",
        "request_id",
        "detail",
    )
    tables.show(
        "Security events",
        columns,
        ([*(each[name] for name in columns[:-1]), json.dumps(each["detail"])] for each in found),
    )


def _facts(event: SecurityEvent, username: str | None, company: str | None) -> dict[str, Any]:
    return {
        "id": str(event.id),
        "created_at": event.created_at.isoformat(timespec="seconds"),
        "company": company,
        "event": event.event,
        "outcome": event.outcome,
        "user": username,
        "address": event.ip_address,
        "request_id": event.request_id,
        "detail": event.detail,
    }
