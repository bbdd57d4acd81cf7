"""`cases`: what the system could not decide alone. They end through the API, by two people."""

import json
from typing import Any
from uuid import UUID

import click
from sqlalchemy import select

from pettycash.cli import tables
from pettycash.cli.access import companies
from pettycash.cli.composed import composed
from pettycash.models.operations import Case, CaseStatus, Severity
from pettycash.runtime.sanitising import sanitise

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group(invoke_without_command=True)
@json_option
@click.option("--all", "resolved_too", is_flag=True, help="Resolved ones too.")
@click.option("--company", "code", help="Code of one company (default: all).")
@click.pass_context
def cases(context: click.Context, as_json: bool, resolved_too: bool, code: str | None) -> None:
    """Cases: contradictions that people resolve."""
    if context.invoked_subcommand is None:
        context.invoke(listed, as_json=as_json, resolved_too=resolved_too, code=code)


@cases.command("list")
@json_option
@click.option("--all", "resolved_too", is_flag=True, help="Resolved ones too.")
@click.option("--company", "code", help="Code of one company (default: all).")
@composed
def listed(as_json: bool, resolved_too: bool, code: str | None) -> None:
    """The open cases, the severe and the oldest first."""
    places = companies.active() if code is None else [companies.chosen(code)]
    found: list[dict[str, Any]] = []
    for place in places:
        with companies.within(place, source="cli") as session:
            query = select(Case).order_by(Case.id)
            if not resolved_too:
                query = query.where(Case.status != CaseStatus.RESOLVED)
            found += [_facts(place.code, case) for case in session.execute(query).scalars()]
    found.sort(key=lambda each: list(Severity).index(Severity(each["severity"])), reverse=True)
    if as_json:
        click.echo(json.dumps({"cases": found}, indent=2))
        return
    if not found:
        click.echo("there is no open case")
        return
    columns = ("company", "severity", "kind", "status", "object", "summary", "due_at", "id")
    shown = [{**each, "object": f"{each['object_type']} {each['object_id']}"} for each in found]
    tables.show("Cases", columns, ([each[name] for name in columns] for each in shown))


@cases.command()
@click.argument("case_id", type=click.UUID)
@json_option
@composed
def show(case_id: UUID, as_json: bool) -> None:
    """One case with its evidence; phone numbers are masked."""
    for place in companies.active():
        with companies.within(place, source="cli") as session:
            case = session.get(Case, case_id)
        if case is None:
            continue
        facts = _facts(place.code, case) | {
            "evidence": sanitise(case.evidence),
            "proposal": sanitise(case.proposal),
        }
        if as_json:
            click.echo(json.dumps(facts, indent=2))
        else:
            for name, value in facts.items():
                click.echo(f"{name:<14} {value if value is not None else '-'}")
        return
    raise click.ClickException(f"there is no case {case_id}")


def _facts(company: str, case: Case) -> dict[str, Any]:
    return {
        "company": company,
        "id": str(case.id),
        "kind": case.kind.value,
        "severity": case.severity.value,
        "status": case.status.value,
        "object_type": case.object_type,
        "object_id": str(case.object_id),
        "summary": sanitise(case.summary),
        "owner_id": str(case.owner_id) if case.owner_id else None,
        "due_at": case.due_at.isoformat() if case.due_at else None,
        "created_at": case.created_at.isoformat(),
        "resolved_at": case.decided_at.isoformat() if case.decided_at else None,
    }
