"""Operations of what runs the company: cases, changes, settings, pauses, the outbox."""
