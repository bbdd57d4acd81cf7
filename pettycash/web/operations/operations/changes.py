"""Two-person changes: propose, confirm, reject, withdraw."""

from types import SimpleNamespace
from typing import Any
from uuid import UUID

from pettycash.models.operations import Change
from pettycash.models.payments import IllegalTransition
from pettycash.models.requisitions import IllegalRequisitionState
from pettycash.runtime.money import InvalidAmount
from pettycash.services.access import head_offices
from pettycash.services.access.identity.api_keys import KeyEnded, KeyNotFound
from pettycash.services.access.identity.totp import OwnReset, SharedLogin, UserNotFound
from pettycash.services.access.identity.usernames import InvalidPerson
from pettycash.services.access.organisation import UnitNotFound
from pettycash.services.access.role_assignments import (
    InvalidRole,
    RoleAssignmentNotFound,
    RoleEnded,
    RoleHeldAlready,
    RolesIncompatible,
)
from pettycash.services.approvals import indispensable
from pettycash.services.approvals.resolution.core import NoApprover
from pettycash.services.approvals.thresholds.finding import ThresholdNotFound
from pettycash.services.approvals.thresholds.publishing import (
    InvalidThreshold,
    RoleCannotApprove,
    ThresholdEnded,
    ThresholdsOverlap,
    ThresholdsOverlapNow,
)
from pettycash.services.foundation import decisions, listings
from pettycash.services.foundation.company_settings import (
    InvalidSetting,
    SettingNeedsTwoPeople,
    SettingsChanged,
    UnknownSetting,
)
from pettycash.services.foundation.duties import NotSeparate
from pettycash.services.foundation.uow import Uow
from pettycash.services.foundation.visibility import FundNotFound
from pettycash.services.imports.runs import RowsRefused, StaleImport
from pettycash.services.imprest.funds.custody import InvalidCustodian
from pettycash.services.imprest.funds.keeping import InvalidFund
from pettycash.services.imprest.funds.opening import InvalidOpening
from pettycash.services.imprest.funds.stores import StoreNotFound
from pettycash.services.imprest.standing_validations import CfoMissing, InvalidStandingValidation
from pettycash.services.ledger.posting import PeriodClosed
from pettycash.services.operations import changes
from pettycash.services.operations.change_lists import CHANGES, called
from pettycash.services.payments.restored import MayHaveBeenPaid
from pettycash.services.payments.rules import (
    UNFIT,
    BlockedByCase,
    FailureUnconfirmed,
    RequisitionNotPayable,
)
from pettycash.services.payments.treasury_validation import NobodyLeft
from pettycash.services.requisitions.approved_facts import RedirectNeeded
from pettycash.web.operations import list_of, operation
from pettycash.web.pages import detail_of
from pettycash.web.refusals import refuses
from pettycash.web.schemas import changes as shapes

Shown = Change | SimpleNamespace


def warned(uow: Uow, change: Change) -> Shown:
    """A change with what nobody else could do once a role that it is about has ended."""
    missed = indispensable.of_change(uow.session, change, now=uow.now)
    return change if missed is None else _with(change, warnings=missed)


def _with(change: Change, **facts: Any) -> SimpleNamespace:
    columns = {column.key: getattr(change, column.key) for column in Change.__mapper__.column_attrs}
    return SimpleNamespace(**columns | facts)


list_all = list_of(
    "changes.list",
    CHANGES,
    "List changes that you may read, proposed or decide, the newest first.",
    answers=shapes.ChangeSchema,
    example=shapes.EXAMPLE_CHANGE,
)


@operation(
    "changes.propose",
    takes=shapes.ProposalSchema,
    given=shapes.EXAMPLE_PROPOSAL,
    step_up=True,
    status=202,
    answers=shapes.ChangeSchema,
    example=shapes.EXAMPLE_CHANGE,
)
@refuses(
    FundNotFound,
    InvalidAmount,
    InvalidCustodian,
    InvalidFund,
    head_offices.InvalidHeadOffice,
    InvalidOpening,
    InvalidPerson,
    InvalidSetting,
    InvalidStandingValidation,
    decisions.NotAProposer,
    decisions.AboutYourself,
    decisions.ReasonMissing,
    RolesIncompatible,
    SettingNeedsTwoPeople,
    StoreNotFound,
    UnitNotFound,
    changes.UnknownChange,
    UnknownSetting,
    UserNotFound,
)
def propose(uow: Uow, /, **facts: Any) -> Change:
    """Propose a change of a kind that has no endpoint of its own."""
    return changes.propose_any(uow, **facts)


