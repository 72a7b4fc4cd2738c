"""Steps on a CUDA device, which are replayed from a graph: what they must have in common with plain steps."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from sslviz.papers import labelled
from sslviz.plan import Plan
from sslviz.tasks import TASKS, make_task
from sslviz.train import Training, draws

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")

STEPS = 9
PLAN = Plan(steps=STEPS, batch=8, lr=1e-3, weight_decay=0.1, log_every=3, evaluate_every=STEPS)
SIDES = {"rotation": 32, "exemplar": 96, "jigsaw": 72, "location": 72}


@pytest.fixture(autouse=True)
def fewer_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draws, "HELDOUT", 64)


def training(name: str, plan: Plan = PLAN, capture: bool = True, **options: Any) -> Training:
    pixels = torch.randint(
        0, 256, (40, 3, SIDES[name], SIDES[name]), generator=torch.Generator().manual_seed(0)
    )
    made = Training(make_task(name, options), pixels.byte(), plan, device="cuda")
    made.learner.step.capturing = capture
    return made


def weights(of: Training) -> Tensor:
    return torch.cat([p.detach().flatten().double().cpu() for p in of.network.parameters()])


@pytest.fixture
def exact() -> Any:
    """Convolutions that give the same twice, so that what differs is the code."""
    before = torch.backends.cudnn.deterministic, torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.deterministic, torch.backends.cudnn.allow_tf32 = True, False
    yield
    torch.backends.cudnn.deterministic, torch.backends.cudnn.allow_tf32 = before


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "muon", "muon-adamw"])
@pytest.mark.parametrize("name", TASKS)
@pytest.mark.usefixtures("exact")
def test_replayed_steps_are_the_plain_ones(name: str, optimizer: str) -> None:
    """Same batches, same learning rates, same dropout: so the same figures, and weights as near as the order
    of sums lets them be."""
    plan = replace(PLAN, optimizer=optimizer, label_smoothing=0.1)
    plain, graphed = training(name, plan, capture=False), training(name, plan)
    theirs, ours = list(plain.run()), list(graphed.run())
    for one, other in zip(theirs, ours, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=2e-2)
        assert one.learning_rate == other.learning_rate
    moved = (weights(plain) - weights(training(name))).norm()
    assert moved > 0
    assert (weights(plain) - weights(graphed)).norm() < 0.1 * moved
    assert graphed.learner.step.again(), "nothing was captured"
    assert not plain.learner.step.again()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_resumes_on_a_gpu(precision: str) -> None:
    plan = replace(PLAN, precision=precision, steps=12, evaluate_every=12)
    whole = training("rotation", plan)
    first = training("rotation", plan)
    for _ in whole.run():
        pass
    for metrics in first.run():
        if metrics.step == 6:
            break
    saved = {name: value.cpu() for name, value in first.state().items()}
    second = training("rotation", plan)
    for _ in range(5):  # a graph of another optimiser's moments, which must not be replayed
        second.train_step()
    second.load_state(copy.deepcopy(saved))
    *_, last = second.run()
    assert last.step == 12
    moved = (weights(whole) - weights(training("rotation", plan))).norm()
    assert (weights(whole) - weights(second)).norm() < 0.2 * moved


def test_labels_are_learned_on_a_gpu() -> None:
    """Bright images and dark ones, told apart by the same steps as turns are."""
    labels = torch.arange(48) % 2
    noise = torch.randint(0, 60, (48, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    images = (noise + 150 * labels[:, None, None, None]).byte()
    plan = labelled.plan_of(replace(PLAN, steps=30), 32)
    right = labelled.told(
        "small", images[:32], labels[:32], images[32:], labels[32:], 2, plan, padding=2, device="cuda"
    )
    assert right.tolist() == [True] * 16
