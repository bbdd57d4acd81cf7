-- Codes, what they permit, and the executions that spend them.

-- A code that one executor needs to release one subject: a payment, or the funding of a
-- replenishment. As of a round, each kind of subject has a computed column and a foreign key. The code
-- itself is made by the worker that sends it and is stored as a keyed digest only.
CREATE TABLE release_challenges (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    sequence bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    subject_kind text NOT NULL,
    subject_id uuid NOT NULL,
    payment_id uuid
        GENERATED ALWAYS AS (CASE WHEN subject_kind = 'payment' THEN subject_id END) STORED,
    replenishment_id uuid
        GENERATED ALWAYS AS (CASE WHEN subject_kind = 'replenishment' THEN subject_id END) STORED,
    executor_id uuid NOT NULL,
    subject_digest bytea NOT NULL,
    code_digest bytea,
    state varchar(40) NOT NULL,
    end_cause varchar(40),
    tries integer NOT NULL,
    sends integer NOT NULL,
    sent_at timestamptz,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    verified_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_release_challenges PRIMARY KEY (id),
    CONSTRAINT uq_release_challenges_company_id_id UNIQUE (company_id, id),
    CONSTRAINT ck_release_challenges_end_cause
        CHECK (end_cause IN ('tries', 'expired', 'changed', 'reassigned')),
    CONSTRAINT ck_release_challenges_state CHECK (state IN ('live', 'verified', 'dead')),
    CONSTRAINT ck_release_challenges_subject
        CHECK (coalesce(payment_id, replenishment_id) IS NOT NULL),
    CONSTRAINT ck_release_challenges_tries CHECK (tries >= 0),
    CONSTRAINT fk_release_challenges_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_release_challenges_company_id_executor_id FOREIGN KEY (company_id, executor_id)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_release_challenges_company_id_payment_id FOREIGN KEY (company_id, payment_id)
        REFERENCES payments (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_release_challenges_company_id_replenishment_id
        FOREIGN KEY (company_id, replenishment_id)
        REFERENCES replenishments (company_id, id) ON DELETE RESTRICT
);
CREATE INDEX ix_release_challenges_subject ON release_challenges (subject_id, sequence);
CREATE UNIQUE INDEX uq_release_challenges_live
    ON release_challenges (subject_id) WHERE state = 'live';

-- One request to send a code; three per 15 minutes and subject.
CREATE TABLE challenge_sends (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    sequence bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    challenge_id uuid NOT NULL,
    channel text NOT NULL,
    claimed_at timestamptz,
    delivered_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_challenge_sends PRIMARY KEY (id),
    CONSTRAINT fk_challenge_sends_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_challenge_sends_company_id_challenge_id FOREIGN KEY (company_id, challenge_id)
        REFERENCES release_challenges (company_id, id) ON DELETE RESTRICT
);
CREATE INDEX ix_challenge_sends_challenge ON challenge_sends (challenge_id);

-- What a verified code yields: one release, by the same person, within five minutes.
CREATE TABLE release_grants (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    sequence bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    challenge_id uuid NOT NULL,
    executor_id uuid NOT NULL,
    proof text NOT NULL,
    verified_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    spent_at timestamptz,
    subject_kind text,
    subject_id uuid,
    subject_digest bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_release_grants PRIMARY KEY (id),
    CONSTRAINT uq_release_grants_challenge_id UNIQUE (challenge_id),
    CONSTRAINT uq_release_grants_company_id_id UNIQUE (company_id, id),
    CONSTRAINT fk_release_grants_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_release_grants_company_id_challenge_id FOREIGN KEY (company_id, challenge_id)
        REFERENCES release_challenges (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_release_grants_company_id_executor_id FOREIGN KEY (company_id, executor_id)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT
);

-- Append-only: who released which attempt, with which proof. Triggers keep duties apart.
CREATE TABLE payment_executions (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    payment_id uuid NOT NULL,
    requisition_id uuid NOT NULL,
    attempt_number integer NOT NULL,
    originator_reference text NOT NULL,
    executor_id uuid NOT NULL,
    amount numeric(18, 2) NOT NULL,
    currency char(3) NOT NULL,
    grant_id uuid,
    proof text NOT NULL,
    verified_at timestamptz,
    ip_address text,
    user_agent text,
    cash_limit numeric(18, 2),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_payment_executions PRIMARY KEY (id),
    CONSTRAINT uq_payment_executions_company_id_id UNIQUE (company_id, id),
    CONSTRAINT uq_payment_executions_grant_id UNIQUE (grant_id),
    CONSTRAINT uq_payment_executions_payment_id_attempt_number UNIQUE (payment_id, attempt_number),
    CONSTRAINT fk_payment_executions_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_payment_executions_company_id_executor_id FOREIGN KEY (company_id, executor_id)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_payment_executions_company_id_grant_id FOREIGN KEY (company_id, grant_id)
        REFERENCES release_grants (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_payment_executions_company_id_payment_id FOREIGN KEY (company_id, payment_id)
        REFERENCES payments (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_payment_executions_company_id_requisition_id
        FOREIGN KEY (company_id, requisition_id)
        REFERENCES requisitions (company_id, id) ON DELETE RESTRICT
);
CREATE INDEX ix_payment_executions_requisition ON payment_executions (requisition_id, executor_id);
