"""Conditions of queries: what a person could decide at an instant, by the roles they held then."""

JUDGES = "'treasury', 'group_finance_manager', 'cfo', 'fpa', 'ceo'"
"""Roles that say what became of money."""

ENDINGS = "'paid', 'not_paid', 'returned'"
"""Endings that these roles say of it."""


def held(row: str, person: str, at: str, roles: str) -> str:
    """Whether a person held one of some roles in the company of a row."""
    return f"""EXISTS (SELECT FROM role_assignments x
        WHERE x.company_id = {row}.company_id AND x.user_id = {person} AND x.role IN ({roles})
            AND x.valid_from <= {at} AND (x.valid_until IS NULL OR x.valid_until >= {at}))"""


def escalates(row: str, person: str, at: str) -> str:
    """Whether they were who decides where nobody else may."""
    return f"""{person}::text = (
        SELECT s.data ->> 'escalation_approver_id' FROM company_settings s
        WHERE s.company_id = {row}.company_id AND s.created_at <= {at}
        ORDER BY s.version DESC LIMIT 1)"""  # noqa: S608 - columns that this package names


def held_or_escalates(row: str, person: str, at: str, roles: str) -> str:
    """Either."""
    return f"({held(row, person, at, roles)} OR {escalates(row, person, at)})"
