"""The four tasks as pictures for the start page: a source with its boxes beside what the network gets.

`python -m sslviz.posters` makes the ones that come with the package, from the built-in scenes; the app makes
others from a person's own images, in a job, so that the start page waits for nothing.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from sslviz.errors import UserError
from sslviz.files import write_atomically
from sslviz.imagesets import ImageSet
from sslviz.options import make_task
from sslviz.preview import Example, bind
from sslviz.tasks import TASKS

SIDE = 360
"""Pixels of the source's side, and of the square beside it; pages show them at half of that."""
BETWEEN = 36
CELL_GAP = 8
GHOST = (128, 128, 128, 46)
"""Of a place that no view belongs to; reads on a light page and on a dark one."""
COPIES = 9

SHIPPED = {"rotation": (34, 0), "exemplar": (35, 1), "jigsaw": (23, 2), "location": (4, 2)}
"""Scene and draw of the pictures that come with the package."""

Place = tuple[int, int, int]
"""Left, top and side of a square."""


def poster(name: str, images: ImageSet, row: int, seed: int = 0) -> bytes:
    """WebP with a clear background: the image in `row` at the left, its views at the right.

    Raises `UserError` where the image does not suffice for the task.
    """
    bound = bind(make_task(name, {}), images, row)
    made = bound.copies(seed, COPIES) if name == "exemplar" else bound.examples(seed)
    canvas = Image.new("RGBA", (2 * SIDE + BETWEEN, SIDE), (0, 0, 0, 0))
    canvas.paste(_source(made[0]), (0, 0))
    ghosts, views = _layout(name, made)
    drawing = ImageDraw.Draw(canvas)
    for left, top, side in ghosts:
        drawing.rounded_rectangle((left, top, left + side - 1, top + side - 1), 6, fill=GHOST)
    for view, (left, top, side) in views:
        canvas.paste(Image.fromarray(view).resize((side, side), Image.Resampling.BICUBIC), (left, top))
    buffer = io.BytesIO()
    canvas.save(buffer, "WEBP", quality=86, method=6, exact=False)
    return buffer.getvalue()


def _source(example: Example) -> Image.Image:
    picture = Image.fromarray(example.source)
    if example.mirror:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    picture = picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    drawing = ImageDraw.Draw(picture)
    for x0, y0, x1, y1 in example.boxes:
        edges = tuple(round(v * (SIDE - 1)) for v in (x0, y0, x1, y1))
        drawing.rectangle(edges, outline=(30, 30, 30), width=6)
        drawing.rectangle(
            (edges[0] + 1, edges[1] + 1, edges[2] - 1, edges[3] - 1), outline=(255, 255, 255), width=4
        )
    return picture


def _grid(across: int) -> list[Place]:
    """Places of `across` × `across` cells in the square at the right, row by row."""
    side = (SIDE - (across - 1) * CELL_GAP) // across
    start = SIDE + BETWEEN
    return [
        (start + column * (side + CELL_GAP), line * (side + CELL_GAP), side)
        for line in range(across)
        for column in range(across)
    ]


def _layout(name: str, made: list[Example]) -> tuple[list[Place], list[tuple[NDArray[np.uint8], Place]]]:
    """Empty places, and views with theirs."""
    if name == "rotation":
        return [], list(zip([e.views[0] for e in made], _grid(2), strict=False))
    if name == "exemplar":
        return [], list(zip([e.views[0] for e in made], _grid(3), strict=False))
    if name == "jigsaw":
        return [], list(zip(made[0].views, _grid(3), strict=False))
    cells = _grid(3)
    second = made[0].answer if made[0].answer < 4 else made[0].answer + 1
    ghosts = [cell for at, cell in enumerate(cells) if at not in (4, second)]
    return ghosts, [(made[0].views[0], cells[4]), (made[0].views[1], cells[second])]


def write(images: ImageSet, folder: Path, seed: int = 0) -> list[str]:
    """A poster of each task into `folder`, as `<task>.webp`, each from the first image that suffices.

    Returns the tasks for which some image did.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for place, name in enumerate(TASKS):
        for attempt in range(min(8, len(images))):
            row = (place * 7 + attempt * 31 + seed) % len(images)
            try:
                picture = poster(name, images, row, seed)
            except UserError:
                continue
            write_atomically(folder / f"{name}.webp", picture)
            written.append(name)
            break
    return written


if __name__ == "__main__":
    from sslviz import settings
    from sslviz.ingest import resolve

    scenes = resolve(settings.workspace(), "scenes")
    for task, (row, seed) in SHIPPED.items():
        path = Path(__file__).parent / "docs" / "pictures" / f"{task}.webp"
        path.write_bytes(poster(task, scenes, row, seed))