@operation(
    "changes.get",
    answers=detail_of(shapes.OneChangeSchema),
    example={**shapes.EXAMPLE_CHANGE, "old": None, "names": {}, "people": {}},
)
@refuses(changes.ChangeNotFound)
def get(uow: Uow, *, change_id: UUID) -> Shown:
    """Read a change; rows of an import are for those who may decide on it."""
    found = changes.get(uow, change_id=change_id)
    old = changes.before(uow.session, found)
    told = [found.object_id, changes.without_rows(found), old]
    facts: dict[str, Any] = {
        "people": listings.names(uow, CHANGES, [found]),
        "old": old,
        "names": called(uow.session, told),
    }
    if not changes.is_read_whole(found, uow.actor):
        facts["payload"] = changes.without_rows(found)
    missed = indispensable.of_change(uow.session, found, now=uow.now)
    return _with(found, **facts if missed is None else facts | {"warnings": missed})


@operation(
    "changes.confirm",
    takes=shapes.ConfirmationSchema,
    given={"comment": "Agreed."},
    step_up=True,
    answers=shapes.ChangeSchema,
    example=shapes.EXAMPLE_DECIDED,
)
@refuses(
    *UNFIT,
    decisions.AlreadyDecided,
    BlockedByCase,
    CfoMissing,
    changes.ChangeNotFound,
    decisions.DigestMissing,
    FailureUnconfirmed,
    FundNotFound,
    IllegalRequisitionState,
    IllegalTransition,
    InvalidCustodian,
    InvalidFund,
    InvalidOpening,
    InvalidPerson,
    InvalidRole,
    InvalidSetting,
    InvalidStandingValidation,
    InvalidThreshold,
    KeyEnded,
    KeyNotFound,
    MayHaveBeenPaid,
    NoApprover,
    NobodyLeft,
    decisions.NotADecider,
    NotSeparate,
    decisions.AboutYourself,
    decisions.OwnProposal,
    OwnReset,
    PeriodClosed,
    RedirectNeeded,
    RequisitionNotPayable,
    RoleAssignmentNotFound,
    RoleCannotApprove,
    RoleEnded,
    RoleHeldAlready,
    RolesIncompatible,
    RowsRefused,
    SettingsChanged,
    SharedLogin,
    decisions.StaleDecision,
    StaleImport,
    StoreNotFound,
    ThresholdEnded,
    ThresholdNotFound,
    ThresholdsOverlap,
    ThresholdsOverlapNow,
    UnitNotFound,
    UnknownSetting,
    UserNotFound,
)
def confirm(
    uow: Uow, *, change_id: UUID, decision_digest: str | None, comment: str | None
) -> Shown:
    """Make a change effective, as a second holder of the right, the cfo, or who is asked."""
    confirmed = changes.confirm(uow, change_id=change_id, digest=decision_digest, comment=comment)
    uow.session.flush()  # a role that has ended is none of those that stay
    return warned(uow, confirmed)


@operation(
    "changes.reject",
    takes=shapes.RejectionSchema,
    given={"comment": "Not before the audit."},
    answers=shapes.ChangeSchema,
    example={**shapes.EXAMPLE_DECIDED, "status": "rejected"},
)
@refuses(
    decisions.AlreadyDecided,
    CfoMissing,
    changes.ChangeNotFound,
    decisions.DigestMissing,
    decisions.NotADecider,
    decisions.OwnProposal,
    decisions.ReasonMissing,
    decisions.StaleDecision,
)
def reject(uow: Uow, *, change_id: UUID, decision_digest: str | None, comment: str) -> Change:
    """Refuse a change, with a reason."""
    return changes.reject(uow, change_id=change_id, digest=decision_digest, comment=comment)


@operation(
    "changes.withdraw",
    answers=shapes.ChangeSchema,
    example={**shapes.EXAMPLE_DECIDED, "status": "withdrawn"},
)
@refuses(decisions.AlreadyDecided, changes.ChangeNotFound, decisions.NotTheProposer)
def withdraw(uow: Uow, *, change_id: UUID) -> Change:
    """Take one's own proposal back."""
    return changes.withdraw(uow, change_id=change_id)
