"""Entry point of worker, beat and Flower: `celery -A celery_worker worker`."""

from pettycash import config
from pettycash.celery_app import create_celery

celery = create_celery(config.read())
