"""The probe of RotNet as it was published: three layers a block, by its authors' schedule (Gidaris et al.
2018, table 1).

The encoder sees every image anew in each of a hundred epochs, for it is shifted anew each time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from sslviz.classifiers.heads import three_layers
from sslviz.classifiers.shifting import as_views, shifted
from sslviz.model import Encoder
from sslviz.plan import Plan
from sslviz.tasks.base import Task
from sslviz.tasks.sampling import send
from sslviz.train import Images, seed_for
from sslviz.train.draws import rows_of_step
from sslviz.train.learning import optimizer_for, set_rate
from sslviz.train.replaying import Replayed

BATCH = 256
"""Images of a batch where nothing is learned."""
AHEAD = 16
"""Steps whose maps a GPU makes at once."""

Report = Callable[[int, int], None]


def fit(
    encoder: Encoder,
    task: Task,
    images: Images,
    labels: Tensor,
    classes: int,
    plan: Plan,
    *,
    padding: int = 4,
    mirror: bool = True,
    seed: int = 0,
    device: str = "cpu",
    report: Report | None = None,
) -> dict[str, nn.Sequential]:
    """A classifier a block, trained by `plan`, by SGD, on `images`, uint8 (N, 3, S, S), with `labels`,
    int64 (N,), in [0, classes).

    The encoder is in evaluation mode and learns nothing; one pass through it serves all blocks. Images are
    shifted by up to `padding` pixels and mirrored, as for the training of the encoder itself.
    """
    place = torch.device(device)
    encoder, images = encoder.to(place).eval(), _on(images, place)
    with torch.inference_mode():
        widths = {name: maps.numel() for name, maps in encoder.maps(as_views(task, images[:1])).items()}
    made = {
        name: three_layers(width, classes, seed_for(seed, f"classifier {name}")).to(place)
        for name, width in widths.items()
    }
    optimizer = optimizer_for(nn.ModuleDict(made), plan, place)

    def learn(answer: Tensor, *maps: Tensor) -> None:
        losses = [
            functional.cross_entropy(classifier(one.float()), answer)
            for classifier, one in zip(made.values(), maps, strict=True)
        ]
        try:
            torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]  # no weight is shared
            optimizer.step()
        finally:
            optimizer.zero_grad(set_to_none=True)

    step = Replayed(learn, place)
    rows, labels = torch.arange(len(images)), labels.to(place)
    ahead = _ahead(place)
    answers: Sequence[Tensor] = ()
    maps: list[Sequence[Tensor]] = []
    for number in range(plan.steps):
        set_rate(optimizer, plan.learning_rate(number))
        part, turn = divmod(number, ahead)
        if turn == 0:  # the encoder does not change meanwhile, and a GPU has a batch of several steps sooner
            index = send(rows_of_step(rows, ahead * plan.batch, seed, part), place)
            shown = shifted(images[index], padding, mirror, seed_for(seed, "classifier", part))
            with torch.no_grad(), _autocast(plan, place):
                found = encoder.maps(as_views(task, shown))
            maps, answers = [found[name].chunk(ahead) for name in made], labels[index].chunk(ahead)
        step(answers[turn], *(one[turn] for one in maps))
        if report:
            report(number + 1, plan.steps)
    return {name: classifier.eval() for name, classifier in made.items()}


def accuracies(
    encoder: Encoder,
    classifiers: Mapping[str, nn.Sequential],
    task: Task,
    images: Images,
    labels: Tensor,
    *,
    device: str = "cpu",
) -> dict[str, float]:
    """By block the share of `images`, uint8 (N, 3, S, S), whose label its classifier tells."""
    found = told(encoder, classifiers, task, images, labels, device=device)
    return {name: float(right.mean()) for name, right in found.items()}


def told(
    encoder: Encoder,
    classifiers: Mapping[str, nn.Sequential],
    task: Task,
    images: Images,
    labels: Tensor,
    *,
    device: str = "cpu",
) -> dict[str, NDArray[np.bool_]]:
    """By block, bool (N,): of which `images`, uint8 (N, 3, S, S), its classifier tells the label."""
    place = torch.device(device)
    encoder, images, labels = encoder.to(place).eval(), _on(images, place), labels.to(place)
    right: dict[str, list[Tensor]] = {name: [] for name in classifiers}
    with torch.inference_mode():
        for part, answer in zip(torch.split(images, BATCH), torch.split(labels, BATCH), strict=True):
            maps = encoder.maps(as_views(task, part))
            for name, classifier in classifiers.items():
                right[name].append(classifier(maps[name]).argmax(1) == answer)
    return {name: torch.cat(parts).cpu().numpy() for name, parts in right.items()}


def _ahead(device: torch.device) -> int:
    return AHEAD if device.type == "cuda" else 1


def _on(images: Images, device: torch.device) -> Tensor:
    """All images at once where they are looked at: 50,000 of 32 pixels are 150 MB."""
    return (images if isinstance(images, Tensor) else torch.from_numpy(np.array(images))).to(device)


def _autocast(plan: Plan, device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=plan.precision == "bf16")
