"""Networks whose outputs mean the classes in another order than the data has them."""

import json
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import neocog
from neocog.errors import DataError
from neocog.models.class_matching import match

TEXTS = sorted(range(12), key=str)  # 0, 1, 10, 11, 2, …


CIRCLES = [(k + 5) % 12 for k in range(12)]


SIZE = ["--size", "1,24,24", "--mean", "0", "--std", "1"]


TOLD = {"size": (1, 24, 24), "mean": (0.0,), "std": (1.0,)}


pytestmark = pytest.mark.filterwarnings("ignore:Class names", "ignore:No weights")


class Reads(nn.Module):
    """Output i is the pixel that is white in images of class order[i]: never wrong."""

    def __init__(self, order: list[int]) -> None:
        super().__init__()
        self.order = order

    def forward(self, x: Tensor) -> Tensor:
        return 9 * x.flatten(1)[:, self.order]


def images(classes: int, each: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(classes), each)
    x = rng.integers(0, 128, (len(y), 576), dtype=np.uint8)
    x[np.arange(len(y)), y] = rng.integers(200, 256, len(y))
    return x.reshape(-1, 24, 24), y


@pytest.fixture
def twelve(tmp_path: Path) -> Path:
    x, y = images(12, 10)
    np.savez(tmp_path / "twelve.npz", x_test=x, y_test=y)
    return tmp_path / "twelve.npz"


@pytest.fixture
def nets(monkeypatch: pytest.MonkeyPatch) -> str:
    room = types.ModuleType("nets_of_order")
    room.texts, room.values = lambda: Reads(TEXTS), lambda: Reads(list(range(12)))
    room.circles = lambda: Reads(CIRCLES)
    monkeypatch.setitem(sys.modules, "nets_of_order", room)
    return "nets_of_order"


def test_text_order_is_found_and_its_names_mend_it(call, nets, twelve, tmp_path) -> None:
    for verb, more in (
        ("evaluate", []),
        ("audit", ["--shift", "circular", "--no-rotation", "--no-scale", "--no-elastic"]),
    ):
        said = call(verb, f"{nets}:texts", twelve, *SIZE, *more, "--json")
        found = json.loads(said.out)
        assert found["accuracy"] == pytest.approx(2 / 12)
        (line,) = [n for n in found["notes"] if n.startswith("Another class order")]
        assert "an accuracy of 100.0 %, not 16.7 %: as strings sort, 0, 1, 10, 11, 2, 3" in line
        assert "--classes FILE" in line
        assert any("only numbers, matched by value: output 11 is class `11`" in n
                   for n in found["notes"])  # fmt: skip
    names = tmp_path / "names.txt"
    names.write_text("\n".join(map(str, TEXTS)))
    said = call("evaluate", f"{nets}:texts", twelve, *SIZE, "--classes", names, "--json")
    found = json.loads(said.out)
    assert found["accuracy"] == 1
    assert not any("order" in n for n in found["notes"])


def test_it_is_shown_on_the_terminal(call, nets, twelve) -> None:
    said = call("evaluate", f"{nets}:texts", twelve, *SIZE)
    assert "Another class order would give" in " ".join(said.out.split())


def test_any_other_order_is_found(call, nets, twelve) -> None:
    found = json.loads(call("evaluate", f"{nets}:circles", twelve, *SIZE, "--json").out)
    assert found["accuracy"] == 0
    (line,) = [n for n in found["notes"] if n.startswith("Another class order")]
    assert "100.0 %, not 0.0 %: the best fit, 5, 6, 7, 8, 9, 10, 11, 0, 1" in line


def test_the_right_order_is_not_spoken_of(call, nets, twelve) -> None:
    found = json.loads(call("evaluate", f"{nets}:values", twelve, *SIZE, "--json").out)
    assert found["accuracy"] == 1
    assert not any(n.startswith("Another class order") for n in found["notes"])


