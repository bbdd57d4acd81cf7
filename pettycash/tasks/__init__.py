"""Celery in, services out. A message holds the id of an obligation, and is only a hint to look."""
