-- The schema as migrations leave it: `python -m tests.schema` writes it, a test compares.
-- Functions are files of migrations/sql; the owner sees and may do everything.

CREATE TYPE text_range AS RANGE (subtype = text);
CREATE TYPE uuid_range AS RANGE (subtype = uuid);

CREATE TABLE allowed_transitions (
    machine text NOT NULL,
    from_status text NOT NULL,
    to_status text NOT NULL,
    CONSTRAINT allowed_transitions_pkey PRIMARY KEY (machine, from_status, to_status)
);
ALTER TABLE allowed_transitions FORCE ROW LEVEL SECURITY;

CREATE TABLE api_keys (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    name text NOT NULL,
    prefix text NOT NULL,
    digest bytea NOT NULL,
    scopes jsonb NOT NULL,
    branch_id uuid,
    department_id uuid,
    expires_at timestamptz NOT NULL,
    created_by uuid NOT NULL,
    confirmed_by uuid,
    confirmed_at timestamptz,
    revoked_by uuid,
    revoked_at timestamptz,
    last_used_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_api_keys PRIMARY KEY (id),
    CONSTRAINT uq_api_keys_company_id_id UNIQUE (company_id, id),
    CONSTRAINT uq_api_keys_company_id_name UNIQUE (company_id, name),
    CONSTRAINT uq_api_keys_digest UNIQUE (digest),
    CONSTRAINT uq_api_keys_prefix UNIQUE (prefix),
    CONSTRAINT ck_api_keys_confirmed CHECK ((confirmed_by IS NULL) = (confirmed_at IS NULL)),
    CONSTRAINT ck_api_keys_one_unit CHECK (branch_id IS NULL OR department_id IS NULL),
    CONSTRAINT ck_api_keys_two_people CHECK (confirmed_by <> created_by),
    CONSTRAINT fk_api_keys_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_api_keys_company_id_branch_id FOREIGN KEY (company_id, branch_id)
        REFERENCES branches (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_api_keys_company_id_confirmed_by FOREIGN KEY (company_id, confirmed_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_api_keys_company_id_created_by FOREIGN KEY (company_id, created_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_api_keys_company_id_department_id FOREIGN KEY (company_id, department_id)
        REFERENCES departments (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_api_keys_company_id_revoked_by FOREIGN KEY (company_id, revoked_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT
);
ALTER TABLE api_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY across_companies ON api_keys TO pettycash_system USING (true) WITH CHECK (true);
CREATE POLICY own_company ON api_keys TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON api_keys TO pettycash_app;
GRANT SELECT, UPDATE ON api_keys TO pettycash_system;
CREATE TRIGGER updated_at BEFORE UPDATE ON api_keys FOR EACH ROW EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER word_stands BEFORE UPDATE OF company_id, prefix, digest, scopes, expires_at,
        created_by, created_at
    ON api_keys FOR EACH ROW
    EXECUTE FUNCTION word_stands('', 'company_id', 'prefix', 'digest', 'scopes', 'expires_at',
        'created_by', 'created_at');
CREATE TRIGGER word_stands_confirmed_at BEFORE UPDATE OF confirmed_at, confirmed_by
    ON api_keys FOR EACH ROW
    EXECUTE FUNCTION word_stands('confirmed_at', 'confirmed_at', 'confirmed_by');
CREATE TRIGGER word_stands_created_at BEFORE UPDATE OF branch_id, department_id
    ON api_keys FOR EACH ROW
    EXECUTE FUNCTION word_stands('created_at', 'branch_id', 'department_id');
CREATE TRIGGER word_stands_revoked_at BEFORE UPDATE OF revoked_at, revoked_by
    ON api_keys FOR EACH ROW
    EXECUTE FUNCTION word_stands('revoked_at', 'revoked_at', 'revoked_by');

CREATE TABLE approval_rounds (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    subject_kind text NOT NULL,
    subject_id uuid NOT NULL,
    requisition_id uuid GENERATED ALWAYS AS ( CASE WHEN subject_kind = 'requisition' THEN subject_id
        ELSE NULL::uuid END) STORED,
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
    CONSTRAINT ck_approval_rounds_status CHECK (status IN ('open', 'approved', 'rejected',
        'changes_requested', 'voided', 'handed_over')),
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
CREATE UNIQUE INDEX uq_approval_rounds_open ON approval_rounds (subject_id) WHERE status = 'open';
ALTER TABLE approval_rounds FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON approval_rounds TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON approval_rounds TO pettycash_app;
CREATE TRIGGER facts BEFORE INSERT OR UPDATE
    ON approval_rounds FOR EACH ROW
    EXECUTE FUNCTION round_facts();
CREATE CONSTRAINT TRIGGER round_is_decided AFTER UPDATE OF status
    ON approval_rounds DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (new.status = 'approved')
    EXECUTE FUNCTION round_is_decided();
CREATE TRIGGER updated_at BEFORE UPDATE
    ON approval_rounds FOR EACH ROW
    EXECUTE FUNCTION set_updated_at();

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
    CONSTRAINT uq_approval_steps_round_id_position UNIQUE (round_id, "position"),
    CONSTRAINT ck_approval_steps_escalation CHECK (auto_escalated = (escalation_reason IS NOT NULL)),
    CONSTRAINT ck_approval_steps_original_role CHECK (original_role IN ('staff', 'department_head',
        'branch_manager', 'regional_manager', 'group_finance_manager', 'treasury', 'custodian',
        'cfo', 'fpa', 'ceo', 'operator', 'auditor', 'admin')),
    CONSTRAINT ck_approval_steps_status CHECK (status IN ('waiting', 'open', 'approved', 'rejected',
        'changes_requested', 'skipped', 'voided')),
    CONSTRAINT fk_approval_steps_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_approval_steps_company_id_round_id_subject_id FOREIGN KEY (company_id, round_id,
        subject_id)
        REFERENCES approval_rounds (company_id, id, subject_id) ON DELETE RESTRICT
);
CREATE UNIQUE INDEX uq_approval_steps_open ON approval_steps (subject_id) WHERE status = 'open';
ALTER TABLE approval_steps FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON approval_steps TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON approval_steps TO pettycash_app;
CREATE TRIGGER updated_at BEFORE UPDATE
    ON approval_steps FOR EACH ROW
    EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER word_stands BEFORE UPDATE OF company_id, subject_id, round_id, "position", role,
        scope_id, original_role, confirms_urgency
    ON approval_steps FOR EACH ROW
    EXECUTE FUNCTION word_stands('', 'company_id', 'subject_id', 'round_id', 'position', 'role',
        'scope_id', 'original_role', 'confirms_urgency');

CREATE TABLE approval_thresholds (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    currency char(3) NOT NULL,
    origin varchar(40) NOT NULL,
    tier integer NOT NULL,
    name text NOT NULL,
    min_amount numeric(18,2) NOT NULL,
    max_amount numeric(18,2),
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
    CONSTRAINT ex_approval_thresholds_overlap EXCLUDE USING gist (uuid_range(company_id, company_id,
        '[]') WITH &&, text_range(currency, currency, '[]') WITH &&, text_range(origin, origin,
        '[]') WITH &&, numrange(min_amount, max_amount, '(]') WITH &&, tstzrange(valid_from,
        valid_until, '[)') WITH &&),
    CONSTRAINT ck_approval_thresholds_min_amount CHECK (min_amount >= 0),
    CONSTRAINT ck_approval_thresholds_origin CHECK (origin IN ('branch', 'hq', 'field', 'any')),
    CONSTRAINT ck_approval_thresholds_range CHECK (max_amount IS NULL OR max_amount > min_amount),
    CONSTRAINT ck_approval_thresholds_roles_sequence CHECK (jsonb_typeof(roles_sequence) = 'array'),
    CONSTRAINT ck_approval_thresholds_tier CHECK (tier >= 1),
    CONSTRAINT ck_approval_thresholds_validity CHECK (valid_until IS NULL OR valid_until >
        valid_from),
    CONSTRAINT fk_approval_thresholds_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_approval_thresholds_company_id_drafted_by FOREIGN KEY (company_id, drafted_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_approval_thresholds_company_id_published_by FOREIGN KEY (company_id, published_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT
);
CREATE INDEX ix_approval_thresholds_find
    ON approval_thresholds (company_id, currency, origin, min_amount);
ALTER TABLE approval_thresholds FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON approval_thresholds TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON approval_thresholds TO pettycash_app;
CREATE TRIGGER updated_at BEFORE UPDATE
    ON approval_thresholds FOR EACH ROW
    EXECUTE FUNCTION set_updated_at();

CREATE TABLE approval_trail (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    subject_kind text NOT NULL,
    subject_id uuid NOT NULL,
    requisition_id uuid GENERATED ALWAYS AS ( CASE WHEN subject_kind = 'requisition' THEN subject_id
        ELSE NULL::uuid END) STORED,
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
    CONSTRAINT ck_approval_trail_action CHECK (action IN ('submitted', 'approved', 'validated',
        'returned', 'held', 'paid', 'reviewed', 'rejected', 'urgency_confirmed', 'urgency_refused',
        'changes_requested', 'recalled', 'cancelled', 'escalated', 'changed', 'released_from_hold',
        'closed_short')),
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
ALTER TABLE approval_trail FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON approval_trail TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT ON approval_trail TO pettycash_app;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE
    ON approval_trail FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER append_only_rows BEFORE DELETE OR UPDATE
    ON approval_trail FOR EACH ROW
    EXECUTE FUNCTION refuse_rewriting();

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
    CONSTRAINT fk_attachment_contents_company_id_attachment_id FOREIGN KEY (company_id,
        attachment_id)
        REFERENCES attachments (company_id, id) ON DELETE RESTRICT
);
ALTER TABLE attachment_contents FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON attachment_contents TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT ON attachment_contents TO pettycash_app;

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
ALTER TABLE attachments FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON attachments TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT ON attachments TO pettycash_app;

CREATE TABLE auth_sessions (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    user_id uuid NOT NULL,
    family_id uuid NOT NULL,
    generation integer NOT NULL DEFAULT 0,
    purpose varchar(40) NOT NULL,
    access_digest bytea NOT NULL,
    refresh_digest bytea,
    access_expires_at timestamptz NOT NULL,
    family_started_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    authenticated_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    rotated_at timestamptz,
    revoked_at timestamptz,
    revoked_reason text,
    ip_address text,
    user_agent text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_auth_sessions PRIMARY KEY (id),
    CONSTRAINT uq_auth_sessions_access_digest UNIQUE (access_digest),
    CONSTRAINT uq_auth_sessions_company_id_id UNIQUE (company_id, id),
    CONSTRAINT uq_auth_sessions_refresh_digest UNIQUE (refresh_digest),
    CONSTRAINT ck_auth_sessions_purpose CHECK (purpose IN ('full', 'enrolment')),
    CONSTRAINT fk_auth_sessions_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_auth_sessions_company_id_user_id FOREIGN KEY (company_id, user_id)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT
);
CREATE INDEX ix_auth_sessions_family ON auth_sessions (family_id);
CREATE INDEX ix_auth_sessions_user ON auth_sessions (user_id);
ALTER TABLE auth_sessions FORCE ROW LEVEL SECURITY;
CREATE POLICY across_companies ON auth_sessions TO pettycash_system USING (true) WITH CHECK (true);
CREATE POLICY own_company ON auth_sessions TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT SELECT, UPDATE ON auth_sessions TO pettycash_app;
GRANT DELETE, INSERT, SELECT, UPDATE ON auth_sessions TO pettycash_system;

CREATE TABLE branches (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    code text NOT NULL,
    name text NOT NULL,
    region_id uuid NOT NULL,
    address text,
    is_head_office boolean NOT NULL DEFAULT false,
    is_active boolean NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_branches PRIMARY KEY (id),
    CONSTRAINT uq_branches_company_id_code UNIQUE (company_id, code),
    CONSTRAINT uq_branches_company_id_id UNIQUE (company_id, id),
    CONSTRAINT fk_branches_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_branches_company_id_region_id FOREIGN KEY (company_id, region_id)
        REFERENCES regions (company_id, id) ON DELETE RESTRICT
);
CREATE INDEX ix_branches_region ON branches (company_id, region_id);
ALTER TABLE branches FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON branches TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON branches TO pettycash_app;
CREATE TRIGGER updated_at BEFORE UPDATE ON branches FOR EACH ROW EXECUTE FUNCTION set_updated_at();

CREATE TABLE callbacks (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    attempt_id uuid,
    lost_attempt_id uuid,
    provider_account_id uuid,
    told_reference text,
    told_receipt text,
    told_destination text,
    told_amount numeric(18,2),
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
    CONSTRAINT ck_callbacks_purpose CHECK (purpose IN ('result', 'timeout', 'query_result',
        'query_timeout')),
    CONSTRAINT fk_callbacks_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_callbacks_company_id_attempt_id FOREIGN KEY (company_id, attempt_id)
        REFERENCES payment_attempts (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_callbacks_company_id_provider_account_id FOREIGN KEY (company_id,
        provider_account_id)
        REFERENCES provider_accounts (company_id, id) ON DELETE RESTRICT
);
CREATE INDEX ix_callbacks_company ON callbacks (company_id, id);
CREATE INDEX ix_callbacks_told
    ON callbacks (company_id, told_destination, told_amount) WHERE told_destination IS NOT NULL;
CREATE UNIQUE INDEX uq_callbacks_lost
    ON callbacks (lost_attempt_id, purpose, dedup_key) WHERE lost_attempt_id IS NOT NULL;
ALTER TABLE callbacks FORCE ROW LEVEL SECURITY;
CREATE POLICY across_companies ON callbacks TO pettycash_system USING (true) WITH CHECK (true);
CREATE POLICY own_company ON callbacks TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON callbacks TO pettycash_app;
GRANT INSERT, SELECT, UPDATE ON callbacks TO pettycash_system;

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
    CONSTRAINT ck_cases_kind CHECK (kind IN ('in_doubt', 'contradiction', 'mismatch',
        'unmatched_callback', 'short_delivery', 'late_fact', 'below_floor', 'dead_letter',
        'release_locked', 'credentials_refused')),
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
ALTER TABLE cases FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON cases TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON cases TO pettycash_app;
CREATE TRIGGER duties BEFORE INSERT OR UPDATE ON cases FOR EACH ROW EXECUTE FUNCTION case_duties();
CREATE TRIGGER updated_at BEFORE UPDATE ON cases FOR EACH ROW EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER word_stands BEFORE UPDATE OF decided_by
    ON cases FOR EACH ROW
    EXECUTE FUNCTION word_stands('', 'decided_by');

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
    CONSTRAINT ck_cash_acknowledgements_witness CHECK ((proof IN ('code', 'sign_in')) OR proof =
        'signature' AND witness_id IS NOT NULL AND witnessed_at IS NOT NULL),
    CONSTRAINT fk_cash_acknowledgements_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_cash_acknowledgements_company_id_attachment_id FOREIGN KEY (company_id,
        attachment_id)
        REFERENCES attachments (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_cash_acknowledgements_company_id_execution_id FOREIGN KEY (company_id,
        execution_id)
        REFERENCES payment_executions (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_cash_acknowledgements_company_id_payment_id FOREIGN KEY (company_id, payment_id)
        REFERENCES payments (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_cash_acknowledgements_company_id_witness_id FOREIGN KEY (company_id, witness_id)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT
);
CREATE INDEX ix_cash_acknowledgements_witness
    ON cash_acknowledgements (company_id, witness_id) WHERE witness_id IS NOT NULL;
ALTER TABLE cash_acknowledgements FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON cash_acknowledgements TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON cash_acknowledgements TO pettycash_app;
CREATE TRIGGER updated_at BEFORE UPDATE
    ON cash_acknowledgements FOR EACH ROW
    EXECUTE FUNCTION set_updated_at();

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
ALTER TABLE challenge_sends FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON challenge_sends TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON challenge_sends TO pettycash_app;
CREATE TRIGGER updated_at BEFORE UPDATE
    ON challenge_sends FOR EACH ROW
    EXECUTE FUNCTION set_updated_at();

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
    CONSTRAINT ck_changes_status CHECK (status IN ('proposed', 'effective', 'rejected',
        'withdrawn')),
    CONSTRAINT ck_changes_two_people CHECK (status = 'withdrawn' OR decided_by <> proposed_by),
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
ALTER TABLE changes FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON changes TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON changes TO pettycash_app;
CREATE TRIGGER updated_at BEFORE UPDATE ON changes FOR EACH ROW EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER word_stands BEFORE UPDATE OF company_id, kind, object_id, payload, digest, reason,
        proposed_by, proposed_at, created_at
    ON changes FOR EACH ROW
    EXECUTE FUNCTION word_stands('', 'company_id', 'kind', 'object_id', 'payload', 'digest',
        'reason', 'proposed_by', 'proposed_at', 'created_at');
CREATE TRIGGER word_stands_decided_by BEFORE UPDATE OF status, decider_id, decided_by, decided_at,
        decision_reason
    ON changes FOR EACH ROW
    EXECUTE FUNCTION word_stands('decided_by', 'status', 'decider_id', 'decided_by', 'decided_at',
        'decision_reason');

CREATE TABLE companies (
    id uuid NOT NULL,
    code text NOT NULL,
    name text NOT NULL,
    currency char(3) NOT NULL,
    is_active boolean NOT NULL,
    bootstrapped_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_companies PRIMARY KEY (id),
    CONSTRAINT uq_companies_code UNIQUE (code),
    CONSTRAINT uq_companies_name UNIQUE (name)
);
ALTER TABLE companies FORCE ROW LEVEL SECURITY;
CREATE POLICY across_companies ON companies TO pettycash_system USING (true) WITH CHECK (true);
CREATE POLICY own_company ON companies TO pettycash_app
    USING (id = current_company())
    WITH CHECK (id = current_company());
GRANT SELECT, UPDATE ON companies TO pettycash_app;
GRANT INSERT, SELECT, UPDATE ON companies TO pettycash_system;
CREATE TRIGGER updated_at BEFORE UPDATE ON companies FOR EACH ROW EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER word_stands BEFORE UPDATE OF bootstrapped_at
    ON companies FOR EACH ROW
    EXECUTE FUNCTION word_stands('', 'bootstrapped_at');

CREATE TABLE company_settings (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    version integer NOT NULL,
    data jsonb NOT NULL,
    changed_by uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_company_settings PRIMARY KEY (id),
    CONSTRAINT uq_company_settings_company_id_version UNIQUE (company_id, version),
    CONSTRAINT fk_company_settings_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_company_settings_company_id_changed_by FOREIGN KEY (company_id, changed_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT
);
ALTER TABLE company_settings FORCE ROW LEVEL SECURITY;
CREATE POLICY across_companies ON company_settings TO pettycash_system
    USING (true)
    WITH CHECK (true);
CREATE POLICY own_company ON company_settings TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT ON company_settings TO pettycash_app;
GRANT SELECT ON company_settings TO pettycash_system;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE
    ON company_settings FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER append_only_rows BEFORE DELETE OR UPDATE
    ON company_settings FOR EACH ROW
    EXECUTE FUNCTION refuse_rewriting();

CREATE TABLE contacts (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    user_id uuid NOT NULL,
    kind varchar(40) NOT NULL,
    value text NOT NULL,
    held_from timestamptz NOT NULL,
    held_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_contacts PRIMARY KEY (id),
    CONSTRAINT ck_contacts_held CHECK (held_until IS NULL OR held_until >= held_from),
    CONSTRAINT ck_contacts_kind CHECK (kind IN ('phone', 'email')),
    CONSTRAINT fk_contacts_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_contacts_company_id_user_id FOREIGN KEY (company_id, user_id)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT
);
CREATE INDEX ix_contacts_user ON contacts (user_id, kind);
CREATE INDEX ix_contacts_value ON contacts (company_id, value);
CREATE UNIQUE INDEX uq_contacts_held
    ON contacts (company_id, user_id, kind) WHERE held_until IS NULL;
ALTER TABLE contacts FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON contacts TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT SELECT ON contacts TO pettycash_app;

CREATE TABLE cost_centers (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    code text NOT NULL,
    name text NOT NULL,
    branch_id uuid,
    department_id uuid,
    is_active boolean NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_cost_centers PRIMARY KEY (id),
    CONSTRAINT uq_cost_centers_company_id_code UNIQUE (company_id, code),
    CONSTRAINT uq_cost_centers_company_id_id UNIQUE (company_id, id),
    CONSTRAINT fk_cost_centers_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_cost_centers_company_id_branch_id FOREIGN KEY (company_id, branch_id)
        REFERENCES branches (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_cost_centers_company_id_department_id FOREIGN KEY (company_id, department_id)
        REFERENCES departments (company_id, id) ON DELETE RESTRICT
);
ALTER TABLE cost_centers FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON cost_centers TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON cost_centers TO pettycash_app;
CREATE TRIGGER updated_at BEFORE UPDATE
    ON cost_centers FOR EACH ROW
    EXECUTE FUNCTION set_updated_at();

CREATE TABLE counters (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    kind text NOT NULL,
    year integer NOT NULL,
    last integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_counters PRIMARY KEY (id),
    CONSTRAINT uq_counters_company_id_kind_year UNIQUE (company_id, kind, year),
    CONSTRAINT fk_counters_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT
);
ALTER TABLE counters FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON counters TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON counters TO pettycash_app;

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
    CONSTRAINT ck_decisions_verdict CHECK (verdict IN ('approved', 'rejected', 'changes_requested',
        'urgency_confirmed', 'urgency_refused')),
    CONSTRAINT fk_decisions_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_decisions_company_id_round_id_subject_id FOREIGN KEY (company_id, round_id,
        subject_id)
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
ALTER TABLE decisions FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON decisions TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT ON decisions TO pettycash_app;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE
    ON decisions FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER append_only_rows BEFORE DELETE OR UPDATE
    ON decisions FOR EACH ROW
    EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER duties BEFORE INSERT ON decisions FOR EACH ROW EXECUTE FUNCTION decision_duties();

CREATE TABLE departments (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    code text NOT NULL,
    name text NOT NULL,
    is_active boolean NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_departments PRIMARY KEY (id),
    CONSTRAINT uq_departments_company_id_code UNIQUE (company_id, code),
    CONSTRAINT uq_departments_company_id_id UNIQUE (company_id, id),
    CONSTRAINT fk_departments_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT
);
ALTER TABLE departments FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON departments TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON departments TO pettycash_app;
CREATE TRIGGER updated_at BEFORE UPDATE
    ON departments FOR EACH ROW
    EXECUTE FUNCTION set_updated_at();

CREATE TABLE duty_pairs (
    duty text NOT NULL,
    other text NOT NULL,
    CONSTRAINT duty_pairs_pkey PRIMARY KEY (duty, other)
);
ALTER TABLE duty_pairs FORCE ROW LEVEL SECURITY;
CREATE POLICY across_companies ON duty_pairs TO pettycash_system USING (true) WITH CHECK (true);
CREATE POLICY own_company ON duty_pairs TO pettycash_app USING (true) WITH CHECK (true);
GRANT SELECT ON duty_pairs TO pettycash_app;
GRANT SELECT ON duty_pairs TO pettycash_system;

CREATE TABLE funds (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    code text NOT NULL,
    name text NOT NULL,
    currency char(3) NOT NULL,
    region_id uuid,
    branch_id uuid,
    department_id uuid,
    custodian_id uuid,
    alternate_custodian_id uuid,
    target_balance numeric(18,2) NOT NULL,
    reorder_level numeric(18,2) NOT NULL,
    minimum_balance numeric(18,2) NOT NULL,
    maximum_balance numeric(18,2),
    cash_limit numeric(18,2),
    is_active boolean NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_funds PRIMARY KEY (id),
    CONSTRAINT uq_funds_company_id_code UNIQUE (company_id, code),
    CONSTRAINT uq_funds_company_id_id UNIQUE (company_id, id),
    CONSTRAINT ck_funds_alternate CHECK (alternate_custodian_id IS NULL OR alternate_custodian_id <>
        custodian_id),
    CONSTRAINT ck_funds_cash_limit CHECK (cash_limit IS NULL OR cash_limit > 0),
    CONSTRAINT ck_funds_maximum_balance CHECK (maximum_balance IS NULL OR maximum_balance >=
        target_balance),
    CONSTRAINT ck_funds_minimum_balance CHECK (minimum_balance >= 0),
    CONSTRAINT ck_funds_reorder_level CHECK (reorder_level >= 0 AND reorder_level < target_balance),
    CONSTRAINT ck_funds_target_balance CHECK (target_balance > 0),
    CONSTRAINT fk_funds_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_funds_company_id_alternate_custodian_id FOREIGN KEY (company_id,
        alternate_custodian_id)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_funds_company_id_branch_id FOREIGN KEY (company_id, branch_id)
        REFERENCES branches (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_funds_company_id_custodian_id FOREIGN KEY (company_id, custodian_id)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_funds_company_id_department_id FOREIGN KEY (company_id, department_id)
        REFERENCES departments (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_funds_company_id_region_id FOREIGN KEY (company_id, region_id)
        REFERENCES regions (company_id, id) ON DELETE RESTRICT
);
CREATE UNIQUE INDEX uq_funds_place
    ON funds (company_id, region_id, branch_id, department_id, currency) NULLS NOT DISTINCT WHERE
        is_active;
ALTER TABLE funds FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON funds TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON funds TO pettycash_app;
CREATE TRIGGER updated_at BEFORE UPDATE ON funds FOR EACH ROW EXECUTE FUNCTION set_updated_at();

CREATE TABLE heartbeats (
    name text NOT NULL,
    beaten_at timestamptz NOT NULL,
    CONSTRAINT pk_heartbeats PRIMARY KEY (name)
);
ALTER TABLE heartbeats FORCE ROW LEVEL SECURITY;
CREATE POLICY across_companies ON heartbeats TO pettycash_system USING (true) WITH CHECK (true);
CREATE POLICY own_company ON heartbeats TO pettycash_app USING (true) WITH CHECK (true);
GRANT SELECT ON heartbeats TO pettycash_app;
GRANT INSERT, SELECT, UPDATE ON heartbeats TO pettycash_system;

CREATE TABLE holds (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    account_id uuid NOT NULL,
    source text NOT NULL,
    amount numeric(18,2) NOT NULL,
    expected_fee numeric(18,2) NOT NULL,
    state varchar(40) NOT NULL,
    closed_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_holds PRIMARY KEY (id),
    CONSTRAINT uq_holds_company_id_source UNIQUE (company_id, source),
    CONSTRAINT ck_holds_amount CHECK (amount > 0),
    CONSTRAINT ck_holds_expected_fee CHECK (expected_fee >= 0),
    CONSTRAINT ck_holds_state CHECK (state IN ('open', 'posted', 'voided')),
    CONSTRAINT fk_holds_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_holds_company_id_account_id FOREIGN KEY (company_id, account_id)
        REFERENCES ledger_accounts (company_id, id) ON DELETE RESTRICT
);
CREATE INDEX ix_holds_open ON holds (account_id) WHERE state = 'open';
ALTER TABLE holds FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON holds TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT SELECT ON holds TO pettycash_app;

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
    CONSTRAINT uq_idempotency_keys_company_id_principal_method_route_key UNIQUE (company_id,
        principal, method, route, key),
    CONSTRAINT fk_idempotency_keys_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT
);
CREATE INDEX ix_idempotency_keys_created ON idempotency_keys (created_at);
ALTER TABLE idempotency_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY across_companies ON idempotency_keys TO pettycash_system
    USING (true)
    WITH CHECK (true);
CREATE POLICY own_company ON idempotency_keys TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT ON idempotency_keys TO pettycash_app;
GRANT DELETE, SELECT ON idempotency_keys TO pettycash_system;
GRANT UPDATE (status, headers, body) ON idempotency_keys TO pettycash_app;
CREATE TRIGGER answers BEFORE UPDATE
    ON idempotency_keys FOR EACH ROW
    EXECUTE FUNCTION answer_stands();

CREATE TABLE incompatible_roles (
    role text NOT NULL,
    other text NOT NULL,
    CONSTRAINT incompatible_roles_pkey PRIMARY KEY (role, other)
);
ALTER TABLE incompatible_roles FORCE ROW LEVEL SECURITY;
CREATE POLICY across_companies ON incompatible_roles TO pettycash_system
    USING (true)
    WITH CHECK (true);
CREATE POLICY own_company ON incompatible_roles TO pettycash_app USING (true) WITH CHECK (true);
GRANT SELECT ON incompatible_roles TO pettycash_app;
GRANT SELECT ON incompatible_roles TO pettycash_system;

CREATE TABLE journal_entries (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    source text NOT NULL,
    rule text NOT NULL,
    description text NOT NULL,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    accounting_date date NOT NULL,
    currency char(3) NOT NULL,
    created_by uuid,
    payment_id uuid,
    execution_id uuid,
    reverses_entry_id uuid,
    request_id text,
    CONSTRAINT pk_journal_entries PRIMARY KEY (id),
    CONSTRAINT uq_journal_entries_company_id_id UNIQUE (company_id, id),
    CONSTRAINT fk_journal_entries_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_journal_entries_company_id_created_by FOREIGN KEY (company_id, created_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT
) PARTITION BY RANGE (id);
CREATE INDEX ix_journal_entries_date ON journal_entries (company_id, accounting_date);
CREATE INDEX ix_journal_entries_payment ON journal_entries (payment_id);
ALTER TABLE journal_entries FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON journal_entries TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT SELECT ON journal_entries TO pettycash_app;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE
    ON journal_entries FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER append_only_rows BEFORE DELETE OR UPDATE
    ON journal_entries FOR EACH ROW
    EXECUTE FUNCTION refuse_rewriting();
CREATE CONSTRAINT TRIGGER entry_balances AFTER INSERT
    ON journal_entries DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION check_entry('entry');

CREATE TABLE journal_sources (
    company_id uuid NOT NULL,
    source text NOT NULL,
    entry_id uuid NOT NULL,
    CONSTRAINT pk_journal_sources PRIMARY KEY (company_id, source),
    CONSTRAINT uq_journal_sources_entry_id UNIQUE (entry_id),
    CONSTRAINT fk_journal_sources_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT
);
ALTER TABLE journal_sources FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON journal_sources TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT SELECT ON journal_sources TO pettycash_app;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE
    ON journal_sources FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER append_only_rows BEFORE DELETE OR UPDATE
    ON journal_sources FOR EACH ROW
    EXECUTE FUNCTION refuse_rewriting();
CREATE CONSTRAINT TRIGGER entry_balances AFTER INSERT
    ON journal_sources DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION check_entry('source');

CREATE TABLE ledger_accounts (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    code text NOT NULL,
    name text NOT NULL,
    kind varchar(40) NOT NULL,
    currency char(3) NOT NULL,
    fund_id uuid,
    provider_account_id uuid,
    party_id uuid,
    category text,
    floor numeric(18,2) NOT NULL DEFAULT 0,
    is_active boolean NOT NULL DEFAULT true,
    balance numeric(18,2) NOT NULL DEFAULT 0,
    held numeric(18,2) NOT NULL DEFAULT 0,
    sequence bigint NOT NULL DEFAULT 0,
    newest_entry_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_ledger_accounts PRIMARY KEY (id),
    CONSTRAINT uq_ledger_accounts_company_id_code_currency UNIQUE (company_id, code, currency),
    CONSTRAINT uq_ledger_accounts_company_id_id UNIQUE (company_id, id),
    CONSTRAINT ck_ledger_accounts_floor CHECK (floor >= 0),
    CONSTRAINT ck_ledger_accounts_held CHECK (held >= 0),
    CONSTRAINT ck_ledger_accounts_kind CHECK (kind IN ('store', 'bank', 'in_transit', 'unallocated',
        'provider_charges', 'advances', 'expense', 'fees', 'input_vat', 'wht_payable', 'receivable',
        'payable', 'wallet', 'differences_pending', 'over_short', 'recoverable', 'fx_clearing',
        'suspense', 'equity')),
    CONSTRAINT fk_ledger_accounts_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_ledger_accounts_company_id_fund_id FOREIGN KEY (company_id, fund_id)
        REFERENCES funds (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_ledger_accounts_company_id_party_id FOREIGN KEY (company_id, party_id)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_ledger_accounts_company_id_provider_account_id FOREIGN KEY (company_id,
        provider_account_id)
        REFERENCES provider_accounts (company_id, id) ON DELETE RESTRICT
);
CREATE UNIQUE INDEX uq_ledger_accounts_of
    ON ledger_accounts (company_id, kind, currency, fund_id, provider_account_id, party_id,
        category) NULLS NOT DISTINCT WHERE kind <> 'store';
ALTER TABLE ledger_accounts FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON ledger_accounts TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT SELECT ON ledger_accounts TO pettycash_app;
GRANT INSERT (id, company_id, code, name, kind, currency, fund_id, provider_account_id, party_id,
        category, floor, is_active)
    ON ledger_accounts TO pettycash_app;
GRANT UPDATE (name, floor, is_active) ON ledger_accounts TO pettycash_app;

CREATE TABLE ledger_periods (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    month date NOT NULL,
    state varchar(40) NOT NULL,
    proposed_by uuid,
    proposed_at timestamptz,
    decided_by uuid,
    decided_at timestamptz,
    decision_reason text,
    version integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_ledger_periods PRIMARY KEY (id),
    CONSTRAINT uq_ledger_periods_company_id_month UNIQUE (company_id, month),
    CONSTRAINT ck_ledger_periods_month CHECK (month = date_trunc('month', month::timestamptz)::date),
    CONSTRAINT ck_ledger_periods_state CHECK (state IN ('open', 'soft_closed', 'hard_closed')),
    CONSTRAINT ck_ledger_periods_two_people CHECK (decided_by <> proposed_by),
    CONSTRAINT fk_ledger_periods_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_ledger_periods_company_id_decided_by FOREIGN KEY (company_id, decided_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_ledger_periods_company_id_proposed_by FOREIGN KEY (company_id, proposed_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT
);
ALTER TABLE ledger_periods FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON ledger_periods TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON ledger_periods TO pettycash_app;
CREATE TRIGGER updated_at BEFORE UPDATE
    ON ledger_periods FOR EACH ROW
    EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER word_stands_decided_by BEFORE UPDATE OF state, proposed_by, proposed_at, decided_by,
        decided_at, decision_reason
    ON ledger_periods FOR EACH ROW
    EXECUTE FUNCTION word_stands('decided_by', 'state', 'proposed_by', 'proposed_at', 'decided_by',
        'decided_at', 'decision_reason');

CREATE TABLE memberships (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    user_id uuid NOT NULL,
    region_id uuid,
    branch_id uuid,
    department_id uuid,
    cost_center_id uuid,
    position_id uuid,
    phone text,
    is_active boolean NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_memberships PRIMARY KEY (id),
    CONSTRAINT uq_memberships_company_id_id UNIQUE (company_id, id),
    CONSTRAINT uq_memberships_company_id_user_id UNIQUE (company_id, user_id),
    CONSTRAINT fk_memberships_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_memberships_company_id_branch_id FOREIGN KEY (company_id, branch_id)
        REFERENCES branches (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_memberships_company_id_cost_center_id FOREIGN KEY (company_id, cost_center_id)
        REFERENCES cost_centers (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_memberships_company_id_department_id FOREIGN KEY (company_id, department_id)
        REFERENCES departments (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_memberships_company_id_position_id FOREIGN KEY (company_id, position_id)
        REFERENCES positions (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_memberships_company_id_region_id FOREIGN KEY (company_id, region_id)
        REFERENCES regions (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_memberships_user_id FOREIGN KEY (user_id)
        REFERENCES users (id) ON DELETE RESTRICT
);
CREATE INDEX ix_memberships_user ON memberships (user_id);
ALTER TABLE memberships FORCE ROW LEVEL SECURITY;
CREATE POLICY across_companies ON memberships TO pettycash_system USING (true) WITH CHECK (true);
CREATE POLICY own_company ON memberships TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON memberships TO pettycash_app;
GRANT SELECT ON memberships TO pettycash_system;
CREATE TRIGGER contacts AFTER UPDATE OF phone
    ON memberships FOR EACH ROW
    EXECUTE FUNCTION keep_contacts();
CREATE TRIGGER contacts_begin AFTER INSERT
    ON memberships FOR EACH ROW
    EXECUTE FUNCTION begin_contacts();
CREATE TRIGGER updated_at BEFORE UPDATE
    ON memberships FOR EACH ROW
    EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER word_stands BEFORE UPDATE OF company_id, user_id, created_at
    ON memberships FOR EACH ROW
    EXECUTE FUNCTION word_stands('', 'company_id', 'user_id', 'created_at');

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
ALTER TABLE notice_wishes FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON notice_wishes TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON notice_wishes TO pettycash_app;
CREATE TRIGGER updated_at BEFORE UPDATE
    ON notice_wishes FOR EACH ROW
    EXECUTE FUNCTION set_updated_at();

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
    CONSTRAINT uq_notices_company_id_user_id_kind_about_id UNIQUE (company_id, user_id, kind,
        about_id),
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
ALTER TABLE notices FORCE ROW LEVEL SECURITY;
CREATE POLICY across_companies ON notices TO pettycash_system USING (true) WITH CHECK (true);
CREATE POLICY own_company ON notices TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT ON notices TO pettycash_app;
GRANT DELETE, SELECT ON notices TO pettycash_system;
GRANT UPDATE (timing, claimed_at, sent_at, read_at) ON notices TO pettycash_app;

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
    request_id text DEFAULT NULLIF(current_setting('app.request_id', true), ''),
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
    ON outbox_messages (topic, lane, due_at) WHERE completed_at IS NULL AND dead_lettered_at IS
        NULL;
ALTER TABLE outbox_messages FORCE ROW LEVEL SECURITY;
CREATE POLICY across_companies ON outbox_messages TO pettycash_system
    USING (true)
    WITH CHECK (true);
CREATE POLICY own_company ON outbox_messages TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON outbox_messages TO pettycash_app;
GRANT DELETE, INSERT, SELECT, UPDATE ON outbox_messages TO pettycash_system;
CREATE TRIGGER own_lane BEFORE INSERT OR UPDATE
    ON outbox_messages FOR EACH ROW WHEN (new.lane IS NULL AND new.completed_at IS NULL)
    EXECUTE FUNCTION outbox_lane();

CREATE TABLE partitioned_tables (
    name text NOT NULL,
    CONSTRAINT partitioned_tables_pkey PRIMARY KEY (name)
);
ALTER TABLE partitioned_tables FORCE ROW LEVEL SECURITY;
CREATE POLICY across_companies ON partitioned_tables TO pettycash_system
    USING (true)
    WITH CHECK (true);
GRANT SELECT ON partitioned_tables TO pettycash_system;

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
ALTER TABLE pauses FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON pauses TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON pauses TO pettycash_app;
CREATE TRIGGER updated_at BEFORE UPDATE ON pauses FOR EACH ROW EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER word_stands_decided_by BEFORE UPDATE OF proposed_by, proposed_at, decided_by,
        decided_at, decision_reason
    ON pauses FOR EACH ROW
    EXECUTE FUNCTION word_stands('decided_by', 'proposed_by', 'proposed_at', 'decided_by',
        'decided_at', 'decision_reason');

CREATE TABLE payment_attempts (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    payment_id uuid NOT NULL,
    execution_id uuid NOT NULL,
    number integer NOT NULL,
    provider_account_id uuid,
    base_url text,
    originator_reference text NOT NULL,
    amount numeric(18,2) NOT NULL,
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
    settled_amount numeric(18,2),
    fee numeric(18,2),
    fee_evidence text,
    decide_by timestamptz NOT NULL,
    queries integer NOT NULL,
    last_query_at timestamptz,
    next_query_at timestamptz,
    asked_reference text,
    asks_first boolean NOT NULL DEFAULT false,
    request_id text DEFAULT NULLIF(current_setting('app.request_id', true), ''),
    asked_ahead smallint NOT NULL DEFAULT 0,
    not_known_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_payment_attempts PRIMARY KEY (id),
    CONSTRAINT uq_payment_attempts_company_id_id UNIQUE (company_id, id),
    CONSTRAINT uq_payment_attempts_execution_id UNIQUE (execution_id),
    CONSTRAINT uq_payment_attempts_payment_id_number UNIQUE (payment_id, number),
    CONSTRAINT ck_payment_attempts_state CHECK (state IN ('queued', 'claimed', 'sending',
        'accepted', 'unknown', 'settled', 'rejected')),
    CONSTRAINT ck_payment_attempts_tries CHECK (tries >= 0),
    CONSTRAINT fk_payment_attempts_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_payment_attempts_company_id_execution_id FOREIGN KEY (company_id, execution_id)
        REFERENCES payment_executions (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_payment_attempts_company_id_payment_id FOREIGN KEY (company_id, payment_id)
        REFERENCES payments (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_payment_attempts_company_id_provider_account_id FOREIGN KEY (company_id,
        provider_account_id)
        REFERENCES provider_accounts (company_id, id) ON DELETE RESTRICT
);
CREATE INDEX ix_payment_attempts_payment ON payment_attempts (payment_id, number);
CREATE UNIQUE INDEX uq_payment_attempts_live
    ON payment_attempts (payment_id) WHERE state NOT IN ('settled', 'rejected');
CREATE UNIQUE INDEX uq_payment_attempts_provider_reference
    ON payment_attempts (provider_account_id, provider_reference) WHERE provider_reference IS NOT
        NULL;
CREATE UNIQUE INDEX uq_payment_attempts_reference
    ON payment_attempts (provider_account_id, originator_reference);
ALTER TABLE payment_attempts FORCE ROW LEVEL SECURITY;
CREATE POLICY across_companies ON payment_attempts TO pettycash_system
    USING (true)
    WITH CHECK (true);
CREATE POLICY own_company ON payment_attempts TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON payment_attempts TO pettycash_app;
GRANT SELECT ON payment_attempts TO pettycash_system;
CREATE TRIGGER facts BEFORE INSERT OR UPDATE
    ON payment_attempts FOR EACH ROW
    EXECUTE FUNCTION attempt_facts();
CREATE TRIGGER updated_at BEFORE UPDATE
    ON payment_attempts FOR EACH ROW
    EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER where_approved BEFORE INSERT
    ON payment_attempts FOR EACH ROW
    EXECUTE FUNCTION release_where_approved();

CREATE TABLE payment_executions (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    payment_id uuid NOT NULL,
    requisition_id uuid NOT NULL,
    attempt_number integer NOT NULL,
    originator_reference text NOT NULL,
    executor_id uuid NOT NULL,
    amount numeric(18,2) NOT NULL,
    currency char(3) NOT NULL,
    grant_id uuid,
    proof text NOT NULL,
    verified_at timestamptz,
    ip_address text,
    user_agent text,
    cash_limit numeric(18,2),
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
    CONSTRAINT fk_payment_executions_company_id_requisition_id FOREIGN KEY (company_id,
        requisition_id)
        REFERENCES requisitions (company_id, id) ON DELETE RESTRICT
);
CREATE INDEX ix_payment_executions_requisition ON payment_executions (requisition_id, executor_id);
ALTER TABLE payment_executions FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON payment_executions TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT ON payment_executions TO pettycash_app;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE
    ON payment_executions FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER append_only_rows BEFORE DELETE OR UPDATE
    ON payment_executions FOR EACH ROW
    EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER duties BEFORE INSERT
    ON payment_executions FOR EACH ROW
    EXECUTE FUNCTION execution_duties();
CREATE TRIGGER limits BEFORE INSERT
    ON payment_executions FOR EACH ROW
    EXECUTE FUNCTION cash_limits();
CREATE TRIGGER where_approved BEFORE INSERT
    ON payment_executions FOR EACH ROW
    EXECUTE FUNCTION release_where_approved();

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
    CONSTRAINT ck_payment_reconciliations_source CHECK (source IN ('callback', 'gateway_query',
        'statement', 'manual', 'acknowledgement')),
    CONSTRAINT fk_payment_reconciliations_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_payment_reconciliations_company_id_payment_id FOREIGN KEY (company_id, payment_id)
        REFERENCES payments (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_payment_reconciliations_company_id_reconciled_by FOREIGN KEY (company_id,
        reconciled_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_payment_reconciliations_company_id_run_id FOREIGN KEY (company_id, run_id)
        REFERENCES reconciliation_runs (company_id, id) ON DELETE RESTRICT
);
ALTER TABLE payment_reconciliations FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON payment_reconciliations TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT ON payment_reconciliations TO pettycash_app;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE
    ON payment_reconciliations FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER append_only_rows BEFORE DELETE OR UPDATE
    ON payment_reconciliations FOR EACH ROW
    EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER duties BEFORE INSERT
    ON payment_reconciliations FOR EACH ROW
    EXECUTE FUNCTION reconciler_duties();

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
    request_id text DEFAULT NULLIF(current_setting('app.request_id', true), ''),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_payment_transactions PRIMARY KEY (id),
    CONSTRAINT ck_payment_transactions_request_type CHECK (request_type IN ('INITIATE', 'QUERY',
        'CONFIRM', 'CANCEL', 'REFUND')),
    CONSTRAINT fk_payment_transactions_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_payment_transactions_company_id_attempt_id FOREIGN KEY (company_id, attempt_id)
        REFERENCES payment_attempts (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_payment_transactions_company_id_payment_id FOREIGN KEY (company_id, payment_id)
        REFERENCES payments (company_id, id) ON DELETE RESTRICT
) PARTITION BY RANGE (id);
CREATE INDEX ix_payment_transactions_payment ON payment_transactions (payment_id, id);
ALTER TABLE payment_transactions FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON payment_transactions TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT ON payment_transactions TO pettycash_app;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE
    ON payment_transactions FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER append_only_rows BEFORE DELETE OR UPDATE
    ON payment_transactions FOR EACH ROW
    EXECUTE FUNCTION refuse_rewriting();

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
    amount numeric(18,2) NOT NULL,
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
    paid_amount numeric(18,2),
    return_reference text,
    version integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_payments PRIMARY KEY (id),
    CONSTRAINT uq_payments_company_id_id UNIQUE (company_id, id),
    CONSTRAINT uq_payments_company_id_number UNIQUE (company_id, number),
    CONSTRAINT uq_payments_requisition_id_ordinal UNIQUE (requisition_id, ordinal),
    CONSTRAINT ck_payments_amount CHECK (amount > 0),
    CONSTRAINT ck_payments_method CHECK (method IN ('mpesa', 'airtel_money', 'mtn_momo',
        'bank_transfer', 'cash', 'wallet', 'card')),
    CONSTRAINT ck_payments_ordinal CHECK (ordinal >= 1),
    CONSTRAINT ck_payments_paid_at CHECK ((status IN ('success', 'reversed')) = (paid_at IS NOT
        NULL)),
    CONSTRAINT ck_payments_retries CHECK (retry_count >= 0 AND max_retries >= 0),
    CONSTRAINT ck_payments_standing CHECK (standing_validation_id IS NULL OR maker_id IS NULL),
    CONSTRAINT ck_payments_status CHECK (status IN ('pending', 'scheduled', 'executing', 'in_doubt',
        'success', 'failed', 'cancelled', 'reversed')),
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
    CONSTRAINT fk_payments_company_id_provider_account_id FOREIGN KEY (company_id,
        provider_account_id)
        REFERENCES provider_accounts (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_payments_company_id_requisition_id FOREIGN KEY (company_id, requisition_id)
        REFERENCES requisitions (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_payments_company_id_standing_validation_id FOREIGN KEY (company_id,
        standing_validation_id)
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
CREATE UNIQUE INDEX uq_payments_external_reference
    ON payments (company_id, client_id, external_reference) NULLS NOT DISTINCT WHERE
        external_reference IS NOT NULL AND status <> 'cancelled';
CREATE UNIQUE INDEX uq_payments_return_reference
    ON payments (provider_account_id, return_reference) WHERE return_reference IS NOT NULL;
ALTER TABLE payments FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON payments TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON payments TO pettycash_app;
CREATE TRIGGER duties BEFORE INSERT OR UPDATE
    ON payments FOR EACH ROW
    EXECUTE FUNCTION payment_duties();
CREATE TRIGGER states BEFORE UPDATE ON payments FOR EACH ROW EXECUTE FUNCTION check_state();
CREATE CONSTRAINT TRIGGER success_is_posted AFTER INSERT OR UPDATE OF status
    ON payments DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (new.status = 'success')
    EXECUTE FUNCTION success_is_posted();
CREATE TRIGGER updated_at BEFORE UPDATE ON payments FOR EACH ROW EXECUTE FUNCTION set_updated_at();

CREATE TABLE periodic_jobs (
    name text NOT NULL,
    begun_at timestamptz NOT NULL,
    failures integer NOT NULL,
    last_error text,
    CONSTRAINT pk_periodic_jobs PRIMARY KEY (name)
);
ALTER TABLE periodic_jobs FORCE ROW LEVEL SECURITY;
CREATE POLICY across_companies ON periodic_jobs TO pettycash_system USING (true) WITH CHECK (true);
CREATE POLICY own_company ON periodic_jobs TO pettycash_app USING (true) WITH CHECK (true);
GRANT SELECT ON periodic_jobs TO pettycash_app;
GRANT INSERT, SELECT, UPDATE ON periodic_jobs TO pettycash_system;

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
    CONSTRAINT ck_platform_pauses_two_people CHECK (resumed_by IS NULL OR resumed_by <>
        resume_requested_by)
);
CREATE UNIQUE INDEX uq_platform_pauses_open ON platform_pauses (scope) WHERE resumed_at IS NULL;
ALTER TABLE platform_pauses FORCE ROW LEVEL SECURITY;
CREATE POLICY across_companies ON platform_pauses TO pettycash_system
    USING (true)
    WITH CHECK (true);
CREATE POLICY own_company ON platform_pauses TO pettycash_app USING (true) WITH CHECK (true);
GRANT SELECT ON platform_pauses TO pettycash_app;
GRANT INSERT, SELECT, UPDATE ON platform_pauses TO pettycash_system;
CREATE TRIGGER updated_at BEFORE UPDATE
    ON platform_pauses FOR EACH ROW
    EXECUTE FUNCTION set_updated_at();

CREATE TABLE positions (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    code text NOT NULL,
    title text NOT NULL,
    level integer NOT NULL,
    is_active boolean NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_positions PRIMARY KEY (id),
    CONSTRAINT uq_positions_company_id_code UNIQUE (company_id, code),
    CONSTRAINT uq_positions_company_id_id UNIQUE (company_id, id),
    CONSTRAINT ck_positions_level CHECK (level >= 0),
    CONSTRAINT fk_positions_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT
);
ALTER TABLE positions FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON positions TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON positions TO pettycash_app;
CREATE TRIGGER updated_at BEFORE UPDATE ON positions FOR EACH ROW EXECUTE FUNCTION set_updated_at();

CREATE TABLE postings (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    entry_id uuid NOT NULL,
    account_id uuid NOT NULL,
    side varchar(40) NOT NULL,
    amount numeric(18,2) NOT NULL,
    currency char(3) NOT NULL,
    sequence bigint NOT NULL,
    balance_after numeric(20,2) NOT NULL,
    fund_id uuid,
    branch_id uuid,
    department_id uuid,
    cost_center_id uuid,
    category text,
    budget_line_id uuid,
    party_id uuid,
    tax_code text,
    memo text,
    CONSTRAINT pk_postings PRIMARY KEY (entry_id, id),
    CONSTRAINT ck_postings_amount CHECK (amount > 0),
    CONSTRAINT ck_postings_side CHECK (side IN ('debit', 'credit')),
    CONSTRAINT fk_postings_company_id_account_id FOREIGN KEY (company_id, account_id)
        REFERENCES ledger_accounts (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_postings_company_id_entry_id FOREIGN KEY (company_id, entry_id)
        REFERENCES journal_entries (company_id, id) ON DELETE RESTRICT
) PARTITION BY RANGE (entry_id);
CREATE INDEX ix_postings_account ON postings (account_id, sequence);
CREATE INDEX ix_postings_id ON postings (id);
CREATE INDEX ix_postings_statement ON postings (account_id, entry_id);
ALTER TABLE postings FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON postings TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT SELECT ON postings TO pettycash_app;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE
    ON postings FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER append_only_rows BEFORE DELETE OR UPDATE
    ON postings FOR EACH ROW
    EXECUTE FUNCTION refuse_rewriting();
CREATE CONSTRAINT TRIGGER entry_balances AFTER INSERT
    ON postings DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION check_entry('posting');

CREATE TABLE provider_accounts (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    code text NOT NULL,
    name text NOT NULL,
    method varchar(40) NOT NULL,
    currency char(3) NOT NULL,
    environment text NOT NULL,
    base_url text NOT NULL,
    shortcode text NOT NULL,
    credentials text NOT NULL,
    credentials_key_id text NOT NULL,
    credentials_set_at timestamptz,
    credentials_set_by uuid,
    options jsonb NOT NULL,
    amount_min numeric(18,2),
    amount_max numeric(18,2),
    is_active boolean NOT NULL,
    refused_in_row integer NOT NULL DEFAULT 0,
    reported_refused_in_row integer NOT NULL DEFAULT 0,
    created_by uuid,
    version integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_provider_accounts PRIMARY KEY (id),
    CONSTRAINT uq_provider_accounts_company_id_code UNIQUE (company_id, code),
    CONSTRAINT uq_provider_accounts_company_id_id UNIQUE (company_id, id),
    CONSTRAINT uq_provider_accounts_company_id_method_shortcode UNIQUE (company_id, method,
        shortcode),
    CONSTRAINT ck_provider_accounts_amount_max CHECK (amount_max IS NULL OR amount_max >=
        amount_min),
    CONSTRAINT ck_provider_accounts_amount_min CHECK (amount_min IS NULL OR amount_min > 0),
    CONSTRAINT ck_provider_accounts_method CHECK (method IN ('mpesa', 'airtel_money', 'mtn_momo',
        'bank_transfer', 'cash', 'wallet', 'card')),
    CONSTRAINT fk_provider_accounts_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_provider_accounts_company_id_created_by FOREIGN KEY (company_id, created_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_provider_accounts_company_id_credentials_set_by FOREIGN KEY (company_id,
        credentials_set_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT
);
ALTER TABLE provider_accounts FORCE ROW LEVEL SECURITY;
CREATE POLICY across_companies ON provider_accounts TO pettycash_system
    USING (true)
    WITH CHECK (true);
CREATE POLICY own_company ON provider_accounts TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON provider_accounts TO pettycash_app;
GRANT SELECT ON provider_accounts TO pettycash_system;
CREATE TRIGGER updated_at BEFORE UPDATE
    ON provider_accounts FOR EACH ROW
    EXECUTE FUNCTION set_updated_at();

CREATE TABLE rail_slots (
    company_id uuid NOT NULL,
    provider_account_id uuid NOT NULL,
    number smallint NOT NULL,
    holder uuid,
    held_until timestamptz NOT NULL,
    CONSTRAINT pk_rail_slots PRIMARY KEY (provider_account_id, number),
    CONSTRAINT ck_rail_slots_number CHECK (number > 0),
    CONSTRAINT fk_rail_slots_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_rail_slots_company_id_provider_account_id FOREIGN KEY (company_id,
        provider_account_id)
        REFERENCES provider_accounts (company_id, id) ON DELETE RESTRICT
);
ALTER TABLE rail_slots FORCE ROW LEVEL SECURITY;
CREATE POLICY across_companies ON rail_slots TO pettycash_system USING (true) WITH CHECK (true);
CREATE POLICY own_company ON rail_slots TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON rail_slots TO pettycash_app;
GRANT SELECT ON rail_slots TO pettycash_system;

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
    CONSTRAINT ck_reconciliation_items_state CHECK (state IN ('asking', 'waiting', 'matched',
        'broken')),
    CONSTRAINT fk_reconciliation_items_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_reconciliation_items_company_id_payment_id FOREIGN KEY (company_id, payment_id)
        REFERENCES payments (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_reconciliation_items_company_id_run_id FOREIGN KEY (company_id, run_id)
        REFERENCES reconciliation_runs (company_id, id) ON DELETE RESTRICT
);
CREATE INDEX ix_reconciliation_items_state ON reconciliation_items (run_id, state);
ALTER TABLE reconciliation_items FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON reconciliation_items TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON reconciliation_items TO pettycash_app;
CREATE TRIGGER updated_at BEFORE UPDATE
    ON reconciliation_items FOR EACH ROW
    EXECUTE FUNCTION set_updated_at();

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
    CONSTRAINT uq_reconciliation_runs_company_id_business_date_sequence UNIQUE (company_id,
        business_date, sequence),
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
ALTER TABLE reconciliation_runs FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON reconciliation_runs TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON reconciliation_runs TO pettycash_app;
CREATE TRIGGER updated_at BEFORE UPDATE
    ON reconciliation_runs FOR EACH ROW
    EXECUTE FUNCTION set_updated_at();

CREATE TABLE regions (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    code text NOT NULL,
    name text NOT NULL,
    is_active boolean NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_regions PRIMARY KEY (id),
    CONSTRAINT uq_regions_company_id_code UNIQUE (company_id, code),
    CONSTRAINT uq_regions_company_id_id UNIQUE (company_id, id),
    CONSTRAINT fk_regions_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT
);
ALTER TABLE regions FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON regions TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON regions TO pettycash_app;
CREATE TRIGGER updated_at BEFORE UPDATE ON regions FOR EACH ROW EXECUTE FUNCTION set_updated_at();

CREATE TABLE release_challenges (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    sequence bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    subject_kind text NOT NULL,
    subject_id uuid NOT NULL,
    payment_id uuid GENERATED ALWAYS AS ( CASE WHEN subject_kind = 'payment' THEN subject_id ELSE
        NULL::uuid END) STORED,
    replenishment_id uuid GENERATED ALWAYS AS ( CASE WHEN subject_kind = 'replenishment' THEN
        subject_id ELSE NULL::uuid END) STORED,
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
    CONSTRAINT ck_release_challenges_end_cause CHECK (end_cause IN ('tries', 'expired', 'changed',
        'reassigned')),
    CONSTRAINT ck_release_challenges_state CHECK (state IN ('live', 'verified', 'dead')),
    CONSTRAINT ck_release_challenges_subject CHECK (COALESCE(payment_id, replenishment_id) IS NOT
        NULL),
    CONSTRAINT ck_release_challenges_tries CHECK (tries >= 0),
    CONSTRAINT fk_release_challenges_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_release_challenges_company_id_executor_id FOREIGN KEY (company_id, executor_id)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_release_challenges_company_id_payment_id FOREIGN KEY (company_id, payment_id)
        REFERENCES payments (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_release_challenges_company_id_replenishment_id FOREIGN KEY (company_id,
        replenishment_id)
        REFERENCES replenishments (company_id, id) ON DELETE RESTRICT
);
CREATE INDEX ix_release_challenges_subject ON release_challenges (subject_id, sequence);
CREATE UNIQUE INDEX uq_release_challenges_live
    ON release_challenges (subject_id) WHERE state = 'live';
ALTER TABLE release_challenges FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON release_challenges TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON release_challenges TO pettycash_app;
CREATE TRIGGER updated_at BEFORE UPDATE
    ON release_challenges FOR EACH ROW
    EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER word_stands BEFORE UPDATE OF subject_kind, subject_id, subject_digest, executor_id
    ON release_challenges FOR EACH ROW
    EXECUTE FUNCTION word_stands('', 'subject_kind', 'subject_id', 'subject_digest', 'executor_id');

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
ALTER TABLE release_grants FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON release_grants TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON release_grants TO pettycash_app;
CREATE TRIGGER facts BEFORE INSERT OR UPDATE
    ON release_grants FOR EACH ROW
    EXECUTE FUNCTION grant_facts();
CREATE TRIGGER updated_at BEFORE UPDATE
    ON release_grants FOR EACH ROW
    EXECUTE FUNCTION set_updated_at();

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
    current_balance numeric(18,2) NOT NULL,
    available numeric(18,2) NOT NULL,
    requested_amount numeric(18,2) NOT NULL,
    identity jsonb NOT NULL,
    approved_amount numeric(18,2),
    cancelled_by uuid,
    cancelled_at timestamptz,
    executor_id uuid,
    funded_by uuid,
    funded_at timestamptz,
    bank_reference text,
    received_by uuid,
    received_at timestamptz,
    received_amount numeric(18,2),
    lost_amount numeric(18,2) NOT NULL DEFAULT 0,
    release_locked_at timestamptz,
    version integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_replenishments PRIMARY KEY (id),
    CONSTRAINT uq_replenishments_company_id_id UNIQUE (company_id, id),
    CONSTRAINT uq_replenishments_company_id_number UNIQUE (company_id, number),
    CONSTRAINT ck_replenishments_funder CHECK (funded_by IS NULL OR funded_by <> decided_by),
    CONSTRAINT ck_replenishments_funder_requester CHECK (funded_by IS NULL OR proposed_by IS NULL OR
        funded_by <> proposed_by),
    CONSTRAINT ck_replenishments_received_amount CHECK (received_amount IS NULL OR (received_amount
        + lost_amount) <= approved_amount),
    CONSTRAINT ck_replenishments_receiver CHECK (received_by IS NULL OR received_by <> funded_by),
    CONSTRAINT ck_replenishments_requested_amount CHECK (requested_amount > 0),
    CONSTRAINT ck_replenishments_requester CHECK (auto_triggered = (proposed_by IS NULL)),
    CONSTRAINT ck_replenishments_status CHECK (status IN ('pending', 'approved', 'funded',
        'received', 'rejected', 'cancelled')),
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
    CONSTRAINT fk_replenishments_company_id_proposed_by FOREIGN KEY (company_id, proposed_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_replenishments_company_id_received_by FOREIGN KEY (company_id, received_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_replenishments_company_id_store_id FOREIGN KEY (company_id, store_id)
        REFERENCES stores (company_id, id) ON DELETE RESTRICT
);
CREATE INDEX ix_replenishments_fund ON replenishments (company_id, fund_id, id);
CREATE UNIQUE INDEX uq_replenishments_bank_reference
    ON replenishments (company_id, bank_reference) WHERE bank_reference IS NOT NULL;
CREATE UNIQUE INDEX uq_replenishments_open
    ON replenishments (fund_id) WHERE status IN ('pending', 'approved', 'funded');
ALTER TABLE replenishments FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON replenishments TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON replenishments TO pettycash_app;
CREATE TRIGGER states BEFORE UPDATE ON replenishments FOR EACH ROW EXECUTE FUNCTION check_state();
CREATE TRIGGER updated_at BEFORE UPDATE
    ON replenishments FOR EACH ROW
    EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER word_stands BEFORE UPDATE OF proposed_by, proposed_at, decided_by, decided_at,
        decision_reason, approved_amount, funded_by, received_by
    ON replenishments FOR EACH ROW
    EXECUTE FUNCTION word_stands('', 'proposed_by', 'proposed_at', 'decided_by', 'decided_at',
        'decision_reason', 'approved_amount', 'funded_by', 'received_by');

CREATE TABLE report_chunks (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    run_id uuid NOT NULL,
    number integer NOT NULL,
    content bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_report_chunks PRIMARY KEY (id),
    CONSTRAINT uq_report_chunks_run_id_number UNIQUE (run_id, number),
    CONSTRAINT ck_report_chunks_number CHECK (number >= 0),
    CONSTRAINT fk_report_chunks_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_report_chunks_company_id_run_id FOREIGN KEY (company_id, run_id)
        REFERENCES report_runs (company_id, id) ON DELETE RESTRICT
);
ALTER TABLE report_chunks FORCE ROW LEVEL SECURITY;
CREATE POLICY across_companies ON report_chunks TO pettycash_system USING (true) WITH CHECK (true);
CREATE POLICY own_company ON report_chunks TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT ON report_chunks TO pettycash_app;
GRANT DELETE ON report_chunks TO pettycash_system;
GRANT SELECT (run_id) ON report_chunks TO pettycash_system;

CREATE TABLE report_runs (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    asked_by uuid NOT NULL,
    operation text NOT NULL,
    parameters jsonb NOT NULL,
    file_format text NOT NULL,
    status varchar(40) NOT NULL,
    rows integer NOT NULL,
    size integer,
    failure text,
    finished_at timestamptz,
    expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_report_runs PRIMARY KEY (id),
    CONSTRAINT uq_report_runs_company_id_id UNIQUE (company_id, id),
    CONSTRAINT ck_report_runs_done CHECK ((status = 'done') = (expires_at IS NOT NULL)),
    CONSTRAINT ck_report_runs_failure CHECK ((status = 'failed') = (failure IS NOT NULL)),
    CONSTRAINT ck_report_runs_status CHECK (status IN ('queued', 'running', 'done', 'failed')),
    CONSTRAINT fk_report_runs_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_report_runs_company_id_asked_by FOREIGN KEY (company_id, asked_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT
);
CREATE INDEX ix_report_runs_asked_by ON report_runs (company_id, asked_by, id);
ALTER TABLE report_runs FORCE ROW LEVEL SECURITY;
CREATE POLICY across_companies ON report_runs TO pettycash_system USING (true) WITH CHECK (true);
CREATE POLICY own_company ON report_runs TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON report_runs TO pettycash_app;
GRANT SELECT (id, status, expires_at) ON report_runs TO pettycash_system;
GRANT UPDATE (status, rows) ON report_runs TO pettycash_system;
CREATE TRIGGER updated_at BEFORE UPDATE
    ON report_runs FOR EACH ROW
    EXECUTE FUNCTION set_updated_at();

CREATE TABLE requisition_lines (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    requisition_id uuid NOT NULL,
    position integer NOT NULL,
    description text NOT NULL,
    amount numeric(18,2) NOT NULL,
    category text NOT NULL,
    cost_center_id uuid,
    budget_line_id uuid,
    tax_code text,
    tax_amount numeric(18,2),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_requisition_lines PRIMARY KEY (id),
    CONSTRAINT uq_requisition_lines_requisition_id_position UNIQUE (requisition_id, "position"),
    CONSTRAINT ck_requisition_lines_amount CHECK (amount > 0),
    CONSTRAINT fk_requisition_lines_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_requisition_lines_company_id_cost_center_id FOREIGN KEY (company_id,
        cost_center_id)
        REFERENCES cost_centers (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_requisition_lines_company_id_requisition_id FOREIGN KEY (company_id,
        requisition_id)
        REFERENCES requisitions (company_id, id) ON DELETE RESTRICT
);
ALTER TABLE requisition_lines FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON requisition_lines TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT DELETE, INSERT, SELECT ON requisition_lines TO pettycash_app;
CREATE CONSTRAINT TRIGGER lines_add_up AFTER INSERT OR DELETE
    ON requisition_lines DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION lines_add_up();

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
    amount numeric(18,2) NOT NULL,
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
    approved_amount numeric(18,2),
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
    CONSTRAINT ck_requisitions_approved_amount CHECK (approved_amount IS NULL OR approved_amount >
        0),
    CONSTRAINT ck_requisitions_branch_origin CHECK (origin <> 'branch' OR branch_id IS NOT NULL),
    CONSTRAINT ck_requisitions_field_origin CHECK (origin <> 'field' OR region_id IS NOT NULL),
    CONSTRAINT ck_requisitions_kind CHECK (kind IN ('expense', 'reimbursement', 'advance',
        'per_diem')),
    CONSTRAINT ck_requisitions_method CHECK (method IN ('mpesa', 'airtel_money', 'mtn_momo',
        'bank_transfer', 'cash', 'wallet', 'card')),
    CONSTRAINT ck_requisitions_origin CHECK (origin IN ('branch', 'hq', 'field')),
    CONSTRAINT ck_requisitions_status CHECK (status IN ('draft', 'pending',
        'pending_urgency_confirmation', 'pending_dept_approval', 'pending_branch_approval',
        'pending_regional_review', 'pending_finance_review', 'pending_cfo_approval',
        'pending_ceo_approval', 'pending_treasury_validation', 'in_payment', 'paid', 'reviewed',
        'rejected', 'cancelled', 'changes_requested', 'closed_short')),
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
    CONSTRAINT fk_requisitions_company_id_open_redirect_id FOREIGN KEY (company_id,
        open_redirect_id)
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
CREATE UNIQUE INDEX uq_requisitions_external_reference
    ON requisitions (company_id, COALESCE(client_id, requester_id), external_reference) WHERE
        external_reference IS NOT NULL AND (status NOT IN ('rejected', 'cancelled'));
ALTER TABLE requisitions FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON requisitions TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON requisitions TO pettycash_app;
CREATE TRIGGER facts BEFORE UPDATE
    ON requisitions FOR EACH ROW
    EXECUTE FUNCTION requisition_facts();
CREATE TRIGGER free_attachments AFTER UPDATE OF status
    ON requisitions FOR EACH ROW WHEN ((new.status IN ('rejected', 'cancelled')) AND old.status <>
        new.status)
    EXECUTE FUNCTION free_attachments();
CREATE CONSTRAINT TRIGGER lines_add_up AFTER INSERT OR UPDATE OF amount
    ON requisitions DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION lines_add_up();
CREATE TRIGGER states BEFORE UPDATE ON requisitions FOR EACH ROW EXECUTE FUNCTION check_state();
CREATE TRIGGER stays_approved BEFORE INSERT OR UPDATE OF status, approved_amount, approved_digest,
        amount, payee_name, payee_user_id, purpose
    ON requisitions FOR EACH ROW
    EXECUTE FUNCTION requisition_approval();
CREATE TRIGGER updated_at BEFORE UPDATE
    ON requisitions FOR EACH ROW
    EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER word_stands_requester_id BEFORE UPDATE OF client_id
    ON requisitions FOR EACH ROW
    EXECUTE FUNCTION word_stands('requester_id', 'client_id');

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
ALTER TABLE restores FORCE ROW LEVEL SECURITY;
CREATE POLICY across_companies ON restores TO pettycash_system USING (true) WITH CHECK (true);
CREATE POLICY own_company ON restores TO pettycash_app USING (true) WITH CHECK (true);
GRANT SELECT ON restores TO pettycash_app;
GRANT SELECT ON restores TO pettycash_system;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE
    ON restores FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER append_only_rows BEFORE DELETE OR UPDATE
    ON restores FOR EACH ROW
    EXECUTE FUNCTION refuse_rewriting();

CREATE TABLE role_assignments (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    user_id uuid NOT NULL,
    role varchar(40) NOT NULL,
    scope_kind varchar(40) NOT NULL,
    scope_id uuid,
    valid_from timestamptz NOT NULL,
    valid_until timestamptz,
    is_bootstrap boolean NOT NULL DEFAULT false,
    proposed_by uuid,
    confirmed_by uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_role_assignments PRIMARY KEY (id),
    CONSTRAINT uq_role_assignments_company_id_id UNIQUE (company_id, id),
    CONSTRAINT ck_role_assignments_role CHECK (role IN ('staff', 'department_head',
        'branch_manager', 'regional_manager', 'group_finance_manager', 'treasury', 'custodian',
        'cfo', 'fpa', 'ceo', 'operator', 'auditor', 'admin')),
    CONSTRAINT ck_role_assignments_scope CHECK ((scope_kind IN ('self', 'company')) = (scope_id IS
        NULL)),
    CONSTRAINT ck_role_assignments_scope_kind CHECK (scope_kind IN ('self', 'department', 'branch',
        'region', 'fund', 'company')),
    CONSTRAINT ck_role_assignments_two_people CHECK (is_bootstrap OR proposed_by IS NOT NULL AND
        confirmed_by IS NOT NULL AND proposed_by <> confirmed_by),
    CONSTRAINT ck_role_assignments_validity CHECK (valid_until IS NULL OR valid_until > valid_from),
    CONSTRAINT fk_role_assignments_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_role_assignments_company_id_confirmed_by FOREIGN KEY (company_id, confirmed_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_role_assignments_company_id_proposed_by FOREIGN KEY (company_id, proposed_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_role_assignments_company_id_user_id FOREIGN KEY (company_id, user_id)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT
);
CREATE INDEX ix_role_assignments_role ON role_assignments (company_id, role, scope_id);
CREATE INDEX ix_role_assignments_user ON role_assignments (company_id, user_id);
ALTER TABLE role_assignments FORCE ROW LEVEL SECURITY;
CREATE POLICY across_companies ON role_assignments TO pettycash_system
    USING (true)
    WITH CHECK (true);
CREATE POLICY own_company ON role_assignments TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON role_assignments TO pettycash_app;
GRANT SELECT ON role_assignments TO pettycash_system;
CREATE TRIGGER duties BEFORE INSERT ON role_assignments FOR EACH ROW EXECUTE FUNCTION role_duties();
CREATE TRIGGER ends BEFORE UPDATE ON role_assignments FOR EACH ROW EXECUTE FUNCTION role_ends();
CREATE TRIGGER updated_at BEFORE UPDATE
    ON role_assignments FOR EACH ROW
    EXECUTE FUNCTION set_updated_at();

CREATE TABLE security_events (
    id uuid NOT NULL,
    company_id uuid,
    sequence bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    user_id uuid,
    event text NOT NULL,
    outcome text NOT NULL,
    detail jsonb NOT NULL,
    ip_address text,
    request_id text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_security_events PRIMARY KEY (id),
    CONSTRAINT fk_security_events_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_security_events_user_id FOREIGN KEY (user_id)
        REFERENCES users (id) ON DELETE RESTRICT
);
CREATE INDEX ix_security_events_company ON security_events (company_id, id);
CREATE INDEX ix_security_events_event ON security_events (company_id, event, id);
CREATE INDEX ix_security_events_user ON security_events (company_id, user_id, id);
ALTER TABLE security_events FORCE ROW LEVEL SECURITY;
CREATE POLICY across_companies ON security_events TO pettycash_system
    USING (true)
    WITH CHECK (true);
CREATE POLICY own_company ON security_events TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company() OR company_id IS NULL);
GRANT INSERT, SELECT ON security_events TO pettycash_app;
GRANT INSERT, SELECT ON security_events TO pettycash_system;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE
    ON security_events FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER append_only_rows BEFORE DELETE OR UPDATE
    ON security_events FOR EACH ROW
    EXECUTE FUNCTION refuse_rewriting();

CREATE TABLE sign_in_links (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    user_id uuid NOT NULL,
    made_by uuid,
    digest bytea,
    expires_at timestamptz,
    used_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_sign_in_links PRIMARY KEY (id),
    CONSTRAINT uq_sign_in_links_digest UNIQUE (digest),
    CONSTRAINT fk_sign_in_links_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_sign_in_links_company_id_made_by FOREIGN KEY (company_id, made_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_sign_in_links_company_id_user_id FOREIGN KEY (company_id, user_id)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT
);
ALTER TABLE sign_in_links FORCE ROW LEVEL SECURITY;
CREATE POLICY across_companies ON sign_in_links TO pettycash_system USING (true) WITH CHECK (true);
CREATE POLICY own_company ON sign_in_links TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON sign_in_links TO pettycash_app;
GRANT SELECT, UPDATE ON sign_in_links TO pettycash_system;

CREATE TABLE standing_validations (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    fund_id uuid NOT NULL,
    version integer NOT NULL,
    categories jsonb NOT NULL,
    valid_until timestamptz,
    change_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_standing_validations PRIMARY KEY (id),
    CONSTRAINT uq_standing_validations_change_id UNIQUE (change_id),
    CONSTRAINT uq_standing_validations_company_id_id UNIQUE (company_id, id),
    CONSTRAINT uq_standing_validations_fund_id_version UNIQUE (fund_id, version),
    CONSTRAINT ck_standing_validations_categories CHECK (jsonb_typeof(categories) = 'array'),
    CONSTRAINT ck_standing_validations_version CHECK (version >= 1),
    CONSTRAINT fk_standing_validations_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_standing_validations_company_id_change_id FOREIGN KEY (company_id, change_id)
        REFERENCES changes (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_standing_validations_company_id_fund_id FOREIGN KEY (company_id, fund_id)
        REFERENCES funds (company_id, id) ON DELETE RESTRICT
);
ALTER TABLE standing_validations FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON standing_validations TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT ON standing_validations TO pettycash_app;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE
    ON standing_validations FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER append_only_rows BEFORE DELETE OR UPDATE
    ON standing_validations FOR EACH ROW
    EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER duties BEFORE INSERT
    ON standing_validations FOR EACH ROW
    EXECUTE FUNCTION standing_duties();

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
ALTER TABLE step_assignees FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON step_assignees TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT ON step_assignees TO pettycash_app;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE
    ON step_assignees FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER append_only_rows BEFORE DELETE OR UPDATE
    ON step_assignees FOR EACH ROW
    EXECUTE FUNCTION refuse_rewriting();

CREATE TABLE stores (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    fund_id uuid NOT NULL,
    code text NOT NULL,
    name text NOT NULL,
    kind varchar(40) NOT NULL,
    account_id uuid NOT NULL,
    provider_account_id uuid,
    currency char(3) NOT NULL,
    is_active boolean NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_stores PRIMARY KEY (id),
    CONSTRAINT uq_stores_account_id UNIQUE (account_id),
    CONSTRAINT uq_stores_company_id_code UNIQUE (company_id, code),
    CONSTRAINT uq_stores_company_id_id UNIQUE (company_id, id),
    CONSTRAINT ck_stores_kind CHECK (kind IN ('drawer', 'provider_share')),
    CONSTRAINT ck_stores_provider_account CHECK ((kind = 'drawer') = (provider_account_id IS NULL)),
    CONSTRAINT fk_stores_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_stores_company_id_account_id FOREIGN KEY (company_id, account_id)
        REFERENCES ledger_accounts (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_stores_company_id_fund_id FOREIGN KEY (company_id, fund_id)
        REFERENCES funds (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_stores_company_id_provider_account_id FOREIGN KEY (company_id,
        provider_account_id)
        REFERENCES provider_accounts (company_id, id) ON DELETE RESTRICT
);
CREATE INDEX ix_stores_fund ON stores (company_id, fund_id);
ALTER TABLE stores FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON stores TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON stores TO pettycash_app;
CREATE TRIGGER updated_at BEFORE UPDATE ON stores FOR EACH ROW EXECUTE FUNCTION set_updated_at();

CREATE TABLE throttles (
    subject text NOT NULL,
    window_started_at timestamptz NOT NULL,
    attempts integer NOT NULL,
    consecutive_failures integer NOT NULL,
    blocked_until timestamptz,
    CONSTRAINT pk_throttles PRIMARY KEY (subject)
);
ALTER TABLE throttles FORCE ROW LEVEL SECURITY;
CREATE POLICY across_companies ON throttles TO pettycash_system USING (true) WITH CHECK (true);
GRANT DELETE, INSERT, SELECT, UPDATE ON throttles TO pettycash_system;

CREATE TABLE users (
    id uuid NOT NULL,
    username text NOT NULL,
    display_name text NOT NULL,
    email text NOT NULL,
    password_hash text NOT NULL,
    password_changed_at timestamptz NOT NULL,
    is_active boolean NOT NULL,
    totp_seed text,
    totp_enrolled_at timestamptz,
    totp_last_step integer,
    version integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_users PRIMARY KEY (id),
    CONSTRAINT uq_users_username UNIQUE (username)
);
ALTER TABLE users FORCE ROW LEVEL SECURITY;
CREATE POLICY across_companies ON users TO pettycash_system USING (true) WITH CHECK (true);
CREATE POLICY own_company ON users TO pettycash_app
    USING ((EXISTS ( SELECT FROM memberships m WHERE m.user_id = users.id AND m.company_id =
        current_company())))
    WITH CHECK (true);
GRANT INSERT, SELECT, UPDATE ON users TO pettycash_app;
GRANT INSERT, SELECT, UPDATE ON users TO pettycash_system;
CREATE TRIGGER contacts AFTER UPDATE OF email
    ON users FOR EACH ROW
    EXECUTE FUNCTION keep_contacts();
CREATE TRIGGER secrets BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION secret_is_logged();
CREATE TRIGGER updated_at BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION set_updated_at();

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
    original_amount numeric(18,2) NOT NULL,
    adjusted_amount numeric(18,2) NOT NULL,
    variance_amount numeric(18,2) NOT NULL GENERATED ALWAYS AS ((adjusted_amount - original_amount))
        STORED,
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
    CONSTRAINT ck_variance_adjustments_kind CHECK (kind IN ('fee', 'overpaid', 'underpaid', 'count',
        'other')),
    CONSTRAINT ck_variance_adjustments_status CHECK (status IN ('pending', 'approved', 'rejected')),
    CONSTRAINT ck_variance_adjustments_subject CHECK (payment_id IS NOT NULL OR store_id IS NOT
        NULL),
    CONSTRAINT ck_variance_adjustments_two_people CHECK (decided_by <> proposed_by),
    CONSTRAINT fk_variance_adjustments_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_variance_adjustments_company_id_case_id FOREIGN KEY (company_id, case_id)
        REFERENCES cases (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_variance_adjustments_company_id_counter_account_id FOREIGN KEY (company_id,
        counter_account_id)
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
ALTER TABLE variance_adjustments FORCE ROW LEVEL SECURITY;
CREATE POLICY own_company ON variance_adjustments TO pettycash_app
    USING (company_id = current_company())
    WITH CHECK (company_id = current_company());
GRANT INSERT, SELECT, UPDATE ON variance_adjustments TO pettycash_app;
CREATE TRIGGER updated_at BEFORE UPDATE
    ON variance_adjustments FOR EACH ROW
    EXECUTE FUNCTION set_updated_at();
CREATE TRIGGER word_stands BEFORE UPDATE OF adjusted_amount, proposed_by, proposed_at, decided_by
    ON variance_adjustments FOR EACH ROW
    EXECUTE FUNCTION word_stands('', 'adjusted_amount', 'proposed_by', 'proposed_at', 'decided_by');
CREATE TRIGGER word_stands_decided_by BEFORE UPDATE OF status, decided_at, decision_reason
    ON variance_adjustments FOR EACH ROW
    EXECUTE FUNCTION word_stands('decided_by', 'status', 'decided_at', 'decision_reason');

-- accounting_day(p_company uuid, p_day date, p_decision boolean) RETURNS date
-- answer_stands() RETURNS trigger
-- approved_destination(requisition uuid, method text, destination text, payment uuid, amount
--     numeric) RETURNS boolean
-- attempt_facts() RETURNS trigger
-- begin_contacts() RETURNS trigger
-- canonical_json(p_value jsonb) RETURNS text
-- case_duties() RETURNS trigger
-- cash_limits() RETURNS trigger
-- cash_of_day(p_payment payments, p_fund uuid, p_at timestamptz, p_pending boolean) RETURNS numeric
-- check_entry() RETURNS trigger
-- check_state() RETURNS trigger
-- contact_value(sort text, raw text) RETURNS text
-- current_company() RETURNS uuid
-- decision_duties() RETURNS trigger
-- duty_conflict(p_requisition uuid, p_user uuid, p_duty text) RETURNS text
-- duty_holders(p_requisition uuid) RETURNS TABLE(duty text, user_id uuid)
-- ensure_partition(p_table text, p_month date) RETURNS void
-- execution_duties() RETURNS trigger
-- facts_digest(p_facts jsonb) RETURNS bytea
-- free_attachments() RETURNS trigger
-- grant_facts() RETURNS trigger
-- hold_close(p_source text, p_state text) RETURNS void
-- hold_place(p_id uuid, p_account uuid, p_source text, p_currency text, p_amount numeric, p_fee
--     numeric) RETURNS void
-- idempotency_take(p_id uuid, p_principal text, p_method text, p_route text, p_key text,
--     p_fingerprint bytea, p_now timestamptz, p_kept_since timestamptz) RETURNS uuid
-- keep_contacts() RETURNS trigger
-- key_after(p_key uuid, p_floor uuid) RETURNS uuid
-- ledger_post(p_entries jsonb, p_close_holds text[], p_topic text DEFAULT NULL, p_fulfilled uuid[]
--     DEFAULT '{}'::uuid[]) RETURNS TABLE(posted uuid, rolled_to date)
-- lines_add_up() RETURNS trigger
-- new_key() RETURNS uuid
-- otp_floor(p_company uuid, p_currency text, p_at timestamptz) RETURNS numeric
-- outbox_lane() RETURNS trigger
-- payment_digest(p_payment payments) RETURNS bytea
-- payment_duties() RETURNS trigger
-- reconciler_duties() RETURNS trigger
-- refuse_rewriting() RETURNS trigger
-- release_where_approved() RETURNS trigger
-- requisition_approval() RETURNS trigger
-- requisition_facts() RETURNS trigger
-- role_duties() RETURNS trigger
-- role_ends() RETURNS trigger
-- round_facts() RETURNS trigger
-- round_is_decided() RETURNS trigger
-- round_stands(p_round uuid) RETURNS boolean
-- rows_in_rest() RETURNS TABLE(relation text, counted bigint)
-- secret_is_logged() RETURNS trigger
-- set_updated_at() RETURNS trigger
-- standing_duties() RETURNS trigger
-- standing_validation(p_requisition uuid, p_store uuid, p_at timestamptz) RETURNS uuid
-- success_is_posted() RETURNS trigger
-- uuid_of_instant(instant timestamptz) RETURNS uuid
-- word_stands() RETURNS trigger
-- works_elsewhere(person uuid) RETURNS boolean
