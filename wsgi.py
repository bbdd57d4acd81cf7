"""Entry point of the API for any WSGI server: `gunicorn wsgi:app`."""

from pettycash import composition
from pettycash.app import create_app

composition.log_as_json()
app = create_app()
