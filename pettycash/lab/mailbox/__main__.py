"""Runs the mailbox as a process: `python -m pettycash.lab.mailbox`."""

from pathlib import Path

import click

from pettycash.lab.mailbox.page import MailboxServer
from pettycash.lab.mailbox.sink import Sink
from pettycash.lab.mailbox.store import Mailbox


@click.command()
@click.option("--port", type=int, required=True, help="Port of the page.")
@click.option("--smtp-port", type=int, required=True, help="Port of the SMTP server.")
@click.option(
    "--folder", type=click.Path(path_type=Path), required=True, help="Where messages are kept."
)
def main(port: int, smtp_port: int, folder: Path) -> None:
    """Take mail by SMTP and show it, until stopped."""
    mailbox = Mailbox(folder)
    Sink(smtp_port, mailbox).start()
    with MailboxServer(port, mailbox) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
