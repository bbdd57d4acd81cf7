"""Segregation of duties, the approved amount, states and facts that never change.

Revision ID: 0007
"""

from alembic import op

from migrations.security import function, secure

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# An approval: never by the maker, never twice in a round, never after the same person released or
# made a payment. The requisition is locked first, so that two inserts can't miss each other.
DECISION_DUTIES = """
DECLARE
    requisition requisitions;
BEGIN
    SELECT * INTO requisition FROM requisitions WHERE id = NEW.requisition_id FOR UPDATE;
    IF NOT FOUND OR requisition.company_id <> NEW.company_id THEN
        RAISE EXCEPTION 'requisition is missing' USING ERRCODE = 'PC004';
    END IF;
    IF NEW.user_id = requisition.requester_id THEN
        RAISE EXCEPTION 'the maker can''t decide their own requisition' USING ERRCODE = 'PC004';
    END IF;
    IF NOT EXISTS (SELECT FROM step_assignees a WHERE a.step_id = NEW.step_id
                   AND a.round_id = NEW.round_id AND a.user_id = NEW.user_id) THEN
        RAISE EXCEPTION 'only an assignee decides a step' USING ERRCODE = 'PC004';
    END IF;
    IF NEW.verdict IN ('approved', 'urgency_confirmed') THEN
        IF EXISTS (SELECT FROM decisions d WHERE d.round_id = NEW.round_id
                   AND d.user_id = NEW.user_id AND d.verdict IN ('approved', 'urgency_confirmed')) THEN
            RAISE EXCEPTION 'approvers of a round are different people' USING ERRCODE = 'PC004';
        END IF;
        IF EXISTS (SELECT FROM payment_executions e WHERE e.requisition_id = NEW.requisition_id
                   AND e.executor_id = NEW.user_id)
           OR EXISTS (SELECT FROM payments p WHERE p.requisition_id = NEW.requisition_id
                      AND p.maker_id = NEW.user_id) THEN
            RAISE EXCEPTION 'who pays can''t approve' USING ERRCODE = 'PC004';
        END IF;
    END IF;
    RETURN NEW;
END
"""

EXECUTION_DUTIES = """
DECLARE
    requisition requisitions;
    payment payments;
BEGIN
    SELECT * INTO requisition FROM requisitions WHERE id = NEW.requisition_id FOR UPDATE;
    SELECT * INTO payment FROM payments WHERE id = NEW.payment_id FOR UPDATE;
    IF requisition.id IS NULL OR payment.id IS NULL
       OR payment.requisition_id <> requisition.id
       OR payment.company_id <> NEW.company_id OR requisition.company_id <> NEW.company_id THEN
        RAISE EXCEPTION 'payment and requisition do not belong together' USING ERRCODE = 'PC004';
    END IF;
    IF NEW.amount <> payment.amount OR NEW.currency <> payment.currency THEN
        RAISE EXCEPTION 'an execution is for the payment''s amount' USING ERRCODE = 'PC005';
    END IF;
    IF NEW.executor_id = requisition.requester_id THEN
        RAISE EXCEPTION 'the requester can''t release the payment' USING ERRCODE = 'PC004';
    END IF;
    IF NEW.executor_id IS NOT DISTINCT FROM payment.maker_id THEN
        RAISE EXCEPTION 'the payment''s maker can''t release it' USING ERRCODE = 'PC004';
    END IF;
    IF NEW.executor_id IS NOT DISTINCT FROM payment.payee_user_id THEN
        RAISE EXCEPTION 'the recipient can''t release the payment' USING ERRCODE = 'PC004';
    END IF;
    IF EXISTS (SELECT FROM decisions d WHERE d.requisition_id = requisition.id
               AND d.user_id = NEW.executor_id
               AND d.verdict IN ('approved', 'urgency_confirmed')) THEN
        RAISE EXCEPTION 'an approver can''t release the payment' USING ERRCODE = 'PC004';
    END IF;
    RETURN NEW;
END
"""

