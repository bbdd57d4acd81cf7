"""I3, for each fund: its float is always somewhere (services/imprest/float_identity.py)."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.imprest import Fund
from pettycash.services.imprest import float_identity
from pettycash.services.reconciliation.invariants.checks import Check, Invariant


def _breaks(session: Session) -> Iterator[Mapping[str, Any]]:
    for fund_id in session.execute(select(Fund.id).where(Fund.is_active)).scalars().all():
        identity = float_identity.identity(session, fund_id)
        if identity.difference != 0:
            yield {"object_id": fund_id, **identity.as_json()}


IDENTITY = Check(name="imprest_identity", invariant=Invariant.I3, object_type="fund", query=_breaks)
