"""Chaos: the whole system as real processes, killed and cut off while payments go on, then judged.

Nothing here runs in production. `options` says what is asked, `faults` draws the plan from a seed,
`system` runs the processes behind `proxy`, `clients` pays, `judge` compares the ledgers.
"""