# Also later: making somebody the maker of a payment that they released, or the requester of a
# requisition that they approved, is refused.
PAYMENT_DUTIES = """
DECLARE
    requisition requisitions;
    committed numeric;
BEGIN
    SELECT * INTO requisition FROM requisitions WHERE id = NEW.requisition_id FOR UPDATE;
    IF NOT FOUND OR requisition.company_id <> NEW.company_id THEN
        RAISE EXCEPTION 'requisition is missing' USING ERRCODE = 'PC005';
    END IF;
    IF TG_OP = 'UPDATE' THEN
        IF NEW.requisition_id <> OLD.requisition_id OR NEW.company_id <> OLD.company_id
           OR NEW.ordinal <> OLD.ordinal OR NEW.currency <> OLD.currency THEN
            RAISE EXCEPTION 'a payment keeps its requisition and currency' USING ERRCODE = 'PC009';
        END IF;
        IF (NEW.amount, NEW.destination, NEW.store_id, NEW.method, NEW.payee_name)
               IS DISTINCT FROM
           (OLD.amount, OLD.destination, OLD.store_id, OLD.method, OLD.payee_name)
           AND OLD.status <> 'pending' THEN
            RAISE EXCEPTION 'a released payment can''t be changed' USING ERRCODE = 'PC009';
        END IF;
    END IF;
    IF requisition.currency <> NEW.currency OR requisition.approved_amount IS NULL THEN
        RAISE EXCEPTION 'only an approved requisition is paid, in its currency'
            USING ERRCODE = 'PC005';
    END IF;
    IF EXISTS (SELECT FROM payment_executions e WHERE e.payment_id = NEW.id
               AND e.executor_id = NEW.maker_id)
       OR NEW.maker_id IS NOT DISTINCT FROM requisition.requester_id
       OR EXISTS (SELECT FROM decisions d WHERE d.requisition_id = requisition.id
                  AND d.user_id = NEW.maker_id AND d.verdict IN ('approved', 'urgency_confirmed'))
    THEN
        RAISE EXCEPTION 'maker, approvers and executor are different people'
            USING ERRCODE = 'PC004';
    END IF;
    -- What has happened is recorded even above the approval: a proof after a failure.
    IF TG_OP = 'UPDATE' AND NEW.status = 'success' AND OLD.status = 'failed' THEN
        RETURN NEW;
    END IF;
    SELECT coalesce(sum(p.amount), 0) INTO committed FROM payments p
        WHERE p.requisition_id = requisition.id AND p.id <> NEW.id
          AND p.status NOT IN ('cancelled', 'reversed')
          AND NOT (p.status = 'failed' AND p.failure_confirmed);
    IF NEW.status NOT IN ('cancelled', 'reversed', 'success')
       AND NOT (NEW.status = 'failed' AND NEW.failure_confirmed)
       AND committed + NEW.amount > requisition.approved_amount THEN
        RAISE EXCEPTION 'payments of % exceed the approved %',
            committed + NEW.amount, requisition.approved_amount USING ERRCODE = 'PC005';
    END IF;
    RETURN NEW;
END
"""

RECONCILER_DUTIES = """
BEGIN
    IF NEW.reconciled_by IS NOT NULL AND EXISTS (
        SELECT FROM payment_executions e WHERE e.payment_id = NEW.payment_id
            AND e.executor_id = NEW.reconciled_by) THEN
        RAISE EXCEPTION 'who released a payment can''t reconcile it' USING ERRCODE = 'PC004';
    END IF;
    RETURN NEW;
END
"""

REQUISITION_FACTS = """
BEGIN
    IF NEW.requester_id <> OLD.requester_id OR NEW.company_id <> OLD.company_id
       OR NEW.currency <> OLD.currency OR NEW.number <> OLD.number THEN
        RAISE EXCEPTION 'a requisition keeps its maker, company, currency and number'
            USING ERRCODE = 'PC009';
    END IF;
    RETURN NEW;
END
"""

LINES_ADD_UP = """
DECLARE
    requisition requisitions;
    total numeric;
BEGIN
    IF TG_TABLE_NAME = 'requisitions' THEN
        SELECT * INTO requisition FROM requisitions WHERE id = NEW.id;
    ELSIF TG_OP = 'INSERT' THEN
        SELECT * INTO requisition FROM requisitions WHERE id = NEW.requisition_id;
    ELSE
        SELECT * INTO requisition FROM requisitions WHERE id = OLD.requisition_id;
    END IF;
    SELECT sum(amount) INTO total FROM requisition_lines WHERE requisition_id = requisition.id;
    IF total IS DISTINCT FROM requisition.amount THEN
        RAISE EXCEPTION 'lines add up to %, the requisition to %', total, requisition.amount
            USING ERRCODE = 'PC006';
    END IF;
    RETURN NULL;
END
"""

STATES = """
BEGIN
    IF NEW.status <> OLD.status AND NOT EXISTS (
        SELECT FROM allowed_transitions t WHERE t.machine = TG_TABLE_NAME
            AND t.from_status = OLD.status AND t.to_status = NEW.status) THEN
        RAISE EXCEPTION '%: % can''t become %', TG_TABLE_NAME, OLD.status, NEW.status
            USING ERRCODE = 'PC007';
    END IF;
    RETURN NEW;
END
"""

