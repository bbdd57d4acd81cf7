-- As services/foundation/digests writes it: keys in the order of their code points, no spaces, UTF-8.
CREATE OR REPLACE FUNCTION canonical_json(p_value jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT SET search_path = public, pg_temp AS $body$
BEGIN
    CASE jsonb_typeof(p_value)
    WHEN 'object' THEN
        RETURN (SELECT '{' || coalesce(string_agg(
                to_json(key)::text || ':' || canonical_json(value), ',' ORDER BY key COLLATE "C"), '')
            || '}' FROM jsonb_each(p_value));
    WHEN 'array' THEN
        RETURN (SELECT '[' || coalesce(string_agg(canonical_json(value), ',' ORDER BY place), '') || ']'
            FROM jsonb_array_elements(p_value) WITH ORDINALITY AS each (value, place));
    ELSE
        RETURN p_value::text;
    END CASE;
END
$body$;
REVOKE ALL ON FUNCTION canonical_json(jsonb) FROM PUBLIC;
