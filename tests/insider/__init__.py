"""The insider: somebody of the house plays every operation, while the others act honestly.

`company` is a random organisation, `game` what a game knows and how its people ask, `hostile` what
the insider sends, `honest` what everybody else does, `rules` what has to hold after every step.
`python -m tests.insider` is `bin/pettycash insider` (control.md §9).
"""
