"""What every migration says of a new table: who may see and touch which rows of it.

Three roles: the owner (migrations; owns everything, sees every row, and lends its eyes to trigger
functions), `pettycash_app` (rows of the current company only), `pettycash_system` (named tables,
all companies). Row security is forced, so a forgotten setting shows nothing rather than all.
"""

from alembic import op

APP = "pettycash_app"
SYSTEM = "pettycash_system"

OWN_COMPANY = "company_id = current_company()"


def create_roles() -> None:
    """Make the two working roles where the server has none yet (needs CREATEROLE then)."""
    for role in (APP, SYSTEM):
        op.execute(
            f"""
            DO $$ BEGIN
                IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
                    CREATE ROLE {role} NOLOGIN NOSUPERUSER NOBYPASSRLS;
                END IF;
            EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
            END $$
            """
        )
    op.execute(f"GRANT USAGE ON SCHEMA public TO {APP}, {SYSTEM}")


def secure(
    table: str,
    *,
    app: str | None = "SELECT, INSERT, UPDATE",
    system: str | None = None,
    rows: str = OWN_COMPANY,
    check: str | None = None,
) -> None:
    """Force row security on a table and grant privileges.

    `rows` says which rows the application role sees, `check` which it may write (default: the
    same). The system role, where it is granted anything, works across companies.
    """
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(
        f"""DO $$ BEGIN EXECUTE format(
            'CREATE POLICY owner_sees_all ON {table} TO %I USING (true) WITH CHECK (true)',
            current_user); END $$"""
    )
    if app:
        op.execute(
            f"CREATE POLICY own_company ON {table} TO {APP} USING ({rows}) WITH CHECK ({check or rows})"
        )
        op.execute(f"GRANT {app} ON {table} TO {APP}")
    if system:
        op.execute(
            f"CREATE POLICY across_companies ON {table} TO {SYSTEM} USING (true) WITH CHECK (true)"
        )
        op.execute(f"GRANT {system} ON {table} TO {SYSTEM}")


def partition_monthly(table: str) -> None:
    """Start with a default partition; `ensure_partition` makes the months."""
    op.execute(f"CREATE TABLE {table}_rest PARTITION OF {table} DEFAULT")
    op.execute(f"INSERT INTO partitioned_tables (name) VALUES ('{table}')")
