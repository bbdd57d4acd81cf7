"""Instructions to a gateway about an attempt: built anew for each call, kept nowhere."""

import json
import logging
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from pettycash.gateways.base import CallbackUrls, PayoutInstruction, ProviderAccountView
from pettycash.models.imprest import ProviderAccount
from pettycash.models.payments import PaymentAttempt
from pettycash.runtime import db
from pettycash.services.foundation import encryption
from pettycash.services.payments import callback_addresses

logger = logging.getLogger(__name__)


def of(session: Session, attempt: PaymentAttempt) -> PayoutInstruction:
    """The same for every repeat of one attempt, wherever its account points to by now."""
    account = db.get_cached(session, ProviderAccount, attempt.provider_account_id)
    return PayoutInstruction(
        originator_reference=attempt.originator_reference,
        amount=attempt.amount,
        currency=attempt.currency,
        destination=attempt.destination,
        payee_name=attempt.payee_name,
        remarks=attempt.remarks,
        account=view(account, base_url=attempt.base_url or account.base_url),
        callbacks=callback_addresses.urls_of(attempt.id, account.id),
    )


def of_nothing(session: Session, account_id: UUID) -> PayoutInstruction:
    """For reading what is said of an attempt of the account that is gone: it agrees with none."""
    account = db.get_cached(session, ProviderAccount, account_id)
    return PayoutInstruction(
        originator_reference="",
        amount=Decimal(0),
        currency="",
        destination="",
        payee_name="",
        remarks="",
        account=view(account, base_url=account.base_url),
        callbacks=CallbackUrls(result="", timeout="", query_result="", query_timeout=""),
    )


def view(account: ProviderAccount, *, base_url: str) -> ProviderAccountView:
    """An account with its credentials opened, for the time of a call.

    Without any where the installed keys do not read them: a gateway then sends nothing and says so,
    and what the rail tells by itself is heard all the same.
    """
    return ProviderAccountView(
        id=account.id,
        company_id=account.company_id,
        rail=account.method,
        base_url=base_url,
        shortcode=account.shortcode,
        credentials=_credentials(account.credentials, account.id),
        environment=account.environment,
    )


def _credentials(sealed: str, account_id: UUID) -> dict[str, str]:
    try:
        opened: dict[str, str] = json.loads(encryption.decrypt(sealed, bound_to=account_id))
    except encryption.Undecipherable:
        extra = {"provider_account_id": str(account_id)}
        logger.warning("the credentials can't be read with the installed keys", extra=extra)
        return {}
    return opened
