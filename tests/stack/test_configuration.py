"""What a start refuses before anything runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pettycash import config
from pettycash.stack.state import ROOT
from tests.servers import KEYS
from tests.stack.running import Stack

SECRETS = {name: value for name, value in KEYS.items() if name.endswith(("_KEY", "_KEYS"))}
PRODUCTION = SECRETS | {
    "PETTYCASH_ENV": "production",
    "PETTYCASH_CALLBACK_BASE_URL": "https://pay.example",
    "DATABASE_URL": "postgresql://pettycash_app@db/pettycash",
    "REDIS_URL": "redis://redis/0",
    "SMTP_URL": "smtp://mail:25",
}


def test_production_starts_with_all_it_needs() -> None:
    assert config.read(PRODUCTION).environment == "production"


@pytest.mark.parametrize(
    "setting",
    [
        {"PETTYCASH_SECRET_KEYS": "z" * 44},
        {"PETTYCASH_SECRET_KEYS": f"{SECRETS['PETTYCASH_SECRET_KEYS']},{'z' * 44}"},
        {"PETTYCASH_SECRET_KEYS": ""},
        {"PETTYCASH_OTP_KEY": "too-short"},
        {"PETTYCASH_SIMULATOR_MPESA_URL": "http://127.0.0.1:8100"},
        {"PETTYCASH_CLOCK_SHIFT_SECONDS": "60"},
        {"DATABASE_URL": "mysql://db/pettycash"},
        {"SMTP_URL": ""},
    ],
)
def test_production_refuses(setting: dict[str, str]) -> None:
    (name,) = setting
    with pytest.raises(config.InvalidConfiguration, match=name):
        config.read(PRODUCTION | setting)


def test_a_key_that_can_not_encrypt_is_refused_everywhere() -> None:
    with pytest.raises(config.InvalidConfiguration, match="PETTYCASH_SECRET_KEYS"):
        config.read({"PETTYCASH_SECRET_KEYS": "short"})


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://role:pw@db:5432/pettycash",
        "postgres://role@db/pettycash",
        "postgresql+psycopg2://role@db",
        "postgresql:///pettycash?host=/run/postgresql",
    ],
)
def test_every_way_to_name_a_postgresql_is_taken(url: str) -> None:
    assert config.read({"DATABASE_URL": url}).database_url.startswith("postgresql+psycopg2://")


def test_no_calls_at_once_is_refused() -> None:
    with pytest.raises(config.InvalidConfiguration, match="PETTYCASH_RAIL_CALLS_AT_ONCE"):
        config.read({"PETTYCASH_RAIL_CALLS_AT_ONCE": "0"})
    assert config.read({"PETTYCASH_RAIL_CALLS_AT_ONCE": "1"}).rail_calls_at_once == 1


def test_a_simulator_does_not_run_in_production(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pettycash.simulators.mpesa", "--port", "0", "--state", tmp_path],
        check=False, capture_output=True, text=True, cwd=ROOT, timeout=30,
        env=os.environ | {"PETTYCASH_ENV": "production"},
    )  # fmt: skip
    assert done.returncode == 1
    assert "refused in production" in done.stderr


@pytest.mark.parametrize(
    "command",
    ["relay", "seed", "cases", "outbox status", "payments in-doubt", "users list", "db upgrade"],
)
def test_without_a_stack_a_command_says_in_one_sentence_how_to_get_one(
    tmp_path: Path, command: str
) -> None:
    done = Stack(tmp_path / "none").call(*command.split())
    assert done.returncode == 1
    assert "start it: bin/pettycash up" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
