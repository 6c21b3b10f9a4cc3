"""Compiles loops over the lines of a batch. Before: numba. After: features, standing, relations, constraints, drawing.

A note asks a hundred small questions of its line. Asked of arrays, each costs a call that takes longer than its answer, so that
one piece was composed no faster than thirty; as loops they cost nothing. Compiled once per machine: numba keeps the code beside
the module, or in the user's cache where that folder is not writable, or nowhere, and compiles in every process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """The same function as machine code; its arguments are numbers and contiguous arrays."""
    try:
        return cast(F, njit(cache=True)(function))
    except RuntimeError:  # no folder to keep it in
        return cast(F, njit(function))
