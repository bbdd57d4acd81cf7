"""Rows come in one way: a declared import is tried, proposed and confirmed whole.

`sheets` reads files, `declared` is what an import is, `runs` tries and commits it, `templates`
makes the sheet to fill in; each further module declares one import, and ALL has them by name.
"""

from pettycash.services.imports.declared import By, Import, Outcome, Result
from pettycash.services.imports.people import PEOPLE
from pettycash.services.imports.runs import RowError, Run, check, propose
from pettycash.services.imports.sheets import SIZE_MAX
from pettycash.services.imports.templates import template

ALL = {each.name: each for each in (PEOPLE,)}


__all__ = [
    "ALL",
    "PEOPLE",
    "SIZE_MAX",
    "By",
    "Import",
    "Outcome",
    "Result",
    "RowError",
    "Run",
    "check",
    "propose",
    "template",
]
