-- What only the database itself reads: tables that triggers join, and those that have months.

-- A step of a status that is allowed; `machine` is the table.
CREATE TABLE allowed_transitions (
    machine text,
    from_status text,
    to_status text,
    PRIMARY KEY (machine, from_status, to_status)
);

-- Duties that are never one person's, each pair in both directions.
CREATE TABLE duty_pairs (duty text, other text, PRIMARY KEY (duty, other));

-- Roles that nobody holds at overlapping times, each pair in both directions.
CREATE TABLE incompatible_roles (role text, other text, PRIMARY KEY (role, other));

-- Tables that have a partition for each month.
CREATE TABLE partitioned_tables (name text PRIMARY KEY);

-- Ranges of one value, so that an exclusion constraint compares it without btree_gist.
CREATE TYPE uuid_range AS RANGE (subtype = uuid);
CREATE TYPE text_range AS RANGE (subtype = text);
