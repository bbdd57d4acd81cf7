"""The ground of every domain: actors, permissions, scope, duties, outbox, encryption."""
