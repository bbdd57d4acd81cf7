"""Celery in, services out. Celery gets ids of outbox messages, as hints to look at them."""
