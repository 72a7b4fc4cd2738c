"""What a minute is best spent on, by task: the defaults of a run, measured; see docs/benchmarks.md."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """Defaults that a plan is made of."""

    batch: int
    """Rows asked of `Problem.make` a step."""
    lr: float
    """Highest learning rate; of Muon an angle in radians."""
    weight_decay: float
    """Of Muon not of convolutions, whose length it keeps."""
    lr_of_many: float | None = None
    """Highest learning rate of more than `MANY` images, where it is another."""
    optimizer: str = "adamw"
    """As in `Plan`."""
    momentum: float = 0.85
    """Of Muon."""
    label_smoothing: float = 0.0
    warmup: float = 0.1
    """Share of the run in which the learning rate rises."""
    reuse: int = 1
    """Examples made of the views of one row, where a task has such (`Problem.make_shared`)."""

    def rate(self, images: int) -> float:
        """The learning rate for so many images."""
        return self.lr_of_many if self.lr_of_many is not None and images > MANY else self.lr

    def decay(self, images: int) -> float:
        """The weight decay for so many images."""
        return self.weight_decay * min(1.0, MANY / images)


# Held-out accuracies, at the steps of about a minute on two cores.
RECIPES: dict[str, Recipe] = {
    # After 700 steps of Muon on CIFAR-10 neighbours told 0.56 of the labels, after 780 and 1,790 of AdamW
    # 0.52 and 0.56; after 680 on 2,000 scenes 0.40 for 0.26. An angle of 0.03 for 0.05 told 0.01 more
    # on CIFAR-10, in each of seven pairs of equally many steps, and 0.05 less on the scenes.
    # Labels smoothed by 0.1 told 0.02 more of turned photographs, and as many labels of scenes as without.
    "rotation": Recipe(
        batch=32, lr=0.05, lr_of_many=0.03, weight_decay=1e-3, optimizer="muon", label_smoothing=0.1
    ),
    # Of 4,000 seeds, after equal time: AdamW 0.62; Muon far less, whose plain descent leaves most of the head
    # where it is; convolutions by Muon and the head by AdamW 0.77, and 0.78 of 128 seeds a step for 64.
    "exemplar": Recipe(batch=128, lr=0.03, weight_decay=0.05, optimizer="muon-adamw"),
    # Of few images overfitted, so labels are smoothed. 32 images a step for 16, and half as many steps, tell
    # as much and take less time: Muon takes half of it.
    "jigsaw": Recipe(batch=32, lr=0.03, weight_decay=1e-3, label_smoothing=0.1, optimizer="muon"),
    # Eight pairs from nine encoded patches gained eight points. Of 32 images a step one more than of 16.
    "location": Recipe(batch=32, lr=0.05, weight_decay=1e-3, reuse=8, optimizer="muon"),
}
MANY = 4_000
"""Images beyond which each is hardly seen twice in a short run. Weights are decayed less, the less the more
there are: decay is against learning by heart."""
DEFAULT = Recipe(batch=64, lr=3e-3, weight_decay=0.05)
"""For a task that has no recipe of its own yet."""
