"""What runs, in which order, with which environment."""

import os
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from pettycash.runtime import config
from pettycash.stack import postgres, redis
from pettycash.stack.ports import LOOPBACK, Ports
from pettycash.stack.state import StackError, StateFolder

# All below 32768: above, systems hand ports to outgoing connections, and one of those may take the
# port between our look at it and the server's start.
USUAL_PORTS = {
    "postgres": 15432,
    "redis": 16379,
    "api": 8000,
    "mailbox": 8025,
    "smtp": 1025,
    "simulator-mpesa": 8100,
    "flower": 5555,
}
FLOWER_USER = "operator"
SETTING_PREFIXES = ("DATABASE_", "REDIS_", "CELERY_", "PETTYCASH_", "SMTP_", "SMS_")
KEYS = {
    "PETTYCASH_SECRET_KEYS": "secret_key",
    "PETTYCASH_OTP_KEY": "otp_key",
    "PETTYCASH_CALLBACK_KEY": "callback_key",
    "PETTYCASH_CURSOR_KEY": "cursor_key",
}
"""Variable → name of the secret that the state folder holds for it, outside production."""

ONE_MACHINE = {
    "PETTYCASH_LOGIN_PER_ADDRESS_PER_MINUTE": "600",
    "PETTYCASH_OTP_PER_PERSON_PER_MINUTE": "60",
    "PETTYCASH_WRITES_PER_PERSON_PER_MINUTE": "600",
    "PETTYCASH_READS_PER_PERSON_PER_MINUTE": "6000",
}
"""Where one machine plays everybody, its address and its few people are busier than any of
production's. Whoever runs with other limits than that one names them (`config.other_limits`)."""

OWNER_ONLY = ("DATABASE_OWNER_URL",)
"""What only migrations and seed may know."""


