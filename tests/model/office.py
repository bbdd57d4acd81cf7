"""Rules of the office: cases that two people end, pauses, and money for the fund."""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition
from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.imprest import Fund, Replenishment
from pettycash.models.operations import Case, CaseKind, CaseStatus, PauseScope
from pettycash.models.payments import LIVE, AttemptState, PaymentAttempt
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest import replenishments
from pettycash.services.imprest.replenishments.creation import OPEN
from pettycash.services.operations import pauses
from pettycash.services.payments import case_resolutions
from pettycash.services.payments.case_resolutions import CaseProposal, Ending
from tests.factories import payments as making
from tests.factories.judging import WITH_EVIDENCE, WITH_REFERENCE, evidence
from tests.model.memory import Player, Released, pick, play, which

JUDGES = ("treasury", "treasury_2", "treasury_3", "cfo", "group_finance_manager", "fpa", "ceo")
RECORDER = "group_finance_manager_2"
"""This person uploads evidence, and judges nothing here."""
ABOUT_MONEY = (CaseKind.IN_DOUBT, CaseKind.CONTRADICTION)

judges = st.sampled_from(JUDGES)
sayings = st.sampled_from(
    (None, None, Ending.NOT_PAID, Ending.NOT_PAID, Ending.PAID, Ending.NOTED, Ending.RETURNED)
)
"""None: the truth."""


