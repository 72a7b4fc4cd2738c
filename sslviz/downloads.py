"""Public image sets, fetched by torchvision when somebody asks for one, and only then.

torchvision checks every archive's digest before it unpacks it. Of these sets CIFAR-10 alone comes as pickles:
torchvision reads them after it has checked the digest of each, and that reading is the one place where
anything is unpickled. It happens in the process of the download job, never in the app.
"""

from __future__ import annotations

import contextlib
import http.client
import shutil
import socket
import tarfile
import threading
import urllib.error
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from sslviz import imagesets, quotas, settings
from sslviz.errors import UserError
from sslviz.files import free_bytes, full_disk, writing
from sslviz.images import Stored, bitmap, read_mask
from sslviz.images.pool import decode_all
from sslviz.imagesets import ImageSet, NewImage
from sslviz.imagesets.index import Box

Progress = Callable[[int, int], None]


class Example(NamedTuple):
    """One image of a public set."""

    name: str
    label: str
    image: bytes | Path
    """The image, or where it lies."""
    trimap: Path | None = None
    """Where a picture lies that says 1 for the object, 2 for the background and 3 for what may be either."""


_SILENCE_SECONDS = 60.0
"""How long a server may say nothing before the download is given up."""
_ARCHIVES = (".tgz", ".gz", ".mat")
_MEANING = np.full(256, 255, np.uint8)
_MEANING[1:3] = 1, 0
"""By number in a trimap, the number in a mask."""
_DOWNLOAD_SHARE = 0.7
"""Part of the progress bar that the download has; the rest is the reading of the images."""


@dataclass(frozen=True)
class Source:
    """A public image set, with what one wants to know before one fetches it."""

    title: str
    megabytes: int
    """Size of the download."""
    images: int
    classes: int
    licence: str
    home_page: str
    examples: Callable[[Path], Iterator[Example]]
    """Fetches into a folder what is not there yet, and yields the images."""
    about: str = ""


def _cifar10(root: Path) -> Iterator[Example]:
    from torchvision.datasets import CIFAR10

    for part, train in (("train", True), ("test", False)):
        yield from _arrays(part, CIFAR10(root, train=train, download=train))


def _stl10(root: Path) -> Iterator[Example]:
    from torchvision.datasets import STL10

    for part in ("train", "test"):
        yield from _arrays(part, STL10(root, split=part, download=part == "train"))


def _arrays(part: str, dataset: Any) -> Iterator[Example]:
    """Of data sets that hold pixels and not files: pictures with no loss, for the decoding children."""
    for number in range(len(dataset)):
        picture, label = dataset[number]
        yield Example(f"{part}/{number:05d}.bmp", dataset.classes[label], bitmap(np.asarray(picture)))


def _imagenette(root: Path) -> Iterator[Example]:
    from torchvision.datasets import Imagenette

    for part in ("train", "val"):
        # With `Path` as its loader, torchvision says where an image lies and opens nothing.
        dataset = Imagenette(root, split=part, size="160px", download=part == "train", loader=Path)
        for number in range(len(dataset)):
            path, label = dataset[number]
            yield Example(f"{part}/{path.name}", dataset.classes[label][0], path)


def _flowers102(root: Path) -> Iterator[Example]:
    from torchvision.datasets import Flowers102

    for part in ("train", "val", "test"):
        dataset = Flowers102(root, split=part, download=part == "train", loader=Path)
        for number in range(len(dataset)):
            path, label = dataset[number]
            yield Example(f"{part}/{path.name}", dataset.classes[label], path)


def _pets(root: Path) -> Iterator[Example]:
    from torchvision.datasets import OxfordIIITPet

    OxfordIIITPet(root, download=True)
    folder = root / "oxford-iiit-pet"
    for path in sorted((folder / "images").glob("*.jpg")):
        breed = path.stem.rsplit("_", 1)[0].replace("_", " ").title()
        yield Example(path.name, breed, path, folder / "annotations" / "trimaps" / f"{path.stem}.png")


