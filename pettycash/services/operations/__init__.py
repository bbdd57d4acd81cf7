"""Cases, alerts, pauses, changes by two people, the outbox's lanes, signs of life."""
