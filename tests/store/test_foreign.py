import sys
import types
from pathlib import Path

import pytest
import torch
from torch import nn

from neocog.errors import ModelError, UsageError
from neocog.store.foreign import is_factory, make

COUNT = iter(range(1000))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes a module of a new name into the current folder, which is not on the module path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p not in ("", str(tmp_path))])

    def write(text: str) -> str:
        name = f"strange_{next(COUNT)}"
        (tmp_path / f"{name}.py").write_text("from torch import nn\n" + text)
        return name

    return write


@pytest.mark.parametrize(("place", "is_one"), [
    ("a:b", True), ("a.b.c:D.make", True), ("timm:vit_tiny_patch16_224.augreg-1", True),
    ("a", False), ("a:", False), (":b", False), ("a b:c", False), ("a.pt2", False),
    ("runs/x:y", False), ("1a:b", False), ("a:b:c", False), ("a:b()", False),
])  # fmt: skip
def test_a_factory_is_written_as_module_and_name(place: str, is_one: bool) -> None:
    assert is_factory(place) is is_one


def test_the_current_folder_can_be_imported_and_the_path_is_as_before(here) -> None:
    module = here("def make():\n    return nn.Linear(2, 3).half()\n")
    before = list(sys.path)
    made = make(f"{module}:make").network
    assert isinstance(made, nn.Linear)
    assert made.weight.dtype == torch.float32
    assert sys.path == before


def test_classes_and_nested_names_are_callables_too(here) -> None:
    module = here(
        "class Net(nn.Module):\n    @staticmethod\n    def small():\n        return Net()\n"
    )
    assert type(make(f"{module}:Net").network).__name__ == "Net"
    assert type(make(f"{module}:Net.small").network).__name__ == "Net"


def test_what_a_factory_prints_is_no_result(here, capsys: pytest.CaptureFixture[str]) -> None:
    module = here("print('hello')\ndef make():\n    print('making')\n    return nn.ReLU()\n")
    make(f"{module}:make")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "hello\nmaking\n")


@pytest.mark.parametrize(("text", "name", "message"), [
    ("def make(n):\n    return n", "make", r"called without arguments; .* TypeError: make\(\)"),
    ("def make():\n    return 3", "make", r"returned a `int`\. Return the network itself"),
    ("def make():\n    raise KeyError('x\\ny')", "make", r"failed with KeyError: 'x"),
    ("def make():\n    raise SystemExit(3)", "make", r"failed with SystemExit: 3"),
    ("make = 3", "make", r"is a `int`\. Name a function"),
    ("def make_net():\n    pass", "make_nets", r"has no `make_nets`\. Did you mean `make_net`"),
    ("import nothing_like_this", "make", r"is not: ModuleNotFoundError: No module named 'nothing"),
    ("1 / 0", "make", r"is not: ZeroDivisionError: division by zero\. Try `python -c"),
    ("def f(:", "make", r"is not: SyntaxError"),
    ("raise SystemExit", "make", r"is not: SystemExit"),
])  # fmt: skip
def test_what_goes_wrong_in_a_stranger_s_module_is_a_sentence(here, text, name, message) -> None:
    with pytest.raises(ModelError, match=message) as e:
        make(f"{here(text)}:{name}")
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("place", ["no_such_module:make", "no_such.module:make", "torch.no_n:f"])
def test_a_module_that_is_not_there_is_said_to_be_so(place: str) -> None:
    with pytest.raises(ModelError, match=r"there is no `(no_such.*|torch\.no_n)`\. Check the name"):
        make(place)


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_a_library_that_is_missing_is_said_to_be_so(library, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ModelError, match=rf"needs the package {library}, which cannot be imported"):
        make(f"{library}:resnet18")


def test_a_library_that_breaks_on_import_is_said_to_be_so(here, monkeypatch, tmp_path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "timm.py").write_text("raise RuntimeError('no operator x::nms')")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.delitem(sys.modules, "timm", raising=False)
    with pytest.raises(ModelError, match=r"RuntimeError: no operator x::nms\. Install"):
        make("timm:resnet18")


@pytest.mark.parametrize(("library", "module"), [("torchvision", "torchvision.models"),
                                                 ("timm", "timm")])  # fmt: skip
def test_networks_of_a_library_are_built_with_its_weights(library, module, monkeypatch) -> None:
    """A stand-in for the library: neither can be imported beside every build of PyTorch."""
    asked = []

    def build(name: str, *, num_classes: int = 1000, **rest: object) -> nn.Module:
        asked.append((name, num_classes, rest))
        if name == "broken":
            raise ValueError("no")
        return nn.Linear(1, num_classes)

    room = types.ModuleType(module)
    room.list_models = lambda: ["resnet18", "resnet50", "broken"]
    room.get_model = room.create_model = build
    monkeypatch.setitem(sys.modules, library, types.ModuleType(library))
    monkeypatch.setitem(sys.modules, module, room)
    assert make(f"{library}:resnet18").network.out_features == 1000
    assert make(f"{library}:resnet18", num_classes=5, init="none").network.out_features == 5
    name = "weights" if library == "torchvision" else "pretrained"
    trained = {name: "DEFAULT" if library == "torchvision" else True}
    random = {name: None if library == "torchvision" else False}
    assert asked == [("resnet18", 1000, trained), ("resnet18", 5, random)]
    with pytest.raises(UsageError, match=r"not a model of .*\. Did you mean `resnet18`"):
        make(f"{library}:resnet1")
    with pytest.raises(ModelError, match=r"failed with ValueError: no"):
        make(f"{library}:broken")
