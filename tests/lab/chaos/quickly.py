"""The command line whose `chaos` forks what it would start (tests/zygote.py)."""

from pettycash.cli import main
from pettycash.lab.chaos import system
from tests.zygote import QuickChild

system.Child = QuickChild  # type: ignore[misc]
main()
