"""`python -m pettycash.lab.simulators.mpesa`: start the simulator and serve until SIGTERM."""

import os
import signal
import sys
from pathlib import Path

import click

from pettycash.lab.simulators.mpesa import server
from pettycash.lab.simulators.mpesa.configuration import Configuration
from pettycash.lab.simulators.mpesa.store import StateFolderTaken

_ENDING = (signal.SIGTERM, signal.SIGINT)
_DEFAULTS = Configuration(state=Path())


@click.command(context_settings={"auto_envvar_prefix": "MPESA_SIM", "show_default": True})
@click.option("--host", default="127.0.0.1")
@click.option("--port", default=8640, type=click.IntRange(0, 65535), help="0: a free one")
@click.option(
    "--state",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of ledger, key pair and certificate; made if missing.",
)
@click.option("--consumer-key", default=_DEFAULTS.consumer_key)
@click.option("--consumer-secret", default=_DEFAULTS.consumer_secret, show_default=False)
@click.option("--initiator", default=_DEFAULTS.initiator)
@click.option("--initiator-password", default=_DEFAULTS.initiator_password, show_default=False)
@click.option(
    "--shortcode",
    "shortcodes",
    multiple=True,
    default=_DEFAULTS.shortcodes,
    help="May be given several times; each has its own balances.",
)
@click.option("--utility-balance", default=_DEFAULTS.utility_balance, help="Whole shillings.")
@click.option("--working-balance", default=_DEFAULTS.working_balance, help="Whole shillings.")
@click.option("--callback-delay", default=_DEFAULTS.callback_delay_seconds, help="Seconds.")
@click.option("--callback-timeout", default=_DEFAULTS.callback_timeout_seconds, help="Seconds.")
@click.option(
    "--callback-ca",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CA certificate that signs https callback receivers; without it the public ones.",
)
@click.option("--token-lifetime", default=_DEFAULTS.token_lifetime_seconds, help="Seconds.")
@click.option("--rate-limit", default=0, help="Business calls per second; 0: no limit.")
@click.option("--lock-after", default=_DEFAULTS.lock_after, help="Wrong credentials in a row.")
@click.option("--daily-limit", default=0, help="Shillings a receiver may get a day; 0: no limit.")
@click.option("--wallet-limit", default=0, help="Shillings a receiver may hold; 0: no limit.")
@click.option(
    "--unknown-id-code",
    default=_DEFAULTS.unknown_id_code,
    help="ResultCode of a status query for an id never seen; Safaricom documents none.",
)
@click.option("--originator-id-max", default=_DEFAULTS.originator_id_max, help="Characters.")
def main(
    *,
    host: str,
    port: int,
    state: Path,
    consumer_key: str,
    consumer_secret: str,
    initiator: str,
    initiator_password: str,
    shortcodes: tuple[str, ...],
    utility_balance: int,
    working_balance: int,
    callback_delay: float,
    callback_timeout: float,
    callback_ca: Path | None,
    token_lifetime: int,
    rate_limit: int,
    lock_after: int,
    daily_limit: int,
    wallet_limit: int,
    unknown_id_code: str,
    originator_id_max: int,
) -> None:
    """Simulate Safaricom's M-Pesa Daraja gateway. Every option is also MPESA_SIM_<OPTION>."""
    if os.environ.get("PETTYCASH_ENV") == "production":
        click.echo("M-Pesa simulator: refused in production, where it would play a bank", err=True)
        sys.exit(1)
    # Blocked before any thread starts and taken with sigwait: a signal that comes between two
    # steps of the start is kept for it, where a handler that sets an event could be missed.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    configuration = Configuration(
        state=state,
        consumer_key=consumer_key,
        consumer_secret=consumer_secret,
        initiator=initiator,
        initiator_password=initiator_password,
        shortcodes=shortcodes,
        utility_balance=utility_balance,
        working_balance=working_balance,
        callback_delay_seconds=callback_delay,
        callback_timeout_seconds=callback_timeout,
        callback_ca=callback_ca,
        token_lifetime_seconds=token_lifetime,
        rate_limit_per_second=rate_limit,
        lock_after=lock_after,
        daily_limit=daily_limit,
        wallet_limit=wallet_limit,
        unknown_id_code=unknown_id_code,
        originator_id_max=originator_id_max,
    )
    try:
        server.run(
            configuration, host=host, port=port, wait_for_end=lambda: signal.sigwait(_ENDING)
        )
    except (StateFolderTaken, OSError) as error:
        click.echo(f"M-Pesa simulator: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
