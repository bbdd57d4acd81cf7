"""Approvals are about the files at submit; what came later, or twice in a day, is warned of."""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from pettycash.models.approvals import ApprovalRound
from pettycash.models.requisitions import Attachment, Requisition
from pettycash.services import requisitions
from pettycash.services.approvals import rounds
from pettycash.services.foundation.uow import Uow
from pettycash.services.requisitions import approved_facts, attachments, cautions
from tests.factories.people import acting
from tests.factories.requisitions import (
    approve,
    approved,
    change,
    digest,
    line,
    raised,
    submitted,
)


def attach(session: Session, requisition: Requisition, words: str) -> Attachment:
    return attachments.attach(
        Uow.of(session, acting(session, "staff")),
        requisition_id=requisition.id,
        filename="quotation.pdf",
        content=b"%PDF-1.7 " + words.encode(),
    )


def submit(session: Session, requisition: Requisition) -> None:
    requisitions.submit(Uow.of(session, acting(session, "staff")), requisition_id=requisition.id)


def codes(session: Session, requisition: Requisition, by: str = "branch_manager") -> list[str]:
    session.flush()
    found = cautions.of(Uow.of(session, acting(session, by)), [requisition])
    return [each.code for each in found[requisition.id]]


def of_round(session: Session, requisition: Requisition) -> ApprovalRound:
    found = rounds.latest(session, requisition.id)
    assert found is not None
    return found


def test_the_files_at_submit_are_approved_facts(session: Session) -> None:
    draft = raised(session)
    file = attach(session, draft, "three chairs")
    submit(session, draft)

    facts = of_round(session, draft).facts
    assert facts["evidence"] == [file.digest.hex()]
    assert (facts["method"], facts["destination"]) == ("mpesa", "254712345678")


def test_a_later_file_is_marked_and_changes_no_digest(session: Session) -> None:
    draft = raised(session)
    first = attach(session, draft, "three chairs")
    submit(session, draft)
    before = digest(session, draft.id)

    second = attach(session, draft, "four chairs")

    marks = attachments.to_response(session, draft, [first, second])
    assert [each.is_later for each in marks] == [False, True]
    assert codes(session, draft) == [cautions.LATER_FILES]
    approve(session, draft, "branch_manager")
    assert digest(session, draft.id) == before


def test_after_another_submission_it_is_a_file_like_the_others(session: Session) -> None:
    draft = raised(session)
    submit(session, draft)
    file = attach(session, draft, "three chairs")
    requisitions.recall(Uow.of(session, acting(session, "staff")), requisition_id=draft.id)
    session.flush()
    assert codes(session, draft) == []

    submit(session, draft)

    assert of_round(session, draft).facts["evidence"] == [file.digest.hex()]
    assert codes(session, draft) == []


def test_a_file_that_is_gone_is_missed(session: Session) -> None:
    draft = raised(session)
    file = attach(session, draft, "three chairs")
    submit(session, draft)
    standing = of_round(session, draft)
    lines = approved_facts.lines_of(session, draft.id)

    there, gone = (
        approved_facts.facts_like(standing.facts, draft, lines, attached=attached)
        for attached in ({file.digest.hex()}, set[str]())
    )

    assert rounds.digest_of(there) == standing.digest
    assert rounds.digest_of(gone) != standing.digest


def test_a_running_round_keeps_the_form_of_its_digest(session: Session) -> None:
    requisition = submitted(session, "20000.00")
    attach(session, requisition, "three chairs")
    running = of_round(session, requisition)
    first_form = {
        name: value
        for name, value in running.facts.items()
        if name not in ("v", "evidence", "origin_reason")
    }
    rounds.set_facts(running, first_form)
    session.flush()

    approve(session, requisition, "branch_manager")
    change(session, requisition, amount=Decimal("19000.00"), lines=[line("19000.00")])

    assert "v" not in of_round(session, requisition).facts
    assert rounds.digest_of(running.facts) == running.digest


def test_two_identical_requisitions_of_a_day_are_warned_of(session: Session) -> None:
    first = approved(session, payee_name="Spring Water")
    second = submitted(session, payee_name="spring water", destination="0722000000")

    found = cautions.of(Uow.of(session, acting(session, "treasury")), [first, second])

    assert [(each.code, each.numbers) for each in found[first.id]] == [
        (cautions.IDENTICAL, (second.number,))
    ]
    assert [each.numbers for each in found[second.id]] == [(first.number,)]


@pytest.mark.parametrize(
    "other",
    [
        {"amount": "1499.00"},
        {"by": "staff_2", "payee_name": "Another shop", "destination": "0722000000"},
    ],
    ids=["another amount", "another requester and payee"],
)
def test_different_ones_are_not(session: Session, other: dict[str, str]) -> None:
    first = submitted(session)
    submitted(session, **{"amount": "1500.00"} | other)

    assert codes(session, first) == []


def test_the_same_payee_by_another_requester_is_warned_of_without_a_number(
    session: Session,
) -> None:
    """Whoever may not see the other one learns that there is one, and no more."""
    first = submitted(session)
    submitted(session, by="staff_mombasa")

    found = cautions.of(Uow.of(session, acting(session, "branch_manager")), [first])[first.id]

    assert [(each.code, each.numbers) for each in found] == [(cautions.IDENTICAL, ())]


@pytest.mark.parametrize("away", ["draft", "cancelled", "of yesterday"])
def test_what_does_not_ask_that_day_is_no_twin(session: Session, away: str) -> None:
    first = submitted(session)
    if away == "draft":
        raised(session)
    else:
        second = submitted(session)
        if away == "cancelled":
            requisitions.cancel(Uow.of(session, acting(session, "staff")), requisition_id=second.id)
        else:
            second.submitted_at = session.info["now"] - timedelta(days=1)

    assert codes(session, first) == []


def test_the_day_is_the_companys(session: Session) -> None:
    """23:30 and 00:30 in Nairobi lie on one day of Greenwich and on two of the company's."""
    first, second = submitted(session), submitted(session)
    late, early = session.execute(
        text("SELECT timestamptz '2026-11-20 20:30+00', timestamptz '2026-11-20 21:30+00'")
    ).one()
    first.submitted_at, second.submitted_at = late, early
    assert codes(session, first) == []

    second.submitted_at = late - timedelta(hours=20)

    assert codes(session, first) == [cautions.IDENTICAL]
