-- Cash goes out within the limit of its fund: all cash of a requisition together, however it is
-- split. What nobody validated goes out under a standing validation that is in force, and within the
-- same limit for all that the fund hands to one payee in a day. The limit stays written with it.
CREATE OR REPLACE FUNCTION cash_limits() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $body$
DECLARE
    payment payments;
    fund funds;
BEGIN
    SELECT * INTO payment FROM payments WHERE id = NEW.payment_id;
    NEW.cash_limit := NULL;
    IF payment.standing_validation_id IS NULL AND payment.maker_id IS NULL AND NOT EXISTS (
           SELECT FROM requisitions r
           WHERE r.id = payment.requisition_id AND r.validated_by IS NOT NULL) THEN
        RAISE EXCEPTION 'nobody has validated this payment' USING ERRCODE = 'PC031';
    END IF;
    IF payment.method <> 'cash' THEN
        IF payment.standing_validation_id IS NOT NULL THEN
            RAISE EXCEPTION 'a standing validation is for cash' USING ERRCODE = 'PC031';
        END IF;
        RETURN NEW;
    END IF;
    SELECT f.* INTO fund FROM stores s JOIN funds f ON f.id = s.fund_id
        WHERE s.id = payment.store_id;
    NEW.cash_limit := fund.cash_limit;
    IF fund.cash_limit < (
        SELECT sum(p.amount) FROM payments p
        WHERE p.requisition_id = payment.requisition_id AND p.method = 'cash'
            AND (p.id = payment.id OR p.status NOT IN ('cancelled', 'reversed')
                AND NOT (p.status = 'failed' AND p.failure_confirmed))) THEN
        RAISE EXCEPTION 'all cash of a requisition is at most %', fund.cash_limit
            USING ERRCODE = 'PC030';
    END IF;
    IF payment.standing_validation_id IS NULL THEN
        RETURN NEW;
    END IF;
    IF payment.standing_validation_id IS DISTINCT FROM
           standing_validation(payment.requisition_id, payment.store_id, NEW.created_at) THEN
        RAISE EXCEPTION 'no standing validation of its fund covers it' USING ERRCODE = 'PC031';
    END IF;
    -- One after another, so that neither of two vouchers misses the other; before any account.
    PERFORM pg_advisory_xact_lock(hashtextextended('cash of ' || fund.id, 0));
    IF fund.cash_limit < payment.amount
           + cash_of_day(payment, fund.id, NEW.created_at, p_pending => false) THEN
        RAISE EXCEPTION 'all cash to one payee in a day is at most %', fund.cash_limit
            USING ERRCODE = 'PC030';
    END IF;
    RETURN NEW;
END
$body$;

REVOKE ALL ON FUNCTION cash_limits FROM PUBLIC;

-- After "duties", which locks requisition and payment.
CREATE OR REPLACE TRIGGER limits BEFORE INSERT ON payment_executions
    FOR EACH ROW EXECUTE FUNCTION cash_limits();
