"""One run: start everything, pay under fire, let the fire stop, judge."""

import logging
import time
from collections.abc import Callable, Mapping

from pettycash import composition
from pettycash.celery_app import create_celery
from pettycash.lab.chaos import faults, judge
from pettycash.lab.chaos.clients import Clients
from pettycash.lab.chaos.injecting import Injector, Met
from pettycash.lab.chaos.options import SETTLE_SECONDS, Options
from pettycash.lab.chaos.paying import House
from pettycash.lab.chaos.rail import RailSide
from pettycash.lab.chaos.report import ChaosResult
from pettycash.lab.chaos.restoring import Restoring
from pettycash.lab.chaos.system import System
from pettycash.lab.chaos.watching import Pulse, Watch
from pettycash.runtime import config, db
from pettycash.stack.state import StateFolder

logger = logging.getLogger(__name__)

STEP_SECONDS = 300.0
"""How long a fault waits at most for the payments before it."""

RELEASE_SECONDS = 900.0
"""How long clients may take after the last fault for the payments that are left."""

BETWEEN_SECONDS = 0.3
"""Between two faults: time for a few payments to meet a whole system."""

Progress = Callable[[str, int, int], None]
"""Called with what is going on, payments released and faults done."""


def run(
    options: Options, folder: StateFolder, environ: Mapping[str, str], progress: Progress
) -> ChaosResult:
    """A whole run in a state folder of its own; nothing is left running.

    Raises:
        StackError: the system could not be started.
    """
    began = time.monotonic()
    progress("starting", 0, 0)
    system = System(folder, environ)
    try:
        system.start()
        settings = config.read(system.environment)
        composition.compose(settings)
        celery = create_celery(settings)
        house = House.find()
        rail = RailSide(system.simulator_url)
        rail.misbehave(options.seed)
        clients = Clients(system, house, options)
        pulse = Pulse(house, clients)
        watch = Watch(system, clients, celery)
        restoring = Restoring(system, house, rail, clients)
        fire = time.monotonic()
        clients.start()
        pulse.start()
        try:
            injector = Injector(system, watch, pulse, restoring)
            met = _under_fire(options, system, clients, injector, progress)
            clients.allowed = options.payments
            system.wait(_until_done(clients, progress, len(met)), RELEASE_SECONDS)
            fire_seconds = time.monotonic() - fire
            rail.behave()
            progress("settling", clients.released, len(met))
            settled = judge.await_settled(house, rail, system.wait, SETTLE_SECONDS)
        finally:
            clients.stop()
            pulse.stop()
        progress("judging", clients.released, len(met))
        verdict = judge.judge(house, rail, clients, lost=restoring.lost)
        verdict.settled_seconds = settled
        return ChaosResult(
            options=options,
            faults=met,
            verdict=verdict,
            clients=clients,
            lost=restoring.lost,
            rail=rail.calls(),
            decided_seconds=pulse.decided_seconds,
            ended_by_themselves=system.ended_by_themselves,
            fire_seconds=fire_seconds,
            total_seconds=time.monotonic() - began,
            state_dir=str(folder.path),
        )
    finally:
        db.dispose()
        system.end()


def _under_fire(
    options: Options, system: System, clients: Clients, injector: Injector, progress: Progress
) -> list[Met]:
    """Do every fault of the plan when its share of the payments has been released.

    Payments and faults keep step: clients wait where they are a fault ahead, so that no fault
    meets an idle house and no payment is spared.
    """
    plan = faults.draw(options)
    met: list[Met] = []
    for number, fault in enumerate(plan):
        following = plan[number + 1].at if number + 1 < len(plan) else 1.0
        clients.allowed = max(clients.allowed, round(options.payments * following))
        due = int(options.payments * fault.at)
        system.wait(
            lambda due=due: clients.finished >= due or clients.are_done(),  # type: ignore[misc]
            STEP_SECONDS,
        )
        progress(fault.name, clients.released, len(met))
        met.append(injector.do(fault))
        logger.info("fault done", extra=met[-1].as_json())
        system.wait(lambda: False, BETWEEN_SECONDS)
    return met


def _until_done(clients: Clients, progress: Progress, done: int) -> Callable[[], bool]:
    """Whether every payment has been released, with the bars kept moving."""

    def is_done() -> bool:
        progress("no more faults", clients.released, done)
        return clients.are_done()

    return is_done
