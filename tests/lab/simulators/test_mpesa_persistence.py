"""The ledger, the callbacks owed and the operator's lock outlive a kill."""

import contextlib
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.lab.simulators.daraja import ROOT, Daraja, settled_quietly
from tests.patience import budget


def test_a_kill_loses_no_movement_and_no_callback(start: Callable[..., Daraja]) -> None:
    client = start("--callback-delay", "1")
    paid = [client.pay() for _ in range(5)]
    late = client.pay(scenario="settle_late:0.5")
    asked = client.ask(OriginalConversationID=paid[0].reference)
    before = client.simulator.page("ledger")
    certificate = client.simulator.certificate()

    client.simulator.end(signal.SIGKILL)
    assert all(one.results(0) == [] for one in paid)
    client.simulator.start()

    assert client.simulator.page("ledger")["movements"][:5] == before["movements"]
    assert client.simulator.certificate() == certificate
    for one in paid:
        assert [each.result["ResultCode"] for each in one.results()] == [0]
    assert late.results()[0].result["ResultCode"] == 0
    assert len(late.movements) == 1
    assert asked.results()[0].values["TransactionStatus"] == "Completed"
    assert paid[0].again().json["errorCode"] == "500.002.1001"  # the token outlived it too


def test_what_was_delivered_is_not_delivered_again(start: Callable[..., Daraja]) -> None:
    client = start()
    paid = client.pay()
    paid.results()
    settled_quietly(client, paid)

    client.simulator.end(signal.SIGKILL)
    client.simulator.start()
    time.sleep(0.3)

    assert len(paid.results()) == 1


def test_kills_under_load_keep_answer_and_ledger_together(start: Callable[..., Daraja]) -> None:
    client = start()
    client.get_token()
    credential = client.credential()
    accepted: list[str] = []
    sent: list[str] = []
    stop = threading.Event()

    def load() -> None:
        while not stop.is_set():
            body = client.payment_body(SecurityCredential=credential)
            sent.append(str(body["OriginatorConversationID"]))
            try:
                answer = client.post("/mpesa/b2c/v3/paymentrequest", body, read_timeout=3)
            except requests.RequestException:
                time.sleep(0.02)
                continue
            if answer.json().get("ResponseCode") == "0":
                accepted.append(str(body["OriginatorConversationID"]))

    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            pool.submit(load)
        for _ in range(3):
            time.sleep(0.3)
            client.simulator.end(signal.SIGKILL)
            client.simulator.start()
        time.sleep(0.2)
        stop.set()

    movements = client.simulator.page("ledger", limit=10_000)["movements"]
    moved = [one["originator_reference"] for one in movements]
    assert len(accepted) > 20
    assert len(moved) == len(set(moved))
    assert set(accepted) <= set(moved) <= set(sent)
    spent = sum(float(one["amount"]) for one in movements)
    assert float(client.simulator.page("ledger")["utility_balance"]) == 100_000_000 - spent


def test_sigterm_ends_at_once_and_cleanly_even_while_slow(start: Callable[..., Daraja]) -> None:
    client = start()
    client.get_token()
    body = client.payment_body()
    slow = threading.Thread(
        target=lambda: _swallow(lambda: client.post(
            "/mpesa/b2c/v3/paymentrequest", body, scenario="answer_slow:30")),
    )  # fmt: skip
    slow.start()
    time.sleep(0.3)
    began = time.monotonic()

    code = client.simulator.end()

    assert code == 0
    assert time.monotonic() - began < budget(2)
    slow.join()


def _swallow(call: Callable[[], object]) -> None:
    with contextlib.suppress(requests.RequestException):
        call()


def test_it_starts_quickly(start: Callable[..., Daraja]) -> None:
    began = time.monotonic()
    client = start()
    first = time.monotonic() - began
    client.simulator.end()
    began = time.monotonic()
    client.simulator.start()

    assert first < budget(3)  # 0.2 s on a quiet machine
    assert time.monotonic() - began < budget(3)


def test_two_on_one_state_folder_are_refused(start: Callable[..., Daraja]) -> None:
    client = start()

    second = subprocess.run(
        [
            sys.executable, "-m", "pettycash.lab.simulators.mpesa", "--port", "0",
            "--state", str(client.simulator.state),
        ],
        capture_output=True, text=True, timeout=budget(20), cwd=ROOT, check=False,
    )  # fmt: skip

    assert second.returncode == 1
    assert "another simulator uses" in second.stderr
    assert client.pay().json["ResponseCode"] == "0"


def test_a_taken_port_is_said_in_one_line(start: Callable[..., Daraja]) -> None:
    client = start()

    second = subprocess.run(
        [
            sys.executable, "-m", "pettycash.lab.simulators.mpesa",
            "--port", client.simulator.url.rsplit(":")[-1],
            "--state", str(client.simulator.state.parent / "other"),
        ],
        capture_output=True, text=True, timeout=budget(20), cwd=ROOT, check=False,
    )  # fmt: skip

    assert second.returncode == 1
    assert "Address already in use" in second.stderr
    assert "Traceback" not in second.stderr


def test_the_ledger_cannot_be_edited(start: Callable[..., Daraja]) -> None:
    client = start()
    client.pay()
    client.simulator.end()
    database = sqlite3.connect(client.simulator.state / "ledger.sqlite3")

    for statement in ("UPDATE movements SET amount_cents = 1", "DELETE FROM movements"):
        with pytest.raises(sqlite3.IntegrityError, match="money moved is not"):
            database.execute(statement)
    database.close()


def test_the_operators_lock_outlives_a_restart(start: Callable[..., Daraja]) -> None:
    client = start("--lock-after", "1")
    assert client.pay(SecurityCredential="eA==").results()[0].result["ResultCode"] == 2001
    client.simulator.end(signal.SIGKILL)
    client.simulator.start()

    assert client.pay().results()[0].result["ResultCode"] == 8006


def test_a_scenario_that_an_older_version_knew_stops_nothing(start: Callable[..., Daraja]) -> None:
    client = start()
    paid = client.pay(scenario="settle_late:2")
    client.simulator.end(signal.SIGKILL)
    database = sqlite3.connect(client.simulator.state / "ledger.sqlite3")
    database.execute("UPDATE payments SET scenario = 'forgotten_by_now'")
    database.commit()
    database.close()
    client.simulator.start()

    assert paid.results()[0].result["ResultCode"] == 0
    assert len(paid.movements) == 1
    assert paid.again().json["errorCode"] == "500.002.1001"
