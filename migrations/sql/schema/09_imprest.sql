-- Replenishments of cash, and variances of counts.

-- A request to fill a fund up to its float. One open per fund.
CREATE TABLE replenishments (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    number text NOT NULL,
    fund_id uuid NOT NULL,
    store_id uuid NOT NULL,
    currency char(3) NOT NULL,
    status varchar(40) NOT NULL,
    status_changed_at timestamptz NOT NULL DEFAULT now(),
    auto_triggered boolean NOT NULL,
    proposed_by uuid,
    proposed_at timestamptz,
    decided_by uuid,
    decided_at timestamptz,
    decision_reason text,
    reason text,
    current_balance numeric(18, 2) NOT NULL,
    available numeric(18, 2) NOT NULL,
    requested_amount numeric(18, 2) NOT NULL,
    identity jsonb NOT NULL,
    approved_amount numeric(18, 2),
    cancelled_by uuid,
    cancelled_at timestamptz,
    executor_id uuid,
    funded_by uuid,
    funded_at timestamptz,
    bank_reference text,
    received_by uuid,
    received_at timestamptz,
    received_amount numeric(18, 2),
    lost_amount numeric(18, 2) NOT NULL DEFAULT 0,
    release_locked_at timestamptz,
    version integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_replenishments PRIMARY KEY (id),
    CONSTRAINT uq_replenishments_company_id_id UNIQUE (company_id, id),
    CONSTRAINT uq_replenishments_company_id_number UNIQUE (company_id, number),
    CONSTRAINT ck_replenishments_funder CHECK (funded_by IS NULL OR funded_by <> decided_by),
    CONSTRAINT ck_replenishments_funder_requester
        CHECK (funded_by IS NULL OR proposed_by IS NULL OR funded_by <> proposed_by),
    CONSTRAINT ck_replenishments_received_amount
        CHECK (received_amount IS NULL OR received_amount + lost_amount <= approved_amount),
    CONSTRAINT ck_replenishments_receiver CHECK (received_by IS NULL OR received_by <> funded_by),
    CONSTRAINT ck_replenishments_requested_amount CHECK (requested_amount > 0),
    CONSTRAINT ck_replenishments_requester CHECK (auto_triggered = (proposed_by IS NULL)),
    CONSTRAINT ck_replenishments_status
        CHECK (status IN ('pending', 'approved', 'funded', 'received', 'rejected', 'cancelled')),
    CONSTRAINT ck_replenishments_two_people CHECK (decided_by <> proposed_by),
    CONSTRAINT fk_replenishments_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_replenishments_company_id_cancelled_by FOREIGN KEY (company_id, cancelled_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_replenishments_company_id_decided_by FOREIGN KEY (company_id, decided_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_replenishments_company_id_executor_id FOREIGN KEY (company_id, executor_id)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_replenishments_company_id_fund_id FOREIGN KEY (company_id, fund_id)
        REFERENCES funds (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_replenishments_company_id_funded_by FOREIGN KEY (company_id, funded_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_replenishments_company_id_received_by FOREIGN KEY (company_id, received_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_replenishments_company_id_proposed_by FOREIGN KEY (company_id, proposed_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_replenishments_company_id_store_id FOREIGN KEY (company_id, store_id)
        REFERENCES stores (company_id, id) ON DELETE RESTRICT
);
CREATE INDEX ix_replenishments_fund ON replenishments (company_id, fund_id, id);
CREATE UNIQUE INDEX uq_replenishments_bank_reference
    ON replenishments (company_id, bank_reference) WHERE bank_reference IS NOT NULL;
CREATE UNIQUE INDEX uq_replenishments_open
    ON replenishments (fund_id) WHERE status IN ('pending', 'approved', 'funded');

-- A mismatch that the CFO approves, which posts. Initiator and approver are two people.
CREATE TABLE variance_adjustments (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    number text NOT NULL,
    kind varchar(40) NOT NULL,
    payment_id uuid,
    store_id uuid NOT NULL,
    counter_account_id uuid NOT NULL,
    case_id uuid,
    currency char(3) NOT NULL,
    original_amount numeric(18, 2) NOT NULL,
    adjusted_amount numeric(18, 2) NOT NULL,
    variance_amount numeric(18,
        2) NOT NULL GENERATED ALWAYS AS (adjusted_amount - original_amount) STORED,
    reason text NOT NULL,
    status varchar(40) NOT NULL,
    proposed_by uuid NOT NULL,
    proposed_at timestamptz,
    decided_by uuid,
    decided_at timestamptz,
    decision_reason text,
    entry_id uuid,
    version integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_variance_adjustments PRIMARY KEY (id),
    CONSTRAINT uq_variance_adjustments_company_id_id UNIQUE (company_id, id),
    CONSTRAINT uq_variance_adjustments_company_id_number UNIQUE (company_id, number),
    CONSTRAINT ck_variance_adjustments_amounts CHECK (original_amount >= 0 AND adjusted_amount >= 0),
    CONSTRAINT ck_variance_adjustments_decided CHECK (status = 'pending' OR decided_by IS NOT NULL),
    CONSTRAINT ck_variance_adjustments_difference CHECK (original_amount <> adjusted_amount),
    CONSTRAINT ck_variance_adjustments_kind
        CHECK (kind IN ('fee', 'overpaid', 'underpaid', 'count', 'other')),
    CONSTRAINT ck_variance_adjustments_status CHECK (status IN ('pending', 'approved', 'rejected')),
    CONSTRAINT ck_variance_adjustments_subject
        CHECK (payment_id IS NOT NULL OR store_id IS NOT NULL),
    CONSTRAINT ck_variance_adjustments_two_people CHECK (decided_by <> proposed_by),
    CONSTRAINT fk_variance_adjustments_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_variance_adjustments_company_id_case_id FOREIGN KEY (company_id, case_id)
        REFERENCES cases (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_variance_adjustments_company_id_counter_account_id
        FOREIGN KEY (company_id, counter_account_id)
        REFERENCES ledger_accounts (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_variance_adjustments_company_id_decided_by FOREIGN KEY (company_id, decided_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_variance_adjustments_company_id_payment_id FOREIGN KEY (company_id, payment_id)
        REFERENCES payments (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_variance_adjustments_company_id_proposed_by FOREIGN KEY (company_id, proposed_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_variance_adjustments_company_id_store_id FOREIGN KEY (company_id, store_id)
        REFERENCES stores (company_id, id) ON DELETE RESTRICT
);
CREATE INDEX ix_variance_adjustments_status ON variance_adjustments (company_id, status, id);
