"""What one workspace may take of a machine that many share.

Checked where things are made, so that no page has to be trusted with it. Each refusal says how much is there
and how much may be. Every limit is in the settings; nought is none, and alone on a machine there are none.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from sslviz import settings
from sslviz.errors import UserError
from sslviz.files import free_bytes
from sslviz.settings import Settings

ROOM = "Delete sets or runs that you no longer need."


class Allowance:
    """What is left of a workspace's images and bytes; counted down while a set grows."""

    def __init__(self, workspace: Path, images: int) -> None:
        """`images` are those that all its sets hold now."""
        limits = limits_of(workspace)
        self.most_images, self.images = limits.most_images, images
        self.most_bytes = limits.most_bytes
        self.bytes = bytes_in(workspace) if limits.most_bytes else 0
        self.free = free_bytes(workspace) - limits.spare_bytes if limits.spare_bytes else None

    def take(self, size: int) -> None:
        """One more image of `size` bytes. Raises `UserError` where there is no room for it."""
        self.images += 1
        self.bytes += size
        if self.most_images and self.images > self.most_images:
            raise UserError(
                f"With these, your sets would hold more than {self.most_images:,} images, "
                "which is the most that one person may keep here.",
                f"Nothing was added. Bring fewer. {ROOM}",
            )
        check_bytes(self.bytes, self.most_bytes)
        if self.free is not None:
            self.free -= size
            check_spare(self.free)


def check_download(workspace: Path, title: str, images: int) -> None:
    """Whether a public set is small enough, before anything is fetched. Raises `UserError`."""
    most = limits_of(workspace).most_images
    if most and images > most:
        raise UserError(
            f"{title} has {images:,} images; one person may keep {most:,} here.",
            "Whoever runs this server can fetch it once and share it with everybody.",
        )


def limits_of(workspace: Path) -> Settings:
    """The limits that hold for a workspace. Whoever runs a server has "local" to prepare things in, which
    the visitors' limits are not meant for."""
    limits = settings.load()
    if limits.server and workspace == settings.workspace():
        return replace(limits, **settings.UNLIMITED)
    return limits


def check_room(workspace: Path) -> None:
    """Whether a workspace may take more of the disk. Raises `UserError`."""
    limits = limits_of(workspace)
    if limits.most_bytes:
        check_bytes(bytes_in(workspace), limits.most_bytes)
    if limits.spare_bytes:
        check_spare(free_bytes(workspace) - limits.spare_bytes)


def check_bytes(taken: int, most: int) -> None:
    if most and taken > most:
        raise UserError(
            f"Your images and runs would take {_megabytes(taken)} MB; one person may keep {_megabytes(most)} "
            "MB here.",
            ROOM,
        )


def check_spare(left: int) -> None:
    spare = settings.load().spare_bytes
    if left < 0:
        raise UserError(
            f"The disk of this machine is almost full: {_megabytes(max(0, left + spare))} MB are free, and "
            f"{_megabytes(spare)} MB stay free.",
            f"Tell whoever runs this server. {ROOM}",
        )


def check_runs(workspace: Path, kept: int) -> None:
    """Whether a workspace with so many runs may have another. Raises `UserError`."""
    most = limits_of(workspace).most_runs
    if most and kept >= most:
        raise UserError(
            f"You have {kept:,} runs; one person may keep {most:,} here.",
            "Delete some on the Runs page.",
        )


def check_waiting(workspace: Path, waiting: int) -> None:
    """Whether a workspace with so many runs that wait may queue another. Raises `UserError`."""
    most = limits_of(workspace).most_queued
    if most and waiting >= most:
        are = "run of yours waits" if waiting == 1 else "runs of yours wait"
        raise UserError(
            f"{waiting:,} {are} already, and {most:,} may wait at a time.",
            "Try again when one of them has begun, or cancel one.",
        )


def check_minutes(workspace: Path, minutes: float | None) -> None:
    """Whether a run may be asked for so many minutes; one of a number of steps is watched when it is at
    work. Raises `UserError`."""
    most = limits_of(workspace).most_minutes
    if most and minutes is not None and minutes > most:
        raise UserError(
            f"A run may take {most:g} minute{'' if most == 1 else 's'} here, and this one asks for "
            f"{minutes:g}.",
            "Ask for less; a run can be continued afterwards.",
        )


def bytes_in(folder: Path) -> int:
    """Bytes of all files in `folder` and below, without following links."""
    total = 0
    waiting = [os.fspath(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:  # deleted meanwhile
            continue
    return total


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f}" if count >= 10_000_000 else f"{count / 1e6:.1f}"
