"""What a step does with its batch: forward, loss, backward, the optimiser's step, and what is counted."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslviz.model import Network
from sslviz.plan import Plan
from sslviz.train.muon import Muon, MuonAdamW
from sslviz.train.replaying import Replayed


class Learner:
    """A network, its optimiser, and sums of what the steps found, which stay on the device."""

    def __init__(self, network: Network, plan: Plan, device: torch.device, *, counting: bool = True) -> None:
        """The optimiser has seen nothing. Without `counting` there are no sums."""
        self.network, self.plan, self.device, self.counting = network, plan, device, counting
        if plan.compile and device.type == "cuda":  # so long a run earns back that kernels are tried out
            torch.backends.cudnn.benchmark = True
        self.optimizer = optimizer_for(network, plan, device)
        self.forward = torch.compile(network) if plan.compile else network
        """For steps; evaluations, of other sizes, would be compiled anew."""
        self.loss = torch.zeros((), device=device)
        """Sum of the steps' losses, without label smoothing: what is shown beside the held-out loss must be
        the same quantity."""
        self.right = torch.zeros((), dtype=torch.int64, device=device)
        """Right answers."""
        self.step = Replayed(self._step, device)

    def reset_sums(self) -> None:
        self.loss.zero_()
        self.right.zero_()

    def learn(self, views: Tensor, order: Tensor | None, answer: Tensor, rate: float) -> None:
        """One step. `views` and `order` as the network's `forward` takes them, `answer` int64."""
        set_rate(self.optimizer, rate)
        self.step(views, order, answer)

    def moments(self) -> dict[str, Tensor]:
        """What the optimiser remembers, by names that begin with "optimizer."."""
        return {
            f"optimizer.{index}.{name}": value.detach().clone()
            for index, moments in self.optimizer.state_dict()["state"].items()
            for name, value in moments.items()
        }

    def load_moments(self, state: Mapping[str, Tensor]) -> None:
        """Go on with what `moments` gave; other names are passed over."""
        moments: dict[int, dict[str, Tensor]] = {}
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        for key, value in state.items():
            if key.startswith("optimizer."):
                _, index, name = key.split(".")
                moments.setdefault(int(index), {})[name] = _as_laid_out(value, parameters[int(index)])
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self.step.forget()  # the moments are elsewhere now

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """The precision of the plan, for a forward pass."""
        if self.plan.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def _step(self, views: Tensor, order: Tensor | None, answer: Tensor) -> None:
        try:
            self._update(views, order, answer)
        except Exception as error:
            if self.forward is self.network or isinstance(error, torch.cuda.OutOfMemoryError):
                raise
            # Compiling asks for compilers that a machine may lack; the network does without.
            self.forward = self.network
            self._update(views, order, answer)

    def _update(self, views: Tensor, order: Tensor | None, answer: Tensor) -> None:
        smoothing = self.plan.label_smoothing
        with self.autocast():
            logits = self.forward(views, order).float()
            loss = functional.cross_entropy(logits, answer, label_smoothing=smoothing)
        try:
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
        finally:  # after a capture or a compilation that failed too, or the next step would add to it
            self.optimizer.zero_grad(set_to_none=True)
        if self.counting:
            logits = logits.detach()
            self.loss += functional.cross_entropy(logits, answer) if smoothing else loss.detach()
            self.right += (logits.argmax(1) == answer).sum()


def release_memory() -> None:
    """Let go of what networks, moments and graphs held that nobody uses any more. A learner and its step know
    each other, so they do not go by themselves."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _as_laid_out(value: Tensor, parameter: Tensor) -> Tensor:
    """A copy of an optimiser's moment that lies in memory as its parameter does; a fused optimiser goes over
    both by address, and files know no channels_last."""
    if value.shape != parameter.shape:
        return value.clone()
    return torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """The learning rate of the next step; in place where a captured step reads it."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def optimizer_for(network: nn.Module, plan: Plan, device: torch.device) -> torch.optim.Optimizer:
    """AdamW, which does not decay biases and BatchNorm; SGD, which decays all; or Muon, which decays all but
    convolutions, by itself or with AdamW for what is none."""
    fused = device.type in ("cpu", "cuda")
    # A number would be captured as it is; a tensor can change between replays.
    rate: Any = torch.tensor(plan.lr, device=device) if device.type == "cuda" else plan.lr
    if plan.optimizer == "sgd":
        return torch.optim.SGD(
            network.parameters(),
            lr=rate,
            momentum=plan.momentum,
            nesterov=plan.momentum > 0,
            weight_decay=plan.weight_decay,
            fused=fused,
        )
    if plan.optimizer in ("muon", "muon-adamw"):
        kind = Muon if plan.optimizer == "muon" else MuonAdamW
        return kind(network.parameters(), rate, momentum=plan.momentum, weight_decay=plan.weight_decay)
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": plan.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, fused=fused, capturable=device.type == "cuda")