CATALOGUE: dict[str, Source] = {
    "cifar10": Source(
        title="CIFAR-10",
        megabytes=171,
        images=60_000,
        classes=10,
        licence="No licence is stated; the author asks to be cited (Krizhevsky, 2009).",
        home_page="https://www.cs.toronto.edu/~kriz/cifar.html",
        examples=_cifar10,
        about="Tiny photographs of 32 × 32 pixels: animals and vehicles.",
    ),
    "stl10": Source(
        title="STL-10",
        megabytes=2_641,
        images=13_000,
        classes=10,
        licence="No licence is stated; the images come from ImageNet; cite Coates, Lee and Ng (2011).",
        home_page="https://cs.stanford.edu/~acoates/stl10/",
        examples=_stl10,
        about="Photographs of 96 × 96 pixels. The labelled ones; the 100,000 without a label stay out.",
    ),
    "imagenette": Source(
        title="Imagenette",
        megabytes=99,
        images=13_394,
        classes=10,
        licence="The collection is under Apache 2.0; ImageNet's photographs are for research and teaching.",
        home_page="https://github.com/fastai/imagenette",
        examples=_imagenette,
        about="Ten easy classes of ImageNet, with a short side of 160 pixels.",
    ),
    "pets": Source(
        title="Oxford-IIIT Pet",
        megabytes=811,
        images=7_390,
        classes=37,
        licence="CC BY-SA 4.0; the photographs belong to their owners.",
        home_page="https://www.robots.ox.ac.uk/~vgg/data/pets/",
        examples=_pets,
        about="Cats and dogs of 37 breeds, with masks that say where they are.",
    ),
    "flowers102": Source(
        title="Oxford Flowers 102",
        megabytes=345,
        images=8_189,
        classes=102,
        licence="No licence is stated; cite Nilsback and Zisserman (2008).",
        home_page="https://www.robots.ox.ac.uk/~vgg/data/flowers/102/",
        examples=_flowers102,
        about="Flowers common in the United Kingdom, with classes that are hard to tell apart.",
    ),
}


def download(workspace: Path, name: str, report: Progress | None = None) -> ImageSet:
    """The public set `name` as an image set of that name with labels; fetched if it is not there yet.

    Done in the process of a job, for it takes minutes. `report(done, total)` counts to 1,000. What was
    fetched is removed once its images are in the set. Raises `UserError` for an unknown name, no connection,
    a damaged download and a full disk; archives that had arrived whole are kept for the next attempt.
    """
    if name not in CATALOGUE:
        raise UserError(f"There is no public set called {imagesets.show_name(name)!r}.", _there_are())
    source = CATALOGUE[name]
    if imagesets.find_builtin(workspace, name) is None:
        quotas.check_download(workspace, source.title, source.images)
    folder = settings.load().home / "downloads" / name
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with writing(folder.parent), FileLock(folder.with_suffix(".lock")):
        if imagesets.find_builtin(workspace, name) is not None:
            return imagesets.open_set(workspace, name)
        # The archive, what it unpacks to, and what the set keeps of that.
        needed = 3_000_000 * source.megabytes
        if free_bytes(folder) < needed:
            raise full_disk(folder, needed)
        _clean(folder)
        fetched = imagesets.create(workspace, name, builtin=True)
        try:
            _fill(fetched, source, folder, report or (lambda _done, _total: None))
        except BaseException:
            fetched.delete()
            raise
        shutil.rmtree(folder, ignore_errors=True)
        return fetched


def _there_are() -> str:
    return f"There are: {', '.join(CATALOGUE)}."


