"""Networks that end in a softmax, log-softmax or sigmoid, and those that only look like it."""

import json
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.cli.conftest import seven  # noqa: F401  # a fixture
from torch import Tensor, nn

import neocog
from neocog.networks.model import SpecifiedNetwork
from neocog.runs.load import load
from neocog.store.exported import save_exported

TOLD = {"size": (1, 28, 28), "mean": (0.13,), "std": (0.31,)}
SIZE = ["--size", "1,28,28", "--mean", "0.13", "--std", "0.31"]
LAST = {"probabilities": nn.Softmax, "log_probabilities": nn.LogSoftmax, "sigmoid": nn.Sigmoid}
SAID = r"The outputs of the network are .*, and are used as they are"

pytestmark = pytest.mark.filterwarnings("ignore:No weights", f"ignore:{SAID}")


class Ends(nn.Module):
    """A linear classifier, and what it does to its logits."""

    def __init__(self, last: object = None, scale: float = 3.0) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.conv = nn.Conv2d(1, 6, 5, stride=2)
        self.linear = nn.Linear(6 * 144, 10)
        self.last, self.scale = last, scale

    def logits(self, x: Tensor) -> Tensor:
        return self.scale * self.linear(self.conv(x).relu().flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        z = self.logits(x)
        return z if self.last is None else self.last(z)


def ends(kind: str) -> Ends:
    if kind == "logits":
        return Ends()
    return Ends(nn.Sigmoid() if kind == "sigmoid" else LAST[kind](1))


@pytest.fixture
def nets(monkeypatch: pytest.MonkeyPatch) -> str:
    room = types.ModuleType("nets_of_scores")
    for kind in ("logits", *LAST):
        setattr(room, kind, lambda kind=kind: ends(kind))
    monkeypatch.setitem(sys.modules, "nets_of_scores", room)
    return "nets_of_scores"


@pytest.mark.parametrize("kind", ["probabilities", "log_probabilities"])
def test_the_figures_are_those_of_the_logits(kind: str) -> None:
    plain = neocog.evaluate(ends("logits"), "digits", **TOLD)
    with pytest.warns(UserWarning, match=SAID):
        found = neocog.evaluate(ends(kind), "digits", **TOLD)
    assert found.accuracy == plain.accuracy
    assert found.confusion == plain.confusion
    # Float32 keeps seven digits of a probability; the mean of its logarithm as many.
    assert found.loss == pytest.approx(plain.loss, rel=1e-5)
    assert found.ece == pytest.approx(plain.ece, rel=1e-5)
    assert sum("used as they are" in n for n in found.notes) == 1


def test_a_sigmoid_is_one_class_against_the_rest() -> None:
    net = ends("sigmoid")
    found = neocog.evaluate(net, "digits", **TOLD)
    model = load(net, **TOLD)
    split = model.samples("digits").split
    x = (torch.from_numpy(np.array(split.x)).permute(0, 3, 1, 2) / 255 - 0.13) / 0.31
    with torch.no_grad():
        p = net(x).double()
    truth = torch.from_numpy(np.array(split.y))
    assert found.accuracy == pytest.approx(float((p.argmax(1) == truth).double().mean()))
    assert found.loss == pytest.approx(float(-p[range(len(p)), truth].log().mean()), rel=1e-4)


@pytest.mark.parametrize("kind", LAST)
def test_predict_shows_what_the_network_says(call, nets, seven, kind: str) -> None:  # noqa: F811
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        said = call("predict", f"{nets}:{kind}", seven, *SIZE, "--json")
    shown = json.loads(said.out)
    model = load(ends(kind), **TOLD)
    ((_, pixels),) = model.images(seven)
    x = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        out = model.module.network((x - 0.13) / 0.31)[0].double()
    p = out.exp() if kind == "log_probabilities" else out
    assert shown["probability"] == pytest.approx(float(p.max()), abs=1e-5)
    assert shown["label"] == str(int(p.argmax()))


@pytest.mark.parametrize("kind", LAST)
def test_it_is_said_in_one_line(call, nets, kind: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        said = call("evaluate", f"{nets}:{kind}", "digits", *SIZE, "--json")
    lines = [line for line in said.err.splitlines() if "used as they are" in line]
    assert len(lines) == 1
    assert lines[0].startswith("note     The outputs of the network are ")
    assert sum("used as they are" in n for n in json.loads(said.out)["notes"]) == 1


@pytest.mark.parametrize("kind", ["logits", *LAST])
@pytest.mark.parametrize("form", ["pt2", "onnx"])
def test_files_are_understood_and_exports_go_round(tmp_path: Path, kind: str, form: str) -> None:
    if form == "onnx":
        for name in ("onnx", "onnxscript", "onnxruntime"):
            pytest.importorskip(name, reason="needs the extra `onnx`")
    net = ends(kind).eval()
    x = torch.rand(4, 1, 28, 28)
    if form == "pt2":
        save_exported(net, tmp_path / "bare.pt2", x)  # without a word on what it is
        assert load(tmp_path / "bare.pt2", **TOLD).spec.output.kind == kind
    first = load(net, **TOLD)
    file = tmp_path / f"x.{form}"
    neocog.export(net, format=form, out=file, **TOLD)
    again = load(file)
    assert again.spec.output.kind == kind
    if form == "onnx":
        name = "probabilities" if kind == "sigmoid" else kind
        assert again.module.network.outputs == [name]
    torch.testing.assert_close(again.module(x), first.module(x), atol=1e-4, rtol=1e-4)
    # The file says what the network says.
    raw = again.module.network(x)
    torch.testing.assert_close(raw, net((x - 0.13) / 0.31), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", LAST)
def test_an_onnx_file_of_others_is_seen_through(tmp_path: Path, kind: str) -> None:
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name, reason="needs the extra `onnx`")
    from neocog.store.onnx_file import save_onnx

    net = ends(kind).eval()
    save_onnx(net, tmp_path / "x.onnx", torch.rand(2, 1, 28, 28))
    assert load(tmp_path / "x.onnx", **TOLD).spec.output.kind == kind
    found = neocog.evaluate(tmp_path / "x.onnx", "digits", **TOLD)
    plain = neocog.evaluate(net, "digits", **TOLD)
    assert found.loss == pytest.approx(plain.loss, rel=1e-4)


class Constant(nn.Module):
    """A head that was never trained: weights of zero."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        return 0 * x.flatten(1)[:, :4] + self.value


@pytest.mark.parametrize("net", [
    Ends(scale=1e-6),  # logits near 0
    Ends(lambda z: z * 1e-6 + 0.5),  # logits that happen to lie in [0, 1]
    Ends(lambda z: z.clamp(0, 1)), Ends(lambda z: (z / 10).clamp(0, 1)), Ends(nn.ReLU6(), 0.05),
    Ends(lambda z: torch.sigmoid(z) * 0.9 + 0.05),  # a sigmoid inside, not at the end
    Ends(lambda z: z - 100), Ends(lambda z: z.abs().neg()), Ends(nn.LogSigmoid()),
    Constant(0.25), Constant(0.0), Constant(-1.3862944),
    Ends(lambda z: nn.functional.normalize(z.relu(), dim=1)),
])  # fmt: skip
def test_logits_are_not_taken_for_probabilities(net: nn.Module) -> None:
    assert load(net, **TOLD).spec.output.kind == "logits"


@pytest.mark.parametrize("net", [
    Ends(lambda z: z.softmax(1).clone()), Ends(lambda z: z.exp() / z.exp().sum(1, keepdim=True)),
    Ends(lambda z: z.log_softmax(1).exp()), Ends(lambda z: z.softmax(-1, dtype=torch.float64)),
    Ends(lambda z: z.bfloat16().softmax(1)), Ends(nn.Softmax(1), 100.0), Ends(nn.Softmax(1), 1e-4),
    Ends(lambda z: 0.9 * z.softmax(1) + 0.01), nn.Sequential(Ends(), nn.Flatten(), nn.Softmax(1)),
])  # fmt: skip
def test_other_ways_to_write_a_softmax(net: nn.Module) -> None:
    assert load(net, **TOLD).spec.output.kind == "probabilities"


@pytest.mark.parametrize("kind", LAST)
def test_logits_come_back_from_probabilities(kind: str) -> None:
    """What a fine-tune is drawn to, and what explainers look at."""
    net = ends(kind).eval()
    model = load(net, **TOLD).module
    x = torch.rand(8, 1, 28, 28)
    z = net.logits((x - 0.13) / 0.31)
    z = z if kind == "sigmoid" else z.log_softmax(1)
    torch.testing.assert_close(model(x), z, atol=1e-3, rtol=1e-4)
    model(x).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())


def test_probabilities_that_are_nothing_have_logits_and_gradients() -> None:
    model = load(Ends(nn.Softmax(1), 1e4), **TOLD).module
    out = model(torch.rand(4, 1, 28, 28, requires_grad=True))
    assert torch.isfinite(out).all()
    out.sum().backward()


@pytest.mark.parametrize("kind", LAST)
def test_audit_explain_and_explore_take_them_too(kind: str, tmp_path: Path) -> None:
    from neocog.web.opening import opened

    net = ends(kind)
    x = torch.rand(3, 1, 28, 28)
    with torch.no_grad():
        out = net.eval()(x)
    p = (out.exp() if kind == "log_probabilities" else out).max(1)
    asked = neocog.AuditConfig(n=3, rotation=False, scale=False, elastic=False)
    found = neocog.audit(net, (x, p.indices), asked).audit
    assert found.accuracy == 1
    assert any("used as they are" in n for n in found.notes)
    assert found.layers[0].name == "conv"
    shown = neocog.explain(net, x, sanity_checks=False)
    assert [row["probability"] for row in shown.figures["images"]] == pytest.approx(
        p.values.tolist(), abs=1e-4
    )
    assert shown.figures["layer"] == "conv"
    session = opened(net, x)
    predictions = session.predictions("data", 0)
    assert predictions.p.tolist() == pytest.approx(p.values.tolist(), abs=1e-4)
    model = load(net, size=(1, 28, 28), mean=(0,), std=(1,))
    assert isinstance(model.module, SpecifiedNetwork)
    assert neocog.explain(model, x, sanity_checks=False).figures["images"][0]["probability"] == (
        pytest.approx(float(p.values[0]), abs=1e-4)
    )


@pytest.mark.parametrize("kind", ["probabilities", "sigmoid"])
def test_a_fix_is_drawn_to_logits_and_kept_so(kind: str, tmp_path: Path) -> None:
    model = load(ends(kind), **TOLD)
    before = neocog.evaluate(ends(kind), "digits", **TOLD)
    done = neocog.fix(
        model, "digits", downsampling="blur", finetune=0.05, shift=("circular",), n=16,
        out=tmp_path / "fixed",
    )  # fmt: skip
    assert done.before.loss == pytest.approx(before.loss, rel=1e-5)
    again = neocog.load(tmp_path / "fixed")
    assert again.spec.output.kind == kind
    assert neocog.evaluate(tmp_path / "fixed", "digits").loss == pytest.approx(
        done.after.loss, rel=1e-4
    )


def test_a_segmenter_s_maps_are_noticed_too() -> None:
    net = nn.Sequential(nn.Conv2d(1, 5, 3, padding=1), nn.Softmax(1))
    model = load(net, **TOLD, task="segment")
    assert model.spec.output.kind == "probabilities"
    x = torch.rand(2, 1, 28, 28)
    torch.testing.assert_close(model.module(x).exp(), net((x - 0.13) / 0.31))


def test_half_precision_keeps_small_probabilities() -> None:
    model = load(Ends(lambda z: (9 * z).softmax(1).bfloat16()), **TOLD)
    assert model.spec.output.kind == "probabilities"
    with torch.no_grad():
        out = model.module(torch.rand(4, 1, 28, 28))
    assert out.dtype == torch.float32
    assert float(out.min()) < -12


def test_series_in_python() -> None:
    class Series(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv1d(1, 4, 5), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> object:
            p = (9 * self.head(self.conv(x).mean(2))).softmax(1)
            return {"features": x, "probs": p}

    net, x = Series().eval(), torch.rand(3, 1, 32)
    p = net(x)["probs"].detach().max(1)
    shown = neocog.explain(net, x, sanity_checks=False).figures["images"]
    assert [row["probability"] for row in shown] == pytest.approx(p.values.tolist(), abs=1e-4)
    asked = neocog.AuditConfig(shift=("circular",), n=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert neocog.audit(net, (x, p.indices), asked).audit.accuracy == 1
