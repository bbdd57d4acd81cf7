"""`import`: try a sheet before two people import it. Committing one takes both: the API."""

import json
import sys
from pathlib import Path
from typing import IO

import click

from pettycash.cli import tables
from pettycash.cli.access import companies
from pettycash.cli.composed import composed
from pettycash.cli.host import at_host
from pettycash.services import imports
from pettycash.services.foundation.file_formats import FileFormat

name_argument = click.argument("name", type=click.Choice(sorted(imports.ALL)))


@click.group("import")
def imports_group() -> None:
    """Rows from a sheet."""


@imports_group.command()
@name_argument
@click.option(
    "--format", "file_format", type=click.Choice([each.value for each in FileFormat]),
    default=FileFormat.XLSX.value, show_default=True,
)  # fmt: skip
@click.option("--to", "file", type=click.File("wb"), default="-", help="Default: standard output.")
def template(name: str, file_format: str, file: IO[bytes]) -> None:
    """Write the sheet to fill in."""
    file.write(imports.template(imports.ALL[name], FileFormat(file_format)))


@imports_group.command()
@name_argument
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--company", "code", help="Code of the company, where there are two.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@composed
def check(name: str, file: Path, code: str | None, as_json: bool) -> None:
    """Try FILE and write nothing: every error by row and column, or what the rows would do.

    Exit code 1 where a row is wrong.
    """
    place = companies.chosen(code)
    with (
        at_host(),
        companies.within(place, source="cli") as session,
        click.progressbar(length=1, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar,
    ):

        def progress(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        run = imports.check(
            session,
            imports.ALL[name],
            filename=file.name,
            content=file.read_bytes(),
            actor=None,
            progress=progress,
        )
    if as_json:
        errors = [
            {"row": each.row, "column": each.column, "code": each.code, "message": each.message}
            for each in run.errors
        ]
        found = {"counts": run.counts, "errors": errors, "digest": run.digest}
        click.echo(json.dumps(found, indent=2))
    else:
        _show(run)
    sys.exit(1 if run.errors else 0)


def _show(run: imports.Run) -> None:
    if run.errors:
        tables.show(
            "Errors",
            ("row", "column", "error", "code"),
            ((each.row, each.column, each.message, each.code) for each in run.errors),
        )
        click.echo(f"{len(run.errors)} errors; nothing was written", err=True)
        return
    columns = ("kind", *(each.value for each in imports.Outcome))
    rows = ([each[column] for column in columns] for each in run.counts)
    tables.show("Rows", columns, rows)
    click.echo(
        "nothing was written; one administrator proposes the file, a second one confirms it:"
        f" POST /api/imports/{run.declared.name}/propose/ with the digest {run.digest}",
        err=True,
    )
