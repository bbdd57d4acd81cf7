-- The millisecond, its 4,096th part, and chance (RFC 9562, version 7, method 3 of section 6.2): what
-- one database makes one after the other rises. One expression, so that PostgreSQL inlines it.
CREATE OR REPLACE FUNCTION new_key() RETURNS uuid
LANGUAGE sql AS $$
    SELECT (overlay(
        lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000000)::bigint * 512 / 125), 15, '0')
        PLACING '7' FROM 13 FOR 0) || right(replace(gen_random_uuid()::text, '-', ''), 16))::uuid
$$;
