-- Columns that are never written again: those named after the first argument, from the beginning
-- where that is empty, else once the column that it names has a value.
CREATE OR REPLACE FUNCTION keeps_facts() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $body$
DECLARE
    fact text;
BEGIN
    IF TG_ARGV[0] <> '' AND to_jsonb(OLD) ->> TG_ARGV[0] IS NULL THEN
        RETURN NEW;
    END IF;
    FOREACH fact IN ARRAY TG_ARGV[1:] LOOP
        IF to_jsonb(NEW) -> fact IS DISTINCT FROM to_jsonb(OLD) -> fact THEN
            RAISE EXCEPTION '% of % stands', fact, TG_TABLE_NAME USING ERRCODE = 'PC009';
        END IF;
    END LOOP;
    RETURN NEW;
END
$body$;
REVOKE ALL ON FUNCTION keeps_facts() FROM PUBLIC;
