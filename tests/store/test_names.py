"""Weights have other names where a network was wrapped, parametrized or tied when it was saved.

They compute the same when they are loaded, what was renamed or left out is said, and what does not
fit is listed with its shapes.
"""

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_model
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from neocog.errors import ModelError
from neocog.store.weights import load_weights

Wrap = Callable[[nn.Module], Any]


def small(seed: int = 0) -> nn.Sequential:
    """Convolution, norm, classes; other weights for another seed."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 3))
    nn.init.normal_(net[1].running_mean)
    return net.eval()


def loaded(net: nn.Module, held: Any, tmp_path: Path, **how: Any) -> tuple[str, ...]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(held, tmp_path / "w.pt", **how)
    return load_weights(net, tmp_path / "w.pt")


def same(a: nn.Module, b: nn.Module, shape: tuple[int, ...] = (3, 1, 8, 8)) -> bool:
    x = torch.rand(shape, generator=torch.Generator().manual_seed(9))
    a.eval(), b.eval()
    with torch.no_grad():
        return bool(torch.allclose(a(x), b(x), atol=1e-6))


def renamed(net: nn.Module, front: str) -> dict[str, Tensor]:
    return {front + name: value for name, value in net.state_dict().items()}


WRAPPED: dict[str, Wrap] = {
    "parallel": lambda n: nn.DataParallel(n).state_dict(),
    "compiled": lambda n: torch.compile(n, backend="eager").state_dict(),
    "compiled parallel": lambda n: {"model": renamed(n, "module._orig_mod.")},
    "average": lambda n: torch.optim.swa_utils.AveragedModel(n).state_dict(),
    "average alone": lambda n: {"ema_state_dict": renamed(n, "module."), "epoch": 3},
    "scripted": lambda n: torch.jit.script(n).state_dict(),
    "traced": lambda n: torch.jit.trace(n, torch.rand(1, 1, 8, 8)).state_dict(),
    "trainer": lambda n: {"state_dict": renamed(n, "model."), "pytorch-lightning_version": "2"},
    "two wrappers": lambda n: {"state_dict": renamed(n, "net.backbone.")},
    "without counts": lambda n: {k: v for k, v in n.state_dict().items() if "num_b" not in k},
    "with counts": lambda n: {**n.state_dict(), "2.num_batches_tracked": torch.tensor(3)},
}


@pytest.mark.parametrize("kind", WRAPPED)
@pytest.mark.parametrize("zipped", [True, False])
def test_wrappers_are_taken_off(kind: str, zipped: bool, tmp_path: Path) -> None:
    source, net = small(1), small(2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, and its files stay
        held = WRAPPED[kind](source)
    assert loaded(net, held, tmp_path, _use_new_zipfile_serialization=zipped) == ()
    assert same(source, net)


def test_tensors_beside_the_network_are_left_out_and_said(tmp_path: Path) -> None:
    source, net = small(1), small(2)
    held = {**renamed(source, "model."), "criterion.weight": torch.ones(3), "step": torch.ones(1)}
    (note,) = loaded(net, {"state_dict": held}, tmp_path)
    assert note == ("Loaded from below `model.`; `criterion.weight`, `step` are skipped.")
    assert same(source, net)


def test_of_two_networks_in_a_file_it_is_said_which(tmp_path: Path) -> None:
    source, net = small(1), small(2)
    held = {**renamed(source, "student."), **renamed(small(3), "teacher.")}
    (note,) = loaded(net, held, tmp_path)
    assert re.match(r"Loaded from below `student\.`; `teacher\.0\.weight`.* and 6 m",
                    note)  # fmt: skip
    assert same(source, net)


def test_the_only_state_dict_of_a_checkpoint_is_taken_whatever_its_key(tmp_path: Path) -> None:
    source, net = small(1), small(2)
    notes = loaded(net, {"generator": source.state_dict(), "step": 3}, tmp_path)
    assert notes == ("The weights are loaded from `generator`.",)
    assert same(source, net)
    both = {"generator": source.state_dict(), "critic": small(3).state_dict()}
    with pytest.raises(ModelError, match=r"holds keys `generator`, `critic`"):
        loaded(net, both, tmp_path)


def test_a_network_that_is_wrapped_itself(tmp_path: Path) -> None:
    source = small(1)
    for net in (nn.DataParallel(small(2)), torch.compile(small(2), backend="eager"),
                nn.Sequential(small(2))):  # fmt: skip
        assert loaded(net, source.state_dict(), tmp_path) == ()
        assert same(source, net)


# ---- parametrizations

_NORMS: dict[str, tuple[Callable[..., nn.Module], Callable[..., nn.Module], str]] = {
    "weight": (nn.utils.weight_norm, parametrizations.weight_norm, "weight_norm"),
    "spectral": (nn.utils.spectral_norm, parametrizations.spectral_norm, "spectral_norm"),
}


def normed(apply: Callable[..., nn.Module], seed: int) -> nn.Module:
    net = small(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the older ways are deprecated
        apply(net[0])
        apply(net[3])
    net.train()(torch.rand(4, 1, 8, 8))  # spectral norm estimates as it goes
    return net.eval()


@pytest.mark.parametrize("kind", _NORMS)
@pytest.mark.parametrize("way", ["older to newer", "newer to older", "newer", "older"])
def test_norms_of_weights_by_their_older_and_newer_names(
    kind: str, way: str, tmp_path: Path
) -> None:
    old, new, words = _NORMS[kind]
    saved = {"older to newer": old, "older": old}.get(way, new)
    wanted = {"newer to older": old, "older": old}.get(way, new)
    source, net = normed(saved, 1), normed(wanted, 2)
    notes = loaded(net, source.state_dict(), tmp_path)
    assert same(source, net)
    if saved is wanted:
        assert notes == ()
    else:
        assert len(notes) == 1
        assert f"tensors of {words} have other names" in notes[0]


def test_a_norm_that_the_network_has_not_is_listed(tmp_path: Path) -> None:
    net = small(2)
    with pytest.raises(ModelError, match=r"2 missing \(`0\.weight`, `3\.weight`\).* Shapes: ") as e:
        loaded(net, normed(nn.utils.weight_norm, 1).state_dict(), tmp_path)
    assert "`0.weight` (4, 1, 3, 3)" in str(e.value)
    assert "`0.weight_g` (4, 1, 1, 1)" in str(e.value)


# ---- tied tensors, buffers


class Tied(nn.Module):
    """What goes in and what comes out share a matrix."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.into = nn.Linear(6, 6, bias=False)
        self.head = nn.Linear(6, 6, bias=False)
        self.head.weight = self.into.weight
        self.register_buffer("grid", torch.arange(3.0), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(torch.tanh(self.into(x)))
        return out


@pytest.mark.parametrize("kept", ["into.weight", "head.weight"])
def test_tensors_that_are_one_may_be_saved_once(kept: str, tmp_path: Path) -> None:
    source, net = Tied(1), Tied(2)
    other = {"into.weight": "head.weight", "head.weight": "into.weight"}[kept]
    (note,) = loaded(net, {kept: source.state_dict()[kept]}, tmp_path)
    assert note == f"Of tied tensors the file has one: `{other}` is `{kept}`."
    assert same(source, net, (2, 6))
    save_model(source, str(tmp_path / "w.safetensors"))  # leaves one of them out
    net = Tied(3)
    assert len(load_weights(net, tmp_path / "w.safetensors")) == 1
    assert same(source, net, (2, 6))
    assert net.head.weight is net.into.weight


def test_two_values_for_one_tensor_are_refused(tmp_path: Path) -> None:
    state = {"into.weight": torch.ones(6, 6), "head.weight": torch.zeros(6, 6)}
    with pytest.raises(ModelError, match=r"are one tensor of the network, and the file holds two"):
        loaded(Tied(1), state, tmp_path)


def test_buffers_that_a_network_makes_itself_are_left_out(tmp_path: Path) -> None:
    source, net = Tied(1), Tied(2)
    (note,) = loaded(net, {**source.state_dict(), "grid": torch.zeros(3)}, tmp_path)
    assert note == "The network computes these buffers itself; `grid` is skipped."
    assert torch.equal(net.grid, torch.arange(3.0))
    with pytest.raises(ModelError, match=r"1 unexpected \(`grid`\).* `grid` \(5,\)"):
        loaded(net, {**source.state_dict(), "grid": torch.zeros(5)}, tmp_path)


class Reads(nn.Module):
    """A network that reads the names it had before."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 2)

    def _load_from_state_dict(self, state: dict[str, Tensor], prefix: str, *rest: Any) -> None:
        for own in ("weight", "bias"):
            if prefix + f"linear_{own}" in state:
                state[f"{prefix}fc.{own}"] = state.pop(f"{prefix}linear_{own}")
        super()._load_from_state_dict(state, prefix, *rest)


def test_names_that_a_network_reads_by_its_own_rules(tmp_path: Path) -> None:
    net, state = Reads(), {"linear_weight": torch.ones(2, 2), "linear_bias": torch.ones(2)}
    (note,) = loaded(net, state, tmp_path)
    assert "loads other names than its own" in note
    assert torch.equal(net.fc.weight, torch.ones(2, 2))


def test_what_does_not_fit_is_listed_with_its_shapes(tmp_path: Path) -> None:
    state = renamed(small(1), "module.")
    state["module.head.weight"] = state.pop("module.3.weight")
    net = small(2)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    with pytest.raises(ModelError) as e:
        loaded(net, state, tmp_path)
    assert "1 missing (`3.weight`). 1 unexpected (`head.weight`)" in str(e.value)
    assert "Shapes: `3.weight` (3, 144), `head.weight` (3, 144)." in str(e.value)
    assert "\n" not in str(e.value)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
