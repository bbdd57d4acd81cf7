"""Codes: who may ask, what a try costs, what a grant is good for (security.md rows 5 to 7)."""

from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from pettycash.models.access import Membership, Role, RoleAssignment, User
from pettycash.models.releases import ChallengeSend, ChallengeState, EndCause, ReleaseChallenge
from pettycash.runtime import errors
from pettycash.services import payments, releases
from pettycash.services.foundation import encryption
from pettycash.services.foundation.uow import Uow
from tests.factories import companies
from tests.factories import payments as making
from tests.factories.codes import WRONG, newest, other_than, request, verify
from tests.factories.people import acting, user_id


def test_the_right_code_yields_one_grant(session: Session) -> None:
    payment = making.pending(session)
    code = making.code_for(session, payment)

    result = verify(session, payment, code)

    assert result.refusal is None
    assert result.grant is not None
    assert result.grant.proof == "code"
    assert result.grant.expires_at == session.info["now"] + timedelta(minutes=5)
    assert newest(session, payment).state is ChallengeState.VERIFIED


def test_the_code_is_kept_as_a_digest_only_and_named_in_no_other_place(session: Session) -> None:
    payment = making.pending(session)
    code = making.code_for(session, payment)

    challenge = newest(session, payment)

    assert challenge.code_digest == releases.keyed_digest(code, challenge.id)
    assert code.encode() not in bytes(challenge.code_digest)
    rows = session.execute(select(func.to_jsonb(ReleaseChallenge.__table__.table_valued()))).all()
    assert not any(f'"{code}"' in str(row) for row in rows)


def test_the_message_names_amount_and_payee(session: Session) -> None:
    payment = making.pending(session, "1500.00")
    challenge = request(session, payment)
    send_id = session.execute(
        select(ChallengeSend.id).where(ChallengeSend.challenge_id == challenge.id)
    ).scalar_one()

    message = releases.make_code(session, send_id=send_id, now=session.info["now"])

    assert message is not None
    assert 'KES 1500.00\nto "Spring Water"\nat M-Pesa 254712345678\n' in message.text
    assert message.email == "treasury_2@demo.example"
    assert message.phone
    assert message.text.split()[0] not in repr(message)


def test_the_code_goes_to_the_executor_and_not_to_the_requester(session: Session) -> None:
    payment = making.pending(session)
    challenge = request(session, payment)

    assert challenge.executor_id == user_id(session, "treasury_2")
    assert payment.executor_id == user_id(session, "treasury_2")


@pytest.mark.parametrize(
    ("by_email", "by_sms", "channel"),
    [
        (True, True, "email,sms"),
        (True, False, "email"),
        (False, True, "sms"),
        (False, False, "totp"),
    ],
)
def test_company_policy_decides_the_ways(
    session: Session, by_email: bool, by_sms: bool, channel: str
) -> None:
    payment = making.pending(session)
    companies.agree(session, code_by_email=by_email, code_by_sms=by_sms)

    challenge = request(session, payment)

    send = session.execute(
        select(ChallengeSend).where(ChallengeSend.challenge_id == challenge.id)
    ).scalar_one()
    assert send.channel == channel
    assert (making.outbox_message(session, "otp.send", send.id) is None) == (channel == "totp")


def test_a_totp_code_is_accepted_instead(session: Session) -> None:
    payment = making.pending(session)
    request(session, payment)
    person = session.get_one(User, user_id(session, "treasury_2"))
    seed = encryption.decrypt(person.totp_seed or "", bound_to=person.id)

    result = verify(session, payment, pyotp.TOTP(seed).at(session.info["now"]))

    assert result.grant is not None
    assert result.grant.proof == "totp"


@pytest.mark.parametrize("who", ["staff", "branch_manager", "treasury"])
def test_requester_approver_and_maker_can_not_ask(session: Session, who: str) -> None:
    payment = making.pending(session)
    actor = acting(session, who, Role.TREASURY)

    with pytest.raises(releases.NotSeparate):
        payments.send_code(Uow.of(session, actor), payment_id=payment.id)


def test_the_recipient_can_not_ask(session: Session) -> None:
    payment = making.pending(session, payee_user_id=user_id(session, "treasury_2"))

    with pytest.raises(releases.NotSeparate):
        request(session, payment)


