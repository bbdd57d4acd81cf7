"""Every benchmark, in the order of the table."""

from typing import Any

from pettycash.lab.bench import callbacks, growth, memory, night, requests, settlement, throughput
from pettycash.lab.bench.benchmark import Benchmark

BENCHMARKS: tuple[Benchmark[Any], ...] = (
    *settlement.BENCHMARKS,
    *requests.BENCHMARKS,
    *throughput.BENCHMARKS,
    *callbacks.BENCHMARKS,
    *night.BENCHMARKS,
    *growth.BENCHMARKS,
    *memory.BENCHMARKS,
)
