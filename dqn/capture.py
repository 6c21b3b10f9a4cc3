"""Turns the learner's closed function of a batch into one graph, so that Python runs once and not at every update.

Before: learner.py's gradient of a batch. After: the same numbers, sooner. Only tensors may change between two calls."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from dqn.replay import Batch

Gradient = Callable[[Any], tuple[Tensor, Tensor]]
"""Batch → (figures, gradient); reads weights, changes nothing."""


class Captured:
    """One graph for each shape of batch that comes along."""

    def __init__(self, gradient: Gradient, device: torch.device) -> None:
        self._gradient = gradient
        self._capture = _capture_on_gpu if device.type == "cuda" else _capture_on_cpu
        self._graphs: dict[tuple[tuple[str, torch.Size], ...], Callable[[list[Tensor]], tuple[Tensor, Tensor]]] = {}

    def __call__(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Figures and gradient; both may be overwritten by the next call."""
        tensors = batch.tensors()
        shapes = tuple((name, tensor.shape) for name, tensor in tensors.items())
        if shapes not in self._graphs:
            # Capturing runs the function: dropout drawn there must not change what a resumed run draws.
            with torch.random.fork_rng():
                self._graphs[shapes] = self._capture(self._gradient, batch)
        return self._graphs[shapes](list(tensors.values()))


def _on_tensors(gradient: Gradient, batch: Batch) -> Callable[..., tuple[Tensor, Tensor]]:
    """The same function with the batch's tensors as its arguments."""

    def function(*tensors: Tensor) -> tuple[Tensor, Tensor]:
        given = iter(tensors)
        return gradient(batch.apply(lambda _: next(given)))

    return function


def _capture_on_cpu(gradient: Gradient, batch: Batch) -> Callable[[list[Tensor]], tuple[Tensor, Tensor]]:
    """Forward and backward pass as one list of tensor operations, run by TorchScript's interpreter: no compiler is needed.

    A small network spends more time in Python and in building the backward graph than in arithmetic; this leaves a half of it.
    """
    tensors = tuple(batch.tensors().values())
    operations = make_fx(_on_tensors(gradient, batch))(*tensors)
    with warnings.catch_warnings():
        # Deprecated in favour of compilers, which an empty machine does not have.
        warnings.simplefilter("ignore", DeprecationWarning)
        traced = torch.jit.trace(operations, tensors, check_trace=False)  # type: ignore[no-untyped-call]

    def run(given: list[Tensor]) -> tuple[Tensor, Tensor]:
        # Unoptimised execution keeps the order of operations from the first call on: a resumed run stays equal bit for bit.
        with torch.no_grad(), torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
            figures, flat = traced(*given)
        return figures, flat

    return run


def _capture_on_gpu(gradient: Gradient, batch: Batch) -> Callable[[list[Tensor]], tuple[Tensor, Tensor]]:
    """Forward and backward pass as one CUDA graph: hundreds of kernel launches become one."""
    held = batch.apply(torch.clone)
    held_tensors = list(held.tensors().values())
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):  # libraries choose and set up their kernels before the capture
            gradient(held)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        figures, flat = gradient(held)

    def run(given: list[Tensor]) -> tuple[Tensor, Tensor]:
        torch._foreach_copy_(held_tensors, given)
        graph.replay()
        # The next replay overwrites the graph's memory: what is kept for the report is copied.
        return figures.clone(), flat

    return run
