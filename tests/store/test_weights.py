import os
import pickle
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from neocog.errors import ModelError, ShapeMismatch, UnsafeWeights
from neocog.store.weights import fitted, load_weights, read_weights


def small() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        OrderedDict(conv=nn.Conv2d(3, 4, 3), norm=nn.BatchNorm2d(4), head=nn.Linear(4, 2))
    )


STATE = {k: torch.full_like(v, 3) for k, v in small().state_dict().items()}


def filled(module: nn.Module) -> bool:
    return all(bool((v == 3).all()) for k, v in module.state_dict().items() if "num_" not in k)


@pytest.mark.parametrize("wrap", [
    lambda s: s,
    lambda s: OrderedDict(s),
    lambda s: {"state_dict": s, "epoch": 3, "best": 0.9},
    lambda s: {"model": s, "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}},
    lambda s: {"model_state_dict": s},
    lambda s: {"state_dict_ema": s},
    lambda s: {"model_ema": {"module." + k: v for k, v in s.items()}},
    lambda s: {"checkpoint": 1, "model": {"state_dict": s}},
    lambda s: {"module." + k: v for k, v in s.items()},
    lambda s: {"_orig_mod." + k: v for k, v in s.items()},
    lambda s: {"module._orig_mod." + k: v for k, v in s.items()},
    lambda s: {"conv._orig_mod.weight" if k == "conv.weight" else k: v for k, v in s.items()},
    lambda s: {"state_dict": {"model.net." + k: v for k, v in s.items()}},
    lambda s: {k: v for k, v in s.items() if "num_batches" not in k},
    lambda s: {k: v.half() if v.is_floating_point() else v for k, v in s.items()},
])  # fmt: skip
@pytest.mark.parametrize("zipped", [True, False])
def test_state_dicts_are_found_in_what_people_save(tmp_path: Path, wrap, zipped: bool) -> None:
    torch.save(wrap(STATE), tmp_path / "w.th", _use_new_zipfile_serialization=zipped)
    module = small()
    assert not filled(module)
    assert load_weights(module, tmp_path / "w.th") == ()
    assert filled(module)


@pytest.mark.parametrize("name", ["w.safetensors", "w.bin"])
def test_safetensors_are_known_by_content(tmp_path: Path, name: str) -> None:
    save_file(STATE, tmp_path / name)
    module = small()
    load_weights(module, tmp_path / name)
    assert filled(module)


def test_an_average_beside_the_weights_is_said(tmp_path: Path) -> None:
    other = {k: torch.zeros_like(v) for k, v in STATE.items()}
    torch.save({"state_dict": STATE, "state_dict_ema": other}, tmp_path / "w.pt")
    tensors, notes = read_weights(tmp_path / "w.pt")
    assert (tensors["conv.weight"] == 3).all()
    assert len(notes) == 1
    assert "their running average (`state_dict_ema`); the weights are used" in notes[0]


def test_a_wrapper_on_the_other_side_is_seen_through() -> None:
    wrapped = nn.Sequential(OrderedDict(module=small()))
    assert set(fitted(wrapped, STATE)) == set(wrapped.state_dict())


def test_names_that_would_become_one_stay() -> None:
    tensors = {"module.weight": torch.ones(1, 2), "weight": torch.zeros(1, 2)}
    assert fitted(nn.Linear(2, 1), tensors) == tensors


@pytest.mark.parametrize(("change", "error", "message"), [
    (lambda s: s.pop("head.bias"), ModelError, r"1 missing \(`head\.bias`\)\. Check that"),
    (lambda s: s.update(x=torch.ones(1)), ModelError, r"1 unexpected \(`x`\)"),
    (lambda s: s.update({"heads.bias": s.pop("head.bias")}), ModelError,
     r"1 missing .*1 unexpected \(`heads\.bias`\)\. Did you mean `heads\.bias`\?"),
    (lambda s: s.update({"head.weight": torch.ones(5, 4)}), ShapeMismatch,
     r"`head\.weight` of the network has shape \(2, 4\); .* holds \(5, 4\)\. Check"),
    (lambda s: s.update({"head.weight": torch.ones(5, 4), "head.bias": torch.ones(5)}),
     ShapeMismatch, r"holds \(5, 4\), and 1 more differ"),
    (lambda s: [s.pop(k) for k in list(s)] + [s.update(a=torch.ones(1))], ModelError,
     r"8 missing \(`conv\.weight`, `conv\.bias`, `norm\.weight` and 5 more\)\. 1 unexpected"),
])  # fmt: skip
def test_every_misfit_is_explained(tmp_path: Path, change, error, message: str) -> None:
    state = dict(STATE)
    change(state)
    torch.save({"state_dict": state}, tmp_path / "w.pt")
    module = small()
    with pytest.raises(error, match=message):
        load_weights(module, tmp_path / "w.pt")
    assert not filled(module)


class _Trap:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return (os.mkdir, (str(self.mark),))


@pytest.mark.parametrize("kind", ["zip", "legacy", *range(6)])
def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path, kind) -> None:
    mark, file = tmp_path / "executed", tmp_path / "w.pt"
    if isinstance(kind, int):
        file.write_bytes(pickle.dumps({"w": _Trap(mark)}, protocol=kind))
    else:
        what = {"state_dict": STATE, "args": _Trap(mark)}
        torch.save(what, file, _use_new_zipfile_serialization=kind == "zip")
    # Bare pickles of protocol 0 and 1 have no mark of their kind: PyTorch takes them for damaged.
    with pytest.raises(ModelError if kind in range(6) else UnsafeWeights, match=r"w\.pt"):
        load_weights(small(), file)
    assert not mark.exists()


def test_a_whole_pickled_module_is_refused_and_its_class_named(tmp_path: Path) -> None:
    torch.save(small(), tmp_path / "w.pt")
    with pytest.raises(UnsafeWeights, match=r"a `torch\.nn\.modules\.container\.Sequential`"):
        load_weights(small(), tmp_path / "w.pt")


@pytest.mark.parametrize("keep", [0, 1, 8, 100, -50])
@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_a_file_that_is_cut_off_is_explained(tmp_path: Path, name: str, keep: int) -> None:
    file = tmp_path / name
    save_file(STATE, file) if name.endswith("tensors") else torch.save(STATE, file)
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(ModelError, match=r"or is damaged|must be a whole safetensors file"):
        load_weights(small(), file)


@pytest.mark.parametrize("held", [{}, {"epoch": 3}, [1, 2], torch.ones(3), {"state_dict": {}}])
def test_a_file_without_named_tensors_is_explained(tmp_path: Path, held) -> None:
    torch.save(held, tmp_path / "w.pt")
    with pytest.raises(ModelError, match=r"holds tensors by name"):
        load_weights(small(), tmp_path / "w.pt")


def test_a_missing_file_is_explained(tmp_path: Path) -> None:
    for place in (tmp_path / "none.pt", tmp_path):
        with pytest.raises(ModelError, match=r"file of weights is a regular file; "):
            load_weights(small(), place)
