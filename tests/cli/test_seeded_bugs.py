"""The list of seeded defects is still about this code; running them has its own command."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pettycash.cli import seeded_bugs
from pettycash.cli.seeded_bugs import Bug
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


def constants_touched(patch: str) -> Iterator[tuple[Path, str]]:
    """The migrations that a patch changes, and in each the function bodies, by their names."""
    for part in patch.split("+++ b/")[1:]:
        path = ROOT / part.splitlines()[0]
        if path.parent.name != "versions":
            continue
        lines = path.read_text("utf-8").splitlines()
        for line in re.findall(r"^@@ -(\d+)", part, re.MULTILINE):
            names = [re.match(r'([A-Z_]+) = """', each) for each in lines[: int(line)]]
            # None: not in the text of a function, so nothing that another one replaces.
            name = next((found[1] for found in reversed(names) if found), None)
            if name is not None:
                yield path, name


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_patch_changes_what_is_in_force(bug: Bug) -> None:
    """Not a function that a later migration has replaced: such a defect is none, and not found."""
    for path, name in constants_touched(bug.patch.read_text("utf-8")):
        later = [each for each in path.parent.glob("*.py") if each.name > path.name]
        again = [each.name for each in later if f'\n{name} = """' in each.read_text("utf-8")]
        assert not again, f"{name} stands anew in {again}: make the patch for it"
