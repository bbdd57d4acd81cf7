"""The reviewed table of operations and roles, which `python -m tests.security.golden` rewrites.

A change of this file is a change of who may do what: it is read by a person before it is merged.
"""

from pathlib import Path

from pettycash.models.access import Role
from pettycash.services.foundation import duties, permissions

FILE = Path(__file__).with_name("operations_by_role.txt")
DUTIES = Path(__file__).with_name("duties.txt")

HEADER = """\
# Who may call which operation. Written by `python -m tests.security.golden` from
# pettycash/services/foundation/permissions.py; compared by tests/security/test_api5_bfla.py.
# Scope (which objects) and segregation of duties come on top.
"""


DUTIES_HEADER = """\
# What one person never is about one sum of money, and never holds in one company. Written by
# `python -m tests.security.golden` from pettycash/services/foundation/duties.py; compared by
# tests/models/test_pairs.py, with the tables that triggers join too.
"""


def render() -> str:
    """One line per operation: its roles, `everybody` for all, `public` without a session."""
    lines = [HEADER]
    lines += [f"{name:<32} public\n" for name in sorted(permissions.PUBLIC)]
    for name in sorted(permissions.PERMISSIONS):
        roles = permissions.PERMISSIONS[name]
        text = (
            "everybody"
            if roles == frozenset(Role)
            else " ".join(role.value for role in Role if role in roles)
        )
        scopes = [each for each, names in permissions.CLIENT_SCOPES.items() if name in names]
        keys = f" | keys: {' '.join(scopes)}" if scopes else ""
        if name in permissions.ESCALATED:
            keys += " | escalation approver"
        lines.append(f"{name:<32} {text}{keys}\n")
    return "".join(lines)


def render_duties() -> str:
    """One line per pair of duties and of roles that one person never has together."""
    lines = [DUTIES_HEADER]
    for word, pairs in (("duties", duties.PAIRS), ("roles", duties.INCOMPATIBLE_ROLES)):
        lines += sorted(f"{word} {' '.join(sorted(each))}\n" for each in pairs)
    return "".join(lines)


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
    DUTIES.write_text(render_duties(), encoding="utf-8")
