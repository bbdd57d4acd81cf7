-- Whoever says what became of money has no duty about it that excludes that, and of the two who
-- do, at most one has approved it.
CREATE OR REPLACE FUNCTION case_duties() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $body$
DECLARE
    requisition uuid;
    judge uuid;
    excluded text;
BEGIN
    IF NEW.object_type <> 'payment' OR NEW.proposal IS NULL
       OR NEW.proposal ->> 'ending' NOT IN ('paid', 'not_paid', 'returned') THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        IF (NEW.proposal, NEW.proposed_by, NEW.resolved_by)
           IS NOT DISTINCT FROM (OLD.proposal, OLD.proposed_by, OLD.resolved_by) THEN
            RETURN NEW;
        END IF;
    END IF;
    SELECT requisition_id INTO requisition FROM payments WHERE id = NEW.object_id;
    FOREACH judge IN ARRAY ARRAY[NEW.proposed_by, NEW.resolved_by] LOOP
        excluded := duty_conflict(requisition, judge, 'judge');
        IF excluded IS NOT NULL THEN
            RAISE EXCEPTION 'the % can''t say what became of the money', excluded
                USING ERRCODE = 'PC004';
        END IF;
    END LOOP;
    IF NEW.resolved_by IS NOT NULL AND (
        NEW.proposed_by IS NULL OR NEW.resolved_by = NEW.proposed_by
        OR (SELECT count(DISTINCT h.user_id) FROM duty_holders(requisition) h
            WHERE h.duty = 'approver' AND h.user_id IN (NEW.proposed_by, NEW.resolved_by)) > 1) THEN
        RAISE EXCEPTION 'two people say it, and one of them has not approved it'
            USING ERRCODE = 'PC004';
    END IF;
    RETURN NEW;
END
$body$;
REVOKE ALL ON FUNCTION case_duties() FROM PUBLIC;
