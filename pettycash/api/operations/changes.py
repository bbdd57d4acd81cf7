"""Two-person changes: propose, confirm, reject, withdraw."""

from datetime import datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from flask.views import MethodView
from sqlalchemy.orm import Session

from pettycash.api.admission import current_actor, operation
from pettycash.api.blueprints import Blueprint
from pettycash.api.headers import sends
from pettycash.api.idempotency import idempotent
from pettycash.api.pages import example_page, page_of, query_of
from pettycash.api.refusals import refuses
from pettycash.api.schemas.changes import (
    EXAMPLE_CHANGE,
    EXAMPLE_DECIDED,
    EXAMPLE_PROPOSAL,
    ChangeSchema,
    ConfirmationSchema,
    OneChangeSchema,
    ProposalSchema,
    RejectionSchema,
)
from pettycash.models.operations import Change
from pettycash.models.payments import IllegalTransition
from pettycash.models.requisitions import IllegalRequisitionState
from pettycash.runtime.db import transaction
from pettycash.runtime.money import InvalidAmount
from pettycash.services.access import head_offices, people_changes
from pettycash.services.access.head_offices import InvalidHeadOffice
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
from pettycash.services.approvals.approved_facts import RedirectNeeded
from pettycash.services.approvals.resolution.core import NoApprover
from pettycash.services.approvals.thresholds.finding import ThresholdNotFound
from pettycash.services.approvals.thresholds.publishing import (
    InvalidThreshold,
    RoleCannotApprove,
    ThresholdEnded,
    ThresholdsOverlap,
    ThresholdsOverlapNow,
)
from pettycash.services.foundation.company_settings import (
    InvalidSetting,
    SettingNeedsTwoPeople,
    SettingsChanged,
    UnknownSetting,
)
from pettycash.services.foundation.decisions import (
    AboutYourself,
    AlreadyDecided,
    DigestMissing,
    NotADecider,
    NotAProposer,
    NotTheProposer,
    OwnProposal,
    ReasonMissing,
    StaleDecision,
)
from pettycash.services.foundation.duties import NotSeparate
from pettycash.services.foundation.listings import ListPage, page
from pettycash.services.foundation.uow import Uow
from pettycash.services.foundation.visibility import FundNotFound
from pettycash.services.imports.runs import RowsRefused, StaleImport
from pettycash.services.imprest import fund_limits
from pettycash.services.imprest.funds.custody import InvalidCustodian
from pettycash.services.imprest.funds.keeping import InvalidFund
from pettycash.services.imprest.funds.opening import InvalidOpening
from pettycash.services.imprest.funds.stores import StoreNotFound
from pettycash.services.ledger.posting import PeriodClosed
from pettycash.services.operations import changes, setting_changes
from pettycash.services.operations.change_lists import CHANGES
from pettycash.services.operations.changes import (
    ChangeNotFound,
    UnknownChange,
)
from pettycash.services.payments.restored import MayHaveBeenPaid
from pettycash.services.payments.rules import (
    UNFIT,
    BlockedByCase,
    FailureUnconfirmed,
    RequisitionNotPayable,
)
from pettycash.services.payments.treasury_validation import NobodyLeft

blp = Blueprint(
    "changes",
    __name__,
    url_prefix="/api/changes",
    description="What no one may change alone: proposed by one person, confirmed by a second."
    f" Proposed here: `{setting_changes.KIND}`, `{fund_limits.KIND}`, `{people_changes.CONTACT}`,"
    f" `{people_changes.SECOND_FACTOR}`, `{head_offices.KIND}`, `custodian` and"
    " `escalation_approver`; the others at endpoints of their own.",
)

Shown = Change | SimpleNamespace
Located = tuple[Shown, dict[str, str]]


def warned(session: Session, change: Change, now: datetime) -> Shown:
    """A change with what nobody else could do once a role that it is about has ended."""
    missed = indispensable.of_change(session, change, now=now)
    return change if missed is None else _with(change, warnings=missed)


def _with(change: Change, **facts: Any) -> SimpleNamespace:
    columns = {column.key: getattr(change, column.key) for column in Change.__mapper__.column_attrs}
    return SimpleNamespace(**columns | facts)


def located(change: Shown) -> Located:
    """A proposal as an answer: accepted, and where to see what becomes of it."""
    return change, {"Location": f"/api/changes/{change.id}/"}


