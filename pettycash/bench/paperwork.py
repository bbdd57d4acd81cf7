"""People of the demo organisation, signed in, and payments that wait for nothing but their release.

What happens before the moment that is measured is done by the services, as the API would call them.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash import db
from pettycash.models.people import Membership, User
from pettycash.models.releases import ChallengeSend
from pettycash.models.requisitions import IN_APPROVAL, Origin, RequisitionKind
from pettycash.models.workflow import ApprovalStep, StepAssignee, StepStatus
from pettycash.money import Currency
from pettycash.rails import Method
from pettycash.services import (
    approvals,
    approved_facts,
    payments,
    releases,
    requisitions,
    rounds,
    treasury_validation,
)
from pettycash.services.actors import Actor
from pettycash.services.identity import people, sessions
from pettycash.services.identity.people import Origin as CameFrom
from pettycash.services.requisitions import Stated, StatedLine

ADDRESS = "127.0.0.1"
AMOUNT = Decimal("20.00")
REQUESTER, MAKER, EXECUTOR = "staff", "treasury", "treasury_2"

WIRE: dict[str, Any] = {
    "kind": "expense",
    "origin": "branch",
    "amount": str(AMOUNT),
    "currency": "KES",
    "purpose": "Water for the office",
    "payee_name": "Spring Water",
    "method": "mpesa",
    "destination": "0712345678",
    "lines": [{"description": "Water", "amount": str(AMOUNT), "category": "utilities"}],
}
"""A requisition as a client sends it."""


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in."""

    actor: Actor
    token: str

    @property
    def header(self) -> dict[str, str]:
        """What a client sends to be known."""
        return {"Authorization": f"Bearer {self.token}"}


def sign_in(username: str) -> Person:
    """Begin a session of a persona, without the cost of a password."""
    with db.scope(source="bench"), db.system_transaction() as session:
        now = session.info["now"]
        row = session.execute(
            select(User.id, Membership.company_id)
            .join(Membership, Membership.user_id == User.id)
            .where(User.username == username)
            .order_by(Membership.id)
            .limit(1)
        ).one()
        placed = people.place(session, user_id=row.id, company_id=row.company_id, now=now)
        if placed is None:
            raise LookupError(f"{username} is not active")
        origin = CameFrom(ip_address=ADDRESS)
        tokens = sessions.start(session, placed=placed, origin=origin, now=now)
        return Person(actor=placed.actor(origin), token=tokens.access_token)


class Office:
    """Those who bring a payment to its release."""

    def __init__(self) -> None:
        self._people: dict[str, Person] = {}

    def __getitem__(self, username: str) -> Person:
        if username not in self._people:
            self._people[username] = sign_in(username)
        return self._people[username]

    def releasable(self) -> UUID:
        """A payment whose executor has verified a code for it."""
        company_id = self[REQUESTER].actor.company_id
        with db.scope(company_id=company_id, source="bench"), db.transaction() as session:
            requisition_id = self._approved(session)
            _, (payment,) = treasury_validation.validate(
                session,
                requisition_id=requisition_id,
                digest=_digest(session, requisition_id),
                actor=self[MAKER].actor,
                now=session.info["now"],
            )
            session.flush()
            self._verify(session, payment.id)
            return payment.id

    def _approved(self, session: Session) -> UUID:
        now = session.info["now"]
        said = Stated(
            **WIRE
            | {
                "kind": RequisitionKind.EXPENSE,
                "origin": Origin.BRANCH,
                "amount": AMOUNT,
                "currency": Currency.KES,
                "method": Method.MPESA,
                "lines": [StatedLine(description="Water", amount=AMOUNT, category="utilities")],
            }
        )
        requester = self[REQUESTER].actor
        found = requisitions.create(session, said=said, actor=requester, now=now)
        requisitions.submit(session, requisition_id=found.id, actor=requester, now=now)
        while found.status in IN_APPROVAL:
            approvals.approve(
                session,
                requisition_id=found.id,
                digest=_digest(session, found.id),
                actor=self[_waiting_for(session, found.id)].actor,
                now=now,
            )
        return found.id

    def _verify(self, session: Session, payment_id: UUID) -> None:
        now = session.info["now"]
        executor = self[EXECUTOR].actor
        challenge = payments.send_code(session, payment_id=payment_id, actor=executor, now=now)
        session.flush()
        send_id = session.execute(
            select(ChallengeSend.id).where(ChallengeSend.challenge_id == challenge.id)
        ).scalar_one()
        message = releases.make_code(session, send_id=send_id, now=now)
        if message is None:
            raise LookupError("there is no code to be sent")
        releases.code_delivered(session, send_id=send_id, now=now)
        result = payments.verify_code(
            session,
            payment_id=payment_id,
            code=message.text.split()[0],
            actor=executor,
            now=now,
        )
        if result.refusal is not None:
            raise result.refusal


def _digest(session: Session, requisition_id: UUID) -> str:
    session.flush()
    latest = rounds.latest(session, requisition_id)
    if latest is None:
        raise LookupError(f"requisition {requisition_id} was never submitted")
    return approved_facts.decision_digest(latest)


def _waiting_for(session: Session, requisition_id: UUID) -> str:
    session.flush()
    return session.execute(
        select(User.username)
        .join(StepAssignee, StepAssignee.user_id == User.id)
        .join(ApprovalStep, ApprovalStep.id == StepAssignee.step_id)
        .where(
            ApprovalStep.requisition_id == requisition_id, ApprovalStep.status == StepStatus.OPEN
        )
        .order_by(User.username)
        .limit(1)
    ).scalar_one()
