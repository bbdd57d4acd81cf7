"""The database itself keeps what people decide: plain SQL as the application role.

Each attack is one that a thief of the application's own connection would try: no service is asked.
"""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from pettycash.models.base import new_id
from pettycash.models.operations import Case, CaseKind, Severity
from pettycash.models.payments import AttemptState, Payment, PaymentStatus
from pettycash.models.requisitions import Requisition
from pettycash.runtime import db
from pettycash.runtime.money import Currency
from pettycash.services.access.identity import api_keys
from pettycash.services.approvals import rounds
from pettycash.services.foundation import digests, duties
from pettycash.services.foundation.uow import Uow
from pettycash.services.operations import cases, changes
from pettycash.services.payments import facts, treasury_validation
from pettycash.services.payments.case_resolutions import Ending
from pettycash.services.payments.results import Source
from pettycash.services.requisitions.deciding import Urgency
from pettycash.web.problems import BY_SQLSTATE
from tests import books
from tests.factories import payments as making
from tests.factories import rails
from tests.factories.evidence import proven
from tests.factories.judging import evidence, settled
from tests.factories.people import acting, company_id, user_id
from tests.factories.requisitions import (
    approve,
    approve_open,
    approved,
    chain,
    digest,
    line,
    submitted,
    waiting_for,
)
from tests.factories.requisitions import (
    change as ask_for,
)
from tests.factories.requisitions import (
    decide as by_verb,
)
from tests.models.catalogue import connected, rows
from tests.models.test_duties import ASSIGN, decide, execute, refused
from tests.replenishing import by_hand
from tests.servers import Database
from tests.services.approvals.test_approval_paths import urgent
from tests.services.approvals.test_leaving import leaves
from tests.services.foundation.test_duties import gets_phone, settle
from tests.services.imprest.test_variances import record
from tests.services.payments.test_case_resolutions import in_doubt
from tests.services.payments.test_redirects import propose as elsewhere

SEGREGATION, LIMIT, STATE, FACTS = "PC004", "PC005", "PC007", "PC009"
NOT_RELEASED, NOT_APPROVED, NOT_PROVEN = "PC013", "PC014", "PC015"
NO_PRIVILEGE = "42501"

STEP = "UPDATE requisitions SET status = :status WHERE id = :id"
AMOUNT = "UPDATE requisitions SET approved_amount = approved_amount * 10 WHERE id = :id"
RELEASE = """
    INSERT INTO payment_executions (id, company_id, payment_id, requisition_id, attempt_number,
        originator_reference, executor_id, amount, currency, proof, grant_id)
    SELECT :id, company_id, id, requisition_id, 1, :id, :user, amount, currency, :proof, :grant
    FROM payments WHERE id = :payment
"""
PROPOSE = """
    UPDATE cases SET status = 'proposed', proposed_by = :user, proposed_at = now(),
        proposal = :proposal WHERE id = :id
"""
CONFIRM = (
    "UPDATE cases SET status = 'resolved', decided_by = :user, decided_at = now() WHERE id = :id"
)
PAID = (
    "UPDATE payments SET status = 'success', paid_at = now(), paid_amount = amount WHERE id = :id"
)


def release(
    session: Session, payment: Payment, by: str, *, proof: str = "code", grant: UUID | None = None
) -> str | None:
    return refused(
        session,
        RELEASE,
        id=str(uuid4()),
        user=user_id(session, by),
        payment=payment.id,
        proof=proof,
        grant=grant,
    )


def validated(session: Session, requisition: Requisition) -> Payment:
    """The payment that treasury makes for the whole of it."""
    _, (payment,) = treasury_validation.validate(
        Uow.of(session, acting(session, making.MAKER)),
        requisition_id=requisition.id,
        digest=digest(session, requisition.id),
    )
    session.flush()
    return payment


def at_commit(session: Session, statement: str, **values: Any) -> str | None:
    """By which SQLSTATE a transaction of this statement alone would end."""
    try:
        with session.begin_nested():
            session.execute(text(statement), values)
            session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    except DBAPIError as error:
        return db.sqlstate(error)
    finally:
        session.execute(text("SET CONSTRAINTS ALL DEFERRED"))
    return None


def test_every_refusal_has_a_code_of_its_own() -> None:
    codes = {BY_SQLSTATE[each].code for each in (NOT_RELEASED, NOT_APPROVED, NOT_PROVEN)}

    assert codes == {
        "release.not_granted",
        "requisition.not_approved",
        "payment.success_unproven",
    }


