"""Rules of disaster: a backup is made, and comes back when the rail knows more than it."""

from hypothesis import strategies as st
from hypothesis.stateful import precondition
from sqlalchemy import select
from sqlalchemy.orm import Session

from pettycash.models.operations import Case, CaseStatus
from pettycash.models.payments import Callback, Payment
from pettycash.runtime import db
from pettycash.services.operations import pauses
from pettycash.services.payments import restores
from pettycash.stack import schema
from tests.model.memory import Player, play

RESUMING = ("operator", "cfo")


class Disaster(Player):
    """What an operator does when the database is gone."""

    @precondition(lambda self: self.backup is None)
    @play()
    def a_backup_is_made(self) -> None:
        """Once in an example."""
        self.ground.back_up()
        with db.system_transaction() as session:
            self.backup = (session.info["now"], self.memory.copy())

    @precondition(lambda self: self.backup is not None and self.memory is not self.backup[1])
    @play(resumes=st.booleans())
    def the_backup_comes_back(self, resumes: bool) -> None:
        """Nobody of before is alive any more; whoever was told something was told it in vain."""
        assert self.backup is not None
        taken_at, known = self.backup
        gone = [e for key, e in self.memory.released.items() if key not in known.released]
        known.lost = [*self.memory.lost, *gone]
        known.people_not_paid |= self.memory.people_not_paid
        self.memory = known
        # Sessions, codes and grants end with the stamp; processes ended before it.
        for each in (known.workers, known.questions, known.codes, known.grants):
            each.clear()
        self.ground.bring_back()
        with db.system_transaction() as session:
            now = session.info["now"]
        with schema.as_owner(self.ground.database.owner_url) as session:
            restores.stamp(session, taken_at=taken_at, by="model", now=now)
        self.has_happened = True
        if resumes:
            self.resume_everything()

    @precondition(lambda self: self.backup is not None and self.memory is self.backup[1])
    @play()
    def everything_resumes(self) -> None:
        """Two people who know of the restore."""
        self.resume_everything()

    def resume_everything(self) -> None:
        """Where everything is paused."""
        for by in RESUMING:
            with db.system_transaction() as session:
                now = session.info["now"]
                try:
                    pauses.resume_everything(session, by=by, now=now)
                except pauses.PauseNotFound:
                    return

    def check_lost(self, session: Session, payment: Payment, reference: str) -> None:
        """What was released is not what a callback to a lost attempt says was paid.

        Under the reference of that attempt the rail is asked, and pays once.
        """
        told = session.execute(
            select(Callback.id)
            .join(Case, (Case.object_id == Callback.id) & (Case.object_type == "callback"))
            .where(
                Callback.lost_attempt_id.is_not(None),
                Case.status != CaseStatus.RESOLVED,
                Callback.told_destination == payment.destination,
                Callback.told_amount == payment.amount,
                Callback.told_reference.is_distinct_from(reference),
            )
        ).first()
        assert told is None, "released although a lost callback says that it was paid"
