"""Batch size, steps and image size of a training follow the size of the set and the budget."""

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neocog.data.batches import batches
from neocog.data.digits import read_digits
from neocog.data.open import open_data
from neocog.runs import sized as sizes
from neocog.runs.budget import Budget
from neocog.runs.recipe import DataConfig, ModelConfig, Recipe, TrainConfig
from neocog.runs.sized import sized
from neocog.runs.small import LEAST_STEPS, STEPS_A_PASS, default_steps, suited_batch
from neocog.verbs.train import train


def _pair(root: Path, each: int, *, side: int = 32) -> Path:
    x, y, _ = read_digits()
    for digit in (3, 5):
        (root / str(digit)).mkdir(parents=True)
        for row in np.flatnonzero(y == digit)[:each]:
            Image.fromarray(x[row, :, :, 0]).resize((side, side)).save(
                root / str(digit) / f"{row}.png"
            )
    return root


@pytest.mark.parametrize("n", [3, 35, 137, 196, 1000, 2047, 2048, 60_000])
def test_a_small_set_has_hundreds_of_steps_and_a_large_one_its_usual_batches(n: int) -> None:
    chosen = suited_batch(Recipe(), n)
    each = n // chosen.batch_size if chosen.drop_last else -(-n // chosen.batch_size)
    assert default_steps(each) >= LEAST_STEPS
    if n >= STEPS_A_PASS * 128:
        assert (chosen.batch_size, chosen.drop_last) == (128, True)
    else:
        assert not chosen.drop_last
        assert chosen.batch_size == 8 or each >= STEPS_A_PASS


@pytest.mark.parametrize(("n", "size"), [(5, 8), (35, 8), (196, 128)])
def test_even_batches_leave_no_sample_out_and_none_is_tiny(n: int, size: int) -> None:
    split = open_data("digits").splits["train"].subset(np.arange(n))
    got = list(batches(split, size=size, shuffle=True, seed=0, epoch=1, even=True))
    rows = np.concatenate([b.index.numpy() for b in got])
    assert sorted(rows.tolist()) == list(range(n))
    counts = [len(b.y) for b in got]
    assert max(counts) <= size
    assert max(counts) - min(counts) <= 1
    assert all((b.y.numpy() == split.y[b.index.numpy()]).all() for b in got)


def test_a_budget_that_is_too_short_for_full_size_takes_smaller_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe(
        data=DataConfig(path=str(_pair(tmp_path, 10, side=96))),
        model=ModelConfig(name="lenet5_modern"),
        train=TrainConfig(budget=100.0),
    )
    budget = Budget(100.0, began=time.monotonic())
    for each, most in ((1e-6, 96), (0.02, 92), (10.0, 28)):
        monkeypatch.setattr(sizes, "_seconds_an_image", lambda *a, s=each: s)
        taken, notes = sized(recipe, budget, by_size=True)
        assert (taken.data.size == ()) == (most == 96) == (notes == ())
        if taken.data.size:
            assert 28 <= taken.data.size[0] <= most
            assert "--size sets another" in notes[0]
    other = Recipe(data=DataConfig(path=recipe.data.path, size=(96, 96)), train=recipe.train)
    assert sized(other, budget) == (other, ())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_fifty_digits_are_enough_to_tell_two_apart(tmp_path: Path, seed: int) -> None:
    model = train(_pair(tmp_path / "few", 25), seed=seed, out=tmp_path / "run", progress=False)
    assert model.evaluate(f"{_pair(tmp_path / 'many', 400)}:all").accuracy >= 0.9
