"""The day of treasury on the wire."""

from typing import Any

import marshmallow as ma

from pettycash.models.payments import AttemptState
from pettycash.services.reports.treasury import Age
from pettycash.web.schemas.fields import Amount, Choice, Day, Schema


class _CountSchema(Schema):
    currency = ma.fields.String(dump_only=True)
    count = ma.fields.Integer(dump_only=True)
    amount = Amount(dump_only=True)


class ReleasedCountSchema(_CountSchema):
    """Releases of the day in one state."""

    state = Choice(AttemptState, dump_only=True)


class DoubtfulCountSchema(_CountSchema):
    """Payments in doubt of one age."""

    age = Choice(Age, dump_only=True)


class TodaySchema(Schema):
    """The day so far, in the company's time zone."""

    day = Day(dump_only=True)
    executions = ma.fields.List(ma.fields.Nested(ReleasedCountSchema), dump_only=True)
    in_doubt = ma.fields.List(ma.fields.Nested(DoubtfulCountSchema), dump_only=True)


EXAMPLE_TODAY: dict[str, Any] = {
    "day": "2026-11-20",
    "executions": [{"state": "settled", "currency": "KES", "count": 12, "amount": "18400.00"}],
    "in_doubt": [{"age": "under_an_hour", "currency": "KES", "count": 1, "amount": "1500.00"}],
}
