"""One's own notices, and how one wishes to hear of them."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from pettycash.services.foundation import notices
from pettycash.services.foundation.notices import Wish
from pettycash.services.foundation.uow import Uow
from pettycash.web.etags import Expected, Tagged
from pettycash.web.operations import list_of, operation
from pettycash.web.refusals import refuses
from pettycash.web.schemas import notices as shapes

list_own = list_of(
    "notices.list",
    notices.NOTICES,
    "List your own notices of the last 90 days, the newest first.",
    answers=shapes.NoticeSchema,
    example=shapes.EXAMPLE_NOTICE,
)


@operation(
    "notices.read",
    takes=shapes.NoticesReadSchema,
    given={"newest_id": shapes.EXAMPLE_NOTICE["id"]},
    status=204,
)
@refuses(notices.NoticeNotFound)
def mark_read(uow: Uow, *, newest_id: UUID) -> None:
    """Mark your notices as read, up to the newest that you have seen."""
    notices.mark_read(uow, newest_id=newest_id)


def _shown(wished: Sequence[Wish]) -> Tagged:
    return Tagged({"items": wished}, notices.version_of(wished))


@operation(
    "notice_wishes.get",
    answers=shapes.NoticeWishesSchema,
    example=shapes.EXAMPLE_WISHES,
    etag=True,
)
def get_wishes(uow: Uow) -> Tagged:
    """Read how you hear of each kind: at once, once a day at 07:00 of the company, or not."""
    return _shown(notices.wishes(uow))


@operation(
    "notice_wishes.update",
    takes=shapes.NoticeWishesChangeSchema,
    given={"wishes": {"requisition.decided": "daily"}},
    answers=shapes.NoticeWishesSchema,
    example=shapes.EXAMPLE_WISHES,
    etag=True,
)
@refuses(notices.UnknownNoticeKind)
def update_wishes(uow: Uow, *, changes: Mapping[str, Any], expected: Expected) -> Tagged:
    """Say how you wish to hear of some kinds, from the next event on."""
    expected.check(notices.version_of(notices.wishes(uow)))
    return _shown(notices.wish(uow, changes["wishes"]))
