"""The reviewed table of operations and roles, which `python -m tests.security.golden` rewrites.

A change of this file is a change of who may do what: it is read by a person before it is merged.
"""

from pathlib import Path

from pettycash.models.people import Role
from pettycash.services import permissions

FILE = Path(__file__).with_name("operations_by_role.txt")

HEADER = """\
# Who may call which operation. Written by `python -m tests.security.golden` from
# pettycash/services/permissions.py; compared by tests/security/test_api5_bfla.py. Scope (which
# objects) and segregation of duties come on top.
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
        lines.append(f"{name:<32} {text}{keys}\n")
    return "".join(lines)


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