# What was approved


def test_nothing_is_in_payment_that_no_round_approves(session: Session) -> None:
    requisition = submitted(session)
    session.flush()
    waiting = "pending_treasury_validation"
    assert refused(session, STEP, id=requisition.id, status=waiting) is None
    session.execute(text(STEP), {"id": requisition.id, "status": waiting})

    assert refused(session, STEP, id=requisition.id, status="in_payment") == NOT_APPROVED


def test_nothing_begins_anywhere_but_as_a_draft(session: Session) -> None:
    requisition = approved(session)
    session.flush()
    statement = """
        INSERT INTO requisitions SELECT (jsonb_populate_record(r, CAST(:own AS jsonb))).*
        FROM requisitions r WHERE id = :id
    """
    own = '{{"id": "{}", "number": "REQ-X", "status": "{}", "approved_amount": {}}}'

    for status, amount in (("in_payment", "null"), ("paid", "null"), ("draft", "1500.00")):
        values = own.format(uuid4(), status, amount)
        assert refused(session, statement, id=requisition.id, own=values) == NOT_APPROVED


def test_what_was_approved_never_rises(session: Session) -> None:
    requisition = approved(session)
    session.flush()
    assert refused(session, AMOUNT, id=requisition.id) == LIMIT

    payment = making.pending(session)
    assert refused(session, AMOUNT, id=payment.requisition_id) == LIMIT
    away = "UPDATE requisitions SET approved_amount = NULL WHERE id = :id"
    assert refused(session, away, id=payment.requisition_id) == LIMIT
    less = "UPDATE requisitions SET approved_amount = approved_amount - 1 WHERE id = :id"
    assert refused(session, less, id=requisition.id) is None


def test_an_amount_is_approved_by_a_round_alone(session: Session) -> None:
    requisition = submitted(session)
    session.flush()

    statement = "UPDATE requisitions SET approved_amount = amount WHERE id = :id"

    assert refused(session, statement, id=requisition.id) == NOT_APPROVED


@pytest.mark.parametrize(
    "change",
    [
        "payee_name = 'Mallory'",
        "purpose = 'Mine'",
        "destination = '254700000001'",
        "method = 'cash'",
    ],
)
def test_what_is_paid_is_what_its_round_approved(session: Session, change: str) -> None:
    requisition = approved(session)
    session.flush()
    session.execute(
        text(f"UPDATE requisitions SET {change} WHERE id = :id"), {"id": requisition.id}
    )

    assert refused(session, STEP, id=requisition.id, status="in_payment") == NOT_APPROVED


def test_a_round_is_approved_by_its_steps(session: Session) -> None:
    requisition = submitted(session, "20000.00")
    opened = rounds.latest(session, requisition.id)
    assert opened is not None
    statement = "UPDATE approval_rounds SET status = 'approved' WHERE id = :id"
    assert at_commit(session, statement, id=opened.id) == NOT_APPROVED

    for status in ("approved", "voided", "skipped"):
        session.execute(
            text("UPDATE approval_steps SET status = :status WHERE round_id = :id"),
            {"id": opened.id, "status": status},
        )
        assert at_commit(session, statement, id=opened.id) == NOT_APPROVED


@pytest.mark.parametrize(
    "away",
    [
        "round_id = :round, subject_id = :subject, position = position + 90",
        "status = 'voided', original_role = :role",
    ],
)
def test_a_round_keeps_the_steps_that_it_waits_for(session: Session, away: str) -> None:
    """Else the lowest approver alone has approved what all were asked for."""
    requisition, other = submitted(session, "20000.00"), submitted(session)
    (role, first, _), *_ = chain(session, requisition)
    approve(session, requisition, first)
    opened, elsewhere = rounds.latest(session, requisition.id), rounds.latest(session, other.id)
    assert opened is not None
    assert elsewhere is not None
    session.flush()
    statement = f"""
        WITH waiting AS (UPDATE approval_steps SET {away}
            WHERE round_id = :id AND status IN ('open', 'waiting') RETURNING id)
        UPDATE approval_rounds SET status = 'approved' FROM (SELECT count(*) FROM waiting) AS moved
        WHERE id = :id
    """
    session.execute(
        text("UPDATE approval_steps SET status = 'waiting' WHERE subject_id = :id"),
        {"id": other.id},
    )
    about = {"round": elsewhere.id, "subject": other.id, "role": role}

    assert at_commit(session, statement, id=opened.id, **about) == FACTS


