"""Payments that a run makes: approved, validated, released with a code of their own."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.access import Company, Membership, RoleAssignment, User
from pettycash.models.approvals import ApprovalStep, Origin, StepAssignee, StepStatus
from pettycash.models.imprest import Store
from pettycash.models.releases import ChallengeSend
from pettycash.models.requisitions import IN_APPROVAL, Requisition, RequisitionKind
from pettycash.runtime import db
from pettycash.runtime.money import Currency
from pettycash.runtime.rails import Method
from pettycash.services import payments, releases, requisitions
from pettycash.services.access.identity import people, sessions
from pettycash.services.approvals import rounds
from pettycash.services.foundation.actors import Actor, HeldRole
from pettycash.services.foundation.uow import Uow
from pettycash.services.payments import treasury_validation
from pettycash.services.payments.creation import PaymentPart
from pettycash.services.requisitions import DraftLine, RequisitionDraft, deciding
from pettycash.stack.ports import LOOPBACK

COMPANY = "DEMO"
REQUESTER, VALIDATOR, EXECUTOR = "staff", "treasury", "treasury_2"
STORE = "HQ-MPESA"
"""It holds a million shillings, enough for every run."""

FIRST_PHONE = 254_720_000_000
"""One receiver for each payment, none of the simulator's test numbers."""

AMOUNT_MIN, AMOUNT_STEPS = 10, 41
CODE = re.compile(r"\d{6}")


class NoCode(Exception):
    """A code could not be made or was not accepted."""


@dataclass(frozen=True)
class Paid:
    """A payment of a run, and what must become of it."""

    id: UUID
    number: int
    """Its place in the run."""
    amount: Decimal
    phone: str


@dataclass(frozen=True)
class House:
    """The demo company, and who acts in it."""

    company_id: UUID

    @classmethod
    def find(cls) -> "House":
        """The seeded one."""
        with db.scope(source="chaos"), db.system_transaction() as session:
            found = session.execute(select(Company.id).where(Company.code == COMPANY)).scalar_one()
        return cls(found)

    def scope(self) -> Any:
        """Act for it."""
        return db.scope(company_id=self.company_id, source="chaos")

    def pay(self, number: int) -> Paid:
        """Make the payment of this number, up to a verified code, in one unit of work.

        Done again after an error, it makes another one: what is never released moves no money.
        """
        phone = str(FIRST_PHONE + number)
        amount = Decimal(AMOUNT_MIN + number % AMOUNT_STEPS).quantize(Decimal("0.01"))
        with self.scope():
            return db.in_transaction(lambda session: _pay(session, number, amount, phone))

    def verify(self, paid: Paid) -> Paid:
        """Have a code made for a payment of `pay`, once more, and give it."""
        with self.scope():
            db.in_transaction(lambda session: _verify(session, paid.id))
        return paid

    def release(self, paid: Paid) -> None:
        """Release a payment of `pay` here, without the API."""
        with self.scope(), db.transaction() as session:
            payments.execute(Uow.of(session, _acting(session, EXECUTOR)), payment_id=paid.id)

    def actor(self, username: str) -> Actor:
        """Somebody of it, as the API would let them act."""
        with self.scope(), db.transaction() as session:
            return _acting(session, username)

    def token(self, username: str = EXECUTOR) -> str:
        """An access token of theirs, without the cost of a sign-in."""
        with db.scope(source="chaos"), db.system_transaction() as session:
            now = session.info["now"]
            person = session.execute(select(User.id).where(User.username == username)).scalar_one()
            member = people.active_member(
                session, user_id=person, company_id=self.company_id, now=now
            )
            if member is None:
                raise LookupError(f"{username} has no place in the company")
            client_info = people.ClientInfo(ip_address=LOOPBACK)
            return sessions.start(
                session, member=member, client_info=client_info, now=now
            ).access_token


def _pay(session: Session, number: int, amount: Decimal, phone: str) -> Paid:
    requisition = _approved(session, amount, phone)
    now = session.info["now"]
    _, (payment,) = treasury_validation.validate(
        Uow(session, _acting(session, VALIDATOR), now),
        requisition_id=requisition.id,
        digest=_digest(session, requisition.id),
        parts=[PaymentPart(amount=amount, store_id=_store(session))],
    )
    session.flush()
    _verify(session, payment.id)
    return Paid(payment.id, number, amount, phone)


def _approved(session: Session, amount: Decimal, phone: str) -> Requisition:
    now = session.info["now"]
    actor = _acting(session, REQUESTER)
    uow = Uow(session, actor, now)
    draft = requisitions.create(
        uow,
        draft=RequisitionDraft(
            kind=RequisitionKind.EXPENSE,
            origin=Origin.BRANCH,
            amount=amount,
            currency=Currency.KES,
            purpose="A payment under fire",
            payee_name="Receiver of a payment under fire",
            method=Method.MPESA,
            destination=phone,
            lines=[DraftLine(description="Water", amount=amount, category="utilities")],
        ),
    )
    requisition = requisitions.submit(uow, requisition_id=draft.id)
    while requisition.status in IN_APPROVAL:
        session.flush()
        requisition = deciding.approve(
            Uow(session, _acting(session, _whose_turn(session, requisition.id)), now),
            requisition_id=requisition.id,
            digest=_digest(session, requisition.id),
        )
    session.flush()
    return requisition


def _store(session: Session) -> UUID:
    return session.execute(select(Store.id).where(Store.code == STORE)).scalar_one()


def _verify(session: Session, payment_id: UUID) -> None:
    """Ask for a code, read it as its addressee would, and give it."""
    now, actor = session.info["now"], _acting(session, EXECUTOR)
    uow = Uow(session, actor, now)
    challenge = payments.send_code(uow, payment_id=payment_id)
    session.flush()
    send_id = session.execute(
        select(ChallengeSend.id).where(ChallengeSend.challenge_id == challenge.id)
    ).scalar_one()
    message = releases.make_code(session, send_id=send_id, now=now)
    found = CODE.search(message.text) if message else None
    if message is None or found is None:
        raise NoCode("no code was made")
    releases.code_delivered(session, send_id=send_id, message=message, now=now)
    result = payments.verify_code(uow, payment_id=payment_id, code=found.group())
    if result.refusal is not None:
        raise NoCode(f"the code was refused: {result.refusal}")


def _digest(session: Session, requisition_id: UUID) -> str:
    latest = rounds.latest(session, requisition_id)
    if latest is None:
        raise LookupError("the requisition was never submitted")
    return rounds.decision_digest(latest)


def _whose_turn(session: Session, requisition_id: UUID) -> str:
    return session.execute(
        select(User.username)
        .join(StepAssignee, StepAssignee.user_id == User.id)
        .join(ApprovalStep, ApprovalStep.id == StepAssignee.step_id)
        .where(ApprovalStep.subject_id == requisition_id, ApprovalStep.status == StepStatus.OPEN)
        .order_by(User.username)
        .limit(1)
    ).scalar_one()


def _acting(session: Session, username: str) -> Actor:
    """A persona as the API would let them act."""
    member = session.execute(
        select(Membership)
        .join(User, User.id == Membership.user_id)
        .where(User.username == username)
    ).scalar_one()
    held = session.execute(
        select(RoleAssignment).where(RoleAssignment.user_id == member.user_id)
    ).scalars()
    return Actor(
        user_id=member.user_id,
        company_id=member.company_id,
        roles=tuple(HeldRole(each.role, each.scope_kind, each.scope_id) for each in held),
        branch_id=member.branch_id,
        department_id=member.department_id,
        region_id=member.region_id,
    )
