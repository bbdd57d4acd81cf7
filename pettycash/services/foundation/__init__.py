"""What every domain stands on: actors, permissions, scope, duties, outbox, encryption."""
