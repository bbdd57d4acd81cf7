-- SHA-256 of facts, as services/foundation/digests makes it; `v` is the version of the form, 1 where they name none.
CREATE OR REPLACE FUNCTION facts_digest(p_facts jsonb) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT AS $body$
    SELECT sha256(convert_to(canonical_json('{"v": 1}' || p_facts), 'UTF8'))
$body$;
REVOKE ALL ON FUNCTION facts_digest(jsonb) FROM PUBLIC;
