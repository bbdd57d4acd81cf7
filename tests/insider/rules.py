"""Rules that hold after every step, asked of the tables and of the rail's own ledger.

Nothing here asks a service, and the pairs of duties stand here a second time (control.md §1).
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from pettycash.models.access import Role
from pettycash.runtime import db
from pettycash.services.reconciliation import invariants
from tests.insider.game import Game, Sight, Wrong

MOVED = """
SELECT t.originator_reference AS reference, p.id AS payment_id, p.requisition_id::text
    FROM payment_attempts t JOIN payments p ON p.id = t.payment_id
    WHERE t.originator_reference = ANY (:references)
"""

CASH = """
SELECT p.id AS payment_id, p.requisition_id::text, p.destination, e.amount
    FROM cash_acknowledgements k JOIN payment_executions e ON e.id = k.execution_id
        JOIN payments p ON p.id = k.payment_id WHERE k.acknowledged_at IS NOT NULL
"""

RELEASED = """
WITH e AS (
    SELECT x.id, x.executor_id, x.requisition_id, p.maker_id, p.payee_user_id,
        ltrim(lower(p.destination), '+') AS destination, r.requester_id, r.client_id,
        r.payee_user_id AS meant
    FROM payment_executions x JOIN payments p ON p.id = x.payment_id
        JOIN requisitions r ON r.id = x.requisition_id WHERE x.id > :mark
), parts AS (
    SELECT id, 'releaser' AS duty, executor_id AS user_id FROM e
    UNION SELECT id, 'maker', maker_id FROM e
    UNION SELECT id, 'requester', requester_id FROM e
    UNION SELECT e.id, 'requester', u FROM e JOIN api_keys k ON k.id = e.client_id
        CROSS JOIN LATERAL (VALUES (k.created_by), (k.confirmed_by)) AS v (u)
    UNION SELECT id, 'recipient', payee_user_id FROM e UNION SELECT id, 'recipient', meant FROM e
    UNION SELECT e.id, 'recipient', m.user_id FROM e JOIN memberships m
        ON ltrim(m.phone, '+') = e.destination
    UNION SELECT e.id, 'recipient', m.user_id FROM e JOIN memberships m ON true
        JOIN users u ON u.id = m.user_id AND lower(u.email) = e.destination
    UNION SELECT e.id, 'approver', d.user_id FROM e JOIN decisions d
        ON d.subject_id = e.requisition_id AND d.verdict IN ('approved', 'urgency_confirmed')
        JOIN approval_steps s ON s.id = d.step_id AND s.status = 'approved'
        JOIN approval_rounds o ON o.id = d.round_id AND o.status = 'approved'
)
SELECT a.id, array_agg(a.duty || ' and ' || b.duty) FILTER (
        WHERE a.user_id = b.user_id AND (a.duty, b.duty) IN (
            ('requester', 'approver'), ('requester', 'maker'), ('requester', 'releaser'),
            ('recipient', 'approver'), ('recipient', 'maker'), ('recipient', 'releaser'),
            ('approver', 'maker'), ('approver', 'releaser'), ('maker', 'releaser'))) AS broken
    FROM parts a JOIN parts b ON b.id = a.id GROUP BY a.id
"""

JUDGED = """
SELECT c.id, c.proposed_by, c.decided_by, c.decided_at, c.proposal ->> 'ending' AS ending,
    p.maker_id, p.payee_user_id, r.requester_id, p.amount,
    ltrim(lower(p.destination), '+') AS destination,
    ARRAY(SELECT executor_id FROM payment_executions e WHERE e.payment_id = p.id
        UNION SELECT executor_id FROM release_challenges h WHERE h.payment_id = p.id) AS releasers,
    ARRAY(SELECT m.user_id FROM memberships m JOIN users u ON u.id = m.user_id
        WHERE ltrim(lower(p.destination), '+') IN (ltrim(m.phone, '+'), lower(u.email))) AS reached,
    ARRAY(SELECT d.user_id FROM decisions d WHERE d.subject_id = r.id
        AND d.verdict IN ('approved', 'urgency_confirmed')) AS approvers,
    (SELECT f.uploaded_by FROM attachments f
        WHERE f.id::text = c.proposal ->> 'evidence_id') AS recorder,
    t.originator_reference, t.decide_by, t.last_sent_at
