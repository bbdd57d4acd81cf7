-- A decision: by an assignee who holds the step's role; an approval besides by nobody with a duty
-- that excludes it. The requisition is locked first, so that two inserts can't miss each other.
CREATE OR REPLACE FUNCTION decision_duties() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $body$
DECLARE
    requisition requisitions;
    step approval_steps;
    excluded text;
BEGIN
    SELECT * INTO requisition FROM requisitions WHERE id = NEW.requisition_id FOR NO KEY UPDATE;
    IF NOT FOUND OR requisition.company_id <> NEW.company_id THEN
        RAISE EXCEPTION 'requisition is missing' USING ERRCODE = 'PC004';
    END IF;
    IF NEW.user_id = requisition.requester_id THEN
        RAISE EXCEPTION 'the maker can''t decide their own requisition' USING ERRCODE = 'PC004';
    END IF;
    SELECT s.* INTO step FROM approval_steps s WHERE s.id = NEW.step_id
        AND s.round_id = NEW.round_id AND s.requisition_id = NEW.requisition_id
        AND EXISTS (SELECT FROM step_assignees a WHERE a.step_id = s.id
                    AND a.round_id = NEW.round_id AND a.user_id = NEW.user_id);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'only an assignee decides a step' USING ERRCODE = 'PC004';
    END IF;
    IF NEW.verdict NOT IN ('approved', 'urgency_confirmed') THEN
        RETURN NEW;
    END IF;
    -- What was handed over goes on in the next round: the approvals in it stand.
    IF EXISTS (
        SELECT FROM decisions d JOIN approval_rounds o ON o.id = d.round_id
            JOIN approval_rounds r ON r.id = NEW.round_id
        WHERE d.requisition_id = NEW.requisition_id AND d.user_id = NEW.user_id
            AND d.verdict IN ('approved', 'urgency_confirmed')
            AND (o.id = r.id OR o.number < r.number AND NOT EXISTS (
                SELECT FROM approval_rounds n WHERE n.requisition_id = r.requisition_id
                    AND n.number >= o.number AND n.number < r.number
                    AND n.status <> 'handed_over'))) THEN
        RAISE EXCEPTION 'approvers of a round are different people' USING ERRCODE = 'PC004';
    END IF;
    excluded := duty_conflict(NEW.requisition_id, NEW.user_id, 'approver');
    IF excluded IS NOT NULL THEN
        RAISE EXCEPTION 'the % can''t approve', excluded USING ERRCODE = 'PC004';
    END IF;
    IF step.role = 'escalation_approver' THEN
        IF NEW.user_id::text IS DISTINCT FROM (
            SELECT s.data ->> 'escalation_approver_id' FROM company_settings s
            WHERE s.company_id = NEW.company_id AND s.created_at <= NEW.created_at
            ORDER BY s.version DESC LIMIT 1) THEN
            RAISE EXCEPTION 'they are not the escalation approver' USING ERRCODE = 'PC004';
        END IF;
    ELSIF NOT EXISTS (
        SELECT FROM role_assignments a
        WHERE a.company_id = NEW.company_id AND a.user_id = NEW.user_id AND a.role = step.role
            AND a.valid_from <= greatest(NEW.created_at, step.opened_at)
            AND (a.valid_until IS NULL OR a.valid_until >= NEW.created_at)) THEN
        RAISE EXCEPTION 'they do not hold the role of the step' USING ERRCODE = 'PC004';
    END IF;
    RETURN NEW;
END
$body$;
REVOKE ALL ON FUNCTION decision_duties() FROM PUBLIC;

CREATE OR REPLACE TRIGGER duties BEFORE INSERT ON decisions
    FOR EACH ROW EXECUTE FUNCTION decision_duties();
