"""Entry point of the API in development: the application, with the demo's personas at its door."""

from pettycash.app import create_app
from pettycash.lab.demo import sign_in
from pettycash.runtime import process

process.log_as_json()
app = create_app()
sign_in.install(app)
process.refuse_poolers()
