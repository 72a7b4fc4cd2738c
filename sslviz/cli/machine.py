"""`sslviz app` and `sslviz doctor`: this machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import socket
import sys
import tempfile
import threading
import tomllib
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from sslviz.cli.output import complain, emit
from sslviz.errors import UserError

PORTS_TRIED = 20
LOOPBACK = ("127.0.0.1", "::1", "localhost")
ALLOW = typer.Option([], "--allow", metavar="NAME", help="Name that the server is reached by; no other is.")
SAFE = {
    "pillow": (12, 3),  # CVE-2026-42311 and others: writing past the end of memory
    "streamlit": (1, 61),  # CVE-2026-33682; and a session that comes back after a broken line
    "torch": (2, 11),  # CVE-2026-24747
    "safetensors": (0, 5),
}
"""Older versions have known holes."""
NETWORK_FILESYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "9p", "fuse.sshfs", "lustre"}
"""Where locks and renames cannot be trusted."""


def serve_app(
    host: str = typer.Option("127.0.0.1", help="Address to listen on; only this machine by default."),
    port: int = typer.Option(8501, min=1, max=65535, help="Port; the next free one if it is taken."),
    browser: bool = typer.Option(True, help="Open a browser, when started from a terminal."),
    server: bool = typer.Option(
        False, "--server", help="For many people: each gets a workspace of their own, and limits hold."
    ),
    allow: list[str] = ALLOW,
) -> None:
    """Serve the app and open it in a browser."""
    from sslviz import settings

    if server:
        os.environ["SSLVIZ_SERVER"] = "1"  # for what is started from here, too
    server = bool(settings.load().server)
    check_host(host, server)
    script = app_script()
    port = free_port(host, port)
    # Streamlit adds only the script's folder to the path; the pages import the package.
    root = str(Path(__file__).resolve().parents[2])
    if root not in sys.path:
        sys.path.insert(0, root)
    from sslviz import jobs
    from sslviz.ui import serving

    lock = jobs.serve()
    shown = "127.0.0.1" if host in ("0.0.0.0", "::", "") else host
    url = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"
    typer.echo(f"sslviz is at {url}\nCtrl-C stops it; training that is under way goes on.")
    if browser and sys.stdout.isatty() and _has_display():
        timer = threading.Timer(1.5, webbrowser.open, [url])
        timer.daemon = True
        timer.start()
    options = streamlit_options(script, host, port) | ({"server.allowedHosts": allow} if allow else {})
    try:
        serving.serve_many(script, options) if server else serving.serve(script, options)
    finally:
        lock.release()


def check_host(host: str, server: bool) -> None:
    """Refuse to show one person's workspace, with all rights, to whoever reaches this machine."""
    if not server and host not in LOOPBACK and not host.startswith("127."):
        raise UserError(
            f"On {host} everybody who can reach this machine would share your own images and runs, and could "
            "delete them.",
            "With --server each browser gets a workspace of its own; see sslviz/docs/server.md.",
        )


def app_script() -> Path:
    """app.py, beside the package in a checkout and within it in a wheel."""
    package = Path(__file__).resolve().parents[1]
    for script in (package / "site" / "app.py", package.parent / "app.py"):
        if script.is_file():
            return script
    raise UserError("The app's files are not there.", "Install sslviz again.")


def streamlit_options(script: Path, host: str, port: int) -> dict[str, Any]:
    """Options by their names: those of the config.toml beside the app, which Streamlit does not find from
    another folder, and what this command decides."""
    from sslviz import settings

    config = script.parent / ".streamlit" / "config.toml"
    options = dict(_flat(tomllib.loads(config.read_text(encoding="utf-8")))) if config.is_file() else {}
    return options | {
        "server.address": host,
        "server.port": port,
        "server.headless": True,
        "server.fileWatcherType": "none",
        "server.maxUploadSize": max(1, settings.load().max_upload_bytes // 1_000_000),
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "viewer",
        "client.showErrorDetails": "none",
        "server.enableXsrfProtection": True,
        "server.enableCORS": True,
        "server.enableStaticServing": False,
        "global.developmentMode": False,
        "logger.hideWelcomeMessage": True,
    }


def _flat(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def free_port(host: str, port: int) -> int:
    """`port`, or the next one that nobody listens on. Raises `UserError` where there is none."""
    for candidate in range(port, min(port + PORTS_TRIED, 65536)):
        try:
            family = socket.getaddrinfo(host, candidate, type=socket.SOCK_STREAM)[0][0]
        except OSError:
            raise UserError(f"There is no address {host!r} on this machine.", "Leave out --host.") from None
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if os.name == "posix":  # the port of a server that has just stopped is free
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, candidate))
            except PermissionError:
                raise UserError(
                    f"Port {candidate} is reserved for the system.", "Choose one above 1023."
                ) from None
            except OSError:
                continue
        if candidate != port:
            complain(f"Port {port} is taken; using {candidate}.")
        return candidate
    raise UserError(f"Ports {port} to {port + PORTS_TRIED - 1} are all taken.", "Choose another with --port.")


