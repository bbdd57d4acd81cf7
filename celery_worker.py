"""Entry point of worker, beat and Flower: `celery -A celery_worker worker`."""

from pettycash import config
from pettycash.worker_app import create_worker

celery = create_worker(config.read())
