"""`sslviz images`: sets of images."""

from __future__ import annotations

from pathlib import Path

import typer

from sslviz.cli.output import Progress, counted, emit, table
from sslviz.errors import UserError

commands = typer.Typer(help="Add, list, rename, merge and delete sets of images.", rich_markup_mode=None,
                       invoke_without_command=True)  # fmt: skip


def path_given(text: str) -> Path:
    """The path that `text` means, whatever is there. Raises `UserError` for an empty one.

    An unset variable in a script must not mean the folder one stands in, as `Path("")` does. And whether a
    path can be read is found where it is read, so that of several a bad one is skipped.
    """
    if not text:
        raise UserError("A path is empty; write . for this folder.")
    return Path(text)


JSON = typer.Option(False, "--json", help="Print one JSON object.")
PATHS = typer.Argument(parser=path_given, help="Images, folders and zips.")
NAMES = typer.Argument(help="Sets to take the images of.")
NAME = typer.Argument(help="Name of the set.")
TABLE = typer.Argument(parser=path_given, help="CSV with the columns id (or file) and label.")
LEAST = typer.Option(1.0, "--least", help="Leave out rows less certain than this, in [0, 1].")


@commands.callback()
def images(context: typer.Context, as_json: bool = JSON) -> None:
    """Sets of images; without a command, a list of them."""
    if context.invoked_subcommand is None:
        list_sets(as_json)


@commands.command("add")
def add(
    name: str = NAME,
    paths: list[Path] = PATHS,
    as_json: bool = JSON,
) -> None:
    """Add images, folders and zips to a set, which is made if there is none."""
    from sslviz import imagesets, ingest, settings

    # Of several paths a bad one is skipped like a bad image.
    if not any(ingest.is_there(path) for path in paths):
        missing = " or ".join(repr(imagesets.show_name(str(path))) for path in paths[:3])
        raise UserError(f"There is no file or folder {missing}.")
    workspace, name = settings.workspace(), name.strip()
    progress = Progress("Adding images")
    try:
        chosen, found = ingest.add_to(workspace, name, paths, report=progress)
    finally:
        progress.close()
    skipped = [{"name": member, "reason": reason} for member, reason in found.skipped]
    lines = [
        f"{counted(found.added, 'image')} added to {chosen.name!r}, {found.duplicates:,} "
        f"{'was' if found.duplicates == 1 else 'were'} there already."
    ]
    lines += [f"  skipped {one['name']}: {one['reason']}" for one in skipped]
    lines += [f"  {note}" for note in found.notes]
    result = {
        "set": chosen.name,
        "added": found.added,
        "duplicates": found.duplicates,
        "skipped": skipped,
        "labels": found.labels,
        "notes": found.notes,
    }
    emit(result, as_json, "\n".join(lines))
    if not len(chosen):
        hint = "The reasons are above." if skipped else "There were no files in it."
        raise UserError("None of this was an image that sslviz can use.", hint)


@commands.command("list")
def list_sets(as_json: bool = JSON) -> None:
    """The sets there are."""
    from sslviz import imagesets, settings

    found = imagesets.names(settings.workspace())
    rows = [("name", "images", "labels")]
    rows += [(s.name, f"{s.images:,}", s.problem or f"{len(s.labels):,}") for s in found]
    sets = [{"name": s.name, "images": s.images, "labels": s.labels, "builtin": s.builtin} for s in found]
    emit({"sets": sets}, as_json, table(rows) if found else "No images yet: `sslviz images add NAME PATH`.")


@commands.command("label")
def label(
    name: str = NAME,
    file: Path = TABLE,
    least: float = LEAST,
    as_json: bool = JSON,
) -> None:
    """Label images by a table, as "Click to label" exports it; by default only what was named by hand."""
    from sslviz import imagesets, naming, settings

    chosen = imagesets.open_set(settings.workspace(), name)
    if chosen.builtin:
        raise UserError(f"{name!r} comes with sslviz and keeps the labels that it has.")
    try:
        data = file.read_bytes()
    except OSError:
        raise UserError(f"{imagesets.show_name(str(file))!r} cannot be read.", "Give a CSV file.") from None
    found = naming.read_table(data, chosen, least)
    missed = {
        "unknown": "of no image in it",
        "uncertain": f"less certain than {least:g}, which --least lowers",
        "unlabelled": "without a label",
        "ambiguous": "of a file name that several images have, which the column id tells apart",
        "contradicted": "of an image that has another label further down, which it got",
    }
    counts = {name: getattr(found, name) for name in missed}
    told = [f"{counted(counts[name], 'row')}: {why}." for name, why in missed.items() if counts[name]]
    if not found.labels:
        raise UserError(f"No image of {chosen.name!r} was labelled. {' '.join(told)}".rstrip())
    chosen.set_labels(found.labels)
    result = {"set": chosen.name, "labelled": len(found.labels), **counts, "labels": chosen.label_counts()}
    lines = [f"{counted(len(found.labels), 'image')} of {chosen.name!r} labelled.", *told]
    emit(result, as_json, " ".join(lines))


@commands.command("rename")
def rename(
    name: str = NAME, new_name: str = typer.Argument(help="Its new name."), as_json: bool = JSON
) -> None:
    """Give a set another name."""
    from sslviz import imagesets, settings

    renamed = imagesets.open_set(settings.workspace(), name)
    renamed.rename(new_name)
    emit({"set": renamed.name}, as_json, f"{name!r} is now called {renamed.name!r}.")


@commands.command("merge")
def merge(
    new_name: str = typer.Argument(help="Name of the new set."),
    names: list[str] = NAMES,
    as_json: bool = JSON,
) -> None:
    """Make a new set of the images of others, each once."""
    from sslviz import imagesets, settings

    workspace = settings.workspace()
    parts = [imagesets.open_set(workspace, name) for name in names]
    merged = imagesets.merge(workspace, names, new_name)
    notes = imagesets.two_classes(merged, imagesets.labels_of(parts))
    result = {"set": merged.name, "images": len(merged), "notes": notes}
    emit(result, as_json, " ".join([f"{merged.name!r} has {counted(len(merged), 'image')}.", *notes]))


@commands.command("delete")
def delete(name: str = NAME, as_json: bool = JSON) -> None:
    """Delete a set with its images."""
    from sslviz import imagesets, settings

    imagesets.delete(settings.workspace(), name)
    emit({"set": name}, as_json, f"{name!r} is deleted.")


@commands.command("download")
def download(name: str = typer.Argument(help="cifar10, stl10, …"), as_json: bool = JSON) -> None:
    """Download a public data set."""
    from sslviz import downloads, settings

    progress = Progress(f"Downloading {name}")
    try:
        chosen = downloads.download(settings.workspace(), name, progress)
    finally:
        progress.close()
    emit({"set": chosen.name, "images": len(chosen)}, as_json, f"{chosen.name!r} has {len(chosen):,} images.")
