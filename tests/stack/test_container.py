"""Commands as they run in a container: the environment is all there is, the folder is empty."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pettycash.api import health
from pettycash.services.operations import heartbeats
from pettycash.stack.state import ROOT
from tests import production
from tests.patience import budget
from tests.servers import Database


@pytest.fixture
def environ(live: Database, tmp_path: Path) -> dict[str, str]:
    """What docker-compose.yml gives `api`, with its secret files where they are here."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    secrets = tmp_path / "secrets"
    made = subprocess.run(
        [sys.executable, ROOT / "docker" / "make-secrets", secrets, "--smtp-url", "smtp://mail:25"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    for name, url in (
        ("database_url", live.app_url),
        ("database_system_url", live.system_url),
        ("redis_url", live.redis_url),
    ):
        (secrets / name).chmod(0o600)
        (secrets / name).write_text(url)
    given = {
        name: value.replace("/run/secrets", str(secrets))
        for name, value in compose["services"]["api"]["environment"].items()
        if name.endswith("_FILE")
    }
    given |= {
        name: production.ENVIRON[name]
        for name in ("PETTYCASH_ENV", "PETTYCASH_CALLBACK_BASE_URL", "PETTYCASH_MAIL_FROM")
    }
    (tmp_path / "empty").mkdir()
    return given | {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PETTYCASH_STATE_DIR": str(tmp_path / "none"),
    }


def run(environ: dict[str, str], tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`docker compose exec api python -m pettycash …`."""
    done = subprocess.run(
        [sys.executable, "-m", "pettycash", *words],
        check=False, capture_output=True, text=True, timeout=budget(60),
        env=environ, cwd=tmp_path / "empty",
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done


def checks(found: Any) -> dict[str, bool]:
    return {each["name"]: each["ok"] for each in found}


def test_status_asks_the_servers(environ: dict[str, str], tmp_path: Path) -> None:
    done = run(environ, tmp_path, "status", "--json")
    found = json.loads(done.stdout)
    ok = checks(found["checks"])
    assert done.returncode == 1
    assert (found["running"], found["ready"], found["processes"]) == (True, False, [])
    assert ok["database"] and ok["migrations"] and ok["redis"] and ok["books"]  # noqa: PT018
    assert not any(ok[name] for name in (*heartbeats.BOUNDS_SECONDS, "mail"))
    assert "relay\tFalse\tnever heard of" in run(environ, tmp_path, "status").stdout


def test_status_names_a_server_that_is_away(environ: dict[str, str], tmp_path: Path) -> None:
    away = "postgresql://pettycash_app:a@127.0.0.1:9/b"
    found = json.loads(
        run(
            environ | {"DATABASE_URL": away, "REDIS_URL": "redis://:made-here@127.0.0.1:9/0"},
            tmp_path, "status", "--json",
        ).stdout
    )  # fmt: skip
    assert checks(found["checks"]) == {"database": False, "redis": False, "mail": False}
    assert found["running"] is False


def test_doctor_looks_at_what_is_there(environ: dict[str, str], tmp_path: Path) -> None:
    done = run(environ, tmp_path, "doctor", "--json")
    found = {each["name"]: each for each in json.loads(done.stdout)}
    assert found["PostgreSQL"]["text"] == "your own, by DATABASE_URL"
    assert found["Redis"]["text"] == "your own, by REDIS_URL: answers"
    assert found["configuration"]["well"]
    assert not found["mail"]["well"]
    assert "relay (never heard of)" in found["system"]["text"]
    assert "bin/pettycash up" not in done.stdout


def test_doctor_says_which_setting_is_wrong(environ: dict[str, str], tmp_path: Path) -> None:
    del environ["PETTYCASH_MAIL_FROM"]
    environ["PETTYCASH_OTP_KEY_FILE"] = str(tmp_path / "nowhere")
    done = run(environ, tmp_path, "doctor")
    assert done.returncode == 1
    assert "PETTYCASH_OTP_KEY_FILE" in done.stdout
    environ |= {"PETTYCASH_OTP_KEY": production.KEYS["PETTYCASH_OTP_KEY"]}
    assert "PETTYCASH_MAIL_FROM must be" in run(environ, tmp_path, "doctor").stdout
    status = run(environ, tmp_path, "status")
    assert status.returncode == 1
    assert "PETTYCASH_MAIL_FROM must be" in status.stderr
    assert len(status.stderr.strip().splitlines()) == 1


def test_the_revision_is_told_without_the_owners_url(
    environ: dict[str, str], tmp_path: Path
) -> None:
    done = run(environ, tmp_path, "db", "current", "--json")
    assert json.loads(done.stdout)["revision"] == health.head(), done.stderr
    refused = run(environ, tmp_path, "db", "upgrade")
    assert refused.returncode == 1
    assert "DATABASE_OWNER_URL is not set" in refused.stderr
