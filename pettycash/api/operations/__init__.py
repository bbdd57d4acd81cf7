"""Cases, pauses, changes, settings, the outbox and the security log over HTTP."""
