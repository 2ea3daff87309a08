"""Recipes and model.json of older runs say `fit = cover`: they are read as `resize_mode = crop`."""

from __future__ import annotations

import pytest

from neocog.errors import ModelError, UsageError
from neocog.runs.recipe import from_toml, to_toml
from neocog.types import InputSpec, ModelSpec

SIGNAL = InputSpec(channels=3, size=(24, 32), mean=(0.5,) * 3, std=(0.2,) * 3, resize_mode="pad")
CONTRACT = ModelSpec(task="classify", classes=("a", "b"), input=SIGNAL)


@pytest.mark.parametrize(("old", "new"), [("cover", "crop"), ("stretch", "stretch")])
def test_a_recipe_with_the_old_name_is_read(old, new):
    recipe = from_toml(f'[data]\nfit = "{old}"\nplace = "x"')
    assert recipe.data.resize_mode == new
    assert f'resize_mode = "{new}"' in to_toml(recipe)


@pytest.mark.parametrize(("old", "new"), [("cover", "crop"), ("stretch", "stretch")])
def test_a_contract_with_the_old_name_is_read(old, new):
    plain = CONTRACT.to_json()
    del plain["input"]["resize_mode"]
    plain["input"]["fit"] = old
    assert ModelSpec.from_json(plain).input.resize_mode == new


def test_what_is_written_is_read_again_and_what_nobody_knows_is_refused():
    plain = CONTRACT.to_json()
    assert ModelSpec.from_json(plain) == CONTRACT
    plain["input"]["resize_mode"] = "squash"
    with pytest.raises(ModelError, match="resize_mode` in a spec must be one of"):
        ModelSpec.from_json(plain)
    with pytest.raises(UsageError, match=r"has no key `data\.fitt`"):
        from_toml('[data]\nfitt = "cover"')
