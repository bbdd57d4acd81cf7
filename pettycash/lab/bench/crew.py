"""Processes that do the same work at once, each with connections of its own."""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Generic, TypeVar

from pettycash.stack.state import StackError

Item = TypeVar("Item")

Work = Callable[[Item], None]

ANSWER_SECONDS = 300.0
"""A round of a benchmark is far shorter; a crew that hangs must not hang its caller."""


class CrewFailed(StackError):
    """A process of the crew ended in an error, which the message names."""


class Crew(Generic[Item]):
    """So many processes; what each opened at its start is used again in every round."""

    def __init__(self, count: int, begin: Callable[[], Work[Item]]) -> None:
        """`begin` runs once in each process and returns what does one item of the work."""
        # Forked, so that what they import is there at once; nobody is connected to anything yet.
        context = multiprocessing.get_context("fork")
        self._ends: list[Connection] = []
        self._processes = []
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(ours, theirs, begin), daemon=True)
            process.start()
            theirs.close()
            self._ends.append(ours)
            self._processes.append(process)
        self._answers()

    def run(self, items: Sequence[Item]) -> float:
        """Deal the items out, have them done, and return the seconds from first start to last end.

        Raises:
            CrewFailed: an item could not be done.
        """
        count = len(self._ends)
        for number, end in enumerate(self._ends):
            end.send(items[number::count])
        self._answers()  # everybody has their items before anybody starts
        for end in self._ends:
            end.send("start")
        spans = self._answers()
        return max(ended for _, ended in spans) - min(started for started, _ in spans)

    def dismiss(self) -> None:
        """End the processes."""
        for end in self._ends:
            end.close()
        for process in self._processes:
            process.join(timeout=5.0)
            if process.is_alive():
                process.kill()
                process.join()

    def _answers(self) -> list[tuple[float, float]]:
        answers = []
        for end in self._ends:
            try:
                answer = end.recv() if end.poll(ANSWER_SECONDS) else "no answer in time"
            except EOFError:
                answer = "it ended"
            if isinstance(answer, str):
                raise CrewFailed(answer)
            answers.append(answer)
        return answers


@contextmanager
def crew(count: int, begin: Callable[[], Work[Item]]) -> Iterator[Crew[Item]]:
    """A crew for as long as the block runs."""
    made = Crew(count, begin)
    try:
        yield made
    finally:
        made.dismiss()


def _serve(callers: Connection, end: Connection, begin: Callable[[], Work[Item]]) -> None:
    callers.close()  # with a copy of it here, its closing would never be heard
    ready = (0.0, 0.0)
    try:
        work = begin()
        end.send(ready)
        while True:
            try:
                items = end.recv()
            except EOFError:
                return
            end.send(ready)
            end.recv()
            started = time.monotonic()
            for item in items:
                work(item)
            end.send((started, time.monotonic()))
    except Exception as error:  # noqa: BLE001 - it is told to the caller, whatever it is
        end.send(f"{type(error).__name__}: {error}".splitlines()[0])