class Office(Player):
    """What people decide about money that the system can't decide about."""

    @play(index=which, says=sayings, by=judges, agrees=judges)
    def two_people_end_a_case(self, index: int, says: Ending | None, by: str, agrees: str) -> None:
        """Rightly or wrongly, whatever is on its way meanwhile; and the books follow."""
        for case_id, payment_id in self._cases(index, CaseStatus.OPEN):
            if self.proposes(case_id, payment_id, says=says, by=by):
                self.confirms(case_id, by=agrees)

    @play(index=which, says=sayings, by=judges)
    def somebody_says_how_a_case_ended(self, index: int, says: Ending | None, by: str) -> None:
        """Rightly or wrongly; nothing follows yet."""
        for case_id, payment_id in self._cases(index, CaseStatus.OPEN):
            self.proposes(case_id, payment_id, says=says, by=by)

    @play(index=which, by=judges, looks=st.booleans())
    def somebody_agrees(self, index: int, by: str, looks: bool) -> None:
        """However long after it was said; who does not look again has seen what was said first."""
        for case_id, _ in self._cases(index, CaseStatus.PROPOSED):
            self.confirms(case_id, by=by, seen=None if looks else self.memory.seen.get(case_id))

    @play(index=which, by=judges)
    def somebody_disagrees(self, index: int, by: str) -> None:
        """Or whoever said it takes it back."""
        for case_id, _ in self._cases(index, CaseStatus.PROPOSED):
            self.tries(
                lambda session, case_id=case_id: case_resolutions.decline(
                    Uow.of(session, self.actor(by)),
                    case_id=case_id,
                    version=session.get_one(Case, case_id).version,
                    reason="No.",
                )
            )

    two_others_end_a_case, somebody_else_agrees = two_people_end_a_case, somebody_agrees

    def _cases(self, index: int, status: CaseStatus) -> list[tuple[UUID, UUID]]:
        """One of those that stand so, or none."""
        found = self.cases_about_money(status)
        return [pick(found, index)] if found else []

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
                Uow.of(session, self.actor("operator")),
                scope=scope,
                object_id=store_id if scope is PauseScope.STORE else None,
                reason="Because.",
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
                    Uow.of(session, self.actor("custodian_2")),
                    fund_id=fund_id,
                    reason="A busy week ahead",
                    amount=Decimal(amount) if amount else None,
                )
            )
        elif found is not None:
            self._next_step(found, step, is_short=is_short)

    def proposes(self, case_id: UUID, payment_id: UUID, *, says: Ending | None, by: str) -> bool:
        """Say this, or what the rail's ledger says; False where nobody can know yet."""
        proposal = self._said(payment_id, says) if says else self._truth(payment_id)
        if proposal is None:
            return False

        def work(session: Session) -> tuple[int, CaseProposal]:
            said = proposal
            if said.ending in WITH_EVIDENCE:
                said = replace(said, evidence_id=evidence(session, case_id, by=RECORDER))
            if said.ending is Ending.PAID:
                said = replace(said, occurred_at=session.info["now"])
            case = case_resolutions.propose(
                Uow.of(session, self.actor(by)), case_id=case_id, proposal=said
            )
            return case.version, said

        made = self.tries(work)
        if made is not None:
            self.memory.seen.setdefault(case_id, made)
        return made is not None

    def confirms(
        self, case_id: UUID, *, by: str, seen: tuple[int, CaseProposal] | None = None
    ) -> bool:
        """Agree to what was seen, or else to what stands.

        What two people say is a fact from then on, and remembered as theirs.
        """

        def work(session: Session) -> tuple[UUID, CaseProposal]:
            case = session.get_one(Case, case_id, populate_existing=True)
            stored = case.proposal
            case_resolutions.confirm(
                Uow.of(session, self.actor(by)),
                case_id=case_id,
                version=seen[0] if seen is not None else case.version,
            )
            assert stored is not None
            return case.object_id, CaseProposal.of_json(stored)

        done = self.tries(work)
        if done is None:
            return False
        payment_id, proposal = done
        assert seen is None or proposal == seen[1], "carried out what nobody has agreed to"
        of_it = {e.attempt_id for e in self.memory.released.values() if e.payment_id == payment_id}
        self.memory.doubted -= of_it
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
                    Uow.of(session, self.actor(by)), pause_id=pause_id
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

    def _truth(self, payment_id: UUID) -> CaseProposal | None:
        """What the rail's ledger says of the first attempt that people are needed for."""
        for known, row in self._attempts(payment_id):
            order = self.order_of(known)
            movement = order.movement if order is not None else None
            may_have_left = row.first_sent_at is not None or (
                row.asks_first and row.not_known_at is None
            )
            if row.state is AttemptState.SETTLED or not may_have_left:
                continue  # proven, or nothing that could be called paid or unpaid
            is_open = row.state in LIVE or row.failure_confirmed_at is None
            if not is_open and movement is None:
                continue
            if movement is None and order is not None and order.state == "pending":
                return None
            return self._about(known, Ending.NOT_PAID if movement is None else Ending.PAID)
        return CaseProposal(ending=Ending.NOTED, note="Understood.")

    def _said(self, payment_id: UUID, says: Ending) -> CaseProposal:
        """An ending of the newest attempt, true or not."""
        *_, (known, _) = self._attempts(payment_id)
        return self._about(known, says)

    def _about(self, known: Released, ending: Ending) -> CaseProposal:
        order = self.order_of(known)
        movement = order.movement if order is not None else None
        receipt = movement.receipt if movement is not None else f"PEOPLE-{known.reference}"
        if ending is Ending.RETURNED:
            receipt = f"RETURN-{known.reference}"
        return CaseProposal(
            ending=ending,
            note="Looked into.",
            provider_reference=receipt if ending in WITH_REFERENCE else None,
            attempt_number=known.number,
        )

    def _attempts(self, payment_id: UUID) -> list[tuple[Released, PaymentAttempt]]:
        """Each release of a payment, and its row; the newest last."""
        released = [e for e in self.memory.released.values() if e.payment_id == payment_id]
        rows = self.tries(
            lambda session: list(
                session.execute(
                    select(PaymentAttempt)
                    .where(PaymentAttempt.payment_id == payment_id)
                    .order_by(PaymentAttempt.number)
                ).scalars()
            )
        )
        return list(zip(released, rows, strict=True))

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
            about = {"replenishment_id": found.id}
            match step:
                case "approve":
                    return replenishments.approve(Uow(session, self.actor("cfo"), now), **about)
                case "reject":
                    actor = self.actor("group_finance_manager")
                    return replenishments.reject(Uow(session, actor, now), reason="No.", **about)
                case "receive":
                    missing = (
                        (found.approved_amount or Decimal(0))
                        - (found.received_amount or Decimal(0))
                        - found.lost_amount
                    )
                    amount = missing - 100 if is_short and missing > 100 else missing
                    received = replenishments.receive(
                        Uow(session, self.actor("custodian"), now), amount=amount, **about
                    )
                    session.info["received"] = amount
                    return received
            actor = self.actor("treasury")
            challenge = replenishments.request_code(Uow(session, actor, now), **about)
            code = making.sent_code(session, challenge.id)
            replenishments.check_code(Uow(session, actor, now), code=code, **about)
            return replenishments.fund(
                Uow(session, actor, now), bank_reference=f"FT-{found.number}", **about
            )

        def received(session: Session) -> Decimal:
            work(session)
            return session.info.get("received", Decimal(0))

        amount = self.tries(received)
        if amount:
            self.memory.received[found.store_id] += amount
