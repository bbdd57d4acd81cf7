-- What is owed, answers that are kept, decisions of two people, cases, pauses and heartbeats.

-- Something that must happen. A message is only a hint to look at this row. `topic` is the name of
-- the Celery task; `key` the thing it is about. `completed_at` is set in the transaction of the effect,
-- never when a message was published.
CREATE TABLE outbox_messages (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    topic text NOT NULL,
    key uuid NOT NULL,
    lane uuid,
    due_at timestamptz NOT NULL,
    attempts integer NOT NULL,
    handed_at timestamptz,
    failures integer NOT NULL,
    last_error text,
    completed_at timestamptz,
    dead_lettered_at timestamptz,
    dead_lettered_by_hand boolean NOT NULL DEFAULT false,
    request_id text DEFAULT nullif(current_setting('app.request_id', true), ''),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_outbox_messages PRIMARY KEY (id),
    CONSTRAINT uq_outbox_messages_company_id_id UNIQUE (company_id, id),
    CONSTRAINT uq_outbox_messages_company_id_topic_key UNIQUE (company_id, topic, key),
    CONSTRAINT ck_outbox_messages_lane CHECK (lane IS NOT NULL OR completed_at IS NOT NULL),
    CONSTRAINT fk_outbox_messages_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT
);
CREATE INDEX ix_outbox_messages_company ON outbox_messages (company_id, id);
CREATE INDEX ix_outbox_messages_lane
    ON outbox_messages (topic, lane, due_at) WHERE completed_at IS NULL AND dead_lettered_at IS NULL;

-- The stored answer of a request that carried an Idempotency-Key; kept 30 days.
CREATE TABLE idempotency_keys (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    principal text NOT NULL,
    method text NOT NULL,
    route text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    status integer,
    headers jsonb NOT NULL,
    body bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_idempotency_keys PRIMARY KEY (id),
    CONSTRAINT uq_idempotency_keys_company_id_principal_method_route_key
        UNIQUE (company_id, principal, method, route, key),
    CONSTRAINT fk_idempotency_keys_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT
);
CREATE INDEX ix_idempotency_keys_created ON idempotency_keys (created_at);

