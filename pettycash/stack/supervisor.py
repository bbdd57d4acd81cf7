"""Starts the stack in order, keeps it running, and takes it down in reverse order.

One thread: the kernel ties the life of a child to the thread that forked it.
"""

import json
import os
import signal
import time
from collections.abc import Callable
from types import FrameType

from pettycash.runtime import config
from pettycash.stack import children, console, probes
from pettycash.stack.plan import StackPlan
from pettycash.stack.processes import Child, ChildSpec, ChildState, is_alive
from pettycash.stack.state import StackError, write_private

TICK_SECONDS = 0.05
WATCH_SECONDS = 0.2
PROBE_EVERY_SECONDS = 10.0
FAILED_PROBES_MAX = 3
STOP_SECONDS = {children.OURS: 8.0, children.OUTSIDE: 1.5, children.SERVERS: 4.5}
"""How long each tier may take before it is killed: 14 of the 15 seconds that Ctrl-C may take."""

STOP_SECONDS_IN_PRODUCTION = 75.0
"""How long our own processes may take there, where workers let a call to a rail end."""


class StopRequested(Exception):
    """Ctrl-C or SIGTERM while something was being waited for."""


class StartFailed(StackError):
    """A part did not become ready; `log` holds the last lines that it wrote."""

    def __init__(self, sentence: str, log: list[str]) -> None:
        super().__init__(sentence)
        self.log = log


