"""A client of the API that gets no answer, and asks again with the same Idempotency-Key."""

import time
from uuid import uuid4

import requests

from tests.crash.system import Paid, System

AGAIN = frozenset({409, 503})
"""The key is still at work; the database is away."""


class Executor:
    """Releases payments over HTTP, with one key for each and a token of its own."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.token = system.token("treasury_2")
        self.keys: dict[Paid, str] = {}
        self.unanswered = 0
        """Requests that ended without an answer, or with 503."""

    def execute(self, paid: Paid) -> requests.Response:
        """One request; raises where the server ends in the middle of it."""
        key = self.keys.setdefault(paid, str(uuid4()))
        return requests.post(
            f"{self.system.api_url}/api/payments/{paid.id}/execute/",
            headers={"Authorization": f"Bearer {self.token}", "Idempotency-Key": key},
            timeout=15,
        )

    def insist(self, paid: Paid) -> requests.Response:
        """Ask again until there is an answer that is one."""
        for _ in range(200):
            try:
                answer = self.execute(paid)
            except requests.RequestException:
                self.unanswered += 1
            else:
                if answer.status_code not in AGAIN:
                    return answer
                self.unanswered += answer.status_code == 503
                assert answer.status_code == 503 or "key_at_work" in answer.text, answer.text
            time.sleep(0.1)
        raise AssertionError("no answer")
