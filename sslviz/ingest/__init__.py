"""Files, folders and zips become images of a set; text becomes a set.

One bad file never fails the rest: it is listed with the reason, the end of a sentence that begins with its
name. Images are decoded in processes of their own (`sslviz.images.child`).
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeGuard

from filelock import FileLock

from sslviz import imagesets, settings
from sslviz.errors import UserError
from sslviz.files import writing
from sslviz.images import remarks
from sslviz.images.pool import Payload, decode_all
from sslviz.imagesets import ImageSet, NewImage
from sslviz.ingest.sources import Candidate, Source, gather, is_folder, is_there, listing_digest

__all__ = ["Report", "Source", "add_to", "ingest", "is_there", "resolve"]

Progress = Callable[[int, int], None]


class Seen(NamedTuple):
    """Where an image lay."""

    name: str
    """Of the first file that shows it."""
    label: str | None
    """By its folders; the first one, where there are several such files."""


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
    notes: list[str] = field(default_factory=list)
    """What is worth knowing of images that were taken, a sentence a kind: "2 images (a.gif, …) are each
    animated, or of several pages: the first of them was taken."."""
    seen: dict[str, Seen] = field(repr=False, default_factory=dict)
    """By id, every image that could be read, new or not."""
    unread: set[str] = field(repr=False, default_factory=set)
    """Names of files, and of folders with a slash behind, that are there and could not be read."""


def ingest(
    imageset: ImageSet,
    sources: Iterable[Source],
    *,
    report: Progress | None = None,
    processes: int | None = None,
    upload: bool = False,
    fill: bool = True,
) -> Report:
    """Add what `sources` hold to `imageset`; folders' names become labels. On `fill` see `ImageSet.add`.

    A source is a path, or a name with the bytes or the path they were put at. `report(done, total)` is called
    after each. `upload` holds the limits for what comes through a browser. Raises `UserError` where an upload
    is too large, the disk is full, or the set is a built-in one, which means the same everywhere; the set is
    then, as after Ctrl-C, what it was before.
    """
    if imageset.builtin:
        raise UserError(
            f"{imageset.name!r} comes with sslviz, and nothing can be added to it.",
            "Add the images to a set of your own, and merge the two if you like.",
        )
    limits = settings.load()
    sources = list(sources)
    found = gather(sources, limits)
    if upload and found.bytes > limits.max_upload_bytes:
        held, most_held = found.bytes / 1e6, limits.max_upload_bytes / 1e6
        raise UserError(
            f"The upload holds {held:,.0f} MB; the limit is {most_held:,.0f} MB.",
            "Upload it in parts, or use `sslviz images add`, which has no such limit.",
        )
    most = limits.max_upload_images if upload else None
    skipped: list[tuple[str, str]] = []
    unread = {imagesets.show_name(name) for name in found.names}
    seen: dict[str, Seen] = {}
    told: set[tuple[str, str | None]] = set()
    remarked: defaultdict[str, list[str]] = defaultdict(list)
    total = found.total

    def new() -> Iterator[NewImage]:
        stream = _at_most(found.stream(), total, most)
        with contextlib.closing(decode_all(stream, processes)) as outcomes:
            for done, (candidate, outcome) in enumerate(outcomes, start=1):
                name = imagesets.show_name(candidate.name)
                if isinstance(outcome, UserError):
                    skipped.append((name, outcome.message))
                else:
                    label = imagesets.show_label(candidate.label)
                    first = seen.setdefault(outcome.id, Seen(name, label))
                    if first.label is None and label is not None:
                        seen[outcome.id] = first._replace(label=label)
                    told.add((outcome.id, candidate.label))
                    unread.discard(name)
                    for remark in (*outcome.remarks, *remarks.of_name(name, outcome.kind)):
                        remarked[remark].append(name)
                    yield NewImage(
                        candidate.name, stored=outcome, label=candidate.label, source=candidate.source
                    )
                if report is not None:
                    report(min(done, total), total)

    trees = [path.resolve() for path in sources if _is_tree(path)]
    added, duplicates = imageset.add(new(), trees, fill=fill)
    if report is not None:
        report(total, total)
    notes = remarks.sentences(remarked) + _without_label(seen) + imagesets.two_classes(imageset, told)
    return Report(added, duplicates, skipped, imageset.label_counts(), notes, seen, unread)


def add_to(
    workspace: Path,
    name: str,
    sources: Iterable[Source],
    *,
    report: Progress | None = None,
    upload: bool = False,
) -> tuple[ImageSet, Report]:
    """`ingest` into the set called `name`, which is made if there is none; a new one that stays empty goes.

    Others may add to the same new set meanwhile. Raises `UserError` as `ingest` does.
    """
    sources = list(sources)
    for last in (False, True):
        imageset, new = imagesets.open_or_create(workspace, name)
        try:
            return imageset, ingest(imageset, sources, report=report, upload=upload)
        except imagesets.Gone:  # while we waited, by whoever had made it and found no image for it
            if last:
                raise
        finally:
            if new and not len(imageset):
                imageset.delete_if_empty()
    raise AssertionError("the second time returns or raises")


