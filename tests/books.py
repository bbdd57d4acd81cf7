"""What tests of the books need of the demo organisation: its people, funds, stores, payments."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.access import Branch, Department
from pettycash.models.approvals import Origin
from pettycash.models.base import new_id
from pettycash.models.imprest import Fund, Store
from pettycash.models.ledger import AccountKind, LedgerAccount
from pettycash.models.payments import (
    AttemptState,
    GatewayExchangeType,
    Payment,
    PaymentAttempt,
    PaymentStatus,
    PaymentTransaction,
)
from pettycash.models.releases import (
    ChallengeState,
    PaymentExecution,
    ReleaseChallenge,
    ReleaseGrant,
)
from pettycash.models.requisitions import (
    Requisition,
    RequisitionKind,
    RequisitionLine,
    RequisitionStatus,
)
from pettycash.runtime.rails import Method
from pettycash.services.approvals import rounds
from pettycash.services.foundation.uow import Uow
from pettycash.services.ledger import accounts, posting, posting_rules
from pettycash.services.payments import facts
from tests.factories.people import acting, user_id
from tests.factories.requisitions import approve_open
from tests.factories.scenes import remembered


def fund(session: Session, code: str = "WESTLANDS") -> Fund:
    return session.execute(select(Fund).where(Fund.code == code)).scalar_one()


def store(session: Session, code: str = "WESTLANDS-MPESA") -> Store:
    return session.execute(select(Store).where(Store.code == code)).scalar_one()


def account(session: Session, kind: AccountKind, **owner: Any) -> LedgerAccount:
    return accounts.find(session, kind=kind, currency="KES", **owner)


def balance(session: Session, account_id: UUID) -> tuple[Decimal, Decimal, int]:
    """Balance, held and number of postings, as they are in the database."""
    row = session.execute(
        select(LedgerAccount.balance, LedgerAccount.held, LedgerAccount.sequence).where(
            LedgerAccount.id == account_id
        )
    ).one()
    return row.balance, row.held, row.sequence


@remembered
def requisition(
    session: Session,
    *,
    lines: Sequence[tuple[str, str]] = (("travel", "1500.00"),),
    kind: RequisitionKind = RequisitionKind.EXPENSE,
    requester: str = "staff",
    currency: str = "KES",
    method: Method = Method.MPESA,
    payee_user: str | None = None,
) -> Requisition:
    """An approved requisition, as the workflow leaves it."""
    company_id = session.info["scope"].company_id
    total = sum((Decimal(amount) for _, amount in lines), Decimal(0))
    branch = session.execute(select(Branch).where(Branch.code == "WESTLANDS")).scalar_one()
    made = Requisition(
        id=new_id(),
        company_id=company_id,
        number=f"REQ-T-{new_id().hex[-12:]}",
        kind=kind,
        origin=Origin.BRANCH,
        requester_id=user_id(session, requester),
        region_id=branch.region_id,
        branch_id=branch.id,
        department_id=session.execute(
            select(Department.id).where(Department.code == "OPS")
        ).scalar_one(),
        client_metadata={},
        amount=total,
        currency=currency,
        purpose="Test",
        payee_name="Payee of a test",
        payee_user_id=user_id(session, payee_user) if payee_user else None,
        method=method,
        destination="254708374149",
        status=RequisitionStatus.DRAFT,
        version=1,
    )
    session.add(made)
    session.flush()
    for position, (category, amount) in enumerate(lines, start=1):
        session.add(
            RequisitionLine(
                company_id=company_id,
                requisition_id=made.id,
                position=position,
                description=category,
                amount=Decimal(amount),
                category=category,
            )
        )
    session.flush()
    # Past what submit asks of amount and rail, which are no matter of the books.
    rounds.open_round(Uow.of(session, acting(session, requester)), subject=made)
    approve_open(session, made)
    made.move_to(RequisitionStatus.IN_PAYMENT, at=session.info["now"])
    made.validated_by = user_id(session, "treasury")
    session.flush()
    return made


def payment(
    session: Session,
    of: Requisition,
    *,
    amount: str | None = None,
    store_code: str = "WESTLANDS-MPESA",
    ordinal: int = 1,
    method: Method | None = None,
) -> Payment:
    """A payment of a requisition out of a store."""
    where = store(session, store_code)
    made = Payment(
        id=new_id(),
        company_id=of.company_id,
        number=f"PAY-T-{new_id().hex[-12:]}",
        requisition_id=of.id,
        ordinal=ordinal,
        store_id=where.id,
        provider_account_id=where.provider_account_id,
        client_metadata={},
        amount=Decimal(amount) if amount else of.amount,
        currency=of.currency,
        method=method or of.method,
        payee_name=of.payee_name,
        payee_user_id=of.payee_user_id,
        destination=of.destination,
        digest=b"",
        status=PaymentStatus.PENDING,
        otp_required=True,
        failure_confirmed=True,
        retry_count=0,
        max_retries=3,
        version=1,
    )
    made.digest = facts.digest_of(made)
    session.add(made)
    session.flush()
    return made


def grant(session: Session, of: Payment, executor_id: UUID) -> ReleaseGrant:
    """A code that somebody was sent for a payment, verified and spent, past every service."""
    now = session.info["now"]
    challenge = ReleaseChallenge(
        id=new_id(),
        company_id=of.company_id,
        subject_kind="payment",
        subject_id=of.id,
        executor_id=executor_id,
        subject_digest=b"test",
        state=ChallengeState.VERIFIED,
        expires_at=now,
    )
    session.add(challenge)
    session.flush()
    made = ReleaseGrant(
        id=new_id(),
        company_id=of.company_id,
        challenge_id=challenge.id,
        executor_id=executor_id,
        proof="code",
        verified_at=now,
        expires_at=now,
        spent_at=now,
    )
    session.add(made)
    session.flush()
    return made


def attempt(
    session: Session,
    of: Payment,
    *,
    number: int = 1,
    settled: str | None = None,
    by: str = "treasury",
) -> PaymentAttempt:
    """An executed attempt of a payment, settled for an amount where one is given."""
    executor = user_id(session, by)
    if of.method is Method.CASH:
        executor = session.get_one(Fund, session.get_one(Store, of.store_id).fund_id).custodian_id
    reference = f"T{new_id().hex[-20:]}"
    execution = PaymentExecution(
        id=new_id(),
        company_id=of.company_id,
        payment_id=of.id,
        requisition_id=of.requisition_id,
        attempt_number=number,
        originator_reference=reference,
        executor_id=executor,
        amount=of.amount,
        currency=of.currency,
        grant_id=grant(session, of, executor).id,
        proof="code",
    )
    session.add(execution)
    session.flush()
    made = PaymentAttempt(
        id=new_id(),
        company_id=of.company_id,
        payment_id=of.id,
        execution_id=execution.id,
        number=number,
        provider_account_id=of.provider_account_id,
        originator_reference=reference,
        amount=of.amount,
        currency=of.currency,
        destination=of.destination,
        payee_name=of.payee_name,
        remarks="test",
        state=AttemptState.SETTLED if settled else AttemptState.QUEUED,
        settled_amount=Decimal(settled) if settled else None,
        tries=0,
        ever_unknown=False,
        queries=0,
        decide_by=session.info["now"],
    )
    session.add(made)
    session.flush()
    return made


def exchange(session: Session, of: PaymentAttempt) -> None:
    """Something that was said of an attempt, and that proves nothing."""
    session.add(
        PaymentTransaction(
            company_id=of.company_id,
            payment_id=of.payment_id,
            attempt_id=of.id,
            gateway="test",
            request_type=GatewayExchangeType.INITIATE,
            request={},
            response={},
            status="accepted",
            success=False,
        )
    )


@remembered
def pay(
    session: Session,
    amount: str = "1500.00",
    *,
    kind: RequisitionKind = RequisitionKind.EXPENSE,
    store_code: str = "WESTLANDS-MPESA",
    occurred_at: datetime | None = None,
    failures: int = 0,
    **facts: Any,
) -> Payment:
    """A payment from approval to its posting, as the payments room leaves the rows; after so many
    attempts that had failed."""
    now = session.info["now"]
    method = Method.CASH if store_code.endswith("DRAWER") else Method.MPESA
    asked = requisition(session, lines=(("travel", amount),), kind=kind, method=method, **facts)
    made = payment(session, asked, store_code=store_code)
    for number in range(1, failures + 1):
        lost = attempt(session, made, number=number)
        made.move_to(PaymentStatus.EXECUTING, at=now)
        session.flush()
        lost.state, lost.failure_confirmed_at = AttemptState.REJECTED, now
        made.move_to(PaymentStatus.FAILED, at=now)
        session.flush()
    tried = attempt(session, made, number=failures + 1)
    exchange(session, tried)
    made.move_to(PaymentStatus.EXECUTING, at=now)
    session.flush()
    prove(session, tried, amount=amount, occurred_at=occurred_at)
    return made


def pays_after_all(session: Session, of: Payment, amount: str) -> PaymentAttempt:
    """The newest of its attempts that had failed has moved money, as its row tells."""
    tried = session.execute(
        select(PaymentAttempt)
        .where(PaymentAttempt.payment_id == of.id, PaymentAttempt.state == AttemptState.REJECTED)
        .order_by(PaymentAttempt.number.desc())
        .limit(1)
    ).scalar_one()
    tried.state, tried.settled_amount = AttemptState.SETTLED, Decimal(amount)
    session.flush()
    return tried


def prove(
    session: Session,
    tried: PaymentAttempt,
    *,
    amount: str | None = None,
    occurred_at: datetime | None = None,
) -> None:
    """An attempt has paid its payment, which is posted."""
    now = session.info["now"]
    of = session.get_one(Payment, tried.payment_id)
    proven = Decimal(amount) if amount else of.amount
    tried.state, tried.settled_amount = AttemptState.SETTLED, proven
    of.paid_at, of.paid_amount = occurred_at or now, proven
    of.move_to(PaymentStatus.SUCCESS, at=now)
    posting.post(
        session,
        [
            posting_rules.settlement(
                session,
                payment=of,
                requisition=session.get_one(Requisition, of.requisition_id),
                occurred_at=of.paid_at,
                amount=proven,
                execution_id=tried.execution_id,
            )
        ],
    )
    session.flush()
