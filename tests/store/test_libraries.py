"""`timm:NAME` and `torchvision:NAME` are trained, or refused, or random because somebody said so.

Neither library is needed: what stands in for them is written into a folder of its own.
"""

import json
import re
import sys
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

import neocog
from neocog.errors import ModelError, UsageError

TIMM = """
import torch
from torch import nn

REACHED = True
TRAINED = {"small", "small.b_in10"}

def list_models(): return ["small", "bare", "broken"]
def is_model_pretrained(name): return name in TRAINED | {"broken"}

class Small(nn.Sequential):
    def __init__(self, classes):
        super().__init__(nn.Flatten(), nn.Linear(3 * 28 * 28, classes))
        self.num_classes = classes
        self.pretrained_cfg = {"input_size": (3, 28, 28), "mean": (0.4,) * 3, "std": (0.2,) * 3,
                               "interpolation": "bicubic",
                               "tag": "b_in10"}

def create_model(name, *, pretrained, num_classes=10):
    if name == "broken":
        raise ValueError("no such block")
    if pretrained and not REACHED:
        raise OSError("We couldn't connect to the hub")
    net = Small(num_classes)
    if pretrained:
        nn.init.constant_(net[1].weight, 0.5)
    return net
"""

TORCHVISION = """
import torch
from types import SimpleNamespace
from torch import nn

REACHED = True
PRESET = SimpleNamespace(crop_size=[28], resize_size=[32], mean=(0.4,) * 3, std=(0.2,) * 3)
NAMES = [*"abcdefgh", "crane", "crane"]
DEFAULT = SimpleNamespace(meta={"categories": NAMES}, transforms=lambda: PRESET)

def list_models(): return ["small", "bare"]
def get_model_weights(name):
    return SimpleNamespace(**({"DEFAULT": DEFAULT} if name == "small" else {}))

def get_model(name, *, weights, num_classes=10):
    if weights and not REACHED:
        raise OSError("URLError: <urlopen error>")
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 28 * 28, num_classes))
    if weights:
        nn.init.constant_(net[1].weight, 0.5)
    return net
"""


