-- Attempts at a rail, acknowledgements of cash, callbacks, and the exchange log.

-- The recipient's word that cash was received: a code sent to them, or their signature.
CREATE TABLE cash_acknowledgements (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    payment_id uuid NOT NULL,
    execution_id uuid NOT NULL,
    code_digest bytea,
    tries integer NOT NULL,
    sends integer NOT NULL,
    sent_at timestamptz,
    claimed_at timestamptz,
    expires_at timestamptz,
    acknowledged_at timestamptz,
    proof text,
    attachment_id uuid,
    witness_id uuid,
    witnessed_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_cash_acknowledgements PRIMARY KEY (id),
    CONSTRAINT uq_cash_acknowledgements_execution_id UNIQUE (execution_id),
    CONSTRAINT ck_cash_acknowledgements_tries CHECK (tries >= 0),
    CONSTRAINT ck_cash_acknowledgements_witness
        CHECK (proof IN ('code', 'sign_in') OR (proof = 'signature' AND witness_id IS NOT NULL
            AND witnessed_at IS NOT NULL)),
    CONSTRAINT fk_cash_acknowledgements_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_cash_acknowledgements_company_id_attachment_id
        FOREIGN KEY (company_id, attachment_id)
        REFERENCES attachments (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_cash_acknowledgements_company_id_execution_id
        FOREIGN KEY (company_id, execution_id)
        REFERENCES payment_executions (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_cash_acknowledgements_company_id_payment_id FOREIGN KEY (company_id, payment_id)
        REFERENCES payments (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_cash_acknowledgements_company_id_witness_id FOREIGN KEY (company_id, witness_id)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT
);
CREATE INDEX ix_cash_acknowledgements_witness
    ON cash_acknowledgements (company_id, witness_id) WHERE witness_id IS NOT NULL;

-- The mutable side of one execution: claim, state, what the rail said. One live per payment.
CREATE TABLE payment_attempts (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    payment_id uuid NOT NULL,
    execution_id uuid NOT NULL,
    number integer NOT NULL,
    provider_account_id uuid,
    base_url text,
    originator_reference text NOT NULL,
    amount numeric(18, 2) NOT NULL,
    currency char(3) NOT NULL,
    destination text NOT NULL,
    payee_name text NOT NULL,
    remarks text NOT NULL,
    state varchar(40) NOT NULL,
    state_changed_at timestamptz NOT NULL DEFAULT now(),
    claim uuid,
    claimed_at timestamptz,
    tries integer NOT NULL,
    first_sent_at timestamptz,
    last_sent_at timestamptz,
    ever_unknown boolean NOT NULL,
    failure_confirmed_at timestamptz,
    called_unpaid_at timestamptz,
    conversation_id text,
    provider_originator_id text,
    provider_reference text,
    outcome_code text,
    outcome_message text,
    settled_amount numeric(18, 2),
    fee numeric(18, 2),
    fee_evidence text,
    decide_by timestamptz NOT NULL,
    queries integer NOT NULL,
    last_query_at timestamptz,
    next_query_at timestamptz,
    asked_reference text,
    asks_first boolean NOT NULL DEFAULT false,
    request_id text DEFAULT nullif(current_setting('app.request_id', true), ''),
    asked_ahead smallint NOT NULL DEFAULT 0,
    not_known_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_payment_attempts PRIMARY KEY (id),
    CONSTRAINT uq_payment_attempts_company_id_id UNIQUE (company_id, id),
    CONSTRAINT uq_payment_attempts_execution_id UNIQUE (execution_id),
    CONSTRAINT uq_payment_attempts_payment_id_number UNIQUE (payment_id, number),
    CONSTRAINT ck_payment_attempts_state
        CHECK (state IN ('queued', 'claimed', 'sending', 'accepted', 'unknown', 'settled',
            'rejected')),
    CONSTRAINT ck_payment_attempts_tries CHECK (tries >= 0),
    CONSTRAINT fk_payment_attempts_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_payment_attempts_company_id_execution_id FOREIGN KEY (company_id, execution_id)
        REFERENCES payment_executions (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_payment_attempts_company_id_payment_id FOREIGN KEY (company_id, payment_id)
        REFERENCES payments (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_payment_attempts_company_id_provider_account_id
        FOREIGN KEY (company_id, provider_account_id)
        REFERENCES provider_accounts (company_id, id) ON DELETE RESTRICT
);
CREATE INDEX ix_payment_attempts_payment ON payment_attempts (payment_id, number);
CREATE UNIQUE INDEX uq_payment_attempts_live
    ON payment_attempts (payment_id) WHERE state NOT IN ('settled', 'rejected');
CREATE UNIQUE INDEX uq_payment_attempts_provider_reference ON payment_attempts (provider_account_id,
    provider_reference) WHERE provider_reference IS NOT NULL;
CREATE UNIQUE INDEX uq_payment_attempts_reference
    ON payment_attempts (provider_account_id, originator_reference);

-- The inbox: what arrived with the right secret, kept as it came, named secrets cut out.
CREATE TABLE callbacks (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    attempt_id uuid,
    lost_attempt_id uuid,
    provider_account_id uuid,
    told_reference text,
    told_receipt text,
    told_destination text,
    told_amount numeric(18, 2),
    purpose varchar(40) NOT NULL,
    dedup_key bytea NOT NULL,
    body bytea NOT NULL,
    content_type text,
    remote_address text,
    deliveries integer NOT NULL,
    processed_at timestamptz,
    verdict text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_callbacks PRIMARY KEY (id),
    CONSTRAINT uq_callbacks_attempt_id_purpose_dedup_key UNIQUE (attempt_id, purpose, dedup_key),
    CONSTRAINT ck_callbacks_lost CHECK ((attempt_id IS NULL) = (lost_attempt_id IS NOT NULL)),
    CONSTRAINT ck_callbacks_purpose
        CHECK (purpose IN ('result', 'timeout', 'query_result', 'query_timeout')),
    CONSTRAINT fk_callbacks_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_callbacks_company_id_attempt_id FOREIGN KEY (company_id, attempt_id)
        REFERENCES payment_attempts (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_callbacks_company_id_provider_account_id
        FOREIGN KEY (company_id, provider_account_id)
        REFERENCES provider_accounts (company_id, id) ON DELETE RESTRICT
);
CREATE INDEX ix_callbacks_company ON callbacks (company_id, id);
CREATE INDEX ix_callbacks_told
    ON callbacks (company_id, told_destination, told_amount) WHERE told_destination IS NOT NULL;
CREATE UNIQUE INDEX uq_callbacks_lost
    ON callbacks (lost_attempt_id, purpose, dedup_key) WHERE lost_attempt_id IS NOT NULL;

-- The exchange log: append-only, partitioned, sanitised before it gets here.
CREATE TABLE payment_transactions (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    payment_id uuid NOT NULL,
    attempt_id uuid NOT NULL,
    gateway text NOT NULL,
    request_type varchar(40) NOT NULL,
    request jsonb NOT NULL,
    response jsonb NOT NULL,
    http_status integer,
    code text,
    message text,
    status text NOT NULL,
    success boolean NOT NULL,
    processing_time_ms integer,
    request_id text DEFAULT nullif(current_setting('app.request_id', true), ''),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_payment_transactions PRIMARY KEY (id),
    CONSTRAINT ck_payment_transactions_request_type
        CHECK (request_type IN ('INITIATE', 'QUERY', 'CONFIRM', 'CANCEL', 'REFUND')),
    CONSTRAINT fk_payment_transactions_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_payment_transactions_company_id_attempt_id FOREIGN KEY (company_id, attempt_id)
        REFERENCES payment_attempts (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_payment_transactions_company_id_payment_id FOREIGN KEY (company_id, payment_id)
        REFERENCES payments (company_id, id) ON DELETE RESTRICT
) PARTITION BY RANGE (id);
CREATE INDEX ix_payment_transactions_payment ON payment_transactions (payment_id, id);
