-- Runs of reconciliation, and what they found.

-- One run for a company and business day; the newest sequence counts.
CREATE TABLE reconciliation_runs (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    business_date date NOT NULL,
    sequence integer NOT NULL,
    status varchar(40) NOT NULL,
    started_by uuid,
    deadline_at timestamptz NOT NULL,
    closed_at timestamptz,
    counts jsonb NOT NULL,
    totals jsonb NOT NULL,
    mismatches jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_reconciliation_runs PRIMARY KEY (id),
    CONSTRAINT uq_reconciliation_runs_company_id_business_date_sequence
        UNIQUE (company_id, business_date, sequence),
    CONSTRAINT uq_reconciliation_runs_company_id_id UNIQUE (company_id, id),
    CONSTRAINT ck_reconciliation_runs_status CHECK (status IN ('running', 'waiting', 'closed')),
    CONSTRAINT fk_reconciliation_runs_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_reconciliation_runs_company_id_started_by FOREIGN KEY (company_id, started_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT
);
CREATE INDEX ix_reconciliation_runs_list ON reconciliation_runs (company_id, id);
CREATE UNIQUE INDEX uq_reconciliation_runs_open
    ON reconciliation_runs (company_id, business_date) WHERE status <> 'closed';

-- Append-only fact: this payment was matched with evidence.
CREATE TABLE payment_reconciliations (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    payment_id uuid NOT NULL,
    run_id uuid,
    source varchar(40) NOT NULL,
    reconciled_by uuid,
    evidence jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_payment_reconciliations PRIMARY KEY (id),
    CONSTRAINT uq_payment_reconciliations_payment_id UNIQUE (payment_id),
    CONSTRAINT ck_payment_reconciliations_source
        CHECK (source IN ('callback', 'gateway_query', 'statement', 'manual', 'acknowledgement')),
    CONSTRAINT fk_payment_reconciliations_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_payment_reconciliations_company_id_payment_id FOREIGN KEY (company_id, payment_id)
        REFERENCES payments (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_payment_reconciliations_company_id_reconciled_by
        FOREIGN KEY (company_id, reconciled_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_payment_reconciliations_company_id_run_id FOREIGN KEY (company_id, run_id)
        REFERENCES reconciliation_runs (company_id, id) ON DELETE RESTRICT
);

-- One payment in one run.
CREATE TABLE reconciliation_items (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    run_id uuid NOT NULL,
    payment_id uuid NOT NULL,
    state varchar(40) NOT NULL,
    finding text,
    detail jsonb NOT NULL,
    settled_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_reconciliation_items PRIMARY KEY (id),
    CONSTRAINT uq_reconciliation_items_company_id_id UNIQUE (company_id, id),
    CONSTRAINT uq_reconciliation_items_run_id_payment_id UNIQUE (run_id, payment_id),
    CONSTRAINT ck_reconciliation_items_state
        CHECK (state IN ('asking', 'waiting', 'matched', 'broken')),
    CONSTRAINT fk_reconciliation_items_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_reconciliation_items_company_id_payment_id FOREIGN KEY (company_id, payment_id)
        REFERENCES payments (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_reconciliation_items_company_id_run_id FOREIGN KEY (company_id, run_id)
        REFERENCES reconciliation_runs (company_id, id) ON DELETE RESTRICT
);
CREATE INDEX ix_reconciliation_items_state ON reconciliation_items (run_id, state);
