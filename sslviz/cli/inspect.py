"""`sslviz embed` and `neighbors`: the features of a run."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import typer

from sslviz.cli.output import Progress, emit, table
from sslviz.errors import UserError
from sslviz.files import replace, temporary_beside

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sslviz.imagesets import ImageSet
    from sslviz.runs import Run

RUN = typer.Argument(metavar="RUN", help="Id of a run, or latest.")
IMAGES = typer.Option(..., "--images", help="A set, a folder, a zip, or a built-in.")
DEVICE = typer.Option("auto", help="auto, cpu, cuda or mps.")
OUT = typer.Option(..., "--out", help="The .npz file to write.")
JSON = typer.Option(False, "--json", help="Print one JSON object at the end.")


def embed(
    which: str = RUN,
    images: str = IMAGES,
    out: Path = OUT,
    block: str | None = typer.Option(None, help="Block of the network.  [default: one past the middle]"),
    device: str = DEVICE,
    as_json: bool = JSON,
) -> None:
    """Write ids, names, labels, features and map coordinates to a file for numpy."""
    if not out.parent.is_dir():
        raise UserError(f"There is no folder {str(out.parent)!r}.")
    if out.is_dir():
        raise UserError(f"{str(out)!r} is a folder.", "Give the name of a file.")
    run, chosen, device = opened(which, images, device)
    import numpy as np

    from sslviz import neighbors, project

    progress = Progress("Embedding")
    try:
        block, found = _features(run, chosen, block, device, progress)
        progress.say("Embedding: UMAP", last=True)
        near = min(50, max(1, len(found) - 1))
        xy = (
            project.umap(found, *neighbors.search(found, found, near, exclude_self=True))
            if len(found) > 1
            else np.zeros((len(found), 2), np.float32)
        )
    finally:
        progress.close()
    # Files for strangers hold no Python objects: text has a fixed width, no label is "".
    arrays = {
        "ids": np.array(chosen.ids, np.str_),
        "names": np.array(chosen.names, np.str_),
        "labels": np.array([label or "" for label in chosen.labels], np.str_),
        "features": found,
        "xy": xy,
    }
    try:
        _write(out, lambda file: np.savez(file, allow_pickle=False, **arrays))
    except OSError as error:
        raise UserError(f"{str(out)!r} cannot be written: {error.strerror}.") from None
    result = {"run": run.id, "set": chosen.name, "block": block, "images": len(found), "out": str(out)}
    emit(result, as_json, f"{len(found):,} images × {found.shape[1]:,} features of {block} are in {out}.")


def _write(out: Path, save: Callable[[IO[bytes]], None]) -> None:
    """Have `out` written whole or left as it was; a device or a pipe cannot be replaced."""
    if out.exists() and not out.is_file():
        with out.open("wb") as file:
            save(file)
        return
    target = out.resolve()  # the file behind a link, and not the link
    temporary = temporary_beside(target)
    try:
        with temporary.open("xb") as file:
            save(file)
            file.flush()
            os.fsync(file.fileno())
        replace(temporary, target)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def neighbors(
    which: str = RUN,
    image: str = typer.Argument(metavar="IMAGE", help="An id, a name in the set, or a file."),
    images: str = IMAGES,
    k: int = typer.Option(8, "-k", min=1, help="Neighbours."),
    block: str | None = typer.Option(None, help="Block of the network."),
    device: str = DEVICE,
    as_json: bool = JSON,
) -> None:
    """The images of a set that a run takes to be most like one image."""
    run, chosen, device = opened(which, images, device)
    import numpy as np

    from sslviz import neighbors as nearest

    progress = Progress("Looking")
    row, extra = _asked(run, chosen, image)
    try:
        _, found = _features(run, chosen, block, device, progress, extra)
    finally:
        progress.close()
    query = found[row : row + 1] if row is not None else found[-1:]
    memory = found[: len(chosen)]
    indices, similarity = nearest.search(query, memory, min(len(memory), k + 1))
    pairs = [
        (int(i), float(s)) for i, s in zip(indices[0], np.clip(similarity[0], -1, 1), strict=True) if i != row
    ]
    shown = [{"id": chosen.ids[i], "name": chosen.names[i], "similarity": s} for i, s in pairs[:k]]
    rows = [("similarity", "id", "label", "name")]
    rows += [(f"{s:.3f}", chosen.ids[i], chosen.labels[i] or "–", chosen.names[i]) for i, s in pairs[:k]]
    nobody = f"There is no other image in {chosen.name!r}."
    emit({"neighbors": shown}, as_json, table(rows) if shown else nobody)


def images_named(text: str) -> ImageSet:
    from sslviz import ingest, settings

    progress = Progress("Reading images")
    try:
        found = ingest.resolve(settings.workspace(), text, progress)
    finally:
        progress.close()
    if not len(found):
        raise UserError(f"The set {found.name!r} is empty.", "Add images to it.")
    return found


def opened(which: str, images: str, device: str) -> tuple[Run, ImageSet, str]:
    """Run, images and device; mistakes that need no torch are found before it is imported."""
    from sslviz import settings
    from sslviz.runs import open_run

    run = open_run(settings.workspace(), which)
    if run.damage:
        raise UserError(run.damage, "Delete the run, or choose another.")
    run.weights()
    chosen = images_named(images)
    from sslviz.worker.waiting import resolve_device

    return run, chosen, resolve_device(device)


def _features(
    run: Run,
    images: ImageSet,
    block: str | None,
    device: str,
    report: Any,
    extra: NDArray[np.uint8] | None = None,
) -> tuple[str, NDArray[np.float32]]:
    """(block, features (N, D)) of a set, and of one more image after it."""
    import numpy as np

    from sslviz import features, networks

    network = networks.trained(run)
    blocks = list(network.encoder.blocks)
    if block is None:
        # The best depth is rarely the last, which is bent to the pretext task.
        block = blocks[round(0.65 * (len(blocks) - 1))]
    if block not in blocks:
        raise UserError(
            f"The network of run {run.id} has no block {block!r}.", f"Choose {', '.join(blocks)}."
        )
    squares = networks.squares_for(run, images)
    everything = squares if extra is None else np.concatenate([squares, extra[None]])
    found = features.extract(
        network,
        networks.task_of(run),
        everything,
        memory=squares,
        blocks=[block],
        device=device,
        report=report,
    )
    return block, found[block]


def _asked(run: Run, images: ImageSet, image: str) -> tuple[int | None, NDArray[np.uint8] | None]:
    """(row, None) of an image in the set, or (None, square) of a file."""
    if image in images.ids:
        return images.ids.index(image), None
    from sslviz.imagesets import show_name

    rows = [row for row, name in enumerate(images.names) if name == image]
    rows = rows or [row for row, name in enumerate(images.names) if name.endswith(f"/{image}")]
    if len(rows) == 1:
        return rows[0], None
    if rows:
        ids = ", ".join(images.ids[row] for row in rows[:5]) + (", …" if len(rows) > 5 else "")
        raise UserError(
            f"{len(rows)} images of {images.name!r} are called {show_name(image)!r}.", f"Give an id: {ids}."
        )
    path = Path(image)
    if not os.path.isfile(path):  # noqa: PTH113 - pathlib raises where a name is too long to be one
        raise UserError(
            f"{show_name(image)!r} is neither an image of {images.name!r} nor a file.",
            "Give an id, a name or a path.",
        )
    from sslviz import images as pictures
    from sslviz import networks, settings

    limits = settings.load()
    try:
        if path.stat().st_size > limits.max_file_bytes:
            raise UserError("is too large", "")
        pixels = pictures.decode(path.read_bytes(), limits)
    except OSError as error:
        raise UserError(f"{image!r} cannot be read: {error.strerror}.") from None
    except UserError as error:
        raise UserError(f"{image!r} {error.message.rstrip('.')}.", error.hint) from None
    side = networks.squares_for(run, images).shape[-1]
    return None, pictures.square(pixels, side).transpose(2, 0, 1)
