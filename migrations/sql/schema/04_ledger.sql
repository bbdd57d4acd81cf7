-- Funds, stores, accounts, holds and the journal.

-- An authority to hold money: an imprest float. One active fund per place and currency.
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
    target_balance numeric(18, 2) NOT NULL,
    reorder_level numeric(18, 2) NOT NULL,
    minimum_balance numeric(18, 2) NOT NULL,
    maximum_balance numeric(18, 2),
    cash_limit numeric(18, 2),
    is_active boolean NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_funds PRIMARY KEY (id),
    CONSTRAINT uq_funds_company_id_code UNIQUE (company_id, code),
    CONSTRAINT uq_funds_company_id_id UNIQUE (company_id, id),
    CONSTRAINT ck_funds_alternate
        CHECK (alternate_custodian_id IS NULL OR alternate_custodian_id <> custodian_id),
    CONSTRAINT ck_funds_cash_limit CHECK (cash_limit IS NULL OR cash_limit > 0),
    CONSTRAINT ck_funds_maximum_balance
        CHECK (maximum_balance IS NULL OR maximum_balance >= target_balance),
    CONSTRAINT ck_funds_minimum_balance CHECK (minimum_balance >= 0),
    CONSTRAINT ck_funds_reorder_level CHECK (reorder_level >= 0 AND reorder_level < target_balance),
    CONSTRAINT ck_funds_target_balance CHECK (target_balance > 0),
    CONSTRAINT fk_funds_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_funds_company_id_alternate_custodian_id
        FOREIGN KEY (company_id, alternate_custodian_id)
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
CREATE UNIQUE INDEX uq_funds_place ON funds (company_id, region_id, branch_id, department_id,
    currency) NULLS NOT DISTINCT WHERE is_active;

-- What goes out of a fund's drawers without treasury's validation, from a version on until the next
-- one: of which categories, and until when. A version without categories has ended it.
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
    CONSTRAINT uq_standing_validations_company_id_id UNIQUE (company_id, id),
    CONSTRAINT uq_standing_validations_fund_id_version UNIQUE (fund_id, version),
    CONSTRAINT uq_standing_validations_change_id UNIQUE (change_id),
    CONSTRAINT ck_standing_validations_categories CHECK (jsonb_typeof(categories) = 'array'),
    CONSTRAINT ck_standing_validations_version CHECK (version >= 1),
    CONSTRAINT fk_standing_validations_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_standing_validations_company_id_change_id FOREIGN KEY (company_id, change_id)
        REFERENCES changes (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_standing_validations_company_id_fund_id FOREIGN KEY (company_id, fund_id)
        REFERENCES funds (company_id, id) ON DELETE RESTRICT
);

-- A company's account with a rail. Credentials are encrypted and never read back by the API.
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
    amount_min numeric(18, 2),
    amount_max numeric(18, 2),
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
    CONSTRAINT uq_provider_accounts_company_id_method_shortcode
        UNIQUE (company_id, method, shortcode),
    CONSTRAINT ck_provider_accounts_amount_max
        CHECK (amount_max IS NULL OR amount_max >= amount_min),
    CONSTRAINT ck_provider_accounts_amount_min CHECK (amount_min IS NULL OR amount_min > 0),
    CONSTRAINT ck_provider_accounts_method
        CHECK (method IN ('mpesa', 'airtel_money', 'mtn_momo', 'bank_transfer', 'cash', 'wallet',
            'card')),
    CONSTRAINT fk_provider_accounts_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_provider_accounts_company_id_created_by FOREIGN KEY (company_id, created_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_provider_accounts_company_id_credentials_set_by
        FOREIGN KEY (company_id, credentials_set_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT
);

-- The right to talk to the rail of one provider account; there are as many as calls at once. Made
-- when they are first needed. A holder that died frees its slot when `held_until` has come.
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
    CONSTRAINT fk_rail_slots_company_id_provider_account_id
        FOREIGN KEY (company_id, provider_account_id)
        REFERENCES provider_accounts (company_id, id) ON DELETE RESTRICT
);

