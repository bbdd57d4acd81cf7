"""Others take over from somebody who left."""

from pettycash.runtime import db
from pettycash.services.approvals import leaving
from pettycash.services.foundation import departures
from pettycash.services.payments import leaving as payments_leaving
from pettycash.services.payments import redirects
from pettycash.services.requisitions import left_behind
from pettycash.tasks.outbox_tasks import Job, outbox_task


@outbox_task(departures.TOPIC)
def hand_over(job: Job) -> None:
    """Approvals, redirects, releases, each in a transaction of its own; then the rest."""
    with db.transaction() as session:
        found = leaving.waiting(session, user_id=job.key)
    for kind, subject_id in found:
        with db.transaction() as session:
            leaving.hand_over_step(
                session,
                kind=kind,
                subject_id=subject_id,
                user_id=job.key,
                now=session.info["now"],
            )
    with db.transaction() as session:
        asked = redirects.waiting(session, user_id=job.key)
    for change_id in asked:
        with db.transaction() as session:
            redirects.ask_anew(session, change_id=change_id, now=session.info["now"])
    with db.transaction() as session:
        taken = payments_leaving.releases_of(session, user_id=job.key, now=session.info["now"])
    for payment_id in taken:
        with db.transaction() as session:
            payments_leaving.give_back_release(session, payment_id=payment_id, user_id=job.key)
    with db.transaction() as session:
        leaving.give_back_cases(session, user_id=job.key, now=session.info["now"])
        left_behind.notify_manager(session, user_id=job.key, now=session.info["now"])
        leaving.done(session, user_id=job.key, now=session.info["now"])
