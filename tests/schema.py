"""`python -m tests.schema` migrates a throw-away database and writes docs/schema.sql from it."""

import os
import tempfile
from pathlib import Path

from pettycash.stack import schema, schema_text
from tests import servers
from tests.documents import ROOT

PAGE = ROOT / "docs" / "schema.sql"
NAME = "pettycash_schema"


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="pettycash-schema-"))
    folder.chmod(0o711)  # PostgreSQL may run as another user
    running = servers.obtain(folder, os.getpid())
    try:
        running.postgres.make_database(NAME)
        owner_url = running.database(NAME).owner_url
        schema.upgrade(owner_url)
        PAGE.write_text(schema_text.of(owner_url), encoding="utf-8")
    finally:
        servers.dismiss(folder)


if __name__ == "__main__":
    main()
