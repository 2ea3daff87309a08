"""Weights that are NaN, infinite, sparse, quantized, complex, lazy or nowhere are refused by name.

Before, a NaN in one weight made the first class the answer to everything, at exit status 0.
"""

import copy
import json
import sys
import types
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.store.made import write_onnx
from torch import Tensor, nn

import neocog
from neocog.audits.config import AuditConfig
from neocog.errors import ModelError, NeocogError
from neocog.graph.alignment import alignment
from neocog.graph.cost import cost
from neocog.graph.receptive_field import receptive_field
from neocog.store.exported import save_exported
from neocog.store.sound import check_network
from neocog.store.weights import load_weights
from neocog.surgery.replace import replace
from neocog.web.opening import opened

GRAY = {"size": (1, 8, 8), "mean": (0.5,), "std": (0.5,)}
NAN, INF = float("nan"), float("inf")


def small() -> nn.Sequential:
    """Convolution, norm, mean, classes."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 10),
    ).eval()


def lazy() -> nn.Sequential:
    """The same without shapes."""
    return nn.Sequential(
        nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(10)
    )


def changed(name: str, change: Callable[[Tensor], Tensor]) -> nn.Module:
    net = small()
    holder, _, own = name.rpartition(".")
    part = net.get_submodule(holder)
    if own in part._parameters:
        part._parameters[own] = nn.Parameter(change(part._parameters[own]), requires_grad=False)
    else:
        part._buffers[own] = change(part._buffers[own])
    return net


def with_one(value: float) -> Callable[[Tensor], Tensor]:
    def change(t: Tensor) -> Tensor:
        t = t.detach().clone()
        t.view(-1)[0] = value
        return t

    return change


FAULTS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "NaN in a weight": (lambda: changed("0.weight", with_one(NAN)),
                        r"`0\.weight` .* NaN or infinity in 1 of 36 elements"),
    "infinity in a bias": (lambda: changed("5.bias", with_one(-INF)), r"`5\.bias` .* 1 of 10"),
    "NaN in a mean": (lambda: changed("1.running_mean", with_one(NAN)), r"`1\.running_mean`"),
    "infinite variance": (lambda: changed("1.running_var", with_one(INF)), r"`1\.running_var`"),
    "overflow of half precision": (lambda: changed("5.weight", lambda t: (t * 1e6).half()),
                                   r"`5\.weight` .* NaN or infinity"),
    "sparse": (lambda: changed("5.weight", lambda t: t.detach().to_sparse()),
               r"`5\.weight` .* is sparse \(sparse_coo\)"),
    "complex": (lambda: changed("5.weight", lambda t: t.to(torch.complex64)), r"is complex"),
    "meta": (lambda: small().to("meta"), r"`0\.weight` .* no values .* device meta"),
    "eight bits": (lambda: changed("5.weight", lambda t: t.to(torch.float8_e4m3fn)),
                   r"`5\.weight` .* float8_e4m3fn, which needs a scale"),
    "quantized": (lambda: changed("5.weight", lambda t: torch.quantize_per_tensor(
        t.detach(), 0.1, 0, torch.qint8)), r"`5\.weight` .* is quantized \(qint8\)"),
}  # fmt: skip


@pytest.fixture
def factory(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], nn.Module]], str]:
    """A module of one function, which makes what a test wants."""

    def place(make: Callable[[], nn.Module]) -> str:
        room = types.ModuleType("nets_at_fault")
        room.make = make
        monkeypatch.setitem(sys.modules, "nets_at_fault", room)
        return "nets_at_fault:make"

    return place


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", FAULTS)
def test_every_door_refuses_them_by_name(kind: str, factory) -> None:
    make, words = FAULTS[kind]
    x = torch.rand(3, 1, 8, 8)
    doors = {
        "open_model": lambda: neocog.load(factory(make), **GRAY),
        "audit": lambda: neocog.audit(make(), (x, None), AuditConfig(n=3, layers=False)),
        "explain": lambda: neocog.explain(make(), x[:1], sanity_checks=False),
        "explore": lambda: opened(make(), x),
    }
    for door, enter in doors.items():
        with pytest.raises(ModelError, match=words) as e:
            enter()
        assert "\n" not in str(e.value), door


def test_infinities_of_a_mask_are_none_of_these_faults() -> None:
    net = small()
    net.register_buffer("mask", torch.full((4, 4), -INF).triu(1))
    check_network(net, "net")
    net.mask[0, 0] = NAN
    with pytest.raises(ModelError, match="`mask`"):
        check_network(net, "net")


STATES = {
    "NaN": (lambda s: s["0.weight"].view(-1)[3:5].fill_(NAN), r"0\.weight` in .* 2 of 36 elements"),
    "infinity": (lambda s: s["1.running_var"].fill_(INF), r"`1\.running_var` in"),
    "half": (lambda s: s.update({"5.weight": (s["5.weight"] * 1e7).half()}), r"`5\.weight` in"),
    "sparse": (lambda s: s.update({"5.weight": s["5.weight"].to_sparse()}), "is sparse"),
    "complex": (lambda s: s.update({"5.bias": s["5.bias"] * 1j}), "is complex"),
    "meta": (lambda s: s.update({"5.bias": s["5.bias"].to("meta")}), "no values"),
    "int8": (lambda s: s.update({"5.weight": s["5.weight"].to(torch.int8)}),
             r"`5\.weight` in .* of int8 where the network has float32\. Dequantize"),
    "float8": (lambda s: s.update({"5.bias": s["5.bias"].to(torch.float8_e5m2)}), "float8_e5m2"),
    "qint8": (lambda s: s.update({"5.weight": torch.quantize_per_tensor(
        s["5.weight"], 0.1, 0, torch.qint8)}), r"quantized \(qint8\)"),
}  # fmt: skip


@pytest.mark.parametrize("kind", STATES)
def test_a_file_of_weights_with_them_changes_nothing(kind: str, tmp_path: Path) -> None:
    change, words = STATES[kind]
    state = {k: v.detach().clone() for k, v in small().state_dict().items()}
    change(state)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyTorch, on types that it does not go on with
        torch.save(state, tmp_path / "w.pt")
    net = small()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    with pytest.raises(ModelError, match=words) as e:
        load_weights(net, tmp_path / "w.pt")
    assert "\n" not in str(e.value)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision_are_loaded_as_pytorch_does(dtype, tmp_path: Path) -> None:
    state = {
        k: v.to(dtype) if v.is_floating_point() else v for k, v in small().state_dict().items()
    }
    torch.save(state, tmp_path / "w.pt")
    net, plain = small(), small()
    load_weights(net, tmp_path / "w.pt")
    plain.load_state_dict(state)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), plain.parameters(), strict=True))


def test_a_program_and_an_onnx_file_with_them(tmp_path: Path) -> None:
    bad = small()
    save_exported(bad, tmp_path / "x.pt2", torch.rand(2, 1, 8, 8))
    with torch.no_grad():
        bad[5].weight[0, 0] = NAN
    made = torch.export.export(bad, (torch.rand(2, 1, 8, 8),))
    torch.export.save(made, tmp_path / "x.pt2")
    with pytest.raises(ModelError, match=r"`5\.weight` of `.*x\.pt2` holds NaN"):
        neocog.load(tmp_path / "x.pt2", mean=[0.5], std=[0.5])
    pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")
    onnx = pytest.importorskip("onnx")
    file = write_onnx(tmp_path / "x.onnx", shape=(1, 8, 8))
    model = onnx.load(file)
    values = onnx.numpy_helper.to_array(model.graph.initializer[0]).copy()
    values[0, 0] = np.inf
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(values, "matrix"))
    onnx.save(model, file)
    with pytest.raises(ModelError, match=r"`matrix` of `.*x\.onnx` holds NaN or infinity in 1 of"):
        neocog.load(file, mean=[0.5], std=[0.5])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_program_of_another_precision_takes_pixels(dtype, tmp_path: Path) -> None:
    net, x = small().to(dtype), torch.rand(4, 1, 8, 8)
    made = torch.export.export(net, (x.to(dtype),))
    torch.export.save(made, tmp_path / "x.pt2")
    model = neocog.load(tmp_path / "x.pt2", mean=[0], std=[1])
    out = model.module(x)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, net(x.to(dtype)).float())
    found = neocog.audit(model.module, (x, None), AuditConfig(n=4, layers=False, rotation=False))
    assert found.audit.n == 4


class Overflows(nn.Module):
    """Finite weights, outputs that are none where the image is bright."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 10, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = torch.relu(self.conv(x)).mean((2, 3))
        return out * torch.exp(200 * x.mean((1, 2, 3)))[:, None] * 1e30


