"""One class for any model from anywhere, and the verbs as its methods."""

import inspect
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import neocog
from neocog.audits.config import AuditConfig
from neocog.errors import DataError, UsageError
from neocog.models.external import as_it_is
from neocog.models.model import Model
from neocog.networks.model import SpecifiedNetwork

VERBS = ("audit", "explain", "explore", "export", "fix", "summary")


def small(classes: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(4, classes),
    )  # fmt: skip


def wave() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv1d(1, 4, 5), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 3)
    )


@pytest.fixture
def waves(tmp_path: Path) -> str:
    file = tmp_path / "waves.npz"
    x = np.random.default_rng(0).normal(5, 2, (12, 1, 32)).astype(np.float32)
    np.savez(file, x=x, y=np.arange(12) % 3)
    return str(file)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_a_method_and_the_very_function(verb: str) -> None:
    model = neocog.load(small(), size=(1, 12, 12), mean=(0.5,), std=(0.25,))
    function = getattr(neocog, verb)
    method = getattr(model, verb)
    assert method.__func__ is function
    assert method.__self__ is model
    assert [*inspect.signature(method).parameters] == [*inspect.signature(function).parameters][1:]
    assert getattr(Model, verb) is function


def test_a_method_gives_what_the_function_gives() -> None:
    net, x = small(), torch.rand(16, 1, 12, 12)
    model = neocog.load(net, size=(1, 12, 12), mean=(0.0,), std=(1.0,))
    one = model.audit(x, shift="circular", n=16, layers=False, maps=())
    two = neocog.audit(net, x, shift=["circular"], n=16, layers=False, maps=())
    three = neocog.audit(model, x, AuditConfig(shift=("circular",), n=16, layers=False, maps=()))
    figures = [r.audit.shift["circular"].to_json() for r in (one, two, three)]
    assert figures[0] == figures[1] == figures[2]
    assert model.summary().to_json() == neocog.summary(net, size=(1, 12, 12)).to_json()


def test_what_is_measured_is_said_once() -> None:
    with pytest.raises(UsageError, match="got `shift` beside a config"):
        neocog.audit(small(), torch.rand(4, 1, 12, 12), AuditConfig(n=4), shift="crop")
    with pytest.raises(UsageError, match=r"`corp` is not a kind of shift\. Did you mean `crop`"):
        neocog.audit(small(), torch.rand(4, 1, 12, 12), shift="circular, corp")


def test_what_is_open_is_taken_as_it_is() -> None:
    model = neocog.load(small(), size=(1, 12, 12), mean=(0.5,), std=(0.25,))
    assert neocog.load(model) is model
    with pytest.raises(UsageError, match=r"knows its model's size; `Sequential` was given"):
        neocog.load(model, size=(1, 8, 8))


def test_a_module_is_evaluated_and_predicts_at_the_size_of_the_data() -> None:
    net, x = small(), torch.rand(9, 1, 12, 12)
    with torch.no_grad():
        own = net(x).argmax(1)
    assert neocog.evaluate(net, (x, own)).accuracy == 1
    assert [p.label for p in neocog.predict(net, x)] == [str(int(k)) for k in own]
    assert neocog.evaluate(small(10), "digits").n == 1000


def test_a_module_at_hand_is_neither_copied_nor_changed() -> None:
    net = small().double().train()
    model = as_it_is(net, (1, 12, 12))
    assert model.network is net
    assert net.training
    x = torch.rand(2, 1, 12, 12, dtype=torch.float64)
    assert model.module.mean.dtype == torch.float64
    assert torch.equal(model.module(x), net(x))
    assert model.shape == (1, 12, 12)
    assert as_it_is(net, None).shape == ()
    assert torch.equal(as_it_is(net, None).module(x), net(x))


