"""gunicorn as it serves the API, with deadlines so short that minutes are over in seconds."""

from pettycash.stack import front
from pettycash.stack.gunicorn_conf import *  # noqa: F403 - gunicorn reads a module's names

front.HEAD_SECONDS = 1.0
front.BODY_SECONDS = 2.0
front.HELD_BYTES_MAX = 4 * 1024 * 1024
worker_connections = 60
workers = 1