@pytest.mark.parametrize(
    ("amount", "is_fast", "skipped"),
    [("20000.00", True, 2), ("20000.00", False, 1), ("300000.00", True, 2)],
    ids=["the last step", "without fast track", "in the top tier"],
)
def test_urgency_skips_no_more_than_the_policy_lets_it(
    session: Session, amount: str, is_fast: bool, skipped: int
) -> None:
    policy = text("UPDATE approval_thresholds SET allow_urgent_fasttrack = :is_fast")
    session.execute(policy, {"is_fast": is_fast})
    requisition = urgent(session, amount)
    by_verb(session, "confirm_urgency", requisition, "branch_manager", urgency=Urgency.CONFIRMED)
    opened = rounds.latest(session, requisition.id)
    assert opened is not None
    session.flush()
    step = "UPDATE approval_steps SET status = :status WHERE round_id = :id AND position"
    with session.begin_nested() as undone:
        values = {"id": opened.id, "position": 1 + skipped}
        for status, where in (("skipped", "BETWEEN 2 AND :position"), ("open", "> :position")):
            session.execute(text(f"{step} {where}"), values | {"status": status})
        session.expire_all()
        if len(chain(session, requisition)) > 1 + skipped:
            approve(session, requisition, waiting_for(session, requisition))
        session.flush()
        ended = "UPDATE approval_rounds SET status = 'approved' WHERE id = :id"
        state = at_commit(session, ended, id=opened.id)
        undone.rollback()

    assert state == NOT_APPROVED


def test_an_approved_round_says_what_it_said(session: Session) -> None:
    requisition = approved(session)
    found = rounds.latest(session, requisition.id)
    assert found is not None
    statement = "UPDATE approval_rounds SET facts = :facts, digest = :digest WHERE id = :id"

    for key, value in (("amount", "15000.00"), ("destination", "254700000001")):
        said = found.facts | {key: value}
        values = {"facts": digests.canonical(said).decode(), "digest": digests.digest(said)}
        assert refused(session, statement, id=found.id, **values) == FACTS, key
    said = found.facts | {"amount": "1.00"}
    values = {"facts": digests.canonical(said).decode(), "digest": b"another"}
    assert refused(session, statement, id=found.id, **values) == FACTS


def test_a_round_keeps_its_policy_and_is_not_opened_again(session: Session) -> None:
    requisition = approved(session)
    found = rounds.latest(session, requisition.id)
    assert found is not None

    for change, state in (
        ("policy = '{}'", FACTS),
        ("number = 9", FACTS),
        ("status = 'open'", STATE),
    ):
        statement = f"UPDATE approval_rounds SET {change} WHERE id = :id"
        assert refused(session, statement, id=found.id) == state, change


def test_nobody_approves_in_a_role_that_they_do_not_hold(session: Session) -> None:
    requisition = submitted(session)
    session.flush()
    step = session.execute(
        text("SELECT id FROM approval_steps WHERE subject_id = :id AND status = 'open'"),
        {"id": requisition.id},
    ).scalar_one()
    session.execute(
        text(
            "UPDATE role_assignments SET valid_until = now() - interval '1 second',"
            " valid_from = valid_from"
            " WHERE user_id = :user"
        ),
        {"user": user_id(session, "branch_manager")},
    )
    decide = """
        INSERT INTO decisions (id, company_id, subject_id, round_id, step_id, user_id, role,
            verdict, digest) SELECT :id, company_id, subject_id, round_id, id, :user, role,
            'approved', '' FROM approval_steps WHERE id = :step
    """
    values = {"id": uuid4(), "step": step, "user": user_id(session, "branch_manager")}

    assert refused(session, decide, **values) == SEGREGATION


# What leaves


@pytest.mark.parametrize("who", ["auditor", "admin", "fpa", "staff_2", "custodian"])
def test_who_releases_nothing_releases_nothing(session: Session, who: str) -> None:
    payment = making.pending(session)
    code = books.grant(session, payment, user_id(session, who)).id

    assert release(session, payment, who, grant=code) == SEGREGATION


def test_cash_is_paid_by_its_custodian(session: Session) -> None:
    payment = making.cash(session)

    assert execute(session, payment.id, user_id(session, "treasury_2")) == SEGREGATION
    assert execute(session, payment.id, user_id(session, "custodian")) is None


