"""I8: what people hold beside each other. Who did what about money is asked elsewhere."""

from pettycash.services.audit.checks import Check, Invariant

ROLES = (
    Check(
        name="roles_are_compatible",
        invariant=Invariant.I8,
        object_type="user",
        # What an import brought; such a person releases nothing until one of the two has ended.
        query="""
        SELECT a.user_id AS object_id, a.role AS held, b.role AS beside
        FROM role_assignments a
            JOIN incompatible_roles i ON i.role = a.role AND i.role < i.other
            JOIN role_assignments b ON b.company_id = a.company_id AND b.user_id = a.user_id
                AND b.role = i.other
                AND b.valid_from < coalesce(a.valid_until, 'infinity')
                AND coalesce(b.valid_until, 'infinity') > a.valid_from
        WHERE least(coalesce(a.valid_until, 'infinity'), coalesce(b.valid_until, 'infinity'))
            > now()
        """,
    ),
)
