import os
import pickle
import struct
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from neocog.errors import ModelError, RunError, ShapeMismatch, UnsafeWeights
from neocog.store.tensors import load_state, read_tensors, write_tensors
from neocog.targets import write_bytes


def test_what_is_written_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a" / "x.safetensors"
    tensors = {
        "w": torch.rand(2, 3, 4, 4).to(memory_format=torch.channels_last),
        "n": torch.tensor(7),
    }
    write_tensors(file, tensors, {"note": "a \n b"})
    back, text = read_tensors(file)
    assert text == {"note": "a \n b"}
    assert all(torch.equal(back[k], v) and back[k].dtype == v.dtype for k, v in tensors.items())


def test_tied_parameters_are_written_under_both_names(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    network[1].weight = network[0].weight
    whole = torch.rand(4, 6)
    tensors = network.state_dict() | {"whole": whole, "rows": whole[1:3]}
    write_tensors(tmp_path / "x.safetensors", tensors)
    back, _ = read_tensors(tmp_path / "x.safetensors")
    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[k], v) for k, v in tensors.items())


def test_a_write_that_fails_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "x"
    write_bytes(file, b"old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"must be writable, and is not: No space left.*--out"):
        write_bytes(file, b"new")
    assert file.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.mkdir, ("pwned",))


@pytest.mark.parametrize("kind", ["zip", "legacy", "bare"])
def test_a_pickle_is_refused_unread(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "model.safetensors"
    if kind == "bare":
        file.write_bytes(pickle.dumps(_Evil()))
    else:
        torch.save(
            {"w": torch.ones(1), "e": _Evil()}, file, _use_new_zipfile_serialization=kind == "zip"
        )
    with pytest.raises(UnsafeWeights, match=r"safetensors.*is a pickle.*save_file"):
        read_tensors(file)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("content", [b"", b"abc", struct.pack("<Q", 10) + b"{}", b"\xff" * 64])
def test_a_damaged_file_is_said_to_be_so(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.safetensors"
    file.write_bytes(content)
    with pytest.raises(ModelError, match="must be a whole safetensors file"):
        read_tensors(file)


def test_a_truncated_file_is_said_to_be_so(tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    write_tensors(file, {"w": torch.rand(100)})
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(ModelError, match="must be a whole safetensors file"):
        read_tensors(file)


def test_a_missing_file_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"file of weights is a regular file; .*Check the path"):
        read_tensors(tmp_path / "none")


def test_misfits_are_explained_and_change_nothing() -> None:
    module = nn.Linear(3, 2)
    before = {k: v.clone() for k, v in module.state_dict().items()}
    good = {k: torch.zeros_like(v) for k, v in before.items()}
    with pytest.raises(ModelError, match=r"x must hold exactly.*1 missing \(`bias`\)"):
        load_state(module, {"weight": good["weight"]}, "x")
    with pytest.raises(ModelError, match=r"1 unexpected \(`more`\)"):
        load_state(module, good | {"more": torch.ones(1)}, "x")
    with pytest.raises(ModelError, match="Did you mean `weights`"):
        load_state(module, {"bias": good["bias"], "weights": good["weight"]}, "x")
    with pytest.raises(ShapeMismatch, match=r"`weight` of the network has shape \(2, 3\); x holds"):
        load_state(module, good | {"weight": torch.zeros(3, 3)}, "x")
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    load_state(module, good, "x")
    assert not module.weight.any()


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() == 0, reason="root writes anywhere")
def test_a_read_only_folder_is_said_to_be_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(RunError, match="must be writable"):
        write_bytes(tmp_path / "x", b"")
