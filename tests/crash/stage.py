"""Where a play is performed: the running system, its people over HTTP, and the faults."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import requests
from sqlalchemy import select

from pettycash.models.access import User
from pettycash.models.imprest import Fund
from pettycash.models.payments import Payment
from pettycash.runtime.crash_points import Fault
from tests.crash.system import ONE_CODE, System
from tests.patience import budget
from tests.servers import wait_until

ANSWER_SECONDS = 40.0
BROKEN_OFF = {fault: frozenset({503}) for fault in Fault} | {Fault.RAISE: frozenset({500, 503})}
"""What may be answered where it failed in the middle; the same key tells what became of it.

Only a mistake of ours is a 500: who loses the database says so, since people come back then.
"""

ROUNDS = 6
"""How often a play is given until each of its points was struck: one may hide another."""


@dataclass(frozen=True, kw_only=True)
class Play:
    """A piece of business from its beginning to its proven end, and the points that it passes."""

    act: "Callable[[Stage], None]"
    points: Sequence[str]
    besides: Sequence[str] = ()
    """Faults without which its points are not reached."""


@dataclass(frozen=True, kw_only=True)
class Survival:
    """How one point was survived."""

    point: str
    fault: Fault
    hits: int
    seconds: float
    """From the fault until its business was at its end and the outbox empty."""


class Stage:
    """People who insist on an answer, with one Idempotency-Key for what they want once."""

    def __init__(self, system: System) -> None:
        self.system = system
        self._tokens: dict[str, str] = {}
        self._broken_off = BROKEN_OFF[Fault.KILL]

    # -- people

    def post(
        self, who: str, path: str, body: Mapping[str, Any] | None = None, *, expect: int = 200
    ) -> dict[str, Any]:
        """Ask until there is an answer, with the same key; the answer is the expected one."""
        answer = self.ask(who, path, body)
        assert answer.status_code == expect, (path, answer.status_code, answer.text)
        found: dict[str, Any] = answer.json()
        return found

    def ask(self, who: str, path: str, body: Mapping[str, Any] | None = None) -> requests.Response:
        """Ask until there is an answer, with the same key."""
        headers = {"Authorization": f"Bearer {self._token(who)}", "Idempotency-Key": str(uuid4())}
        last: object = None
        deadline = time.monotonic() + budget(ANSWER_SECONDS)
        while time.monotonic() < deadline:
            try:
                answer = requests.post(
                    f"{self.system.api_url}{path}", json=body, headers=headers, timeout=15
                )
            except requests.RequestException as error:
                last = error
            else:
                last = (answer.status_code, answer.text)
                is_running = answer.status_code == 409 and "key_at_work" in answer.text
                if answer.status_code not in self._broken_off and not is_running:
                    return answer
            time.sleep(0.05)
        raise AssertionError((path, last, self.system.logs()))

    def give_code(self, who: str, path: str, *, address: str, about: str) -> None:
        """Read the codes about something from the mail and give them until one is taken.

        A worker that was not heard of in time is doubled, and both send: one of their codes counts,
        and their letters may cross.
        """
        tried: set[str] = set()
        answers: list[str] = []

        def is_taken() -> bool:
            code = next((each for each in self._codes(address, about) if each not in tried), None)
            if code is None:
                return False
            tried.add(code)
            answer = self.ask(who, path, {"code": code})
            answers.append(answer.text)
            return answer.status_code == 200

        taken = wait_until(is_taken, ANSWER_SECONDS, 0.05)
        assert taken, (path, answers, self.system.logs())

    def _codes(self, address: str, about: str) -> list[str]:
        messages = self.system.mailbox.messages(to=address, limit=20)
        found = [ONE_CODE.search(each.text) for each in messages if about in each.text]
        return [each[0] for each in found if each]

    def release(self, payment_id: UUID, by: str) -> None:
        """Ask for the code, give it, execute: over HTTP, as people do."""
        number = self.number(payment_id)
        path = f"/api/payments/{payment_id}"
        self.post(by, f"{path}/send_otp/", expect=202)
        self.give_code(by, f"{path}/verify_otp/", address=self.address(by), about=number)
        self.post(by, f"{path}/execute/", expect=202)

    def _token(self, who: str) -> str:
        if who not in self._tokens:
            self._tokens[who] = self.system.token(who)
        return self._tokens[who]

    # -- what a play needs to know

    def address(self, who: str) -> str:
        """The e-mail address of a persona."""
        with self.system.session() as session:
            return session.execute(select(User.email).where(User.username == who)).scalar_one()

    def number(self, payment_id: UUID) -> str:
        """What people call a payment."""
        with self.system.session() as session:
            return session.get_one(Payment, payment_id).number

    def fund_id(self, code: str) -> UUID:
        """A fund by its code."""
        with self.system.session() as session:
            return session.execute(select(Fund.id).where(Fund.code == code)).scalar_one()

    # -- faults

    def perform(self, play: Play, points: Sequence[str], fault: Fault) -> list[Survival]:
        """Give a play with a fault at each of these points, until each has struck; judge the end.

        Each strikes once, the first time that its point is reached. `play.act` does not return
        before its business has ended well.
        """
        self._broken_off = BROKEN_OFF[fault]
        self.system.arm(*(f"{point}={fault}" for point in points), *play.besides)
        for _ in range(ROUNDS):
            play.act(self)
            struck = self.system.struck()
            if {point for point, _ in struck} >= set(points):
                break
        self.system.disarm()
        self.system.await_nothing_owed()
        ended = time.monotonic()
        self.system.assert_all_is_true()
        return [
            Survival(
                point=point,
                fault=fault,
                hits=len(hits),
                seconds=ended - min(hits) if hits else 0.0,
            )
            for point in points
            for hits in [[at for step, at in struck if step == point]]
        ]
