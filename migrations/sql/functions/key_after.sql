-- The next millisecond after a key; the rest stays random (RFC 9562, version 7).
CREATE OR REPLACE FUNCTION key_after(p_key uuid, p_floor uuid) RETURNS uuid
LANGUAGE sql IMMUTABLE AS $$
    SELECT encode(overlay(uuid_send(p_key) PLACING substring(int8send(
        ('x' || left(replace(p_floor::text, '-', ''), 12))::bit(48)::bigint + 1) FROM 3)
        FROM 1 FOR 6), 'hex')::uuid
$$;
