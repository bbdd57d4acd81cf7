"""Bearer tokens: section 2 of the Daraja reference.

One token per app: a new one kills the one before it.
"""

import base64
import binascii
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import replace

from pettycash.lab.simulators.mpesa.answers import (
    Answer,
    Delivery,
    html_page,
    nothing,
    of_json,
    refusal,
    spike_fault,
)
from pettycash.lab.simulators.mpesa.configuration import Configuration
from pettycash.lab.simulators.mpesa.scenarios import ScenarioPart
from pettycash.lab.simulators.mpesa.store import SimulatorStore

_FAILING: Mapping[str, Answer] = {
    "token_empty_400": Answer(400, b""),
    "token_empty_401": Answer(401, b""),
    "token_server_error": refusal(500, "500.001.1001", "Internal Server Error"),
    "token_html": html_page(502, "Bad Gateway"),
    "token_garbage": Answer(200, b'{"access_token": "c9SQxWW'),
    "token_too_many_requests": spike_fault(),
    "token_lost": nothing(Delivery.LOST),
}


class TokenIssuer:
    """Gives out tokens and knows the living one; survives a restart of the simulator."""

    def __init__(self, configuration: Configuration, store: SimulatorStore) -> None:
        self._configuration = configuration
        self._store = store

    def issue(self, *, authorization: str, grant_type: str, part: ScenarioPart | None) -> Answer:
        """Answer `GET /oauth/v1/generate`; `part` is the fault of the token endpoint, if any."""
        if part is not None and part.name in _FAILING:
            return _FAILING[part.name]
        kind, _, value = authorization.partition(" ")
        if kind.lower() != "basic":
            return refusal(400, "400.008.01", "Invalid Authentication passed")
        if grant_type != "client_credentials":
            return refusal(400, "400.008.02", "Invalid grant type passed")
        if not self._knows(value.strip()):
            return Answer(400, b"")
        lifetime = self._configuration.token_lifetime_seconds
        if part is not None and part.name == "token_short":
            lifetime = int(part.number)
        token = secrets.token_urlsafe(21)
        with self._store.unit() as db:
            db.execute(
                "INSERT OR REPLACE INTO tokens (consumer_key, token, expires_at) VALUES (?, ?, ?)",
                (self._configuration.consumer_key, token, time.time() + lifetime),
            )
        as_number = part is not None and part.name == "token_number"
        answer = of_json(
            {"access_token": token, "expires_in": lifetime if as_number else str(lifetime)}
        )
        if part is not None and part.name == "token_slow":
            return replace(answer, wait_seconds=part.number)
        return answer

    def _knows(self, encoded: str) -> bool:
        try:
            given = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            return False
        mine = f"{self._configuration.consumer_key}:{self._configuration.consumer_secret}"
        return hmac.compare_digest(given, mine.encode())

    def refusal(self, authorization: str) -> Answer | None:
        """Why a business call with this header is refused; None where its token lives."""
        kind, _, token = authorization.partition(" ")
        if kind.lower() != "bearer" or not token.strip():
            return refusal(404, "404.001.04", "Invalid Authentication Header")
        with self._store.unit() as db:
            row = db.execute(
                "SELECT token, expires_at FROM tokens WHERE consumer_key = ?",
                (self._configuration.consumer_key,),
            ).fetchone()
        if row is None or not hmac.compare_digest(row["token"].encode(), token.strip().encode()):
            message = f"Error Occurred - Invalid Access Token - {token.strip()[:64]}"
            return refusal(401, "401.002.01", message)
        if row["expires_at"] <= time.time():
            return refusal(404, "404.001.03", "Invalid Access Token")
        return None

    def revoke(self) -> None:
        """Kill the living token, as another worker's token request would."""
        with self._store.unit() as db:
            db.execute("DELETE FROM tokens")
