-- Requisitions and their lines.

-- A request to spend. Its maker never approves, validates or pays it.
CREATE TABLE requisitions (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    number text NOT NULL,
    kind varchar(40) NOT NULL,
    origin varchar(40) NOT NULL,
    origin_reason text,
    requester_id uuid NOT NULL,
    client_id uuid,
    external_reference text,
    metadata jsonb NOT NULL,
    region_id uuid,
    branch_id uuid,
    department_id uuid,
    cost_center_id uuid,
    amount numeric(18, 2) NOT NULL,
    currency char(3) NOT NULL,
    purpose text NOT NULL,
    payee_name text NOT NULL,
    payee_user_id uuid,
    method varchar(40) NOT NULL,
    destination text NOT NULL,
    is_urgent boolean NOT NULL,
    urgency_reason text,
    status varchar(40) NOT NULL,
    status_changed_at timestamptz NOT NULL DEFAULT now(),
    tier integer,
    approved_amount numeric(18, 2),
    approved_digest bytea,
    submitted_at timestamptz,
    approved_at timestamptz,
    validated_at timestamptz,
    validated_by uuid,
    held_at timestamptz,
    hold_reason text,
    open_redirect_id uuid,
    paid_at timestamptz,
    version integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_requisitions PRIMARY KEY (id),
    CONSTRAINT uq_requisitions_company_id_id UNIQUE (company_id, id),
    CONSTRAINT uq_requisitions_company_id_number UNIQUE (company_id, number),
    CONSTRAINT ck_requisitions_amount CHECK (amount > 0),
    CONSTRAINT ck_requisitions_approved_amount
        CHECK (approved_amount IS NULL OR approved_amount > 0),
    CONSTRAINT ck_requisitions_branch_origin CHECK (origin <> 'branch' OR branch_id IS NOT NULL),
    CONSTRAINT ck_requisitions_field_origin CHECK (origin <> 'field' OR region_id IS NOT NULL),
    CONSTRAINT ck_requisitions_kind
        CHECK (kind IN ('expense', 'reimbursement', 'advance', 'per_diem')),
    CONSTRAINT ck_requisitions_method
        CHECK (method IN ('mpesa', 'airtel_money', 'mtn_momo', 'bank_transfer', 'cash', 'wallet',
            'card')),
    CONSTRAINT ck_requisitions_origin CHECK (origin IN ('branch', 'hq', 'field')),
    CONSTRAINT ck_requisitions_status
        CHECK (status IN ('draft', 'pending', 'pending_urgency_confirmation',
            'pending_dept_approval', 'pending_branch_approval', 'pending_regional_review',
            'pending_finance_review', 'pending_cfo_approval', 'pending_ceo_approval',
            'pending_treasury_validation', 'in_payment', 'paid', 'reviewed', 'rejected',
            'cancelled', 'changes_requested', 'closed_short')),
    CONSTRAINT ck_requisitions_urgency_reason CHECK (NOT is_urgent OR urgency_reason IS NOT NULL),
    CONSTRAINT fk_requisitions_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_requisitions_company_id_branch_id FOREIGN KEY (company_id, branch_id)
        REFERENCES branches (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_requisitions_company_id_client_id FOREIGN KEY (company_id, client_id)
        REFERENCES api_keys (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_requisitions_company_id_cost_center_id FOREIGN KEY (company_id, cost_center_id)
        REFERENCES cost_centers (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_requisitions_company_id_department_id FOREIGN KEY (company_id, department_id)
        REFERENCES departments (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_requisitions_company_id_open_redirect_id
        FOREIGN KEY (company_id, open_redirect_id)
        REFERENCES changes (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_requisitions_company_id_payee_user_id FOREIGN KEY (company_id, payee_user_id)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_requisitions_company_id_region_id FOREIGN KEY (company_id, region_id)
        REFERENCES regions (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_requisitions_company_id_requester_id FOREIGN KEY (company_id, requester_id)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_requisitions_company_id_validated_by FOREIGN KEY (company_id, validated_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT
);
CREATE INDEX ix_requisitions_amount ON requisitions (company_id, amount, submitted_at);
CREATE INDEX ix_requisitions_branch ON requisitions (company_id, branch_id, id);
CREATE INDEX ix_requisitions_department ON requisitions (company_id, department_id, id);
CREATE INDEX ix_requisitions_open_redirect
    ON requisitions (open_redirect_id) WHERE open_redirect_id IS NOT NULL;
CREATE INDEX ix_requisitions_requester ON requisitions (company_id, requester_id, id);
CREATE INDEX ix_requisitions_status ON requisitions (company_id, status, id);
CREATE INDEX ix_requisitions_updated ON requisitions USING brin (updated_at);
CREATE UNIQUE INDEX uq_requisitions_external_reference ON requisitions (company_id,
    coalesce(client_id, requester_id), external_reference) WHERE external_reference IS NOT NULL
    AND status NOT IN ('rejected', 'cancelled');

-- What is bought. Gross amounts; their sum is the requisition's amount (trigger).
CREATE TABLE requisition_lines (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    requisition_id uuid NOT NULL,
    position integer NOT NULL,
    description text NOT NULL,
    amount numeric(18, 2) NOT NULL,
    category text NOT NULL,
    cost_center_id uuid,
    budget_line_id uuid,
    tax_code text,
    tax_amount numeric(18, 2),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_requisition_lines PRIMARY KEY (id),
    CONSTRAINT uq_requisition_lines_requisition_id_position UNIQUE (requisition_id, position),
    CONSTRAINT ck_requisition_lines_amount CHECK (amount > 0),
    CONSTRAINT fk_requisition_lines_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_requisition_lines_company_id_cost_center_id
        FOREIGN KEY (company_id, cost_center_id)
        REFERENCES cost_centers (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_requisition_lines_company_id_requisition_id
        FOREIGN KEY (company_id, requisition_id)
        REFERENCES requisitions (company_id, id) ON DELETE RESTRICT
);
