"""Games that were lost once, move by move, with the checks of every other game.

Each is what somebody might play by chance in some thousand examples; here nobody waits for it.
"""

import pytest

from pettycash.models.operations import CaseStatus
from pettycash.models.payments import CallbackPurpose
from pettycash.runtime import db
from pettycash.services.payments.case_resolutions import Ending
from tests.model import checks
from tests.model.ground import Ground
from tests.model.machine import Machine, machine
from tests.model.memory import Released, Tally
from tests.model.rail import Answering, Calling, Submitting
from tests.model.world import DAY, HOUR, MINUTE

SENT_AGAIN_AFTER = 11 * MINUTE
A_LEASE = 46.0

pytestmark = pytest.mark.timeout(240)


class Game(Machine):
    """A player who chooses the moves."""

    def start(self, *, frees_refused: bool = False, has_backup: bool = False) -> Released:
        """One payment is released and waits for its worker."""
        self.is_played = True
        self.begin(
            same_id_is_safe=True,
            confirms_failure_by_query=True,
            frees_refused=frees_refused,
            says_not_known=True,
        )
        self.a_payment_is_ready(index=len(self.memory.stock) - 1)
        if has_backup:
            self.a_backup_is_made()
        self.release(self.memory.payments[-1], "treasury_2")
        (released,) = self.memory.released.values()
        return released

    def sends(self, released: Released, how: Submitting) -> None:
        """A worker does all of it."""
        self.rail.submitting = how
        self.run("payments.submit", released)

    def is_silent_for(self, released: Released, *spans: float) -> None:
        """The rail does not answer what it is asked after each of these."""
        for seconds in spans:
            self.ground.wait(seconds)
            self.rail.answering = Answering.LOST
            self.run("payments.resolve", released)

    def a_silent_day_passes(self) -> None:
        """And the rail is asked, without an answer."""
        self.ground.wait(DAY + HOUR)
        self.keep_silent()

    def is_called_unpaid(self) -> None:
        """By two people, as soon as they may."""
        self.keep_silent()
        self.a_silent_day_passes()
        ((case_id, payment_id),) = self.cases_about_money(CaseStatus.OPEN)
        assert self.proposes(case_id, payment_id, says=Ending.NOT_PAID, by="treasury_3")
        assert self.confirms(case_id, by="cfo")

    def check(self) -> None:
        """What holds after every rule."""
        with db.transaction() as session:
            checks.check(self, session)


def repeat_leaves_after_its_window(game: Game) -> None:
    """Queued in time, claimed when the rail has forgotten the reference."""
    released = game.start()
    game.sends(released, Submitting.LOST_AFTER_PAYING)
    game.is_silent_for(released, 21.0, SENT_AGAIN_AFTER)
    game.ground.wait(3 * DAY)
    game.sends(released, Submitting.ACCEPTS)


def worker_stands_still_before_its_first_byte(game: Game) -> None:
    """Another one pays meanwhile; days later the first goes on where it stood."""
    released = game.start()
    game.a_worker_claims(index=0)
    game.a_worker_marks_that_it_sends(index=0)
    game.is_silent_for(released, A_LEASE, SENT_AGAIN_AFTER)
    game.sends(released, Submitting.LOST_AFTER_PAYING)
    game.check()
    game.ground.wait(3 * DAY)
    game.a_worker_sends(index=0, how=Submitting.ACCEPTS)


def rail_accepts_what_people_called_unpaid(game: Game) -> None:
    """It was on its way while they looked; it must not be released anew."""
    released = game.start()
    game.a_worker_claims(index=0)
    game.a_worker_marks_that_it_sends(index=0)
    game.a_worker_sends(index=0, how=Submitting.ACCEPTS)
    game.is_called_unpaid()
    game.a_worker_records(index=0)
    game.check()
    game.release(released.payment_id, "treasury_2")