class Supervisor:
    """The life of one stack."""

    def __init__(self, plan: StackPlan) -> None:
        self.plan = plan
        self.children: list[Child] = []
        self.story: Child | None = None
        self.began = time.monotonic()
        self.is_up = False
        self._stop_signals = 0
        self._is_published = False
        self._next_probe = 0.0
        self._probe_turn = 0

    def run(self) -> int:
        """Start everything, watch it until asked to stop, stop it. Returns the exit code.

        Raises:
            StackError: it can't be started; nothing is left running.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Under nohup a closed terminal is no reason to stop.
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._on_signal)
        try:
            self._start()
            self._watch()
        except StopRequested:
            pass
        finally:
            self._stop()
        return 0

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop_signals += 1

    def _check_stop(self) -> None:
        if self._stop_signals:
            raise StopRequested

    def _wait(self, until: Callable[[], bool], seconds: float) -> bool:
        """Wait for a condition; False when the time is over."""
        deadline = time.monotonic() + seconds
        while not until():
            self._check_stop()
            self._note_ready()
            if time.monotonic() > deadline:
                return False
            time.sleep(TICK_SECONDS)
        return True

    def _note_ready(self) -> None:
        """Parts that start beside the one that is waited for are ready when they say so."""
        for child in self.children:
            if child.state is ChildState.STARTING and child.probe():
                child.note_ready()

    # -- start

    def _start(self) -> None:
        plan = self.plan
        self._await_predecessors()
        plan.check()
        self.publish()
        console.starting(plan.is_production)
        outside = [self._launch(spec) for spec in children.outside(plan)]
        self._start_servers()
        for spec in children.one_shots(plan):
            self._run_to_end(spec)
        for child in outside:
            self._await_ready(child)
        self._start_ours()
        self.is_up = True
        self.publish()
        if plan.borrows_owner:
            console.note(
                "DATABASE_SYSTEM_URL is not set: cross-company work (relay, sign-in, nightly runs)"
                " uses the owner role; give it one of its own (docs/configuration.md)"
            )
        if limits := config.other_limits(plan.environment):
            console.note(f"limits other than production's: {limits}")
        for name, usual in plan.moved.items():
            console.moved_port(name, usual, plan.port(name))
        console.banner(plan.connections(), plan.folder.personas(), self.began)
        if plan.tells_story and not plan.is_production:
            self.story = Child(children.story(plan), plan.folder.logs)
            self.story.start()
            self.publish()

    def _await_predecessors(self) -> None:
        """After kill -9 of an earlier supervisor its children are still on their way out."""
        run = self.plan.folder.read_run() or {}
        left = [
            (int(each["pid"]), each.get("ticks"))
            for each in run.get("processes", [])
            if each.get("pid")
        ]
        if self._wait(lambda: not any(is_alive(*each) for each in left), 15.0):
            return
        for pid, ticks in left:
            if is_alive(pid, ticks):
                os.kill(pid, signal.SIGKILL)

    def _start_servers(self) -> None:
        plan = self.plan
        for title, url, port in children.own_servers(plan):
            began = time.monotonic()
            if not self._wait(probes.tcp(url, port), 10.0):
                raise StackError(f"your server for {title} does not accept connections; start it")
            console.step(title, time.monotonic() - began)
        if not plan.own_database:
            began = time.monotonic()
            made = plan.postgres.prepare()
            self._await_ready(self._launch(children.postgres_spec(plan)), began)
            plan.postgres.make_roles()
            plan.postgres.make_database()
            if made:
                plan.folder.forget_personas()
        if not plan.own_redis:
            plan.redis.prepare()
            self._await_ready(self._launch(children.redis_spec(plan)))

    def _start_ours(self) -> None:
        """All at once, as none of them needs another to be ready; Flower needs the workers."""
        *first, flower = children.ours(self.plan)
        started = [self._launch(spec) for spec in first]
        for child in started:
            self._await_ready(child)
        self._await_ready(self._launch(flower))

    def _launch(self, spec: ChildSpec) -> Child:
        child = Child(spec, self.plan.folder.logs)
        self.children.append(child)
        child.start()
        self.publish()
        return child

    def _await_ready(self, child: Child, began: float | None = None) -> None:
        def ready_or_gone() -> bool:
            return child.exit_code() is not None or child.state is ChildState.READY

        ready = self._wait(ready_or_gone, child.spec.ready_within_seconds)
        if child.exit_code() is not None:
            raise StartFailed(f"{child.spec.title} ended while starting", child.log_tail())
        if not ready:
            seconds = child.spec.ready_within_seconds
            raise StartFailed(
                f"{child.spec.title} was not ready after {seconds:.0f} s", child.log_tail()
            )
        self.publish()
        seconds = child.ready_at - (began or child.started_at)
        console.step(child.spec.title, seconds, child.spec.url)

    def _run_to_end(self, spec: ChildSpec) -> None:
        child = Child(spec, self.plan.folder.logs)
        child.start()
        try:
            ended = self._wait(lambda: child.exit_code() is not None, spec.ready_within_seconds)
            if not ended:
                raise StartFailed(f"{spec.title} did not end in time", child.log_tail())
            if child.exit_code() != 0:
                raise StartFailed(f"{spec.title} failed", child.log_tail())
            console.step(spec.title, time.monotonic() - child.started_at)
        finally:
            child.finish()

    # -- watch

    def _watch(self) -> None:
        while not self._stop_signals:
            changed = [self._attend(child) for child in self.children]
            changed.append(self._probe_next())
            changed.append(self._attend_story())
            if any(changed):
                self.publish()
            time.sleep(WATCH_SECONDS)

    def _attend(self, child: Child) -> bool:
        """Notice what became of a child since the last look; True where its state changed."""
        before = child.state
        if child.state is ChildState.BACKING_OFF:
            if time.monotonic() >= child.again_at:
                child.start()
        elif (code := child.exit_code()) is not None:
            wait = child.schedule_restart()
            how = f"killed by signal {-code}" if code < 0 else f"ended with {code}"
            console.incident(child.name, f"{how}, starts again in {wait:.1f} s")
        elif child.state is ChildState.STARTING:
            if child.probe():
                child.note_ready()
                seconds = child.ready_at - child.started_at
                console.incident(child.name, f"ready again after {seconds:.1f} s")
            elif time.monotonic() - child.started_at > child.spec.ready_within_seconds:
                console.incident(child.name, "is not getting ready, is killed and started again")
                child.sweep()
        return child.state is not before

    def _attend_story(self) -> bool:
        """Notice the end of the demo's story, which is not started again before the next `up`."""
        if self.story is None or self.story.state is not ChildState.STARTING:
            return False
        code = self.story.exit_code()
        if code is None:
            return False
        self.story.finish()
        self.story.state = ChildState.DONE if code == 0 else ChildState.FAILED
        if code != 0:
            console.incident("story", "ended early; see: bin/pettycash logs story")
        return True

    def _probe_next(self) -> bool:
        """Ask one ready child at a time whether it still answers."""
        now = time.monotonic()
        asked = [child for child in self.children if child.spec.probe is not None]
        if not asked or now < self._next_probe:
            return False
        self._next_probe = now + PROBE_EVERY_SECONDS / len(asked)
        self._probe_turn = (self._probe_turn + 1) % len(asked)
        child = asked[self._probe_turn]
        if child.state not in {ChildState.READY, ChildState.UNRESPONSIVE}:
            return False
        if child.probe():
            was_silent = child.state is ChildState.UNRESPONSIVE
            child.note_ready()
            if was_silent:
                console.incident(child.name, "answers again")
            return was_silent
        child.failed_probes += 1
        if child.failed_probes != FAILED_PROBES_MAX:
            return False
        child.state = ChildState.UNRESPONSIVE
        console.incident(
            child.name, f"runs but does not answer; see: bin/pettycash logs {child.name}"
        )
        return True

    # -- stop

    def _stop(self) -> None:
        began = time.monotonic()
        was_up, self.is_up = self.is_up, False
        # A second Ctrl-C hurries; what is left of the first is forgotten.
        self._stop_signals = 0
        if was_up:
            console.stopping()
        if self.story is not None:
            self.story.finish()
            self.story = None
        for tier in sorted({child.spec.tier for child in self.children}, reverse=True):
            self._stop_tier(tier)
        self.children.clear()
        if self._is_published:
            self.publish()
        if was_up:
            console.stopped(time.monotonic() - began)

    def _stop_tier(self, tier: int) -> None:
        """Ask in reverse order of the start, wait together, kill what overstays."""
        tier_children = [child for child in reversed(self.children) if child.spec.tier == tier]
        for child in tier_children:
            child.ask_to_stop()
        is_patient = self.plan.is_production and tier == children.OURS
        allowed = STOP_SECONDS_IN_PRODUCTION if is_patient else STOP_SECONDS[tier]
        deadline = time.monotonic() + allowed
        while any(child.process and child.exit_code() is None for child in tier_children):
            hurried = self._stop_signals and tier != children.SERVERS
            if hurried or time.monotonic() > deadline:
                break
            time.sleep(TICK_SECONDS)
        for child in tier_children:
            child.finish()

    # -- what others may know

    def publish(self) -> None:
        """Write down what runs, for `status`, for the other commands, and for our successor."""
        self._is_published = True
        run = {
            "pid": os.getpid(),
            "state_dir": str(self.plan.folder.path),
            "ready": self.is_up,
            "connections": self.plan.connections(),
            "environment": self.plan.shared_environment,
            "processes": [child.as_dict() for child in self.children],
            "story": str(self.story.state) if self.story else None,
        }
        write_private(self.plan.folder.run_file, json.dumps(run, indent=2) + "\n")
