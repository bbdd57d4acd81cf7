-- Sign-ins, keys, and what is kept of both.

-- One sign-in. Tokens are opaque; only their SHA-256 is kept. Refreshing rotates both.
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

-- A machine client's key: it may raise, read and upload on behalf of users, never decide. One
-- person makes it, a second one confirms it, and until then it opens nothing; both count as
-- requesters of what it raises (control.md §1, §6).
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

-- A link with which a person sets their own password, once; nobody else ever knows one.
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

-- Append-only: authentications, refusals, setting changes, auditors' reads.
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

-- Counts of attempts per subject, in PostgreSQL so that losing Redis opens no door.
CREATE TABLE throttles (
    subject text NOT NULL,
    window_started_at timestamptz NOT NULL,
    attempts integer NOT NULL,
    consecutive_failures integer NOT NULL,
    blocked_until timestamptz,
    CONSTRAINT pk_throttles PRIMARY KEY (subject)
);
