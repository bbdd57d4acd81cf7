"""The parts of every rail's adapter: bounded HTTP, shared tokens, kept exchanges."""
