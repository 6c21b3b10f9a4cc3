import hashlib
import json
import multiprocessing
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load, save

from dqn import checkpoint
from dqn.checkpoint import BrokenCheckpoint, hash_folder, read_checkpoint, read_state, write_checkpoint, write_state

WEIGHTS = {"layer.weight": torch.arange(6.0).reshape(2, 3).T, "layer.bias": np.array([1.5, -2.0], dtype=np.float32)}


def write(folder: Path, **changed: Any) -> Path:
    told: dict[str, Any] = {
        "weights": WEIGHTS,
        "configuration": {"algorithm": "double_q"},
        "figures": {"return": 3.5},
        "dataset_fingerprint": "f" * 64,
        "code_revision": "abc",
        "seed": 7,
    }
    write_checkpoint(folder, **(told | changed))
    return folder


def test_what_was_written_is_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "one")

    found = read_checkpoint(folder, hash_folder(folder))

    np.testing.assert_array_equal(found.weights["layer.weight"], [[0, 3], [1, 4], [2, 5]])
    np.testing.assert_array_equal(found.weights["layer.bias"], [1.5, -2.0])
    assert found.configuration == {"algorithm": "double_q"}
    assert found.figures == {"return": 3.5}
    assert (found.dataset_fingerprint, found.code_revision, found.seed) == ("f" * 64, "abc", 7)


def test_equal_checkpoints_have_equal_hashes_wherever_they_lie(tmp_path: Path) -> None:
    assert hash_folder(write(tmp_path / "one")) == hash_folder(write(tmp_path / "deep" / "two"))
    assert hash_folder(tmp_path / "one") != hash_folder(write(tmp_path / "three", seed=8))


def test_half_precision_and_numbers_are_kept(tmp_path: Path) -> None:
    folder = write(tmp_path / "one", weights={"half": torch.tensor([1.5], dtype=torch.bfloat16), "count": torch.tensor(3)})

    found = read_checkpoint(folder).weights

    assert found["half"].tolist() == [1.5]
    assert found["count"].shape == ()


@pytest.mark.parametrize("astray", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused_by_name(tmp_path: Path, astray: float) -> None:
    bias = np.array([1.5, astray], dtype=np.float32)

    with pytest.raises(BrokenCheckpoint, match=r"in the weights layer\.bias of"):
        write(tmp_path / "one", weights=WEIGHTS | {"layer.bias": bias})
    assert list(tmp_path.iterdir()) == []

    folder = write(tmp_path / "two")
    content = save(load((folder / "weights.safetensors").read_bytes()) | {"layer.bias": bias})
    manifest = json.loads((folder / "checkpoint.json").read_bytes())
    manifest["weights_sha256"] = hashlib.sha256(content).hexdigest()
    (folder / "weights.safetensors").write_bytes(content)
    (folder / "checkpoint.json").write_text(json.dumps(manifest))
    with pytest.raises(BrokenCheckpoint, match=r"in the weights layer\.bias of"):
        read_checkpoint(folder)


def test_a_checkpoint_is_never_overwritten(tmp_path: Path) -> None:
    write(tmp_path / "one")
    with pytest.raises(FileExistsError, match="never overwritten"):
        write(tmp_path / "one", seed=8)
    assert read_checkpoint(tmp_path / "one").seed == 7


@pytest.mark.parametrize("name", [checkpoint.WEIGHTS, checkpoint.MANIFEST, "exported.npz"])
def test_a_flipped_byte_in_any_file_is_refused(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path / "one")
    (folder / "exported.npz").write_bytes(b"what serving reads")
    registered = hash_folder(folder)
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)

    with pytest.raises(BrokenCheckpoint, match="hash"):
        read_checkpoint(folder, registered)


def test_a_flipped_byte_in_the_weights_is_found_without_a_registered_hash(tmp_path: Path) -> None:
    folder = write(tmp_path / "one")
    content = bytearray((folder / checkpoint.WEIGHTS).read_bytes())
    content[-1] ^= 1
    (folder / checkpoint.WEIGHTS).write_bytes(content)

    with pytest.raises(BrokenCheckpoint, match="damaged"):
        read_checkpoint(folder)


def test_another_hash_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "one")
    with pytest.raises(BrokenCheckpoint, match="hash"):
        read_checkpoint(folder, "0" * 64)
    (folder / checkpoint.WEIGHTS).unlink()
    with pytest.raises(BrokenCheckpoint, match="not a readable checkpoint"):
        read_checkpoint(folder)
    with pytest.raises(BrokenCheckpoint, match="no files"):
        hash_folder(tmp_path / "nowhere")


def test_another_format_number_is_refused_by_name(tmp_path: Path) -> None:
    folder = write(tmp_path / "one")
    manifest = json.loads((folder / checkpoint.MANIFEST).read_text())
    (folder / checkpoint.MANIFEST).write_text(json.dumps(manifest | {"format": 99}))

    with pytest.raises(BrokenCheckpoint, match="format 99"):
        read_checkpoint(folder)


def killed_before_renaming(write_again: Any) -> int | None:
    """Runs a writer in a process that dies, as by kill −9, at the moment at which it would rename."""

    def die(*_: Any) -> None:
        os._exit(9)

    def child() -> None:
        Path.rename = die  # type: ignore[assignment, method-assign]
        Path.replace = die  # type: ignore[assignment, method-assign]
        write_again()

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(30)
    return process.exitcode


def test_a_kill_between_write_and_rename_leaves_no_half_checkpoint_and_a_second_try_works(tmp_path: Path) -> None:
    assert killed_before_renaming(lambda: write(tmp_path / "one")) == 9
    assert not (tmp_path / "one").exists()

    write(tmp_path / "one")

    assert read_checkpoint(tmp_path / "one").seed == 7


def test_a_kill_between_write_and_rename_leaves_the_old_state(tmp_path: Path) -> None:
    file = tmp_path / "run" / "state"
    write_state(file, {"updates": torch.tensor(1)})

    assert killed_before_renaming(lambda: write_state(file, {"updates": torch.tensor(2)})) == 9

    kept = read_state(file)
    assert kept is not None
    assert int(kept["updates"]) == 1


def test_a_state_replaces_the_one_before(tmp_path: Path) -> None:
    file = tmp_path / "state"
    assert read_state(file) is None
    for updates in (1, 2):
        write_state(file, {"updates": torch.tensor(updates), "generator": torch.zeros(3, dtype=torch.uint8)})

    kept = read_state(file)

    assert kept is not None
    assert int(kept["updates"]) == 2
    assert kept["generator"].dtype == np.uint8
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_a_damaged_state_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"\x00" * 20)
    with pytest.raises(BrokenCheckpoint, match="not a readable state"):
        read_state(tmp_path / "state")
