-- Rows that lie in no month: the default partitions are empty when all is well.
CREATE OR REPLACE FUNCTION rows_in_rest() RETURNS TABLE(relation text, counted bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $body$
BEGIN
    FOR relation IN SELECT name || '_rest' FROM partitioned_tables ORDER BY name LOOP
        EXECUTE format('SELECT count(*) FROM (SELECT FROM %I LIMIT 1000) AS stray', relation)
            INTO counted;
        IF counted > 0 THEN
            RETURN NEXT;
        END IF;
    END LOOP;
END
$body$;

REVOKE ALL ON FUNCTION rows_in_rest FROM PUBLIC;
GRANT EXECUTE ON FUNCTION rows_in_rest TO pettycash_app, pettycash_system;
