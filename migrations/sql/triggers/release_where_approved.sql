-- A release goes where the payment goes, and the payment goes where it was approved to go.
CREATE OR REPLACE FUNCTION release_where_approved() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $body$
DECLARE
    payment payments;
BEGIN
    SELECT * INTO payment FROM payments WHERE id = NEW.payment_id;
    IF TG_TABLE_NAME = 'payment_attempts' THEN
        IF NEW.destination IS DISTINCT FROM payment.destination THEN
            RAISE EXCEPTION 'an attempt goes to another destination than its payment'
                USING ERRCODE = 'PC028';
        END IF;
    ELSIF payment.open_redirect_id IS NOT NULL THEN
        RAISE EXCEPTION 'a redirect of the payment is not decided' USING ERRCODE = 'PC029';
    ELSIF NOT approved_destination(payment.requisition_id, payment.method, payment.destination,
                                  payment.id, payment.amount) THEN
        RAISE EXCEPTION 'nobody has approved that so much goes there' USING ERRCODE = 'PC028';
    END IF;
    RETURN NEW;
END
$body$;

REVOKE ALL ON FUNCTION release_where_approved FROM PUBLIC;

-- After "duties", which locks the payment.
CREATE OR REPLACE TRIGGER where_approved BEFORE INSERT ON payment_attempts
    FOR EACH ROW EXECUTE FUNCTION release_where_approved();
CREATE OR REPLACE TRIGGER where_approved BEFORE INSERT ON payment_executions
    FOR EACH ROW EXECUTE FUNCTION release_where_approved();