-- A proposal by one person that a second holder of the same right makes effective.
CREATE TABLE changes (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    kind text NOT NULL,
    object_id uuid,
    payload jsonb NOT NULL,
    reason text NOT NULL,
    digest bytea,
    decider_id uuid,
    status varchar(40) NOT NULL,
    proposed_by uuid NOT NULL,
    proposed_at timestamptz,
    decided_by uuid,
    decided_at timestamptz,
    decision_reason text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_changes PRIMARY KEY (id),
    CONSTRAINT uq_changes_company_id_id UNIQUE (company_id, id),
    CONSTRAINT ck_changes_decided CHECK (status = 'proposed' OR decided_by IS NOT NULL),
    CONSTRAINT ck_changes_status
        CHECK (status IN ('proposed', 'effective', 'rejected', 'withdrawn')),
    CONSTRAINT ck_changes_two_people
        CHECK (status = 'withdrawn' OR decided_by <> proposed_by),
    CONSTRAINT fk_changes_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_changes_company_id_decided_by FOREIGN KEY (company_id, decided_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_changes_company_id_decider_id FOREIGN KEY (company_id, decider_id)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_changes_company_id_proposed_by FOREIGN KEY (company_id, proposed_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT
);
CREATE INDEX ix_changes_decider ON changes (company_id, decider_id, id);
CREATE INDEX ix_changes_redirects ON changes (object_id) WHERE kind = 'redirect';
CREATE INDEX ix_changes_status ON changes (company_id, status, id);

-- Something that the system can't decide alone. One open case per kind and object.
CREATE TABLE cases (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    kind varchar(40) NOT NULL,
    severity varchar(40) NOT NULL,
    status varchar(40) NOT NULL,
    object_type text NOT NULL,
    object_id uuid NOT NULL,
    summary text NOT NULL,
    evidence jsonb NOT NULL,
    owner_id uuid,
    due_at timestamptz,
    alerted_at timestamptz,
    proposal jsonb,
    proposed_by uuid,
    proposed_at timestamptz,
    decided_by uuid,
    decided_at timestamptz,
    decision_reason text,
    version integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_cases PRIMARY KEY (id),
    CONSTRAINT uq_cases_company_id_id UNIQUE (company_id, id),
    CONSTRAINT ck_cases_kind
        CHECK (kind IN ('in_doubt', 'contradiction', 'mismatch', 'unmatched_callback',
            'short_delivery', 'late_fact', 'below_floor', 'dead_letter', 'release_locked',
            'credentials_refused')),
    CONSTRAINT ck_cases_severity CHECK (severity IN ('notice', 'warning', 'severe')),
    CONSTRAINT ck_cases_status CHECK (status IN ('open', 'proposed', 'resolved')),
    CONSTRAINT ck_cases_two_people CHECK (decided_by <> proposed_by),
    CONSTRAINT fk_cases_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_cases_company_id_decided_by FOREIGN KEY (company_id, decided_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_cases_company_id_owner_id FOREIGN KEY (company_id, owner_id)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_cases_company_id_proposed_by FOREIGN KEY (company_id, proposed_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT
);
CREATE INDEX ix_cases_object ON cases (company_id, object_type, object_id);
CREATE INDEX ix_cases_status ON cases (company_id, status, id);
CREATE UNIQUE INDEX uq_cases_open
    ON cases (company_id, kind, object_type, object_id) WHERE status <> 'resolved';

-- One person hears of one event. Nothing changes but how far it came on its way to them.
CREATE TABLE notices (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    user_id uuid NOT NULL,
    kind text NOT NULL,
    about_id uuid NOT NULL,
    subject text NOT NULL,
    sentence text NOT NULL,
    path text NOT NULL,
    timing varchar(40) NOT NULL,
    claimed_at timestamptz,
    sent_at timestamptz,
    read_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_notices PRIMARY KEY (id),
    CONSTRAINT uq_notices_company_id_user_id_kind_about_id
        UNIQUE (company_id, user_id, kind, about_id),
    CONSTRAINT ck_notices_timing CHECK (timing IN ('at_once', 'daily', 'off')),
    CONSTRAINT fk_notices_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_notices_company_id_user_id FOREIGN KEY (company_id, user_id)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT
);
CREATE INDEX ix_notices_created ON notices (created_at);
CREATE INDEX ix_notices_unsent
    ON notices (company_id, user_id) WHERE sent_at IS NULL AND timing <> 'off';
CREATE INDEX ix_notices_user ON notices (company_id, user_id, id);

-- How a person wishes to hear of one kind; without a row, as the kind says.
CREATE TABLE notice_wishes (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    user_id uuid NOT NULL,
    kind text NOT NULL,
    timing varchar(40) NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_notice_wishes PRIMARY KEY (id),
    CONSTRAINT uq_notice_wishes_company_id_user_id_kind UNIQUE (company_id, user_id, kind),
    CONSTRAINT ck_notice_wishes_timing CHECK (timing IN ('at_once', 'daily', 'off')),
    CONSTRAINT fk_notice_wishes_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_notice_wishes_company_id_user_id FOREIGN KEY (company_id, user_id)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT
);

-- Nothing new is released or sent within it; queries and callbacks go on. Two people end it.
CREATE TABLE pauses (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    scope varchar(40) NOT NULL,
    object_id uuid,
    reason text NOT NULL,
    paused_by uuid,
    proposed_by uuid,
    proposed_at timestamptz,
    decided_by uuid,
    decided_at timestamptz,
    decision_reason text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_pauses PRIMARY KEY (id),
    CONSTRAINT uq_pauses_company_id_id UNIQUE (company_id, id),
    CONSTRAINT ck_pauses_object CHECK ((scope = 'company') = (object_id IS NULL)),
    CONSTRAINT ck_pauses_scope CHECK (scope IN ('company', 'provider_account', 'store')),
    CONSTRAINT ck_pauses_two_people CHECK (decided_by <> proposed_by),
    CONSTRAINT fk_pauses_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_pauses_company_id_decided_by FOREIGN KEY (company_id, decided_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_pauses_company_id_paused_by FOREIGN KEY (company_id, paused_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_pauses_company_id_proposed_by FOREIGN KEY (company_id, proposed_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT
);
CREATE UNIQUE INDEX uq_pauses_open
    ON pauses (company_id, scope, object_id) NULLS NOT DISTINCT WHERE decided_at IS NULL;

-- The whole installation stands still (`pettycash pause --all`). Not a business row.
CREATE TABLE platform_pauses (
    id uuid NOT NULL,
    scope text NOT NULL,
    reason text NOT NULL,
    paused_by text NOT NULL,
    resume_requested_by text,
    resumed_by text,
    resumed_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_platform_pauses PRIMARY KEY (id),
    CONSTRAINT ck_platform_pauses_two_people
        CHECK (resumed_by IS NULL OR resumed_by <> resume_requested_by)
);
CREATE UNIQUE INDEX uq_platform_pauses_open ON platform_pauses (scope) WHERE resumed_at IS NULL;

-- The last sign of life of a background part: canary per queue, relay, beat.
CREATE TABLE heartbeats (
    name text NOT NULL,
    beaten_at timestamptz NOT NULL,
    CONSTRAINT pk_heartbeats PRIMARY KEY (name)
);

-- A job that beat starts: counted as it begins, so that one that kills its process is known.
CREATE TABLE periodic_jobs (
    name text NOT NULL,
    begun_at timestamptz NOT NULL,
    failures integer NOT NULL,
    last_error text,
    CONSTRAINT pk_periodic_jobs PRIMARY KEY (name)
);

-- This database was restored, or its replica promoted; what came after `taken_at` is lost. Attempts
-- whose requisition is as old as `covers_until` may have been sent before (`asks_first`). Written
-- by `pettycash restore`, as the owner; not a business row.
CREATE TABLE restores (
    number integer NOT NULL,
    taken_at timestamptz NOT NULL,
    stamped_at timestamptz NOT NULL,
    covers_until timestamptz NOT NULL,
    counters jsonb NOT NULL,
    stamped_by text NOT NULL,
    CONSTRAINT pk_restores PRIMARY KEY (number),
    CONSTRAINT ck_restores_number CHECK (number > 0),
    CONSTRAINT ck_restores_order CHECK (taken_at <= covers_until)
);