def test_a_specified_network_brings_what_it_promises() -> None:
    spec = neocog.load(small(2), size=(1, 12, 12), classes=["no", "yes"], mean=(0.5,), std=(0.2,))
    model = as_it_is(SpecifiedNetwork(small(2), spec.spec), None)
    assert (model.classes, model.named, model.shape) == (("no", "yes"), True, (1, 12, 12))
    assert model.target("yes") == model.target("1") == 1
    with pytest.raises(UsageError, match=r"`yess` is none\. Did you mean `yes`"):
        model.target("yess")


def test_layers_go_by_their_names_in_the_network() -> None:
    net = nn.Sequential()
    net.network = nn.Conv2d(1, 2, 3)
    model = as_it_is(nn.Sequential(net, nn.Flatten()), (1, 8, 8))
    assert model.inner("0.network") == "network.0.network"
    assert model.label(model.inner("0.network")) == "0.network"
    with pytest.raises(neocog.errors.NeocogError, match=r"0\.netwerk"):
        model.inner("0.netwerk")


@pytest.mark.parametrize("opened", [True, False])
def test_series_go_the_same_way(waves: str, opened: bool) -> None:
    net = wave()
    model = neocog.load(net, size=(1, 32), mean=(0.0,), std=(1.0,)) if opened else net
    x = torch.from_numpy(np.load(waves)["x"])
    with torch.no_grad():
        own = net(x).argmax(1).tolist()
    score = neocog.evaluate(model, waves)
    assert score.accuracy == np.mean(np.arange(12) % 3 == own)
    assert [p.label for p in neocog.predict(model, waves)] == list(map(str, own))
    (one,) = neocog.predict(model, f"{waves}[3]")
    assert (one.path, one.label) == (f"{waves}[3]", str(own[3]))
    found = neocog.audit(model, waves, shift="circular", n=12, layers=False, maps=())
    assert (found.audit.axes, found.audit.accuracy) == (1, score.accuracy)
    assert neocog.explain(model, f"{waves}[3]", sanity_checks=False).figures["layer"]


def test_series_of_another_size_are_refused(waves: str) -> None:
    model = neocog.load(wave(), size=(1, 30))
    with pytest.raises(DataError, match=r"series of 1 × 30 values; .* holds 1 × 32"):
        model.evaluate(waves)
    with pytest.raises(UsageError, match="has 12 series, counted from 0; got index 12"):
        neocog.load(wave(), size=(1, 32)).predict(f"{waves}[12]")
    with pytest.raises(DataError, match="`digits:test` does not exist"):
        model.evaluate("digits:test")


def test_a_fix_is_of_images(waves: str) -> None:
    with pytest.raises(
        UsageError, match=r"Only models of images can be fixed; .* takes series, \(1, 32\)"
    ):
        neocog.fix(wave(), waves, finetune=0, progress=False)


def test_a_network_of_several_outputs_is_one_that_predicts() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = small()

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"aux": x.flatten(1), "logits": self.net(x)}

    model = as_it_is(Two(), (1, 12, 12))
    assert model.spec.output.name == "logits"
    assert len(model.card["notes"]) == 1


def test_a_model_shows_itself() -> None:
    model = neocog.load(small(), size=(1, 12, 12), mean=(0.5,), std=(0.25,))
    assert repr(model).splitlines()[0] == "Sequential"
    assert "Classifies 1×12×12 images into 3 classes." in repr(model)
    assert "1×32 series" in repr(neocog.load(wave(), size=(1, 32)))


def test_what_was_once_called_open_model_still_opens() -> None:
    assert neocog.load is neocog.load
    assert "open_model" not in neocog.__all__


def test_a_module_that_is_fixed_stays_as_it_is(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3),
    )  # fmt: skip
    before = {name: value.clone() for name, value in net.state_dict().items()}
    data = (torch.rand(40, 1, 16, 16).mul(255).byte(), torch.arange(40) % 3)
    done = neocog.fix(net, data, finetune=0, n=8, out=tmp_path / "fixed", progress=False)
    assert len(done.replaced) == 2
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert neocog.load(tmp_path / "fixed").shape == (1, 16, 16)