@pytest.mark.filterwarnings("ignore:No weights")
def test_outputs_that_are_no_numbers_are_refused(factory, tmp_path: Path, call) -> None:
    place = factory(Overflows)
    from PIL import Image

    for name, value in (("dark", 0), ("bright", 255)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(4):
            Image.fromarray(np.full((8, 8), value, np.uint8)).save(
                tmp_path / "data" / name / f"{i}.png"
            )
    model = neocog.load(place, classes=10, **{**GRAY, "mean": (0.0,), "std": (1.0,)})
    dark, bright = tmp_path / "data" / "dark" / "0.png", tmp_path / "data" / "bright" / "0.png"
    assert model.predict(dark)[0].label is not None
    with pytest.raises(ModelError, match=r"Outputs must be finite; for 1 of 2 samples .*bright"):
        model.predict([dark, bright])
    with pytest.raises(ModelError, match=r"Outputs must be finite; for 1 of 2 samples"):
        neocog.explain(model, [dark, bright], method="features")
    bad = np.full((6, 8, 8), 255, np.uint8)
    np.savez(tmp_path / "x.npz", x_test=bad, y_test=np.arange(6))
    told = ("--size", "1,8,8", "--mean", "0", "--std", "1")
    for verb, data in (("evaluate", tmp_path / "x.npz"), ("predict", bright)):
        said = call(verb, place, data, *told, "--json")
        assert (said.status, said.out) == (2, ""), verb
        assert "Outputs must be finite" in said.err


@pytest.mark.filterwarnings("ignore")
def test_what_json_has_no_sign_for_is_null(capsys: pytest.CaptureFixture[str]) -> None:
    from neocog.cli.options import print_json

    print_json({"a": NAN, "rows": [INF, (1.5, -INF)], "n": np.float32(2), "k": np.arange(2)})
    out = capsys.readouterr().out
    assert json.loads(out) == {"a": None, "rows": [None, [1.5, None]], "n": 2, "k": [0, 1]}


def test_a_look_at_a_lazy_network_leaves_it_lazy_and_usable() -> None:
    net, x = lazy(), torch.rand(2, 3, 12, 12)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    shown = torch.rand(2, 1, 8, 8)
    state = torch.random.get_rng_state()
    spent = cost(net, (1, 8, 8))
    assert (spent.params, spent.status) == (40 + 8 + 4 * 36 * 10 + 10, "complete")
    assert receptive_field(net, (1, 8, 8)).of("0").receptive_field == (3, 3)
    assert alignment(net, (1, 8, 8)).size == (1, 8, 8)
    assert neocog.summary(net, size=(1, 8, 8)).cost == spent
    for look in (
        lambda: neocog.audit(net, (shown, None)),
        lambda: neocog.explain(net, shown[:1]),
    ):
        with pytest.raises(ModelError, match=r"`0\.weight` .* no shape before the first sample"):
            look()
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(isinstance(p, nn.parameter.UninitializedParameter) for p in
               (net[0].weight, net[0].bias, net[1].weight, net[4].weight))  # fmt: skip
    assert isinstance(net[0], nn.LazyConv2d)
    net(x).sum().backward()  # three channels now
    assert net[0].weight.shape == (4, 3, 3, 3)
    assert type(net[0]) is nn.Conv2d
    before = net[0].weight.detach().clone()
    optimizer.step()
    assert not torch.equal(before, net[0].weight)
    cost(net, (3, 12, 12))


def test_a_lazy_factory_is_opened_and_said_to_be_random(factory, tmp_path: Path) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model = neocog.load(factory(lazy), **GRAY)
    assert any("`0.weight` and other lazy tensors" in str(w.message) for w in said)
    state = model.module.network.state_dict()
    torch.save(state, tmp_path / "w.pt")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model = neocog.load(factory(lazy), weights=tmp_path / "w.pt", **GRAY)
    assert not said
    assert all(torch.equal(v, state[k]) for k, v in model.module.network.state_dict().items())


def test_a_count_needs_no_numbers(factory) -> None:
    for make in (lambda: small().to("meta"), FAULTS["NaN in a weight"][0], lazy):
        found = neocog.summary(factory(make), size=(1, 8, 8))
        assert found.cost.status == "complete"
        assert found.cost.params in (98, 1498)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["scripted", "traced", "frozen", "compiled", "parallel",
                                  "quantized", "half"])  # fmt: skip
