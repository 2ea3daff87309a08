"""Networks whose prediction is not a function of the image: chance, the batch, what came before."""

import json
import random
import sys
import types
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tests.cli.conftest import seven  # noqa: F401  # a fixture
from torch import Tensor, nn

import neocog
from neocog.errors import ModelError
from neocog.graph.determinism import difference, probes
from neocog.runs.load import load
from neocog.store.exported import save_exported
from neocog.types import ModelSpec

SEEN = torch.zeros(2, 1, 28, 28)
SIZE = ["--size", "1,28,28", "--mean", "0.13", "--std", "0.31"]


class Does(nn.Module):
    """Some operation, as a layer."""

    def __init__(self, operation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.operation = operation

    def forward(self, x: Tensor) -> Tensor:
        return self.operation(x)


class Stuck(nn.Dropout):
    """Stays as it is trained, whatever it is told."""

    def train(self, mode: bool = True) -> "Stuck":
        super().train(True)
        return self


class Counts(nn.Module):
    """Every call is another one."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x * (1 + self.calls / 50)


class Averages(nn.Module):
    """A running mean that goes on in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.mean.mul_(0.9).add_(0.1 * x.mean())
        return x - self.mean


class OwnGenerator(nn.Module):
    """Noise from a generator that nobody else sees."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = torch.Generator().manual_seed(3)

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.05 * torch.randn(x.shape, generator=self.generator)


def _stochastic_depth(x: Tensor) -> Tensor:
    return x * torch.bernoulli(torch.full((len(x), 1, 1, 1), 0.9))


def _cropped(x: Tensor) -> Tensor:
    return torch.roll(x, int(torch.randint(0, 4, ())), -1)


def _seeded(x: Tensor) -> Tensor:
    torch.manual_seed(0)  # the same mask every time, by the place in the batch
    return F.dropout(x, 0.3)


CHANCE = {
    "dropout": (lambda: Does(lambda x: F.dropout(x, 0.2)), r"layer `2` \(Does\) draws random num"),
    "stuck": (lambda: Stuck(0.2), r"layer `2` \(Stuck\) stays in training mode after eval\(\)"),
    "alpha": (lambda: Does(lambda x: F.alpha_dropout(x, 0.2, training=True)), r"draws random"),
    "channels": (lambda: Does(lambda x: F.dropout2d(x, 0.4)), r"draws random numbers"),
    "noise": (lambda: Does(lambda x: x + 0.05 * torch.randn_like(x)), r"`randn_like`\) in eval"),
    "depth": (lambda: Does(_stochastic_depth), r"draws random numbers \(`bernoulli`\)"),
    "crop": (lambda: Does(_cropped), r"layer `2` \(Does\) draws random numbers \(`randint`\)"),
    "rrelu": (lambda: Does(lambda x: F.rrelu(x - 0.5, training=True)), r"layer `2` \(Does\)"),
    "python": (lambda: Does(lambda x: x * (1 + random.random())), r"from Python's generator"),
    "numpy": (lambda: Does(lambda x: x + np.random.rand()), r"from NumPy's generator"),  # noqa: NPY002
    "own": (OwnGenerator, r"layer `2` \(OwnGenerator\) draws random numbers"),
    "calls": (Counts, r"layer `2` \(Counts\) has its own random generator or keeps state"),
    "average": (Averages, r"layer `2` \(Averages\) .* keeps state between calls"),
}

COMPANY = {
    "no statistics": (
        lambda: nn.BatchNorm2d(4, track_running_stats=False),
        r"layer `2` \(BatchNorm2d\) normalizes by the statistics of the batch",
    ),
    "functional": (
        lambda: Does(lambda x: F.batch_norm(x, None, None, training=True)),
        r"layer `2` \(Does\) normalizes by the statistics of the batch",
    ),
    "by hand": (lambda: Does(lambda x: x - x.mean(0)), r"computes `mean` over the samples"),
    "largest": (lambda: Does(lambda x: x / x.max()), r"alone and in a batch .* `2` \(Does\)"),
    "whole": (lambda: Does(lambda x: x / x.std()), r"it starts in layer `2` \(Does\)"),
    "softmax": (lambda: Does(lambda x: x.softmax(0)), r"computes `softmax` over the samples"),
    "order": (lambda: Does(lambda x: x.cumsum(0)), r"at another position .* computes `cumsum`"),
    "place": (
        lambda: Does(lambda x: x + torch.arange(len(x)).view(-1, 1, 1, 1)),
        r"at another position in the batch",
    ),
    "seeded": (lambda: Does(_seeded), r"at another position in the batch .* draws random numbers"),
    "alone": (lambda: Does(lambda x: x * (1 + (len(x) == 1))), r"alone and in a batch"),
}


def net(layer: nn.Module) -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(1, 4, 5, 2), nn.ReLU(), layer, nn.AvgPool2d(3), nn.Flatten(), nn.Linear(64, 10)
    )


@pytest.fixture
def nets(monkeypatch: pytest.MonkeyPatch) -> str:
    room = types.ModuleType("nets_of_chance")
    room.dropout = lambda: net(Does(lambda x: F.dropout(x, 0.2)))
    room.batch = lambda: net(nn.BatchNorm2d(4, track_running_stats=False))
    room.good = lambda: net(nn.BatchNorm2d(4))
    monkeypatch.setitem(sys.modules, "nets_of_chance", room)
    return "nets_of_chance"


@pytest.mark.parametrize("kind", CHANCE)
def test_chance_is_found_and_named(kind: str) -> None:
    make, words = CHANCE[kind]
    with pytest.raises(ModelError, match=r"run twice, the outputs .* differ by .*" + words):
        neocog.audit(net(make()), torch.rand(4, 1, 28, 28))


@pytest.mark.parametrize("kind", COMPANY)
def test_what_the_rest_of_the_batch_does_is_found_and_named(kind: str) -> None:
    make, words = COMPANY[kind]
    with pytest.raises(ModelError, match=words):
        neocog.audit(net(make()), torch.rand(4, 1, 28, 28))


@pytest.mark.parametrize("layer", [
    nn.BatchNorm2d(4), nn.BatchNorm2d(4, momentum=None), nn.GroupNorm(2, 4), nn.Dropout(0.5),
    nn.InstanceNorm2d(4), nn.LocalResponseNorm(2), nn.Dropout2d(0.3), nn.RReLU(), nn.Identity(),
    Does(lambda x: x - x.mean((1, 2, 3), keepdim=True)), Does(lambda x: x.bfloat16().float()),
    Does(lambda x: x + 0 * torch.rand_like(x)), Does(lambda x: x.half().exp().float()),
])  # fmt: skip
def test_what_is_a_function_passes(layer: nn.Module) -> None:
    assert difference(net(layer), probes((1, 28, 28))) is None


@pytest.mark.parametrize("threads", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_rounding_is_no_difference(threads: int) -> None:
    """Deep, without normalization, and so that an error in the last place grows a thousandfold."""
    torch.manual_seed(0)

    class Wild(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(8, 8, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            return x + 3 * torch.sin(4 * self.conv(x))

    layers = [Wild() for _ in range(30)]
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for size in (17, 32, 45):
            wild = nn.Sequential(nn.Conv2d(3, 8, 3), *layers, *head)
            assert difference(wild, probes((3, size, size))) is None
    finally:
        torch.set_num_threads(before)


def test_the_generators_and_the_model_are_left_as_found() -> None:
    model = net(nn.Sequential(Averages(), Does(lambda x: F.dropout(x, 0.2)))).train()
    torch.manual_seed(5), np.random.seed(5), random.seed(5)  # noqa: NPY002
    states = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    kept = [b.clone() for b in model.buffers()]
    assert difference(model, probes((1, 28, 28))) is not None
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (np.random.get_state()[1].tolist(), random.getstate()) == states[1:]  # noqa: NPY002
    assert all(m.training for m in model.modules())
    assert all(torch.equal(a, b) for a, b in zip(kept, model.buffers(), strict=True))


@pytest.mark.parametrize("what", ["dropout", "batch"])
@pytest.mark.parametrize(
    "verb", ["evaluate", "audit", "fix", "explain", "explore", "predict", "export"]
)
def test_every_command_refuses_in_a_sentence(call, nets, seven, verb, what) -> None:  # noqa: F811
    data = [] if verb == "export" else [seven] if verb in ("predict", "explain") else ["digits"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        said = call(verb, f"{nets}:{what}", *data, *SIZE, "--classes", "10")
    assert (said.status, said.out) == (2, "")
    last = said.err.splitlines()[-1]
    assert last.startswith("neocog: A prediction is a function of its image, and with `nets_of_")
    assert "layer `2`" in last
    assert "--allow-random" in last


@pytest.mark.filterwarnings("always")
def test_who_means_it_is_told_in_the_result(call, nets, seven) -> None:  # noqa: F811
    options = [*SIZE, "--classes", "10", "--allow-random", "--json"]
    few = ["--samples", "8", "--no-layers", "--no-rotation", "--no-scale", "--no-elastic"]
    for words in (["evaluate", f"{nets}:dropout", "digits"],
                  ["audit", f"{nets}:dropout", "digits", "--shift", "circular", *few],
                  ["predict", f"{nets}:dropout", seven]):  # fmt: skip
        said = call(*words, *options)
        assert said.status == 0
        assert "note     Predictions are not a function of the image" in said.err
        notes = json.loads(said.out)["notes"]
        assert sum("Predictions are not a function of the image" in n for n in notes) == 1
    assert call("summary", f"{nets}:dropout", "--size", "1,28,28").status == 0


def test_a_good_network_is_not_told_anything(call, nets) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        said = call("evaluate", f"{nets}:good", "digits", *SIZE, "--json")
    assert not any("function of the image" in n for n in json.loads(said.out)["notes"])


@pytest.mark.filterwarnings("ignore:No weights", "ignore:Predictions")
def test_python_s_doors_refuse_alike(nets: str, tmp_path: Path) -> None:
    model, words = net(Stuck(0.2)), "is a function of its image"
    x = torch.rand(3, 1, 28, 28)
    told = {"size": (1, 28, 28), "mean": (0.1,), "std": (0.3,)}
    for ask in (
        lambda: neocog.evaluate(model, "digits", **told),
        lambda: neocog.predict(model, ["x.png"], **told),
        lambda: neocog.audit(model, x),
        lambda: neocog.explain(model, x, sanity_checks=False),
        lambda: neocog.explore(model, x, browser=False),
        lambda: neocog.load(model, **told),
    ):
        with pytest.raises(ModelError, match=words):
            ask()
    found = neocog.explain(model, x, sanity_checks=False, n=1, allow_random=True)
    assert any("not a function" in n for n in found.notes)
    asked = neocog.AuditConfig(n=3, layers=False, rotation=False, scale=False, elastic=False)
    found = neocog.audit(model, x, asked, allow_random=True)
    assert any("not a function" in n for n in found.audit.notes)
    assert neocog.load(model, **told, allow_random=True).doubts
    assert neocog.summary(model, size=(1, 28, 28)).cost.params > 0


@pytest.mark.filterwarnings("ignore:Predictions")
def test_programs_and_run_folders_are_asked_too(tmp_path: Path) -> None:
    class Noisy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(1)[:, :4] + torch.rand_like(x.flatten(1)[:, :4])

    file = tmp_path / "noisy.pt2"
    save_exported(Noisy().eval(), file, torch.rand(2, 1, 28, 28))
    told = {"size": (1, 28, 28), "mean": (0.1,), "std": (0.3,)}
    with pytest.raises(ModelError, match="is a function of its image"):
        load(file, **told)
    assert load(file, **told, allow_random=True).doubts
    assert neocog.summary(file).cost.params == 0
    run = tmp_path / "run"
    run.mkdir()
    (run / "model.pt2").write_bytes(file.read_bytes())
    spec = ModelSpec.from_json({
        "task": "classify", "classes": list("abcd"),
        "input": {"channels": 1, "size": [28, 28], "mean": [0.1], "std": [0.3], "fit": "crop"},
    })  # fmt: skip
    card = {"format": 1, "spec": spec.to_json(), "network": {"name": "x", "options": {}}}
    (run / "model.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="is a function of its image"):
        neocog.load(run)
    with pytest.raises(ModelError, match="is a function of its image"):
        neocog.evaluate(run, "digits")
    assert neocog.load(run, allow_random=True).doubts


def test_networks_of_integers_round_more_coarsely() -> None:
    """The scale of dynamic quantization is of the whole batch, and so is the rounding alone."""
    plain = nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantized = torch.ao.quantization.quantize_dynamic(plain, {nn.Linear})
    assert difference(quantized, probes((1, 28, 28))) is None
    noisy = nn.Sequential(quantized, Does(lambda x: x + torch.randn_like(x)))
    assert difference(noisy, probes((1, 28, 28))) is not None


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_networks_of_other_precision_are_asked_too(dtype: torch.dtype) -> None:
    assert difference(net(nn.BatchNorm2d(4)).to(dtype), probes((1, 28, 28))) is None
    chance = net(Does(lambda x: F.dropout(x, 0.2))).to(dtype)
    with pytest.raises(ModelError, match="is a function of its image"):
        neocog.audit(chance, torch.rand(4, 1, 28, 28))


def test_series_and_what_attends_to_other_samples() -> None:
    class Series(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.dropout(x[:, 0, :5], 0.3)

    class Attends(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            f = x.flatten(1)
            return ((f @ f.T).softmax(1) @ f)[:, :10]

    with pytest.raises(ModelError, match=r"`Series` it is not: .* draws random numbers"):
        neocog.audit(Series(), torch.rand(4, 1, 32))
    with pytest.raises(ModelError, match=r"alone and in a batch .* it starts in the network itsel"):
        neocog.audit(Attends(), torch.rand(4, 1, 28, 28))


def test_casts_and_short_mantissas_of_the_caller_do_not_matter() -> None:
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert difference(net(nn.BatchNorm2d(4)), probes((1, 28, 28))) is None
            assert torch.is_autocast_enabled("cpu")
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_module_at_hand_is_left_as_it_was(dtype: torch.dtype) -> None:
    model = net(nn.BatchNorm2d(4)).to(dtype).train()
    kept = {k: v.clone() for k, v in model.state_dict().items()}
    told = {"size": (1, 28, 28), "mean": (0.1,), "std": (0.3,)}
    first = neocog.evaluate(model, "digits", **told)
    assert all(m.training for m in model.modules())
    assert all(p.dtype == dtype and p.requires_grad for p in model.parameters())
    assert all(torch.equal(kept[k], v) for k, v in model.state_dict().items())
    assert neocog.evaluate(model.eval(), "digits", **told).loss == first.loss


@pytest.mark.parametrize(
    ("layer", "advice"),
    [
        (Stuck(0.2), r"follow eval\(\)"),
        (Does(lambda x: F.dropout(x, 0.2)), r"follow eval\(\)"),
        (Does(_seeded), r"follow eval\(\)"),
        (nn.BatchNorm2d(4, track_running_stats=False), "running statistics"),
        (Counts(), "Keep no state between calls"),
        (Does(lambda x: x / x.max()), "each sample independently"),
    ],
)
def test_what_to_do_is_said_of_the_cause_at_hand(layer: nn.Module, advice: str) -> None:
    with pytest.raises(ModelError, match=advice) as refused:
        neocog.audit(net(layer), torch.rand(4, 1, 28, 28))
    said = str(refused.value)
    assert said.count("F.dropout") == (advice == r"follow eval\(\)")


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("how", [torch.jit.script, lambda m: torch.jit.trace(m, SEEN)])
def test_a_script_is_opened_without_a_word(how: Callable[[nn.Module], nn.Module]) -> None:
    module = how(net(nn.Identity()).eval())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opened = load(module, size=(1, 28, 28), mean=(0.1,), std=(0.3,), classes=10)
    assert all(p.is_leaf and p.requires_grad for p in opened.module.parameters())


@pytest.mark.parametrize("inside", [False, True])
def test_what_an_export_gives_has_no_modes(inside: bool) -> None:
    batch = {0: torch.export.Dim("batch", min=1, max=64)}
    module = torch.export.export(net(nn.BatchNorm2d(4)).eval(), (SEEN,), dynamic_shapes=(batch,))
    module = module.module()
    network = nn.Sequential(nn.Dropout(0.5), module) if inside else module
    few = neocog.AuditConfig(n=4, layers=False, rotation=False, scale=False, elastic=False)
    found = neocog.audit(network, torch.rand(4, 1, 28, 28), few)
    assert 0 <= found.audit.shift["circular"].consistency <= 1
    assert network.training
