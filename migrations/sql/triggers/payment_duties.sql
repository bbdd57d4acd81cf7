-- A payment: within what was approved, made by nobody whose other duty excludes that.
CREATE OR REPLACE FUNCTION payment_duties() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $body$
DECLARE
    requisition requisitions;
    committed numeric;
    excluded text;
BEGIN
    SELECT * INTO requisition FROM requisitions WHERE id = NEW.requisition_id FOR NO KEY UPDATE;
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
    ELSIF NEW.status <> 'pending' THEN
        RAISE EXCEPTION 'a payment begins pending' USING ERRCODE = 'PC007';
    END IF;
    IF NEW.maker_id IS NOT NULL
       AND (TG_OP = 'INSERT' OR NEW.maker_id IS DISTINCT FROM OLD.maker_id) THEN
        excluded := duty_conflict(requisition.id, NEW.maker_id, 'maker');
        IF excluded IS NOT NULL THEN
            RAISE EXCEPTION 'the % can''t make a payment of it', excluded USING ERRCODE = 'PC004';
        END IF;
    END IF;
    -- Who changes it is its maker too, and who made it stays one: the trail keeps them.
    IF TG_OP = 'UPDATE' AND OLD.maker_id IS NOT NULL AND NEW.maker_id IS DISTINCT FROM OLD.maker_id
       AND (NEW.maker_id IS NULL OR NOT EXISTS (
           SELECT FROM approval_trail t
           WHERE t.company_id = NEW.company_id AND t.subject_id = NEW.requisition_id
               AND t.override = 'remade' AND t.on_behalf_of = OLD.maker_id)) THEN
        RAISE EXCEPTION 'who made a payment stays its maker' USING ERRCODE = 'PC009';
    END IF;
    -- Somebody has validated it, or a fund's standing validation has: then nobody made it, and it is
    -- cash out of that fund. Whether that holds when the cash goes out, `cash_limits` asks.
    IF NEW.standing_validation_id IS NULL THEN
        IF TG_OP = 'INSERT' AND NEW.maker_id IS NULL AND requisition.validated_by IS NULL THEN
            RAISE EXCEPTION 'nobody has validated this payment' USING ERRCODE = 'PC031';
        END IF;
    ELSIF (TG_OP = 'INSERT' OR NEW.standing_validation_id IS DISTINCT FROM OLD.standing_validation_id)
       AND (NEW.method <> 'cash' OR requisition.validated_by IS NOT NULL OR NOT EXISTS (
           SELECT FROM standing_validations v JOIN stores s ON s.fund_id = v.fund_id
           WHERE v.id = NEW.standing_validation_id AND s.id = NEW.store_id)) THEN
        RAISE EXCEPTION 'this standing validation is not about it' USING ERRCODE = 'PC031';
    END IF;
    -- Only what people decide is measured: whatever happens is recorded, even above the approval
    -- or after it was withdrawn.
    IF TG_OP = 'UPDATE' AND NEW.amount = OLD.amount
       AND (NEW.status = OLD.status OR NEW.status NOT IN ('scheduled', 'executing')) THEN
        RETURN NEW;
    END IF;
    IF requisition.currency <> NEW.currency OR requisition.approved_amount IS NULL THEN
        RAISE EXCEPTION 'only an approved requisition is paid, in its currency'
            USING ERRCODE = 'PC005';
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
$body$;
REVOKE ALL ON FUNCTION payment_duties() FROM PUBLIC;

CREATE OR REPLACE TRIGGER duties BEFORE INSERT OR UPDATE ON payments
    FOR EACH ROW EXECUTE FUNCTION payment_duties();
