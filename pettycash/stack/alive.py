"""A container's health check: `python -m pettycash.stack.alive URL | heartbeat NAME`.

Exit code 0 when the URL answers 200, or when the named part has left a sign of life in the
database within the last minute, by the database's own clock.
"""

import sys

import psycopg2

from pettycash.runtime import config
from pettycash.stack import probes

SILENT_SECONDS_MAX = 60


def beats(name: str) -> bool:
    """Whether a background part has beaten lately."""
    settings = config.read()
    url = settings.database_system_url or settings.database_owner_url or settings.database_url
    try:
        connection = psycopg2.connect(url.replace("+psycopg2", ""), connect_timeout=3)
    except psycopg2.OperationalError:
        return False
    try:
        cursor = connection.cursor()
        cursor.execute(
            "SELECT 1 FROM heartbeats WHERE name = %s AND beaten_at > now() - %s * interval '1 s'",
            (name, SILENT_SECONDS_MAX),
        )
        return cursor.fetchone() is not None
    finally:
        connection.close()


def main(arguments: list[str]) -> int:
    """0 alive, 1 not, 2 asked wrongly."""
    match arguments:
        case ["heartbeat", name]:
            alive = beats(name)
        case [url] if url.startswith("http"):
            alive = probes.answers_ok(url)()
        case _:
            return 2
    return 0 if alive else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
