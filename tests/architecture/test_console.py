"""The console decides nothing: no SQL, no tables, no roles, no states, no money of its own.

Templates: no text that is taken as markup, no script or style beside the files, no other host, and
a form that changes something only by the macro that guards it.
"""

import ast
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2] / "pettycash" / "console"

FORBIDDEN_MODULES = ("sqlalchemy", "pettycash.models", "pettycash.gateways", "pettycash.tasks")

FORBIDDEN_NAMES = {
    "Role": "who may do what stands in the permission table",
    "PERMISSIONS": "pages ask `reaches`",
    "float": "money is no float",
}

FORBIDDEN_TEXT = {
    r"\|\s*safe\b": "text is never markup",
    r"<script(?![^>]*\bsrc=)": "scripts lie in files",
    r"\bstyle=": "styles lie in files",
    r"\bon[a-z]+=\"": "no handler in markup",
    r"\bhx-on|\bjs:|hx-vars": "htmx evaluates nothing",
    r"(src|href|action)=\"https?:": "no other host",
    r"\bstatus\s*(==|!=|\bin\b)": "states are compared by services",
    r"\brole\s*(==|!=|\bin\b)": "roles are compared by the permission table",
}

FORMS_BY_HAND = {"sign_in.html", "step_up.html", "base.html", "macros/forms.html"}
"""Signing in has no session whose token a form could carry; the rest writes the token itself."""


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(ROOT.rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def templates() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "templates").rglob("*.html")):
        yield path.relative_to(ROOT / "templates").as_posix(), path.read_text(encoding="utf-8")


def test_pages_know_no_tables_and_no_rails() -> None:
    wrong = [
        f"{name}: {module}"
        for name, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for module in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [
            each.name for each in node.names
        ])
        if module.startswith(FORBIDDEN_MODULES)
    ]  # fmt: skip
    assert wrong == []


def test_pages_compare_no_role_and_no_state() -> None:
    wrong = []
    for name, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id in FORBIDDEN_NAMES:
                wrong.append(f"{name}:{node.lineno} {node.id}: {FORBIDDEN_NAMES[node.id]}")
            if isinstance(node, ast.Compare) and "status" in {
                part.value for part in ast.walk(node) if isinstance(part, ast.Constant)
            }:
                wrong.append(f"{name}:{node.lineno} compares a status")
    assert wrong == []


def test_templates_hold_to_the_policy_of_content() -> None:
    wrong = [
        f"{name}: {reason}: {found.group(0)}"
        for name, text in templates()
        for pattern, reason in FORBIDDEN_TEXT.items()
        for found in re.finditer(pattern, text)
    ]
    assert wrong == []


def test_a_form_that_changes_something_is_made_by_the_macro() -> None:
    by_hand = {name for name, text in templates() if re.search(r"<form[^>]*method=\"post\"", text)}
    assert by_hand <= FORMS_BY_HAND


def test_what_others_made_is_what_they_made() -> None:
    folder = ROOT / "static" / "vendor"
    told = {each["file"]: each for each in json.loads((folder / "vendor.json").read_text())}
    found = {path.name: path for path in folder.iterdir() if path.name != "vendor.json"}
    assert set(told) == set(found)
    for name, path in found.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == told[name]["sha256"], name
        assert told[name]["licence"], name
