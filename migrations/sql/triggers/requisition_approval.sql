-- A requisition is paid for what its newest round approves, and that never rises.
CREATE OR REPLACE FUNCTION requisition_approval() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $body$
DECLARE
    approved approval_rounds;
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status <> 'draft' OR NEW.approved_amount IS NOT NULL THEN
            RAISE EXCEPTION 'a requisition begins as a draft' USING ERRCODE = 'PC014';
        END IF;
        RETURN NEW;
    END IF;
    IF OLD.status IN ('in_payment', 'paid', 'reviewed', 'closed_short') THEN
        IF NEW.approved_amount IS NULL OR NEW.approved_amount > OLD.approved_amount THEN
            RAISE EXCEPTION 'what was approved only falls' USING ERRCODE = 'PC005';
        END IF;
        IF (NEW.amount, NEW.payee_name, NEW.payee_user_id, NEW.purpose, NEW.approved_digest)
           IS DISTINCT FROM
           (OLD.amount, OLD.payee_name, OLD.payee_user_id, OLD.purpose, OLD.approved_digest) THEN
            RAISE EXCEPTION 'what is paid is what was approved' USING ERRCODE = 'PC009';
        END IF;
        -- Back to payment when money came back: a fact, and its round was looked at before.
        RETURN NEW;
    END IF;
    IF NEW.approved_amount IS NULL OR (
        NEW.approved_amount <= OLD.approved_amount AND NEW.status <> 'in_payment') THEN
        IF NEW.status = 'in_payment' THEN
            RAISE EXCEPTION 'nothing of it is approved' USING ERRCODE = 'PC014';
        END IF;
        RETURN NEW;
    END IF;
    SELECT * INTO approved FROM approval_rounds WHERE subject_id = NEW.id
        ORDER BY number DESC LIMIT 1;
    IF approved.status IS DISTINCT FROM 'approved' THEN
        RAISE EXCEPTION 'no round of it is approved' USING ERRCODE = 'PC014';
    END IF;
    IF NEW.approved_amount > (approved.facts ->> 'amount')::numeric THEN
        RAISE EXCEPTION 'no more than % was approved', approved.facts ->> 'amount'
            USING ERRCODE = 'PC005';
    END IF;
    IF NEW.status = 'in_payment' AND (
        NOT round_stands(approved.id)
        OR approved.digest IS DISTINCT FROM NEW.approved_digest
        OR approved.digest IS DISTINCT FROM facts_digest(approved.facts)
        OR (NEW.amount, NEW.currency::text, NEW.kind::text, NEW.payee_name, NEW.payee_user_id::text,
            NEW.method::text, NEW.destination, NEW.purpose, NEW.origin_reason)
           IS DISTINCT FROM
           ((approved.facts ->> 'amount')::numeric, approved.facts ->> 'currency',
            approved.facts ->> 'kind', approved.facts ->> 'payee_name',
            approved.facts ->> 'payee_user_id', approved.facts ->> 'method',
            approved.facts ->> 'destination', approved.facts ->> 'purpose',
            approved.facts ->> 'origin_reason')) THEN
        RAISE EXCEPTION 'its approved round is of something else' USING ERRCODE = 'PC014';
    END IF;
    RETURN NEW;
END
$body$;
REVOKE ALL ON FUNCTION requisition_approval() FROM PUBLIC;

-- After "states", which knows the steps.
CREATE OR REPLACE TRIGGER stays_approved BEFORE INSERT OR UPDATE OF status, approved_amount,
    approved_digest, amount, payee_name, payee_user_id, purpose
    ON requisitions FOR EACH ROW
    EXECUTE FUNCTION requisition_approval();