def _without_label(seen: Mapping[str, Seen]) -> list[str]:
    """Where some lie in folders and some beside them: it may be an oversight."""
    bare = sum(one.label is None for one in seen.values())
    if bare in (0, len(seen)):
        return []
    return [f"{bare:,} of {len(seen):,} images lie in no folder of their kind, and have no label."]


def _is_tree(source: Source) -> TypeGuard[Path]:
    """Whether a source is a folder or a zip of somebody's, which a set can be asked for by."""
    return isinstance(source, Path) and (
        is_folder(source) or (source.suffix.lower() == ".zip" and is_there(source))
    )


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
    """The set that `text` means: a built-in, a set's name, or a folder or a zip.

    A folder or zip becomes a set that mirrors it: made once, recognised by its listing, and brought up to
    date where that has changed, also where it is given by the name that folder and set share. `scenes` is
    rendered where it is not there yet. Raises `UserError`, also for a name that a set and a folder share
    without the one having come from the other.
    """
    path = _path(text)
    if text in imagesets.RESERVED:
        return _builtin(workspace, text, path, report)
    if imagesets.find(workspace, text) is None:
        if path is None:
            raise _nothing_called(workspace, text)
        return _mirror(workspace, path, report)
    named = imagesets.open_set(workspace, text)
    if path is not None and named.origin.get("path") == str(path):
        return _mirror(workspace, path, report)
    if path is None or not _is_tree(path) or str(path) in named.origin.get("added", []):
        return named
    kind = "folder" if is_folder(path) else "zip"
    raise UserError(
        f"{text!r} is the name of a set and of a {kind} here, which the set does not come from.",
        f"Write ./{text} for the {kind}, or rename the set.",
    )


def _path(text: str) -> Path | None:
    """The folder or file called `text`, if there is one."""
    with contextlib.suppress(OSError, ValueError, RuntimeError):  # no path at all: too long, a NUL, ~nobody
        path = Path(text).expanduser().resolve()
        if text.strip() and (path.is_dir() or path.is_file()):
            return path
    return None


def _builtin(workspace: Path, name: str, path: Path | None, report: Progress | None) -> ImageSet:
    """A built-in set; `path` is what else has its name here."""
    from sslviz import scenes
    from sslviz.downloads import CATALOGUE

    if imagesets.find_builtin(workspace, name) is not None:
        return imagesets.open_set(workspace, name)
    if name == scenes.NAME:
        return scenes.render_set(workspace, report=report)
    here = "" if path is None else f" Write ./{name} for what has that name here."
    raise UserError(
        f"{CATALOGUE[name].title} has not been downloaded yet.",
        f"Run `sslviz images download {name}`, or fetch it on the Images page.{here}",
    )


def _nothing_called(workspace: Path, text: str) -> UserError:
    there = [summary.name for summary in imagesets.names(workspace) if not summary.problem]
    known = ", ".join(dict.fromkeys([*there, *imagesets.RESERVED]))
    return UserError(
        f"{imagesets.show_name(text)!r} is neither an image set nor a folder or zip of images.",
        f"Sets one can name: {known}.",
    )


def _mirror(workspace: Path, path: Path, report: Progress | None) -> ImageSet:
    with writing(workspace):
        (workspace / "sets").mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as held:
        with writing(workspace):
            # Two who ask for the same new folder at once: the second finds the set of the first.
            held.enter_context(FileLock(workspace / "sets" / "mirrors.lock"))
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
    before = set(mirror.ids)
    own = before & set(mirror.origin.get("ids", []))
    found = ingest(mirror, [path], report=report, fill=False)  # which `_moved` does
    if not found.seen:
        reasons = "; ".join(f"{name} {reason}" for name, reason in found.skipped[:3])
        raise UserError(f"There is no image that can be used in {path}.", f"{reasons}." if reasons else "")
    # Others than those that came from here are the user's, and what cannot be read today may be tomorrow.
    folders = tuple(name for name in found.unread if name.endswith("/"))
    lost = [entry for entry in mirror.entries if entry.id in own and entry.id not in found.seen]
    gone = {e.id for e in lost if e.name not in found.unread and not e.name.startswith(folders)}
    mirror.remove(gone)
    moved = _moved(mirror, own, found.seen)
    own = (own - gone) | (found.seen.keys() - before)
    names = {image: one.name for image, one in found.seen.items() if image in own}
    if moved or any(names.get(entry.id, entry.name) != entry.name for entry in mirror.entries):
        mirror.set_labels(moved, names)
    told = {**mirror.origin.get("labels", {}), **{image: one.label for image, one in found.seen.items()}}
    mirror.remember(path, digest, own, {image: told[image] for image in mirror.ids if image in told})


def _moved(mirror: ImageSet, own: Collection[str], seen: Mapping[str, Seen]) -> dict[str, str]:
    """Labels, by id, of the images that lie in another folder than when the mirror was last read.

    A label that somebody gave or took away by hand stays for as long as the folder says what it said.
    """
    told = mirror.origin.get("labels", {})
    moved = {}
    for entry in mirror.entries:
        name, label = seen.get(entry.id, (entry.name, None))
        if label is None or label == entry.label:
            continue
        if entry.id in told:
            new = told[entry.id] != label
        elif entry.id in own:  # of a version that did not remember labels
            new = entry.name != name
        else:
            new = entry.label is None
        if new:
            moved[entry.id] = label
    return moved
