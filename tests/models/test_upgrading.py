"""What an upgrade finds: rows as the release before has written them, and that release at work."""

from typing import Any
from uuid import UUID

import pytest

from pettycash import db
from pettycash.models.base import new_id
from pettycash.services import outbox
from pettycash.stack import schema
from tests.factories.people import company_id
from tests.models.catalogue import connected, rows
from tests.servers import Database

TOPIC = "callbacks.process"

ENQUEUE = """
    INSERT INTO obligations AS o (id, company_id, topic, key, due_at, attempts, failures)
    VALUES (%s, %s, 'callbacks.process', %s, now(), 0, 0)
    ON CONFLICT (company_id, topic, key) DO UPDATE SET due_at = excluded.due_at, done_at = NULL
    RETURNING id
"""
DONE = "UPDATE obligations SET done_at = now() WHERE key = %s RETURNING xmin::text"
FOUND = "SELECT lane::text, xmin::text FROM obligations WHERE key = %s"


def owe_as_before(owner: Any, company: UUID, key: UUID) -> None:
    """Enqueue as the release did that knows nothing of lanes."""
    rows(owner, ENQUEUE, str(new_id()), str(company), str(key))


@pytest.mark.parametrize("knows_lanes", [False, True])
def test_what_was_done_before_there_were_lanes_gets_one_when_it_is_enqueued_again(
    live: Database, knows_lanes: bool
) -> None:
    """By the release that still runs, or by this one. The migration does not write it anew."""
    demo, open_, over = company_id("DEMO"), new_id(), new_id()
    schema.downgrade(live.owner_url, "0019")
    with connected(live.owner_url) as owner:
        for each in (open_, over):
            owe_as_before(owner, demo, each)
        [(written,)] = rows(owner, DONE, str(over))

        schema.upgrade(live.owner_url)

        [(lane, _)] = rows(owner, FOUND, str(open_))
        assert lane == str(demo)
        assert rows(owner, FOUND, str(over)) == [(None, written)]
        if knows_lanes:
            with db.scope(company_id=demo, source="test"), db.transaction() as session:
                outbox.enqueue(session, topic=TOPIC, key=over)
        else:
            owe_as_before(owner, demo, over)
        [(lane, _)] = rows(owner, FOUND, str(over))
        assert lane == str(demo)
