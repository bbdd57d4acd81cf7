"""`python -m pettycash`: the command line."""

from pettycash.cli import main

main()
