"""Steps that a GPU repeats by itself.

The networks here are small: on a GPU the hundreds of short kernels of a step would wait for Python to launch
them, one by one. A CUDA graph holds them all and is launched at once.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

BEFORE_CAPTURE = 3
"""Calls before the capture: the first ones choose kernels and make the optimiser's moments."""

Given = tuple[Tensor | None, ...]


class Replayed:
    """A function of tensors, without a result, that does the same kernels at every call: on a CUDA device it
    is captured and then replayed. What it reads besides its arguments it reads where it was when captured."""

    def __init__(self, function: Callable[..., None], device: torch.device) -> None:
        self.function, self.device = function, device
        self.capturing = device.type == "cuda"
        """Whether this device is trusted to replay; not after it failed to capture."""
        self.forget()

    def forget(self) -> None:
        """Capture anew: what the function reads is elsewhere now."""
        self._graph: torch.cuda.CUDAGraph | None = None
        self._arguments: Given = ()
        self._calls = 0

    def __call__(self, *given: Tensor | None) -> None:
        if self._graph is not None and _alike(self._arguments, given):
            for mine, other in zip(self._arguments, given, strict=True):
                if mine is not None and other is not None:
                    mine.copy_(other)
            self._graph.replay()
        elif not self.capturing or self._graph is not None:
            self.function(*given)
        elif self._calls < BEFORE_CAPTURE:
            self._aside(given)
            self._calls += 1
        elif self._captured(given):
            self.again()
        else:
            self.function(*given)

    def again(self) -> bool:
        """Once more with the arguments of the call before; False, and nothing done, before it is captured."""
        if self._graph is None:
            return False
        self._graph.replay()
        return True

    def _aside(self, given: Given) -> None:
        """A call on another stream, as capturing asks of the calls before it."""
        stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        main = torch.cuda.current_stream(self.device)
        stream.wait_stream(main)
        with torch.cuda.stream(stream):
            self.function(*given)
        main.wait_stream(stream)

    def _captured(self, given: Given) -> bool:
        """Whether a call on copies of `given` could be captured; nothing is computed yet."""
        copies = tuple(None if one is None else one.clone() for one in given)
        graph = torch.cuda.CUDAGraph()
        try:
            # Other threads of this process may use the device in the meantime.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self.function(*copies)
        except torch.cuda.OutOfMemoryError:
            raise  # a run goes on with smaller batches
        except RuntimeError:
            self.capturing = False
            return False
        self._graph, self._arguments = graph, copies
        return True


def _alike(mine: Given, given: Given) -> bool:
    return len(mine) == len(given) and all(
        one is other or (one is not None and other is not None and _form(one) == _form(other))
        for one, other in zip(mine, given, strict=True)
    )


def _form(tensor: Tensor) -> tuple[torch.Size, torch.dtype]:
    return tensor.shape, tensor.dtype
