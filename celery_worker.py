"""Entry point of worker, beat and Flower: `celery -A celery_worker worker`."""

from pettycash.runtime import config, process
from pettycash.worker_app import create_worker

process.log_as_json()
celery = create_worker(config.read())
