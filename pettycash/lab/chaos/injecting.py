"""Each fault: how it begins, who notices, how it ends, and when the part works again."""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg2

from pettycash.lab.chaos.faults import NETWORK, ChaosFault, FaultKind
from pettycash.lab.chaos.proxy import Mode
from pettycash.lab.chaos.restoring import Restoring
from pettycash.lab.chaos.system import START_SECONDS, System
from pettycash.lab.chaos.watching import QUEUE_OF, Pulse, Watch
from pettycash.stack import redis

HEALED_WITHIN_SECONDS = 90.0
"""A part that does not work again in this time counts as not healed."""

CUTS = 5
"""Commits that lose their answer in one fault."""

MODES = {
    FaultKind.DELAY: Mode.DELAY,
    FaultKind.DRIP: Mode.DRIP,
    FaultKind.HOLD: Mode.HOLD,
    FaultKind.RESET: Mode.RESET,
}
SKEWED, SECOND_BEAT = "worker-skewed", "beat-2"


@dataclass
class Met:
    """A fault that was done, and what became of it."""

    fault: ChaosFault
    detected: bool = False
    healed: bool = False
    recovery_seconds: float | None = None
    """From the end of the fault until the part works again; None: it did not in time."""

    def as_json(self) -> dict[str, Any]:
        """As the report prints it."""
        seconds = self.recovery_seconds
        return self.fault.as_json() | {
            "detected": self.detected,
            "healed": self.healed,
            "recovery_seconds": None if seconds is None else round(seconds, 2),
        }


class Injector:
    """Does faults, one after the other."""

    def __init__(self, system: System, watch: Watch, pulse: Pulse, restoring: Restoring) -> None:
        self._system = system
        self._restoring = restoring
        self._watch = watch
        self._pulse = pulse
        self._doing: dict[FaultKind, Callable[[Met], float]] = {
            FaultKind.KILL: self._kill,
            FaultKind.STOP: self._stop,
            FaultKind.FLUSH: self._flush,
            FaultKind.SKEW: self._skew,
            FaultKind.TWO_BEATS: self._two_beats,
            FaultKind.READ_ONLY: self._read_only,
            FaultKind.CUT: self._cut,
            FaultKind.BACKUP: self._backup,
            FaultKind.RESTORE: self._restore,
            **dict.fromkeys(NETWORK, self._spoil),
        }

    def do(self, fault: ChaosFault) -> Met:
        """Do one fault and wait until its part works again."""
        met = Met(fault)
        ended = self._doing[fault.kind](met)
        part = fault.part
        met.healed = self._system.wait(
            lambda: self._watch.works(part, ended), HEALED_WITHIN_SECONDS
        )
        if met.healed:
            met.recovery_seconds = time.monotonic() - ended
        return met

    # -- each returns the moment at which the fault was over

    def _kill(self, met: Met) -> float:
        name, _, child = met.fault.part.partition(" ")
        if name == "worker":
            self._pulse.note_orphans()
        began = time.monotonic()
        if child:
            before = self._system.children_of(name)
            killed = self._system.kill_child_of(name)
            met.detected = killed and self._system.wait(
                lambda: not set(before) <= set(self._system.children_of(name)), 10
            )
        else:
            self._system.kill(name)
            met.detected = self._system.children[name].exit_code() is not None
        if name == "postgres":  # its recovery counts from when it accepts connections again
            self._system.wait(self._system.plan.postgres.is_ready, HEALED_WITHIN_SECONDS)
            return time.monotonic()
        return began

    def _stop(self, met: Met) -> float:
        name = met.fault.part
        child = self._system.children[name]
        began = time.monotonic()
        self._system.signal(name, signal.SIGSTOP)
        try:
            if name in QUEUE_OF and child.spec.probe is None:
                self._watch.sing(QUEUE_OF[name])
                self._pass(met.fault.seconds)
                met.detected = not self._watch.beats(f"queue:{QUEUE_OF[name]}", began)
            else:
                self._pass(met.fault.seconds)
                met.detected = child.spec.probe is not None and not child.probe()
        finally:
            self._system.signal(name, signal.SIGCONT)
        return time.monotonic()

    def _flush(self, met: Met) -> float:
        server = self._system.redis
        met.detected = redis.ask(server, "DBSIZE") != ":0"
        redis.ask(server, "FLUSHALL")
        return time.monotonic()

    def _spoil(self, met: Met) -> float:
        door = met.fault.part
        self._system.proxies.spoil(door, MODES[met.fault.kind])
        self._pass(met.fault.seconds)
        met.detected = self._system.proxies.heal(door) > 0
        return time.monotonic()

    def _cut(self, met: Met) -> float:
        self._system.proxies.spoil("postgres", Mode.CUT, cuts=CUTS)
        self._pass(met.fault.seconds)
        met.detected = self._system.proxies.heal("postgres") > 0
        return time.monotonic()

    def _read_only(self, met: Met) -> float:
        self._set_read_only("on")
        try:
            self._pass(met.fault.seconds)
            met.detected = self._is_read_only()
        finally:
            self._set_read_only("off")
        return time.monotonic()

    def _set_read_only(self, value: str) -> None:
        connection = self._connect()
        try:
            cursor = connection.cursor()
            cursor.execute("SET default_transaction_read_only = off")
            cursor.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
            cursor.execute("SELECT pg_reload_conf()")
        finally:
            connection.close()

    def _is_read_only(self) -> bool:
        connection = self._connect()
        try:
            cursor = connection.cursor()
            cursor.execute("SHOW transaction_read_only")
            return bool(cursor.fetchone()[0] == "on")
        finally:
            connection.close()

    def _connect(self) -> Any:
        """Round the door, as the superuser; a server that starts is waited for."""
        found: list[Any] = []

        def connected() -> bool:
            try:
                found.append(self._system.plan.postgres.connect())
            except psycopg2.OperationalError:
                return False
            return True

        if not self._system.wait(connected, START_SECONDS):
            raise psycopg2.OperationalError("PostgreSQL does not come back")
        return found[0]

    def _skew(self, met: Met) -> float:
        shift = str(met.fault.hours * 3600)
        before = ("pettycash.lab.chaos.skewed", shift)
        self._system.begin_beside(SKEWED, "worker", before=before)
        try:
            child = self._system.children[SKEWED]
            met.detected = self._system.wait(lambda: self._system.is_ready(child), START_SECONDS)
            self._pass(met.fault.seconds)
            self._pulse.note_orphans()
        finally:
            self._system.end_beside(SKEWED)
        return time.monotonic()

    def _two_beats(self, met: Met) -> float:
        self._system.begin_beside(SECOND_BEAT, "beat")
        try:
            child = self._system.children[SECOND_BEAT]
            met.detected = self._system.wait(lambda: self._system.is_ready(child), START_SECONDS)
            self._pass(met.fault.seconds)
            ended = time.monotonic()
            self._system.kill("beat")  # the leader; whoever comes first takes over
            self._system.wait(lambda: self._watch.works("beat", ended), HEALED_WITHIN_SECONDS)
        finally:
            self._system.end_beside(SECOND_BEAT)
        return ended

    def _backup(self, met: Met) -> float:
        self._restoring.backup()
        met.detected = True
        return time.monotonic()

    def _restore(self, met: Met) -> float:
        began = time.monotonic()
        self._restoring.restore()
        self._pulse.forget_orphans()
        met.detected = True
        return began

    def _pass(self, seconds: float) -> None:
        """Let a fault last, keeping everybody else alive."""
        self._system.wait(lambda: False, seconds)