def test_other_ways_of_being_a_network_are_looked_at_or_refused(
    kind: str, factory, tmp_path: Path
) -> None:
    """One figure or one sentence each, and the network works as before."""
    net, x = small(), torch.rand(6, 1, 8, 8)
    made = {
        "scripted": lambda: torch.jit.script(net),
        "traced": lambda: torch.jit.trace(net, x[:1]),
        "frozen": lambda: torch.jit.freeze(torch.jit.script(net)),
        "compiled": lambda: torch.compile(net, backend="eager"),
        "parallel": lambda: nn.DataParallel(net),
        "quantized": lambda: torch.ao.quantization.quantize_dynamic(net, {nn.Linear}),
        "half": lambda: small().bfloat16(),
    }[kind]()
    given = x.bfloat16() if kind == "half" else x
    before = made(given).clone()
    spent = cost(made, (1, 8, 8))
    whole = {"frozen": "partial", "quantized": "partial"}.get(kind, "complete")
    assert spent.status == whole
    if whole == "complete":
        assert (spent.params, spent.macs) == (98, 4 * 16 * 9 + 40)
    found = neocog.audit(
        made, (x, None), AuditConfig(n=6, layers=False, rotation=False, scale=False)
    )
    assert 0 <= found.audit.shift["circular"].consistency <= 1
    for enter in (
        lambda: neocog.explain(made, x[:1], sanity_checks=False),
        lambda: replace(made, x, downsampling="blur"),
        lambda: neocog.export(
            factory(lambda: copy.deepcopy(made)), format="torch", out=tmp_path / "x.pt", **GRAY
        ),
    ):
        try:
            enter()
        except NeocogError as e:
            assert "\n" not in str(e)  # noqa: PT017
    opened(made, x)
    if kind != "half":
        model = neocog.load(factory(lambda: made), **{**GRAY, "mean": [0], "std": [1]})
        torch.testing.assert_close(model.module(x), before)
    assert torch.equal(made(given), before)
