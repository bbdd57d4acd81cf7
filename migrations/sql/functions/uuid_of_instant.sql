-- The lowest key of version 7 that an instant could have.
CREATE OR REPLACE FUNCTION uuid_of_instant(instant timestamptz) RETURNS uuid
LANGUAGE sql STABLE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM instant) * 1000)::bigint), 12, '0')
        || '00000000000000000000')::uuid
$$;
