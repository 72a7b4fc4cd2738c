"""The names that a person has given to images of a set, kept in the set's folder.

For a set that everybody sees they are kept in the person's workspace.

They are not labels: nothing else reads them until they are applied. Each change is written at once and can be
taken back. A name outlives the removal of its image, which may be added again.
"""

from __future__ import annotations

import contextlib
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from sslviz.errors import UserError
from sslviz.files import read_json, replace, write_json, writing
from sslviz.imagesets import ImageSet, show_name

LONGEST = 80
"""Characters of a name, as of a label."""
MOST = 60
"""Different names in a set: more than a person tells apart, and few enough for a page."""
KEPT = 200
"""Changes that can be taken back."""
PATIENCE_SECONDS = 5.0
_VERSION = 1

Given = dict[str, str]
_Change = dict[str, str | None]
"""What each image was called before; None for nothing."""


@dataclass(frozen=True)
class Names:
    """What has been named in a set."""

    given: Mapping[str, str] = field(default_factory=dict)
    """By id, in the order in which the images were named; of images that are in the set."""
    lost: int = 0
    """Named images that are no more in the set."""
    undoable: bool = False
    damaged: bool = False
    """The file could not be read; it is put aside when the next name is given."""

    def counts(self) -> dict[str, int]:
        """Images with each name, names in the order in which they came up."""
        return dict(Counter(self.given.values()))


def clean(name: str) -> str:
    """A name as it is kept: what cannot be seen replaced, no space around it, at most 80 characters.

    Raises `UserError` where nothing is left.
    """
    text = show_name(" ".join(name.split())[:LONGEST]).strip()
    if not text:
        raise UserError("A name has at least one character that can be seen.", "Type what is on the image.")
    return text


def read(images: ImageSet) -> Names:
    """The names given so far. Raises `UserError` where a later version has written them."""
    given, past, damaged = _load(_path(images.notes))
    there = set(images.ids)
    known = {image: name for image, name in given.items() if image in there}
    return Names(known, len(given) - len(known), bool(past), damaged)


def give(images: ImageSet, ids: Collection[str], name: str) -> str:
    """Name images; returns the name as it is spelled in the set, for "CAT" is the "cat" that there is.

    Ids that are not of the set are passed over. Raises `UserError` for what is no name, for one name too
    many, and where it cannot be written.
    """
    wish = clean(name)
    there = set(images.ids)

    def change(given: Given) -> Given:
        nonlocal wish
        wish = _spelled(wish, given.values())
        return given | {image: wish for image in dict.fromkeys(ids) if image in there}

    _change(images, change)
    return wish


def forget(images: ImageSet, ids: Collection[str]) -> None:
    """Take the names of images away. Raises `UserError` where that cannot be written."""
    gone = set(ids)
    _change(images, lambda given: {image: name for image, name in given.items() if image not in gone})


def undo(images: ImageSet) -> None:
    """Take the last change back; does nothing where there is none. Raises `UserError` as `forget` does."""
    with _locked(images):
        path = _path(images.notes)
        given, past, _ = _load(path)
        if past:
            for image, before in past.pop().items():
                if before is None:
                    given.pop(image, None)
                else:
                    given[image] = before
            _write(path, given, past)


def _change(images: ImageSet, new: Callable[[Given], Given]) -> None:
    with _locked(images):
        path = _path(images.notes)
        before, past, damaged = _load(path)
        after = new(before)
        changed: _Change = {
            image: before.get(image) for image in [*after, *before] if before.get(image) != after.get(image)
        }
        if not changed:
            return
        if len(set(after.values())) > max(MOST, len(set(before.values()))):
            raise UserError(f"A set can have {MOST} different names.", "Use one that there is already.")
        if damaged:
            with contextlib.suppress(OSError):
                replace(path, path.with_suffix(".damaged.json"))
        _write(path, after, [*past, changed][-KEPT:])


def _spelled(wish: str, known: Collection[str]) -> str:
    """The known name that differs from `wish` in nothing but case, else `wish`."""
    return next((name for name in known if _folded(name) == _folded(wish)), wish)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


def _path(folder: Path) -> Path:
    return folder / "naming.json"


@contextlib.contextmanager
def _locked(images: ImageSet) -> Iterator[None]:
    """Be the only one who changes the names: two tabs lose nothing of each other's."""
    if not (images.folder / "index.json").exists():  # or writing would make the folder anew
        raise UserError("The image set no longer exists.", "Choose another one.")
    lock = FileLock(images.notes / "naming.lock", timeout=PATIENCE_SECONDS)
    try:
        with writing(images.notes):
            images.notes.mkdir(parents=True, exist_ok=True)
            lock.acquire()
    except Timeout:
        raise UserError("The names are being changed elsewhere.", "Try again in a moment.") from None
    try:
        yield
    finally:
        lock.release()


class _Later(Exception):  # noqa: N818 - no error
    """A version of the file that is not known yet."""


def _load(path: Path) -> tuple[Given, list[_Change], bool]:
    """(names, changes, whether the file could not be read)."""
    try:
        value = read_json(path)
        if value["version"] != _VERSION:
            later = isinstance(value["version"], int) and value["version"] > _VERSION
            raise _Later if later else ValueError("another version")
        given = {str(image): name for image, name in value["given"].items()}
        past = [dict(change) for change in value["past"]]
        words = [*given.values(), *(word for change in past for word in change.values() if word is not None)]
        if not all(isinstance(word, str) and word == clean(word) for word in words):
            raise ValueError("no names")
    except FileNotFoundError:
        return {}, [], False
    except _Later:  # not to be put aside: it is whole
        raise UserError(
            "The names in this set were given in a later version of sslviz.", "Update sslviz to see them."
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, UserError):
        return {}, [], True
    return given, past, False


def _write(path: Path, given: Given, past: list[_Change]) -> None:
    write_json(path, {"version": _VERSION, "given": given, "past": past})
