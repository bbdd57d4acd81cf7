"""How the day goes, for treasury."""

from pettycash.services.foundation.uow import Uow
from pettycash.services.reports import treasury
from pettycash.web.operations import operation
from pettycash.web.schemas.treasury import EXAMPLE_TODAY, TodaySchema


@operation("treasury.today", answers=TodaySchema, example=EXAMPLE_TODAY)
def today(uow: Uow) -> treasury.Today:
    """Count what was released today by its state, and what is in doubt by its age."""
    return treasury.today(uow)
