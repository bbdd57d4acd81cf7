"""wsgi.py, celery_worker.py and `python -m pettycash`: what any platform can name."""

import subprocess
import sys

import pytest
from flask.testing import FlaskClient

from pettycash.stack.state import ROOT
from tests.servers import Database


def test_the_client_reaches_the_api(client: FlaskClient) -> None:
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.get_json() == {"status": "ok"}


def test_wsgi_offers_the_application(live: Database) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import wsgi; print(wsgi.app.name)"],
        check=False, capture_output=True, text=True, cwd=ROOT, env=live.environ,
    )  # fmt: skip
    assert done.stdout.strip() == "pettycash", done.stderr


NO_SERVERS = {
    "PATH": "/usr/bin:/bin",
    "REDIS_URL": "redis://127.0.0.1:9/0",
    "DATABASE_URL": "postgresql://a:b@127.0.0.1:9/c",
}


def said_by(program: str) -> list[str]:
    """The words that a Python program prints where no server answers."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=False, capture_output=True, text=True, cwd=ROOT, env=NO_SERVERS,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_entry_point_of_celery_needs_no_server_to_be_loaded() -> None:
    """`celery -A celery_worker` must come up while its broker is still down."""
    assert said_by("import celery_worker; print(celery_worker.celery.main)") == ["pettycash"]


def test_one_entry_point_serves_worker_beat_and_flower() -> None:
    program = """
from celery_worker import celery
celery.loader.import_default_modules()
print(celery.conf.beat_scheduler.__name__, celery.conf.task_time_limit, *sorted(celery.tasks))
"""
    scheduler, limit, *tasks = said_by(program)
    assert (scheduler, limit) == ("LeaderScheduler", "120")
    assert {"payments.submit", "callbacks.process", "heartbeats.beat"} <= set(tasks)


PAYING = ("pettycash.gateways.mpesa", "requests", "pettycash.tasks.payments", "flask")
SHELL = ("prompt_toolkit", "celery.bin.celery")


@pytest.mark.parametrize(
    ("program", "heavy"),
    [
        ("import pettycash.relay", (*PAYING, *SHELL, "celery.bin.base")),
        ("from pettycash.stack import celery_command as c; c.load('beat')", (*PAYING, *SHELL)),
        (
            "from pettycash.stack import celery_command as c; c.load('flower')",
            (*PAYING, *SHELL, "sqlalchemy.orm", "pettycash.models"),
        ),
        ("from pettycash.stack import celery_command as c; c.load('worker')", SHELL),
    ],
    ids=["relay", "beat", "flower", "worker"],
)
def test_a_process_loads_no_more_than_it_needs(program: str, heavy: tuple[str, ...]) -> None:
    """Each of these is a process of its own for good, and what it loads it shares with nobody."""
    loaded = set(said_by(f"{program}; import sys; print(*sys.modules)"))
    assert loaded.isdisjoint(heavy)


@pytest.mark.parametrize("name", ["worker", "beat", "flower"])
def test_a_command_of_celery_explains_itself(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pettycash.stack.celery_command", name, "--help"],
        check=False, capture_output=True, text=True, cwd=ROOT, env=NO_SERVERS,
    )  # fmt: skip
    assert f"celery_command {name} [OPTIONS]" in done.stdout, done.stderr


def test_a_command_that_the_stack_does_not_run_is_none() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pettycash.stack.celery_command", "purge"],
        check=False, capture_output=True, text=True, cwd=ROOT, env=NO_SERVERS,
    )  # fmt: skip
    assert done.returncode == 2
    assert "No such command" in done.stderr


def test_the_command_line_lists_its_commands() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pettycash", "--help"],
        check=False, capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    for command in ("up", "test", "status", "secrets", "seed", "reset", "logs", "doctor", "db"):
        assert f"\n  {command} " in done.stdout


LOAD_EVERY_COMMAND = """
import click
from pettycash.cli import COMMANDS, cli
context = click.Context(cli)
assert all(isinstance(cli.get_command(context, name), click.Command) for name in COMMANDS)
"""


def test_every_listed_command_can_be_loaded() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOAD_EVERY_COMMAND],
        check=False, capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
