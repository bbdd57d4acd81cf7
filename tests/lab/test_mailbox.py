"""The development mailbox over real SMTP and HTTP."""

import json
import smtplib
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from pettycash.lab.mailbox.store import KEPT_MAX, Mailbox
from pettycash.stack import probes
from pettycash.stack.ports import LOOPBACK, Ports
from pettycash.stack.state import ROOT
from tests.patience import budget
from tests.servers import wait_until


@dataclass(frozen=True)
class Running:
    """A mailbox process."""

    url: str
    smtp_port: int
    folder: Path

    def send(self, subject: str, text: str, *to: str, html: str = "") -> None:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "pettycash@test", to[0], subject
        message.set_content(text)
        if html:
            message.add_alternative(html, subtype="html")
        with smtplib.SMTP(LOOPBACK, self.smtp_port, timeout=5) as smtp:
            smtp.send_message(message, to_addrs=list(to))

    def get(self, path: str, host: str = "") -> tuple[int, str, dict[str, str]]:
        request = urllib.request.Request(self.url + path)
        if host:
            request.add_header("Host", host)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, answer.read().decode(), dict(answer.headers)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode(), dict(error.headers)

    def messages(self, query: str = "") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.get(f"/messages.json{query}")[1])
        return found


def start(folder: Path) -> tuple[subprocess.Popen[bytes], Running]:
    """Start the mailbox as `up` does."""
    ports = Ports(usual=False)
    port, smtp_port = ports.take(0), ports.take(0)
    process = subprocess.Popen(
        [
            sys.executable, "-m", "pettycash.lab.mailbox", "--port", str(port),
            "--smtp-port", str(smtp_port), "--folder", str(folder),
        ],
        cwd=ROOT,
    )  # fmt: skip
    url = f"http://{LOOPBACK}:{port}"
    assert wait_until(probes.answers_ok(f"{url}/healthz"), 10)
    return process, Running(url, smtp_port, folder)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    process, found = start(tmp_path / "mailbox")
    yield found
    process.terminate()
    process.wait(budget(5))


def test_what_is_sent_arrives_newest_first(running: Running) -> None:
    running.send("Your code", "123456 pays 1,500.00 KES", "treasury@demo.test")
    running.send("Another", "Grüße an Ngũgĩ", "cfo@demo.test")
    messages = running.messages()
    assert [each["subject"] for each in messages] == ["Another", "Your code"]
    assert messages[0]["text"] == "Grüße an Ngũgĩ"
    assert messages[1]["to"] == ["treasury@demo.test"]
    assert messages[1]["received_at"].endswith("+00:00")


def test_messages_to_one_address(running: Running) -> None:
    running.send("one", "1", "a@demo.test", "b@demo.test")
    running.send("two", "2", "c@demo.test")
    assert [each["subject"] for each in running.messages("?to=B@demo.test")] == ["one"]
    assert running.messages("?to=nobody@demo.test") == []


def test_they_survive_the_process(tmp_path: Path) -> None:
    folder = tmp_path / "mailbox"
    process, first = start(folder)
    first.send("kept", "still here", "a@demo.test")
    process.kill()
    process.wait(budget(5))
    process, second = start(folder)
    try:
        assert [each["subject"] for each in second.messages()] == ["kept"]
    finally:
        process.terminate()
        process.wait(budget(5))
    assert all(file.stat().st_mode & 0o077 == 0 for file in folder.iterdir())


def test_the_page_trusts_nothing_in_a_message(running: Running) -> None:
    running.send("<script>alert(1)</script>", "<img src=x onerror=alert(2)>", "a@demo.test")
    status, page, headers = running.get("/?to=%22%3E%3Cscript%3E")
    assert status == 200
    assert "<script" not in page
    status, page, headers = running.get("/")
    assert "&lt;script&gt;alert(1)" in page
    assert "<img" not in page
    assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_the_envelope_can_not_be_forged_by_the_message(running: Running) -> None:
    with smtplib.SMTP(LOOPBACK, running.smtp_port, timeout=5) as smtp:
        content = b"X-Envelope-To: victim@demo.test\r\nSubject: forged\r\n\r\nhello\r\n"
        smtp.sendmail("a@demo.test", ["real@demo.test"], content)
    assert running.messages("?to=victim@demo.test") == []
    assert [each["subject"] for each in running.messages("?to=real@demo.test")] == ["forged"]


def test_a_foreign_name_that_points_here_gets_nothing(running: Running) -> None:
    running.send("secret", "123456", "a@demo.test")
    status, body, _ = running.get("/messages.json", host="evil.example")
    assert status == 421
    assert "123456" not in body


def test_other_pages_do_not_exist(running: Running) -> None:
    assert running.get("/../secrets.json")[0] == 404


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\x00broken",
        b"Subject: =?bogus?Q?x?=\r\nContent-Type: text/plain; charset=klingon\r\n\r\n\xff\r\n",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n",
        b"",
    ],
)
def test_any_bytes_are_kept_and_shown(running: Running, content: bytes) -> None:
    Mailbox(running.folder).keep("a@demo.test", ["b@demo.test"], content)
    assert len(running.messages()) == 1
    assert running.get("/")[0] == 200


def test_old_messages_go(tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path)
    for number in range(KEPT_MAX + 3):
        mailbox.keep("a@demo.test", ["b@demo.test"], f"Subject: {number}\r\n\r\n".encode())
    assert len(list(tmp_path.glob("*.eml"))) == KEPT_MAX
    assert mailbox.messages(limit=1)[0].subject == str(KEPT_MAX + 2)
