"""What one run is asked to do, and the timings that let minutes pass in seconds."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

SETTLE_SECONDS = 180.0
"""How long after the last fault everything must be decided or a case (issue 3 §4)."""

TIMINGS: Mapping[str, str] = {
    "PETTYCASH_CLAIM_LEASE_SECONDS": "4",
    "PETTYCASH_QUERY_FIRST_SECONDS": "1",
    "PETTYCASH_QUERY_INTERVAL_MAX_SECONDS": "6",
    "PETTYCASH_QUERY_ANSWER_SECONDS": "4",
    "PETTYCASH_RESEND_AFTER_SECONDS": "4",
    "PETTYCASH_DECIDE_BY_SECONDS": "10",
    "PETTYCASH_CASE_AFTER_SECONDS": "40",
    "PETTYCASH_RELAY_INTERVAL_SECONDS": "0.2",
    "PETTYCASH_RELAY_BACKOFF_SECONDS": "2",
    "PETTYCASH_RELAY_BACKOFF_MAX_SECONDS": "16",
    "PETTYCASH_RAIL_CONNECT_TIMEOUT_SECONDS": "1",
    "PETTYCASH_RAIL_READ_TIMEOUT_SECONDS": "3",
    "PETTYCASH_RAIL_TOTAL_TIMEOUT_SECONDS": "4",
}
"""About the proportions of the defaults, some ten times as fast; every report prints them."""

BOUNDS: Mapping[str, str] = {
    "PETTYCASH_OUTBOX_ATTEMPTS_MAX": "1000",
    "PETTYCASH_SEND_TRIES_MAX": "40",
    "PETTYCASH_CODE_SENDS_MAX": "100",
    "PETTYCASH_GRANT_LIFETIME_SECONDS": "86400",
    "PETTYCASH_ACCESS_TOKEN_MINUTES": "1440",
    "PETTYCASH_SESSION_IDLE_MINUTES": "1440",
    "PETTYCASH_SESSION_HOURS_TREASURY": "24",
    "PETTYCASH_WRITES_PER_PERSON_PER_MINUTE": "1000000",
    "PETTYCASH_READS_PER_PERSON_PER_MINUTE": "1000000",
    # Nobody signs in here: the price of a password hash would only slow the start.
    "PETTYCASH_HASH_MEMORY_KIB": "32",
    "PETTYCASH_HASH_ROUNDS": "1",
}
"""Limits that a few people who release thousands of payments under fire would run into."""

GATEWAY_RATES: Mapping[str, float] = {
    # Refused at the gate: provably not accepted, sent again under the same reference.
    "answer_lost_before": 0.05,
    "answer_reset_before": 0.03,
    "too_many_requests": 0.04,
    "spike_arrest": 0.03,
    "system_busy": 0.02,
    "internal_error_unseen": 0.03,
    "bad_gateway_unseen": 0.03,
    "unavailable_unseen": 0.02,
    "token_expired_401": 0.02,
    # Accepted, and the answer goes wrong: unknown, asked about, never under a new reference.
    "silence": 0.05,
    "answer_lost_after": 0.06,
    "answer_reset_after": 0.04,
    "answer_reset_midway": 0.04,
    "answer_truncated": 0.02,
    "answer_garbage": 0.02,
    "answer_empty": 0.02,
    "answer_html": 0.02,
    "answer_slow:5": 0.01,
    "internal_error_after": 0.04,
    "bad_gateway_after": 0.04,
    "gateway_timeout_after": 0.02,
    # What becomes of the money: a few are refused, very few never end and must become a case.
    "fail_8": 0.02,
    "fail_2040": 0.01,
    "never_settles": 0.002,
    "settle_late:3": 0.04,
    # The callback comes never, twice, early, late, in parallel, spoilt or forged.
    "callback_never": 0.08,
    "callback_twice": 0.08,
    "callback_times:10": 0.02,
    "callback_early": 0.06,
    "callback_late:5": 0.05,
    "callback_forged_failure": 0.02,
    "callback_forged_success": 0.02,
    "callback_wrong_secret": 0.02,
    "callback_wrong_amount": 0.01,
    "callback_wrong_payee": 0.01,
    "callback_malformed": 0.02,
    "callback_unknown_id": 0.02,
    "callback_contradicting": 0.01,
    "callback_gateway_id": 0.03,
    "style_strings": 0.05,
    "notice_flat": 0.02,
    "notice_envelope": 0.02,
    "duplicate_in_200": 0.10,
    "duplicate_async": 0.10,
    # Questions and tokens.
    "query_lost": 0.08,
    "query_answer_lost": 0.06,
    "query_answer_lost_before": 0.06,
    "query_bad_gateway": 0.06,
    "query_internal_error": 0.04,
    "query_too_many_requests": 0.03,
    "query_queue_timeout": 0.03,
    "query_pending": 0.05,
    "query_unknown": 0.04,
    "query_malformed": 0.03,
    "query_twice": 0.04,
    "query_late:3": 0.03,
    "token_server_error": 0.05,
    "token_lost": 0.05,
    "token_html": 0.03,
    "token_short": 0.05,
}
"""The simulator's seeded plan: scenario → share of references that meet it (`/_sim/scenarios`)."""


QUICK_PAYMENTS, QUICK_KILLS = 200, 40
"""A run that ends within ten minutes, restore included."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """One run. The same options draw the same plan of faults."""

    payments: int = 200
    kills: int = 20
    seed: int = 1
    restore: bool = False
    """Whether a backup is made on the way, and put back later."""
    clients: int = 4
    in_flight: int = 30
    """Payments on their way at which clients pause: beyond it only queues grow."""

    def as_json(self) -> dict[str, Any]:
        """As the report prints them."""
        return asdict(self)
