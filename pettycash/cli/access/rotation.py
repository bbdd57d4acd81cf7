"""`rotate`: encrypt every stored secret again under the newest of PETTYCASH_SECRET_KEYS."""

import json
import sys

import click
from sqlalchemy import select

from pettycash.cli.access import companies
from pettycash.cli.composed import composed
from pettycash.models.access import User
from pettycash.runtime import db
from pettycash.services.foundation import encryption
from pettycash.services.payments import provider_accounts


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@composed
def rotate(as_json: bool) -> None:
    """Re-encrypt credentials and TOTP seeds; exit code 1 where an older key is still needed."""
    counts = {"provider_accounts": 0, "totp_seeds": 0}
    old = 0
    for place in companies.active():
        with companies.within(place, source="cli") as session:
            total, left = provider_accounts.rotate(session)
            counts["provider_accounts"] += total
            old += left
    total, left = _rotate_seeds()
    counts["totp_seeds"] = total
    old += left
    if as_json:
        click.echo(json.dumps({**counts, "under_older_keys": old}))
    else:
        click.echo(", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items()))
        click.echo(
            "no older key is needed any more" if old == 0 else f"{old} still need an older key"
        )
    sys.exit(1 if old else 0)


def _rotate_seeds() -> tuple[int, int]:
    with db.scope(source="cli"), db.system_transaction() as session:
        users = list(
            session.execute(
                select(User).where(User.totp_seed.is_not(None)).with_for_update(key_share=True)
            ).scalars()
        )
        for user in users:
            if user.totp_seed and not encryption.under_first_key(user.totp_seed):
                user.totp_seed = encryption.rotate(user.totp_seed)
        left = sum(
            not encryption.under_first_key(user.totp_seed) for user in users if user.totp_seed
        )
        return len(users), left