def test_an_approval_of_what_was_handed_over_stands(session: Session) -> None:
    """The approver neither approves again what others took over, nor gets the money."""
    requisition = submitted(session, "20000.00")
    (_, first, _), (_, later, _), *_ = chain(session, requisition)
    approve(session, requisition, first)
    leaves(session, later)
    session.flush()
    step = session.execute(
        text("SELECT id FROM approval_steps WHERE subject_id = :id AND status = 'open'"),
        {"id": requisition.id},
    ).scalar_one()
    who = user_id(session, first)
    with session.begin_nested() as undone:
        session.execute(text(ASSIGN), {"id": uuid4(), "step": step, "user": who})
        assert decide(session, step, who) == SEGREGATION
        undone.rollback()

    approve_open(session, requisition)
    payment = validated(session, requisition)
    session.execute(
        text("UPDATE memberships SET phone = '+254712345678' WHERE user_id = :id"), {"id": who}
    )
    assert execute(session, payment.id, user_id(session, "treasury_2")) == SEGREGATION


@pytest.mark.parametrize("proof", ["code", "totp", "policy"])
def test_no_release_without_a_code(session: Session, proof: str) -> None:
    payment = making.pending(session)

    assert release(session, payment, "treasury_2", proof=proof) == NOT_RELEASED


def test_a_policy_spares_a_code_below_its_floor_alone(session: Session) -> None:
    payment = making.pending(session)
    settings = """
        INSERT INTO company_settings (id, company_id, version, data)
        SELECT :id, company_id, version + 1, data || jsonb_build_object('otp_floor', :floor)
        FROM company_settings WHERE company_id = current_company() ORDER BY version DESC LIMIT 1
    """
    session.execute(
        text("UPDATE payments SET otp_required = false WHERE id = :id"), {"id": payment.id}
    )
    for floor, state in (("1500.00", NOT_RELEASED), ("1500.01", None)):
        with session.begin_nested() as undone:
            session.execute(text(settings), {"id": uuid4(), "floor": floor})
            assert release(session, payment, "treasury_2", proof="policy") == state
            undone.rollback()


def test_a_code_releases_what_it_was_sent_for_by_whoever_it_was_sent_to(session: Session) -> None:
    payment, other = making.pending(session), making.pending(session)
    own = books.grant(session, payment, user_id(session, "treasury_2")).id
    strange = books.grant(session, other, user_id(session, "treasury_2")).id
    theirs = books.grant(session, payment, user_id(session, "treasury_3")).id

    assert release(session, payment, "treasury_2", grant=strange) == NOT_RELEASED
    assert release(session, payment, "treasury_2", grant=theirs) == NOT_RELEASED
    assert release(session, payment, "treasury_2", grant=own) is None


def test_a_code_that_was_not_spent_releases_nothing(session: Session) -> None:
    payment = making.pending(session)
    making.verified(session, payment)
    session.flush()
    code = session.execute(text("SELECT id FROM release_grants")).scalar_one()

    assert release(session, payment, making.EXECUTOR, grant=code) == NOT_RELEASED


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ("destination = '254700000001'", NOT_RELEASED),
        ("payee_name = 'Mallory'", NOT_APPROVED),
        ("amount = 1400", NOT_RELEASED),
        ("store_id = (SELECT id FROM stores WHERE code = 'HQ-MPESA')", NOT_RELEASED),
    ],
)
def test_what_was_changed_after_its_code_is_not_released(
    session: Session, change: str, state: str
) -> None:
    payment = making.pending(session)
    code = books.grant(session, payment, user_id(session, "treasury_2")).id
    session.execute(text(f"UPDATE payments SET {change} WHERE id = :id"), {"id": payment.id})

    assert release(session, payment, "treasury_2", grant=code) == state


def test_a_spent_code_is_not_turned_back(session: Session) -> None:
    payment = making.pending(session)
    code = books.grant(session, payment, user_id(session, "treasury_2")).id

    for change in (
        "spent_at = NULL",
        "spent_at = spent_at + interval '1 second'",
        "expires_at = expires_at + interval '1 day'",
        "executor_id = (SELECT user_id FROM memberships WHERE user_id <> executor_id LIMIT 1)",
        "subject_digest = ''",
    ):
        statement = f"UPDATE release_grants SET {change} WHERE id = :id"
        assert refused(session, statement, id=code) == FACTS, change


def test_an_attempt_is_what_was_released(session: Session) -> None:
    payment = making.executing(session)
    another = """
        INSERT INTO payment_attempts SELECT (jsonb_populate_record(t, CAST(:own AS jsonb))).*
        FROM payment_attempts t WHERE payment_id = :id
    """

    for own in ('"payee_name": "Mallory"', '"amount": 15000', '"number": 2'):
        values = f'{{"id": "{uuid4()}", {own}}}'
        assert refused(session, another, id=payment.id, own=values) == NOT_RELEASED, own


