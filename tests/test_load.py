"""The script that plays a class at one server works, with three visitors for some seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "load" / "thirty.py"


def test_the_script_says_what_it_does() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "--help"], capture_output=True, text=True, check=True)
    assert "--sessions" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="reads memory from /proc")
def test_three_visitors_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """How quick it is depends on what else this machine does, and is for the script by itself."""
    options = "--sessions 3 --seconds 30 --photographs 4 --least 1 --most 3 --settle 0"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *options.split()],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["errors"] == 0, done.stdout
    assert said["kept"]["nothing lost"], done.stdout
    assert said["images"] >= 12
    assert said["pages"] >= 9  # each has at least come in, named its set and uploaded
