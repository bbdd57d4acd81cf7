"""The production image has no lab, and does without."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pettycash.stack.state import ROOT
from tests.patience import budget

LOAD_ALL = """
import importlib, pkgutil, pettycash
for found in pkgutil.walk_packages(pettycash.__path__, "pettycash."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the Dockerfile copies, without what .dockerignore leaves out."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    left_out = [ROOT / line for line in lines if line.startswith("pettycash/")]
    assert left_out
    assert all(path.is_dir() for path in left_out)

    def ignored(folder: str, names: list[str]) -> set[str]:
        return {name for name in names if Path(folder) / name in left_out or name == "__pycache__"}

    folder = tmp_path_factory.mktemp("image")
    for name in ("pettycash", "migrations"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("wsgi.py", "celery_worker.py"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def run(image: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        check=False, capture_output=True, text=True, timeout=budget(60), cwd=image,
    )  # fmt: skip


def test_nothing_of_the_product_needs_the_lab(image: Path) -> None:
    assert not (image / "pettycash" / "lab").exists()
    done = run(image, "-c", LOAD_ALL)
    assert done.returncode == 0, done.stderr


def test_the_image_lists_the_commands_that_it_has(image: Path) -> None:
    done = run(image, "-m", "pettycash", "--help")
    assert done.returncode == 0, done.stderr
    assert "\n  users " in done.stdout
    assert "\n  seed " not in done.stdout

    done = run(image, "-m", "pettycash", "seed")
    assert done.returncode == 2
    assert "No such command" in done.stderr
