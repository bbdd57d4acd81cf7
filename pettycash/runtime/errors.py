"""The kinds of errors that callers may expect; each concrete error names a stable code.

A kind says what the caller can do about it and nothing about HTTP: `pettycash.web.problems`
is the only place where kinds meet status numbers. A concrete error lives beside the function
that raises it, and its docstring is its meaning in `docs/errors.md`.
"""

from collections.abc import Iterator, Mapping, Sequence


class PettycashError(Exception):
    """Base of every anticipated error. `code` is the stable name that clients branch on."""

    code = "internal.error"
    is_logged = False
    """Whether a refusal of this class is a line of its own in the log: people have to mend it. Its
    detail then holds no text of a user."""

    def __init__(
        self, detail: str = "", *, errors: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        super().__init__(detail or (type(self).__doc__ or type(self).code).strip().splitlines()[0])
        self.errors: dict[str, list[str]] = {k: list(v) for k, v in (errors or {}).items()}

    @property
    def detail(self) -> str:
        """One sentence for a person."""
        return str(self.args[0])


class BadRequest(PettycashError):
    """The request can't be read at all."""

    code = "request.malformed"


class NotAuthenticated(PettycashError):
    """Nobody is signed in, or the credentials are wrong."""

    code = "auth.required"


class NotAllowed(PettycashError):
    """The role is missing, or segregation of duties forbids it."""

    code = "auth.forbidden"


class KeptApart(NotAllowed):
    """One person can't hold both of these duties; another person must do this."""

    code = "segregation.refused"


class NotFound(PettycashError):
    """There is no such thing within the caller's scope."""

    code = "request.not_found"


class Conflict(PettycashError):
    """The current state does not allow this, or another request was faster; read it again."""

    code = "request.conflict"


class StalePrecondition(PettycashError):
    """The If-Match header names a version that is not the current one."""

    code = "request.precondition_failed"


class RequestTimeout(PettycashError):
    """The rest of the request did not arrive in time; nothing was done, send it again."""

    code = "request.timeout"


class PayloadTooLarge(PettycashError):
    """The body is larger than this endpoint takes."""

    code = "request.too_large"


class RuleViolation(PettycashError):
    """The request was understood and breaks a rule of the business."""

    code = "request.invalid"


class PreconditionRequired(PettycashError):
    """This request needs an If-Match header."""

    code = "request.precondition_required"


class TooManyRequests(PettycashError):
    """This was done too often; wait as long as Retry-After says."""

    code = "request.too_many"

    def __init__(self, detail: str = "", *, retry_after_seconds: int = 1) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(PettycashError):
    """The system can't do this now: paused, or the database takes no writes."""

    code = "platform.unavailable"


KINDS: tuple[type[PettycashError], ...] = (
    BadRequest,
    NotAuthenticated,
    NotAllowed,
    NotFound,
    Conflict,
    StalePrecondition,
    RequestTimeout,
    PayloadTooLarge,
    RuleViolation,
    PreconditionRequired,
    TooManyRequests,
    Unavailable,
)


def concrete(kind: type[PettycashError]) -> Iterator[type[PettycashError]]:
    """Yield every error class of a kind that is loaded, the kind itself first."""
    yield kind
    for child in kind.__subclasses__():
        yield from concrete(child)
