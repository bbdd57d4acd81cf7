"""Careful clients: one Idempotency-Key for each payment, and the same question until an answer."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import requests
from sqlalchemy.exc import SQLAlchemyError

from pettycash.lab.chaos.options import Options
from pettycash.lab.chaos.paying import House, Paid
from pettycash.lab.chaos.system import System

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 15.0
AGAIN_SECONDS = 0.1
AGAIN = frozenset({409, 429, 502, 503, 504})
"""The key is still at work; the database is away. Anything else is an answer."""
GIVE_UP_SECONDS = 300.0
ACCEPTED = 202
BLOCKED = "payment.blocked_by_lost_callback"
NO_CODE = "release.code_required"


@dataclass
class Told:
    """What clients were told, and how often nobody answered."""

    accepted: dict[Paid, dict[str, Any]] = field(default_factory=dict)
    """Payment → body of the 202."""
    refused: dict[str, int] = field(default_factory=Counter)
    unanswered: int = 0
    raised_anew: int = 0
    """Payments that a restore had lost, and that were made once more."""
    paid_already: set[str] = field(default_factory=set)
    """Receivers of payments that a restore has lost, who have their money."""
    held_back: set[str] = field(default_factory=set)
    """The same, where the rail told of it: the books refuse to pay them once more."""


class Clients:
    """Threads that make payments and release them over HTTP, as fast as they are let."""

    def __init__(self, system: System, house: House, options: Options) -> None:
        self.told = Told()
        self.on_the_way = 0
        """Kept up to date by the pulse; beyond `in_flight` clients wait."""
        self.allowed = 0
        """How many payments may have been begun by now: the faults keep step with them."""
        self.begun = 0
        self._system = system
        self._house = house
        self._options = options
        self._token = house.token()
        self._is_open = threading.Event()
        self._is_open.set()
        self._told_at_backup = 0
        self._again: list[Paid] = []
        """What has to be asked for once more."""
        self._has_been_paid: set[str] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, name=f"client-{number}", daemon=True)
            for number in range(options.clients)
        ]

    def start(self) -> None:
        """Let them work."""
        for thread in self._threads:
            thread.start()

    def are_done(self) -> bool:
        """Whether every payment has been released or given up."""
        return not any(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        """Let them go after the payment in hand."""
        self._stop.set()

    @property
    def released(self) -> int:
        """Payments that the API has accepted."""
        return len(self.told.accepted)

    @property
    def finished(self) -> int:
        """The same, and those of lost requisitions whose receivers had been paid."""
        return self.released + len(self.told.paid_already) + len(self.told.held_back)

    def note_backup(self) -> None:
        """What is told from now on is in no backup."""
        self._told_at_backup = len(self.told.accepted)

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Nobody asks for anything meanwhile."""
        self._is_open.clear()
        try:
            yield
        finally:
            self._is_open.set()

    def ask_again(self, *, paid_already: set[str]) -> None:
        """The database is an older one: what was promised since may not be true any more."""
        token = self._house.token()  # a restore has ended the session
        with self._lock:
            self._token = token
            self._has_been_paid = paid_already
            self._again = list(self.told.accepted)[self._told_at_backup :]
            for paid in self._again:
                del self.told.accepted[paid]

    def again(self, paid: Paid) -> requests.Response:
        """The request that released a payment, once more."""
        return requests.post(
            f"{self._system.api_url}/api/payments/{paid.id}/execute/",
            headers={
                "Authorization": f"Bearer {self._token}",
                # Made from the payment: whoever repeats the request repeats the key.
                "Idempotency-Key": str(uuid5(NAMESPACE_URL, f"chaos:{paid.id}")),
            },
            timeout=ANSWER_SECONDS,
        )

    def answers(self) -> bool:
        """Whether the API answers what it has to read from the database."""
        try:
            answer = requests.get(
                f"{self._system.api_url}/api/auth/me/",
                headers={"Authorization": f"Bearer {self._token}"},
                timeout=3,
            )
        except requests.RequestException:
            return False
        return bool(answer.status_code == requests.codes.ok)

    def _next(self) -> int | None:
        with self._lock:
            if self.begun >= self._options.payments:
                return None
            self.begun += 1
            return self.begun

    def _work(self) -> None:
        while not self._stop.is_set():
            if not self._is_open.wait(AGAIN_SECONDS):
                continue
            with self._lock:
                lost = self._again.pop() if self._again else None
            if lost is not None:
                self._insist(lost)
                continue
            if self.on_the_way >= self._options.in_flight or self.begun >= self.allowed:
                if self.begun >= self._options.payments:
                    return
                time.sleep(AGAIN_SECONDS)
                continue
            number = self._next()
            if number is None:
                return
            paid = self._patiently(lambda number=number: self._house.pay(number))  # type: ignore[misc]
            if paid is not None:
                self._insist(paid)

    def _patiently(self, make: Callable[[], Paid]) -> Paid | None:
        """Make it, however often the database goes away meanwhile."""
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < deadline:
            try:
                return make()
            except SQLAlchemyError as error:
                logger.info("a payment is made anew", extra={"error": type(error).__name__})
                time.sleep(AGAIN_SECONDS)
        logger.error("a payment could not be made")
        return None

    def _raise_anew(self, lost: Paid) -> None:
        """As people do who find that their requisition is gone, unless the payee was paid."""
        if lost.phone in self._has_been_paid:
            self.told.paid_already.add(lost.phone)
            return
        paid = self._patiently(lambda: self._house.pay(lost.number))
        if paid is not None:
            self.told.raised_anew += 1
            self._insist(paid)

    def _insist(self, paid: Paid) -> None:
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < deadline:
            answer = self._answer(paid)
            if not self._is_open.is_set():
                self._is_open.wait(GIVE_UP_SECONDS)
                continue  # an answer of books that are being replaced is worth nothing
            if answer is None or (answer.status_code in AGAIN and _code(answer) != BLOCKED):
                with self._lock:
                    self.told.unanswered += 1
            elif answer.status_code == requests.codes.not_found:
                self._raise_anew(paid)
                return
            elif _code(answer) == NO_CODE:  # a restore has ended what was granted
                self._patiently(lambda: self._house.verify(paid))
            elif self._takes(paid, answer):
                return
            time.sleep(AGAIN_SECONDS)
        logger.error("a payment could not be released", extra={"payment_id": str(paid.id)})

    def _answer(self, paid: Paid) -> requests.Response | None:
        """None where nobody answered, or not to the end."""
        try:
            answer = self.again(paid)
            if answer.status_code == ACCEPTED:
                answer.json()
        except (requests.RequestException, ValueError):
            return None
        return answer

    def _takes(self, paid: Paid, answer: requests.Response) -> bool:
        """Remember what was said; whether that is the end of it."""
        with self._lock:
            if answer.status_code == ACCEPTED:
                self.told.accepted[paid] = answer.json()
            elif _code(answer) == BLOCKED:
                self.told.held_back.add(paid.phone)
            else:
                code = f"{answer.status_code} {_code(answer)}"
                self.told.refused[code] = self.told.refused.get(code, 0) + 1
        return bool(answer.status_code < requests.codes.server_error)


def _code(answer: requests.Response) -> str:
    try:
        return str(answer.json().get("code", ""))
    except (ValueError, AttributeError):
        return ""
