"""What every rail's adapter is built of: bounded HTTP, shared tokens, kept exchanges."""
