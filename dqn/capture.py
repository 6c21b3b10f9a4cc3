"""Turns the learner's closed update into one graph, so that Python runs once and not at every update.

Before: learner.py's change of weights. After: the same numbers, sooner. Only tensors may change between two calls."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx

from dqn.replay import Batch

Change = Callable[[Any], Tensor]
"""Batch → figures; changes weights and what belongs to them in place."""


class Captured:
    """One graph for each shape of batch that comes along."""

    def __init__(self, change: Change, changing: Callable[[], Mapping[str, Tensor]], device: torch.device) -> None:
        self._change = change
        self._changing = changing
        self._capture = _capture_on_gpu if device.type == "cuda" else _capture_on_cpu
        self._graphs: dict[tuple[tuple[str, torch.Size], ...], Callable[[list[Tensor]], Tensor]] = {}

    def __call__(self, batch: Batch) -> Tensor:
        """The figures."""
        tensors = batch.tensors()
        shapes = tuple((name, tensor.shape) for name, tensor in tensors.items())
        if shapes not in self._graphs:
            self._graphs[shapes] = self._capture_without_trace(batch)
        return self._graphs[shapes](list(tensors.values()))

    def _capture_without_trace(self, batch: Batch) -> Callable[[list[Tensor]], Tensor]:
        """Capturing runs the function: what it changed is put back, and dropout drawn there is not missed later."""
        kept = [(tensor, tensor.clone()) for tensor in self._changing().values()]
        with torch.random.fork_rng():
            graph = self._capture(self._change, batch)
        for tensor, before in kept:
            tensor.copy_(before)
        return graph


def _capture_on_cpu(change: Change, batch: Batch) -> Callable[[list[Tensor]], Tensor]:
    """The whole update as one list of tensor operations, run by TorchScript's interpreter: no compiler is needed.

    A small network spends more time in Python and in building the backward graph than in arithmetic; this leaves a half of it.
    """

    def function(*tensors: Tensor) -> Tensor:
        given = iter(tensors)
        return change(batch.apply(lambda _: next(given)))

    tensors = tuple(batch.tensors().values())
    operations = make_fx(function)(*tensors)
    _fold_views(operations)
    with warnings.catch_warnings():
        # Deprecated in favour of compilers, which an empty machine does not have.
        warnings.simplefilter("ignore", DeprecationWarning)
        traced = torch.jit.trace(operations, tensors, check_trace=False)  # type: ignore[no-untyped-call]

    def run(given: list[Tensor]) -> Tensor:
        # Unoptimised execution keeps the order of operations from the first call on: a resumed run stays equal bit for bit.
        with torch.no_grad(), torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
            figures: Tensor = traced(*given)
        return figures

    return run


def _fold_views(operations: GraphModule) -> None:
    """Views of what is there before the first call, such as a transposed weight, are made once and not at every update."""
    graph = operations.graph
    for node in list(graph.nodes):
        if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload):
            continue
        if node.target is torch.ops.aten.detach.default:  # only autograd asks for it
            node.replace_all_uses_with(node.args[0])
        elif _is_transposed_twice(node):
            node.replace_all_uses_with(node.args[0].args[0])
        elif node.target.is_view and isinstance(node.args[0], Node) and node.args[0].op == "get_attr":
            view = node.target(operator.attrgetter(str(node.args[0].target))(operations), *node.args[1:], **node.kwargs)
            operations.register_buffer(f"view_{node.name}", view, persistent=False)
            with graph.inserting_before(node):
                node.replace_all_uses_with(graph.get_attr(f"view_{node.name}"))
        else:
            continue
        graph.erase_node(node)
    graph.eliminate_dead_code()
    operations.recompile()


def _is_transposed_twice(node: Node) -> bool:
    inner = node.args[0]
    return node.target is torch.ops.aten.t.default and isinstance(inner, Node) and inner.target is torch.ops.aten.t.default


def _capture_on_gpu(change: Change, batch: Batch) -> Callable[[list[Tensor]], Tensor]:
    """The whole update as one CUDA graph: hundreds of kernel launches become one."""
    held = batch.apply(torch.clone)
    held_tensors = list(held.tensors().values())
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):  # libraries choose and set up their kernels before the capture
            change(held)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        figures = change(held)

    def run(given: list[Tensor]) -> Tensor:
        torch._foreach_copy_(held_tensors, given)
        graph.replay()
        # The next replay overwrites the graph's memory: what is kept for the report is copied.
        return figures.clone()

    return run
