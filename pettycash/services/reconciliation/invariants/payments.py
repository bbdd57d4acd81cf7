"""I1, I4 and I6: attempts, what is on record of them, and who still looks after them."""

from pettycash.services.operations.lanes import WAITS_ITS_TURN
from pettycash.services.operations.outbox_messages import FAILING
from pettycash.services.operations.periodic_jobs import FAILURES_MAX
from pettycash.services.reconciliation.invariants.checks import Check, Holds, Invariant

ONCE = (
    Check(
        name="one_settled_attempt_each",
        invariant=Invariant.I1,
        object_type="payment",
        query="""
        SELECT p.id AS object_id, p.status, count(t.id) AS settled
        FROM payments p LEFT JOIN payment_attempts t
            ON t.payment_id = p.id AND t.state = 'settled'
        GROUP BY p.id
        HAVING (count(t.id) > 1 AND NOT EXISTS (
                    SELECT FROM cases c WHERE c.object_id = p.id AND c.kind = 'contradiction'))
            OR (p.status = 'success' AND count(t.id) = 0)
        """,
    ),
    Check(
        name="attempts_are_what_was_released",
        invariant=Invariant.I1,
        object_type="payment",
        query="""
        SELECT coalesce(x.payment_id, t.payment_id) AS object_id, t.originator_reference AS found,
            x.originator_reference AS expected, t.amount, x.amount AS released
        FROM payment_executions x FULL JOIN payment_attempts t ON t.execution_id = x.id
        WHERE (t.payment_id, t.number, t.originator_reference, t.amount, t.currency)
            IS DISTINCT FROM
            (x.payment_id, x.attempt_number, x.originator_reference, x.amount, x.currency)
        """,
    ),
    Check(
        name="releases_go_where_it_was_approved",
        invariant=Invariant.I1,
        object_type="payment",
        # Of requisitions that were submitted since treasury alone could send them elsewhere.
        query="""
        SELECT p.id AS object_id, p.method, t.number AS attempt
        FROM payment_attempts t JOIN payments p ON p.id = t.payment_id
        WHERE EXISTS (SELECT FROM approval_rounds v WHERE v.subject_id = p.requisition_id
                AND v.facts ? 'evidence')
            AND NOT EXISTS (
                SELECT FROM approval_rounds r JOIN decisions d ON d.round_id = r.id
                    AND d.verdict IN ('approved', 'urgency_confirmed')
                    AND d.created_at <= t.created_at
                WHERE r.subject_id = p.requisition_id AND r.status = 'approved'
                    AND r.facts ->> 'method' = p.method
                    AND r.facts ->> 'destination' = t.destination)
        """,
    ),
    Check(
        name="restored_attempts_ask_first",
        invariant=Invariant.I1,
        object_type="payment",
        # Of what a backup held, the rail may have had the reference already.
        query="""
        SELECT p.id AS object_id, t.number AS attempt, r.number AS restore
        FROM restores r
            JOIN payment_attempts t ON t.created_at > r.stamped_at AND NOT t.asks_first
            JOIN payments p ON p.id = t.payment_id
            JOIN requisitions q ON q.id = p.requisition_id AND q.created_at <= r.covers_until
        WHERE t.provider_account_id IS NOT NULL AND NOT EXISTS (
            SELECT FROM payment_attempts u
            WHERE u.payment_id = p.id AND u.not_known_at > r.stamped_at)
        """,
    ),
    Check(
        name="restored_attempts_were_not_known",
        invariant=Invariant.I1,
        object_type="payment",
        query="""
        SELECT t.payment_id AS object_id, t.number AS attempt, t.first_sent_at, t.not_known_at
        FROM payment_attempts t
        WHERE t.asks_first AND t.first_sent_at > (SELECT max(stamped_at) FROM restores)
            AND (t.not_known_at IS NULL OR t.not_known_at > t.first_sent_at)
        """,
    ),
)
"""Money moves once, as far as our own tables can tell."""