def test_names_that_were_given_in_a_wrong_order(twelve: Path) -> None:
    names = [str(k) for k in reversed(range(12))]
    found = neocog.evaluate(Reads(list(range(12))), twelve, classes=names, **TOLD)
    assert any("100.0 %, not 0.0 %: as numbers in them sort, 0, 1, 2" in n for n in found.notes)


def folder(place: Path, names: list[str]) -> Path:
    x, y = images(len(names), 12)
    for i, (pixels, k) in enumerate(zip(x, y, strict=True)):
        (place / "test" / names[k]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / "test" / names[k] / f"{i}.png")
    return place


def test_numbers_from_one_and_with_zeros_in_front_go_by_value(tmp_path: Path) -> None:
    ones = folder(tmp_path / "ones", [str(k) for k in range(1, 13)])
    found = neocog.evaluate(Reads(list(range(12))), ones, **TOLD)
    assert found.accuracy == 1
    assert any("in the order of the data's classes: 1, 2, 3, 4, 5" in n for n in found.notes)
    zeros = folder(tmp_path / "zeros", [f"{k:03}" for k in range(12)])
    found = neocog.evaluate(Reads(list(range(12))), zeros, **TOLD)
    assert (found.accuracy, found.classes[:2]) == (1, ("000", "001"))
    some = folder(tmp_path / "some", ["000", "001", "002"])
    assert neocog.evaluate(Reads(list(range(12))), some, **TOLD).accuracy == 1


def test_case_and_spelling_of_names_do_not_matter(tmp_path: Path) -> None:
    place = folder(tmp_path / "x", ["ab cd", "cafe\u0301", "ef"])
    names = ["AB_CD", "Café", "ef"]
    found = neocog.evaluate(Reads([0, 1, 2]), place, classes=names, **TOLD)
    assert found.accuracy == 1
    assert any("are matched" in n and "`ab cd` for `AB_CD`" in n for n in found.notes)
    some = neocog.evaluate(Reads([0, 1, 2]), place, classes=["AB_CD", "Café", "eff"], **TOLD)
    assert (some.n, some.accuracy) == (2 * found.n // 3, 1)
    assert any("are not classes of the model (`ef`)" in n for n in some.notes)
    with pytest.raises(DataError, match=r"`ab cd` is not\. The model has `x`"):
        neocog.evaluate(Reads([0, 1, 2]), place, classes=["x", "y", "z"], **TOLD)
    with pytest.raises(DataError, match=r"Two classes of `x` match one class of the model"):
        match(("cat", "dog"), ("Cat", "cat"), "x", named=True)
    with pytest.raises(DataError, match="`CAT` is not"):  # two are as near
        match(("Cat", "cat"), ("CAT",), "x", named=True)


def test_a_module_in_python_and_a_fix_are_told_too(twelve: Path, tmp_path: Path) -> None:
    asked = neocog.AuditConfig(shift=("circular",), rotation=False, scale=False, elastic=False)
    x, y = images(12, 10)
    x = torch.from_numpy(x)[:, None] / 255
    for data in (twelve, (x, y), (x, torch.from_numpy(y))):
        found = neocog.audit(Reads(TEXTS), data, asked).audit
        assert found.accuracy == pytest.approx(2 / 12)
        assert sum("100.0 %, not 16.7 %: as strings sort" in n for n in found.notes) == 1


def test_a_fix_says_it(twelve: Path, tmp_path: Path) -> None:
    class Strided(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 16, 4, stride=2, padding=1)
            self.head = Reads(TEXTS)
            with torch.no_grad():
                self.conv.weight.zero_()

        def forward(self, x: Tensor) -> Tensor:
            return self.head(x) + 0 * self.conv(x).sum((1, 2, 3))[:, None]

    model = neocog.load(Strided(), **TOLD)
    done = neocog.fix(model, twelve, downsampling="blur", finetune=0, shift=("circular",), n=16,
                      out=tmp_path / "fixed")  # fmt: skip
    assert any("an accuracy of 100.0 %, not 1" in n for n in done.notes)
