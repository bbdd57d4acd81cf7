-- The company, its units and its people.

-- The tenant. `code` is unique in the whole installation.
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

-- A person with one login, in any number of companies.
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

-- The last short number given out, per kind and year: REQ-2026-000123.
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

-- A department of the company, over all branches.
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

-- A job title with a level.
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

-- A group of branches.
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

-- A place where money is spent.
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

-- Where a cost is charged to; may belong to a branch or a department.
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

-- Where a person works in a company.
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
    CONSTRAINT fk_memberships_user_id FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE RESTRICT
);
CREATE INDEX ix_memberships_user ON memberships (user_id);

-- A phone or e-mail of a member and when it was theirs; triggers write it, nobody else does. Money
-- that goes there goes to them, whoever is named as payee.
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

-- A role of a member for a time: two people gave it, or it is of a company's beginning.
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
    CONSTRAINT ck_role_assignments_role
        CHECK (role IN ('staff', 'department_head', 'branch_manager', 'regional_manager',
            'group_finance_manager', 'treasury', 'custodian', 'cfo', 'fpa', 'ceo', 'operator',
            'auditor', 'admin')),
    CONSTRAINT ck_role_assignments_scope
        CHECK ((scope_kind IN ('self', 'company')) = (scope_id IS NULL)),
    CONSTRAINT ck_role_assignments_scope_kind
        CHECK (scope_kind IN ('self', 'department', 'branch', 'region', 'fund', 'company')),
    CONSTRAINT ck_role_assignments_two_people
        CHECK (is_bootstrap OR (proposed_by IS NOT NULL AND confirmed_by IS NOT NULL
            AND proposed_by <> confirmed_by)),
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

-- One version of a company's settings; the highest version counts.
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
