"""What was written under old names is read under those of today."""

import json

import numpy as np
import pytest

import neocog
from neocog.errors import UsageError
from neocog.legacy import card_of_today, checkpoint_of_today, recipe_of_today, spec_of_today
from neocog.runs.load import load
from neocog.runs.recipe import Recipe, from_toml, to_toml

OLD = """
[data]
place = "digits"
fit = "cover"
[network]
name = "dense"
hidden = [16]
sampling = "stride"
padding = "zero"
start = ""
[course]
epochs = 2.0
batch = 64
average = 0.9
[objective]
clip = 1.0
[optimiser]
name = "sgd"
lr = 0.1
[schedule]
final = 0.1
[augment]
erase = 0.5
squeeze = 0.1
equalise = 0.2
border = "zero"
[machine]
layout = "contiguous"
"""


def test_an_old_recipe_is_the_recipe_it_was():
    recipe = from_toml(OLD)
    assert recipe.data.path == "digits"
    assert recipe.data.resize_mode == "crop"
    assert recipe.model.options == {"hidden": (16,), "downsampling": "stride", "padding": "zeros"}
    assert (recipe.train.batch_size, recipe.train.ema_decay) == (64, 0.9)
    assert recipe.objective.max_grad_norm == 1
    assert recipe.schedule.final_lr_factor == 0.1
    assert recipe.augment is not None
    assert (recipe.augment.random_erasing, recipe.augment.aspect_jitter) == (0.5, 0.1)
    assert (recipe.augment.equalize, recipe.augment.border) == (0.2, "zeros")
    assert recipe.machine.memory_format == "contiguous"
    assert from_toml(to_toml(recipe)) == recipe


def test_an_old_name_beside_that_of_today_is_refused():
    both = {"train": {"batch_size": 8, "batch": 9}}
    assert recipe_of_today(both) == both
    with pytest.raises(UsageError, match=r"no key `train\.batch`. Did you mean `batch_size`"):
        from_toml("[train]\nbatch_size = 8\nbatch = 9")


def test_what_is_of_today_stays_as_it_is():
    tables = {t: {"seed": 1} for t in ("data", "train")}
    assert recipe_of_today(tables) == tables
    assert recipe_of_today({"course": 3}) == {"train": 3}
    spec = {"task": "classify", "input": {"resize_mode": "pad"}}
    assert spec_of_today(spec) == spec
    assert from_toml("") == Recipe()


def test_the_state_of_an_old_checkpoint():
    tensors, state = checkpoint_of_today({"optimiser.0.step": 1, "network.a": 2}, {"optimiser": {}})  # type: ignore[dict-item]
    assert tensors == {"optimizer.0.step": 1, "network.a": 2}
    assert state == {"optimizer": {}}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    neocog.train(
        "digits",
        model="dense",
        epochs=0.05,
        settings={"model.hidden": [8], "machine.device": "cpu"},
        out=folder,
    )
    return folder


def test_an_old_run_folder_is_opened(run):
    card = json.loads((run / "model.json").read_text())
    x = np.random.default_rng(0).random((3, 1, 28, 28), np.float32)
    import torch

    now = load(run).module(torch.from_numpy(x))
    old = dict(card, format=1)
    old["contract"], old["measured"] = old.pop("spec"), old.pop("metrics")
    old["contract"]["signal"] = old["contract"].pop("input")
    old["data"]["place"] = old["data"].pop("path", old["data"].pop("place", ""))
    assert card_of_today(old)["spec"] == card["spec"]
    (run / "model.json").write_text(json.dumps(old))
    again = load(run)
    assert again.card["metrics"] == card["metrics"]
    assert torch.equal(again.module(torch.from_numpy(x)), now)
