"""Operations: what somebody may do, each one function that API route and console button call.

    @operation(
        "variances.approve",
        takes=VarianceApprovalSchema,
        given={"comment": "As on the statement"},
        answers=VarianceSchema,
        example=EXAMPLE_APPROVED_VARIANCE,
    )
    @refuses(variances.VarianceNotFound, decisions.OwnProposal, …)
    def approve(uow: Uow, *, variance_id: UUID, comment: str | None) -> VarianceAdjustment:
        \"\"\"Approve a variance, which posts it, dated today.\"\"\"
        return variances.approve(…)

The docstring is what the OpenAPI document says of it. Whoever calls one opens the transaction:
`approve(uow, variance_id=…, comment=…)` refuses an actor without the role, and whatever the service
refuses. Arguments are those of the path and, by name, those of the body. What changes a version
takes the body as `changes`, and `expected`, to which it shows the version of the locked row.
A refusal that must be remembered is raised by `refuse_and_store`: the caller commits all the same.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Concatenate, Generic, Literal, ParamSpec, TypeVar
from uuid import UUID

import marshmallow as ma

from pettycash.runtime.errors import NotFound
from pettycash.services.foundation import permissions
from pettycash.services.foundation.listings import Listing, ListPage, one, page
from pettycash.services.foundation.uow import Uow
from pettycash.services.reports import Report
from pettycash.web import door
from pettycash.web.etags import Expected
from pettycash.web.pages import detail_of, example_page, page_of, query_of
from pettycash.web.refusals import refuses

P = ParamSpec("P")
R = TypeVar("R")

Shape = ma.Schema | type[ma.Schema]
Key = Literal["optional", "required", "secret"]

_ALL: dict[str, "Operation[..., Any]"] = {}


@dataclass(frozen=True, kw_only=True, eq=False)
class Operation(Generic[P, R]):
    """A function with all that its entrances must know of it."""

    function: Callable[Concatenate[Uow, P], R]
    name: str
    """Its row in the permission table."""
    takes: Shape | None = None
    given: Mapping[str, Any] | None = None
    """An example of what it takes."""
    answers: Shape | None = None
    example: Mapping[str, Any] | None = None
    status: int = 200
    etag: bool = False
    """Whether its answer has a `version`, or is `Tagged`."""
    key: Key | None = None
    """Its Idempotency-Key: `required` where it creates or moves money; `secret` where its answer
    may not be kept. Without a word a POST may have one, and nothing else."""
    step_up: bool = False
    """Whether password and code must be fresh."""
    uploads: bool = False
    """Whether it takes a file, as `filename` and `content`."""
    downloads: bool = False
    """Whether its answer is a file: what is known of it, and its bytes."""
    report: Report | None = None
    """What it reads, which comes as a file too."""
    listing: Listing | None = None
    """The same of a list."""

    def admit(self, uow: Uow) -> None:
        """Refuse an actor without a role for it."""
        refusal = door.refusal(uow.actor, self.name)
        if refusal is not None:
            raise refusal

    @property
    def comes_as_file(self) -> bool:
        """Whether it takes a `format`."""
        return self.report is not None or (self.listing is not None and bool(self.listing.columns))

    def __call__(self, uow: Uow, *args: P.args, **kwargs: P.kwargs) -> R:
        self.admit(uow)
        answer = self.function(uow, *args, **kwargs)
        expected = kwargs.get("expected")
        if isinstance(expected, Expected) and not expected.is_checked:
            raise AssertionError(f"{self.name} changed something without expected.check()")
        return answer

    @property
    def __wrapped__(self) -> Callable[Concatenate[Uow, P], R]:
        return self.function


def operation(
    name: str, **declared: Any
) -> Callable[[Callable[Concatenate[Uow, P], R]], Operation[P, R]]:
    """Make an operation of a function; `declared` are fields of `Operation`.

    Of a list, `listing` is given instead of `takes`; `without` names the filters that the path
    says, and `answers` and `example` are of one item.
    """
    if name not in permissions.PERMISSIONS or name in _ALL:
        raise ValueError(f"{name} has no row in the permission table, or two functions")
    listing: Listing | None = declared.pop("listing", None)
    if listing is not None:
        options = {each: declared.pop(each) for each in ("without", "required") if each in declared}
        declared |= {
            "listing": listing,
            "takes": query_of(listing, **options),
            "answers": page_of(declared["answers"]),
            "example": example_page(declared["example"]),
        }

    def decorator(function: Callable[Concatenate[Uow, P], R]) -> Operation[P, R]:
        made = Operation(name=name, function=function, **declared)
        _ALL[name] = made
        return made

    return decorator


def list_of(
    name: str, listing: Listing, summary: str, *, answers: Shape, example: Mapping[str, Any]
) -> Operation[..., ListPage]:
    """The operation that reads a list as it is."""

    def read(uow: Uow, **arguments: Any) -> ListPage:
        return page(uow, listing, arguments)

    read.__doc__ = summary
    return operation(name, listing=listing, answers=answers, example=example)(read)


def one_of(
    name: str,
    listing: Listing,
    not_found: type[NotFound],
    summary: str,
    *,
    answers: type[ma.Schema],
    example: Mapping[str, Any],
) -> Operation[..., dict[str, Any]]:
    """The operation that reads one row of a list, by the last id of its path."""

    def read(uow: Uow, **key: UUID) -> dict[str, Any]:
        found = one(uow, listing, next(reversed(key.values())))
        if found is None:
            raise not_found
        return found

    read.__doc__ = summary
    shown = {**example, "people": {}}
    return operation(name, answers=detail_of(answers), example=shown)(refuses(not_found)(read))


def by_name(name: str) -> Operation[..., Any]:
    """The operation of a row of the permission table."""
    _load()
    return _ALL[name]


@cache
def _load() -> None:
    for found in pkgutil.walk_packages(__path__, f"{__name__}."):
        importlib.import_module(found.name)
