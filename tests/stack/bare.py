"""A process that says what it has been given, then ends with exit code 3; or `sleep`s."""

import json
import locale
import os
import sys
import threading
import time
from pathlib import Path

SIGNALS = ("SigBlk", "SigIgn", "SigCgt", "NoNewPrivs", "Threads", "Umask")


def told() -> dict[str, object]:
    """All that a process may be given by whoever starts it."""
    status = dict(
        line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines()
    )
    return {
        "arguments": sys.argv,
        "environment": dict(os.environ),
        "folder": str(Path.cwd()),
        "path": sys.path,
        "locale": locale.setlocale(locale.LC_CTYPE),
        "threads": [each.name for each in threading.enumerate()],
        "leads": os.getsid(0) == os.getpgid(0) == os.getpid(),
        "input": str(Path("/proc/self/fd/0").readlink()),
        "descriptors": [each for each in range(100) if Path(f"/proc/self/fd/{each}").exists()],
        "status": {name: status[name] for name in SIGNALS},
        "log": [sys.stdout.line_buffering, sys.stdout.encoding, sys.stderr.line_buffering],
    }


if __name__ == "__main__":
    print(json.dumps(told()), flush=True)
    if "sleep" in sys.argv:
        time.sleep(600)
    sys.exit(3)
