"""Every typed setting of the process.

`runtime.config` reads the environment once and a composition root installs the result here;
the rooms below read `current()`. Names, meaning and defaults: docs/configuration.md.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One process's settings. Seconds unless a name says otherwise."""

    environment: str = "development"
    state_dir: Path = Path(".pettycash")
    database_url: str = ""
    database_owner_url: str = ""
    database_system_url: str = ""
    database_pool_size: int = 10
    statement_timeout_seconds: float = 5.0
    lock_timeout_seconds: float = 2.0
    idle_in_transaction_timeout_seconds: float = 10.0
    redis_url: str = ""
    broker_url: str = ""
    smtp_url: str = ""
    mail_from: str = "pettycash@localhost.localdomain"
    sms_url: str = ""
    sms_token: str = field(default="", repr=False)
    api_url: str = ""
    callback_base_url: str = ""
    mailbox_url: str = ""
    trusted_proxies: int = 0
    secret_keys: tuple[str, ...] = field(default=(), repr=False)
    otp_key: str = field(default="", repr=False)
    callback_key: str = field(default="", repr=False)
    cursor_key: str = field(default="", repr=False)
    clock_shift_seconds: float = 0.0
    crash_at: tuple[str, ...] = ()
    login_per_address_per_minute: int = 20
    login_per_account_per_minute: int = 10
    otp_per_person_per_minute: int = 5
    writes_per_person_per_minute: int = 60
    reads_per_person_per_minute: int = 600
    hashes_at_once: int = 2
    hash_memory_kib: int = 65_536
    hash_rounds: int = 3
    hash_lanes: int = 4
    password_length_min: int = 15
    password_with_mfa_length_min: int = 8
    access_token_minutes: int = 30
    session_idle_minutes: int = 30
    session_hours: int = 12
    session_hours_treasury: int = 8
    code_lifetime_seconds: int = 300
    code_tries_max: int = 5
    code_sends_max: int = 3
    code_sends_window_seconds: int = 900
    failed_codes_max: int = 3
    failed_codes_window_seconds: int = 3600
    grant_lifetime_seconds: int = 300
    claim_lease_seconds: float = 45.0
    send_tries_max: int = 8
    query_first_seconds: float = 20.0
    query_interval_max_seconds: float = 900.0
    query_answer_seconds: float = 30.0
    resend_after_seconds: float = 600.0
    resend_until_seconds: float = 86_400.0
    decide_by_seconds: float = 300.0
    case_after_seconds: float = 3_600.0
    relay_interval_seconds: float = 1.0
    relay_batch_size: int = 200
    relay_backoff_seconds: float = 10.0
    relay_backoff_max_seconds: float = 60.0
    outbox_attempts_max: int = 50
    replenishment_cooldown_seconds: float = 3_600.0
    idempotency_days: int = 30
    rail_connect_timeout_seconds: float = 3.0
    rail_read_timeout_seconds: float = 10.0
    rail_total_timeout_seconds: float = 15.0
    rail_calls_at_once: int = 3
    rail_hosts: tuple[str, ...] = ("sandbox.safaricom.co.ke", "api.safaricom.co.ke")
    mpesa_amount_min: Decimal = Decimal("10")
    mpesa_amount_max: Decimal = Decimal("250000")
    backup_recipient: str = ""
    flower_url: str = ""
    simulator_mpesa_url: str = ""


class _Installed:
    settings: Settings | None = None


def install(settings: Settings) -> None:
    """Make these the settings of the process (composition roots and tests only)."""
    _Installed.settings = settings


def current() -> Settings:
    """The settings of the process; a RuntimeError where no composition root has installed any."""
    if _Installed.settings is None:
        raise RuntimeError("settings are not installed: call pettycash.runtime.config.read() first")
    return _Installed.settings