FROM cases c JOIN payments p ON p.id = c.object_id JOIN requisitions r ON r.id = p.requisition_id
    LEFT JOIN LATERAL (SELECT * FROM payment_attempts t WHERE t.payment_id = p.id
        AND t.number = coalesce((c.proposal ->> 'attempt_number')::int, t.number)
        ORDER BY t.number DESC LIMIT 1) t ON true
WHERE c.status = 'resolved' AND c.object_type = 'payment' AND NOT c.id = ANY (:seen)
    AND c.decided_by IS NOT NULL AND c.proposal ->> 'ending' IN ('paid', 'not_paid', 'returned')
"""

NAMED = """
SELECT 'decision' AS what, id, user_id AS who FROM decisions WHERE id > :mark
UNION ALL SELECT 'release', id, executor_id FROM payment_executions WHERE id > :mark
UNION ALL SELECT 'code', id, executor_id FROM release_challenges WHERE id > :mark
UNION ALL SELECT 'file', id, uploaded_by FROM attachments WHERE id > :mark
UNION ALL SELECT 'proposal', id, proposed_by FROM changes WHERE id > :mark
UNION ALL SELECT 'variance', id, proposed_by FROM variance_adjustments WHERE id > :mark
UNION ALL SELECT 'event ' || event, id, user_id FROM security_events
    WHERE id > :mark AND user_id IS NOT NULL AND outcome = 'ok'
UNION ALL SELECT 'trail ' || action, id, user_id FROM approval_trail
    WHERE id > :mark AND user_id IS NOT NULL
"""
"""Rows that somebody wrote, and who, as the rows say."""

RELEASERS = frozenset({Role.TREASURY, Role.CUSTODIAN, Role.CFO})
"""Two people reset the second factor of these roles (control.md §6)."""

AGREED = """
SELECT id, kind, object_id, proposed_by, decided_by FROM changes
    WHERE status = 'effective' AND NOT id = ANY (:seen)
"""

RULES = """
SELECT 'settings' AS kind, s.key, s.value::text AS value FROM (
        SELECT data FROM company_settings ORDER BY version DESC LIMIT 1) d, jsonb_each(d.data) s
    WHERE s.key = ANY (:consequence)
UNION ALL SELECT 'fund_limits', id::text, concat_ws(',', target_balance, reorder_level,
    minimum_balance, coalesce(maximum_balance::text, '-'), coalesce(cash_limit::text, '-'))
    FROM funds
UNION ALL SELECT 'standing_validation', fund_id::text, max(version)::text
    FROM standing_validations GROUP BY fund_id
UNION ALL SELECT 'custodian', id::text, concat_ws(',', custodian_id, alternate_custodian_id)
    FROM funds
UNION ALL SELECT 'threshold', id::text, concat_ws(',', min_amount, max_amount, roles_sequence::text,
    requires_cfo, allow_urgent_fasttrack, valid_until) FROM approval_thresholds
    WHERE published_by IS NOT NULL OR drafted_by IS NULL
UNION ALL SELECT 'role', id::text, concat_ws(',', user_id, role, scope_id, valid_until)
    FROM role_assignments
UNION ALL SELECT 'api_key', id::text, concat_ws(',', scopes::text, branch_id, department_id)
    FROM api_keys WHERE confirmed_by IS NOT NULL AND revoked_at IS NULL
UNION ALL SELECT 'contact', u.id::text, concat_ws(',', lower(u.email), m.phone)
    FROM users u JOIN memberships m ON m.user_id = u.id
UNION ALL SELECT 'secret', u.id::text, concat_ws(',', u.password_hash, u.totp_seed)
    FROM users u JOIN memberships m ON m.user_id = u.id
