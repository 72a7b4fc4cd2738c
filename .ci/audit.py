"""Known holes in the packages of this environment, by pip-audit: `python .ci/audit.py`.

A hole that a newer version closes fails the check; one without a cure is said. Where pip-audit cannot be
installed, or its data cannot be reached, that is said too and is no failure: a machine may have no network.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path
from typing import Any

SECONDS, GLANCE_SECONDS = 90, 15
"""For everything, and for the one package that is asked about first: unanswered, it tries for minutes."""
NOT_OURS = {"pip", "setuptools", "wheel", "sslviz"}
"""What a fresh environment is made with, which the package does not use."""


def main() -> int:
    try:
        with tempfile.TemporaryDirectory() as folder:
            found = audit(Path(folder))
    except (OSError, ValueError, KeyError, TypeError, subprocess.SubprocessError) as error:
        print(f"pip-audit could not reach its data, skipped: {str(error)[:200]}")
        return 0
    return judge(found)


def audit(folder: Path) -> list[dict[str, Any]]:
    """What pip-audit says of the packages here. It has an environment of its own, since it needs many."""
    tool = install(folder / "tool")
    one = folder / "one.txt"
    one.write_text("pip==25.0\n", encoding="utf-8")
    ask(tool, ["--no-deps", "--disable-pip", "--requirement", one], folder / "one.json", GLANCE_SECONDS)
    return ask(tool, ["--path", sysconfig.get_path("purelib")], folder / "report.json", SECONDS)


def install(folder: Path) -> Path:
    """An environment with pip-audit in `folder`; returns its Python."""
    venv.create(folder, with_pip=True)
    tool = next(path for path in folder.glob("*/python*") if path.stem == "python")
    command = [tool, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "pip-audit"]
    subprocess.run(command, check=True, timeout=SECONDS, capture_output=True)
    return tool


def ask(tool: Path, about: list[Any], report: Path, seconds: float) -> list[dict[str, Any]]:
    """What pip-audit says; raises `OSError` where it says nothing, `TimeoutExpired` where it takes longer."""
    command = [tool, "-m", "pip_audit", "--progress-spinner", "off", "--timeout", "10", "--format", "json"]
    subprocess.run([*command, "--output", report, *about], check=False, timeout=seconds, capture_output=True)
    found: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))["dependencies"]
    return found


def judge(found: list[dict[str, Any]]) -> int:
    """1 where a package that sslviz needs has a hole that a newer version closes, else 0."""
    curable = 0
    for package in found:
        for hole in package.get("vulns") or []:
            cures = ", ".join(hole["fix_versions"])
            said = f"closed in {cures}" if cures else "no version without it yet"
            print(f"{package['name']} {package['version']}: {hole['id']}, {said}")
            curable += bool(cures) and package["name"] not in NOT_OURS
    print(f"pip-audit looked at {len(found)} packages; {curable} holes are closed by a newer version.")
    return int(curable > 0)


if __name__ == "__main__":
    sys.exit(main())
