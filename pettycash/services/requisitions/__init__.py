"""Requisitions: raising, changing, submitting, and what becomes of them (domain.md §4)."""

from pettycash.services.requisitions.creation import CHANGEABLE, create, draft, update
from pettycash.services.requisitions.lifecycle import (
    cancel,
    close_short,
    hold,
    lift_hold,
    recall,
    return_to_requester,
    review,
    submit,
)
from pettycash.services.requisitions.progress import payment_progress
from pettycash.services.requisitions.validation import Stated, StatedLine

__all__ = [
    "CHANGEABLE",
    "Stated",
    "StatedLine",
    "cancel",
    "close_short",
    "create",
    "draft",
    "hold",
    "lift_hold",
    "payment_progress",
    "recall",
    "return_to_requester",
    "review",
    "submit",
    "update",
]
