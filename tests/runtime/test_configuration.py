"""What a start refuses before anything runs."""

import os
import subprocess
import sys
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from pettycash.runtime import config, production
from pettycash.runtime.settings import Settings
from pettycash.stack.state import ROOT
from tests import servers as tests_only
from tests.patience import budget
from tests.production import ENVIRON
from tests.stack.running import Stack


def test_production_starts_with_all_it_needs() -> None:
    settings = config.read(ENVIRON)
    assert settings.environment == "production"
    assert settings.api_url == "https://pay.example"


FERNET = ENVIRON["PETTYCASH_SECRET_KEYS"]
OTP = ENVIRON["PETTYCASH_OTP_KEY"]

REFUSED: list[tuple[str, str, str]] = [
    # missing
    *((name, "", "must be set") for name in ENVIRON if name != "PETTYCASH_ENV"),
    # of development
    ("PETTYCASH_SIMULATOR_MPESA_URL", "http://127.0.0.1:8100", "refused in production"),
    ("PETTYCASH_MAILBOX_URL", "http://127.0.0.1:8025", "refused in production"),
    ("PETTYCASH_CLOCK_SHIFT_SECONDS", "60", "refused in production"),
    ("PETTYCASH_CRASH_AT", "a.b", "refused in production"),
    # keys
    ("PETTYCASH_SECRET_KEYS", "z" * 44, "must be Fernet keys"),
    ("PETTYCASH_SECRET_KEYS", f"{FERNET},{'z' * 44}", "must be Fernet keys"),
    ("PETTYCASH_SECRET_KEYS", f"{FERNET},{FERNET}", "repeats a key"),
    ("PETTYCASH_SECRET_KEYS", tests_only.KEYS["PETTYCASH_SECRET_KEYS"], "demo value"),
    ("PETTYCASH_OTP_KEY", "too-short", "must be 32 characters"),
    ("PETTYCASH_OTP_KEY", tests_only.KEYS["PETTYCASH_OTP_KEY"], "demo value"),
    ("PETTYCASH_OTP_KEY", "0" * 64, "demo value"),
    ("PETTYCASH_OTP_KEY", "0123456789abcdef" * 4, "demo value"),
    ("PETTYCASH_OTP_KEY", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJ", "demo value"),
    ("PETTYCASH_OTP_KEY", bytes(range(64, 96)).hex(), "demo value"),
    ("PETTYCASH_OTP_KEY", b"correct horse battery staple 42!".hex(), "demo value"),
    ("PETTYCASH_OTP_KEY", "change-me-Xq7vTz2LmW9pRk4sJh8dFb", "demo value"),
    ("PETTYCASH_CALLBACK_KEY", OTP, "repeats a key"),
    ("PETTYCASH_CURSOR_KEY", OTP.upper(), "repeats a key"),
    ("PETTYCASH_CURSOR_KEY", urlsafe_b64encode(bytes.fromhex(OTP)).decode(), "repeats a key"),
    # addresses
    ("PETTYCASH_CALLBACK_BASE_URL", "http://pay.example", "https://"),
    ("PETTYCASH_CALLBACK_BASE_URL", "https://pay.example/?a=b", "without user, query"),
    ("PETTYCASH_CALLBACK_BASE_URL", "https://me:you@pay.example", "without user, query"),
    ("PETTYCASH_CALLBACK_BASE_URL", "https://[pay", "https://"),
    ("PETTYCASH_API_URL", "http://pay.example", "https://"),
    ("SMS_URL", "http://sms.example", "https://"),
    ("PETTYCASH_RAIL_HOSTS", "", "must name the hosts"),
    ("PETTYCASH_RAIL_HOSTS", "http://api.safaricom.co.ke", "https://"),
    ("PETTYCASH_RAIL_HOSTS", "api.safaricom.co.ke,10.0.0.7", "public host"),
    # servers
    ("DATABASE_URL", "mysql://db/pettycash", "must be a URL such as postgresql://"),
    ("REDIS_URL", "redis://redis/0", "must carry a password"),
    ("REDIS_URL", "redis://pettycash@redis/0", "must carry a password"),
    ("REDIS_URL", "redis://:made-for-this-run@redis.example/0", "rediss://"),
    ("REDIS_URL", "redis://:made-for-this-run@10.0.0.7/0", "rediss://"),
    ("CELERY_BROKER_URL", "amqp://rabbit", "must carry a password"),
    ("CELERY_BROKER_URL", "amqp://guest:guest@rabbit", "must carry a password"),
    ("CELERY_BROKER_URL", "amqp://me:made-for-this-run@rabbit.example", "amqps://"),
    # mail
    ("SMTP_URL", "https://mail.example", "smtp://"),
    ("SMTP_URL", "smtp://", "smtp://"),
    ("PETTYCASH_MAIL_FROM", "pettycash@localhost.localdomain", "really sent from"),
    ("PETTYCASH_MAIL_FROM", "pettycash@localhost", "really sent from"),
    ("PETTYCASH_MAIL_FROM", "pettycash", "really sent from"),
    ("PETTYCASH_MAIL_FROM", "a@pay.example, b@pay.example", "really sent from"),
    # other numbers
    ("PETTYCASH_SEND_TRIES_MAX", "0", "above 0"),
    ("PETTYCASH_DECIDE_BY_SECONDS", "-1", "above 0"),
    ("PETTYCASH_DECIDE_BY_SECONDS", "nan", "can't be read"),
    ("PETTYCASH_CASE_AFTER_SECONDS", "inf", "can't be read"),
    ("PETTYCASH_MPESA_AMOUNT_MIN", "NaN", "can't be read"),
    ("PETTYCASH_STATEMENT_TIMEOUT_SECONDS", "1s", "can't be read"),
    ("PETTYCASH_STATEMENT_TIMEOUT_SECONDS", "0", "must be from"),
]
"""Variable, a value that production refuses, and words of its reason."""


def test_production_refuses_and_names_what_it_refuses() -> None:
    for name, value, reason in REFUSED:
        with pytest.raises(config.InvalidConfiguration) as refused:
            config.read(ENVIRON | {name: value})
        (sentence,) = [each for each in str(refused.value).split("; ") if reason in each]
        assert sentence.startswith(f"{name} "), (name, value, sentence)


def test_every_number_has_bounds_that_production_keeps() -> None:
    for name, (least, most) in production.BOUNDS.items():
        variable = config.variable_of(name)
        is_whole = isinstance(getattr(Settings(), name), int)
        for within in (least, most):
            value = int(within) if is_whole else within
            assert config.read(ENVIRON | {variable: f"{value}"}), variable
        for beyond in (least - 1, most + 1):
            value = int(beyond) if is_whole else beyond
            with pytest.raises(config.InvalidConfiguration, match=f"{variable} must be from"):
                config.read(ENVIRON | {variable: f"{value}"})


def test_our_defaults_are_within_the_bounds() -> None:
    for name, (least, most) in production.BOUNDS.items():
        assert least <= getattr(Settings(), name) <= most, name


def test_all_that_is_wrong_is_said_at_once_and_only_in_production() -> None:
    environ = {"PETTYCASH_ENV": "production"}
    with pytest.raises(config.InvalidConfiguration) as refused:
        config.read(environ)
    for name in production.REQUIRED:
        assert config.variable_of(name) in str(refused.value)
    assert config.read({"PETTYCASH_ENV": "development"})


@pytest.mark.parametrize(
    ("host", "is_public"),
    [
        ("api.safaricom.co.ke", True),
        ("api.safaricom.co.ke.", True),
        ("8.8.8.8", True),
        ("2001:4860:4860::8888", True),
        ("localhost", False),
        ("redis", False),
        ("pay.internal", False),
        ("127.0.0.1", False),
        ("127.1", False),
        ("0x7f000001", False),
        ("2130706433", False),
        ("0177.0.0.1", False),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("", False),
    ],
)
def test_a_private_host_is_known_however_it_is_written(host: str, is_public: bool) -> None:
    assert production.is_public_host(host) is is_public


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(config.InvalidConfiguration, match=r"REDIS_URL_FILE: .*/none can't be read"):
        config.read({"REDIS_URL_FILE": str(tmp_path / "none")})


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
        [sys.executable, "-m", "pettycash.lab.simulators.mpesa", "--port=0", "--state", tmp_path],
        check=False, capture_output=True, text=True, cwd=ROOT, timeout=budget(30),
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
