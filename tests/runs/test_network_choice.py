"""The network of `--model auto`: by what was measured of the data."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import neocog
from neocog.data.open import open_data
from neocog.graph.cost import cost
from neocog.networks.catalog import build
from neocog.runs.budget import Budget
from neocog.runs.network_choice import (
    BLUR,
    SHARING,
    MeasuredPrior,
    keep_priors,
    kept_priors,
    network_of_priors,
)
from neocog.runs.recipe import DataConfig, Recipe


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def worth(low: float, high: float) -> MeasuredPrior:
    return MeasuredPrior(difference=(low + high) / 2, low=low, high=high, n=500)


def chosen(path: Path, **priors: MeasuredPrior) -> tuple[Recipe, str]:
    names = {"sharing": SHARING.prior, "blur": BLUR.prior}
    keep_priors(open_data(path).fingerprint, {names[k]: v for k, v in priors.items()})
    recipe = replace(Recipe(), data=DataConfig(path=str(path)))
    made, (why,) = network_of_priors(recipe, Budget(0.0, began=0.0))
    return made, why


def test_a_prior_counts_where_its_interval_leaves_out_0(cache: Path, images: Path) -> None:
    made, why = chosen(images, sharing=worth(0.01, 0.03), blur=worth(-0.01, 0.02))
    assert made.model == Recipe().model
    assert (
        "the default: weight sharing and locality is worth +2.0 points (95 % CI 1.0 to 3.0" in why
    )
    made, why = chosen(images, sharing=worth(-0.2, -0.1), blur=worth(0.01, 0.02))
    assert made.model.name == "dense"
    made, why = chosen(images, sharing=worth(0.1, 0.2), blur=worth(0.01, 0.02))
    assert made.model.options["downsampling"] == "blur"


def test_the_blurred_network_has_no_more_macs(cache: Path, images: Path) -> None:
    made, _ = chosen(images, sharing=worth(0.1, 0.2), blur=worth(0.01, 0.02))
    sheet = open_data(images).sheet
    macs = [
        cost(
            build("convnet", num_classes=3, in_channels=sheet.channels, size=sheet.size, options=o),
            (sheet.channels, *sheet.size),
        ).macs
        for o in ({}, made.model.options)
    ]
    assert 0.6 * macs[0] < macs[1] <= macs[0]


def test_what_is_kept_is_bounded_and_a_damaged_file_is_nothing(cache: Path) -> None:
    keep_priors("abc", {"a": worth(0.1, 0.2), "b": worth(float("nan"), float("nan"))})
    assert list(kept_priors("abc")) == ["a"]
    (cache / "priors" / "abc.json").write_text('{"a": {"difference": 7, "low": 0}}')
    assert kept_priors("abc") == {}


def test_a_training_takes_the_network_and_says_why(
    cache: Path, images: Path, quick: dict[str, Any], tmp_path: Path
) -> None:
    keep_priors(open_data(images).fingerprint, {SHARING.prior: worth(-0.2, -0.1)})
    keys = {k: v for k, v in quick.items() if not k.startswith("model.")}
    lines: list[str] = []
    model = neocog.train(
        images,
        model="auto",
        settings=keys,
        out=tmp_path / "run",
        progress=lambda event: lines.extend(getattr(event, "notes", ())),
    )
    assert model.card["network"]["name"] == "dense"
    (line,) = [n for n in lines if n.startswith("--model auto")]
    assert line.startswith(
        "--model auto takes dense: weight sharing and locality costs -15.0 points"
    )
    assert line.endswith("as `neocog priors` measured before.")


def test_a_measurement_trains_twins_where_there_is_time(cache: Path, many_images: Path) -> None:
    recipe = replace(Recipe(), data=DataConfig(path=str(many_images)))
    made, (line,) = network_of_priors(recipe, Budget(20.0, began=0.0))
    assert made.model == Recipe().model
    assert line.endswith("there was no time to measure more; a tenth of the budget is 2 s.")
    _, (line,) = network_of_priors(recipe, Budget(0.0, began=0.0))
    assert " points (95 % CI " in line
    assert line.endswith("measured now.")


def test_why_nothing_can_be_measured_is_said(cache: Path, tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8)
    np.savez(tmp_path / "few.npz", x=x, y=np.arange(40) % 2)
    recipe = replace(Recipe(), data=DataConfig(path=str(tmp_path / "few.npz")))
    made, (line,) = network_of_priors(recipe, Budget(0.0, began=0.0))
    assert made == recipe
    assert "the default: Measuring a prior needs 60 images of two classes at least" in line
