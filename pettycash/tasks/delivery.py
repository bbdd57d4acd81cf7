"""Handing a message to a person by whatever ways they have."""

import logging

from pettycash.gateways import mail, sms

logger = logging.getLogger(__name__)


class NobodyReached(Exception):
    """The message left by none of its ways; the task comes again."""


def deliver(*, subject: str, text: str, email: str | None, phone: str | None) -> None:
    """Send by e-mail and SMS, as far as addresses are given; one that leaves is enough.

    Raises:
        NobodyReached: every way failed, or there was none.
    """
    failures: list[str] = []
    sent = 0
    if email:
        try:
            mail.send(to=[email], subject=subject, text=text)
            sent += 1
        except mail.NotDelivered as error:
            failures.append(f"mail: {error}")
    if phone:
        try:
            sms.send(to=phone, text=text)
            sent += 1
        except sms.NotDelivered as error:
            failures.append(f"sms: {error}")
    for failure in failures:
        logger.warning("a message did not leave", extra={"reason": failure})
    if not sent:
        raise NobodyReached("; ".join(failures) or "the person has no address for messages")
