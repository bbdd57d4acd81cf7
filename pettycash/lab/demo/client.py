"""The demo's way to the API: each persona over real HTTP, signed in once for all runs.

A time-based code counts once, so signing in for every run would have to wait; sessions are kept and
refreshed instead.
"""

import json
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pyotp
import requests

from pettycash.stack.state import StackError, StateFolder, read_json, write_private

TIMEOUT_SECONDS = 20
TOTP_STEP_SECONDS = 30
STEP_UP = "auth.step_up_required"

Told = Callable[[str, str, str, "requests.Response"], None]
"""Called with persona, method, path and answer of each request."""


class Unexpected(StackError):
    """The system did not do what it should."""


class Demo:
    """Requests to a running development stack as its personas."""

    def __init__(self, folder: StateFolder, told: Told) -> None:
        run = folder.read_run()
        personas = read_json(folder.personas_file)
        if run is None or not folder.is_held() or not personas:
            raise StackError("no stack is running here; start it: bin/pettycash up")
        self.connections: dict[str, Any] = run["connections"]
        self._personas = personas
        self._file = folder.path / "demo-sessions.json"
        self._tokens: dict[str, dict[str, str]] = read_json(self._file) or {}
        self._told = told
        self._http = requests.Session()
        self._http.trust_env = False

    def call(
        self,
        persona: str,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        expect: int | None = None,
        key: bool = False,
        quiet: bool = False,
    ) -> Any:
        """One request as a persona; its JSON.

        Raises:
            Unexpected: another status than `expect` (default: any success).
        """
        answer = self._send(persona, method, path, body, key)
        if answer.status_code == requests.codes.unauthorized:
            self._sign_in_again(persona)
            answer = self._send(persona, method, path, body, key)
        if answer.status_code == requests.codes.forbidden and STEP_UP in answer.text:
            self._authenticate_again(persona)
            answer = self._send(persona, method, path, body, key)
        if not quiet:
            self._told(persona, method, path, answer)
        expected = answer.ok if expect is None else answer.status_code == expect
        if not expected:
            raise Unexpected(f"{persona} {method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json() if answer.content else None

    def outside(self, url: str, **parameters: str) -> Any:
        """GET from a part of the stack that is not the API: mailbox, simulator."""
        answer = self._http.get(url, params=parameters, timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        return answer.json()

    def until(
        self, what: str, look: Callable[[], Any], good: Callable[[Any], bool], seconds: float = 60
    ) -> Any:
        """Look again and again until it is good.

        Raises:
            Unexpected: it was not, in that time.
        """
        end = time.monotonic() + seconds
        while True:
            found = look()
            if good(found):
                return found
            if time.monotonic() > end:
                raise Unexpected(f"{what}: not within {seconds:.0f} s, last seen {found}")
            time.sleep(0.25)

    def _send(
        self, persona: str, method: str, path: str, body: dict[str, Any] | None, key: bool
    ) -> requests.Response:
        if persona not in self._tokens:
            self._sign_in(persona)
        headers = {"Authorization": f"Bearer {self._tokens[persona]['access_token']}"}
        if key:
            headers["Idempotency-Key"] = str(uuid4())
        return self._http.request(
            method,
            self.connections["api_url"] + path,
            json=body,
            headers=headers,
            timeout=TIMEOUT_SECONDS,
        )

    def _sign_in_again(self, persona: str) -> None:
        token = self._tokens.pop(persona).get("refresh_token")
        answer = self._public("/api/auth/refresh", {"refresh_token": token})
        if answer.ok:
            self._keep(persona, answer)
        else:
            self._sign_in(persona)

    def _sign_in(self, persona: str) -> None:
        who = self._personas[persona]
        answer = self._with_code(
            persona,
            lambda proof: self._public("/api/auth/login", {"username": who["username"], **proof}),
        )
        self._told(persona, "POST", "/api/auth/login", answer)
        self._keep(persona, answer)

    def _authenticate_again(self, persona: str) -> None:
        path = "/api/auth/reauthenticate/"
        answer = self._with_code(
            persona, lambda proof: self._send(persona, "POST", path, proof, False)
        )
        self._told(persona, "POST", path, answer)

    def _with_code(
        self, persona: str, send: Callable[[dict[str, str]], requests.Response]
    ) -> requests.Response:
        """Send password and code, again with the next one where the code was used already."""
        who = self._personas[persona]
        for _attempt in range(3):
            code = pyotp.TOTP(who["totp_secret"]).now()
            answer = send({"password": who["password"], "totp_code": code})
            if answer.ok:
                return answer
            # The code of this step was used already; the next one comes within half a minute.
            time.sleep(TOTP_STEP_SECONDS - time.time() % TOTP_STEP_SECONDS + 0.5)
        raise Unexpected(f"{persona} can't sign in: {answer.status_code} {answer.text[:300]}")

    def _public(self, path: str, body: dict[str, Any]) -> requests.Response:
        return self._http.post(
            self.connections["api_url"] + path, json=body, timeout=TIMEOUT_SECONDS
        )

    def _keep(self, persona: str, answer: requests.Response) -> None:
        tokens = answer.json()
        self._tokens[persona] = {
            "access_token": tokens["access_token"],
            "refresh_token": tokens["refresh_token"],
        }
        write_private(self._file, json.dumps(self._tokens))
