"""Sending text messages through Africa's Talking (bulk SMS, version 1).

SMS_URL is the endpoint with `username` and, optionally, `from` as its query; SMS_TOKEN is the API
key. Without them, outside production, a text goes by mail to `<number>@sms.localhost`, so that it
turns up in the development mailbox.
"""

import urllib.parse

from pettycash.gateways import mail
from pettycash.gateways.flight import Deadline
from pettycash.gateways.kit.http import RailSession, TransportFailure
from pettycash.runtime import settings
from pettycash.runtime.wire import read_object

ACCEPTED_CODES = frozenset({100, 101, 102})
"""Processed, sent, queued: the provider has it (its documentation, status codes)."""

DEVELOPMENT_DOMAIN = "sms.localhost"


class SmsNotDelivered(Exception):
    """The text was not taken; the reason names no number and no contents."""


def send(*, to: str, text: str, deadline: Deadline | None = None) -> None:
    """Hand a text to the provider; `to` is an E.164 number. At most 15 seconds.

    A deadline may shorten that.

    Raises:
        SmsNotDelivered: no provider, no answer, or the provider refused this recipient.
    """
    current = settings.current()
    number = "+" + to.lstrip("+")
    if not current.sms_url:
        if current.environment == "production":
            raise SmsNotDelivered("SMS_URL is not set")
        try:
            mail.send(
                to=[f"{number[1:]}@{DEVELOPMENT_DOMAIN}"],
                subject="SMS",
                text=text,
                deadline=deadline,
            )
        except mail.MailNotDelivered as error:
            raise SmsNotDelivered(str(error)) from None
        return
    url = urllib.parse.urlsplit(current.sms_url)
    form = dict(urllib.parse.parse_qsl(url.query)) | {"to": number, "message": text}
    session = RailSession([f"{url.scheme}://{url.netloc}"])
    try:
        answer = session.post(
            url._replace(query="").geturl(),
            headers={
                "apiKey": current.sms_token,
                "Accept": "application/json",
                "Content-Type": "application/x-www-form-urlencoded",
            },
            body=urllib.parse.urlencode(form).encode(),
            deadline=deadline,
        )
    except TransportFailure as error:
        raise SmsNotDelivered(error.code) from None
    _check(answer.status, answer.body)


def _check(status: int, body: bytes) -> None:
    """One outcome per recipient, and there is one recipient."""
    parsed = read_object(body) or {}
    data = parsed.get("SMSMessageData")
    recipients = data.get("Recipients") if isinstance(data, dict) else None
    if status not in (200, 201) or not isinstance(recipients, list) or not recipients:
        raise SmsNotDelivered(f"http.{status}")
    first = recipients[0]
    code = first.get("statusCode") if isinstance(first, dict) else None
    if code not in ACCEPTED_CODES:
        raise SmsNotDelivered(f"status {code}")