def _has_display() -> bool:
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def doctor(as_json: bool = typer.Option(False, "--json", help="Print one JSON object.")) -> None:
    """Versions, devices, disk and locks, and what is wrong with them."""
    from sslviz import __version__, jobs, settings
    from sslviz.files import free_bytes
    from sslviz.runs import is_held

    home = settings.load().home
    names = ("streamlit", "torch", "torchvision", "numpy", "pillow", "plotly", "umap-learn", "safetensors")
    versions: dict[str, str | None] = {"sslviz": __version__, "python": platform.python_version()}
    versions |= {name: _version(name) for name in names}
    kind = filesystem(home)
    locks = sorted((home / "locks").rglob("*.lock")) if os.access(home, os.R_OK | os.X_OK) else []
    free = free_bytes(home)
    found = {
        "versions": versions,
        "system": platform.platform(),
        "devices": _devices(),
        "disk": {"home": str(home), "free_bytes": free, "filesystem": kind},
        "locks": {str(path.relative_to(home / "locks").with_suffix("")): is_held(path) for path in locks},
        "queued": len(jobs.tickets()),
        "warnings": [],
    }
    warnings: list[str] = []
    if kind in NETWORK_FILESYSTEMS:
        warnings.append(f"The home is on a network file system ({kind}): set SSLVIZ_HOME to a local disk.")
    if free < 1_000_000_000:
        warnings.append(f"Only {free / 1e6:,.0f} MB are free at {home}.")
    if problem := _problem(home):
        warnings.append(f"{home} {problem}: set SSLVIZ_HOME to a folder of your own.")
    if sys.version_info < (3, 11, 8) or (3, 12) <= sys.version_info < (3, 12, 2):
        warnings.append(
            "This Python does not see overlapping entries in a zip; sslviz looks for them itself."
        )
    warnings += [
        f"{name} {versions[name]} has known holes: install {'.'.join(map(str, safe))} or newer."
        for name, safe in SAFE.items()
        if _older(versions[name], safe)
    ]
    found["warnings"] = warnings
    lines = [f"{name:>12}  {version}" for name, version in versions.items()]
    lines += [f"{'devices':>12}  {', '.join(d['name'] for d in found['devices'])}"]  # type: ignore[attr-defined]
    lines += [f"{'home':>12}  {home}, {free / 1e9:,.1f} GB free"]
    lines += [f"{'lock':>12}  {name}: {'held' if held else 'free'}" for name, held in found["locks"].items()]  # type: ignore[attr-defined]
    lines += [f"{'warning':>12}  {one}" for one in warnings] or [f"{'':>12}  All is well."]
    emit(found, as_json, "\n".join(lines))


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _older(version: str | None, safe: tuple[int, ...]) -> bool:
    """Whether a version is before `safe`, by its first numbers."""
    numbers = [int(part) for part in re.findall(r"\d+", (version or "").split("+")[0])]
    return version is not None and tuple(numbers[: len(safe)]) < safe


def _devices() -> list[dict[str, Any]]:
    import torch

    devices: list[dict[str, Any]] = [
        {"name": "cpu", "model": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    ]
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            devices.append(
                {"name": f"cuda:{index}", "model": properties.name, "memory_bytes": properties.total_memory}
            )
    if torch.backends.mps.is_available():
        devices.append({"name": "mps", "model": "Apple GPU"})
    return devices


def _problem(home: Path) -> str:
    """Why nothing can be kept in `home`; empty where it can."""
    from sslviz.files import existing

    there = existing(home)
    if not there.is_dir():
        return "is a file" if there == home else f"cannot be made, for {there} is a file"
    try:
        with tempfile.TemporaryFile(dir=there):  # what the rights say is not all that counts
            return ""
    except OSError:
        return "cannot be written to"


def filesystem(path: Path) -> str | None:
    """Kind of the file system that holds `path`, where /proc tells: "ext4", "nfs4", …"""
    try:
        lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    target = path.resolve()
    best, kind = "", None
    for line in lines:
        fields = line.split(" ")
        mount = fields[1].replace("\\040", " ")
        if (target == Path(mount) or Path(mount) in target.parents) and len(mount) >= len(best):
            best, kind = mount, fields[2]
    return kind
