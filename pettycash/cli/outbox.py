"""`outbox`: what is owed and not done, across companies."""

import json
from uuid import UUID

import click

from pettycash import db
from pettycash.cli import tables
from pettycash.cli.composed import composed
from pettycash.services import obligations


@click.group()
def outbox() -> None:
    """Look at obligations, retry or park them."""


@outbox.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@composed
def status(as_json: bool) -> None:
    """What is owed, by topic: due, waiting, parked, failing, and how late the oldest is."""
    with db.scope(source="cli"), db.system_transaction() as session:
        rows = obligations.counts(session)
    if as_json:
        click.echo(json.dumps({"topics": [row.as_json() for row in rows]}, indent=2))
        return
    if not rows:
        click.echo("nothing is owed")
        return
    tables.show(
        "Obligations",
        ("topic", "due", "waiting", "parked", "failing", "late (s)"),
        (
            (
                row.topic,
                row.due,
                row.waiting,
                row.parked,
                row.failing,
                f"{row.late_seconds:.0f}",
            )
            for row in rows
        ),
    )


@outbox.command()
@click.argument("obligation_id", type=click.UUID)
@composed
def retry(obligation_id: UUID) -> None:
    """Make an obligation due now, parked or not."""
    _change(obligation_id, "retry")
    click.echo("due now")


@outbox.command()
@click.argument("obligation_id", type=click.UUID)
@composed
def park(obligation_id: UUID) -> None:
    """Take an obligation out of the relay's hands."""
    _change(obligation_id, "park")
    click.echo("parked")


def _change(obligation_id: UUID, what: str) -> None:
    with db.scope(source="cli"), db.system_transaction() as session:
        company_id = obligations.company_of(session, obligation_id=obligation_id)
    change = obligations.retry if what == "retry" else obligations.park
    with db.scope(company_id=company_id, source="cli"), db.transaction() as session:
        change(session, obligation_id=obligation_id, actor=None, now=session.info["now"])
