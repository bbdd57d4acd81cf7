"""Every benchmark, in the order of the table."""

from typing import Any

from pettycash.bench import memory, requests, settlement
from pettycash.bench.benchmark import Benchmark

BENCHMARKS: tuple[Benchmark[Any], ...] = (
    *settlement.BENCHMARKS,
    *requests.BENCHMARKS,
    *memory.BENCHMARKS,
)
