"""How long a proof takes: from the rail's callback to the settled payment, fifty a second."""

import math
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import requests

from pettycash.gateways.base import CallbackUrls
from pettycash.lab.bench import released
from pettycash.lab.bench.benchmark import Benchmark, at_most
from pettycash.lab.bench.released import TICK_SECONDS, WAIT_SECONDS, HeldStack, wait_for
from pettycash.lab.bench.stage import Stage
from pettycash.lab.chaos.paying import Paid
from pettycash.lab.simulators.mpesa.envelopes import Facts, payment_result
from pettycash.services.payments import callback_addresses
from pettycash.stack.state import StackError

A_SECOND = 50
SENDERS = 8
NEVER_SECONDS = 3_600.0
"""The simulator's own callbacks come after the run: here the benchmark is the rail."""
ANSWER_SECONDS = 10.0

ATTEMPTS = """
    SELECT a.id::text, a.provider_account_id::text, a.payment_id::text,
        a.conversation_id, a.provider_originator_id, a.originator_reference, p.shortcode
    FROM payment_attempts a JOIN provider_accounts p ON p.id = a.provider_account_id
    WHERE a.payment_id = ANY (%s::uuid[])
"""
SETTLED = "SELECT id::text FROM payments WHERE id = ANY (%s::uuid[]) AND status = 'success'"


@dataclass(frozen=True)
class CallbackSender:
    """The running stack, and how many callbacks a round has."""

    line: HeldStack
    count: int


def setup(stage: Stage) -> CallbackSender:
    """The stack beside a rail that accepts and then says nothing by itself."""
    line = released.open_line(stage, callback_delay=NEVER_SECONDS)
    return CallbackSender(line=line, count=stage.sized(200, quick=10))


def _latency(rail: CallbackSender) -> float:
    line = rail.line
    paid = line.release(rail.count)
    line.go()
    wait_for(lambda: line.accepted(paid) == len(paid), "sending the payments")
    line.forget_questions()
    callbacks = _callbacks(line, paid)
    sent: dict[UUID, float] = {}
    began = time.monotonic()

    def send(number: int, payment_id: UUID) -> None:
        time.sleep(max(0.0, began + number / A_SECOND - time.monotonic()))
        urls, body = callbacks[payment_id]
        sent[payment_id] = time.monotonic()
        requests.post(urls.result, json=body, timeout=ANSWER_SECONDS).raise_for_status()

    with ThreadPoolExecutor(SENDERS) as senders:
        jobs = [senders.submit(send, number, key) for number, key in enumerate(callbacks)]
        seen = _watch(line.cursor, list(callbacks))
        for job in jobs:
            job.result()
    line.forget_questions()
    latencies = sorted(seen[key] - sent[key] for key in callbacks)
    return 1_000 * latencies[math.ceil(0.99 * len(latencies)) - 1]


def _callbacks(
    line: HeldStack, paid: Sequence[Paid]
) -> Mapping[UUID, tuple[CallbackUrls, dict[str, object]]]:
    line.cursor.execute(ATTEMPTS, ([str(each.id) for each in paid],))
    payments = released.keys(paid)
    return {
        UUID(payment_id): (
            callback_addresses.urls_of(UUID(attempt_id), UUID(account_id)),
            _success(payments[UUID(payment_id)], rest),
        )
        for attempt_id, account_id, payment_id, *rest in line.cursor.fetchall()
    }


def _success(paid: Paid, names: Sequence[Any]) -> dict[str, object]:
    conversation_id, originator_id, reference, shortcode = names
    now = datetime.now(UTC)
    return payment_result(
        Facts(
            originator_id=originator_id or reference,
            conversation_id=conversation_id,
            receipt=f"BN{paid.number:08d}",
            result_code="0",
            amount_cents=int(paid.amount * 100),
            fee_cents=0,
            phone=paid.phone,
            shortcode=shortcode,
            initiated_at=now,
            finalised_at=now,
            utility_cents=0,
            working_cents=0,
            charges_cents=0,
        )
    )


def _watch(cursor: Any, waiting: list[UUID]) -> dict[UUID, float]:
    """When each payment was first seen settled, to a hundredth of a second."""
    seen: dict[UUID, float] = {}
    deadline = time.monotonic() + WAIT_SECONDS
    while len(seen) < len(waiting):
        if time.monotonic() > deadline:
            raise StackError(f"{len(waiting) - len(seen)} callbacks did not settle")
        cursor.execute(SETTLED, ([str(each) for each in waiting if each not in seen],))
        moment = time.monotonic()
        seen |= {UUID(row[0]): moment for row in cursor.fetchall()}
        time.sleep(TICK_SECONDS)
    return seen


BENCHMARKS = (
    Benchmark(
        name="callback",
        what="99 of 100 callbacks settle within, 50 a second",
        against="",
        unit="ms",
        goal=at_most(300.0),
        setup=setup,
        measured=_latency,
    ),
)
