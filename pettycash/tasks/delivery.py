"""Handing a message to a person by whatever ways they have."""

import logging

from pettycash.gateways import mail, sms
from pettycash.gateways.flight import Deadline

logger = logging.getLogger(__name__)


SECONDS = 40.0
"""How long all ways of one message may take: less than a worker's claim lasts by default."""


class NobodyReached(Exception):
    """The message left by none of its ways; the task comes again."""


def deliver(
    *, subject: str, text: str, email: str | None, phone: str | None, deadline: Deadline
) -> None:
    """Send by e-mail and SMS, as far as addresses are given; one that leaves is enough.

    The deadline is set before the message is made: a process that stood still meanwhile sends
    nothing that another one has replaced.

    Raises:
        NobodyReached: every way failed, or there was none.
    """
    failures: list[str] = []
    sent = 0
    if email:
        try:
            mail.send(to=[email], subject=subject, text=text, deadline=deadline)
            sent += 1
        except mail.MailNotDelivered as error:
            failures.append(f"mail: {error}")
    if phone:
        try:
            sms.send(to=phone, text=text, deadline=deadline)
            sent += 1
        except sms.SmsNotDelivered as error:
            failures.append(f"sms: {error}")
    for failure in failures:
        logger.warning("a message did not leave", extra={"reason": failure})
    if not sent:
        raise NobodyReached("; ".join(failures) or "the person has no address for messages")
