"""What tests of the books need of the demo organisation: its people, funds, stores, payments."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pettycash.models.attempts import (
    AttemptState,
    ExchangeType,
    PaymentAttempt,
    PaymentTransaction,
)
from pettycash.models.base import new_id
from pettycash.models.funds import Fund, Store
from pettycash.models.ledger import AccountKind, LedgerAccount
from pettycash.models.organisation import Branch, Department
from pettycash.models.payments import Payment, PaymentStatus
from pettycash.models.people import Role
from pettycash.models.releases import PaymentExecution
from pettycash.models.requisitions import (
    Origin,
    Requisition,
    RequisitionKind,
    RequisitionLine,
    RequisitionStatus,
)
from pettycash.models.workflow import (
    ApprovalRound,
    ApprovalStep,
    ApprovalThreshold,
    Decision,
    RoundStatus,
    StepAssignee,
    StepStatus,
    TrailAction,
    Verdict,
)
from pettycash.rails import Method
from pettycash.services import accounts, ledger, posting_rules, trail
from tests.factories.people import user_id


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


def requisition(
    session: Session,
    *,
    lines: Sequence[tuple[str, str]] = (("travel", "1500.00"),),
    kind: RequisitionKind = RequisitionKind.EXPENSE,
    requester: str = "staff",
    currency: str = "KES",
    method: Method = Method.MPESA,
    payee_user: str | None = None,
    status: RequisitionStatus = RequisitionStatus.IN_PAYMENT,
) -> Requisition:
    """An approved requisition, as the workflow leaves it."""
    company_id = session.info["scope"].company_id
    total = sum((Decimal(amount) for _, amount in lines), Decimal(0))
    made = Requisition(
        id=new_id(),
        company_id=company_id,
        number=f"REQ-T-{new_id().hex[-12:]}",
        kind=kind,
        origin=Origin.BRANCH,
        requester_id=user_id(session, requester),
        branch_id=session.execute(select(Branch.id).where(Branch.code == "WESTLANDS")).scalar_one(),
        department_id=session.execute(
            select(Department.id).where(Department.code == "OPS")
        ).scalar_one(),
        client_metadata={},
        amount=total,
        approved_amount=total,
        currency=currency,
        purpose="Test",
        payee_name="Payee of a test",
        payee_user_id=user_id(session, payee_user) if payee_user else None,
        method=method,
        destination="+254708374149",
        status=status,
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
    trail.write(session, made, TrailAction.APPROVED, actor=None)
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
    status: PaymentStatus = PaymentStatus.PENDING,
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
        digest=b"test",
        status=status,
        otp_required=True,
        failure_confirmed=True,
        retry_count=0,
        max_retries=3,
        version=1,
    )
    session.add(made)
    session.flush()
    return made


def attempt(
    session: Session, of: Payment, *, number: int = 1, settled: str | None = None
) -> PaymentAttempt:
    """An executed attempt of a payment, settled for an amount where one is given."""
    if number == 1:
        _approve(session, of)
    reference = f"T{new_id().hex[-20:]}"
    execution = PaymentExecution(
        id=new_id(),
        company_id=of.company_id,
        payment_id=of.id,
        requisition_id=of.requisition_id,
        attempt_number=number,
        originator_reference=reference,
        executor_id=user_id(session, "treasury"),
        amount=of.amount,
        currency=of.currency,
        proof="policy",
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


def _approve(session: Session, of: Payment) -> None:
    """A round in which the branch manager approved that the payment goes where it goes."""
    keys = {
        "company_id": of.company_id,
        "requisition_id": of.requisition_id,
    }
    threshold = session.execute(select(ApprovalThreshold.id).limit(1)).scalar_one()
    approver = user_id(session, "branch_manager")
    number = session.execute(
        select(func.count()).where(ApprovalRound.requisition_id == of.requisition_id)
    ).scalar_one()
    approval = ApprovalRound(
        id=new_id(),
        number=number + 1,
        threshold_id=threshold,
        policy={},
        facts={"method": of.method.value, "destination": of.destination},
        digest=b"test",
        status=RoundStatus.APPROVED,
        **keys,
    )
    session.add(approval)
    session.flush()
    step = ApprovalStep(
        id=new_id(),
        round_id=approval.id,
        position=1,
        role=Role.BRANCH_MANAGER.value,
        original_role=Role.BRANCH_MANAGER,
        status=StepStatus.APPROVED,
        **keys,
    )
    session.add(step)
    session.flush()
    session.add(
        StepAssignee(
            company_id=of.company_id, round_id=approval.id, step_id=step.id, user_id=approver
        )
    )
    session.flush()
    session.add(
        Decision(
            round_id=approval.id,
            step_id=step.id,
            user_id=approver,
            role=step.role,
            verdict=Verdict.APPROVED,
            digest=approval.digest,
            **keys,
        )
    )
    session.flush()


def exchange(session: Session, of: PaymentAttempt) -> None:
    """Something that was said of an attempt, and that proves nothing."""
    session.add(
        PaymentTransaction(
            company_id=of.company_id,
            payment_id=of.payment_id,
            attempt_id=of.id,
            gateway="test",
            request_type=ExchangeType.INITIATE,
            request={},
            response={},
            status="accepted",
            success=False,
        )
    )


def pay(
    session: Session,
    amount: str = "1500.00",
    *,
    kind: RequisitionKind = RequisitionKind.EXPENSE,
    store_code: str = "WESTLANDS-MPESA",
    occurred_at: datetime | None = None,
    **facts: Any,
) -> Payment:
    """A payment from approval to its posting, as the payments room leaves the rows."""
    now = session.info["now"]
    method = Method.CASH if store_code.endswith("DRAWER") else Method.MPESA
    asked = requisition(session, lines=(("travel", amount),), kind=kind, method=method, **facts)
    made = payment(session, asked, store_code=store_code)
    tried = attempt(session, made, settled=amount)
    exchange(session, tried)
    made.move_to(PaymentStatus.EXECUTING, at=now)
    session.flush()
    made.paid_at = occurred_at or now
    made.paid_amount = Decimal(amount)
    made.move_to(PaymentStatus.SUCCESS, at=now)
    ledger.post(
        session,
        [
            posting_rules.settlement(
                session,
                payment=made,
                requisition=asked,
                occurred_at=made.paid_at,
                amount=Decimal(amount),
                execution_id=tried.execution_id,
            )
        ],
    )
    session.flush()
    return made
