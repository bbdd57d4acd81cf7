"""`test`: all that .ci/run runs, in the order in which a mistake is cheapest to find."""

import os
import subprocess
import sys
import time

import click

from pettycash.stack.state import ROOT

CODE = ("pettycash", "migrations", "tests", "bin", "docker", "wsgi.py", "celery_worker.py")

CHECKS = {
    "format": ("-m", "ruff", "format", "--check", *CODE),
    "lint": ("-m", "ruff", "check", *CODE),
    "types": ("-m", "mypy"),
    "layers": ("-c", "from importlinter.cli import lint_imports_command as run; run()"),
}

PYTEST = ("-m", "pytest", "-n", "4", "--dist", "loadgroup", "--durations", "10")
"""Four at a time, since on two cores about half of them wait for processes that come and go."""

CONFIGURING = ("DATABASE_", "REDIS_", "CELERY_", "PETTYCASH_", "SMTP_", "SMS_", "PG", "FLASK_")
"""Variables that would steer the tests to somebody's own servers."""

UNWANTED = ("NOTIFY_SOCKET", "PYTHONDONTWRITEBYTECODE")
"""A test that starts a process would wait for all of it to be compiled anew."""


def environment() -> dict[str, str]:
    """This process's environment without what would steer tests elsewhere or slow them down."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(CONFIGURING) and name not in UNWANTED
    }


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("pytest_arguments", nargs=-1, type=click.UNPROCESSED)
def test(pytest_arguments: tuple[str, ...]) -> None:
    """Check format, lint, types and layers, then run all tests on throw-away servers.

    PYTEST_ARGUMENTS are handed on. The exit code is that of the worst part.
    """
    worst = 0
    for name, arguments in CHECKS.items():
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, *arguments],
            check=False,
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        seconds = time.monotonic() - began
        if done.returncode == 0:
            click.echo(f"{name:<8} ok      {seconds:5.1f} s")
        else:
            click.echo(f"{name:<8} FAILED  {seconds:5.1f} s\n{done.stdout}")
        worst = max(worst, abs(done.returncode))
    tests = subprocess.run(
        [sys.executable, *PYTEST, *pytest_arguments], check=False, cwd=ROOT, env=environment()
    )
    sys.exit(max(worst, abs(tests.returncode)))
