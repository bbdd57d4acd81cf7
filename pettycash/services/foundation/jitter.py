"""Full jitter: what many would do at one moment after an outage is drawn over the whole time.

A fixed wait, or half a random one, keeps those in step that fell into it together.
"""

import random
from datetime import timedelta

FLOOR_SECONDS = 1.0


def up_to(ceiling_seconds: float, *, floor: float = FLOOR_SECONDS) -> timedelta:
    """A wait between a small floor and a ceiling, any as likely as any other."""
    return timedelta(seconds=random.uniform(min(floor, ceiling_seconds), ceiling_seconds))


def doubling(first_seconds: float, times: int, *, longest: float) -> timedelta:
    """The wait after so many tries: its ceiling doubles with each of them, up to the longest."""
    return up_to(min(first_seconds * 2 ** min(times - 1, 16), longest))
