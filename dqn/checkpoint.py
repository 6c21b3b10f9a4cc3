"""Immutable folders of weights, and the file a training resumes from. Before: learner.py. After: serving, gate, resume.

Both are written beside their place, synced, and renamed: a kill at any moment leaves the old or the new, never a half."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

FORMAT = 1
"""Raise it when the same files mean something else than before: a field of the manifest with another meaning, weights in
another layout or unit under the same names. One more weight, figure, or field of a configuration with a default needs no new
number. A folder with another number is refused, and what served before serves."""
WEIGHTS = "weights.safetensors"
MANIFEST = "checkpoint.json"

Array = NDArray[Any]


class BrokenCheckpoint(ValueError):  # noqa: N818 – names what it is
    """The checkpoint is not what was written, or was written by a version this one does not understand."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What `write_checkpoint` wrote."""

    weights: dict[str, Array]
    configuration: dict[str, Any]
    figures: dict[str, Any]
    dataset_fingerprint: str
    code_revision: str
    seed: int


def write_checkpoint(
    folder: Path,
    weights: Mapping[str, Any],
    configuration: Mapping[str, Any],
    figures: Mapping[str, Any],
    dataset_fingerprint: str,
    code_revision: str,
    seed: int,
) -> None:
    """Writes weights (arrays or tensors) and their origin; FileExistsError where `folder` is taken.

    BrokenCheckpoint where a weight is not finite: a training that went astray leaves nothing that could serve."""
    if folder.exists():
        raise FileExistsError(f"{folder} exists, and checkpoints are never overwritten")
    arrays = {name: _as_array(weight) for name, weight in weights.items()}
    _check_finite(folder, arrays)
    content = save(arrays)
    manifest = {
        "format": FORMAT,
        "weights_sha256": hashlib.sha256(content).hexdigest(),
        "configuration": dict(configuration),
        "figures": dict(figures),
        "dataset_fingerprint": dataset_fingerprint,
        "code_revision": code_revision,
        "seed": seed,
    }
    beside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    beside.mkdir(parents=True)
    _write_synced(beside / WEIGHTS, content)
    _write_synced(beside / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True).encode())
    _sync_folder(beside)
    beside.rename(folder)
    _sync_folder(folder.parent)


def read_checkpoint(folder: Path, sha256: str | None = None) -> Checkpoint:
    """The checkpoint in `folder`.

    BrokenCheckpoint where its hash (`hash_folder`) is another than `sha256`, a file is missing or damaged, the format is not
    this version's, or a weight is not finite.
    """
    if sha256 is not None:
        check_hash(folder, sha256)
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        content = (folder / WEIGHTS).read_bytes()
        if manifest["format"] != FORMAT:
            raise BrokenCheckpoint(f"{folder} has format {manifest['format']}; this version reads format {FORMAT}")
        if hashlib.sha256(content).hexdigest() != manifest["weights_sha256"]:
            raise BrokenCheckpoint(f"the weights in {folder} are damaged")
        weights = load(content)
        _check_finite(folder, weights)
        return Checkpoint(
            weights=weights,
            configuration=manifest["configuration"],
            figures=manifest["figures"],
            dataset_fingerprint=manifest["dataset_fingerprint"],
            code_revision=manifest["code_revision"],
            seed=manifest["seed"],
        )
    except (OSError, KeyError, TypeError, json.JSONDecodeError, UnicodeDecodeError, SafetensorError) as error:
        raise BrokenCheckpoint(f"{folder} is not a readable checkpoint: {error}") from error


def check_hash(folder: Path, sha256: str) -> None:
    """BrokenCheckpoint where the folder's hash (`hash_folder`) is another: its files are not those that were evaluated."""
    if hash_folder(folder) != sha256:
        raise BrokenCheckpoint(f"{folder} does not have the hash {sha256[:12]}… it was registered with")


def hash_folder(folder: Path) -> str:
    """sha256 over names and contents of every file below `folder`; BrokenCheckpoint where there is none."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        raise BrokenCheckpoint(f"{folder} holds no files")
    total = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"{path.relative_to(folder).as_posix()}\0{content}\n".encode())
    return total.hexdigest()


def write_state(file: Path, state: Mapping[str, Any]) -> None:
    """Keeps `Learner.state_dict()` for a resumed run, in place of the state kept before."""
    write_whole(file, save({name: _as_array(tensor) for name, tensor in state.items()}))


def write_whole(file: Path, content: bytes) -> None:
    """Writes beside, syncs and renames: a kill at any moment leaves the file of before, or this one."""
    beside = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    file.parent.mkdir(parents=True, exist_ok=True)
    _write_synced(beside, content)
    beside.replace(file)
    _sync_folder(file.parent)


def read_state(file: Path) -> dict[str, Array] | None:
    """What `write_state` kept; None where nothing was, BrokenCheckpoint where it is damaged."""
    try:
        return dict(load(file.read_bytes()))
    except FileNotFoundError:
        return None
    except SafetensorError as error:
        raise BrokenCheckpoint(f"{file} is not a readable state: {error}") from error


def _as_array(tensor: Any) -> Array:
    """A contiguous array of an array, number or torch tensor on any device, without importing torch."""
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu()
        # numpy knows no bfloat16.
        tensor = tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor
        tensor = tensor.numpy()
    # `ascontiguousarray` would give a number without dimensions one dimension.
    return np.array(tensor, order="C", copy=True)


def _check_finite(folder: Path, weights: Mapping[str, Array]) -> None:
    astray = sorted(name for name, weight in weights.items() if not np.isfinite(weight).all())
    if astray:
        raise BrokenCheckpoint(f"numbers that are not finite stand in the weights {', '.join(astray)} of {folder}")


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable, where the system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
