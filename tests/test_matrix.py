"""Every row of the failure matrix has tests of its name; docs/reliability.md has the same table."""

import ast
import re
from collections.abc import Mapping
from pathlib import Path

TESTS = Path(__file__).parent
DOCUMENT = TESTS.parent / "docs" / "reliability.md"
SECTION = "## The failure matrix"

MATRIX: Mapping[str, tuple[str, ...]] = {
    "API worker SIGKILL between any two statements": (
        "api_worker_sigkill_again_and_again",
        "api_sigkill_at_every_step",
        "whoever_dies_at_a_point_of_a_play_it_ends_well",
    ),
    "Celery pool child SIGKILL": ("pool_child_sigkill",),
    "whole worker SIGKILL": ("whole_worker_sigkill_at_a_step", "whole_worker_sigkill_after"),
    "SIGTERM, then SIGKILL too early": ("sigterm_then_sigkill",),
    "Redis SIGKILL, restart": ("redis_sigkill_and_restart",),
    "Redis loses everything (FLUSHALL)": ("redis_flushall",),
    "Redis unreachable for 10 minutes": ("redis_unreachable_for_10_minutes",),
    "half-open TCP to Redis, PostgreSQL": ("half_open_redis", "half_open_postgresql"),
    "PostgreSQL SIGKILL and restart": ("postgresql_sigkill",),
    "connection cut at COMMIT": ("cut_at_commit_and_the_same_key", "a_cut_at_commit_commits"),
    "serialization failure, deadlock, lock time-out": (
        "serialization_failure_deadlock_and_lock_timeout",
        "deadlock_with_50_threads",
    ),
    "PostgreSQL disk full, read-only": ("disk_full", "read_only_database"),
    "gateway: connect refused": ("gateway_connect_refused",),
    "gateway: time-out after accepting, reset mid-body, garbage, slow drip": (
        "gateway_timeout_after_accepting",
        "gateway_reset_midway",
        "gateway_garbage",
        "gateway_body_beyond_the_limit",
        "gateway_slow_drip",
        "gateway_faults_of_every_kind",
    ),
    "gateway answers duplicate-reference": ("gateway_duplicate_reference",),
    "callback early, twice, 50 times, late, never, unknown, wrong, contradicting": (
        "callback_before_the_answer",
        "callback_fifty_times_in_parallel",
        "callback_after_3_days",
        "callback_permutations",
    ),
    "callback by an attacker: replay, foreign address, wrong secret, GET, 10 MB": (
        "callback_from_a_foreign_address",
        "callback_with_a_wrong_secret",
        "callback_by_get",
        "callback_of_10_mb",
    ),
    "two executors, two workers, a fund's last shilling": (
        "two_executors",
        "two_workers",
        "last_shilling",
        "of_two_at_once_to_one_payee",
    ),
    "clock jump of 2 hours, DST, leap day": ("clock_jump", "dst_and_leap_day"),
    "beat twice, dead for a day, killed each minute": (
        "beat_killed",
        "two_beats",
        "missed_days",
    ),
    "poison message": ("poison_message",),
    "OTP brute force, resend flood, the right code in parallel": (
        "otp_brute_force",
        "otp_resend_flood",
        "otp_right_code_by_a_hundred_threads",
    ),
    "retry storm after an outage": ("retry_storm",),
    "restore from a backup, or by other means": (
        "after_a_restore_what_may_have_been_sent",
        "restore_drill",
        "a_restore_by_other_means",
    ),
}
"""Row of reliability.md §2 → what the names of its tests contain."""


def names() -> set[str]:
    """Every test function there is."""
    return {
        each.name
        for file in TESTS.rglob("test_*.py")
        for each in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(each, ast.FunctionDef) and each.name.startswith("test_")
    } - {test_every_row_has_its_tests.__name__}


def test_every_row_has_its_tests() -> None:
    there = names()
    missing = [
        f"{row}: test_…{part}…"
        for row, parts in MATRIX.items()
        for part in parts
        if not any(part in name for name in there)
    ]
    assert missing == []


def test_the_document_has_the_same_table() -> None:
    section = DOCUMENT.read_text(encoding="utf-8").partition(SECTION)[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| (`.+`) \|$", section, re.MULTILINE)
    told = {row: tuple(re.findall(r"`([a-z0-9_]+)`", parts)) for row, parts in rows}
    assert told == MATRIX
