"""`test` fails when any of its parts fails, and pytest has the last word."""

import pytest
from click.testing import CliRunner

from pettycash.cli.lab import checks

GOOD, BAD = ("-c", "print('fine')"), ("-c", "import sys; print('what is wrong'); sys.exit(1)")


@pytest.mark.parametrize(
    ("lint", "tests", "code"), [(GOOD, GOOD, 0), (BAD, GOOD, 1), (GOOD, BAD, 1), (BAD, BAD, 1)]
)
def test_the_worst_part_decides(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    lint: tuple[str, ...],
    tests: tuple[str, ...],
    code: int,
) -> None:
    monkeypatch.setattr(checks, "CHECKS", {"lint": lint})
    monkeypatch.setattr(checks, "PYTEST", tests)
    done = CliRunner().invoke(checks.test)
    assert done.exit_code == code
    assert ("what is wrong" in done.output) == (lint is BAD)
    assert ("FAILED" in done.output) == (lint is BAD)
    assert capfd.readouterr().out.strip() in {"fine", "what is wrong"}


def test_tests_never_reach_the_callers_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://production")
    monkeypatch.setenv("PETTYCASH_ENV", "production")
    monkeypatch.setenv("PGHOST", "production")
    environment = checks.environment()
    assert "production" not in environment.values()
    assert "PATH" in environment


def test_what_tests_start_is_not_compiled_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert "PYTHONDONTWRITEBYTECODE" not in checks.environment()