-- One account. `available = balance - held`; the floor is checked where a hold is placed.
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
    floor numeric(18, 2) NOT NULL DEFAULT 0,
    is_active boolean NOT NULL DEFAULT true,
    balance numeric(18, 2) NOT NULL DEFAULT 0,
    held numeric(18, 2) NOT NULL DEFAULT 0,
    sequence bigint NOT NULL DEFAULT 0,
    newest_entry_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_ledger_accounts PRIMARY KEY (id),
    CONSTRAINT uq_ledger_accounts_company_id_code_currency UNIQUE (company_id, code, currency),
    CONSTRAINT uq_ledger_accounts_company_id_id UNIQUE (company_id, id),
    CONSTRAINT ck_ledger_accounts_floor CHECK (floor >= 0),
    CONSTRAINT ck_ledger_accounts_held CHECK (held >= 0),
    CONSTRAINT ck_ledger_accounts_kind
        CHECK (kind IN ('store', 'bank', 'in_transit', 'unallocated', 'provider_charges',
            'advances', 'expense', 'fees', 'input_vat', 'wht_payable', 'receivable', 'payable',
            'wallet', 'differences_pending', 'over_short', 'recoverable', 'fx_clearing', 'suspense',
            'equity')),
    CONSTRAINT fk_ledger_accounts_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_ledger_accounts_company_id_fund_id FOREIGN KEY (company_id, fund_id)
        REFERENCES funds (company_id, id) ON DELETE RESTRICT,
    CONSTRAINT fk_ledger_accounts_company_id_party_id FOREIGN KEY (company_id, party_id)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_ledger_accounts_company_id_provider_account_id
        FOREIGN KEY (company_id, provider_account_id)
        REFERENCES provider_accounts (company_id, id) ON DELETE RESTRICT
);
CREATE UNIQUE INDEX uq_ledger_accounts_of ON ledger_accounts (company_id, kind, currency, fund_id,
    provider_account_id, party_id, category) NULLS NOT DISTINCT WHERE kind <> 'store';

-- A cash drawer, or a share of one provider account. One ledger account each.
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
    CONSTRAINT fk_stores_company_id_provider_account_id
        FOREIGN KEY (company_id, provider_account_id)
        REFERENCES provider_accounts (company_id, id) ON DELETE RESTRICT
);
CREATE INDEX ix_stores_fund ON stores (company_id, fund_id);

-- A month of a company. A month without a row is open.
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
    CONSTRAINT ck_ledger_periods_month CHECK (month = date_trunc('month', month)::date),
    CONSTRAINT ck_ledger_periods_state CHECK (state IN ('open', 'soft_closed', 'hard_closed')),
    CONSTRAINT ck_ledger_periods_two_people CHECK (decided_by <> proposed_by),
    CONSTRAINT fk_ledger_periods_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_ledger_periods_company_id_decided_by FOREIGN KEY (company_id, decided_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT,
    CONSTRAINT fk_ledger_periods_company_id_proposed_by FOREIGN KEY (company_id, proposed_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT
);

-- Money reserved on an account for one source; it never expires by itself.
CREATE TABLE holds (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    account_id uuid NOT NULL,
    source text NOT NULL,
    amount numeric(18, 2) NOT NULL,
    expected_fee numeric(18, 2) NOT NULL,
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

-- The unique source of every entry, unpartitioned: what makes a replay harmless.
CREATE TABLE journal_sources (
    company_id uuid NOT NULL,
    source text NOT NULL,
    entry_id uuid NOT NULL,
    CONSTRAINT pk_journal_sources PRIMARY KEY (company_id, source),
    CONSTRAINT uq_journal_sources_entry_id UNIQUE (entry_id),
    CONSTRAINT fk_journal_sources_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT
);

-- One balanced event. Append-only, partitioned by the time in its key.
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

-- One debit or credit line, with the balance after it. Append-only.
CREATE TABLE postings (
    id uuid NOT NULL,
    company_id uuid NOT NULL,
    entry_id uuid NOT NULL,
    account_id uuid NOT NULL,
    side varchar(40) NOT NULL,
    amount numeric(18, 2) NOT NULL,
    currency char(3) NOT NULL,
    sequence bigint NOT NULL,
    balance_after numeric(20, 2) NOT NULL,
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
