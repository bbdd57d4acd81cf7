"""Notices, and how people wish to hear of them, on the wire."""

from typing import Any

import marshmallow as ma

from pettycash.models.notices import Timing
from pettycash.web.schemas.fields import Choice, Schema, UtcDateTime


class NoticeSchema(Schema):
    """A notice: one event that you were to hear of."""

    id = ma.fields.UUID(dump_only=True)
    created_at = UtcDateTime(dump_only=True)
    kind = ma.fields.String(dump_only=True)
    about_id = ma.fields.UUID(
        dump_only=True, metadata={"description": "What happened: a step, a round, a payment."}
    )
    subject = ma.fields.String(dump_only=True)
    sentence = ma.fields.String(dump_only=True)
    path = ma.fields.String(dump_only=True, metadata={"description": "Its page on the console."})
    timing = Choice(
        Timing,
        dump_only=True,
        metadata={"description": "`off`, too, where its e-mail was given up after two days."},
    )
    sent_at = UtcDateTime(dump_only=True, allow_none=True)
    read_at = UtcDateTime(dump_only=True, allow_none=True)


class NoticesReadSchema(Schema):
    """The newest notice that you have seen: it is read, and so are those before it."""

    newest_id = ma.fields.UUID(required=True)


class NoticeWishSchema(Schema):
    """How you hear of one kind of notice."""

    kind = ma.fields.String(required=True)
    title = ma.fields.String(required=True)
    timing = Choice(Timing, required=True)
    default = Choice(
        Timing, required=True, metadata={"description": "What holds while you say nothing."}
    )


class NoticeWishesSchema(Schema):
    """Each kind of which you may get a notice."""

    items = ma.fields.List(ma.fields.Nested(NoticeWishSchema), required=True)


class NoticeWishesChangeSchema(Schema):
    """Kinds and how you wish to hear of them; what is left out stays."""

    wishes = ma.fields.Dict(
        keys=ma.fields.String(),
        values=Choice(Timing),
        required=True,
        metadata={"description": "By kind; it holds from the next event on."},
    )


EXAMPLE_NOTICE: dict[str, Any] = {
    "id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0d01",
    "created_at": "2026-11-20T08:00:00+00:00",
    "kind": "requisition.waits",
    "about_id": "0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0d02",
    "subject": "Waits for your decision: REQ-2026-000123",
    "sentence": 'A requisition of KES 1,500.00, for "Printer paper", waits for your decision.',
    "path": "/console/requisitions/0192f7e2-6d1c-7a44-9d5b-2f6b9f1f0d03/",
    "timing": "at_once",
    "sent_at": "2026-11-20T08:00:02+00:00",
    "read_at": None,
}

EXAMPLE_WISHES: dict[str, Any] = {
    "items": [
        {
            "kind": "requisition.decided",
            "title": "What you asked for was decided",
            "timing": "daily",
            "default": "at_once",
        }
    ]
}
