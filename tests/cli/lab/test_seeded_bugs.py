"""The list of seeded defects is still about this code; running them has its own command."""

import ast
import re
import subprocess

import pytest

from pettycash.cli.lab import seeded_bugs
from pettycash.cli.lab.seeded_bugs import Bug
from pettycash.stack.state import ROOT

BUGS = seeded_bugs.table()


def functions(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_patch_stands_in_the_table_once() -> None:
    assert sorted(bug.name for bug in BUGS) == sorted(
        path.stem for path in seeded_bugs.FOLDER.glob("*.patch")
    )
    assert len(BUGS) >= 18


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_patch_applies_and_its_tests_exist(bug: Bug) -> None:
    done = subprocess.run(
        ["git", "apply", "--check", str(bug.patch)],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, f"make the patch anew: {done.stderr}"
    assert bug.tests
    assert bug.folders
    for test in (*bug.tests, *bug.folders):
        path, _, name = test.partition("::")
        assert (ROOT / path).exists(), test
        assert not name or name.rpartition("::")[2] in functions(path), test


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_patch_changes_what_is_in_force(bug: Bug) -> None:
    """Not a migration that a later one has overtaken: such a defect is none, and not found."""
    changed = re.findall(r"^\+\+\+ b/(.+)$", bug.patch.read_text("utf-8"), re.MULTILINE)

    assert not [path for path in changed if path.startswith("migrations/versions/")]