@blp.route("/")
class Changes(MethodView):
    @operation("changes.list")
    @blp.arguments(query_of(CHANGES), location="query")
    @blp.response(200, page_of(ChangeSchema), example=example_page(EXAMPLE_CHANGE))
    def get(self, arguments: dict[str, Any]) -> ListPage:
        """List changes that you may read, proposed or decide, the newest first."""
        with transaction() as session:
            return page(Uow.of(session, current_actor()), CHANGES, arguments)

    @operation("changes.propose", step_up=True)
    @idempotent()
    @blp.arguments(ProposalSchema, example=EXAMPLE_PROPOSAL)
    @blp.response(202, ChangeSchema, example=EXAMPLE_CHANGE)
    @refuses(
        AboutYourself,
        FundNotFound,
        InvalidAmount,
        InvalidCustodian,
        InvalidFund,
        InvalidHeadOffice,
        InvalidOpening,
        InvalidPerson,
        InvalidSetting,
        NotAProposer,
        ReasonMissing,
        RolesIncompatible,
        SettingNeedsTwoPeople,
        StoreNotFound,
        UnitNotFound,
        UnknownChange,
        UnknownSetting,
        UserNotFound,
    )
    @sends("Location")
    def post(self, body: dict[str, Any]) -> Located:
        """Propose a change of a kind that has no endpoint of its own."""
        with transaction() as session:
            return located(changes.propose_any(Uow.of(session, current_actor()), **body))


@blp.route("/<uuid:change_id>/")
class OneChange(MethodView):
    @operation("changes.get")
    @blp.response(200, OneChangeSchema, example=EXAMPLE_CHANGE)
    @refuses(ChangeNotFound)
    def get(self, change_id: UUID) -> Shown:
        """Read a change; rows of an import are for those who may decide on it."""
        with transaction() as session:
            now, actor = session.info["now"], current_actor()
            found = changes.get(Uow(session, actor, now), change_id=change_id)
            if not changes.is_read_whole(found, actor):
                return _with(found, payload=changes.without_rows(found))
            return warned(session, found, now)


@blp.route("/<uuid:change_id>/confirm/")
class ChangeConfirmation(MethodView):
    @operation("changes.confirm", step_up=True)
    @idempotent()
    @blp.arguments(ConfirmationSchema, example={"comment": "Agreed."})
    @blp.response(200, ChangeSchema, example=EXAMPLE_DECIDED)
    @refuses(
        *UNFIT,
        AboutYourself,
        AlreadyDecided,
        BlockedByCase,
        ChangeNotFound,
        DigestMissing,
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
        InvalidThreshold,
        KeyEnded,
        KeyNotFound,
        MayHaveBeenPaid,
        NoApprover,
        NobodyLeft,
        NotADecider,
        NotSeparate,
        OwnProposal,
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
        StaleDecision,
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
    def post(self, body: dict[str, Any], change_id: UUID) -> Shown:
        """Make a change effective, as a second holder of the right, the cfo, or who is asked."""
        with transaction() as session:
            now = session.info["now"]
            confirmed = changes.confirm(
                Uow(session, current_actor(), now),
                change_id=change_id,
                digest=body["decision_digest"],
                comment=body["comment"],
            )
            session.flush()  # a role that has ended is none of those that stay
            return warned(session, confirmed, now)


@blp.route("/<uuid:change_id>/reject/")
class ChangeRejection(MethodView):
    @operation("changes.reject")
    @idempotent()
    @blp.arguments(RejectionSchema, example={"comment": "Not before the audit."})
    @blp.response(200, ChangeSchema, example={**EXAMPLE_DECIDED, "status": "rejected"})
    @refuses(
        AlreadyDecided,
        ChangeNotFound,
        DigestMissing,
        NotADecider,
        OwnProposal,
        ReasonMissing,
        StaleDecision,
    )
    def post(self, body: dict[str, Any], change_id: UUID) -> Change:
        """Refuse a change, with a reason."""
        with transaction() as session:
            return changes.reject(
                Uow.of(session, current_actor()),
                change_id=change_id,
                digest=body["decision_digest"],
                comment=body["comment"],
            )


@blp.route("/<uuid:change_id>/withdraw/")
class ChangeWithdrawal(MethodView):
    @operation("changes.withdraw")
    @idempotent()
    @blp.response(200, ChangeSchema, example={**EXAMPLE_DECIDED, "status": "withdrawn"})
    @refuses(AlreadyDecided, ChangeNotFound, NotTheProposer)
    def post(self, change_id: UUID) -> Change:
        """Take one's own proposal back."""
        with transaction() as session:
            return changes.withdraw(Uow.of(session, current_actor()), change_id=change_id)