@pytest.fixture(params=["timm", "torchvision"])
def library(request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An installed library, below a folder that is not a current one."""
    site = tmp_path / "site"
    (site / "torchvision").mkdir(parents=True)
    (site / "timm.py").write_text(TIMM)
    (site / "torchvision" / "__init__.py").write_text("")
    (site / "torchvision" / "models.py").write_text(TORCHVISION)
    for name in ("timm", "torchvision", "torchvision.models"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(site))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    yield request.param
    for name in ("timm", "torchvision", "torchvision.models"):
        sys.modules.pop(name, None)


def opened(place: str, **told):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model = neocog.load(place, **told)
    assert [str(w.message) for w in said] == model.card["notes"]
    return model


def unreachable(library: str) -> None:
    __import__("timm" if library == "timm" else "torchvision.models")
    sys.modules["timm" if library == "timm" else "torchvision.models"].REACHED = False


def test_a_name_is_opened_with_trained_weights_and_what_its_library_says(library: str) -> None:
    model = opened(f"{library}:small")
    assert torch.equal(model.module.network[1].weight, torch.full((10, 2352), 0.5))
    signal = model.spec.input
    assert signal.resize_mode == ("crop-bicubic" if library == "timm" else "crop")
    assert (signal.channels, signal.size) == (3, (28, 28))
    assert (signal.mean, signal.std) == ((0.4,) * 3, (0.2,) * 3)
    assert re.match(rf"The weights of `{library}:small` are the pretrained ones of {library}",
                    model.card["notes"][0])  # fmt: skip
    if library == "timm":
        assert "(`b_in10`)" in model.card["notes"][0]
        assert not model.named
    else:  # names that are there twice are told apart
        assert model.spec.classes == (*"abcdefgh", "crane", "crane (2)")


def test_random_weights_are_asked_for_and_said(library: str) -> None:
    model = opened(f"{library}:small", init="none")
    assert model.module.network[1].weight.std() > 0
    assert re.match(r"The weights of .* are random: .* predictions mean nothing\.",
                    model.card["notes"][0])  # fmt: skip
    few = opened(f"{library}:small", init="none", classes=4)
    assert len(few.spec.classes) == 4
    # A command after the other measures one network, and the caller's generator is not touched.
    torch.manual_seed(5)
    again = opened(f"{library}:small", init="none").module.network[1].weight
    assert torch.equal(again, model.module.network[1].weight)
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(3))


def test_weights_of_a_file_are_neither_random_nor_fetched(library: str, tmp_path: Path) -> None:
    unreachable(library)
    state = {"1.weight": torch.full((10, 2352), 0.25), "1.bias": torch.zeros(10)}
    torch.save(state, tmp_path / "w.pt")
    model = opened(f"{library}:small", weights=tmp_path / "w.pt")
    assert torch.equal(model.module.network[1].weight, state["1.weight"])
    assert not any("weights" in note for note in model.card["notes"])
    with pytest.raises(UsageError, match=r"--init none and --weights .* Leave one out"):
        neocog.load(f"{library}:small", weights=tmp_path / "w.pt", init="none")


def test_weights_that_cannot_be_fetched_are_refused_with_what_to_do(library: str) -> None:
    unreachable(library)
    with pytest.raises(
        ModelError, match=r"not available here: OSError: .*--weights FILE, .*--init none"
    ) as e:
        neocog.load(f"{library}:small")
    assert "\n" not in str(e.value)
    assert opened(f"{library}:small", init="none").spec.input.size == (28, 28)


def test_a_name_without_trained_weights_is_refused(library: str) -> None:
    with pytest.raises(ModelError, match=rf"{library} has none for `bare`\. Use your own"):
        neocog.load(f"{library}:bare")
    opened(f"{library}:bare", init="none", size=(3, 28, 28))


def test_trained_weights_keep_their_classes(library: str) -> None:
    with pytest.raises(UsageError, match=r"have 10 outputs, and 7 classes were given"):
        neocog.load(f"{library}:small", classes=7)


def test_a_network_that_its_library_cannot_build_is_not_called_a_matter_of_weights(
    library: str,
) -> None:
    if library == "timm":
        with pytest.raises(ModelError, match=r"must be built .* ValueError: no such block\. Try"):
            neocog.load("timm:broken")
    with pytest.raises(UsageError, match=r"not a model of .*\. Did you mean `small`"):
        neocog.load(f"{library}:smal")


@pytest.mark.filterwarnings("always")
def test_the_command_line_says_it(library: str, call) -> None:
    said = call("evaluate", f"{library}:small", "digits", "--init", "none", "--json")
    assert said.status == 0, said.err
    assert any("are random" in note for note in json.loads(said.out)["notes"])
    assert "are random" in said.err
    unreachable(library)
    said = call("audit", f"{library}:small", "digits", "--samples", "8", "--json")
    assert (said.status, said.out) == (2, "")
    assert "--init none" in said.err


def test_a_count_needs_no_weights(library: str, call) -> None:
    unreachable(library)
    said = call("summary", f"{library}:small", "--json")
    assert said.status == 0, said.err
    found = json.loads(said.out)
    assert found["params"] == 23530
    assert found["size"] == [3, 28, 28]
    assert "The weights are random; no figure here depends on them." in found["notes"]


def test_init_is_of_a_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"sets its own weights\. Leave --init out"):
        neocog.load("torch.nn:Flatten", init="none", size=(1, 2, 2))
    with pytest.raises(UsageError, match=r"Leave --init out"):
        neocog.load("x.pt2", init="none")
    with pytest.raises(UsageError, match=r"Did you mean `pretrained`"):
        neocog.load("timm:x", init="pretraned")


@pytest.mark.parametrize("path", ["", "absolute", "relative", "added"])
@pytest.mark.parametrize("form", ["file", "package", "namespace"])
def test_what_lies_in_the_current_folder_is_not_the_library(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, path: str
) -> None:
    """Under whatever name the folder stands on the path; also what a library imports itself."""
    work, marks = tmp_path / "work", "open('executed', 'w')\n"
    places = {"file": f"{library}.py", "package": f"{library}/__init__.py",
              "namespace": f"{library}/models.py"}  # fmt: skip
    bad = work / places[form]
    bad.parent.mkdir(exist_ok=True)
    bad.write_text(marks)
    first = {"": "", "absolute": str(work), "relative": "../work", "added": None}[path]
    if first is not None:
        monkeypatch.setattr(sys, "path", [first, *sys.path])
    before = list(sys.path)
    assert opened(f"{library}:small").spec.input.size == (28, 28)
    assert sys.path == before
    assert not (work / "executed").exists()
    for name in ("timm", "torchvision", "torchvision.models"):
        sys.modules.pop(name, None)
    monkeypatch.setattr(sys, "path", [p for p in before if not p.endswith("site")])
    with pytest.raises(ModelError, match=rf"needs the package {library}, .*was not imported"):
        neocog.load(f"{library}:small")
    assert not (work / "executed").exists()


def test_a_library_that_was_imported_from_the_current_folder_is_refused(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work" / f"{library}.py").write_text("models = None")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "work"), *sys.path])
    module = __import__(library)
    monkeypatch.setitem(sys.modules, "torchvision.models", module)
    with pytest.raises(ModelError, match=rf"and `.*{library}\.py` was imported by that name"):
        neocog.load(f"{library}:small")


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv3_small", "vit_base_patch16_224",
                                  "ConvNeXt_Tiny", "efficientnet_b0.ra_in1k"])  # fmt: skip
@pytest.mark.parametrize("verb", ["audit", "evaluate", "summary", "explore"])
def test_a_bare_name_of_a_network_is_told_how_to_name_it(call, name: str, verb: str) -> None:
    said = call(verb, name, *(["digits"] if verb != "summary" else []))
    if verb == "summary" and name == "resnet18":  # one of ours, of a size
        assert "Give --size C,H,W" in said.err
        return
    assert (said.status, said.out) == (2, "")
    assert f"`timm:{name}` or `torchvision:{name.partition('.')[0]}`" in said.err
    assert len(said.err.splitlines()) == 1
    assert ("neocog train DATA --model resnet18" in said.err) == (name == "resnet18")


def test_a_factory_may_stand_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets_of_mine.py").write_text(
        "from torch import nn\ndef make(): return nn.Sequential(nn.Flatten(), nn.Linear(4, 2))"
    )
    with pytest.warns(UserWarning, match="it keeps those of its factory"):
        model = neocog.load("nets_of_mine:make", size=(1, 2, 2), mean=[0], std=[1])
    assert isinstance(model.module.network, nn.Sequential)
