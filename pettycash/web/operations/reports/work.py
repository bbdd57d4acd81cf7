"""Work that waits for me, over all kinds."""

from collections.abc import Sequence

from pettycash.services.foundation.uow import Uow
from pettycash.services.reports import work
from pettycash.web.operations import operation
from pettycash.web.schemas.work import EXAMPLE_WORK, WorkSchema


@operation("work.list", answers=WorkSchema, example=EXAMPLE_WORK)
def list_all(uow: Uow) -> dict[str, Sequence[work.Work]]:
    """List what waits for you: decisions, releases, cash, cases, changes and the rest."""
    return {"items": work.waiting(uow)}
