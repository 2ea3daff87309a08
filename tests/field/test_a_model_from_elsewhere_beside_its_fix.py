"""A model from elsewhere is compared with its own fix, and both are opened as they were."""

import json
from pathlib import Path

import pytest
import torch
from tests.field.test_a_fix_makes_nothing_worse import Parity, boards

import neocog
from neocog.cli.main import main
from neocog.errors import NeocogError, UsageError
from neocog.runs.load import load
from neocog.runs.model_pair import open_pair
from neocog.verbs.audit import audit
from neocog.verbs.fix import fix

__all__ = ["boards"]

PLACE = "tests.field.test_a_fix_makes_nothing_worse:parity"
SPEC = {"size": (1, 16, 16), "mean": (0.25,), "std": (0.5,)}
QUICK = neocog.AuditConfig(
    n=40, layers=False, rotation=False, scale=False, elastic=False, map_samples=2
)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Of a network that tells the boards apart as SPEC normalizes them."""
    net = Parity()
    with torch.no_grad():
        net.weight *= 0.5
        net.bias.copy_(torch.tensor([1.1, -1.0]))
    file = tmp_path / "w.pt"
    torch.save(net.state_dict(), file)
    return file


@pytest.fixture
def fixed(weights: Path, boards: Path, tmp_path: Path) -> str:
    model = load(PLACE, weights=weights, **SPEC)  # type: ignore[arg-type]
    out = tmp_path / "fixed"
    fix(model, boards, downsampling="blur", finetune=0, n=40, keep="fixed", out=out)
    return str(out)


def test_a_fix_knows_what_it_was_made_from(fixed: str, weights: Path) -> None:
    for first, second in ((fixed, PLACE), (PLACE, fixed)):
        a, b = open_pair(first, second, {})
        assert b is not None
        came = b if first == fixed else a
        assert came.spec.input.size == (16, 16)
        assert (came.spec.input.mean, came.spec.input.std) == ((0.25,), (0.5,))
        held = torch.load(weights, weights_only=True)
        assert torch.equal(came.module.network.state_dict()["weight"], held["weight"])
    other = open_pair(fixed, PLACE, {"mean": (0.5,)})[1]
    assert other is not None
    assert other.spec.input.mean == (0.5,)


class Both(Parity):
    """Its logits come second, behind as many numbers that are none."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits = super().forward(x)
        return -logits, logits


def both() -> Both:
    return Both()


def test_a_fix_knows_which_output_and_how_images_were_brought_to_size(
    weights: Path, boards: Path, tmp_path: Path
) -> None:
    place = f"{__name__}:both"
    model = load(place, weights=weights, output="1", resize_mode="pad", **SPEC)  # type: ignore[arg-type]
    out = str(tmp_path / "fixed")
    fix(model, boards, downsampling="blur", finetune=0, n=40, keep="fixed", out=out)
    came = open_pair(out, place, {})[1]
    assert came is not None
    assert came.spec.output.name == "1"
    assert came.spec.input.resize_mode == "pad"


@pytest.mark.parametrize(("key", "value"), [
    ("size", "abc"), ("size", [1]), ("mean", None), ("std", ["x"]), ("weights", 5),
    ("weights", "a\0b"), ("resize_mode", ["crop"]), ("output", {}),
])  # fmt: skip
def test_how_it_was_opened_is_read_as_what_came_from_outside(
    fixed: str, key: str, value: object
) -> None:
    file = Path(fixed) / "model.json"
    card = json.loads(file.read_text())
    card["fixed"]["opened"][key] = value
    file.write_text(json.dumps(card))
    with pytest.raises(NeocogError, match=key):
        open_pair(fixed, PLACE, {})


def test_weights_that_are_gone_are_asked_for_not_random(fixed: str, weights: Path) -> None:
    away = weights.rename(weights.with_name("moved.pt"))
    with pytest.raises(UsageError, match=r"there is no such file here. Give --weights"):
        open_pair(fixed, PLACE, {})
    assert open_pair(fixed, PLACE, {"weights": away})[1] is not None


def test_two_models_from_elsewhere_have_weights_of_their_own(weights: Path) -> None:
    with pytest.warns(UserWarning, match="No weights were given"):
        a, b = open_pair(PLACE, PLACE, {**SPEC, "weights": weights})
    assert b is not None
    assert a.module.network.get_parameter("weight")[1] == 2.0
    assert b.module.network.get_parameter("weight")[1] == 4.0
    _, b = open_pair(PLACE, PLACE, {**SPEC, "weights": weights}, baseline_weights=str(weights))
    assert b is not None
    assert b.module.network.get_parameter("weight")[1] == 2.0


def test_what_a_run_knows_is_refused(fixed: str, weights: Path) -> None:
    file = str(weights)
    with pytest.raises(UsageError, match=r"A run folder knows its weights"):
        open_pair(fixed, fixed, {}, baseline_weights=file)
    with pytest.raises(UsageError, match=r"both be for the baseline; give one of them"):
        open_pair(fixed, PLACE, {"weights": file}, baseline_weights=file)
    with pytest.raises(UsageError, match=r"none is given.*Name it with --baseline"):
        open_pair(PLACE, None, SPEC, baseline_weights=file)
    with pytest.raises(UsageError, match=r"A run folder knows its model's size"):
        open_pair(fixed, fixed, SPEC)


def test_the_headline_has_flips_accuracy_and_time(
    fixed: str,
    boards: Path,
) -> None:
    first, second = open_pair(fixed, PLACE, {})
    found = audit(first, boards, QUICK, baseline=second)
    plain = found.to_json()
    assert found.other is not None
    flips = [1 - a.shift["crop"].consistency for a in (found.other, found.audit)]
    assert plain["headline"].startswith(
        f"Prediction flips {100 * flips[0]:.1f} → {100 * flips[1]:.1f} % under ≤ 2 px crops"
    )
    assert "pp" in plain["headline"]
    assert plain["headline"].endswith("× the time.")
    assert plain["ms"]["ratio"] == pytest.approx(plain["ms"]["model"] / plain["ms"]["baseline"])
    assert any(plain["headline"] in section.text for section in found.brief())


def test_on_the_command_line(
    fixed: str,
    boards: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["audit", fixed, str(boards), "--samples", "20", "--no-layers", "--no-rotation"]
    words += ["--no-scale", "--no-elastic", "--map-samples", "2", "--shift", "crop"]
    for name in ("--baseline", "--baseline"):
        with pytest.raises(SystemExit) as left:
            main([*words, name, PLACE])
        assert left.value.code == 0
        assert "Prediction flips" in capsys.readouterr().out
