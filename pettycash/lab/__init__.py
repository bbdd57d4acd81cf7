"""Simulators, mailbox, seeds, demo, benchmarks, chaos: not in the production image."""
