import copy
import warnings
from pathlib import Path

import pytest
import torch
from tests.store.made import network
from torch import Tensor, nn

from neocog.errors import ModelError, RunError
from neocog.store.exported import load_exported, save_exported

X = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def test_a_program_answers_as_its_module_for_any_number_of_samples(program_file: Path) -> None:
    loaded, texts = load_exported(program_file)
    assert texts == {"note.txt": "hello"}
    assert (loaded.batch, loaded.shape) == (None, (1, 8, 8))
    net = network()
    for n in (1, 2, 5):
        # The same operators on the same weights: equal, not only close.
        assert torch.equal(loaded(X[:n]), net(X[:n]))
    layout = X.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(loaded(layout), net(X))


def test_a_program_has_parts_that_can_be_watched_copied_and_moved(program_file: Path) -> None:
    loaded, _ = load_exported(program_file)
    seen = []
    assert set(loaded.state_dict()) == set(network().state_dict())
    loaded.get_submodule("0").register_forward_hook(lambda *a: seen.append(a[2].shape))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        double = copy.deepcopy(loaded).double()
        loaded.train()
        loaded.eval()
    loaded(X)
    assert seen == [(5, 4, 4, 4)]
    assert double(X.double()).dtype == torch.float64
    net = network()
    net.load_state_dict({k: v + 1 for k, v in net.state_dict().items()})
    double.load_state_dict(net.state_dict())
    torch.testing.assert_close(double(X.double()), net.double()(X.double()))
    assert torch.equal(loaded(X), network()(X)), "the copy shares nothing"
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    loaded(X).sum().backward()
    assert all(p.grad is not None for p in loaded.parameters())


def test_saving_leaves_the_module_as_it_was_and_says_how_far_the_file_is(tmp_path: Path) -> None:
    net = network().train()
    net[1].eval()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    # No operator is exchanged, so nothing is rounded in another way.
    assert save_exported(net, tmp_path / "x.pt2", X) == 0
    assert [m.training for m in (net, net[0], net[1])] == [True, True, False]
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    content = (tmp_path / "x.pt2").read_bytes()
    assert b".py" not in content, "paths of this machine"
    assert str(Path.cwd()).encode() not in content


def test_a_program_for_a_fixed_number_of_samples_takes_any(tmp_path: Path) -> None:
    net = network()
    torch.export.save(torch.export.export(net, (X[:2],)), tmp_path / "two.pt2")
    loaded, _ = load_exported(tmp_path / "two.pt2")
    assert (loaded.batch, loaded.shape) == (2, (1, 8, 8))
    for n in (1, 2, 5):
        torch.testing.assert_close(loaded(X[:n]), net(X[:n]))


class _ByValue(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) if x.max() > 0 else -x.flatten(1)


class _Two(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


def test_what_cannot_be_exported_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"depends neither on values .* this one fails \(") as e:
        save_exported(_ByValue(), tmp_path / "x.pt2", X)
    assert "\n" not in str(e.value)
    assert not (tmp_path / "x.pt2").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="must be writable"):
        save_exported(network(), tmp_path / "file" / "x.pt2", X)


def test_a_program_with_two_inputs_is_refused(tmp_path: Path) -> None:
    torch.export.save(torch.export.export(_Two(), (X, X)), tmp_path / "x.pt2")
    with pytest.raises(ModelError, match=r"takes one tensor, batch axis first; .* takes 2 inputs"):
        load_exported(tmp_path / "x.pt2")


def test_a_missing_file_is_said_to_be_so(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "none.pt2"):
        with pytest.raises(ModelError, match=r"there is none at"):
            load_exported(place)


def test_a_program_can_be_traced_like_any_module(program_file: Path) -> None:
    loaded, _ = load_exported(program_file)
    traced = torch.fx.symbolic_trace(loaded)
    assert torch.equal(traced(X), network()(X))
    assert sum(node.op == "call_function" for node in traced.graph.nodes) > 3