ON_RECORD = (
    Check(
        name="decided_payments_have_an_exchange",
        invariant=Invariant.I4,
        object_type="payment",
        query="""
        SELECT p.id AS object_id, p.status, p.method
        FROM payments p
        WHERE p.status IN ('in_doubt', 'success', 'failed', 'reversed') AND NOT EXISTS (
            SELECT FROM payment_transactions x WHERE x.payment_id = p.id)
        """,
    ),
    Check(
        name="answers_of_releases_are_true",
        invariant=Invariant.I4,
        object_type="idempotency_key",
        # A client was told that its payment was released: then there is an execution of it.
        query="""
        SELECT k.id AS object_id, k.route, k.status AS answered
        FROM idempotency_keys k
        WHERE k.status BETWEEN 200 AND 299 AND k.body IS NOT NULL
            AND k.route LIKE '%/payments/%/execute%' AND NOT EXISTS (
                SELECT FROM payment_executions x
                WHERE x.payment_id =
                    (convert_from(k.body, 'UTF8')::jsonb ->> 'id')::uuid)
        """,
    ),
)
"""Whatever left for a rail or was answered to a client is on record."""

LOOKED_AFTER = (
    # Every attempt that may still move money is asked about until its end is proven.
    Check(
        name="live_attempts_are_enqueued",
        invariant=Invariant.I6,
        object_type="payment",
        fast=True,
        query="""
        SELECT p.id AS object_id, p.status, t.state, t.number AS attempt
        FROM payments p JOIN payment_attempts t ON t.payment_id = p.id
            AND t.state NOT IN ('settled', 'rejected')
        WHERE p.status IN ('executing', 'in_doubt') AND t.provider_account_id IS NOT NULL
            AND (NOT EXISTS (SELECT FROM outbox_messages o WHERE o.company_id = t.company_id
                    AND o.topic = 'payments.resolve' AND o.key = t.id AND o.completed_at IS NULL)
                -- What asks first has its question enqueued; the answer enqueues the sending.
                OR t.state IN ('queued', 'claimed')
                    AND NOT (t.asks_first AND t.not_known_at IS NULL) AND NOT EXISTS (
                    SELECT FROM outbox_messages o WHERE o.company_id = t.company_id
                    AND o.topic = 'payments.submit' AND o.key = t.id AND o.completed_at IS NULL))
        """,
    ),
    Check(
        name="doubts_are_asked_about",
        invariant=Invariant.I6,
        object_type="payment",
        fast=True,
        query="""
        SELECT p.id AS object_id, p.status_changed_at AS in_doubt_since
        FROM payments p
        WHERE p.status = 'in_doubt'
            AND NOT EXISTS (SELECT FROM payment_attempts t WHERE t.payment_id = p.id
                AND t.state NOT IN ('settled', 'rejected') AND t.next_query_at IS NOT NULL)
            AND NOT EXISTS (SELECT FROM cases c WHERE c.object_id = p.id
                AND c.status <> 'resolved')
        """,
    ),
    Check(
        name="redirects_hold_what_they_are_about",
        invariant=Invariant.I6,
        object_type="change",
        fast=True,
        query="""
        SELECT coalesce(c.id, h.open_redirect_id) AS object_id, c.status, h.id AS held
        FROM (SELECT id, open_redirect_id FROM payments WHERE open_redirect_id IS NOT NULL
                UNION ALL SELECT id, open_redirect_id FROM requisitions
                WHERE open_redirect_id IS NOT NULL) h
            FULL JOIN (SELECT * FROM changes WHERE kind = 'redirect' AND status = 'proposed') c
                ON c.id = h.open_redirect_id AND c.object_id = h.id
        WHERE c.id IS NULL OR h.id IS NULL
        """,
    ),
    # However it was lifted: nobody may find payments paused without a reason.
    Check(
        name="refused_accounts_have_a_case",
        invariant=Invariant.I6,
        object_type="provider_account",
        fast=True,
        query="""
        SELECT a.id AS object_id, a.code, a.refused_in_row, a.reported_refused_in_row
        FROM provider_accounts a
        WHERE greatest(a.refused_in_row, a.reported_refused_in_row) >= 2
            AND NOT EXISTS (SELECT FROM cases c
            WHERE c.object_id = a.id AND c.kind = 'credentials_refused')
        """,
    ),
    Check(
        name="unconfirmed_failures_are_owed",
        invariant=Invariant.I6,
        object_type="payment",
        query="""
        SELECT p.id AS object_id, t.number AS attempt
        FROM payments p JOIN payment_attempts t ON t.payment_id = p.id
            AND t.state = 'rejected' AND t.failure_confirmed_at IS NULL
        WHERE p.status IN ('failed', 'cancelled') AND NOT p.failure_confirmed AND NOT EXISTS (
            SELECT FROM outbox_messages o WHERE o.company_id = t.company_id
                AND o.topic = 'payments.resolve' AND o.key = t.id AND o.completed_at IS NULL)
        """,
    ),
    Check(
        name="unpaid_by_people_is_asked_about",
        invariant=Invariant.I6,
        object_type="payment",
        # Daily for a month, until the rail says so too; the last question is a day before its end.
        query="""
        SELECT t.payment_id AS object_id, t.number AS attempt, t.called_unpaid_at
        FROM payment_attempts t
        WHERE t.called_unpaid_at IS NOT NULL AND t.state = 'rejected'
            AND t.provider_account_id IS NOT NULL
            AND coalesce(t.last_query_at < t.called_unpaid_at + interval '29 days', true)
            AND NOT EXISTS (SELECT FROM outbox_messages o WHERE o.company_id = t.company_id
                AND o.topic = 'payments.resolve' AND o.key = t.id AND o.completed_at IS NULL)
            AND NOT EXISTS (SELECT FROM payment_transactions x
                WHERE x.payment_id = t.payment_id AND x.attempt_id = t.id
                    AND x.request_type = 'QUERY' AND x.status = 'rejected')
        """,
    ),
    Check(
        name="callbacks_alone_are_asked_about",
        invariant=Invariant.I6,
        object_type="payment",
        query="""
        SELECT t.payment_id AS object_id, t.number AS attempt, t.provider_reference
        FROM payment_attempts t
        WHERE t.state = 'settled' AND t.provider_account_id IS NOT NULL AND t.fee IS NULL
            AND t.outcome_code NOT LIKE 'people.%'
            AND NOT EXISTS (SELECT FROM payment_transactions x
                WHERE x.payment_id = t.payment_id AND x.attempt_id = t.id
                    AND x.status = 'settled' AND x.request_type <> 'CONFIRM')
            AND NOT EXISTS (SELECT FROM outbox_messages o WHERE o.company_id = t.company_id
                AND o.topic = 'payments.resolve' AND o.key = t.id AND o.completed_at IS NULL)
            AND NOT EXISTS (SELECT FROM cases c
                WHERE c.object_id = t.payment_id AND c.kind = 'contradiction')
        """,
    ),
    Check(
        name="callbacks_are_owed",
        invariant=Invariant.I6,
        object_type="callback",
        query="""
        SELECT k.id AS object_id, k.purpose, k.created_at AS stored_at
        FROM callbacks k
        WHERE k.processed_at IS NULL AND NOT EXISTS (
            SELECT FROM outbox_messages o WHERE o.company_id = k.company_id
                AND o.topic = 'callbacks.process' AND o.key = k.id AND o.completed_at IS NULL)
        """,
    ),
    Check(
        name="outbox_is_on_time",
        invariant=Invariant.I6,
        object_type="outbox_message",
        holds=Holds.RUNNING,
        fast=True,
        query=f"""
        SELECT id AS object_id, topic, due_at, attempts, failures
        FROM outbox_messages o
        WHERE completed_at IS NULL AND dead_lettered_at IS NULL AND due_at < :late
            AND NOT ({WAITS_ITS_TURN})
        """,  # noqa: S608 - a condition of ours
    ),
    Check(
        name="dead_letters_are_known",
        invariant=Invariant.I6,
        object_type="outbox_message",
        holds=Holds.RUNNING,
        # By a case, or because a person dead-lettered it.
        query="""
        SELECT o.id AS object_id, o.topic, o.dead_lettered_at, o.failures
        FROM outbox_messages o
        WHERE o.completed_at IS NULL AND o.dead_lettered_at < :late
            AND NOT EXISTS (SELECT FROM cases c WHERE c.object_id = o.id
                AND c.kind = 'dead_letter')
            AND NOT EXISTS (SELECT FROM security_events e WHERE e.event = 'outbox.dead_lettered'
                AND e.detail ->> 'message_id' = o.id::text)
        """,
    ),
    Check(
        name="notices_are_enqueued",
        invariant=Invariant.I6,
        object_type="notice",
        fast=True,
        query="""
        SELECT n.id AS object_id, n.kind, n.created_at
        FROM notices n
        WHERE n.sent_at IS NULL AND n.timing = 'at_once' AND NOT EXISTS (
            SELECT FROM outbox_messages o WHERE o.company_id = n.company_id
                AND o.topic = 'notifications.notice' AND o.key = n.id AND o.completed_at IS NULL)
        """,
    ),
    Check(
        name="alerts_reach_people",
        invariant=Invariant.I6,
        object_type="outbox_message",
        holds=Holds.RUNNING,
        fast=True,
        # Whoever would be told of it by mail is not: see `outbox.NEVER_PARKED`.
        query=f"""
        SELECT id AS object_id, failures, last_error
        FROM outbox_messages
        WHERE topic = 'notifications.alert' AND completed_at IS NULL AND dead_lettered_at IS NULL
            AND failures >= {FAILING}
        """,  # noqa: S608 - a number of ours
    ),
    Check(
        name="periodic_jobs_end",
        invariant=Invariant.I6,
        object_type="periodic_job",
        holds=Holds.RUNNING,
        fast=True,
        query=f"""
        SELECT name AS object_id, begun_at, failures, last_error
        FROM periodic_jobs WHERE failures >= {FAILURES_MAX}
        """,  # noqa: S608 - a number of ours
    ),
    Check(
        name="executing_is_decided_in_time",
        invariant=Invariant.I6,
        object_type="payment",
        holds=Holds.RUNNING,
        fast=True,
        query="""
        SELECT p.id AS object_id, t.state, t.decide_by
        FROM payments p JOIN payment_attempts t ON t.payment_id = p.id
            AND t.state NOT IN ('settled', 'rejected')
        WHERE p.status = 'executing' AND t.provider_account_id IS NOT NULL
            AND (t.first_sent_at IS NOT NULL OR t.asks_first AND t.not_known_at IS NULL)
            AND t.decide_by < :late
        """,
    ),
    Check(
        name="nothing_is_undecided",
        invariant=Invariant.I6,
        object_type="payment",
        holds=Holds.SETTLED,
        # Cash waits for its recipient, which nobody can hurry.
        query="""
        SELECT p.id AS object_id, p.status, p.status_changed_at AS since
        FROM payments p
        WHERE p.method <> 'cash' AND (p.status IN ('executing', 'in_doubt')
                OR p.status = 'failed' AND NOT p.failure_confirmed)
            AND NOT EXISTS (SELECT FROM cases c WHERE c.object_id = p.id
                AND c.status <> 'resolved')
        """,
    ),
    Check(
        name="every_callback_was_read",
        invariant=Invariant.I6,
        object_type="callback",
        holds=Holds.SETTLED,
        query="""
        SELECT id AS object_id, purpose, created_at AS stored_at
        FROM callbacks WHERE processed_at IS NULL
        """,
    ),
)
"""Everything that was begun has a message or a case."""
