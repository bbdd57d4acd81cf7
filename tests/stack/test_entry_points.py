"""wsgi.py, celery_worker.py and `python -m pettycash`: what any platform can name."""

import subprocess
import sys

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


def test_the_entry_point_of_celery_needs_no_server_to_be_loaded() -> None:
    """`celery -A celery_worker` must come up while its broker is still down."""
    environ = {"PATH": "/usr/bin:/bin", "REDIS_URL": "redis://127.0.0.1:9/0"}
    environ |= {"DATABASE_URL": "postgresql://a:b@127.0.0.1:9/c"}
    done = subprocess.run(
        [sys.executable, "-c", "import celery_worker; print(celery_worker.celery.main)"],
        check=False, capture_output=True, text=True, cwd=ROOT, env=environ,
    )  # fmt: skip
    assert done.stdout.strip() == "pettycash", done.stderr


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