def test_nobody_who_gets_the_money_approves_or_makes_it(session: Session) -> None:
    """Also where it goes to the phone of an approver that was given in after they had approved."""
    payment = making.pending(session)
    for name in ("branch_manager", "treasury", "treasury_2"):
        with session.begin_nested() as undone:
            session.execute(
                text("UPDATE memberships SET phone = '+254712345678' WHERE user_id = :id"),
                {"id": user_id(session, name)},
            )
            assert execute(session, payment.id, user_id(session, "treasury_2")) == SEGREGATION
            undone.rollback()
    assert execute(session, payment.id, user_id(session, "treasury_2")) is None


def test_a_payment_begins_pending(session: Session) -> None:
    payment = making.pending(session)
    statement = """
        INSERT INTO payments SELECT (jsonb_populate_record(p, CAST(:own AS jsonb))).*
        FROM payments p WHERE id = :id
    """
    for status in ("executing", "failed"):
        own = f'{{"id": "{uuid4()}", "number": "X", "ordinal": 2, "status": "{status}"}}'
        assert refused(session, statement, id=payment.id, own=own) == STATE


# What is called paid


def test_what_the_rail_proves_late_is_recorded_though_its_approval_was_withdrawn(
    session: Session,
) -> None:
    """The approver turns out to get the money, and then the requester asks for something else."""
    payment = making.executing(session)
    making.answered(session, payment, rails.REJECTED)
    attempt = making.attempt_of(session, payment)
    requisition = session.get_one(Requisition, payment.requisition_id)
    gets_phone(session, "branch_manager")
    settle(session, requisition)
    ask_for(session, requisition, amount=Decimal("1600.00"), lines=[line("1600.00")])
    session.flush()
    assert (payment.status, requisition.approved_amount) == (PaymentStatus.CANCELLED, None)

    making.said(session, payment, proven(session, payment), Source.QUERY)
    session.flush()
    session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))

    assert attempt.state is AttemptState.SETTLED
    assert making.entries(session, payment) == ["duplicate_payment"]


def test_nothing_is_called_paid_that_the_books_do_not_have(session: Session) -> None:
    payment = making.executing(session)
    session.flush()

    assert at_commit(session, PAID, id=payment.id) == NOT_PROVEN


def test_nothing_is_called_paid_that_no_attempt_has_paid(session: Session) -> None:
    paid = books.pay(session)
    other = making.executing(session)
    session.flush()
    session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    session.execute(text("SET CONSTRAINTS ALL DEFERRED"))
    assert paid.status is PaymentStatus.SUCCESS

    session.execute(
        text("UPDATE payment_attempts SET state = 'settled' WHERE payment_id = :id"),
        {"id": other.id},
    )

    assert at_commit(session, PAID, id=other.id) == NOT_PROVEN


# Who has a name


@pytest.mark.parametrize("table", ["changes", "variance_adjustments"])
def test_nothing_is_decided_in_nobodys_name(session: Session, table: str) -> None:
    constraint = session.execute(
        text("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = :name"),
        {"name": f"ck_{table}_decided"},
    ).scalar_one()

    assert "decided_by IS NOT NULL" in constraint


def doubt(session: Session, payment: Payment) -> Case:
    """A case about a payment, in which anything may be proposed."""
    case = cases.open_case(
        session,
        kind=CaseKind.IN_DOUBT,
        object_type="payment",
        object_id=payment.id,
        summary="x",
        evidence={},
        severity=Severity.SEVERE,
    )
    session.flush()
    return case


@pytest.mark.parametrize("who", ["treasury", "treasury_2", "staff"])
def test_maker_releaser_and_requester_judge_nothing(session: Session, who: str) -> None:
    case = doubt(session, making.executing(session))
    said = {"id": case.id, "proposal": '{"ending": "paid"}'}
    person = user_id(session, who)

    assert refused(session, PROPOSE, **said, user=person) == SEGREGATION
    session.execute(text(PROPOSE), said | {"user": user_id(session, "cfo")})
    assert refused(session, CONFIRM, id=case.id, user=person) == SEGREGATION
    assert refused(session, CONFIRM, id=case.id, user=user_id(session, "treasury_3")) is None