ATTEMPT_FACTS = """
BEGIN
    IF (NEW.company_id, NEW.payment_id, NEW.execution_id, NEW.number, NEW.provider_account_id,
        NEW.base_url, NEW.originator_reference, NEW.amount, NEW.currency, NEW.destination)
       IS DISTINCT FROM
       (OLD.company_id, OLD.payment_id, OLD.execution_id, OLD.number, OLD.provider_account_id,
        OLD.base_url, OLD.originator_reference, OLD.amount, OLD.currency, OLD.destination) THEN
        RAISE EXCEPTION 'an attempt keeps its instruction and reference' USING ERRCODE = 'PC009';
    END IF;
    IF OLD.state = 'settled' AND NEW.state <> 'settled' THEN
        RAISE EXCEPTION 'a settled attempt stays settled' USING ERRCODE = 'PC007';
    END IF;
    IF OLD.ever_unknown AND NOT NEW.ever_unknown THEN
        RAISE EXCEPTION 'an answer once lost stays lost' USING ERRCODE = 'PC009';
    END IF;
    RETURN NEW;
END
"""

TRANSITIONS = {
    "payments": {
        "pending": ("scheduled", "executing", "cancelled"),
        "scheduled": ("executing", "cancelled"),
        "executing": ("success", "failed", "in_doubt"),
        "in_doubt": ("success", "failed"),
        "success": ("reversed",),
        "failed": ("executing", "cancelled", "success"),
    },
    "replenishments": {
        "pending": ("approved", "rejected", "cancelled"),
        "approved": ("funded", "cancelled"),
        "funded": ("received",),
    },
}

TRIGGERS = (
    ("decisions", "duties", "BEFORE INSERT", "decision_duties"),
    ("payment_executions", "duties", "BEFORE INSERT", "execution_duties"),
    ("payments", "duties", "BEFORE INSERT OR UPDATE", "payment_duties"),
    ("payment_reconciliations", "duties", "BEFORE INSERT", "reconciler_duties"),
    ("requisitions", "facts", "BEFORE UPDATE", "requisition_facts"),
    ("payment_attempts", "facts", "BEFORE UPDATE", "attempt_facts"),
    ("payments", "states", "BEFORE UPDATE", "check_state"),
    ("replenishments", "states", "BEFORE UPDATE", "check_state"),
)


def upgrade() -> None:
    op.execute(
        """CREATE TABLE allowed_transitions (machine text, from_status text, to_status text,
               PRIMARY KEY (machine, from_status, to_status))"""
    )
    secure("allowed_transitions", app=None)
    for machine, states in TRANSITIONS.items():
        for start, ends in states.items():
            for end in ends:
                op.execute(
                    f"INSERT INTO allowed_transitions VALUES ('{machine}', '{start}', '{end}')"
                )
    for name, body in (
        ("decision_duties", DECISION_DUTIES),
        ("execution_duties", EXECUTION_DUTIES),
        ("payment_duties", PAYMENT_DUTIES),
        ("reconciler_duties", RECONCILER_DUTIES),
        ("requisition_facts", REQUISITION_FACTS),
        ("attempt_facts", ATTEMPT_FACTS),
        ("check_state", STATES),
        ("lines_add_up", LINES_ADD_UP),
    ):
        function(f"{name}()", body, returns="trigger")
    for table, name, when, body in TRIGGERS:
        op.execute(
            f"CREATE TRIGGER {name} {when} ON {table} FOR EACH ROW EXECUTE FUNCTION {body}()"
        )
    for table, when in (
        ("requisitions", "INSERT OR UPDATE OF amount"),
        ("requisition_lines", "INSERT OR DELETE"),
    ):
        op.execute(
            f"""CREATE CONSTRAINT TRIGGER lines_add_up AFTER {when} ON {table}
                DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION lines_add_up()"""
        )
    for name in ("uuid", "text"):
        op.execute(f"CREATE TYPE {name}_range AS RANGE (subtype = {name})")
    # Two live tiers of one company, currency and origin never share an amount at one time.
    op.execute(
        """ALTER TABLE approval_thresholds ADD CONSTRAINT ex_approval_thresholds_overlap
           EXCLUDE USING gist (
               uuid_range(company_id, company_id, '[]') WITH &&,
               text_range(currency::text, currency::text, '[]') WITH &&,
               text_range(origin::text, origin::text, '[]') WITH &&,
               numrange(min_amount, max_amount, '(]') WITH &&,
               tstzrange(valid_from, valid_until, '[)') WITH &&)"""
    )


def downgrade() -> None:
    op.execute("ALTER TABLE approval_thresholds DROP CONSTRAINT ex_approval_thresholds_overlap")
    for name in ("uuid", "text"):
        op.execute(f"DROP TYPE {name}_range")
    for table in ("requisitions", "requisition_lines"):
        op.execute(f"DROP TRIGGER lines_add_up ON {table}")
    for table, name, _, _ in TRIGGERS:
        op.execute(f"DROP TRIGGER {name} ON {table}")
    for name in (
        "decision_duties",
        "execution_duties",
        "payment_duties",
        "reconciler_duties",
        "requisition_facts",
        "attempt_facts",
        "check_state",
        "lines_add_up",
    ):
        op.execute(f"DROP FUNCTION {name}")
    op.execute("DROP TABLE allowed_transitions")
