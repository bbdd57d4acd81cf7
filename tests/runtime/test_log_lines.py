"""The log of a process: whoever writes, whatever they write, one JSON object a line."""

import json
import subprocess
import sys
from typing import Any

import pytest

from pettycash.stack.state import ROOT

HOSTILE = 'a\n{"event": "forged"}\r\n\x00\x1b[2K\x0b\x0c\x85\u2028\u2029\u202e\ud800é'
ID = "0192f7e2-6d1c-7a44-9d5b-254712345678"

BEGIN = f"""
import logging, warnings
from pettycash.runtime import log_lines
log_lines.write_json(context=lambda: {{"request_id": "r-1"}})
logger = logging.getLogger("some.library")
HOSTILE = {HOSTILE!r}
"""


def lines_of(program: str, *, ends: int = 0) -> list[dict[str, Any]]:
    """What a process wrote; only a line feed ends a line."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + program],
        check=False, capture_output=True, cwd=ROOT, env={"PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == ends, done.stderr
    text = done.stderr.decode("ascii")
    assert text.endswith("\n")
    lines = text.split("\n")[:-1]
    assert all(line.isprintable() for line in lines)
    return [json.loads(line) for line in lines]


def test_nothing_that_is_logged_forges_a_line() -> None:
    found = lines_of(
        """
logger.warning(HOSTILE)
logger.warning("with %s", HOSTILE)
logger.info("extra", extra={"path": HOSTILE, "deep": {HOSTILE: [HOSTILE, object(), 1.5]}})
try:
    raise ValueError(HOSTILE)
except ValueError:
    logger.exception("caught")
warnings.warn(HOSTILE)
"""
    )
    assert len(found) == 5
    assert {line["event"] for line in found}.isdisjoint({"forged"})
    assert all(line["request_id"] == "r-1" and line["timestamp"] for line in found)
    assert found[0]["event"] == HOSTILE.replace("\x00", "\ufffd").replace("\ud800", "\ufffd")
    assert "ValueError" in found[3]["exception"]


def test_the_last_words_of_a_process_are_a_line() -> None:
    program = """
import threading
def fail(): raise RuntimeError(HOSTILE)
thread = threading.Thread(target=fail)
thread.start()
thread.join()
fail()
"""
    for line in lines_of(program, ends=1):
        assert (line["level"], line["event"]) == ("critical", "an error that nobody caught")
        assert "RuntimeError" in line["exception"]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("paid to 254712345678 today", "paid to *********678 today"),
        ("0712345678", "*******678"),
        ("é0712345678\n+254712345678", "é*******678\n**********678"),
        ("+4915112345678", "***********678"),
        (f"payment {ID}", f"payment {ID}"),
        ("Authorization: Bearer abcdefgh1234", "Authorization: Bearer [cut]"),
        ("pc_at_Zm9vYmFy-_x and pc_key_0a1b2c_Zm9v", "pc_at_[cut] and pc_key_[cut]"),
        ("redis://:hunter2@127.0.0.1:6379/0", "redis://:[cut]@127.0.0.1:6379/0"),
        (f"/api/callbacks/{'a' * 65}/{'b' * 64}", f"/api/callbacks/{'a' * 65}/[cut]"),
        (f"//callbacks/x//{'0' * 64}/", "//callbacks/x//[cut]/"),
    ],
)
def test_numbers_and_secrets_are_cut_out_of_every_value(given: str, shown: str) -> None:
    found = lines_of(
        f"""
logger.info({given!r})
logger.info("%s", {given!r})
logger.info("x", extra={{"path": {given!r}, "list": [{given!r}]}})
"""
    )
    assert [found[0]["event"], found[1]["event"], found[2]["path"], *found[2]["list"]] == [
        shown
    ] * 4


def test_what_a_secret_is_called_hides_it() -> None:
    (line,) = lines_of(
        """logger.info("x", extra={"password": "hunter2", "a": {"access_token": "t", "Pin": 1}})"""
    )
    assert (line["password"], line["a"]) == ("[cut]", {"access_token": "[cut]", "Pin": "[cut]"})


def test_a_row_that_the_database_refused_is_not_shown() -> None:
    (line,) = lines_of(
        """
try:
    raise ValueError("null\\nDETAIL:  Failing row contains (Amina,\\n+254712345678).\\n[SQL: x]")
except ValueError:
    logger.exception("refused")
"""
    )
    assert "Amina" not in line["exception"]
    assert "[SQL: x]" in line["exception"]
