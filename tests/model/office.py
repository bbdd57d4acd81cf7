"""Rules of the office: cases that two people end, pauses, and money for the fund."""

from decimal import Decimal
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition
from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.attempts import LIVE, AttemptState, PaymentAttempt
from pettycash.models.funds import Fund
from pettycash.models.imprest import Replenishment
from pettycash.models.payments import Payment, PaymentStatus
from pettycash.models.platform import Case, CaseKind, CaseStatus, PauseScope
from pettycash.services import case_resolutions, pauses, replenishments
from pettycash.services.case_resolutions import Ending, Proposal
from pettycash.services.replenishments.raising import OPEN
from tests.factories import payments as making
from tests.model.memory import Player, pick, play, which

JUDGES = ("treasury", "treasury_2", "treasury_3", "cfo", "group_finance_manager")
ABOUT_MONEY = (CaseKind.IN_DOUBT, CaseKind.CONTRADICTION)

judges = st.sampled_from(JUDGES)


class Office(Player):
    """What people decide about money that the system can't decide about."""

    @play(index=which, errs=st.booleans(), agrees=st.sampled_from((True, True, False)), by=judges)
    def a_case_moves_on(self, index: int, errs: bool, agrees: bool, by: str) -> None:
        """Somebody says how it ended, rightly or wrongly; somebody agrees, and the books follow."""
        cases = self.cases_about_money(CaseStatus.OPEN, CaseStatus.PROPOSED)
        if not cases:
            return
        case_id, payment_id = pick(cases, index)
        if self.proposes(case_id, payment_id, errs=errs, by=by):
            return
        if agrees:
            self.confirms(case_id, by=by)
            return
        self.tries(
            lambda session: case_resolutions.decline(
                session,
                case_id=case_id,
                version=session.get_one(Case, case_id).version,
                reason="No.",
                actor=self.actor(by),
            )
        )

    @precondition(lambda self: self.memory.released)
    @play(index=which, scope=st.sampled_from((PauseScope.COMPANY, PauseScope.STORE, *[None] * 4)))
    def somebody_pauses_or_resumes(self, index: int, scope: PauseScope | None) -> None:
        """The company, or the store that something left; questions and callbacks go on."""
        if scope is None:
            for pause_id in self.memory.pauses:
                self.resumes(pause_id)
            self.memory.pauses.clear()
            return
        store_id = pick(list(self.memory.released.values()), index).store_id
        made = self.tries(
            lambda session: pauses.pause(
                session,
                scope=scope,
                object_id=store_id if scope is PauseScope.STORE else None,
                reason="Because.",
                actor=self.actor("operator"),
            )
        )
        if made is not None:
            self.memory.pauses.append(made.id)

    @play(
        step=st.sampled_from(
            ("raise", "approve", "approve", "release", "release", "receive", "receive", "reject")
        ),
        amount=st.sampled_from((None, "5000.00", "12000.00")),
        is_short=st.booleans(),
    )
    def the_fund_gets_money(self, step: str, amount: str | None, is_short: bool) -> None:
        """The next step of a replenishment, or one that is out of turn."""
        fund_id, found = self._standing()
        if step == "raise":
            self.tries(
                lambda session: replenishments.raise_by_hand(
                    session,
                    fund_id=fund_id,
                    actor=self.actor("custodian_2"),
                    reason="A busy week ahead",
                    amount=Decimal(amount) if amount else None,
                    now=session.info["now"],
                )
            )
        elif found is not None:
            self._next_step(found, step, is_short=is_short)

    def proposes(self, case_id: UUID, payment_id: UUID, *, errs: bool, by: str) -> bool:
        """Say what the rail's ledger says, or the contrary; False where nobody can know yet."""
        proposal = self._proposal(payment_id, errs=errs)
        if proposal is None:
            return False
        made = self.tries(
            lambda session: case_resolutions.propose(
                session,
                case_id=case_id,
                proposal=proposal,
                actor=self.actor(by),
                now=session.info["now"],
            )
        )
        return made is not None

    def confirms(self, case_id: UUID, *, by: str) -> bool:
        """Agree; what two people say is a fact from then on, and remembered as theirs."""

        def work(session: Session) -> tuple[UUID, Proposal]:
            case = session.get_one(Case, case_id, populate_existing=True)
            stored = case.proposal
            case_resolutions.confirm(
                session,
                case_id=case_id,
                version=case.version,
                actor=self.actor(by),
                now=session.info["now"],
            )
            assert stored is not None
            return case.object_id, Proposal.of_json(stored)

        done = self.tries(work)
        if done is None:
            return False
        payment_id, proposal = done
        meant = {
            each.attempt_id
            for each in self.memory.released.values()
            if each.payment_id == payment_id and each.number == proposal.attempt_number
        }
        match proposal.ending:
            case Ending.PAID:
                self.memory.people_paid |= meant
            case Ending.NOT_PAID:
                self.memory.people_not_paid |= meant
            case Ending.RETURNED:
                self.memory.returned.add(payment_id)
            case _:
                pass
        return True

    def resumes(self, pause_id: UUID) -> None:
        """Two of those who may."""
        for by in ("operator", "cfo"):
            self.tries(
                lambda session, by=by: pauses.resume(
                    session, pause_id=pause_id, actor=self.actor(by), now=session.info["now"]
                )
            )

    def cases_about_money(self, *statuses: CaseStatus) -> list[tuple[UUID, UUID]]:
        """(case, payment) of those that stand so, oldest first."""
        return self.tries(
            lambda session: [
                (row.id, row.object_id)
                for row in session.execute(
                    select(Case.id, Case.object_id)
                    .where(
                        Case.kind.in_(ABOUT_MONEY),
                        Case.object_type == "payment",
                        Case.status.in_(statuses),
                    )
                    .order_by(Case.id)
                )
            ]
        )

    def _proposal(self, payment_id: UUID, *, errs: bool) -> Proposal | None:
        released = [e for e in self.memory.released.values() if e.payment_id == payment_id]
        payment, rows = self.tries(
            lambda session: (
                session.get_one(Payment, payment_id),
                list(
                    session.execute(
                        select(PaymentAttempt)
                        .where(PaymentAttempt.payment_id == payment_id)
                        .order_by(PaymentAttempt.number)
                    ).scalars()
                ),
            )
        )
        for known, row in zip(released, rows, strict=True):
            order = self.order_of(known)
            movement = order.movement if order is not None else None
            if row.state is AttemptState.SETTLED or row.first_sent_at is None:
                continue  # proven, or nothing that could be called paid or unpaid
            is_open = row.state in LIVE or row.failure_confirmed_at is None
            if not is_open and movement is None:
                continue
            if movement is None and order is not None and order.state == "pending" and not errs:
                return None
            is_paid = (movement is not None) is not errs
            if not is_open and not is_paid:
                continue
            receipt = movement.receipt if movement is not None else f"PEOPLE-{known.reference}"
            return Proposal(
                ending=Ending.PAID if is_paid else Ending.NOT_PAID,
                note="Looked into.",
                provider_reference=receipt if is_paid else None,
                amount=movement.amount if movement is not None and is_paid else None,
                attempt_number=row.number,
            )
        if errs and payment.status is PaymentStatus.SUCCESS:
            return Proposal(ending=Ending.RETURNED, note="It came back.")
        return Proposal(ending=Ending.NOTED, note="Understood.")

    def _standing(self) -> tuple[UUID, Replenishment | None]:
        def work(session: Session) -> tuple[UUID, Replenishment | None]:
            fund_id = session.execute(select(Fund.id).where(Fund.code == "WESTLANDS")).scalar_one()
            # The open one, or else the newest: a short delivery is received in parts.
            found = session.execute(
                select(Replenishment)
                .where(Replenishment.fund_id == fund_id)
                .order_by(Replenishment.status.in_(OPEN).desc(), Replenishment.id.desc())
                .limit(1)
            ).scalar_one_or_none()
            return fund_id, found

        standing = self.tries(work)
        assert standing is not None
        return standing

    def _next_step(self, found: Replenishment, step: str, *, is_short: bool) -> None:
        def work(session: Session) -> Replenishment:
            now = session.info["now"]
            about = {"replenishment_id": found.id, "now": now}
            match step:
                case "approve":
                    return replenishments.approve(session, actor=self.actor("cfo"), **about)
                case "reject":
                    actor = self.actor("group_finance_manager")
                    return replenishments.reject(session, actor=actor, reason="No.", **about)
                case "receive":
                    missing = (
                        (found.approved_amount or Decimal(0))
                        - (found.received_amount or Decimal(0))
                        - found.lost_amount
                    )
                    amount = missing - 100 if is_short and missing > 100 else missing
                    received = replenishments.receive(
                        session, actor=self.actor("custodian"), amount=amount, **about
                    )
                    session.info["received"] = amount
                    return received
            actor = self.actor("treasury")
            challenge = replenishments.request_code(session, actor=actor, **about)
            code = making.sent_code(session, challenge.id)
            replenishments.check_code(session, actor=actor, code=code, **about)
            return replenishments.fund(
                session, actor=actor, bank_reference=f"FT-{found.number}", **about
            )

        def received(session: Session) -> Decimal:
            work(session)
            return session.info.get("received", Decimal(0))

        amount = self.tries(received)
        if amount:
            self.memory.received[found.store_id] += amount