def test_of_two_judges_one_has_not_approved(session: Session) -> None:
    payment = making.executing(session, "250000.00", by="staff_hq")
    requisition = session.get_one(Requisition, payment.requisition_id)
    first, second = (user_id(session, name) for _, name, _ in chain(session, requisition)[-2:])
    case = doubt(session, payment)
    said = {"id": case.id, "user": first, "proposal": '{"ending": "paid"}'}
    session.execute(text(PROPOSE), said)

    assert refused(session, CONFIRM, id=case.id, user=second) == SEGREGATION
    assert refused(session, CONFIRM, id=case.id, user=user_id(session, "treasury_3")) is None


def test_who_holds_no_role_that_judges_judges_nothing(session: Session) -> None:
    case = doubt(session, making.executing(session))
    said = {"id": case.id, "proposal": '{"ending": "not_paid"}'}

    for name in ("auditor", "operator", "custodian", "escalation"):
        state = refused(session, PROPOSE, **said, user=user_id(session, name))
        assert state == (None if name == "escalation" else SEGREGATION), name
    for name in ("fpa", "ceo", "group_finance_manager"):
        assert refused(session, PROPOSE, **said, user=user_id(session, name)) is None, name


def test_who_recorded_the_evidence_confirms_nothing(session: Session) -> None:
    case = doubt(session, making.executing(session))
    said = json.dumps({"ending": "paid", "evidence_id": str(evidence(session, case.id, by="fpa"))})
    cfo, fpa = user_id(session, "cfo"), user_id(session, "fpa")
    session.flush()
    session.execute(text(PROPOSE), {"id": case.id, "user": cfo, "proposal": said})

    assert refused(session, CONFIRM, id=case.id, user=fpa) == SEGREGATION
    session.execute(text(PROPOSE), {"id": case.id, "user": fpa, "proposal": said})
    assert refused(session, CONFIRM, id=case.id, user=cfo) is None


@pytest.mark.parametrize("amount", ["5000000.00", None])
def test_no_amount_is_said_of_money(session: Session, amount: str | None) -> None:
    case = doubt(session, making.executing(session))
    said = json.dumps({"ending": "paid", "amount": amount})

    state = refused(session, PROPOSE, id=case.id, user=user_id(session, "cfo"), proposal=said)

    assert state == FACTS


# What is remembered


def test_a_stored_answer_stands(session: Session) -> None:
    key = new_id()
    session.execute(
        text(
            "INSERT INTO idempotency_keys (id, company_id, principal, method, route, key,"
            " fingerprint, headers)"
            " VALUES (:id, current_company(), 'p', 'POST', '/', 'k', 'f', '{}')"
        ),
        {"id": key},
    )
    answer = "UPDATE idempotency_keys SET status = 200, body = 'paid' WHERE id = :id"
    session.execute(text(answer), {"id": key})

    for change, state in (
        ("status = 403", FACTS),
        ("body = 'not paid'", FACTS),
        ("status = NULL", FACTS),
        ("headers = '{\"a\"\\: 1}'", FACTS),
        ("fingerprint = 'g'", NO_PRIVILEGE),
        ("created_at = created_at + interval '90 days'", NO_PRIVILEGE),
    ):
        statement = f"UPDATE idempotency_keys SET {change} WHERE id = :id"
        assert refused(session, statement, id=key) == state, change
    taken = session.execute(
        text(
            "SELECT idempotency_take(:id, 'p', 'POST', '/', 'k', 'g', now(),"
            " now() + interval '9 days')"
        ),
        {"id": new_id()},
    ).scalar_one()
    assert taken is None


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("changes", "payload = '{}'"),
        ("changes", "proposed_by = :other"),
        ("changes", "status = 'proposed'"),
        ("changes", "decided_by = :other"),
        ("api_keys", "created_by = :other"),
        ("api_keys", "confirmed_by = :other"),
        ("api_keys", "confirmed_by = NULL, confirmed_at = NULL"),
        ("api_keys", "scopes = '[\"report\"]'"),
        ("api_keys", "branch_id = NULL"),
        ("api_keys", "expires_at = expires_at + interval '1 year'"),
        ("api_keys", "revoked_at = NULL, revoked_by = NULL"),
        ("requisitions", "client_id = :key"),
        ("memberships", "created_at = now() + interval '1 day'"),
        ("companies", "bootstrapped_at = NULL"),
    ],
)
def test_who_did_what_is_not_rewritten(session: Session, table: str, change: str) -> None:
    """One UPDATE hid whose key had raised a requisition, and the key's makers approved it."""
    who = {name: user_id(session, name) for name in ("admin", "admin_2", "cfo")}
    admin, second = acting(session, "admin"), acting(session, "admin_2")
    now = session.info["now"]
    key, _, proposal = api_keys.create(
        Uow(session, admin, now),
        name="a client",
        scopes=["raise"],
        expires_at=now + timedelta(days=1),
        branch_id=session.execute(text("SELECT id FROM branches LIMIT 1")).scalar_one(),
    )
    uow = Uow(session, second, now)
    changes.confirm(uow, change_id=proposal.id)
    api_keys.revoke(uow, api_key_id=key.id)
    raised = submitted(session)
    session.flush()
    mark = {
        "changes": proposal.id,
        "api_keys": key.id,
        "requisitions": raised.id,
        "memberships": session.execute(
            text("SELECT id FROM memberships WHERE user_id = :id"), {"id": who["cfo"]}
        ).scalar_one(),
        "companies": session.info["scope"].company_id,
    }
    statement = f"UPDATE {table} SET {change} WHERE id = :id"
    named = {"other": who["cfo"], "key": key.id}
    more = {name: value for name, value in named.items() if f":{name}" in change}

    assert refused(session, statement, id=mark[table], **more) == FACTS


