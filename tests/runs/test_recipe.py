import math
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neocog.errors import UsageError
from neocog.runs.recipe import (
    LabelsConfig,
    MachineConfig,
    PretrainConfig,
    Recipe,
    TransferConfig,
    changed,
    from_toml,
    to_toml,
)
from neocog.training.augment import Augment


def test_the_default_recipe_survives_a_file() -> None:
    assert from_toml(to_toml(Recipe())) == Recipe()


@given(
    lr=st.floats(1e-9, 1e9),
    size=st.tuples(st.integers(1, 999), st.integers(1, 999)),
    path=st.text(st.characters(exclude_categories=["Cs"])),
    width=st.integers(-(2**63) + 1, 2**63 - 1),
    flip=st.booleans(),
)
def test_any_recipe_survives_a_file(
    lr: float, size: tuple[int, int], path: str, width: int, flip: bool
) -> None:
    recipe = changed(
        Recipe(machine=MachineConfig(precision="bfloat16")),
        {
            "optimizer": {"lr": lr},
            "data": {"size": list(size), "path": path},
            "model": {"width": width, "widths": [1, 2]},
            "augment": {"flip": flip},
        },
    )
    assert recipe.model.options == {"width": width, "widths": (1, 2)}
    assert from_toml(to_toml(recipe)) == recipe


def test_every_key_is_in_the_file() -> None:
    recipe = Recipe(
        augment=Augment(),
        transfer=TransferConfig(),
        pretrain=PretrainConfig(),
        labels=LabelsConfig(per_class=10),
    )
    plain = tomllib.loads(to_toml(recipe))
    for part in fields(Recipe):
        value = getattr(recipe, part.name)
        assert is_dataclass(value)
        assert set(plain[part.name]) == {f.name for f in fields(value)} - {"options"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[trian]\nepochs = 1", r"no table `trian`\. Did you mean `train`"),
        ("[train]\nepoch = 1", r"no key `train\.epoch`\. Did you mean `epochs`"),
        ("train = 1", r"`train` is a table of keys, got 1"),
        ("[train]\nbatch_size = 1.5", r"`train\.batch_size` is an integer, got 1\.5"),
        ("[train]\nbatch_size = true", r"`train\.batch_size` is an integer, got true"),
        ("[optimizer]\nlr = '0.1'", r"`optimizer\.lr` is a number, got '0\.1'"),
        ("[augment]\nflip = 1", r"`augment\.flip` is true or false, got 1"),
        ("[data]\nsize = [1.5, 2]", r"`data\.size` is a list of integers"),
        ("[data]\npath = 3", r"`data\.path` is a string, got 3"),
        ("[train", r"must be a TOML file, and is not"),
        ("[augment]\nshift = -1", r"`augment\.shift` must not be negative"),
    ],
)
def test_wrong_recipes_are_errors(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        from_toml(text)


def test_another_network_takes_no_old_options() -> None:
    one = changed(Recipe(), {"model": {"width": 8}})
    assert changed(one, {"model": {"name": "dense"}}).model.options == {}
    assert changed(one, {"model": {"depth": 3}}).model.options == {"width": 8, "depth": 3}


def test_whole_numbers_are_numbers() -> None:
    epochs = from_toml("[train]\nepochs = 3").train.epochs
    assert isinstance(epochs, float)
    assert not math.isnan(epochs)


def test_a_recipe_is_found_in_a_run(tmp_path: Path) -> None:
    from neocog.runs.folder import RunFolder

    folder = RunFolder(tmp_path / "run")
    folder.write_recipe(Recipe())
    assert RunFolder.open(tmp_path / "run").recipe == Recipe()
