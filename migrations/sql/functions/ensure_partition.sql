-- Waiting for a lock, it keeps all others waiting: not for long then, and with
-- nothing else in hand.
CREATE OR REPLACE FUNCTION ensure_partition(p_table text, p_month date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
SET lock_timeout = '250ms' SET timezone = 'UTC' AS $body$
DECLARE
    first_day date := date_trunc('month', p_month)::date;
    child text := p_table || to_char(first_day, '_YYYY_MM');
BEGIN
    IF NOT EXISTS (SELECT FROM partitioned_tables WHERE name = p_table) THEN
        RAISE EXCEPTION '% is not partitioned by month', p_table USING ERRCODE = '22023';
    END IF;
    IF to_regclass(child) IS NULL THEN
        EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', child, p_table,
            uuid_of_instant(first_day), uuid_of_instant((first_day + interval '1 month')::date));
    END IF;
END
$body$;

REVOKE ALL ON FUNCTION ensure_partition FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ensure_partition TO pettycash_system;
