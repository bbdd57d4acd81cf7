"""`payments`: those whose end is not known, and asking the rail about one."""

import json
from datetime import timedelta
from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.cli import tables
from pettycash.cli.access import companies
from pettycash.cli.composed import composed
from pettycash.models.payments import LIVE, Payment, PaymentAttempt, PaymentStatus
from pettycash.runtime import money
from pettycash.services import payments as service


@click.group()
def payments() -> None:
    """Payments on their way."""


@payments.command("in-doubt")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@composed
def in_doubt(as_json: bool) -> None:
    """Payments that were sent and whose outcome is unknown, or whose failure is not confirmed."""
    found: list[dict[str, Any]] = []
    for place in companies.active():
        with companies.within(place, source="cli") as session:
            found += [{"company": place.code, **each} for each in _open_ends(session)]
    if as_json:
        click.echo(json.dumps({"payments": found}, indent=2))
        return
    if not found:
        click.echo("no payment is in doubt")
        return
    columns = ("company", "payment", "status", "amount", "reference", "questions", "next_question")
    tables.show("In doubt", columns, ([each[name] for name in columns] for each in found))


@payments.command()
@click.argument("number")
@composed
def requery(number: str) -> None:
    """Ask the rail now about the payment of this number (PAY-2026-000123)."""
    for place in companies.active():
        with companies.within(place, source="cli") as session:
            payment_id = session.execute(
                select(Payment.id).where(Payment.number == number.upper())
            ).scalar_one_or_none()
            if payment_id is None:
                continue
            now = session.info["now"]
            service.requery(session, payment_id=payment_id, actor=None, now=now)
            click.echo(f"{place.code}: the rail will be asked about {number.upper()}")
            return
    raise click.ClickException(f"there is no payment {number}")


@payments.command()
@click.option("--days", default=31, show_default=True, help="How far back.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@composed
def signatures(days: int, as_json: bool) -> None:
    """How much cash each custodian paid against a signature instead of a code or a sign-in."""
    found: list[dict[str, Any]] = []
    for place in companies.active():
        with companies.within(place, source="cli") as session:
            now = session.info["now"]
            rows = service.by_custodian(session, since=now - timedelta(days=days), until=now)
            found += [
                {
                    "company": place.code,
                    "custodian": custodian,
                    "currency": currency,
                    "payments": count,
                    "signed": signed,
                    "signed_amount": money.text(amount, currency),
                }
                for custodian, currency, count, signed, amount in rows
            ]
    if as_json:
        click.echo(json.dumps({"custodians": found}, indent=2))
        return
    if not found:
        click.echo("no cash was paid")
        return
    columns = ("company", "custodian", "currency", "payments", "signed", "signed_amount")
    tables.show("Cash by custodian", columns, ([each[name] for name in columns] for each in found))


def _open_ends(session: Session) -> list[dict[str, Any]]:
    rows = session.execute(
        select(Payment, PaymentAttempt)
        .join(PaymentAttempt, PaymentAttempt.payment_id == Payment.id)
        .where(
            ((Payment.status == PaymentStatus.IN_DOUBT) & PaymentAttempt.state.in_(LIVE))
            | (
                (Payment.status == PaymentStatus.FAILED)
                & ~Payment.failure_confirmed
                & PaymentAttempt.failure_confirmed_at.is_(None)
            )
        )
        .order_by(Payment.id)
    ).all()
    return [
        {
            "payment": payment.number,
            "status": payment.status.value,
            "amount": f"{payment.currency} {money.text(payment.amount, payment.currency)}",
            "reference": attempt.originator_reference,
            "first_sent_at": _iso(attempt.first_sent_at),
            "questions": attempt.queries,
            "next_question": _iso(attempt.next_query_at),
            "last_answer": attempt.outcome_code,
        }
        for payment, attempt in rows
    ]


def _iso(instant: Any) -> str | None:
    return None if instant is None else instant.isoformat(timespec="seconds")
