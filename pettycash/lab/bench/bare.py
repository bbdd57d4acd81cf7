"""The least that a Flask application can do for a POST: read JSON, insert one row, answer.

Served by the same gunicorn configuration as the API; the reference of `requests`.
"""

import os
import threading

from flask import Flask, Response, jsonify, request
from psycopg2.pool import ThreadedConnectionPool

from pettycash.models.base import new_id

URL_VARIABLE = "DATABASE_URL"
TABLE = "CREATE TABLE bench_rows (id uuid PRIMARY KEY, amount numeric(18,2), body bytea)"
INSERT = "INSERT INTO bench_rows (id, amount, body) VALUES (%s, %s, %s)"
CONNECTIONS = 16

application = Flask("bare")
_lock = threading.Lock()
_pools: list[ThreadedConnectionPool] = []


def _pool() -> ThreadedConnectionPool:
    """This process's connections; made by the first request, as the workers are forked."""
    with _lock:
        if not _pools:
            url = os.environ[URL_VARIABLE].replace("+psycopg2", "")
            _pools.append(ThreadedConnectionPool(1, CONNECTIONS, url))
        return _pools[0]


@application.post("/rows")
def insert() -> tuple[Response, int]:
    """Insert what was sent."""
    body = request.get_json()
    pool = _pool()
    connection = pool.getconn()
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(INSERT, (str(new_id()), body["amount"], request.get_data()))
    finally:
        pool.putconn(connection)
    return jsonify(body), 201
