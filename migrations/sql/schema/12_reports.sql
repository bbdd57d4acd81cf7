-- Files that people asked for.

-- A report or a list that somebody wants as a file; only they see it.
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
    CONSTRAINT ck_report_runs_status CHECK (status IN ('queued', 'running', 'done', 'failed')),
    CONSTRAINT ck_report_runs_done CHECK ((status = 'done') = (expires_at IS NOT NULL)),
    CONSTRAINT ck_report_runs_failure CHECK ((status = 'failed') = (failure IS NOT NULL)),
    CONSTRAINT fk_report_runs_company_id FOREIGN KEY (company_id)
        REFERENCES companies (id) ON DELETE RESTRICT,
    CONSTRAINT fk_report_runs_company_id_asked_by FOREIGN KEY (company_id, asked_by)
        REFERENCES memberships (company_id, user_id) ON DELETE RESTRICT
);
CREATE INDEX ix_report_runs_asked_by ON report_runs (company_id, asked_by, id);

-- A part of a file; all of them are written at once.
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
