"""A mean and std that are possible, and far from the images that come."""

import json
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import neocog
from neocog.models.normalized import misfit
from neocog.types import InputSpec

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
USUAL = {
    "imagenet": IMAGENET,
    "cifar": ((0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)),
    "mnist": ((0.1307,) * 3, (0.3081,) * 3),
    "half": ((0.5,) * 3, (0.5,) * 3),
    "raw": ((0.0,) * 3, (1.0,) * 3),
    "mean alone": (IMAGENET[0], (1.0,) * 3),
    "bytes": (IMAGENET[0], (1 / 255,) * 3),
}


def spec(mean: tuple[float, ...], std: tuple[float, ...]) -> InputSpec:
    return InputSpec(channels=len(mean), size=(8, 8), mean=mean, std=std)


def images(mean: float, std: float, n: int = 32) -> torch.Tensor:
    g = torch.Generator().manual_seed(0)
    return (mean + std * torch.randn(n, 3, 8, 8, generator=g)).clamp(0, 1)


@pytest.mark.parametrize("usual", USUAL)
@pytest.mark.parametrize(("mean", "std"), [
    (0.45, 0.25), (0.13, 0.3), (0.87, 0.3), (0.3, 0.12), (0.5, 0.5), (0.8, 0.15), (0.2, 0.15),
])  # fmt: skip
def test_usual_statistics_go_with_usual_images(usual: str, mean: float, std: float) -> None:
    assert misfit(images(mean, std), spec(*USUAL[usual])) is None


def test_with_those_of_imagenet_no_image_is_too_bright_or_dark() -> None:
    for value in (0.0, 1.0):
        x = torch.full((32, 3, 8, 8), value)
        x[:, :, 0] = 1 - value  # not flat, or that is said
        assert misfit(x, spec(*IMAGENET)) is None


@pytest.mark.parametrize(("mean", "std", "words"), [
    ((0.0019,) * 3, (0.0009,) * 3, r"a mean of \d+ and a standard deviation of 2\d\d "),
    ((0.485,) * 3, (0.0009,) * 3, r"a standard deviation of 2\d\d "),  # divided by 255 twice
    ((0.0019,) * 3, (0.05,) * 3, r"a mean of 9\.\d+ and"),
    ((0.05,) * 3, (0.08,) * 3, r"a mean of 5\.\d+ and a standard deviation of 2\.\d+ in channel"),
])  # fmt: skip
def test_a_gross_misfit_is_said_with_figures(mean, std, words: str) -> None:
    import re

    said = misfit(images(0.45, 0.23), spec(mean, std))
    assert said is not None
    assert re.search(words, said)
    assert "Check --mean and --std" in said


def test_images_that_are_nearly_flat_are_said() -> None:
    said = misfit(images(0.002, 0.001), spec(*IMAGENET))  # divided by 255 twice
    assert said is not None
    assert "a standard deviation of 0.00" in said
    assert misfit(images(0.002, 0.001), spec(*USUAL["raw"])) is None


def test_one_odd_image_is_no_evidence() -> None:
    dark = spec((0.1,) * 3, (0.15,) * 3)
    assert misfit(torch.full((1, 3, 8, 8), 1.0), dark) is None
    assert misfit(torch.zeros(1, 3, 8, 8), spec(*IMAGENET)) is None
    assert misfit(images(0.5, 0.2, n=1), spec((0.5,) * 3, (0.0009,) * 3)) is not None


@pytest.fixture
def nets(monkeypatch: pytest.MonkeyPatch) -> str:
    room = types.ModuleType("nets_of_elsewhere")
    room.flat = lambda: nn.Sequential(nn.Flatten(), nn.Unflatten(1, (10, -1)), Mean())
    monkeypatch.setitem(sys.modules, "nets_of_elsewhere", room)
    return "nets_of_elsewhere"


class Mean(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :, :78].mean(2)


def test_commands_say_it(call, nets: str, tmp_path: Path) -> None:
    given = ["--size", "1,30,30", "--mean", "0.0019", "--std", "0.0009"]
    good = ["--size", "1,30,30", "--mean", "0.13", "--std", "0.31"]
    few = ["--shift", "circular", "--no-rotation", "--no-scale", "--no-elastic", "--no-layers"]
    for words in (["evaluate", f"{nets}:flat", "digits"],
                  ["audit", f"{nets}:flat", "digits", "--samples", "16", *few]):  # fmt: skip
        notes = json.loads(call(*words, *given, "--json").out)["notes"]
        assert sum("Normalized with mean 0.0019 and std 0.0009" in n for n in notes) == 1
        notes = json.loads(call(*words, *good, "--json").out)["notes"]
        assert not any("Normalized with" in n for n in notes)
    rng = np.random.default_rng(0)
    for i in range(9):
        pixels = rng.integers(0, 256, (30, 30), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        said = call("predict", f"{nets}:flat", tmp_path, *given, "--classes", "10")
        fine = call("predict", f"{nets}:flat", tmp_path, *good, "--classes", "10")
    assert said.err.count("note     Normalized with mean 0.0019") == 1
    assert "Normalized" not in fine.err


def test_values_that_are_given_to_an_opened_model_are_looked_at() -> None:
    model = neocog.load(nn.Flatten(), size=(3, 8, 8), mean=(0.05,), std=(0.01,))
    asked = neocog.AuditConfig(shift=(), layers=False, rotation=False, scale=False, elastic=False)
    found = neocog.audit(model, images(0.5, 0.2), asked).audit
    assert sum("Normalized with mean 0.05 and std 0.01" in n for n in found.notes) == 1
