"""Notices leave by real SMTP: once, together, and never with a header or a code of somebody's."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select, update

from pettycash import composition
from pettycash.lab.mailbox.store import Mailbox
from pettycash.models.access import Membership
from pettycash.models.notices import Notice, Timing
from pettycash.models.operations import OutboxMessage
from pettycash.runtime import clock, db, settings
from pettycash.services.foundation import notices
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import notice_mails
from pettycash.services.reconciliation import invariants
from pettycash.services.requisitions import notices as of_requisitions
from pettycash.stack.ports import LOOPBACK, Ports
from pettycash.tasks import notices as tasks
from pettycash.tasks import operations
from tests.factories import mailboxes, working
from tests.factories.people import acting, company_id, user_id
from tests.factories.requisitions import raised, submitted
from tests.races import together
from tests.servers import Database

KIND = of_requisitions.DECIDED
ADDRESS = "staff@demo.example"
GATHERED = notices.GATHERED.total_seconds() + 1
DAY = 86_400.0
TASKS = {notices.TOPIC: tasks.send, notice_mails.DIGEST_TOPIC: tasks.send_digest}


@pytest.fixture
def mailbox(live: Database, tmp_path: Path) -> Iterator[Mailbox]:
    """A mail server that this process sends to, in a company whose clock can be moved on."""
    composition.compose(replace(live.settings, api_url="https://cash.example"))
    with db.scope(company_id=company_id("DEMO")), mailboxes.listening(tmp_path) as kept:
        yield kept
        composition.compose(live.settings)


def tell(times: int = 1, purpose: str = "Tea") -> list[UUID]:
    """Owe staff notices, each of another requisition; their ids."""
    with db.transaction() as session:
        me = user_id(session, "staff")
        for _ in range(times):
            about = raised(session, purpose=purpose)
            session.flush()
            notices.notice(session, KIND, to=[me], about=about)
        found = select(Notice.id).where(Notice.sent_at.is_(None)).order_by(Notice.id)
        return list(session.execute(found).scalars())


def wish(timing: Timing) -> None:
    with db.transaction() as session:
        notices.wish(Uow.of(session, acting(session, "staff")), {KIND.name: timing})


def read(notice_id: UUID) -> Notice:
    with db.transaction() as session:
        return session.get_one(Notice, notice_id)


def open_messages() -> list[str]:
    with db.transaction() as session:
        found = select(OutboxMessage.topic).where(OutboxMessage.completed_at.is_(None))
        return list(session.execute(found).scalars())


def send() -> None:
    """Run all that is due of notices, as the relay hands it out."""
    for due in working.claimed():
        if due.topic in TASKS:
            TASKS[due.topic](messages=[str(due.id)])


def send_one(notice_id: UUID) -> None:
    tasks.send(messages=[str(working.message_id(notices.TOPIC, notice_id))])


def until(hour: int) -> None:
    """Let time pass to a full hour of the company's next day."""
    with db.transaction() as session:
        now = session.info["now"]
        day = clock.business_date(now, "Africa/Nairobi") + clock.ONE_DAY
        working.wait((clock.at_local(day, hour, "Africa/Nairobi") - now).total_seconds())


def test_a_notice_is_mailed_once_with_its_link(mailbox: Mailbox) -> None:
    with db.transaction() as session:
        requisition = submitted(session, purpose="Tea")
    send()
    assert mailbox.messages() == [], "more may come"
    working.wait(GATHERED)

    send()
    send()

    (message,) = mailbox.messages()
    assert message.to == ("branch_manager@demo.example",)
    assert message.subject == f"[pettycash DEMO] Waits for your decision: {requisition.number}"
    assert message.text == (
        'A requisition of KES 1,500.00, for "Tea", waits for your decision.\n'
        f"https://cash.example/console/requisitions/{requisition.id}/\n\n"
        "How you wish to be told: https://cash.example/console/me/"
    )
    assert open_messages() == []


def test_what_comes_together_is_one_e_mail(mailbox: Mailbox) -> None:
    told = tell(3)
    working.wait(GATHERED)

    send_one(told[1])

    (message,) = mailbox.messages()
    assert message.subject == "[pettycash DEMO] 3 notices"
    assert message.text.count("https://cash.example/console/requisitions/") == 3
    assert all(read(each).sent_at for each in told)
    assert open_messages() == []


