"""Where money goes, per method: one spelling of it, and whether the method can reach it."""

import re

from pettycash.gateways import registry
from pettycash.gateways.base import DestinationNotUnderstood
from pettycash.runtime import errors, phones
from pettycash.runtime.money import Currency
from pettycash.runtime.rails import Method

EMAIL = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9-]+(\.[a-z0-9-]+)+", re.ASCII)
"""An address in lower case. Of members too: in another alphabet one mailbox has two spellings."""


class InvalidDestination(errors.RuleViolation):
    """The destination is not one that the method can reach."""

    code = "requisition.invalid_destination"


class MethodNotAvailable(errors.RuleViolation):
    """The payment method is not available yet, or can't pay in this currency."""

    code = "requisition.method_not_available"


def normalise(raw: str, *, method: Method, currency: Currency) -> str:
    """The one spelling of a destination: per rail, or for cash an E.164 phone or an e-mail.

    Raises:
        MethodNotAvailable: the method is reserved or does not carry the currency.
        RailNotServed: no adapter is wired for it.
        InvalidDestination: the method can't reach it.
    """
    facts = method.facts
    if facts.reserved:
        raise MethodNotAvailable(
            f"{facts.label} can't be used yet.", errors={"method": ["It is not available yet."]}
        )
    if facts.currencies and currency.value not in facts.currencies:
        raise MethodNotAvailable(
            f"{facts.label} carries {', '.join(sorted(facts.currencies))} only.",
            errors={"currency": [f"{facts.label} does not carry {currency.value}."]},
        )
    if not facts.has_gateway:
        return _person(raw, currency=currency)
    gateway = registry.for_rail(method)
    try:
        return gateway.normalise_destination(raw)
    except DestinationNotUnderstood as error:
        raise InvalidDestination(error.detail, errors={"destination": [error.detail]}) from error


def _person(raw: str, *, currency: Currency) -> str:
    """The recipient of cash: a phone or an e-mail, as the acknowledgement goes there."""
    text = raw.strip()
    if "@" in text:
        address = text.lower()
        if len(address) > 254 or EMAIL.fullmatch(address) is None:
            raise _not_a_person("This is no e-mail address.")
        return address
    try:
        return phones.e164(text, home=phones.HOME_OF[currency])
    except phones.NotAPhone as error:
        raise _not_a_person(
            f"Cash goes to a person's phone number or e-mail address. {error}"
        ) from error


def _not_a_person(detail: str) -> InvalidDestination:
    return InvalidDestination(detail, errors={"destination": [detail]})
