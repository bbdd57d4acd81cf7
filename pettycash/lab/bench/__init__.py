"""Measurements beside a reference that runs in the same call: `bin/pettycash bench`.

A module of this room exports `BENCHMARKS`, a tuple of `Benchmark` (benchmark.py); catalogue.py
lists them all. The harness makes a throw-away stage (stage.py), calls `setup` once and then, round
by round, `measured` and `reference` in turn, and compares their medians (rounds.py). Benchmarks
with the same `setup` share one stage. crew.py runs the same work in several processes at once.
"""