def test_two_workers_at_once_send_one_e_mail(live: Database, tmp_path: Path) -> None:
    with (
        db.scope(company_id=company_id("DEMO")),
        mailboxes.slow(tmp_path, seconds=0.3) as mailbox,
    ):
        first, second = tell(2)
        working.wait(GATHERED)
        same = [lambda: send_one(first) for _ in range(2)]

        done = together([*same, lambda: send_one(second)])

        assert done == [None, None, None]
        assert len(mailbox.messages()) == 1
        working.wait(60)
        send()
        assert len(mailbox.messages()) == 1
        assert open_messages() == []


def test_who_dies_before_recording_it_has_it_sent_once_more(mailbox: Mailbox) -> None:
    (told,) = tell()
    with db.transaction() as session:
        now = session.info["now"] + notices.GATHERED
        found = notice_mails.claim(session, topic=notices.TOPIC, key=told, now=now)
    assert found is not None
    working.wait(GATHERED)
    send()
    assert mailbox.messages() == [], "somebody is at it"

    working.wait(settings.current().claim_lease_seconds)
    send()

    assert len(mailbox.messages()) == 1
    with db.transaction() as session:
        notice_mails.sent(session, found, now=session.info["now"])
    assert read(told).sent_at is not None


def test_all_of_a_day_is_one_e_mail_in_the_morning(mailbox: Mailbox) -> None:
    wish(Timing.DAILY)
    until(5)
    tell(2)
    tasks.send_daily()
    send()
    assert mailbox.messages() == []

    working.wait(2 * 3600)
    late = tell()[-1]
    for _ in range(2):
        tasks.send_daily()
        send()

    (message,) = mailbox.messages()
    assert message.subject == "[pettycash DEMO] 2 notices"
    assert read(late).sent_at is None, "it came after seven"
    working.wait(DAY)
    tasks.send_daily()
    send()
    assert len(mailbox.messages()) == 2
    assert read(late).sent_at is not None


def test_who_left_gets_none(mailbox: Mailbox) -> None:
    (told,) = tell()
    with db.transaction() as session:
        left = update(Membership).where(Membership.user_id == user_id(session, "staff"))
        session.execute(left.values(is_active=False))
    working.wait(GATHERED)

    send()

    assert mailbox.messages() == []
    assert read(told).timing is Timing.OFF
    assert open_messages() == []


def test_a_mail_server_that_is_away_loses_nothing_for_two_days(mailbox: Mailbox) -> None:
    reachable, away = settings.current().smtp_url, Ports(usual=False).take(0)
    first = tell()[0]
    working.wait(GATHERED)
    settings.install(replace(settings.current(), smtp_url=f"smtp://{LOOPBACK}:{away}"))
    send()
    working.wait(DAY)
    settings.install(replace(settings.current(), smtp_url=reachable))
    send()
    assert read(first).sent_at is not None

    second = tell()[-1]
    settings.install(replace(settings.current(), smtp_url=f"smtp://{LOOPBACK}:{away}"))
    working.wait(DAY)
    send()
    working.wait(DAY + 60)
    settings.install(replace(settings.current(), smtp_url=reachable))
    send()

    assert len(mailbox.messages()) == 1
    assert read(second).timing is Timing.OFF
    assert open_messages() == [], "no dead letter, and no case of one"
    with db.transaction() as session:
        assert invariants.count_fast(session, now=session.info["now"]) == {}


def test_nothing_that_people_wrote_becomes_a_header_or_markup(mailbox: Mailbox) -> None:
    tell(purpose='Tea"\r\nBcc: all@demo.example\r\n\r\n<img src="https://evil.example/x">')
    working.wait(GATHERED)

    send()

    (message,) = mailbox.messages()
    assert message.to == (ADDRESS,)
    assert message.subject.count("\n") == 0
    (raw,) = mailbox.folder.glob("*.eml")
    head, _, _body = raw.read_text().partition("\n\n")
    assert "Bcc" not in head
    assert 'Content-Type: text/plain; charset="utf-8"' in head
    assert r"Tea\"\u000d\u000aBcc: all" in message.text


def test_old_notices_are_swept_out(mailbox: Mailbox) -> None:
    tell()
    operations.sweep_out()
    assert len(tell()) == 2

    working.wait(notices.KEPT.total_seconds() + DAY)
    operations.sweep_out()

    with db.transaction() as session:
        assert session.execute(select(Notice.id)).all() == []
