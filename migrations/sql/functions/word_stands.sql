-- What somebody said and who it was stays. The arguments: since when, and columns. Where the first is
-- empty, each column keeps the value that it has; else all keep theirs once the column of that name
-- has one.
CREATE OR REPLACE FUNCTION word_stands() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $body$
DECLARE
    since text := TG_ARGV[0];
    said jsonb := to_jsonb(OLD);
    now_said jsonb := to_jsonb(NEW);
BEGIN
    IF since <> '' AND said -> since = 'null' THEN
        RETURN NEW;
    END IF;
    FOR each IN 1 .. TG_NARGS - 1 LOOP
        IF said -> TG_ARGV[each] <> now_said -> TG_ARGV[each]
           AND (since <> '' OR said -> TG_ARGV[each] <> 'null') THEN
            RAISE EXCEPTION '% of % stands', TG_ARGV[each], TG_TABLE_NAME USING ERRCODE = 'PC009';
        END IF;
    END LOOP;
    RETURN NEW;
END
$body$;
REVOKE ALL ON FUNCTION word_stands() FROM PUBLIC;
