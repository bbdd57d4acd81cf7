-- Rounds of approval, their steps, and the trail.

-- One tier: min_amount < amount ≤ max_amount, for a currency, an origin and a period. Published
-- rows only; a draft is a Change. An exclusion constraint (migration) refuses two tiers of one
-- company, currency, origin and period whose amounts overlap.
CREATE TABLE approval_thresholds (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    currency char(3) NOT NULL,
    origin varchar(40) NOT NULL,
    tier integer NOT NULL,
    name text NOT NULL,
    min_amount numeric(18, 2) NOT NULL,
    max_amount numeric(18, 2),
    roles_sequence jsonb NOT NULL,
    allow_urgent_fasttrack boolean NOT NULL,
    requires_cfo boolean NOT NULL,
    priority integer NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_until timestamptz,
    drafted_by uuid,
    published_by uuid,
    version integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_approval_thresholds PRIMARY KEY (id),
    CONSTRAINT uq_approval_thresholds_company_id_id UNIQUE (company_id, id),
    CONSTRAINT ck_approval_thresholds_min_amount CHECK (min_amount >= 0),
    CONSTRAINT ck_approval_thresholds_origin CHECK (origin IN ('branch', 'hq', 'field', 'any')),
    CONSTRAINT ck_approval_thresholds_range CHECK (max_amount IS NULL OR max_amount > min_amount),
    CONSTRAINT ck_approval_thresholds_roles_sequence CHECK (jsonb_typeof(roles_sequence) = 'array'),
    CONSTRAINT ck_approval_thresholds_tier CHECK (tier >= 1),
    CONSTRAINT ck_approval_thresholds_validity
        CHECK (valid_until IS NULL OR valid_until > valid_from),
    CONSTRAINT fk_approval_thresholds_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_approval_thresholds_company_id_drafted_by FOREIGN KEY (company_id, drafted_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_approval_thresholds_company_id_published_by FOREIGN KEY (company_id, published_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    -- Two live tiers of one company, currency and origin never share an amount at one time.
    CONSTRAINT ex_approval_thresholds_overlap EXCLUDE USING gist (
        uuid_range(company_id, company_id, '[]') WITH &&,
        text_range(currency::text, currency::text, '[]') WITH &&,
        text_range(origin::text, origin::text, '[]') WITH &&,
        numrange(min_amount, max_amount, '(]') WITH &&,
        tstzrange(valid_from, valid_until, '[)') WITH &&
    )
);
CREATE INDEX ix_approval_thresholds_find
    ON approval_thresholds (company_id, currency, origin, min_amount);

-- One submission of a subject: the policy and the facts as they stood then. Of each kind of subject
-- a computed column has the keys, and a foreign key leads from there to the table of its rows.
CREATE TABLE approval_rounds (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    subject_kind text NOT NULL,
    subject_id uuid NOT NULL,
    requisition_id uuid
        GENERATED ALWAYS AS (CASE WHEN subject_kind = 'requisition' THEN subject_id END) STORED,
    requester_id uuid NOT NULL,
    number integer NOT NULL,
    threshold_id uuid NOT NULL,
    policy jsonb NOT NULL,
    facts jsonb NOT NULL,
    digest bytea NOT NULL,
    status varchar(40) NOT NULL,
    override text,
    closed_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_approval_rounds PRIMARY KEY (id),
    CONSTRAINT uq_approval_rounds_company_id_id UNIQUE (company_id, id),
    CONSTRAINT uq_approval_rounds_company_id_id_subject_id UNIQUE (company_id, id, subject_id),
    CONSTRAINT uq_approval_rounds_subject_id_number UNIQUE (subject_id, number),
    CONSTRAINT ck_approval_rounds_status
        CHECK (status IN ('open', 'approved', 'rejected', 'changes_requested', 'voided',
            'handed_over')),
    CONSTRAINT ck_approval_rounds_subject CHECK (requisition_id IS NOT NULL),
    CONSTRAINT fk_approval_rounds_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_approval_rounds_company_id_requester_id FOREIGN KEY (company_id, requester_id)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_approval_rounds_company_id_requisition_id FOREIGN KEY (company_id, requisition_id)
        REFERENCES requisitions (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_approval_rounds_company_id_threshold_id FOREIGN KEY (company_id, threshold_id)
        REFERENCES approval_thresholds (company_id, id) ON DELETE RESTRICT
);
CREATE UNIQUE INDEX uq_approval_rounds_open
    ON approval_rounds (subject_id) WHERE status = 'open';

-- One place in the chain.
CREATE TABLE approval_steps (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    round_id uuid NOT NULL,
    position integer NOT NULL,
    role text NOT NULL,
    scope_id uuid,
    original_role varchar(40) NOT NULL,
    status varchar(40) NOT NULL,
    confirms_urgency boolean NOT NULL,
    auto_escalated boolean NOT NULL,
    escalation_reason text,
    opened_at timestamptz,
    closed_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_approval_steps PRIMARY KEY (id),
    CONSTRAINT uq_approval_steps_company_id_id UNIQUE (company_id, id),
    CONSTRAINT uq_approval_steps_round_id_position UNIQUE (round_id, position),
    CONSTRAINT ck_approval_steps_escalation CHECK (auto_escalated = (escalation_reason IS NOT NULL)),
    CONSTRAINT ck_approval_steps_original_role
        CHECK (original_role IN ('staff', 'department_head', 'branch_manager', 'regional_manager',
            'group_finance_manager', 'treasury', 'custodian', 'cfo', 'fpa', 'ceo', 'operator',
            'auditor', 'admin')),
    CONSTRAINT ck_approval_steps_status
        CHECK (status IN ('waiting', 'open', 'approved', 'rejected', 'changes_requested', 'skipped',
            'voided')),
    CONSTRAINT fk_approval_steps_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_approval_steps_company_id_round_id_subject_id
        FOREIGN KEY (company_id, round_id, subject_id)
        REFERENCES approval_rounds (company_id, id, subject_id) ON DELETE RESTRICT
);
CREATE UNIQUE INDEX uq_approval_steps_open ON approval_steps (subject_id) WHERE status = 'open';

-- Who may decide a step. One per step now; nobody twice in a round.
CREATE TABLE step_assignees (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    step_id uuid NOT NULL,
    round_id uuid NOT NULL,
    user_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_step_assignees PRIMARY KEY (id),
    CONSTRAINT uq_step_assignees_round_id_user_id UNIQUE (round_id, user_id),
    CONSTRAINT fk_step_assignees_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_step_assignees_company_id_round_id FOREIGN KEY (company_id, round_id)
        REFERENCES approval_rounds (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_step_assignees_company_id_step_id FOREIGN KEY (company_id, step_id)
        REFERENCES approval_steps (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_step_assignees_company_id_user_id FOREIGN KEY (company_id, user_id)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT
);
CREATE INDEX ix_step_assignees_user ON step_assignees (company_id, user_id, step_id);

-- Append-only. Triggers keep requester, approvers and executor apart, in both directions.
CREATE TABLE decisions (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    round_id uuid NOT NULL,
    step_id uuid NOT NULL,
    user_id uuid NOT NULL,
    role text NOT NULL,
    verdict varchar(40) NOT NULL,
    digest bytea NOT NULL,
    comment text,
    ip_address text,
    user_agent text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_decisions PRIMARY KEY (id),
    CONSTRAINT ck_decisions_verdict
        CHECK (verdict IN ('approved', 'rejected', 'changes_requested', 'urgency_confirmed',
            'urgency_refused')),
    CONSTRAINT fk_decisions_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_decisions_company_id_round_id_subject_id
        FOREIGN KEY (company_id, round_id, subject_id)
        REFERENCES approval_rounds (company_id, id, subject_id) ON DELETE RESTRICT,
    CONSTRAINT fk_decisions_company_id_step_id FOREIGN KEY (company_id, step_id)
        REFERENCES approval_steps (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_decisions_company_id_user_id FOREIGN KEY (company_id, user_id)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT
);
CREATE INDEX ix_decisions_round ON decisions (round_id, user_id);
CREATE INDEX ix_decisions_subject ON decisions (subject_id, user_id);
CREATE UNIQUE INDEX uq_decisions_final ON decisions (step_id) WHERE verdict <> 'urgency_refused';
CREATE UNIQUE INDEX uq_decisions_urgency_refused
    ON decisions (step_id) WHERE verdict = 'urgency_refused';

-- Append-only story of a subject, as auditors read it.
CREATE TABLE approval_trail (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    subject_kind text NOT NULL,
    subject_id uuid NOT NULL,
    requisition_id uuid
        GENERATED ALWAYS AS (CASE WHEN subject_kind = 'requisition' THEN subject_id END) STORED,
    user_id uuid,
    on_behalf_of uuid,
    role text,
    action varchar(40) NOT NULL,
    comment text,
    digest bytea,
    auto_escalated boolean NOT NULL,
    escalation_reason text,
    skipped_roles jsonb NOT NULL,
    override text,
    ip_address text,
    user_agent text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_approval_trail PRIMARY KEY (id),
    CONSTRAINT ck_approval_trail_action
        CHECK (action IN ('submitted', 'approved', 'validated', 'returned', 'held', 'paid',
            'reviewed', 'rejected', 'urgency_confirmed', 'urgency_refused', 'changes_requested',
            'recalled', 'cancelled', 'escalated', 'changed', 'released_from_hold', 'closed_short')),
    CONSTRAINT ck_approval_trail_subject CHECK (requisition_id IS NOT NULL),
    CONSTRAINT fk_approval_trail_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_approval_trail_company_id_on_behalf_of FOREIGN KEY (company_id, on_behalf_of)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_approval_trail_company_id_requisition_id FOREIGN KEY (company_id, requisition_id)
        REFERENCES requisitions (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_approval_trail_company_id_user_id FOREIGN KEY (company_id, user_id)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT
);
CREATE INDEX ix_approval_trail_subject ON approval_trail (company_id, subject_id, id);
