"""bin/pettycash: one sentence and the command that mends it, or nothing at all."""

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pettycash.stack.state import ROOT
from tests.patience import budget

BOOTSTRAP = ROOT / "bin" / "pettycash"


def run(
    *arguments: str, python: str = sys.executable, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Call the bootstrap with little more than a PATH."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"} | environ
    return subprocess.run(
        [python, str(BOOTSTRAP), *arguments],
        check=False, capture_output=True, text=True, env=environment, timeout=budget(60),
    )  # fmt: skip


def a_script(path: Path, text: str) -> Path:
    """An executable shell script."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def with_version(major: int, minor: int) -> str:
    """The bootstrap's source, to be run by a Python that claims to be of some version."""
    return (
        f"import sys; sys.version_info = ({major}, {minor}, 0, 'final', 0);"
        f"sys.argv = [{str(BOOTSTRAP)!r}, 'up'];"
        f"exec(compile(open({str(BOOTSTRAP)!r}).read(), {str(BOOTSTRAP)!r}, 'exec'),"
        f" {{'__name__': '__main__', '__file__': {str(BOOTSTRAP)!r}}})"
    )


def test_a_python_too_old_is_one_sentence_with_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-c", with_version(3, 8)],
        check=False, capture_output=True, text=True, env={"PATH": "/nonexistent"},
    )  # fmt: skip
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "Python 3.11 or newer" in done.stderr
    assert "3.8" in done.stderr
    assert "sudo apt install python3.11 python3.11-venv" in done.stderr


def test_a_newer_python_beside_the_old_one_is_taken(tmp_path: Path) -> None:
    a_script(tmp_path / "python3.12", 'echo "newer: $*"')
    done = subprocess.run(
        [sys.executable, "-c", with_version(3, 8)],
        check=False, capture_output=True, text=True, env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )  # fmt: skip
    assert done.stdout.startswith("newer: ")
    assert done.stdout.rstrip().endswith("bin/pettycash up")


@pytest.mark.parametrize("version", ["2.7.18", "3.6.15", "3.8.18", "3.10.13"])
def test_an_old_python_reads_it_far_enough_to_refuse(version: str) -> None:
    places = [
        Path.home() / ".pyenv" / "versions" / version / "bin" / "python",
        Path("/usr/bin") / f"python{version.rsplit('.', 1)[0]}",
    ]
    python = next((place for place in places if os.access(place, os.X_OK)), None)
    if python is None:
        pytest.skip(f"no Python {version} on this machine")
    done = run("up", python=str(python), PATH="/nonexistent")
    assert done.returncode == 1
    assert "needs Python 3.11 or newer" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_missing_venv_module_is_one_sentence_with_the_command(tmp_path: Path) -> None:
    """Debian ships Python without ensurepip until one asks for it."""
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'ensurepip' else find(name, *rest)\n"
    )
    done = run("up", PETTYCASH_VENV=str(tmp_path / "venv"), PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "no venv module" in last
    assert f"sudo apt install python3.{sys.version_info.minor}-venv" in last


def test_status_never_installs(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    done = run("status", "--json", PETTYCASH_VENV=str(venv))
    assert done.returncode == 1
    assert '"running": false' in done.stdout
    assert not venv.exists()


def test_the_second_start_is_quick() -> None:
    environment = {"PETTYCASH_STATE_DIR": "/nonexistent/state"}
    run("status", **environment)
    began = time.monotonic()
    done = run("status", **environment)
    seconds = time.monotonic() - began
    assert done.stdout.strip() == "not running"
    assert seconds < budget(2), "alone it takes a quarter of a second"


def test_it_can_be_called_from_anywhere_and_through_a_link(tmp_path: Path) -> None:
    link = tmp_path / "pc"
    link.symlink_to(BOOTSTRAP)
    done = subprocess.run(
        [sys.executable, str(link), "status"],
        check=False, capture_output=True, text=True, cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PETTYCASH_STATE_DIR": str(tmp_path / "state")},
    )  # fmt: skip
    assert done.stdout.strip() == "not running", done.stderr


def test_only_the_standard_library_is_needed() -> None:
    """-I -S: no site-packages; the bootstrap's own imports still work."""
    probe = f"import runpy; runpy.run_path({str(BOOTSTRAP)!r}, run_name='probe')"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", probe], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_a_half_made_environment_is_made_anew_and_an_index_out_of_reach_is_a_sentence(
    tmp_path: Path,
) -> None:
    """A venv whose Python is gone (upgraded, moved) is no reason to fail."""
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(tmp_path / "gone")
    (venv / "pettycash-lock.json").write_text('{"base": "old"}')
    a_script(tmp_path / "uv", f'echo "$@" >> {tmp_path}/calls; exit 1')
    unreachable = {
        "PETTYCASH_VENV": str(venv), "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_EXTRA_INDEX_URL": "", "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1",
        "PIP_CONFIG_FILE": os.devnull,
    }  # fmt: skip

    done = run("up", PATH=f"{tmp_path}:/usr/bin:/bin", **unreachable)

    assert done.returncode == 1
    assert "venv" in (tmp_path / "calls").read_text(), "uv was asked first"
    assert os.access(venv / "bin" / "python", os.X_OK), "pip's way was tried after it"
    assert "run the same command" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (venv / "pettycash-lock.json").exists()