def rail_accepts_what_a_worker_had_lost(game: Game) -> None:
    """Accepted is accepted, however late it is heard."""
    released = game.start()
    game.a_worker_claims(index=0)
    game.a_worker_marks_that_it_sends(index=0)
    game.a_worker_sends(index=0, how=Submitting.ACCEPTS)
    game.ground.wait(A_LEASE)
    game.run("payments.submit", released)
    game.a_worker_records(index=0)


def refusal_answers_a_question_older_than_the_repeat(game: Game) -> None:
    """The first sending was refused; the repeat is on its way when that is read."""
    released = game.start(frees_refused=True)
    game.sends(released, Submitting.LOST_AFTER_REFUSING)
    game.is_silent_for(released, 21.0)
    game.ground.wait(2 * MINUTE)
    game.somebody_begins_to_ask(index=0)
    game.a_question_is_answered(index=0, how=Answering.TRUTH)
    game.is_silent_for(released, SENT_AGAIN_AFTER)
    game.a_worker_claims(index=0)
    game.a_worker_marks_that_it_sends(index=0)
    game.an_answer_is_recorded(index=0, is_heard=True)
    game.check()
    game.a_worker_sends(index=0, how=Submitting.PAYS)


def rail_refuses_at_its_gate_what_it_paid_before_a_restore(game: Game) -> None:
    """Which says nothing of the reference: it is not failed, and not released under another one."""
    lost = game.start(has_backup=True)
    game.sends(lost, Submitting.PAYS)
    game.the_backup_comes_back(resumes=True)
    game.release(lost.payment_id, "treasury_2")
    (released,) = game.memory.released.values()
    for _ in range(3):
        game.ground.wait(SENT_AGAIN_AFTER)
        game.sends(released, Submitting.REFUSES_UNSEEN)
        game.is_silent_for(released, 2 * MINUTE)
    game.check()
    game.release(lost.payment_id, "treasury_2")


def lost_payment_is_not_made_again_while_its_callback_is_a_case(game: Game) -> None:
    """Another requisition for the same amount to the same payee, as people raise one anew."""
    lost = game.start(has_backup=True)
    game.sends(lost, Submitting.PAYS)
    game.the_backup_comes_back(resumes=True)
    game.the_rail_calls(
        index=0,
        calling=Calling.TRUTH,
        purpose=CallbackPurpose.RESULT,
        repeats=False,
        is_read=True,
    )
    game.a_payment_is_ready(index=0)
    game.release(game.memory.payments[-1], "treasury_2")
    assert not game.memory.released, "paid to the same payee once more"


def first_attempt_is_proven_paid_while_the_second_may_have_left(game: Game) -> None:
    """People were wrong about the first; what the second may take stays held till it is decided."""
    first = game.start()
    game.sends(first, Submitting.LOST_AFTER_PAYING)
    game.is_called_unpaid()
    game.a_silent_day_passes()
    game.release(first.payment_id, "treasury_2")
    _, second = game.memory.released.values()
    game.sends(second, Submitting.LOST_BEFORE)
    game.the_rail_calls(
        index=1,
        calling=Calling.TRUTH,
        purpose=CallbackPurpose.QUERY_RESULT,
        repeats=False,
        is_read=True,
    )
    game.check()
    game.come_to_rest()


GAMES = (
    first_attempt_is_proven_paid_while_the_second_may_have_left,
    repeat_leaves_after_its_window,
    worker_stands_still_before_its_first_byte,
    rail_accepts_what_people_called_unpaid,
    rail_accepts_what_a_worker_had_lost,
    refusal_answers_a_question_older_than_the_repeat,
    rail_refuses_at_its_gate_what_it_paid_before_a_restore,
    lost_payment_is_not_made_again_while_its_callback_is_a_case,
)


def test_games_that_were_lost_once_are_won(ground: Ground) -> None:
    played = machine(ground, Tally())
    player = type("Game", (Game, played), {"__doc__": Game.__doc__})
    lost = []
    for play in GAMES:
        game = player()
        try:
            play(game)
            game.check()
        except AssertionError as error:
            lost.append(f"{play.__name__}: {error}")
        finally:
            game.open_scope.close()
    assert not lost, "\n".join(lost)
