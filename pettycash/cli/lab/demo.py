"""`demo pay`: the whole life of a requisition over HTTP, on the stack that runs here."""

import json
import os
import sys
from typing import Any

import click
import requests
from rich.console import Console
from rich.markup import escape

from pettycash.cli import state_folder
from pettycash.cli.composed import composed
from pettycash.lab.demo.client import Demo, Unexpected
from pettycash.lab.demo.life_cycle import LifeCycle
from pettycash.lab.demo.story import telling
from pettycash.runtime import settings
from pettycash.stack.state import StackError

EXCERPT_CHARACTERS = 110

POLITENESS = 5
"""By so much the story gives way to the system, which people may use by then."""


@click.group()
def demo() -> None:
    """Show the system at work."""


@demo.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end, no story.")
@click.option(
    "--redirect", "redirects", is_flag=True, help="Send it elsewhere first: the approver is asked."
)
def pay(as_json: bool, redirects: bool) -> None:
    """Raise, approve, release, pay, reconcile and replenish, telling each request and answer.

    Exit code 1 when anything is not as it should be. It can be run for ever: each run drops the
    fund below its reorder level and fills it again.
    """
    console = Console(quiet=as_json, highlight=False, soft_wrap=True)

    def told(persona: str, method: str, path: str, answer: requests.Response) -> None:
        console.print(f"  [bold]{persona}[/] {method} {path}  [dim]→ {answer.status_code}[/]")
        if not path.startswith("/api/auth/"):
            console.print(f"      [dim]{escape(_excerpt(answer))}[/]")

    life = LifeCycle(Demo(state_folder(), told), console.print, redirects=redirects)
    try:
        result = life.run()
    except Unexpected as error:
        if as_json:
            click.echo(json.dumps({**life.result, "error": str(error)}, indent=2))
        raise
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        console.print("\n[bold green]All as it should be.[/]")
    sys.exit(0)


@demo.command()
@composed
def story() -> None:
    """Write the demo's past: eight weeks of three branches. Goes on where it was; safe to repeat.

    `up` does it by itself, after all is up.
    """
    if settings.current().environment == "production":
        raise StackError("demo data is refused in production")
    os.nice(POLITENESS)
    refused = telling.tell(click.echo)
    click.echo("the story is told" + (f", but for {refused} acts" if refused else ""))


def _excerpt(answer: requests.Response) -> str:
    """The telling fields of an answer, in one line."""
    try:
        body: Any = answer.json()
    except ValueError:
        return ""
    wanted = ("number", "status", "amount", "currency", "code", "detail", "provider_reference")
    found = {name: body[name] for name in wanted if isinstance(body, dict) and body.get(name)}
    return json.dumps(found or body)[:EXCERPT_CHARACTERS]
