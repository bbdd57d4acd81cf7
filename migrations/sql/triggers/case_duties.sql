-- Whoever says what became of money holds a role that judges, or is the company's escalation
-- approver, and has no duty about it that excludes that. Of the two who do, at most one has approved
-- it, and the second has not recorded the evidence. No amount is said with it.
CREATE OR REPLACE FUNCTION case_duties() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $body$
DECLARE
    requisition uuid;
    judge record;
    excluded text;
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.status = 'resolved' AND
       (NEW.status, NEW.proposal, NEW.proposed_by, NEW.proposed_at, NEW.decided_by, NEW.decided_at,
        NEW.decision_reason)
       IS DISTINCT FROM
       (OLD.status, OLD.proposal, OLD.proposed_by, OLD.proposed_at, OLD.decided_by, OLD.decided_at,
        OLD.decision_reason)
    THEN
        RAISE EXCEPTION 'a case that has ended stays as it ended' USING ERRCODE = 'PC009';
    END IF;
    IF NEW.object_type <> 'payment' OR NEW.proposal IS NULL
       OR NEW.proposal ->> 'ending' NOT IN ('paid', 'not_paid', 'returned') THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        IF (NEW.proposal, NEW.proposed_by, NEW.decided_by)
           IS NOT DISTINCT FROM (OLD.proposal, OLD.proposed_by, OLD.decided_by) THEN
            RETURN NEW;
        END IF;
    END IF;
    SELECT requisition_id INTO requisition FROM payments WHERE id = NEW.object_id;
    IF NEW.proposal ? 'amount' THEN
        RAISE EXCEPTION 'what people say of money names no amount' USING ERRCODE = 'PC009';
    END IF;
    FOR judge IN
        SELECT * FROM (VALUES (NEW.proposed_by, NEW.proposed_at), (NEW.decided_by, NEW.decided_at))
            AS said (person, told_at) WHERE person IS NOT NULL
    LOOP
        excluded := duty_conflict(requisition, judge.person, 'judge');
        IF excluded IS NOT NULL THEN
            RAISE EXCEPTION 'the % can''t say what became of the money', excluded
                USING ERRCODE = 'PC004';
        END IF;
        IF NOT EXISTS (
            SELECT FROM role_assignments a
            WHERE a.company_id = NEW.company_id AND a.user_id = judge.person
                AND a.role IN ('treasury', 'group_finance_manager', 'cfo', 'fpa', 'ceo')
                AND a.valid_from <= judge.told_at
                AND (a.valid_until IS NULL OR a.valid_until >= judge.told_at))
           AND judge.person::text IS DISTINCT FROM (
            SELECT s.data ->> 'escalation_approver_id' FROM company_settings s
            WHERE s.company_id = NEW.company_id AND s.created_at <= judge.told_at
            ORDER BY s.version DESC LIMIT 1) THEN
            RAISE EXCEPTION 'they do not judge' USING ERRCODE = 'PC004';
        END IF;
    END LOOP;
    IF NEW.decided_by IS NOT NULL AND (
        NEW.proposed_by IS NULL OR NEW.decided_by = NEW.proposed_by
        OR NEW.decided_by IN (SELECT uploaded_by FROM attachments
            WHERE id = (NEW.proposal ->> 'evidence_id')::uuid)
        OR (SELECT count(DISTINCT h.user_id) FROM duty_holders(requisition) h
            WHERE h.duty = 'approver' AND h.user_id IN (NEW.proposed_by, NEW.decided_by)) > 1) THEN
        RAISE EXCEPTION 'two people say it: one has not approved it, the second not recorded it'
            USING ERRCODE = 'PC004';
    END IF;
    RETURN NEW;
END
$body$;
REVOKE ALL ON FUNCTION case_duties() FROM PUBLIC;

CREATE OR REPLACE TRIGGER duties BEFORE INSERT OR UPDATE ON cases
    FOR EACH ROW EXECUTE FUNCTION case_duties();