def test_cash_is_acknowledged_in_no_other_way_than_the_three(session: Session) -> None:
    """A word of its own needed neither code nor witness, and the auditor passed it by."""
    payment = making.cash(session)
    making.released(session, payment, by="custodian")
    update = "UPDATE cash_acknowledgements SET proof = :proof WHERE payment_id = :id"

    for proof in ("signature_alone", "signature", "said so"):
        assert refused(session, update, id=payment.id, proof=proof) == "23514", proof


def test_no_secret_of_a_person_changes_without_a_line(session: Session) -> None:
    person = user_id(session, "treasury_2")
    count = text(
        "SELECT count(*) FROM security_events WHERE detail ->> 'subject_id' = CAST(:id AS text)"
        " AND user_id IS NULL AND event = 'user.secret_changed'"
    )
    before = session.execute(count, {"id": person}).scalar_one()

    for change in ("password_hash = 'x'", "totp_seed = 'x'", "totp_enrolled_at = NULL"):
        session.execute(text(f"UPDATE users SET {change} WHERE id = :id"), {"id": person})

    assert session.execute(count, {"id": person}).scalar_one() == before + 3

    actor = user_id(session, "admin")
    session.execute(text("SELECT set_config('app.actor', :id, true)"), {"id": str(actor)})
    session.execute(text("UPDATE users SET totp_seed = 'y' WHERE id = :id"), {"id": person})
    newest = session.execute(
        text(
            "SELECT user_id, detail ->> 'subject_id' FROM security_events"
            " WHERE event = 'user.secret_changed' ORDER BY id DESC LIMIT 1"
        )
    ).one()
    assert tuple(newest) == (actor, str(person)), "who did it, and to whom"


# The same in SQL as in the services


def test_the_pairs_are_those_of_the_services(session: Session) -> None:
    pairs = session.execute(text("SELECT duty, other FROM duty_pairs")).all()

    assert {frozenset(map(duties.Duty, pair)) for pair in pairs} == duties.PAIRS
    assert len(pairs) == 2 * len(duties.PAIRS), "each in both directions"


ODD = "Ng'ang'a \"É\" \\ \x7f\u2028\t\x01🧾"


def test_digests_are_the_same(session: Session, database: Database) -> None:
    payment = making.pending(session)
    payment.payee_name = ODD
    with connected(database.owner_url) as owner:
        for currency in Currency:
            payment.currency = currency
            row = {
                "id": str(payment.id),
                "amount": "1500.00",
                "currency": currency.value,
                "method": payment.method.value,
                "payee_name": ODD,
                "destination": payment.destination,
                "store_id": str(payment.store_id),
            }
            query = "SELECT payment_digest(jsonb_populate_record(NULL::payments, %s))"
            [(found,)] = rows(owner, query, json.dumps(row))
            assert bytes(found) == facts.digest_of(payment), currency
        said = {"b": [{"é": None, "a": True}, []], "B": ODD, "10": "x", "9": {}, "": "1.00"}
        [(found,)] = rows(owner, "SELECT facts_digest(%s)", json.dumps(said))
        assert bytes(found) == digests.digest(said)
    session.expunge(payment)


