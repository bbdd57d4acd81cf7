"""The end of an example: faults stop, time passes, and everything comes to its end or to people."""

from collections import Counter
from decimal import Decimal

from sqlalchemy import text

from pettycash.models.operations import CaseStatus
from pettycash.models.payments import CallbackPurpose
from pettycash.runtime import db
from pettycash.services import payments
from pettycash.services.foundation.uow import Uow
from pettycash.services.reconciliation import invariants
from tests.model import checks
from tests.model.disaster import Disaster
from tests.model.office import JUDGES, Office
from tests.model.people import CUSTODIANS
from tests.model.rail import Answering, Calling
from tests.model.workers import TASKS, Workers
from tests.model.world import DAY, MINUTE, World

PATIENCE = (
    0.0, 21.0, 46.0, 61.0, 2 * MINUTE, 6 * MINUTE, 11 * MINUTE, 15 * MINUTE, 15 * MINUTE,
    20 * MINUTE, 61 * MINUTE, DAY + MINUTE,
)  # fmt: skip
"""Long enough for a lease, a re-sending, every question, the case of what stays in doubt, and the
day before people may call something unpaid, or after they did."""

TURNS_MAX = 6
"""People end cases, which lets others go on, which may end in another case."""

WITHOUT_MAIL = frozenset({"outbox_is_on_time"})
"""Alerts and codes that nobody sends here are late; what is about money is looked at below."""

UNDECIDED = text("""
    SELECT p.number, p.status, t.state, t.failure_confirmed_at, t.outcome_code, t.first_sent_at,
        p.blocked_by_case_id IS NOT NULL AS is_blocked,
        ARRAY(SELECT o.topic || ' due ' || o.due_at || ' dead ' || (o.dead_lettered_at IS NOT NULL)
            FROM outbox_messages o WHERE o.key = t.id AND o.completed_at IS NULL) AS owed,
        ARRAY(SELECT c.kind || ' ' || c.status || ': ' || c.summary
            FROM cases c WHERE c.object_id = p.id) AS cases
    FROM payments p JOIN payment_attempts t ON t.payment_id = p.id
    WHERE t.state NOT IN ('settled', 'rejected')
        OR (t.state = 'rejected' AND t.failure_confirmed_at IS NULL)
""")

OVERDUE = text("""
    SELECT topic, key FROM outbox_messages
    WHERE completed_at IS NULL AND dead_lettered_at IS NULL
        AND topic = ANY (:topics) AND due_at <= :now
""")

POSTED = text("""
    SELECT coalesce(sum(settled_amount), 0) FROM payment_attempts
    WHERE state = 'settled' AND provider_account_id IS NOT NULL AND NOT id = ANY (:by_people)
""")


class Quiescence(Workers, World, Office, Disaster):
    """What happens when nobody is hostile any more."""

    def come_to_rest(self) -> None:
        """Faults stop; what is open is asked, sent again or decided by two people, truthfully."""
        self.memory.workers.clear()
        self.memory.questions.clear()
        self.rail.answering = Answering.TRUTH
        self.resume_everything()
        for pause_id in self.memory.pauses:
            self.resumes(pause_id)
        for each in list(self.memory.released.values()):
            if each.is_cash:
                self._collect_back(each.payment_id)
        for _ in range(TURNS_MAX):
            self._let_time_pass()
            if not self._end_cases() and not self._undecided():
                break
        self._check_rest()

    def _let_time_pass(self) -> None:
        for seconds in PATIENCE:
            self.ground.wait(seconds)
            self.run_due()
            pending = self.pending()
            for each in pending:
                self.rail.decide(self.rail.orders[each.reference], pays=True)
                self.call(each, Calling.TRUTH, CallbackPurpose.RESULT, repeats=False)
            if pending:
                self.run_due()
        for each in self.handed_over():
            # Nothing that moved stays untold for ever.
            if self.order_of(each) is not None:
                self.call(each, Calling.TRUTH, CallbackPurpose.RESULT, repeats=False)
        self.run_due()

    def _end_cases(self) -> int:
        """Two people who may, whoever they are; returns how many cases ended."""
        ended = 0
        for case_id, payment_id in self.cases_about_money(CaseStatus.OPEN, CaseStatus.PROPOSED):
            for by in JUDGES:
                if self.proposes(case_id, payment_id, says=None, by=by):
                    break
            ended += any(self.confirms(case_id, by=by) for by in JUDGES)
        return ended

    def _collect_back(self, payment_id: object) -> None:
        for by in CUSTODIANS:
            self.tries(
                lambda session, by=by: payments.cancel(
                    Uow.of(session, self.actor(by)), payment_id=payment_id
                )
            )

    def _undecided(self) -> list[str]:
        with db.transaction() as session:
            return [str(each) for each in session.execute(UNDECIDED)]

    def _check_rest(self) -> None:
        with db.transaction() as session:
            checks.check(self, session)
            undecided = session.execute(UNDECIDED).all()
            assert not undecided, f"never decided, and nobody's case: {undecided}"
            broken = [
                each.as_json()
                for each in invariants.check_all(session, now=session.info["now"], settled=True)
                if not each.ok and each.check not in WITHOUT_MAIL
            ]
            assert not broken, f"at rest the auditor finds {broken}"
            late = session.execute(
                OVERDUE, {"topics": list(TASKS), "now": session.info["now"]}
            ).all()
            assert not late, f"due, and nobody did it: {late}"
            posted = session.execute(
                POSTED, {"by_people": list(self.memory.people_paid)}
            ).scalar_one()
        self._check_movements(posted)
        self.tally.ends.update(Counter(self.memory.statuses.values()))

    def _check_movements(self, posted: Decimal) -> None:
        """I2 the other way: every movement is in the books, but those that a restore has lost."""
        by_reference = {each.reference: each for each in self.memory.released.values()}
        moved = sum(
            (
                each.amount
                for each in self.rail.movements
                if each.reference in by_reference
                and by_reference[each.reference].attempt_id not in self.memory.people_paid
            ),
            Decimal(0),
        )
        assert moved == posted, f"{moved} moved and {posted} posted"
