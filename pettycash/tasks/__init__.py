"""Celery in, services out. A message holds ids of obligations, and is only a hint to look."""
