"""`company`: begin one. Its first two administrators are the recorded exception to two people."""

import json

import click

from pettycash.cli import tables
from pettycash.cli.access.companies import active
from pettycash.cli.composed import composed
from pettycash.cli.host import at_host
from pettycash.models.access import Role
from pettycash.models.base import new_id
from pettycash.runtime import db
from pettycash.runtime.money import Currency
from pettycash.services.access import onboarding
from pettycash.services.access.identity import usernames


@click.group()
def company() -> None:
    """The companies of this installation."""


@company.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@composed
def show(as_json: bool) -> None:
    """Every active company."""
    found = [{"id": str(place.id), "code": place.code} for place in active()]
    if as_json:
        click.echo(json.dumps({"companies": found}, indent=2))
        return
    tables.show("Companies", ("code", "id"), ((each["code"], each["id"]) for each in found))


@company.command()
@click.argument("code")
@click.option("--name", required=True)
@click.option(
    "--currency", type=click.Choice([each.value for each in Currency]), default="KES",
    show_default=True,
)  # fmt: skip
@click.option("--timezone", default="Africa/Nairobi", show_default=True)
@click.option(
    "--admin",
    "admins",
    type=(str, str),
    multiple=True,
    required=True,
    metavar="USERNAME EMAIL",
    help="Give it twice: all that follows takes two people.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@composed
def create(
    *,
    code: str,
    name: str,
    currency: str,
    timezone: str,
    admins: tuple[tuple[str, str], ...],
    as_json: bool,
) -> None:
    """Begin a company with its administrators, who get links to set their passwords with."""
    names = [usernames.checked(each) for each, _ in admins]
    if len(set(names)) < 2:
        raise click.UsageError("a company begins with two different administrators: --admin twice")
    first = [
        onboarding.FirstPerson(
            user_id=new_id(),
            username=username,
            display_name=username,
            email=email,
            roles=(onboarding.FirstRole(role=Role.ADMIN),),
        )
        for username, (_, email) in zip(names, admins, strict=True)
    ]
    with at_host():
        with db.system_transaction() as session:
            made = onboarding.create_company(
                session, code=code, name=name, currency=Currency(currency)
            )
            session.flush()
            company_id = made.id
        with db.scope(company_id=company_id), db.transaction() as session:
            onboarding.bootstrap(
                session,
                company_id=company_id,
                people=first,
                settings={"timezone": timezone},
                now=session.info["now"],
            )
    if as_json:
        told = {"company": {"id": str(company_id), "code": code}, "administrators": names}
        click.echo(json.dumps(told, indent=2))
        return
    click.echo(
        f"{code} is there; its administrators set a password by the link that is sent to them,"
    )
    click.echo(f"enrol an authenticator and begin: {', '.join(names)}")
