"""What the release before does while this one starts: it is still at work on the same tables."""

from pettycash.models.base import new_id
from tests.factories.people import company_id
from tests.models.catalogue import connected, rows
from tests.servers import Database

ENQUEUE = """
    INSERT INTO outbox_messages AS o (id, company_id, topic, key, due_at, attempts, failures)
    VALUES (%s, %s, 'callbacks.process', %s, now(), 0, 0)
    ON CONFLICT (company_id, topic, key) DO UPDATE SET due_at = excluded.due_at, completed_at = NULL
    RETURNING lane::text
"""
DONE = "UPDATE outbox_messages SET completed_at = now(), lane = NULL WHERE key = %s RETURNING lane"


def test_what_is_enqueued_without_a_lane_takes_turns_with_its_company(live: Database) -> None:
    demo, key = str(company_id("DEMO")), str(new_id())

    with connected(live.owner_url) as owner:
        assert rows(owner, ENQUEUE, str(new_id()), demo, key) == [(demo,)]
        assert rows(owner, DONE, key) == [(None,)]
        assert rows(owner, ENQUEUE, str(new_id()), demo, key) == [(demo,)]
