-- Payments, and the files that prove what was spent.

-- One movement of money for a requisition, out of one store. Never deleted. The sum of a
-- requisition's payments that are not cancelled, reversed or provably failed stays within the
-- approved amount (trigger).
CREATE TABLE payments (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    number text NOT NULL,
    requisition_id uuid NOT NULL,
    ordinal integer NOT NULL,
    store_id uuid NOT NULL,
    provider_account_id uuid,
    client_id uuid,
    external_reference text,
    metadata jsonb NOT NULL,
    amount numeric(18, 2) NOT NULL,
    currency char(3) NOT NULL,
    method varchar(40) NOT NULL,
    payee_name text NOT NULL,
    payee_user_id uuid,
    destination text NOT NULL,
    digest bytea NOT NULL,
    status varchar(40) NOT NULL,
    status_changed_at timestamptz NOT NULL DEFAULT now(),
    maker_id uuid,
    standing_validation_id uuid,
    executor_id uuid,
    otp_required boolean NOT NULL,
    scheduled_for timestamptz,
    failure_confirmed boolean NOT NULL,
    blocked_by_case_id uuid,
    open_redirect_id uuid,
    release_locked_at timestamptz,
    retry_count integer NOT NULL,
    max_retries integer NOT NULL,
    last_error text,
    originator_reference text,
    provider_reference text,
    gateway_status text,
    paid_at timestamptz,
    paid_amount numeric(18, 2),
    return_reference text,
    version integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_payments PRIMARY KEY (id),
    CONSTRAINT uq_payments_company_id_id UNIQUE (company_id, id),
    CONSTRAINT uq_payments_company_id_number UNIQUE (company_id, number),
    CONSTRAINT uq_payments_requisition_id_ordinal UNIQUE (requisition_id, ordinal),
    CONSTRAINT ck_payments_amount CHECK (amount > 0),
    CONSTRAINT ck_payments_method
        CHECK (method IN ('mpesa', 'airtel_money', 'mtn_momo', 'bank_transfer', 'cash', 'wallet',
            'card')),
    CONSTRAINT ck_payments_ordinal CHECK (ordinal >= 1),
    CONSTRAINT ck_payments_paid_at
        CHECK ((status IN ('success', 'reversed')) = (paid_at IS NOT NULL)),
    CONSTRAINT ck_payments_retries CHECK (retry_count >= 0 AND max_retries >= 0),
    CONSTRAINT ck_payments_standing CHECK (standing_validation_id IS NULL OR maker_id IS NULL),
    CONSTRAINT ck_payments_status
        CHECK (status IN ('pending', 'scheduled', 'executing', 'in_doubt', 'success', 'failed',
            'cancelled', 'reversed')),
    CONSTRAINT fk_payments_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_payments_company_id_client_id FOREIGN KEY (company_id, client_id)
        REFERENCES api_keys (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_payments_company_id_executor_id FOREIGN KEY (company_id, executor_id)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_payments_company_id_maker_id FOREIGN KEY (company_id, maker_id)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_payments_company_id_open_redirect_id FOREIGN KEY (company_id, open_redirect_id)
        REFERENCES changes (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_payments_company_id_payee_user_id FOREIGN KEY (company_id, payee_user_id)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_payments_company_id_provider_account_id
        FOREIGN KEY (company_id, provider_account_id)
        REFERENCES provider_accounts (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_payments_company_id_requisition_id FOREIGN KEY (company_id, requisition_id)
        REFERENCES requisitions (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_payments_company_id_standing_validation_id
        FOREIGN KEY (company_id, standing_validation_id)
        REFERENCES standing_validations (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_payments_company_id_store_id FOREIGN KEY (company_id, store_id)
        REFERENCES stores (company_id, id) ON DELETE RESTRICT
);
CREATE INDEX ix_payments_named
    ON payments (company_id, destination) WHERE payee_user_id IS NOT NULL;
CREATE INDEX ix_payments_open_redirect
    ON payments (open_redirect_id) WHERE open_redirect_id IS NOT NULL;
CREATE INDEX ix_payments_paid ON payments (company_id, paid_at);
CREATE INDEX ix_payments_standing
    ON payments (company_id, id) WHERE standing_validation_id IS NOT NULL;
CREATE INDEX ix_payments_status ON payments (company_id, status, id);
CREATE INDEX ix_payments_store ON payments (company_id, store_id, id);
CREATE INDEX ix_payments_updated ON payments USING brin (updated_at);
CREATE UNIQUE INDEX uq_payments_external_reference ON payments (company_id, client_id,
    external_reference) NULLS NOT DISTINCT WHERE external_reference IS NOT NULL
    AND status <> 'cancelled';
CREATE UNIQUE INDEX uq_payments_return_reference
    ON payments (provider_account_id, return_reference) WHERE return_reference IS NOT NULL;

-- A file that proves something; of those in force the digest is unique in the company.
CREATE TABLE attachments (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    requisition_id uuid,
    payment_id uuid,
    case_id uuid,
    filename text NOT NULL,
    content_type text NOT NULL,
    size integer NOT NULL,
    digest bytea NOT NULL,
    uploaded_by uuid NOT NULL,
    in_force boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_attachments PRIMARY KEY (id),
    CONSTRAINT uq_attachments_company_id_id UNIQUE (company_id, id),
    CONSTRAINT ck_attachments_owner CHECK (num_nonnulls(requisition_id, payment_id, case_id) = 1),
    CONSTRAINT ck_attachments_size CHECK (size <= 10485760),
    CONSTRAINT fk_attachments_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_attachments_company_id_case_id FOREIGN KEY (company_id, case_id)
        REFERENCES cases (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_attachments_company_id_payment_id FOREIGN KEY (company_id, payment_id)
        REFERENCES payments (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_attachments_company_id_requisition_id FOREIGN KEY (company_id, requisition_id)
        REFERENCES requisitions (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_attachments_company_id_uploaded_by FOREIGN KEY (company_id, uploaded_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT
);
CREATE INDEX ix_attachments_case ON attachments (company_id, case_id) WHERE case_id IS NOT NULL;
CREATE INDEX ix_attachments_payment ON attachments (payment_id) WHERE payment_id IS NOT NULL;
CREATE INDEX ix_attachments_requisition ON attachments (company_id, requisition_id);
CREATE INDEX ix_attachments_uploaded ON attachments (company_id, uploaded_by, created_at);
CREATE UNIQUE INDEX uq_attachments_digest ON attachments (company_id, digest) WHERE in_force;

-- The bytes, in a table of their own so that lists never read them.
CREATE TABLE attachment_contents (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    attachment_id uuid NOT NULL,
    content bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_attachment_contents PRIMARY KEY (id),
    CONSTRAINT uq_attachment_contents_attachment_id UNIQUE (attachment_id),
    CONSTRAINT fk_attachment_contents_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_attachment_contents_company_id_attachment_id
        FOREIGN KEY (company_id, attachment_id)
        REFERENCES attachments (company_id, id) ON DELETE RESTRICT
);