def test_who_has_a_duty_is_the_same(live: Database) -> None:
    with db.scope(company_id=company_id("DEMO")), db.transaction() as session:
        payment = making.executing(session, "20000.00", payee_user_id=user_id(session, "staff_2"))
        session.execute(
            text("UPDATE memberships SET phone = '+254712345678' WHERE user_id = :id"),
            {"id": user_id(session, "staff_hq")},
        )
        case = cases.open_case(
            session,
            kind=CaseKind.IN_DOUBT,
            object_type="payment",
            object_id=payment.id,
            summary="x",
            evidence={},
            severity=Severity.SEVERE,
        )
        evidence(session, case.id)
        case.proposal, case.proposed_by = {"ending": "paid"}, user_id(session, "cfo")
        case.proposed_at = session.info["now"]
        session.flush()
        known = duties.holders(session, requisition_id=payment.requisition_id)
        requisition = payment.requisition_id
    with connected(live.owner_url) as owner:
        found = rows(owner, "SELECT duty, user_id::text FROM duty_holders(%s)", str(requisition))

    assert set(found) == {
        (duty.value, str(person)) for duty, people in known.items() for person in people
    }
    assert {duty for duty, _ in found} == {
        "requester", "recipient", "approver", "maker", "releaser", "judge", "recorder",
    }  # fmt: skip


def test_who_made_a_payment_is_its_maker_for_good(session: Session) -> None:
    payment = making.pending(session)

    for maker in ("NULL", f"'{user_id(session, 'treasury_3')}'"):
        update = f"UPDATE payments SET maker_id = {maker} WHERE id = :id"
        assert refused(session, update, id=payment.id) == FACTS


def test_what_is_under_way_or_paid_is_not_released_again(session: Session) -> None:
    """With a second code for exactly that: one more movement within the same approval."""
    payment = making.executing(session)
    releaser = user_id(session, making.EXECUTOR)
    assert execute(session, payment.id, releaser, attempt=2) == STATE

    making.answered(session, payment, rails.ACCEPTED)
    making.said(session, payment, proven(session, payment), Source.QUERY)
    assert payment.status is PaymentStatus.SUCCESS

    assert execute(session, payment.id, releaser, attempt=2) == NOT_APPROVED


@pytest.mark.parametrize(
    "damage", ["failure_confirmed = false", "blocked_by_case_id = (SELECT id FROM cases LIMIT 1)"]
)
def test_what_may_yet_be_paid_is_not_released_again(session: Session, damage: str) -> None:
    payment = making.executing(session)
    making.answered(session, payment, rails.REJECTED)
    making.said(session, payment, rails.REJECTED, Source.QUERY)
    assert (payment.status, payment.failure_confirmed) == (PaymentStatus.FAILED, True)
    cases.open_case(
        session,
        kind=CaseKind.CONTRADICTION,
        object_type="payment",
        object_id=payment.id,
        summary="x",
        evidence={},
        severity=Severity.SEVERE,
    )
    session.flush()
    session.execute(text(f"UPDATE payments SET {damage} WHERE id = :id"), {"id": payment.id})
    session.refresh(payment)

    assert execute(session, payment.id, user_id(session, "treasury_3"), attempt=2) == STATE


def test_a_case_that_people_ended_stays_as_they_ended_it(session: Session) -> None:
    """Whoever judged would approve the refill, or release what is left, as if they had not."""
    _, case = in_doubt(session)
    settled(session, case, Ending.PAID)
    session.flush()

    for change in (
        "proposal = NULL, proposed_by = NULL, proposed_at = NULL, decided_by = NULL",
        f"proposed_by = '{user_id(session, 'fpa')}'",
        "status = 'open'",
    ):
        assert refused(session, f"UPDATE cases SET {change} WHERE id = :id", id=case.id) == FACTS


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("changes", "payload = payload - 'new'"),
        ("changes", "proposed_by = (SELECT custodian_id FROM funds LIMIT 1)"),
        ("release_challenges", "executor_id = (SELECT custodian_id FROM funds LIMIT 1)"),
        ("release_challenges", "subject_digest = sha256(subject_digest)"),
        ("replenishments", "proposed_by = (SELECT alternate_custodian_id FROM funds LIMIT 1)"),
        ("variance_adjustments", "proposed_by = (SELECT custodian_id FROM funds LIMIT 1)"),
    ],
)
def test_whose_word_something_is_stands(session: Session, table: str, change: str) -> None:
    payment = making.pending(session)
    making.code_for(session, payment)
    elsewhere(session, payment)
    by_hand(session, books.fund(session), amount="1.00")
    record(session)
    session.flush()

    assert refused(session, f"UPDATE {table} SET {change}") == FACTS
