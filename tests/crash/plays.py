"""Every piece of business that moves money, and the crash points that it passes on its way.

Together they name each point of the code exactly once, which a test compares.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from pettycash.models.imprest import Replenishment, VarianceAdjustment, VarianceStatus
from pettycash.models.ledger import JournalEntry
from pettycash.models.operations import Case, CaseStatus
from pettycash.models.payments import Payment, PaymentStatus
from pettycash.models.reconciliation import ReconciliationRun, RunStatus
from pettycash.models.reports import ReportChunk, ReportRun, ReportRunStatus
from tests.crash.stage import ANSWER_SECONDS, Play, Stage
from tests.factories.judging import evidence
from tests.servers import wait_until

AMOUNT = "10.00"
NAIROBI = ZoneInfo("Africa/Nairobi")


def pay(stage: Stage) -> None:
    """A payment over M-Pesa: code, release, sending, callback, settlement, fee."""
    paid = stage.system.payment(AMOUNT)
    stage.release(paid.id, "treasury_2")
    stage.system.await_success(paid)
    stage.system.assert_paid_once(paid)


def relay(stage: Stage) -> None:
    """The same with a relay that somebody starts again where it died."""
    paid = stage.system.payment(AMOUNT)
    stage.system.release(paid)

    def is_paid() -> bool:
        stage.system.tend_relay()
        return stage.system.statuses([paid])[paid.id] is PaymentStatus.SUCCESS

    assert wait_until(is_paid, ANSWER_SECONDS, 0.1), stage.system.logs()
    stage.system.tend_relay()
    stage.system.await_success(paid)
    stage.system.assert_paid_once(paid)


def refuse(stage: Stage) -> None:
    """A payment that the rail refuses: the hold is void, and the rail's own answer confirms it."""
    paid = stage.system.payment(AMOUNT)
    stage.system.misbehave(paid, "fail_1")
    stage.system.release(paid)
    stage.system.await_state(paid, "rejected", seconds=ANSWER_SECONDS)
    stage.system.await_nothing_owed()
    assert stage.system.moved(paid) == []
    assert stage.system.held(paid) == "voided"
    assert stage.system.statuses([paid]) == {paid.id: PaymentStatus.FAILED}


def mark_unknown(stage: Stage) -> None:
    """A worker is gone while it was sending: the rail is asked, knows nothing, is sent it again."""
    paid = stage.system.payment(AMOUNT)
    stage.system.release(paid)
    stage.system.await_success(paid)
    stage.system.assert_paid_once(paid)


def pay_cash(stage: Stage) -> None:
    """Cash from a drawer, acknowledged by the recipient's code."""
    payment_id, address = stage.system.voucher(AMOUNT)
    stage.release(payment_id, "custodian")
    stage.give_code(
        "custodian",
        f"/api/payments/{payment_id}/acknowledge/",
        address=address,
        about=stage.number(payment_id),
    )
    assert _status(stage, payment_id) is PaymentStatus.SUCCESS
    assert _entries(stage, payment_id) == ["expense"]


def replenish(stage: Stage) -> None:
    """A replenishment of which a part never arrives, which two people give up."""
    fund_id = stage.fund_id("HQ")
    asked = {"reason": "A busy week ahead", "amount": "100.00"}
    raised = stage.post("custodian_hq", f"/api/funds/{fund_id}/replenish/", asked, expect=201)
    path = f"/api/replenishments/{raised['id']}"
    stage.post("cfo", f"{path}/approve/")
    stage.post("treasury", f"{path}/send_otp/", expect=202)
    stage.give_code(
        "treasury",
        f"{path}/verify_otp/",
        address=stage.address("treasury"),
        about=raised["number"],
    )
    stage.post("treasury", f"{path}/fund/", {"bank_reference": f"FT-{uuid4()}"})
    stage.post("custodian_hq", f"{path}/receive/", {"amount": "60.00"})
    _resolve(stage, UUID(raised["id"]), "lost", by=("group_finance_manager", "treasury_2"))
    with stage.system.session() as session:
        found = session.get_one(Replenishment, UUID(raised["id"]))
        assert (found.received_amount, found.lost_amount) == (Decimal(60), Decimal(40))


def reconcile(stage: Stage) -> None:
    """A run over today, from its start to its close."""
    today = datetime.now(NAIROBI).date()
    started = stage.post(
        "treasury",
        "/api/reconciliation/runs/",
        {"business_date": today.isoformat()},
        expect=202,
    )

    def run() -> ReconciliationRun:
        with stage.system.session() as session:
            return session.get_one(ReconciliationRun, UUID(started["id"]))

    closed = wait_until(lambda: run().status is RunStatus.CLOSED, ANSWER_SECONDS, 0.1)
    assert closed, (run().status, stage.system.logs())
    assert run().counts["book_findings"] == 0, run().mismatches


def take_out(stage: Stage) -> None:
    """A file that a worker makes: it is there whole, or not at all."""
    asked = stage.post(
        "cfo", "/api/report-runs/", {"operation": "trial_balance.get", "format": "csv"}, expect=202
    )

    def run() -> ReportRun:
        with stage.system.session() as session:
            return session.get_one(ReportRun, UUID(asked["id"]))

    done = wait_until(lambda: run().status is ReportRunStatus.DONE, ANSWER_SECONDS, 0.1)
    assert done, (run().status, stage.system.logs())
    with stage.system.session() as session:
        sizes = session.scalars(
            select(func.length(ReportChunk.content)).where(ReportChunk.run_id == UUID(asked["id"]))
        )
        assert sum(sizes) == run().size


