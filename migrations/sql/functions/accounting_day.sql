-- The month of a day is closed: people are refused, facts go to the first open month after it.
CREATE OR REPLACE FUNCTION accounting_day(
    p_company uuid, p_day date, p_decision boolean
) RETURNS date
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $body$
DECLARE
    closed text;
BEGIN
    SELECT state INTO closed FROM ledger_periods
        WHERE company_id = p_company AND month = date_trunc('month', p_day)::date
            AND state <> 'open';
    IF closed IS NULL OR (closed = 'soft_closed' AND NOT p_decision) THEN
        RETURN p_day;
    END IF;
    IF p_decision THEN
        RAISE EXCEPTION 'the period of % is closed', p_day USING ERRCODE = 'PC010';
    END IF;
    RETURN (
        SELECT candidate::date
        FROM generate_series(date_trunc('month', p_day) + interval '1 month',
                             date_trunc('month', p_day) + interval '50 years',
                             interval '1 month') AS candidate
        WHERE NOT EXISTS (
            SELECT FROM ledger_periods p WHERE p.company_id = p_company
                AND p.month = candidate::date AND p.state <> 'open')
        ORDER BY candidate LIMIT 1
    );
END
$body$;

REVOKE ALL ON FUNCTION accounting_day FROM PUBLIC;
