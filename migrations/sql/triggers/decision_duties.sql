-- A decision: by an assignee who holds the step's role, never by who asks; an approval besides by
-- nobody with a duty that excludes it. The requisition, or of another subject the round, is locked
-- first, so that two inserts can't miss each other.
CREATE OR REPLACE FUNCTION decision_duties() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $body$
DECLARE
    own approval_rounds;
    requester uuid;
    step approval_steps;
    excluded text;
BEGIN
    SELECT * INTO own FROM approval_rounds WHERE id = NEW.round_id;
    IF own.subject_kind = 'requisition' THEN
        SELECT requester_id INTO requester FROM requisitions
            WHERE id = own.subject_id AND company_id = NEW.company_id FOR NO KEY UPDATE;
    ELSE
        SELECT requester_id INTO requester FROM approval_rounds
            WHERE id = NEW.round_id AND company_id = NEW.company_id FOR NO KEY UPDATE;
    END IF;
    IF requester IS NULL OR NEW.subject_id <> own.subject_id THEN
        RAISE EXCEPTION 'its subject is missing' USING ERRCODE = 'PC004';
    END IF;
    IF NEW.user_id IN (requester, own.requester_id) THEN
        RAISE EXCEPTION 'the requester can''t decide their own' USING ERRCODE = 'PC004';
    END IF;
    SELECT s.* INTO step FROM approval_steps s WHERE s.id = NEW.step_id
        AND s.round_id = NEW.round_id
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
        WHERE d.subject_id = NEW.subject_id AND d.user_id = NEW.user_id
            AND d.verdict IN ('approved', 'urgency_confirmed')
            AND (o.id = own.id OR o.number < own.number AND NOT EXISTS (
                SELECT FROM approval_rounds n WHERE n.subject_id = own.subject_id
                    AND n.number >= o.number AND n.number < own.number
                    AND n.status <> 'handed_over'))) THEN
        RAISE EXCEPTION 'approvers of a round are different people' USING ERRCODE = 'PC004';
    END IF;
    excluded := duty_conflict(NEW.subject_id, NEW.user_id, 'approver');
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
