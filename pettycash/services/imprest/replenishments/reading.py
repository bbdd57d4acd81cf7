"""A replenishment with the names in it and where its release stands."""

from typing import Any
from uuid import UUID

from pettycash.models.imprest import Fund, Replenishment, Store
from pettycash.services.foundation import listings
from pettycash.services.foundation.uow import Uow
from pettycash.services.imprest.replenishments.funding import RELEASES
from pettycash.services.imprest.replenishments.receiving import in_transit
from pettycash.services.imprest.replenishments.scope import get
from pettycash.services.releases import reading

DERIVED = ("approved_by", "approved_at", "rejected_by", "rejected_at")
PEOPLE = ("proposed_by", "decided_by", "cancelled_by", "executor_id", "funded_by", "received_by")


def detail(uow: Uow, *, replenishment_id: UUID) -> tuple[dict[str, Any], str]:
    """One replenishment, and the version tag of all that is shown.

    Raises:
        ReplenishmentNotFound: none such within scope.
    """
    found = get(uow, replenishment_id=replenishment_id)
    columns = [column.key for column in Replenishment.__mapper__.column_attrs]
    shown: dict[str, Any] = {name: getattr(found, name) for name in (*columns, *DERIVED)}
    release = reading.newest(uow.session, found.id)
    lines = RELEASES.lines(uow.session, found.id)
    shown |= {
        "fund_name": uow.session.get_one(Fund, found.fund_id).name,
        "store_name": uow.session.get_one(Store, found.store_id).name,
        "in_transit": in_transit(found),
        "release": reading.to_response(uow.session, release, lines=lines, now=uow.now),
    }
    named = [*(shown[name] for name in PEOPLE), release[0].executor_id if release else None]
    shown["people"] = listings.people(uow.session, {each for each in named if each})
    return shown, f"{found.version}.{reading.tag(release)}"