@dataclass
class StackPlan:
    """The stack of one state folder, as it will be started."""

    folder: StateFolder
    environ: Mapping[str, str] = field(repr=False)
    ports: Ports
    tells_story: bool = True
    moved: dict[str, int] = field(default_factory=dict)

    @cached_property
    def secrets(self) -> dict[str, str]:
        return self.folder.secrets()

    @property
    def is_development(self) -> bool:
        """Whether this is somebody's own machine, with the demo's people at the door."""
        return self.environ.get("PETTYCASH_ENV", "development") == "development"

    @property
    def is_production(self) -> bool:
        return self.environ.get("PETTYCASH_ENV") == "production"

    @property
    def own_database(self) -> bool:
        return bool(self.environ.get("DATABASE_URL"))

    @property
    def borrows_owner(self) -> bool:
        """Whether cross-company work must run as the owner, for want of a role of its own."""
        return self.own_database and not self.environ.get("DATABASE_SYSTEM_URL")

    @property
    def own_redis(self) -> bool:
        return bool(self.environ.get("REDIS_URL"))

    @property
    def own_mail(self) -> bool:
        return bool(self.environ.get("SMTP_URL"))

    def port(self, name: str) -> int:
        """This plan's port for a listener; remembers where it had to leave the usual one."""
        if name not in self._ports:
            usual = USUAL_PORTS[name]
            self._ports[name] = self.ports.take(usual)
            if self._ports[name] != usual and self.ports.usual:
                self.moved[name] = usual
        return self._ports[name]

    @cached_property
    def _ports(self) -> dict[str, int]:
        return {}

    def local_url(self, name: str) -> str:
        """The HTTP address of one of our listeners."""
        return f"http://{LOOPBACK}:{self.port(name)}"

    @cached_property
    def postgres(self) -> postgres.PostgresServer:
        return postgres.PostgresServer(
            home=self.folder.path / "postgres",
            port=self.port("postgres"),
            passwords={
                "postgres": self.secrets["postgres_password"],
                postgres.OWNER_ROLE: self.secrets["owner_password"],
                postgres.APP_ROLE: self.secrets["app_password"],
                postgres.SYSTEM_ROLE: self.secrets["system_password"],
            },
        )

    @cached_property
    def redis(self) -> redis.RedisServer:
        return redis.RedisServer(
            home=self.folder.path / "redis",
            port=self.port("redis"),
            password=self.secrets["redis_password"],
        )

    @cached_property
    def environment(self) -> dict[str, str]:
        """What every process of the stack is given, the owner's database URL included."""
        environment = {
            name: value for name, value in self.environ.items() if not name.startswith("PG")
        }
        environment |= {
            "PETTYCASH_ENV": self.environ.get("PETTYCASH_ENV", "development"),
            "PETTYCASH_STATE_DIR": str(self.folder.path),
            "PYTHONUNBUFFERED": "1",
            # SIGTERM puts unfinished messages back instead of waiting for their tasks.
            "REMAP_SIGTERM": "SIGQUIT",
        }
        if not self.own_database:
            environment |= {
                "DATABASE_URL": self.postgres.url(postgres.APP_ROLE),
                "DATABASE_OWNER_URL": self.postgres.url(postgres.OWNER_ROLE),
                "DATABASE_SYSTEM_URL": self.postgres.url(postgres.SYSTEM_ROLE),
            }
        elif self.borrows_owner:
            environment["DATABASE_SYSTEM_URL"] = self.environ.get("DATABASE_OWNER_URL", "")
        if not self.own_redis:
            environment["REDIS_URL"] = self.redis.url()
        defaults = {"PETTYCASH_FLOWER_URL": self.local_url("flower")}
        if not self.is_production:
            defaults["PETTYCASH_API_URL"] = self.local_url("api")
            if not self.own_mail:
                defaults |= {
                    "SMTP_URL": f"smtp://{LOOPBACK}:{self.port('smtp')}",
                    "PETTYCASH_MAILBOX_URL": self.local_url("mailbox"),
                }
            defaults["PETTYCASH_SIMULATOR_MPESA_URL"] = self.local_url("simulator-mpesa")
            defaults |= ONE_MACHINE
            defaults |= {name: self.secrets[secret] for name, secret in KEYS.items()}
        for name, value in defaults.items():
            environment.setdefault(name, value)
        return environment

    @property
    def api_url(self) -> str:
        """Where the API is reached: behind a proxy (production), that one's address."""
        return self.environment.get("PETTYCASH_API_URL") or self.local_url("api")

    @property
    def app_environment(self) -> dict[str, str]:
        """What the running processes are given: they never see the owner's URL."""
        return {name: value for name, value in self.environment.items() if name not in OWNER_ONLY}

    @property
    def shared_environment(self) -> dict[str, str]:
        """What a command in another terminal needs to work on this stack."""
        return {
            name: value
            for name, value in self.environment.items()
            if name.startswith(SETTING_PREFIXES)
        }

    def check(self) -> None:
        """Refuse what can't work before anything is started.

        Raises:
            StackError: a setting is missing or can't be used.
        """
        if self.own_database and not self.environ.get("DATABASE_OWNER_URL"):
            raise StackError(
                "DATABASE_URL is set without DATABASE_OWNER_URL, which migrations need; set both"
            )
        try:
            config.read(self.environment)
        except config.InvalidConfiguration as error:
            raise StackError(f"the configuration is not usable: {error}") from error

    def connections(self) -> dict[str, object]:
        """Every URL and connection of the running stack, as `secrets` prints them."""
        environment = self.environment
        credentials = f"{FLOWER_USER}:{self.secrets['flower_password']}"
        flower = urllib.parse.urlsplit(environment["PETTYCASH_FLOWER_URL"])
        simulators = {}
        if not self.is_production:
            simulators["mpesa"] = environment["PETTYCASH_SIMULATOR_MPESA_URL"]
        return {
            "database_url": environment["DATABASE_URL"],
            "database_owner_url": environment["DATABASE_OWNER_URL"],
            "database_system_url": environment.get("DATABASE_SYSTEM_URL", ""),
            "redis_url": environment["REDIS_URL"],
            "api_url": self.api_url,
            "flower": flower._replace(netloc=f"{credentials}@{flower.netloc}").geturl(),
            "simulators": simulators,
            "mailbox": environment.get("PETTYCASH_MAILBOX_URL", ""),
        }


def caller_environment() -> dict[str, str]:
    """The environment that `up` was called with, without what only a shell needs."""
    return {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
