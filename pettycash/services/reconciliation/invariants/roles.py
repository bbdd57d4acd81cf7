"""I8: what people hold beside each other. I6: what waits for people who can't act any more."""

from collections.abc import Iterable

from pettycash.models.access import Role
from pettycash.services.foundation.duties import APPROVING_ROLES
from pettycash.services.foundation.permissions import RELEASERS, REQUESTERS
from pettycash.services.operations.cases import OWNERS
from pettycash.services.reconciliation.invariants.checks import Check, Holds, Invariant

WAITS = """
    WITH acting AS (
        SELECT a.user_id, a.role, a.scope_id FROM role_assignments a
            JOIN memberships m ON m.company_id = a.company_id AND m.user_id = a.user_id
                AND m.is_active
            JOIN users u ON u.id = a.user_id AND u.is_active
        WHERE a.company_id = current_company()
            AND a.valid_from <= :now AND (a.valid_until IS NULL OR a.valid_until > :now)
    ), stand_in AS (
        SELECT m.user_id FROM (SELECT data ->> 'escalation_approver_id' AS named
                FROM company_settings WHERE company_id = current_company()
                ORDER BY version DESC LIMIT 1) s
            JOIN memberships m ON m.user_id::text = s.named AND m.is_active
            JOIN users u ON u.id = m.user_id AND u.is_active
    ), waits (object_id, what, user_id) AS (
        SELECT s.subject_id, 'step', a.user_id
        FROM approval_rounds o
            JOIN approval_steps s ON s.round_id = o.id AND s.status IN ('open', 'waiting')
            JOIN step_assignees a ON a.step_id = s.id
            JOIN requisitions r ON r.id = s.subject_id
        WHERE o.status = 'open' AND NOT EXISTS (
            SELECT FROM acting t WHERE t.user_id = a.user_id AND t.role = s.role
                AND t.scope_id IS NOT DISTINCT FROM coalesce(s.scope_id, CASE s.role
                    WHEN 'department_head' THEN r.department_id
                    WHEN 'branch_manager' THEN r.branch_id
                    WHEN 'regional_manager' THEN r.region_id END))
            AND NOT (s.role = 'escalation_approver'
                AND a.user_id IN (SELECT user_id FROM stand_in))
        UNION ALL
        SELECT c.id, 'redirect', c.decider_id FROM changes c
        WHERE c.kind = 'redirect' AND c.status = 'proposed'
            AND c.decider_id NOT IN (SELECT user_id FROM acting WHERE role IN ({approving})
                UNION ALL SELECT user_id FROM stand_in)
        UNION ALL
        SELECT c.id, 'case', c.owner_id FROM cases c
        WHERE c.status <> 'resolved'
            AND c.owner_id NOT IN (SELECT user_id FROM acting WHERE role IN ({owning})
                UNION ALL SELECT user_id FROM stand_in)
        UNION ALL
        SELECT p.id, 'release', p.executor_id FROM payments p
        WHERE p.status IN ('pending', 'failed')
            AND p.executor_id NOT IN (SELECT user_id FROM acting WHERE role IN ({releasing}))
        UNION ALL
        SELECT r.id, 'delivery', f.custodian_id
        FROM replenishments r JOIN funds f ON f.id = r.fund_id
        WHERE r.status = 'funded' AND NOT EXISTS (SELECT FROM acting t WHERE t.role = 'custodian'
            AND t.user_id IN (f.custodian_id, f.alternate_custodian_id))
        UNION ALL
        -- The requester's manager takes it over; where nobody is that, it waits for ever.
        SELECT r.id, 'requester', r.requester_id FROM requisitions r
            JOIN memberships m ON m.user_id = r.requester_id AND m.company_id = r.company_id
            LEFT JOIN branches b ON b.id = m.branch_id
        WHERE r.status IN ('draft', 'changes_requested') AND NOT EXISTS (
            SELECT FROM acting t WHERE t.role IN ({asking}) AND (t.user_id = r.requester_id
                OR t.user_id IN (SELECT a.user_id FROM approval_trail a
                    WHERE a.company_id = r.company_id AND a.subject_id = r.id
                        AND a.override = 'adopted')))
            AND NOT EXISTS (SELECT FROM acting t WHERE t.role IN ({approving})
                AND (t.scope_id IS NULL OR t.scope_id IN (m.department_id, m.branch_id,
                    m.region_id, b.region_id)))
    )
    SELECT w.object_id, w.what, w.user_id FROM waits w
    WHERE NOT EXISTS (SELECT FROM outbox_messages o WHERE o.topic = 'approvals.hand_over'
            AND o.key = w.user_id AND o.completed_at IS NULL AND o.due_at <= :now
            AND o.dead_lettered_at IS NULL)
        AND NOT EXISTS (SELECT FROM cases c WHERE c.status <> 'resolved' AND c.kind = 'mismatch'
            AND (c.object_id IN (w.object_id, w.user_id)
                OR c.evidence ->> 'change_id' = w.object_id::text))
"""


def _words(roles: Iterable[Role]) -> str:
    return ", ".join(f"'{role}'" for role in sorted(roles))


ROLES = (
    Check(
        name="roles_are_compatible",
        invariant=Invariant.I8,
        object_type="user",
        # What an import brought; such a person releases nothing until one of the two has ended.
        query="""
        SELECT a.user_id AS object_id, a.role AS held, b.role AS beside
        FROM role_assignments a
            JOIN incompatible_roles i ON i.role = a.role AND i.role < i.other
            JOIN role_assignments b ON b.company_id = a.company_id AND b.user_id = a.user_id
                AND b.role = i.other
                AND b.valid_from < coalesce(a.valid_until, 'infinity')
                AND coalesce(b.valid_until, 'infinity') > a.valid_from
        WHERE least(coalesce(a.valid_until, 'infinity'), coalesce(b.valid_until, 'infinity'))
            > now()
        """,
    ),
    Check(
        name="nothing_waits_for_who_left",
        invariant=Invariant.I6,
        object_type="waiting",
        holds=Holds.RUNNING,
        # Not while the hand-over is still open, nor where a case tells people of it.
        query=WAITS.format(
            approving=_words(APPROVING_ROLES),
            owning=_words(OWNERS),
            releasing=_words(RELEASERS),
            asking=_words(REQUESTERS),
        ),
    ),
)