def test_whose_own_phone_is_paid_can_not_ask_either(session: Session) -> None:
    phone = session.execute(
        select(Membership.phone).where(Membership.user_id == user_id(session, "treasury_2"))
    ).scalar_one()
    payment = making.pending(session, destination=phone)

    with pytest.raises(releases.NotSeparate):
        request(session, payment)


def test_the_cfo_comes_second(session: Session) -> None:
    payment = making.pending(session)

    with pytest.raises(releases.TreasuryFirst):
        request(session, payment, by="cfo")

    others = [user_id(session, name) for name in ("treasury_2", "treasury_3")]
    session.execute(
        update(RoleAssignment)
        .where(RoleAssignment.user_id.in_(others), RoleAssignment.role == Role.TREASURY)
        .values(valid_until=session.info["now"])
    )
    assert request(session, payment, by="cfo").executor_id == user_id(session, "cfo")


def test_somebody_elses_claim_stands_until_it_dies(session: Session) -> None:
    payment = making.pending(session)
    request(session, payment)

    with pytest.raises(errors.Conflict) as refusal:
        request(session, payment, by="treasury_3")
    assert refusal.value.code == "release.claimed"

    later = session.info["now"] + timedelta(minutes=5, seconds=1)
    taken = payments.send_code(
        Uow(session, acting(session, "treasury_3"), later), payment_id=payment.id
    )
    assert taken.executor_id == user_id(session, "treasury_3")


def test_asking_again_replaces_the_code_and_keeps_the_tries(session: Session) -> None:
    payment = making.pending(session)
    first = making.code_for(session, payment)
    verify(session, payment, other_than(first))
    again = request(session, payment)

    refused = verify(session, payment, first)  # the first one died when the second was asked for
    second = making.sent_code(session, again.id)
    accepted = verify(session, payment, second)

    assert isinstance(refused.refusal, errors.RuleViolation)
    assert accepted.refusal is None
    assert newest(session, payment).tries == 3


def test_otp_resend_flood_ends_after_three_codes(session: Session) -> None:
    payment = making.pending(session)
    for _ in range(3):
        request(session, payment)

    with pytest.raises(errors.TooManyRequests) as refusal:
        request(session, payment)

    assert refusal.value.code == "release.too_many_codes"
    assert 0 < refusal.value.retry_after_seconds <= 901


def test_otp_brute_force_the_sixth_try_is_refused_although_right(session: Session) -> None:
    payment = making.pending(session)
    code = making.code_for(session, payment)
    refusals = [verify(session, payment, other_than(code)).refusal for _ in range(5)]

    sixth = verify(session, payment, code)

    assert [each.code for each in refusals if each] == ["release.wrong_code"] * 5
    assert sixth.refusal is not None
    assert sixth.refusal.code == "release.tries_exhausted"
    challenge = newest(session, payment)
    assert challenge.tries == 6
    assert (challenge.state, challenge.end_cause) == (ChallengeState.DEAD, EndCause.TRIES)
    assert payment.executor_id is None


def test_an_expired_code_is_counted_and_dead(session: Session) -> None:
    payment = making.pending(session)
    code = making.code_for(session, payment)

    late = verify(session, payment, code, now=session.info["now"] + timedelta(minutes=5, seconds=1))

    assert late.refusal is not None
    assert late.refusal.code == "release.code_expired"
    challenge = newest(session, payment)
    assert (challenge.tries, challenge.end_cause) == (1, EndCause.EXPIRED)


def test_a_used_code_is_used(session: Session) -> None:
    payment = making.pending(session)
    code = making.code_for(session, payment)
    verify(session, payment, code)

    again = verify(session, payment, code)

    assert again.refusal is not None
    assert again.refusal.code == "release.code_used"


def test_another_persons_code_is_not_spent(session: Session) -> None:
    payment = making.pending(session)
    code = making.code_for(session, payment)

    with pytest.raises(releases.NotTheExecutor):
        verify(session, payment, code, by="treasury_3")

    assert newest(session, payment).tries == 0


def test_without_a_challenge_there_is_nothing_to_verify(session: Session) -> None:
    payment = making.pending(session)

    result = verify(session, payment, WRONG)

    assert result.refusal is not None
    assert result.refusal.code == "release.no_challenge"
