-- What somebody said and who it was stays: a value that is there is never replaced or taken away. The
-- columns are the trigger's arguments.
CREATE OR REPLACE FUNCTION word_stands() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $body$
DECLARE
    said jsonb := to_jsonb(OLD);
    now_said jsonb := to_jsonb(NEW);
BEGIN
    FOR each IN 0 .. TG_NARGS - 1 LOOP
        IF said -> TG_ARGV[each] <> 'null' AND said -> TG_ARGV[each] <> now_said -> TG_ARGV[each] THEN
            RAISE EXCEPTION '% of % stands', TG_ARGV[each], TG_TABLE_NAME USING ERRCODE = 'PC009';
        END IF;
    END LOOP;
    RETURN NEW;
END
$body$;
REVOKE ALL ON FUNCTION word_stands() FROM PUBLIC;
