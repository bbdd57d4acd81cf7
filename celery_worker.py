"""Entry point of worker, beat and Flower: `celery -A celery_worker worker`."""

from pettycash import config, foundation
from pettycash.worker_app import create_worker

foundation.log_as_json()
celery = create_worker(config.read())
