"""What commands print: tables on a terminal, plain whole lines in a pipe, JSON where asked."""

import os
import pty
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from pettycash.cli import cli
from pettycash.models.base import new_id
from pettycash.models.operations import CaseKind, Severity
from pettycash.runtime import db
from pettycash.services.operations import cases
from tests.cli.conftest import Command
from tests.factories.people import company_id

SAYS_NO_DATA = {
    "db downgrade",
    "db schema",
    "db upgrade",
    "demo story",
    "import template",
    "outbox dead-letter",
    "outbox retry",
    "payments requery",
    "relay",
    "reset",
    "seed",
    "test",
    "up",
    "users deactivate",
    "users reset-mfa",
    "users send-link",
}
"""Commands that do something and say at most that they did it."""

HANDS_ON_ITS_OPTIONS = {"model", "insider"}
"""Their --json is understood by what they start."""

SUMMARY = "Was [red] paid?\nSeen\ttwice; " + "and a long story about it, " * 8


def _commands(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(found, click.Group):
            yield from _commands(found, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", found


def test_every_command_that_prints_data_takes_json() -> None:
    without = {
        name
        for name, each in _commands(cli)
        if not any("--json" in option.opts for option in each.params)
    }

    assert without == SAYS_NO_DATA | HANDS_ON_ITS_OPTIONS


def test_in_a_pipe_a_row_is_one_whole_line(command: Command) -> None:
    with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
        case = cases.open_case(
            session,
            kind=CaseKind.IN_DOUBT,
            object_type="payment",
            object_id=new_id(),
            summary=SUMMARY,
            evidence={},
            severity=Severity.NOTICE,
        )
        about = f"payment {case.object_id}"

    head, row = command("cases").output.splitlines()

    shown = dict(zip(head.split("\t"), row.split("\t"), strict=True))
    assert shown["id"] == str(case.id)
    assert shown["object"] == about
    assert shown["summary"] == " ".join(SUMMARY.split())


@pytest.mark.parametrize(
    ("words", "columns", "first"),
    [
        (("users", "list", "--company", "DEMO"), 5, "username"),
        (("company", "list"), 2, "code"),
        (("reconcile",), 7, "company"),
    ],
)
def test_lists_are_plain_in_a_pipe(
    command: Command, words: tuple[str, ...], columns: int, first: str
) -> None:
    lines = command(*words).output.splitlines()

    assert lines[0].startswith(f"{first}\t")
    assert len(lines) > 2
    assert {line.count("\t") for line in lines} == {columns - 1}


def test_on_a_terminal_it_is_a_table_that_shows_what_was_written() -> None:
    program = (
        "from pettycash.cli import tables;"
        "tables.show('Title', ('name', 'state'), [('[red]', 'ready'), (None, 7)],"
        " paint=lambda column, text: 'green' if text == 'ready' else None)"
    )
    terminal, inside = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", program],
            stdout=inside,
            check=True,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "60"},
        )
        shown = os.read(terminal, 10_000).decode()
    finally:
        os.close(inside)
        os.close(terminal)

    assert done.returncode == 0
    assert "Title" in shown
    assert "[red]" in shown
    assert "│" in shown
    assert "\x1b[32mready" in shown