def _fill(fetched: ImageSet, source: Source, folder: Path, report: Progress) -> None:
    with _explained(source, folder), _measured(source, folder, report) as arrived:
        examples = source.examples(folder)
        first = next(examples)  # by now everything has been fetched and unpacked
    arrived()

    def rest() -> Iterator[Example]:
        yield first
        yield from examples

    def new() -> Iterator[NewImage]:
        stream = ((example, example.image) for example in rest())
        with contextlib.closing(decode_all(stream)) as outcomes:
            for done, (example, outcome) in enumerate(outcomes, start=1):
                if not isinstance(outcome, UserError):
                    mask = None if example.trimap is None else _mask(example.trimap, outcome)
                    yield NewImage(
                        example.name,
                        stored=outcome,
                        label=example.label,
                        source=source.title,
                        box=None if mask is None else _box(mask),
                        mask=mask,
                    )
                share = _DOWNLOAD_SHARE + (1 - _DOWNLOAD_SHARE) * min(1.0, done / source.images)
                report(int(1000 * share), 1000)

    fetched.add(new())
    if not len(fetched):
        raise UserError(f"{source.title} holds no image that can be read.", "Try again.")


def _mask(trimap: Path, stored: Stored) -> NDArray[np.uint8] | None:
    """The mask of a stored image, uint8 (H, W): 1 object, 0 background, 255 where that is not said. None
    where there is none that can be read, or it is of another shape."""
    try:
        found = read_mask(trimap.read_bytes(), stored.width, stored.height)
    except OSError:
        return None
    return None if found is None else _MEANING[found]


def _box(mask: NDArray[np.uint8]) -> Box | None:
    """x0 y0 x1 y1 around the object, in [0, 1]; None where there is none."""
    rows, columns = (np.flatnonzero((mask == 1).any(axis)) for axis in (1, 0))
    if not len(rows):
        return None
    height, width = mask.shape
    left, top, right, bottom = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return float(left / width), float(top / height), float(right / width), float(bottom / height)


@contextlib.contextmanager
def _measured(source: Source, folder: Path, report: Progress) -> Iterator[Callable[[], None]]:
    """Report how much has arrived, by the size of the archives, which torchvision writes as they come.

    Yields what reports that all has.
    """
    over = threading.Event()
    stopped: list[BaseException] = []

    def watch() -> None:
        try:
            while not over.wait(0.5):
                share = min(1.0, _archived_bytes(folder) / (1e6 * source.megabytes))
                report(int(1000 * share * _DOWNLOAD_SHARE), 1000)
        except (
            BaseException
        ) as error:  # a report may raise to cancel, and has to do it where somebody listens
            stopped.append(error)

    clock = threading.Thread(target=watch, daemon=True)
    silence = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SILENCE_SECONDS)
    clock.start()
    try:
        yield lambda: report(int(1000 * _DOWNLOAD_SHARE), 1000)
    finally:
        socket.setdefaulttimeout(silence)
        over.set()
        clock.join()
    if stopped:
        raise stopped[0]


def _archived_bytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.stat().st_size if path.name.endswith(_ARCHIVES) else 0
    return total


def _clean(folder: Path) -> None:
    """Remove what an earlier attempt had unpacked, perhaps in part: torchvision takes a folder for the whole.

    Its archives stay; torchvision fetches anew those whose digest is wrong.
    """
    for path in sorted(folder.rglob("*"), reverse=True):
        with contextlib.suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            elif not path.name.endswith(_ARCHIVES):
                path.unlink()


@contextlib.contextmanager
def _explained(source: Source, folder: Path) -> Iterator[None]:
    """Say in a sentence what went wrong with the network, the archive or the disk."""
    title = source.title
    again = "Try again; what had arrived whole is kept."
    try:
        with writing(folder, 3_000_000 * source.megabytes):
            yield
    except urllib.error.HTTPError as error:
        said = f"its server answered {error.code}"
        raise UserError(f"{title} could not be downloaded: {said}.", "Try again later.") from error
    except FileNotFoundError as error:
        raise UserError(f"The download of {title} is not complete.", again) from error
    except (
        OSError,
        http.client.HTTPException,
    ) as error:  # URLError and a server that falls silent among them
        hint = "Check the connection to the Internet and try again."
        raise UserError(f"{title} could not be downloaded: its server cannot be reached.", hint) from error
    except (RuntimeError, EOFError, ValueError, zlib.error, StopIteration, tarfile.TarError) as error:
        raise UserError(f"The download of {title} is damaged.", again) from error
