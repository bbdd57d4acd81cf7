"""A model that plays against the system: the real services, a virtual clock, a hostile rail.

`ground` is the database that every example starts from, `rail` the rail and its own ledger,
`memory` what the players know to be true, `checks` what has to hold after every rule. The rules
stand by subject: `people`, `workers`, `world`; `quiescence` ends an example, and `machine` is what
Hypothesis plays. `python -m tests.model` is `bin/pettycash model`.
"""
