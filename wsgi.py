"""Entry point of the API for any WSGI server: `gunicorn wsgi:app`."""

from pettycash.app import create_app
from pettycash.runtime import process

process.log_as_json()
app = create_app()
process.refuse_poolers()
