"""A .pt2 file calls what computes, and holds formulas of sizes that can be worked out at once."""

import json
import re
import zipfile
from pathlib import Path

import pytest
import torch
from tests.store.made import network, program, tampered
from torch import Tensor, nn
from torch.nn import functional as F

from neocog.errors import UnsafeWeights
from neocog.store.exported import load_exported, save_exported
from neocog.store.sizes import is_arithmetic, too_much


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported program."""
    file = tmp_path_factory.mktemp("program") / "good.pt2"
    save_exported(network(), file, torch.rand(3, 1, 8, 8))
    return file


@pytest.mark.parametrize(
    "name",
    ["aten.save.default", "aten.from_file.default", "aten.add.str", "aten.mul.left_t",
     "aten.warn.default", "aten._print.default", "aten.set_data.default", "aten.relu.out",
     "prim.Print.default", "prims._sink_tokens.default", "c10d.send.default",
     "aten.manual_seed.default", "aten.eval.default", "inductor.resize_storage_bytes_.default",
     "profiler._record_function_enter.default", "aten.seed.default", "aten.relu"],
)  # fmt: skip
def test_an_operator_that_is_none_of_a_network_is_refused(good, tmp_path, name) -> None:
    called = f"torch.ops.{name}"
    edit = program(lambda p: p["graph_module"]["graph"]["nodes"][0].update(target=called))
    with pytest.raises(
        UnsafeWeights, match=rf"calls `{re.escape(called)}`, which is not an operator"
    ):
        load_exported(tampered(good, tmp_path / "bad.pt2", edit))


BOMBS = {
    "product of sums": "*".join(f"(s{i} + 1)" for i in range(18)),
    "product of sums in one symbol": "*".join(f"(s7 + {i})" for i in range(1, 15)),
    "as a function": "Mul(" + ", ".join(f"Add(s{i}, Integer(1))" for i in range(14)) + ")",
    "nested products": "(" * 14 + "s7" + " + 1)*(s8 + 1)" * 14,
    "product of roundings": "*".join(f"(FloorDiv(s7, {i}) + 1)" for i in range(2, 32)),
    "quotient of sums": "/".join(f"(s{i} + 1)" for i in range(14)),
    "nested roundings": "(FloorDiv(" * 80 + "s7" + ", 2) + 1)" * 80,
    "nested remainders": "Mod(" * 80 + "s7" + " + 1, 97)" * 80,
    "nested maxima": "Max(" * 60 + "s7" + ", s8 + 1)" * 60,
    "long maximum": "Max(" + ", ".join(f"s{i} + {i}" for i in range(60)) + ")",
    "maximum of minima": "Max(" + ", ".join(f"Min(s{i}, s{i + 1})" for i in range(60)) + ")",
    "long choice": "Piecewise(" + ", ".join(f"(s7 + {i}, Eq(s7, {i}))" for i in range(60)) + ")",
    "nested negations": "-" * 3000 + "s7",
    "brackets": "(" * 4000 + "s7" + ")" * 4000,
    "letters": "+".join(["s7"] * 4000),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_formula_that_takes_minutes_is_refused_before_it_is_worked_out(
    good: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing but its own length is waited for: neither sympy nor PyTorch's reader is called."""

    def never(*args: object, **kwargs: object) -> None:
        raise AssertionError("the program was read")

    def change(p) -> None:
        values = p["graph_module"]["graph"]["tensor_values"]
        values["x" if "x" in values else "input"]["sizes"][0]["as_expr"]["expr_str"] = BOMBS[name]

    monkeypatch.setattr(torch.export, "load", never)
    with pytest.raises(UnsafeWeights, match=r"has (sizes that take too long|a size `)"):
        load_exported(tampered(good, tmp_path / "bad.pt2", program(change)))


def test_formulas_are_weighed_together_too() -> None:
    one = "(" + "*".join(f"(s{i} + 1)" for i in range(7)) + ")"
    assert is_arithmetic(one)
    assert too_much([one]) is None
    assert too_much([f"{one} + {i}" for i in range(300)]) is not None
    assert too_much([one] * 100_000) is not None


def test_sums_may_be_long() -> None:
    assert too_much([" + ".join(f"s{i}*s{i + 1}" for i in range(60))]) is None


class Pyramid(nn.Module):
    """Anchors of four scales, for any height and width, and windows of seven cells."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(nn.Conv2d(1 if i == 0 else 2, 2, 3, 2) for i in range(4))

    def forward(self, x: Tensor) -> Tensor:
        found, first = [], x[:, :, ::4, ::4]
        for layer in self.down:
            x = layer(x)
            found.append(x.flatten(2))
        height, width = first.shape[2:]
        first = F.pad(first, (0, (7 - width % 7) % 7, 0, (7 - height % 7) % 7))
        height, width = first.shape[2:]
        windows = first.view(-1, 1, height // 7, 7, width // 7, 7).mean((3, 5)).flatten(2)
        return torch.cat([*found, windows.expand(-1, 2, -1)], 2).mean(2)


def test_a_program_for_any_height_and_width_is_read(tmp_path: Path) -> None:
    net, x, auto = Pyramid().eval(), torch.rand(2, 1, 256, 320), torch.export.Dim.AUTO
    made = torch.export.export(net, (x,), dynamic_shapes=({0: auto, 2: auto, 3: auto},))
    torch.export.save(made, tmp_path / "x.pt2")
    with zipfile.ZipFile(tmp_path / "x.pt2") as z:
        (inside,) = (n for n in z.namelist() if n.endswith("models/model.json"))
        assert "FloorDiv" in json.dumps(json.loads(z.read(inside)))
    loaded, _ = load_exported(tmp_path / "x.pt2")
    for size in ((256, 320), (257, 259), (383, 401)):
        y = torch.rand(3, 1, *size)
        torch.testing.assert_close(loaded(y), net(y))
