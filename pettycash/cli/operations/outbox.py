"""`outbox`: what must happen and has not happened, across companies."""

import json
from uuid import UUID

import click

from pettycash.cli import tables
from pettycash.cli.composed import composed
from pettycash.runtime import db
from pettycash.services.operations import outbox_messages


@click.group()
def outbox() -> None:
    """Look at outbox messages; retry or dead-letter them."""


@outbox.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@composed
def status(as_json: bool) -> None:
    """Open messages by topic: due, waiting, dead-lettered, failing, and how late the oldest is."""
    with db.scope(source="cli"), db.system_transaction() as session:
        rows = outbox_messages.counts(session)
    if as_json:
        click.echo(json.dumps({"topics": [row.as_json() for row in rows]}, indent=2))
        return
    if not rows:
        click.echo("nothing is waiting")
        return
    tables.show(
        "Outbox messages",
        ("topic", "due", "waiting", "dead-lettered", "failing", "late (s)"),
        (
            (
                row.topic,
                row.due,
                row.waiting,
                row.dead_lettered,
                row.failing,
                f"{row.late_seconds:.0f}",
            )
            for row in rows
        ),
    )


@outbox.command()
@click.argument("message_id", type=click.UUID)
@composed
def retry(message_id: UUID) -> None:
    """Make an outbox message due now, dead-lettered or not."""
    _change(message_id, "retry")
    click.echo("due now")


@outbox.command()
@click.argument("message_id", type=click.UUID)
@composed
def dead_letter(message_id: UUID) -> None:
    """Keep the relay from a message until a person retries it."""
    _change(message_id, "dead-letter")
    click.echo("dead-lettered")


def _change(message_id: UUID, what: str) -> None:
    with db.scope(source="cli"), db.system_transaction() as session:
        company_id = outbox_messages.company_of(session, message_id=message_id)
    change = outbox_messages.retry if what == "retry" else outbox_messages.dead_letter
    with db.scope(company_id=company_id, source="cli"), db.transaction() as session:
        change(session, message_id=message_id, actor=None, now=session.info["now"])
