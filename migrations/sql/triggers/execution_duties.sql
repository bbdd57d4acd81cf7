-- A release: of what was approved, by somebody who may and who has proven it for exactly this
-- payment.
CREATE OR REPLACE FUNCTION execution_duties() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $body$
DECLARE
    requisition requisitions;
    payment payments;
    excluded text;
BEGIN
    SELECT * INTO requisition FROM requisitions WHERE id = NEW.requisition_id FOR NO KEY UPDATE;
    SELECT * INTO payment FROM payments WHERE id = NEW.payment_id FOR NO KEY UPDATE;
    IF requisition.id IS NULL OR payment.id IS NULL
       OR payment.requisition_id <> requisition.id
       OR payment.company_id <> NEW.company_id OR requisition.company_id <> NEW.company_id THEN
        RAISE EXCEPTION 'payment and requisition do not belong together' USING ERRCODE = 'PC004';
    END IF;
    IF NEW.amount <> payment.amount OR NEW.currency <> payment.currency THEN
        RAISE EXCEPTION 'an execution is for the payment''s amount' USING ERRCODE = 'PC005';
    END IF;

    -- Of the releaser every duty counts; of those whose decisions this payment stands on, whether
    -- they ask for the money or get it.
    SELECT format('the %s is its %s', h.duty, own.duty) INTO excluded
        FROM (SELECT 'releaser' AS duty, NEW.executor_id AS user_id
              UNION ALL SELECT 'maker', payment.maker_id
              UNION ALL SELECT 'approver', d.user_id FROM decisions d
                JOIN approval_steps s ON s.id = d.step_id AND s.status = 'approved'
                JOIN approval_rounds o ON o.id = d.round_id
                    AND o.status IN ('approved', 'handed_over')
                WHERE d.subject_id = requisition.id
                    AND d.verdict IN ('approved', 'urgency_confirmed')) AS own
        JOIN duty_holders(requisition.id) h ON h.user_id = own.user_id
            AND (own.duty = 'releaser' OR h.duty IN ('requester', 'recipient'))
        JOIN duty_pairs p ON p.duty = own.duty AND p.other = h.duty
        LIMIT 1;
    IF excluded IS NOT NULL THEN
        RAISE EXCEPTION '%, which excludes each other', excluded USING ERRCODE = 'PC004';
    END IF;
    IF payment.method = 'cash' THEN
        IF NOT EXISTS (
            SELECT FROM stores s JOIN funds f ON f.id = s.fund_id WHERE s.id = payment.store_id
                AND NEW.executor_id IN (f.custodian_id, f.alternate_custodian_id)) THEN
            RAISE EXCEPTION 'cash is paid by a custodian of its fund' USING ERRCODE = 'PC004';
        END IF;
    ELSIF NOT EXISTS (
        SELECT FROM role_assignments a
        WHERE a.company_id = NEW.company_id AND a.user_id = NEW.executor_id
            AND a.role IN ('treasury', 'cfo')
            AND a.valid_from
                <= greatest(NEW.created_at, NEW.verified_at, payment.status_changed_at)
            AND (a.valid_until IS NULL OR a.valid_until >= NEW.created_at)) THEN
        RAISE EXCEPTION 'treasury or the cfo releases payments' USING ERRCODE = 'PC004';
    END IF;

    IF requisition.status <> 'in_payment'
       OR (payment.payee_name, payment.payee_user_id)
              IS DISTINCT FROM (requisition.payee_name, requisition.payee_user_id)
       OR NOT EXISTS (SELECT FROM approval_rounds
                      WHERE subject_id = requisition.id AND status = 'approved') THEN
        RAISE EXCEPTION 'nobody approved this payment' USING ERRCODE = 'PC014';
    END IF;
    IF payment.status NOT IN ('pending', 'scheduled', 'failed')
       OR NOT payment.failure_confirmed OR payment.blocked_by_case_id IS NOT NULL THEN
        RAISE EXCEPTION 'it is under way, over, or may yet be paid' USING ERRCODE = 'PC007';
    END IF;
    IF payment.digest <> payment_digest(payment) THEN
        RAISE EXCEPTION 'the payment is not what its digest says' USING ERRCODE = 'PC013';
    END IF;
    IF NEW.grant_id IS NULL THEN
        IF payment.otp_required
           OR payment.amount >= otp_floor(NEW.company_id, payment.currency, NEW.created_at) THEN
            RAISE EXCEPTION 'this release takes a code' USING ERRCODE = 'PC013';
        END IF;
    ELSIF NOT EXISTS (
        SELECT FROM release_grants g JOIN release_challenges c ON c.id = g.challenge_id
        WHERE g.id = NEW.grant_id AND g.company_id = NEW.company_id
            AND g.executor_id = NEW.executor_id AND g.spent_at IS NOT NULL
            AND g.subject_kind = 'payment' AND g.subject_id = payment.id
            AND g.subject_digest = payment.digest AND c.state = 'verified') THEN
        RAISE EXCEPTION 'no spent code of theirs is for this payment' USING ERRCODE = 'PC013';
    END IF;
    RETURN NEW;
END
$body$;
REVOKE ALL ON FUNCTION execution_duties() FROM PUBLIC;

CREATE OR REPLACE TRIGGER duties BEFORE INSERT ON payment_executions
    FOR EACH ROW EXECUTE FUNCTION execution_duties();
