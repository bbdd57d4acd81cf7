"""Several calls at once: what races are tested with."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import copy_context
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from pettycash.runtime import db
from tests.patience import budget, wait_until

WAITING = text(
    "SELECT EXISTS (SELECT FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " WHERE NOT granted AND datname = current_database())"
)


def together(calls: Sequence[Callable[[], Any]], *, seconds: float = 60.0) -> list[Any]:
    """Run each call in a thread of its own, let go at one moment.

    Returns what each returned or raised, in the order of the calls.
    """
    barrier = threading.Barrier(len(calls))
    results: list[Any] = [None] * len(calls)

    def run(index: int) -> None:
        barrier.wait()
        try:
            results[index] = calls[index]()
        except Exception as error:  # noqa: BLE001 - the test judges it
            results[index] = error

    threads = []
    for index in range(len(calls)):
        context = copy_context()
        threads.append(threading.Thread(target=context.run, args=(run, index)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(budget(seconds))
        if thread.is_alive():
            raise TimeoutError(f"a call is still running after {seconds} s")
    return results


@contextmanager
def held(
    take: Callable[[Session], Any],
    then: Callable[[Session], Any] | None = None,
    *,
    unit: Callable[[], AbstractContextManager[Session]] = db.transaction,
) -> Iterator[None]:
    """A transaction of another connection that is open meanwhile, with whatever `take` has locked.

    `then` is done in it as soon as somebody waits for a lock; it commits with that, or at the end.
    """
    taken, let_go = threading.Event(), threading.Event()
    raised: list[BaseException] = []

    def hold() -> None:
        try:
            with unit() as session:
                take(session)
                taken.set()
                if then is None:
                    let_go.wait(budget(30))
                    return
                await_waiting(session)
                then(session)
        except BaseException as error:  # noqa: BLE001 - raised below, in the test's own thread
            raised.append(error)
            taken.set()

    thread = threading.Thread(target=copy_context().run, args=(hold,))
    thread.start()
    try:
        assert taken.wait(budget(10))
        yield
    finally:
        let_go.set()
        thread.join(budget(30))
    if raised:
        raise raised[0]


def await_waiting(session: Session, *, seconds: float = 10.0) -> None:
    """Go on as soon as another connection waits for a lock."""

    def somebody_waits() -> bool:
        return bool(session.execute(WAITING).scalar_one())

    assert wait_until(somebody_waits, seconds, 0.01), "nobody waits for a lock"
