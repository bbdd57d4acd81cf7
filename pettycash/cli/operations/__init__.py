"""Commands about cases, pauses and the outbox."""
