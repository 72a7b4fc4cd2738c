"""A run as a zip that needs no sslviz: its encoder in plain torch, weights, curves, what was asked.

README.txt               how to load the encoder, in four lines
encoder.py               the encoder, written out; see `sslviz.export.encoder`
encoder.safetensors      its weights alone; those of resnet18 under torchvision's names
model.safetensors        the newest checkpoint as it is: "encoder." and, where it was kept, "head."
metrics.csv              the curves, a row a point
spec.json, status.json, note.json, command.txt
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from safetensors.torch import save

from sslviz import archives, networks, origins
from sslviz.export.encoder import source
from sslviz.model import LARGE_RESNET_VIEW, Encoder
from sslviz.runs import Run, Spec
from sslviz.runs.records import plain
from sslviz.tables import as_csv


def pack(run: Run) -> bytes:
    """The zip of a run, its members in the folder `sslviz-<id>/`; the same run gives the same bytes.

    Raises `UserError` where the run has no weights, or they do not fit its network.
    """
    network = networks.trained(run)
    task = networks.task_of(run)
    side = run.spec.side or run.spec.size or run.spec.view or 1
    weights = {name: value.contiguous() for name, value in network.encoder.state_dict().items()}
    code = source(network.encoder, task, run.spec.model, side, run.id)
    status = {name: value for name, value in asdict(run.status()).items() if name != "pid"}
    files: list[tuple[str, bytes]] = [
        ("README.txt", read_me(run, network.encoder, side).encode()),
        ("encoder.py", code.encode()),
        ("encoder.safetensors", save(weights)),
        ("model.safetensors", run.weights().read_bytes()),
        ("metrics.csv", as_csv(run.metrics()).encode()),
        ("spec.json", as_json(asdict(run.spec))),
        ("status.json", as_json(status)),
        ("note.json", as_json({"title": origins.title_of(run), "note": run.note})),
        ("command.txt", (origins.command_of(run) + "\n").encode()),
    ]
    return archives.pack([(f"sslviz-{run.id}/{name}", data) for name, data in files])


def as_json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def repeating(spec: Spec) -> str:
    """What command.txt promises, and what it needs, in lines for README.txt."""
    timed = spec.steps is None and spec.like is None
    if spec.origin:
        timed = any(f" {option} " in spec.origin for option in ("--minutes", "--seconds"))
    said = (
        "command.txt has the command that asks for the same again: within a time budget the number of steps "
        "differs from machine to machine."
        if timed
        else "command.txt has the command that repeats it."
    )
    needed = [f"run {spec.like}, whose plan it takes" if spec.like else ""]
    needed += [f"run {spec.start}, from whose weights it starts" if spec.start else ""]
    there = ", and ".join(one for one in needed if one and not spec.origin)
    said += f" It works where these are: {there}." if there else ""
    return textwrap.fill(f"{said} metrics.csv has its curves.", 108)


READ_ME = """\
{title}

An encoder trained with sslviz: task {task}, network {model}, images {images}.
{command}


The features that sslviz shows, in four lines that need torch{extra} and nothing else:

    from encoder import load
    encoder = load("encoder.safetensors")
    encoder.adapt(images)
    features = encoder.features(images)["{block}"]

`images` is a uint8 tensor (N, 3, {side}, {side}), RGB: the centre square of each picture, resampled to
{side} × {side} pixels (the network takes other sizes too, but it was trained on these). The third line lets
BatchNorm take its statistics from your images, as sslviz does: whole images are not the views that the
network was trained on. With few images, or one at a time, adapt on a larger set of the same kind first.

`features` has a row of length 1 an image: the block's map averaged to 2 × 2. The last block is rarely the
best; there are {blocks}.
`encoder.maps(encoder.normalize(images))` gives the maps themselves, by block.

To make `images` from files, with Pillow and numpy:

    import numpy, torch
    from PIL import Image, ImageOps
    squares = [ImageOps.fit(ImageOps.exif_transpose(Image.open(path)).convert("RGB"), ({side}, {side}))
               for path in paths]
    images = torch.from_numpy(numpy.stack(squares)).permute(0, 3, 1, 2)


To train on: `encoder(encoder.normalize(images))` is the last block's map, float32 (N, {channels}, h, w); call
`encoder.train()` first. The weights are the plain numbers of a safetensors file, so
`encoder.load_state_dict(safetensors.torch.load_file("encoder.safetensors"))` does the same as `load`.
model.safetensors has the whole network as it was saved: the encoder's names there begin with "encoder.".
{resnet}"""

RESNET = """

The weights have torchvision's names: every one of them fits

    torchvision.models.resnet18().load_state_dict(load_file("encoder.safetensors"), strict=False)

which lacks fc alone, the classifier, and never had it.{stem}
"""

STEM = """ But the views that this run trained on were under
{limit} pixels, so its first convolution is 3 × 3 with stride 1, and no pooling follows. Before loading, write

    model.conv1 = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)
    model.maxpool = torch.nn.Identity()"""


def read_me(run: Run, encoder: Encoder, side: int) -> str:
    """README.txt."""
    spec, blocks = run.spec, list(encoder.blocks)
    is_resnet = spec.model == "resnet18"
    few = is_resnet and (spec.view or 0) < LARGE_RESNET_VIEW
    resnet = RESNET.format(stem=STEM.format(limit=LARGE_RESNET_VIEW) if few else "") if is_resnet else ""
    return READ_ME.format(
        title=origins.title_of(run),
        task=spec.task,
        model=spec.model,
        images=origins.name_of(run),
        command=repeating(spec),
        side=side,
        extra=" and torchvision" if is_resnet else "",
        block=blocks[len(blocks) // 2],
        blocks=", ".join(blocks),
        channels=encoder.channels,
        resnet=resnet,
    )
