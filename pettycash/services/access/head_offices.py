"""Two people say which branches are head offices, as it spares their members approvers.

What members of a head office raise is of origin hq, and no branch or regional manager of theirs is
asked (control.md §3).
"""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from pettycash.models.access import Branch
from pettycash.models.operations import Change
from pettycash.runtime import errors
from pettycash.services.access import organisation
from pettycash.services.foundation.permissions import ADMINISTRATORS
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import changes

KIND, FIELD = "head_office", "is_head_office"


class InvalidHeadOffice(errors.RuleViolation):
    """A head office needs a branch's id and `is_head_office`, which is true or false."""

    code = "organisation.invalid_head_office"


def _read(
    session: Session, proposal: changes.ChangeProposal, now: datetime
) -> changes.ChangeProposal:
    del now
    if set(proposal.payload) != {FIELD} or not isinstance(proposal.payload[FIELD], bool):
        raise InvalidHeadOffice
    if proposal.object_id is None:
        raise organisation.UnitNotFound
    branch = organisation.get(session, Branch, unit_id=proposal.object_id)
    return changes.ChangeProposal(object_id=branch.id, payload=dict(proposal.payload))


def _apply(uow: Uow, change: Change) -> None:
    assert change.object_id is not None
    branch = organisation.get(uow.session, Branch, unit_id=change.object_id, lock=True)
    organisation.update(uow.session, branch, values=dict(change.payload), actor=uow.actor)


def _before(session: Session, change: Change) -> dict[str, Any]:
    return {FIELD: session.get_one(Branch, change.object_id).is_head_office}


changes.register(
    KIND,
    proposers=ADMINISTRATORS,
    confirmers=ADMINISTRATORS,
    apply=_apply,
    read=_read,
    before=_before,
    alerts=True,
)
