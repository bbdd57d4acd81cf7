"""Entry point of the API for any WSGI server: `gunicorn wsgi:app`."""

from pettycash import foundation
from pettycash.app import create_app

foundation.log_as_json()
app = create_app()
foundation.refuse_poolers()
