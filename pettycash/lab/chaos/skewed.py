"""`python -m pettycash.lab.chaos.skewed SECONDS MODULE …`: run a module with a wrong clock.

The wall clock of the process (`time.time`, which Celery's transport reads) is shifted before
anything else is imported. PostgreSQL's clock, which decides about money, can't be: that nothing
compares the two is what the fault is to show.
"""

import os
import runpy
import sys
import time


def main() -> None:
    """Shift the clock, then become the module."""
    if os.environ.get("PETTYCASH_ENV") == "production":
        sys.exit("a wrong clock is refused in production")
    shift = float(sys.argv[1])
    right = time.time

    def wrong() -> float:
        return right() + shift

    time.time = wrong
    sys.argv = sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
