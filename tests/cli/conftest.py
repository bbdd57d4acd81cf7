"""Commands run in this process, on a live database."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner

from pettycash.cli import cli
from pettycash.runtime import process
from pettycash.runtime.errors import PettycashError
from tests.servers import Database


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    exit_code: int
    output: str
    refusal: PettycashError | None

    @property
    def json(self) -> Any:
        return json.loads(self.output)


Command = Callable[..., Ran]


@pytest.fixture
def command(live: Database, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`command("users", "list", "--json")`: as `bin/pettycash` would run it on this database."""
    for name, value in live.environ.items():
        monkeypatch.setenv(name, value)
    # The test's own log capture must stay in place.
    monkeypatch.setattr(process, "log_as_json", lambda *_: None)

    def run(*words: str, stdin: str | None = None) -> Ran:
        return _run(words, stdin)

    return run


def _run(words: Sequence[str], stdin: str | None) -> Ran:
    done = CliRunner().invoke(cli, list(words), input=stdin, prog_name="pettycash")
    refusal = done.exception if isinstance(done.exception, PettycashError) else None
    if done.exception and refusal is None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Ran(done.exit_code, done.output, refusal)
