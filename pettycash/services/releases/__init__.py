"""Release by one-time code: a challenge, a code that a worker sends, a grant that is spent once.

Generic for what is released: a domain registers a `ReleaseKind` and hands in a `ReleaseSubject`.
Source of the rules: domain.md §6 (release), security.md rows 5 to 7.
"""

from pettycash.services.foundation.duties import NotSeparate
from pettycash.services.releases.challenges import (
    assign,
    check_claim,
    check_unlocked,
    check_unlocking,
    expire,
    request_code,
    unlock,
    void,
    void_all,
)
from pettycash.services.releases.checking import (
    CodeRequired,
    CodeResult,
    check_code,
    find_grant,
    keyed_digest,
    spend_grant,
)
from pettycash.services.releases.sending import (
    CodeMessage,
    code_delivered,
    code_not_delivered,
    make_code,
    new_code,
)
from pettycash.services.releases.subjects import (
    NotTheExecutor,
    ReleaseKind,
    ReleaseLocked,
    ReleaseSubject,
    TreasuryFirst,
    check_releaser,
    register,
)

__all__ = [
    "CodeMessage",
    "CodeRequired",
    "CodeResult",
    "NotSeparate",
    "NotTheExecutor",
    "ReleaseKind",
    "ReleaseLocked",
    "ReleaseSubject",
    "TreasuryFirst",
    "assign",
    "check_claim",
    "check_code",
    "check_releaser",
    "check_unlocked",
    "check_unlocking",
    "code_delivered",
    "code_not_delivered",
    "expire",
    "find_grant",
    "keyed_digest",
    "make_code",
    "new_code",
    "register",
    "request_code",
    "spend_grant",
    "unlock",
    "void",
    "void_all",
]
