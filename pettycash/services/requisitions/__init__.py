"""Requisitions: raising, changing, submitting, and what becomes of them (domain.md §4)."""

from pettycash.services.requisitions.creation import CHANGEABLE, create, create_with_lines, update
from pettycash.services.requisitions.lifecycle import (
    cancel,
    close_short,
    put_on_hold,
    recall,
    return_to_requester,
    review,
    submit,
    take_off_hold,
)
from pettycash.services.requisitions.progress import payment_progress
from pettycash.services.requisitions.validation import DraftLine, RequisitionDraft

__all__ = [
    "CHANGEABLE",
    "DraftLine",
    "RequisitionDraft",
    "cancel",
    "close_short",
    "create",
    "create_with_lines",
    "payment_progress",
    "put_on_hold",
    "recall",
    "return_to_requester",
    "review",
    "submit",
    "take_off_hold",
    "update",
]