def vary(stage: Stage) -> None:
    """A fee that nobody had booked: recorded by one person, approved by the cfo, posted once."""
    paid = stage.system.payment(AMOUNT)
    stage.system.release(paid)
    stage.system.await_success(paid)
    said = {"kind": "fee", "adjusted_amount": "11.00", "reason": "As on the statement"}
    path = f"/api/payments/{paid.id}/record_variance/"
    recorded = stage.post("group_finance_manager", path, said, expect=201)
    stage.post("cfo", f"/api/variances/{recorded['id']}/approve/", {})
    with stage.system.session() as session:
        accepted = session.execute(
            select(func.sum(VarianceAdjustment.variance_amount)).where(
                VarianceAdjustment.payment_id == paid.id,
                VarianceAdjustment.status == VarianceStatus.APPROVED,
            )
        ).scalar_one()
    assert accepted == Decimal(1)
    stage.system.assert_paid_once(paid)


def uncount(stage: Stage) -> None:
    """A forged callback contradicts the rail's own: two people say that the money came back.

    Whichever of the two is weighed first, the payment is a success with a case.
    """
    paid = stage.system.payment(AMOUNT)
    stage.system.misbehave(paid, "callback_contradicting")
    stage.system.release(paid)
    stage.system.await_success(paid)
    assert wait_until(lambda: _case_id(stage, paid.id), ANSWER_SECONDS, 0.1), stage.system.logs()
    _resolve(stage, paid.id, "returned", by=("cfo", "group_finance_manager"))
    assert len(stage.system.moved(paid)) == 1
    assert _status(stage, paid.id) is PaymentStatus.REVERSED
    booked = _entries(stage, paid.id)
    assert (booked.count("expense"), booked.count("returned")) == (1, 1), booked


def _resolve(stage: Stage, object_id: UUID, ending: str, *, by: tuple[str, str]) -> None:
    """One person proposes how the case of a thing ended, another one confirms."""
    case_id = _case_id(stage, object_id)
    assert case_id is not None, stage.system.logs()
    proposal = {"action": "propose", "ending": ending, "note": "As on the statement, line 14"}
    if ending == "returned":
        with stage.system.session() as session:
            kept = evidence(session, case_id)
        proposal |= {"provider_reference": f"RET{uuid4().hex[:7]}", "evidence_id": str(kept)}
    path = f"/api/cases/{case_id}/resolve/"
    version = stage.post(by[0], path, proposal)["version"]
    confirmed = stage.post(by[1], path, {"action": "confirm", "version": version})
    assert confirmed["status"] == "resolved"


def _case_id(stage: Stage, object_id: UUID) -> UUID | None:
    with stage.system.session() as session:
        return session.execute(
            select(Case.id).where(Case.object_id == object_id, Case.status != CaseStatus.RESOLVED)
        ).scalar_one_or_none()


def _status(stage: Stage, payment_id: UUID) -> PaymentStatus:
    with stage.system.session() as session:
        return session.get_one(Payment, payment_id).status


def _entries(stage: Stage, payment_id: UUID) -> list[str]:
    with stage.system.session() as session:
        return list(
            session.execute(
                select(JournalEntry.rule)
                .where(JournalEntry.payment_id == payment_id)
                .order_by(JournalEntry.id)
            ).scalars()
        )


PLAYS: Mapping[str, Play] = {
    "pay": Play(
        act=pay,
        points=(
            "releases.asked",
            "otp.made",
            "otp.sent",
            "releases.counted",
            "releases.verified",
            "releases.spent",
            "releases.recorded",
            "releases.holding",
            "releases.held",
            "releases.executed",
            "api.stored",
            "api.committed",
            "tasks.begun",
            "payments.delivered",
            "payments.claiming",
            "payments.claimed",
            "payments.marking",
            "payments.sending",
            "payments.answered",
            "payments.recording",
            "payments.recorded",
            "callbacks.located",
            "callbacks.received",
            "callbacks.stored",
            "callbacks.delivered",
            "callbacks.weighed",
            "callbacks.processed",
            "settlement.posting",
            "settlement.posted",
            "settlement.settled",
            "settlement.fee_learnt",
            "payments.questioning",
            "payments.asking",
            "payments.told",
            "payments.answering",
            "payments.understood",
        ),
    ),
    "relay": Play(act=relay, points=("relay.claimed", "relay.published")),
    "refuse": Play(
        act=refuse, points=("settlement.voided", "settlement.failed", "settlement.confirmed")
    ),
    "mark_unknown": Play(
        act=mark_unknown,
        points=("payments.marking_unknown", "payments.requeueing"),
        besides=("payments.sending=kill",),
    ),
    "pay_cash": Play(
        act=pay_cash,
        points=("cash.offered", "cash.code_made", "cash.code_sent", "cash.acknowledged"),
    ),
    "replenish": Play(
        act=replenish,
        points=(
            "replenishments.raised",
            "replenishments.approved",
            "replenishments.funding",
            "replenishments.funded",
            "replenishments.receiving",
            "replenishments.received",
            "replenishments.written_off",
            "cases.proposed",
            "cases.confirmed",
            "cases.carried_out",
        ),
    ),
    "reconcile": Play(
        act=reconcile,
        points=(
            "reconciliation.started",
            "reconciliation.matched",
            "reconciliation.asked",
            "reconciliation.answered",
            "reconciliation.closing",
            "reconciliation.closed",
            "reconciliation.stepped",
        ),
    ),
    "take_out": Play(act=take_out, points=("reports.keeping",)),
    "vary": Play(
        act=vary, points=("variances.recorded", "variances.posting", "variances.approved")
    ),
    "take_back": Play(act=uncount, points=("settlement.returned", "settlement.reversed")),
}