"""

CONSEQUENCE = (
    "working_days", "holidays", "otp_floor", "materiality", "cfo_limit", "code_by_email",
    "code_by_sms", "small_team", "small_company", "escalation_approver_id",
)  # fmt: skip
KINDS: Mapping[str, frozenset[str]] = {
    "settings": frozenset({"settings", "escalation_approver"}),
    "fund_limits": frozenset({"fund_limits"}),
    "standing_validation": frozenset({"standing_validation"}),
    "custodian": frozenset({"custodian"}),
    "threshold": frozenset({"threshold", "threshold_retirement"}),
    "role": frozenset({"role_assignment", "role_end", "people_import"}),
    "api_key": frozenset({"api_key"}),
    "contact": frozenset({"contact"}),
    "secret": frozenset({"second_factor", "contact"}),
}
"""Kinds of proposal by which each kind of rule changes."""

APART = ("maker_id", "requester_id", "payee_user_id")


class Rules:
    """Remembers what was so after the step before, to see what is new."""

    def __init__(self, game: Game) -> None:
        self.game = game
        self.judged: set[UUID] = set()
        self.released = self.written = UUID(int=0)
        """The newest row that was looked at: keys sort by the time they were made."""
        self.agreed: set[UUID] = set()
        self.moved = 0
        self.rules = self._rules()
        self.changed_by_two: set[str] = set()
        """People whose contact or second factor two others have changed."""
        self._check_names(is_first=True)

    def check(self) -> None:
        """All of it; raises `Wrong`."""
        with self.game.reading():
            self._check_money()
            self._check_duties()
            self._check_judges()
            self._check_names()
            self._check_rules()

    def check_books(self) -> None:
        """The auditor's own word, on everything that holds at any instant."""
        with db.transaction() as session:
            found = invariants.check_books(session)
        if found:
            raise Wrong(f"audit books: {[each.as_json() for each in found[:3]]}")

    # Money

    def _check_money(self) -> None:
        movements, paid_out = self.game.rail.movements, self.game.rows(CASH)
        if len(movements) + len(paid_out) == self.moved:
            return
        self.moved = len(movements) + len(paid_out)
        by_reference = {
            each.reference: each
            for each in self.game.rows(MOVED, references=[m.reference for m in movements])
        }
        out: dict[tuple[str, tuple[str, str]], Decimal] = {}
        times: dict[UUID, int] = {}
        for movement in movements:
            known = by_reference.get(movement.reference)
            if known is None:
                raise Wrong("money moved for nothing that was released")
            went = ("mpesa", movement.destination, movement.amount)
            self._count(known, went, out=out, times=times)
        for paid in paid_out:
            went = ("cash", paid.destination, paid.amount)
            self._count(paid, went, out=out, times=times)
        whole: dict[str, Decimal] = {}
        for (requisition_id, place), amount in out.items():
            self._check_shown(requisition_id, place, amount)
            whole[requisition_id] = whole.get(requisition_id, Decimal(0)) + amount
        for requisition_id, amount in whole.items():
            seen = self._seen(requisition_id)
            allowed = min(Decimal(each.amount) for each in seen if not each.redirects)
            if amount > allowed:
                raise Wrong(f"{amount} left and {allowed} was approved")

    def _check_shown(self, requisition_id: str, place: tuple[str, str], amount: Decimal) -> None:
        """No more goes somewhere than was shown for there, in redirects together."""
        shown = [
            each for each in self._seen(requisition_id) if (each.method, each.destination) == place
        ]
        if any(not each.redirects for each in shown):
            return
        most = sum((Decimal(each.amount) for each in shown), Decimal(0))
        if amount > most:
            raise Wrong(f"{amount} went to {place}; those who let it go there saw {most}")

    def _count(
        self,
        of: Row[Any],
        went: tuple[str, str, Decimal],
        *,
        out: dict[tuple[str, tuple[str, str]], Decimal],
        times: dict[UUID, int],
    ) -> None:
        method, destination, amount = went
        seen = {(each.method, each.destination) for each in self._seen(of.requisition_id)}
        if (method, destination) not in seen:
            raise Wrong(f"money went to {method} {destination}; approvers saw {sorted(seen)}")
        there = of.requisition_id, (method, destination)
        out[there] = out.get(there, Decimal(0)) + amount
        times[of.payment_id] = times.get(of.payment_id, 0) + 1
        if times[of.payment_id] > 1:
            raise Wrong("money moved twice for one payment")

    def _seen(self, requisition_id: str) -> list[Sight]:
        found = self.game.sights.get(requisition_id)
        if not found:
            raise Wrong("money moved that nobody has approved")
        return found

    # People

    def _check_duties(self) -> None:
        for each in self.game.rows(RELEASED, mark=self.released):
            self.released = max(self.released, each.id)
            if each.broken:
                raise Wrong(f"one person is {each.broken[0]} of money that was released")

    def _check_judges(self) -> None:
        for each in self.game.rows(JUDGED, seen=list(self.judged)):
            self.judged.add(each.id)
            self._check_judge(each)

    def _check_judge(self, case: Row[Any]) -> None:
        both = {case.proposed_by, case.decided_by}
        if len(both) < 2:
            raise Wrong("one person has judged alone")
        apart = {*(getattr(case, name) for name in APART), *case.releasers, *case.reached}
        if both & apart:
            raise Wrong("who judged it raised, made, released or gets it")
        if both <= set(case.approvers):
            raise Wrong("both judges approved it")
        if case.recorder == case.decided_by:
            raise Wrong("who recorded the evidence has confirmed by it")
        order = self.game.rail.orders.get(case.originator_reference)
        if case.ending == "not_paid":
            if order is not None and order.state == "pending":
                raise Wrong("called unpaid while the rail may still pay it")
            if case.decided_at < case.decide_by:
                raise Wrong("called unpaid before its decide-by time")
            if case.last_sent_at and (case.decided_at - case.last_sent_at).total_seconds() < 86_400:
                raise Wrong("called unpaid before a day of trying was over")
        is_refused = order is not None and order.state == "refused"
        is_large = case.amount > self.game.organisation.limit
        if (is_large or (case.ending == "not_paid" and not is_refused)) and not self._has_head(
            both
        ):
            raise Wrong(f"called {case.ending} without cfo or ceo")

    def _has_head(self, both: set[UUID]) -> bool:
        heads = self.game.rows(
            "SELECT user_id FROM role_assignments WHERE role IN ('cfo', 'ceo')"
            " UNION SELECT (data ->> 'escalation_approver_id')::uuid FROM company_settings"
        )
        return bool(both & {each.user_id for each in heads})

    def _check_names(self, *, is_first: bool = False) -> None:
        for each in self.game.rows(NAMED, mark=self.written):
            self.written = max(self.written, each.id)
            if not is_first and (each.who is None or each.who not in self.game.acting):
                raise Wrong(f"{each.what} has the name {each.who}, who did nothing")
        self.game.acting.clear()

    # Rules

    def _rules(self) -> dict[tuple[str, str], str]:
        found = self.game.rows(RULES, consequence=list(CONSEQUENCE))
        return {(each.kind, each.key): each.value for each in found}

    def _check_rules(self) -> None:
        agreed = self.game.rows(AGREED, seen=list(self.agreed))
        self.agreed.update(each.id for each in agreed)
        for each in agreed:
            if each.decided_by is None or each.decided_by == each.proposed_by:
                raise Wrong(f"{each.kind} was changed by one person")
            if each.kind in ("contact", "second_factor"):
                self.changed_by_two.add(str(each.object_id))
        now = self._rules()
        two = {each.kind for each in agreed}
        for (kind, key), value in now.items():
            if self.rules.get((kind, key)) != value and not KINDS[kind] & two:
                self._check_alone(kind, key)
        for kind, key in self.rules.keys() - now.keys():
            if kind != "api_key":  # whoever takes a key back weakens nothing
                raise Wrong(f"{kind} {key} is gone")
        self.rules = now

    def _check_alone(self, kind: str, key: str) -> None:
        """Allow what one person may do to a rule: what is new and theirs, or nobody's yet."""
        is_new = (kind, key) not in self.rules
        if is_new and kind in ("fund_limits", "custodian", "contact", "secret"):
            return
        person = next(
            (e for e in self.game.organisation.people.values() if str(e.user_id) == key), None
        )
        is_staff_only = person is None or all(role is Role.STAFF for role, _ in person.roles)
        is_own = person is not None and person.name in self.game.hostile
        if kind == "contact" and is_staff_only:
            return
        releases = person is not None and any(role in RELEASERS for role, _ in person.roles)
        if kind == "secret" and (is_own or not releases or key in self.changed_by_two):
            return
        raise Wrong(f"{kind} of {person.name if person else key} was changed by one person")
