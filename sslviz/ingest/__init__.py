"""Files, folders and zips become images of a set; text becomes a set.

One bad file never fails the rest: it is listed with the reason, the end of a sentence that begins with its
name. Images are decoded in processes of their own (`sslviz.images.child`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock

from sslviz import imagesets, settings
from sslviz.errors import UserError
from sslviz.files import writing
from sslviz.images.pool import Payload, decode_all
from sslviz.imagesets import ImageSet, NewImage
from sslviz.ingest.sources import Candidate, Source, gather, listing_digest

__all__ = ["Report", "Source", "ingest", "resolve"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Report:
    """What became of what was handed over."""

    added: int
    duplicates: int
    """Images that show exactly what another one shows; each is kept once."""
    skipped: list[tuple[str, str]]
    """Name and reason: ("a.png", "is empty")."""
    labels: dict[str, int]
    """Images of the whole set with each label."""
    seen: dict[str, str | None] = field(repr=False, default_factory=dict)
    """Id → label of every image that could be read, new or not."""


def ingest(
    imageset: ImageSet,
    sources: Iterable[Source],
    *,
    report: Progress | None = None,
    processes: int | None = None,
    upload: bool = False,
) -> Report:
    """Add what `sources` hold to `imageset`; folders' names become labels.

    A source is a path, or a name with the bytes or the path they were put at. `report(done, total)` is called
    after each. `upload` holds the limits for what comes through a browser. Raises `UserError` where an upload
    is too large or the disk is full; the set is then, as after Ctrl-C, what it was before.
    """
    limits = settings.load()
    found = gather(sources, limits)
    if upload and found.bytes > limits.max_upload_bytes:
        held, most_held = found.bytes / 1e6, limits.max_upload_bytes / 1e6
        raise UserError(
            f"The upload holds {held:,.0f} MB; the limit is {most_held:,.0f} MB.",
            "Upload it in parts, or use `sslviz images add`, which has no such limit.",
        )
    most = limits.max_upload_images if upload else None
    skipped: list[tuple[str, str]] = []
    seen: dict[str, str | None] = {}
    total = found.total

    def new() -> Iterator[NewImage]:
        stream = _at_most(found.stream(), total, most)
        with contextlib.closing(decode_all(stream, processes)) as outcomes:
            for done, (candidate, outcome) in enumerate(outcomes, start=1):
                if isinstance(outcome, UserError):
                    skipped.append((imagesets.show_name(candidate.name), outcome.message))
                else:
                    seen.setdefault(outcome.id, candidate.label)
                    yield NewImage(
                        candidate.name, stored=outcome, label=candidate.label, source=candidate.source
                    )
                if report is not None:
                    report(min(done, total), total)

    added, duplicates = imageset.add(new())
    if report is not None:
        report(total, total)
    return Report(added, duplicates, skipped, imageset.label_counts(), seen)


def _at_most(
    stream: Iterator[tuple[Candidate, Payload]], total: int, most: int | None
) -> Iterator[tuple[Candidate, Payload]]:
    for number, item in enumerate(stream):
        if most is not None and number == most:
            reason = f"left out: an upload may hold {most:,} images; `sslviz images add` takes any number"
            yield Candidate(f"{total - most:,} more", None, ""), UserError(reason)
            return
        yield item


def resolve(workspace: Path, text: str, report: Progress | None = None) -> ImageSet:
    """The set that `text` means: a set's name, a folder or a zip, or a built-in.

    A folder or zip becomes a set that mirrors it: made once, recognised by its listing, and brought up to
    date where that has changed. `scenes` is rendered where it is not there yet. Raises `UserError`.
    """
    if imagesets.find(workspace, text) is not None:
        return imagesets.open_set(workspace, text)
    if text == "scenes":
        from sslviz import scenes

        return scenes.render_set(workspace, report=report)
    with contextlib.suppress(OSError, ValueError, RuntimeError):  # no path at all: too long, a NUL, ~nobody
        path = Path(text).expanduser().resolve()
        if text.strip() and (path.is_dir() or path.is_file()):
            return _mirror(workspace, path, report)
    raise _nothing_called(workspace, text)


def _nothing_called(workspace: Path, text: str) -> UserError:
    from sslviz.downloads import CATALOGUE

    name = imagesets.show_name(text)
    if text in CATALOGUE:
        return UserError(
            f"{CATALOGUE[text].title} has not been downloaded yet.",
            f"Run `sslviz images download {text}`, or fetch it on the Images page.",
        )
    there = [summary.name for summary in imagesets.names(workspace) if not summary.problem]
    known = ", ".join(dict.fromkeys([*there, "scenes", *CATALOGUE]))
    return UserError(
        f"{name!r} is neither an image set nor a folder or zip of images.", f"Sets one can name: {known}."
    )


def _mirror(workspace: Path, path: Path, report: Progress | None) -> ImageSet:
    with writing(workspace):
        (workspace / "sets").mkdir(parents=True, exist_ok=True)
    # Two who ask for the same new folder at once: the second finds the set of the first.
    with FileLock(workspace / "sets" / "mirrors.lock"):
        digest = listing_digest(path)
        folder = imagesets.find_origin(workspace, path)
        if folder is None:
            name = imagesets.free_name(workspace, path.stem if path.is_file() else path.name)
            mirror = imagesets.create(workspace, name, origin={"path": str(path), "listing": ""})
        else:
            mirror = ImageSet(workspace, folder)
            if mirror.origin.get("listing") == digest and len(mirror):
                return mirror
        try:
            _update(mirror, path, digest, report)
        except BaseException:
            if folder is None:
                mirror.delete()
            raise
    return mirror


def _update(mirror: ImageSet, path: Path, digest: str, report: Progress | None) -> None:
    found = ingest(mirror, [path], report=report)
    if not found.seen:
        reasons = "; ".join(f"{name} {reason}" for name, reason in found.skipped[:3])
        raise UserError(f"There is no image that can be used in {path}.", f"{reasons}." if reasons else "")
    mirror.remove([image for image in mirror.ids if image not in found.seen])
    moved = {image: label for image, label in found.seen.items() if label is not None}
    if any(moved.get(entry.id, entry.label) != entry.label for entry in mirror.entries):
        mirror.set_labels(moved)
    mirror.remember(path, digest)
