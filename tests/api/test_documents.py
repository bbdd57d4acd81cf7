"""The documents say what the program says."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from pettycash.runtime import errors, production
from pettycash.runtime.config import variable_of
from pettycash.runtime.settings import Settings
from pettycash.web.problems import STATUS_BY_KIND, status_of
from tests import documents
from tests.api.client import ApiClient

CONFIGURATION = documents.ROOT / "docs" / "configuration.md"
ROW = re.compile(r"^\| `(\w+)` \| (?:`(.*)`)? ?\| (.+) \|$", re.MULTILINE)


def test_errors_are_documented_as_they_are() -> None:
    assert documents.ERRORS.read_text(encoding="utf-8") == documents.render_errors(), (
        "run `python -m tests.documents`"
    )


def test_who_decides_what_is_documented_as_it_is_declared() -> None:
    assert documents.CONTROL.read_text(encoding="utf-8") == documents.render_control(), (
        "run `python -m tests.documents`"
    )


def test_posting_rules_are_documented_as_they_are() -> None:
    assert documents.LEDGER.read_text(encoding="utf-8") == documents.render_ledger(), (
        "run `python -m tests.documents`"
    )


def test_every_error_explains_itself_and_names_a_domain() -> None:
    for one in documents.error_classes():
        where = f"{one.__module__}.{one.__name__}"
        assert (vars(one).get("__doc__") or "").strip(), f"{where} has no docstring"
        assert re.fullmatch(r"[a-z_]+(\.[a-z0-9_]+)+", one.code), f"{where}: {one.code}"
        assert one.code != errors.PettycashError.code, f"{where} has no code of its own"


def test_a_code_means_one_status() -> None:
    statuses: dict[str, set[int]] = {}
    for one in documents.error_classes():
        statuses.setdefault(one.code, set()).add(int(status_of(one)))

    assert {code: found for code, found in statuses.items() if len(found) > 1} == {}


def test_every_kind_has_a_status_of_its_own() -> None:
    assert len({*STATUS_BY_KIND.values()}) == len(errors.KINDS)


def test_codes_that_operations_mention_exist(common: ApiClient) -> None:
    known = {one.code for one in documents.error_classes()}
    document = common.anonymous.get("/api/openapi.json").json
    unknown = []
    for path, item in document["paths"].items():
        for operation in (each for each in item.values() if isinstance(each, dict)):
            for response in operation.get("responses", {}).values():
                words = re.findall(r"\b[a-z_]+\.[a-z_]{3,}\b", response.get("description", ""))
                unknown += [(path, word) for word in words if word not in known]
    assert unknown == []


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def test_every_setting_is_documented_with_its_default() -> None:
    text = CONFIGURATION.read_text(encoding="utf-8").split("## Read outside")[0]
    documented = {name: default for name, default, _meaning in ROW.findall(text)}
    expected = {variable_of(each.name): _shown(each.default) for each in fields(Settings)}

    assert documented == expected


def test_what_production_must_have_is_marked() -> None:
    rows = ROW.findall(CONFIGURATION.read_text(encoding="utf-8").split("## Read outside")[0])
    marked = {name for name, _default, meaning in rows if "Production **must** set" in meaning}

    assert marked == {variable_of(name) for name in production.REQUIRED}


def test_the_bounds_of_production_are_documented() -> None:
    text = CONFIGURATION.read_text(encoding="utf-8").split("## Bounds in production")[1]
    documented = re.findall(r"^\| `(\w+)` \| (\S+) \| (\S+) \|$", text, re.MULTILINE)
    expected = [
        (variable_of(name), f"{least:.10g}", f"{most:.10g}")
        for name, (least, most) in production.BOUNDS.items()
    ]

    assert documented == expected


@pytest.mark.parametrize("path", ["docs/errors.md", "docs/configuration.md"])
def test_documents_are_short_enough_to_read(path: str) -> None:
    for number, line in enumerate((documents.ROOT / Path(path)).read_text().splitlines(), 1):
        assert len(line) < 400, f"{path}:{number}"
